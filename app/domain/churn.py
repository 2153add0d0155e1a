"""The churn watcher's part: the person's own buying rhythm, how likely it has ended, and the level that follows.

Nothing happens when somebody stops buying; so the part says when the next level would be reached and wakes itself then.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.concluded import CHURN_LEVEL
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
    held: tuple[str, ...] = ()
    """Levels she is in; `level` is the highest of them."""
    reached_at: dict[str, int] = {}
    """Level → when it was last reached (ms), while its cool-down lasts."""


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
    return _moved(_counted(part, record.ts), part.held, see, record.at, record.ts, record.cause, see.low_water)


def wake(part: Churn, see: See) -> tuple[Churn, Effects]:
    """Each level reached by now, at its own instant."""
    effects: Effects = ()
    while part.due != NEVER and part.due <= see.low_water:
        instant = part.due
        part, more = _moved(part, part.held, see, see.now, instant, None, instant)
        effects += more
    return part, effects


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
    reached_at = {name: max(at, mine.reached_at.get(name, at)) for name, at in theirs.reached_at.items()}
    both = tuple(dict.fromkeys((*mine.held, *theirs.held)))
    counted = Churn(orders, first, tuple(instants), squares, held=both, reached_at={**mine.reached_at, **reached_at})
    moved = meeting.moved
    cause = derived_id(CHURN_LEVEL, moved.source, moved.cause)
    return _moved(counted, both if mine.held else (), see, moved.at, see.now, cause, see.low_water)


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


def _reaches(part: Churn, level: ChurnLevel) -> int:
    """When a level that she is not in is reached, if she does not order: above its threshold, and cooled down since the last time."""
    crossing = _crossing(part, level)
    if crossing == NEVER or level.name not in part.reached_at:
        return crossing
    return max(crossing, part.reached_at[level.name] + level.cool_down)


def _moved(part: Churn, told: tuple[str, ...], see: See, at: int, ts: int, cause: str | None, as_of: int) -> tuple[Churn, Effects]:
    """Her levels as of `as_of` (ms), and what is concluded of them, stamped `ts`; no cause: time alone, each has an id of its own.

    `told`: levels of which it has been said that she is in them. By time alone she only rises: each level that she reaches is said, from
    the lowest, so that none is jumped over; what she falls to is said once.
    """
    levels, likely = _levels(see), probability(part, as_of)
    kept = [one for one in levels if one.name in part.held and likely is not None and likely > one.floor]
    reached = [one for one in levels if one not in kept and 0 <= _reaches(part, one) <= as_of]
    held = [one for one in levels if one in kept or one in reached]
    reached_at = {
        one.name: since
        for one in levels
        if (since := as_of if one in reached else part.reached_at.get(one.name)) is not None
        and one.cool_down
        and as_of < since + one.cool_down
    }
    highest = held[-1] if held else None
    after = replace(
        part,
        level=None if highest is None else highest.name,
        horizon_days=None if highest is None else highest.horizon_days,
        held=tuple([one.name for one in held]),
        reached_at=reached_at if reached_at != part.reached_at else part.reached_at,
    )
    after = replace(after, due=min((due for one in levels if one not in held and (due := _reaches(after, one)) != NEVER), default=NEVER))
    names = [one.name for one in levels if one.name in told]
    said: list[str] = [one.name for one in held if one.name not in told]
    risen = bool(said)
    if not said and names and after.level != names[-1]:
        said = [after.level or NO_LEVEL]
    effects: list[Conclude] = []
    before = names[-1] if names else None
    for name in said:
        level = next((one for one in levels if one.name == name), None)
        event = {"level": name, "before": before, "risen": risen, "probability": likely}
        values = {"probability": likely, "horizon_days": None if level is None else level.horizon_days, "event": event}
        why = cause or derived_id(CHURN_LEVEL, name, str(ts))
        effects.append(Conclude(Conclusion(at, see.person_id, CHURN_LEVEL, name, ts, why, values)))
        before = name
    return after, tuple(effects)


def _counted(part: Churn, ts: int) -> Churn:
    """One order more, at its place in time. One before all kept instants changes number and first; its gaps are the older ones' affair."""
    if not part.orders:
        return Churn(1, ts, (ts,))
    instants, squares = tuple(sorted((*part.instants, ts))), part.older_squares
    if len(instants) > MAX_INSTANTS:
        squares += _square(instants[0], instants[1])
        instants = instants[1:]
    first = min(part.first, ts)
    return Churn(part.orders + 1, first, instants, squares, part.level, part.horizon_days, part.due, part.held, part.reached_at)


def _square(a: int, b: int) -> int:
    """Of a gap, in s²: exact, and small enough for 64 bits over centuries."""
    return ((b - a) // 1000) ** 2
