"""Which days and how long nothing goes out by a pack's quiet hours, over whole years of whoever is in one place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from app.domain.contact_policy import EVERYWHERE, Holidays, QuietHours
from app.domain.countries import MEMBERS

UNION = "EU"
DAY = 24 * 60
"""Minutes, the unit of all that is returned here."""
ORDINARY = range(2027, 2030)
"""Years that stand for all of which the pack names no day; one of them is a leap year."""


def places(holidays: Sequence[Holidays]) -> list[tuple[str, frozenset[str]]]:
    """(region, every day that is a holiday there) of all that the pack names, the whole world first."""
    by_region: dict[str, frozenset[str]] = {one.region: frozenset(one.days) for one in holidays}
    everywhere, union = by_region.pop(EVERYWHERE, frozenset()), by_region.get(UNION, frozenset())
    hers = [(region, days | everywhere | (union if region in MEMBERS else frozenset())) for region, days in by_region.items()]
    return [(EVERYWHERE, everywhere), *hers]


def without_a_day(holidays: Sequence[Holidays]) -> tuple[str, int] | None:
    """(region, year) of a year in which every day is a holiday there."""
    for region, days in places(holidays):
        if len(days) >= 365:
            for year in sorted(_years(days)):
                if all(_is_one(day, days) for day in _year(year)):
                    return region, year
    return None


def longest(quiet: QuietHours) -> tuple[int, str, date]:
    """(minutes, region, the day on which it begins) of the longest time in which nothing goes out: holidays, and the nights beside them."""
    night = (quiet.end - quiet.start) % DAY
    found = (night, EVERYWHERE, date(ORDINARY[0], 1, 1))
    for region, days in places(quiet.holidays):
        for first, last in _runs(days):
            # Minutes from the first midnight: what is closed before it, and what after the last.
            begins = quiet.start - DAY if quiet.start > quiet.end else 0
            ends = (last - first).days * DAY + DAY + (quiet.end if quiet.start >= quiet.end or quiet.start == 0 else 0)
            if ends - begins > found[0]:
                found = (ends - begins, region, first + timedelta(minutes=begins))
    return found


def _runs(days: frozenset[str]) -> Iterator[tuple[date, date]]:
    """First and last day of each row of holidays."""
    listed = sorted({day for year in _years(days) for day in _year(year) if _is_one(day, days)})
    first = None
    for n, day in enumerate(listed):
        first = first or day
        if n + 1 == len(listed) or (listed[n + 1] - day).days > 1:
            yield first, day
            first = None


def _years(days: Iterable[str]) -> set[int]:
    named = {int(day[:4]) for day in days if len(day) == 10}
    return {*ORDINARY, *(year for one in named for year in (one - 1, one, one + 1) if 1 < year < 9999)}


def _year(year: int) -> Iterator[date]:
    first = date(year, 1, 1)
    return (first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days))


def _is_one(day: date, days: frozenset[str]) -> bool:
    told = day.isoformat()
    return told in days or told[5:] in days
