"""How two people become one: what a person of the lane knows of it, and the way of what was hers to the person she became (design.md 1.6).

An event that names a second identifier makes its person wait under a cause (`link`). The partition that owns the identifier answers the
cause exactly once: through the old person, who hands over all she was (`merge_out`, `moved`) and from then on is a stub that sends on
whatever still comes for her, or directly, if there is nothing to hand over. While a cause is open nothing is sent to the person (`held`,
reason `merging`). Answers take the way the events took, so that an answer never overtakes what it speaks of; a question and its answer may
arrive in either order.

Links told at the same moment in two partitions can go round in a circle. What is handed over then comes back to one of its stubs: of the
people of the circle the one with the lowest id takes it, and is a stub no more.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

MAX_AWAITED = 200
"""Causes a person waits for; beyond it the oldest is waited for no more."""
MAX_EARLY = 100
"""Answers that came before their question."""
MAX_VIA = 64
"""People that what is handed over may pass; the next one keeps it, and the chain ends with her."""


class Merging(Struct, frozen=True, array_like=True):
    """Of a person who is, or was lately, becoming one with another; `into` not empty: a stub, everything goes there."""

    into: str = ""
    awaited: tuple[str, ...] = ()
    early: tuple[str, ...] = ()


NONE = Merging()


def waits(merging: Merging | None) -> bool:
    """Whether something of hers is still on its way."""
    return merging is not None and bool(merging.awaited)


def settled(merging: Merging | None, asked: Iterable[str], answered: Iterable[str]) -> Merging | None:
    """After more questions and answers: each pair of them is done with. None: nothing is open."""
    awaited = list(merging.awaited) if merging is not None else []
    early = list(merging.early) if merging is not None else []
    for cause in asked:
        if cause in early:
            early.remove(cause)
        else:
            awaited.append(cause)
    for cause in answered:
        if cause in awaited:
            awaited.remove(cause)
        else:
            early.append(cause)
    if not awaited and not early:
        return None
    return Merging("", tuple(awaited[-MAX_AWAITED:]), tuple(early[-MAX_EARLY:]))


def keeps(person_id: str, into: str, via: tuple[str, ...]) -> bool:
    """Whether a stub keeps what passed `via` on its way to her, instead of sending it on `into` the next."""
    if into in via:
        return person_id == min(*via[via.index(into) :], person_id)
    return len(via) >= MAX_VIA


def passed(via: tuple[str, ...], person_id: str) -> tuple[str, ...]:
    """The way with one more person on it."""
    return via if person_id in via else (*via, person_id)
