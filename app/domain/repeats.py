"""Openings that need several events: the second visit to a pricing page, the third view of a product on another day (A-110, A-115)."""

from __future__ import annotations

from msgspec import Struct

from app.domain import scope
from app.domain.days import DAY_MS
from app.domain.product import Product
from app.domain.scope import PRODUCT, Subject
from app.domain.trigger import Opening

MAX_COUNTS = 30
"""Counts kept of a person; the one whose last event is oldest gives way."""
MAX_TIMES = 20
"""Events of one count; beyond it the oldest stays, for its day, and the second oldest gives way."""
KEPT_MS = 30 * DAY_MS
"""Of an opening without `within`."""


class Count(Struct, frozen=True, array_like=True):
    """Events of one trigger and scope so far. `times`: when they happened (ms), sorted."""

    trigger: str
    key: str
    product: Product
    times: tuple[int, ...]


def counted(counts: tuple[Count, ...], trigger: str, opening: Opening, key: str, subject: Subject) -> tuple[tuple[Count, ...], bool]:
    """The counts with `subject` among them, and whether it is the one that opens: then its count is gone, the next starts anew."""
    about = subject.products[0] if opening.scope == PRODUCT else scope.NO_PRODUCT
    before, times, others = None, [subject.ts], counts
    for one in counts:
        if one.trigger == trigger and scope.concerns(opening.scope, one.key, one.product, subject):
            before, others = one, tuple([other for other in counts if other is not one])
            first = subject.ts - (opening.within or KEPT_MS)
            times = sorted([subject.ts, *[at for at in one.times if at > first]])
            break
    if len(times) >= opening.count and len({at // DAY_MS for at in times}) >= opening.days:
        return others, True
    if len(times) > MAX_TIMES:
        del times[1]
    now = Count(trigger, key, about, tuple(times)) if before is None else Count(trigger, before.key, before.product, tuple(times))
    if len(others) >= MAX_COUNTS:
        oldest = min(others, key=lambda one: one.times[-1])
        others = tuple([one for one in others if one is not oldest])
    return (*others, now), False


def union(mine: tuple[Count, ...], theirs: tuple[Count, ...]) -> tuple[Count, ...]:
    """Of two people as one: what both did counts together, and the next event of the kind may open."""
    found = list(mine)
    for one in theirs:
        place = next((n for n, other in enumerate(found) if other.trigger == one.trigger and _alike(other, one)), None)
        if place is None:
            found.append(one)
            continue
        times = sorted((*found[place].times, *one.times))
        found[place] = Count(one.trigger, found[place].key, found[place].product, (times[0], *times[1:][-(MAX_TIMES - 1) :]))
    return tuple(sorted(found, key=lambda one: one.times[-1])[-MAX_COUNTS:]) if theirs else mine


def _alike(one: Count, other: Count) -> bool:
    return one.key == other.key or one.product.same(other.product)


def without(counts: tuple[Count, ...], trigger: str, scoped: str, subject: Subject) -> tuple[Count, ...]:
    """The counts after an event that cancels the trigger by `scoped`: who has bought it, or put it into the cart, starts anew."""
    kept = tuple([one for one in counts if one.trigger != trigger or not scope.concerns(scoped, one.key, one.product, subject)])
    return counts if len(kept) == len(counts) else kept
