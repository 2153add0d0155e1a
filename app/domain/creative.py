"""Which subject line, picture and button a message gets: chosen per message by what people did with it so far (A-179, A-181).

Each factor is a bandit of its own, so a dozen variants need no grid of a hundred. A variant's share of successes is a Beta distribution,
Beta(1 + successes, 1 + failures); one value is drawn of each and the greatest wins (Thompson 1933): what does well goes out more often,
what is not known yet is still tried. Draws follow from the send id, so the same message of the same person is always the same. What counts
is published once a day with the figures of everybody: a subject line has done well when a human opened, a picture or button when she
clicked.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b

from msgspec.structs import replace

from app.domain.message import MessageSource
from app.domain.trigger import Condition, Variant
from app.events import Counted

SUBJECT, IMAGE, CTA = "subject", "image", "cta"
FACTORS = (SUBJECT, IMAGE, CTA)
AS_WRITTEN = "as_written"
"""What the message's own files say: always one of the choices."""
WENT, WORKED = "creative_sent", "creative_worked"
"""Figures of everybody: `creative_sent/MESSAGE/FACTOR`, by variant how many went out; and with how many it worked."""

Chosen = tuple[tuple[str, str], ...]
"""(factor, variant) of a message."""


def chosen(variants: Iterable[Variant], sizes: Mapping[str, Mapping[str, int]], send_id: str, holds: Callable[[Condition], bool]) -> Chosen:
    """The choice of each factor that the message has variants of. `sizes`: the figures' names, as `Population` has them."""
    choices: dict[str, list[str]] = {}
    message = ""
    for one in variants:
        message = one.message
        names = choices.setdefault(one.factor, [AS_WRITTEN])
        if one.when is None or holds(one.when):
            names.append(one.name)
    return tuple([(factor, _best(message, factor, names, sizes, send_id)) for factor, names in choices.items()])


def _best(message: str, factor: str, names: list[str], sizes: Mapping[str, Mapping[str, int]], send_id: str) -> str:
    if len(names) == 1:
        return names[0]  # nothing to draw for
    went, worked = (sizes.get(f"{kind}/{message}/{factor}", {}) for kind in (WENT, WORKED))

    def value(name: str) -> float:
        successes = max(0, worked.get(name, 0))
        return beta(1 + successes, 1 + max(0, went.get(name, 0) - successes), f"{send_id}/{factor}/{name}")

    return max(names, key=value)


def written(source: MessageSource, variants: Iterable[Variant], choice: Mapping[str, str]) -> tuple[MessageSource, dict[str, str]]:
    """The message as chosen, and what its template is told of the choice. `choice`: factor → variant."""
    told = {one.factor: one.text for one in variants if choice.get(one.factor) == one.name}
    return (replace(source, subject=told.pop(SUBJECT)) if SUBJECT in told else source), told


def sent(at: int, message: str, choice: Chosen) -> Counted:
    """That a message went out as it was chosen."""
    return Counted(at, tuple([(f"{WENT}/{message}/{factor}", None, name) for factor, name in choice]))


def worked(at: int, message: str, choice: Chosen, clicked: bool) -> tuple[Counted | None, Chosen]:
    """What a human's open or click says for the choice, and what of it still waits for its own: each counts once."""
    told = tuple([one for one in choice if clicked or one[0] == SUBJECT])
    left = tuple([one for one in choice if one not in told])
    if not told:
        return None, choice
    return Counted(at, tuple([(f"{WORKED}/{message}/{factor}", None, name) for factor, name in told])), left


def beta(a: int, b: int, seed: str) -> float:
    """A draw of Beta(a, b), a and b at least 1: of two gamma variates the first's share."""
    values = _uniforms(seed)
    first, second = _gamma(a, values), _gamma(b, values)
    return first / (first + second)


def _gamma(shape: float, values: Iterator[float]) -> float:
    """Marsaglia & Tsang 2000, "A simple method for generating gamma variables", for shapes of 1 and more."""
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        # A normal variate by Box & Muller 1958.
        x = math.sqrt(-2 * math.log(next(values))) * math.cos(2 * math.pi * next(values))
        v = (1 + c * x) ** 3
        if v > 0 and math.log(next(values)) < x * x / 2 + d - d * v + d * math.log(v):
            return d * v


def _uniforms(seed: str) -> Iterator[float]:
    """Numbers between 0 and 1, both excluded, that follow from the seed: the same on every machine and day."""
    number = 0
    while True:
        for whole in _FOUR(blake2b(f"{seed}/{number}".encode(), digest_size=32).digest()):
            yield (whole + 0.5) * _SHARE
        number += 1


_FOUR = struct.Struct(">4Q").unpack
_SHARE = 0.5**64
