"""What the clock on a person's wall shows, and when it will show something: exact over every change of summer time, to the second.

Wall times are ms since 1970 as if the zone were UTC, so that a local day is a whole number and a time of day its rest. A clock that is put
forward never shows the hour it leaves out, one that is put back shows an hour twice: whoever asks "is it night?" asks the wall.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.domain.days import DAY_MS
from app.domain.device import zone

SECOND_MS = 1_000
UNKNOWN = "UTC"


@lru_cache(maxsize=4_096)
def named(*names: str | None) -> str:
    """The first of these zones that there is, else UTC."""
    return next((name for name in names if name and _zone(name) is not None), UNKNOWN)


def wall(name: str, at: int) -> int:
    """What the clock shows at an instant (ms)."""
    return at + _offset(name, at)


def reached(name: str, at: int, target: int) -> int:
    """The first instant after `at` at which the clock shows `target`, or is put forward or back: look again. At most a day ahead."""
    offset = _offset(name, at)
    then = target - offset
    if _offset(name, then) == offset:
        return then
    low, high = at // SECOND_MS, -(-then // SECOND_MS)  # the clock still goes as at `at` at low, no longer at high
    while high - low > 1:
        middle = (low + high) // 2
        if _seconds(name, middle) == offset:
            low = middle
        else:
            high = middle
    return high * SECOND_MS


def _offset(name: str, at: int) -> int:
    """Of the zone from UTC, in ms."""
    day = at // DAY_MS
    steady = _steady(name, day)
    return steady if steady is not None else _seconds(name, at // SECOND_MS)


@lru_cache(maxsize=16_384)  # zones × days that somebody has just been asked about
def _steady(name: str, day: int) -> int | None:
    """The offset of a whole day (UTC); None: it changes in between."""
    first, last = (_seconds(name, at // SECOND_MS) for at in (day * DAY_MS, (day + 1) * DAY_MS - SECOND_MS))
    return first if first == last else None


def _seconds(name: str, second: int) -> int:
    told = datetime.fromtimestamp(second, _zone(name) or UTC).utcoffset()
    assert told is not None
    return round(told.total_seconds()) * SECOND_MS


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    return zone(name)
