"""The churn watcher's part: the person's own buying rhythm, how likely it has ended, and the level that follows.

Nothing happens when somebody stops buying; so the part says when the next level would be reached and wakes itself then.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain.days import DAY_MS
from app.domain.effects import NOTHING, Conclude, Effects
from app.domain.merged_orders import union
from app.domain.trigger import ChurnLevel
from app.events import Conclusion, JournalRecord, derived_id, iso

if TYPE_CHECKING:
    from app.domain.person import Meeting, See

NEVER = -1
MIN_ORDERS = 3
"""Fewer tell no rhythm (interface.md section 8)."""
MAX_INSTANTS = 20
"""Newest order instants kept one by one; of older ones the number, the first and the sum of their squared gaps."""
NO_LEVEL = "none"


DEFAULT_LEVELS = (ChurnLevel("watch", 0.65, 30),)
"""What counts before a pack is active: guide S0's `intervention_threshold` (A-130)."""


class Churn(Struct, frozen=True, array_like=True):
    """Orders seen, their first instant (ms), the newest instants in order, and what the older ones' gaps squared add up to (s²)."""

    orders: int = 0
    first: int = 0
    instants: tuple[int, ...] = ()
    older_squares: int = 0
    level: str | None = None
    horizon_days: int | None = None
    due: int = NEVER
    """When the next level is reached, unless she orders."""


def mean_gap(part: Churn) -> float | None:
    """Mean gap between orders in ms: last minus first by their number less one, whatever the order of arrival. None below 2 orders."""
    return (part.instants[-1] - part.first) / (part.orders - 1) if part.orders >= 2 else None


def spread(part: Churn) -> float | None:
    """Standard deviation of the gaps in ms (of the sample). None below 3 orders."""
    if part.orders < MIN_ORDERS:
        return None
    gaps, whole = part.orders - 1, part.instants[-1] - part.first
    # Whole numbers up to here: of a steady buyer the two differ in their last digits only.
    squares = 1_000_000 * part.older_squares + sum((b - a) ** 2 for a, b in pairwise(part.instants))
    return math.sqrt(max(0, gaps * squares - whole**2) / (gaps * (gaps - 1)))


def probability(part: Churn, now: int) -> float | None:
    """1 − e^(−max(0, time since the last order − mean gap) / mean gap); None below 3 orders, or if all fell into one instant."""
    mean = mean_gap(part)
    if not mean or part.orders < MIN_ORDERS:
        return None
    return -math.expm1(-max(0.0, now - part.instants[-1] - mean) / mean)


def next_purchase_at(part: Churn) -> int | None:
    """Last order plus mean gap (ms), from 3 orders on."""
    mean = mean_gap(part)
    return None if not mean or part.orders < MIN_ORDERS else part.instants[-1] + round(mean)


def step(part: Churn, record: JournalRecord, see: See) -> tuple[Churn, Effects]:
    """Takes `order_placed`, the first record of each order."""
    if type(record) is not Conclusion or record.kind != "order_placed":
        return part, NOTHING
    counted = _counted(part, record.ts)
    levels = _levels(see)
    reached = _reached(counted, levels, see.low_water)
    after = _at(counted, levels, reached)
    if after.level == part.level:
        return after, NOTHING
    return after, (_conclude(after, see, record.at, record.ts, record.cause, see.low_water),)


def wake(part: Churn, see: See) -> tuple[Churn, Effects]:
    """Each level reached by now, at its own instant."""
    levels, effects = _levels(see), []
    while part.due != NEVER and part.due <= see.low_water:
        instant, before = part.due, part.level
        part = _at(part, levels, _reached(part, levels, instant))
        if part.level != before:
            cause = derived_id("churn_level", part.level or NO_LEVEL, str(instant))
            effects.append(_conclude(part, see, see.now, instant, cause, instant))
    return part, tuple(effects)


def merge(mine: Churn, theirs: Churn, meeting: Meeting, see: See) -> tuple[Churn, Effects]:
    """Both rhythms as one; the level is told if that changes it. An order that both have had counts once, at its first instant."""
    if not theirs.orders:
        return mine, NOTHING
    instants = sorted((*mine.instants, *theirs.instants))
    orders = mine.orders + theirs.orders
    first = min(mine.first, theirs.first) if mine.orders else theirs.first
    for ours, other, _ in union(meeting.mine.orders, meeting.theirs.orders).overlap:
        orders -= 1
        later = max((one.at for one in (ours, other) if one is not None), default=0)
        if len(instants) > 1:
            instants.remove(min(instants, key=lambda instant: (abs(instant - later), -instant)))
    # Gaps of what is kept of neither are each one's own; across the two they are lost, which only blurs the spread of old orders.
    squares = mine.older_squares + theirs.older_squares
    while len(instants) > MAX_INSTANTS:
        squares += _square(instants[0], instants[1])
        del instants[0]
    counted = Churn(orders, first, tuple(instants), squares, mine.level, mine.horizon_days, mine.due)
    levels = _levels(see)
    after = _at(counted, levels, _reached(counted, levels, see.low_water))
    if after.level == mine.level:
        return after, NOTHING
    moved = meeting.moved
    return after, (_conclude(after, see, moved.at, see.now, derived_id("churn_level", moved.source, moved.cause), see.low_water),)


def due(part: Churn) -> int:
    """When the next level is reached (ms), or NEVER."""
    return part.due


def last_at(part: Churn) -> int | None:
    """Her last order (ms)."""
    return part.instants[-1] if part.instants else None


def view(part: Churn, now: int) -> dict[str, Any]:
    """`profiles.churn` as of `now`. `spread_days`: standard deviation of her gaps, thus of `next_purchase_at` (interface.md section 8)."""
    likely, again, last = probability(part, now), next_purchase_at(part), last_at(part)
    return {
        "probability": None if likely is None else round(likely, 6),
        "horizon_days": part.horizon_days,
        "level": part.level,
        "next_purchase_at": None if again is None else iso(again),
        "mean_gap_days": _days(mean_gap(part)),
        "spread_days": _days(spread(part)),
        "days_since_last": None if last is None else _days(max(0, now - last)),
    }


def _days(ms: float | None) -> float | None:
    return None if ms is None else round(ms / DAY_MS, 4)


def _levels(see: See) -> tuple[ChurnLevel, ...]:
    levels: tuple[ChurnLevel, ...] = see.pack.churn_levels if see.pack is not None else DEFAULT_LEVELS
    return tuple(sorted(levels, key=lambda level: (level.threshold, level.name)))


def _crossing(part: Churn, level: ChurnLevel) -> int:
    """First ms with a probability above the threshold: last + mean × (1 − ln(1 − threshold)); NEVER without a rhythm."""
    mean = mean_gap(part)
    if not mean or part.orders < MIN_ORDERS or level.threshold >= 1:
        return NEVER
    return part.instants[-1] + math.floor(mean * (1 - math.log1p(-level.threshold))) + 1


def _reached(part: Churn, levels: tuple[ChurnLevel, ...], now: int) -> int:
    """How many of the levels (by threshold) are reached at `now`."""
    return sum(1 for level in levels if (at := _crossing(part, level)) != NEVER and at <= now)


def _at(part: Churn, levels: tuple[ChurnLevel, ...], reached: int) -> Churn:
    level = levels[reached - 1] if reached else None
    return Churn(
        part.orders,
        part.first,
        part.instants,
        part.older_squares,
        level.name if level is not None else None,
        level.horizon_days if level is not None else None,
        _crossing(part, levels[reached]) if reached < len(levels) else NEVER,
    )


def _conclude(part: Churn, see: See, at: int, ts: int, cause: str, as_of: int) -> Conclude:
    values = {"probability": probability(part, as_of), "horizon_days": part.horizon_days}
    return Conclude(Conclusion(at, see.person_id, "churn_level", part.level or NO_LEVEL, ts, cause, values))


def _counted(part: Churn, ts: int) -> Churn:
    """One order more, at its place in time. One before all kept instants changes number and first; its gaps are the older ones' affair."""
    if not part.orders:
        return Churn(1, ts, (ts,))
    instants, squares = tuple(sorted((*part.instants, ts))), part.older_squares
    if len(instants) > MAX_INSTANTS:
        squares += _square(instants[0], instants[1])
        instants = instants[1:]
    return Churn(part.orders + 1, min(part.first, ts), instants, squares, part.level, part.horizon_days, part.due)


def _square(a: int, b: int) -> int:
    """Of a gap, in s²: exact, and small enough for 64 bits over centuries."""
    return ((b - a) // 1000) ** 2
