"""Hours and days in which nothing goes out to a person, by the clock on her own wall (A-198)."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from app.domain import wall_clock
from app.domain.contact_policy import EVERYWHERE, QuietHours
from app.domain.days import DAY_MS
from app.domain.device import Device, region

MINUTE_MS = 60_000
_EPOCH = date(1970, 1, 1).toordinal()


def zone_of(device: Device, quiet: QuietHours | None) -> str:
    """The zone she lives by: her own, else the pack's, else UTC."""
    return wall_clock.named(device.timezone, None if quiet is None else quiet.zone)


def free(quiet: QuietHours, device: Device, at: int, until: int) -> int:
    """The first instant from `at` on that is neither quiet nor holiday where she is; `until` if there is none before."""
    name = zone_of(device, quiet)
    if not quiet.holidays and not _at_night(quiet, wall_clock.wall(name, at) % DAY_MS):
        return at
    places = (EVERYWHERE, device.country, region(device))
    while at < until:
        ends = _ends(quiet, wall_clock.wall(name, at), places)
        if ends is None:
            return at
        at = wall_clock.reached(name, at, ends)
    return until


def closed(quiet: QuietHours, device: Device, at: int) -> bool:
    """Whether nothing goes out to her at this instant."""
    places = (EVERYWHERE, device.country, region(device))
    return _ends(quiet, wall_clock.wall(zone_of(device, quiet), at), places) is not None


def _ends(quiet: QuietHours, shown: int, places: tuple[str | None, ...]) -> int | None:
    """What the wall shows when this night or holiday is over; None: it is neither."""
    day, time = divmod(shown, DAY_MS)
    if quiet.holidays and not _days(quiet, places).isdisjoint(_names(day)):
        return (day + 1) * DAY_MS
    if not _at_night(quiet, time):
        return None
    return (day + (time >= quiet.end * MINUTE_MS)) * DAY_MS + quiet.end * MINUTE_MS


def _at_night(quiet: QuietHours, time: int) -> bool:
    start, end = quiet.start * MINUTE_MS, quiet.end * MINUTE_MS
    return start <= time < end if start < end else time >= start or time < end


@lru_cache(maxsize=256)  # a pack names few places
def _days(quiet: QuietHours, places: tuple[str | None, ...]) -> frozenset[str]:
    return frozenset(day for one in quiet.holidays if one.region in places for day in one.days)


@lru_cache(maxsize=4_096)
def _names(day: int) -> tuple[str, str]:
    """A day since 1970 as a pack may name it."""
    told = date.fromordinal(_EPOCH + day).isoformat()
    return told, told[5:]
