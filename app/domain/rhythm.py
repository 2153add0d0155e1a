"""When and what she buys again: the cycle of each category, the month of the year, how one order follows another (A-013, A-141, A-142).

Days between all her orders: app/domain/churn.py, which wakes itself by them. Here is what is looked at when somebody asks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from app.domain.fingerprint import fingerprint
from app.domain.merged_orders import Union
from app.domain.orders import Order
from app.domain.purchases import Purchases, amounts

MAX_CYCLES = 20
"""Categories; the one that she bought longest ago gives way."""
MONTHS = 12
PEAK_ORDERS, PEAK_MONTHS, PEAK_SHARE = 4, 24, 0.4
"""A yearly peak: the month with ≥ 40 % of ≥ 4 orders over ≥ 2 years (interface.md section 8), which is first and last 24 months apart."""
MIN_PROGRESSION = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Cycle(Struct, frozen=True, array_like=True):
    """Orders of one category: how many, the first and the last (ms)."""

    orders: int
    first: int
    last: int

    @property
    def mean_gap(self) -> float | None:
        """Mean gap in ms: last minus first by their number less one, which is exact without the gaps. None below 2 orders."""
        return (self.last - self.first) / (self.orders - 1) if self.orders >= 2 else None


class Rhythm(Struct, frozen=True, array_like=True):
    """`cycles` by category; `months`: orders ever placed in January … December (UTC), empty before the first."""

    cycles: dict[str, Cycle] = {}
    months: tuple[int, ...] = ()


def ordered(rhythm: Rhythm, before: Order | None, after: Order, names: tuple[str, ...]) -> Rhythm:
    """After a record of an order, that made `after` of `before`; `names`: categories that no earlier record of it had told.

    A line stamped earlier than those before it moves the order. If an order of the same category lay in between, which takes two orders
    within the minutes of one, that category's last becomes a little too early.
    """
    cycles, months = rhythm.cycles, rhythm.months
    if before is None or before.at != after.at:
        months = _moved(months, before, after)
    if before is not None and before.at != after.at:
        cycles = {name: _earlier(one, before, after) if fingerprint(name) in before.categories else one for name, one in cycles.items()}
    if names:
        cycles = dict(cycles)
        for name in names:
            cycles[name] = _both(cycles.get(name), Cycle(1, after.at, after.at))
    if cycles is rhythm.cycles and months is rhythm.months:
        return rhythm
    return Rhythm(_bounded(cycles), months)


def peak(rhythm: Rhythm, first_at: int, last_at: int) -> int | None:
    """Her yearly peak, 1 January … 12 December, or None; of equal months the first. `first_at`, `last_at`: of all her orders (ms)."""
    count = sum(rhythm.months)
    if count < PEAK_ORDERS or _month(last_at) - _month(first_at) < PEAK_MONTHS:
        return None
    most = max(rhythm.months)
    return rhythm.months.index(most) + 1 if most >= PEAK_SHARE * count else None


def next_month(month: int, now: int) -> int:
    """The first instant after `now` at which that month of the year begins (ms, UTC)."""
    today = _EPOCH + timedelta(milliseconds=now)
    at = datetime(today.year, month, 1, tzinfo=UTC)
    at = at if at > today else datetime(today.year + 1, month, 1, tzinfo=UTC)
    return round((at - _EPOCH) / timedelta(milliseconds=1))


def switching(purchases: Purchases) -> float | None:
    """How often, 0–1, an order's main category is another than that of the order before (A-142); None below two orders with one."""
    told = [one.category for one in purchases.newest.values() if one.category]
    return sum(a != b for a, b in pairwise(told)) / (len(told) - 1) if len(told) >= 2 else None


def progression(purchases: Purchases) -> float | None:
    """What the newer half of her orders costs on average by what the older half does, less 1: 0.25 is a quarter more (A-142).

    Of her newest orders in her own currency; of an odd number the middle one is in neither half. None below two, or if the older were free.
    """
    spent = amounts(purchases)
    half = len(spent) // 2
    older = sum(spent[:half])
    return sum(spent[-half:]) / older - 1 if len(spent) >= MIN_PROGRESSION and older > 0 else None


def union(mine: Rhythm, theirs: Rhythm, told: Union) -> Rhythm:
    """Of two people as one; `told`: their orders as one. An order that both have counts once."""
    if theirs == Rhythm():
        return mine
    cycles = dict(theirs.cycles)
    for name, one in mine.cycles.items():
        cycles[name] = _both(cycles.get(name), one)
    months = [a + b for a, b in zip(mine.months or (0,) * MONTHS, theirs.months or (0,) * MONTHS, strict=True)]
    for hers, other, _ in told.overlap:
        known = hers or other
        if known is None:
            continue  # the lines of both are gone, and with them its month and its categories
        earlier, later = sorted((known, other or known), key=lambda order: order.at)
        months[_month(later.at) % MONTHS] -= 1
        alike = set(earlier.categories) & set(later.categories)
        for name, cycle in cycles.items():
            if cycle.orders > 1 and fingerprint(name) in alike:
                cycles[name] = replace(_earlier(cycle, later, earlier), orders=cycle.orders - 1)
    return Rhythm(_bounded(cycles), tuple(max(0, count) for count in months))


def _both(one: Cycle | None, other: Cycle) -> Cycle:
    if one is None:
        return other
    return Cycle(one.orders + other.orders, min(one.first, other.first), max(one.last, other.last))


def _earlier(one: Cycle, before: Order, after: Order) -> Cycle:
    first = min(one.first, after.at)
    return Cycle(one.orders, first, max(first, after.at) if one.last == before.at else one.last)


def _moved(months: tuple[int, ...], before: Order | None, after: Order) -> tuple[int, ...]:
    counts = list(months or (0,) * MONTHS)
    counts[_month(after.at) % MONTHS] += 1
    if before is not None:
        counts[_month(before.at) % MONTHS] -= 1
    return tuple(counts)


def _bounded(cycles: dict[str, Cycle]) -> dict[str, Cycle]:
    if len(cycles) <= MAX_CYCLES:
        return cycles
    oldest = sorted(cycles, key=lambda name: (cycles[name].last, cycles[name].orders, name))[: len(cycles) - MAX_CYCLES]
    return {name: one for name, one in cycles.items() if name not in oldest}


def _month(ms: int) -> int:
    """Months since January of year 0 (UTC)."""
    at = _EPOCH + timedelta(milliseconds=ms)
    return at.year * MONTHS + at.month - 1
