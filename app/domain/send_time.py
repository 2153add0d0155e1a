"""The hour at which a person is likeliest to take a message up, among those it may wait for (A-197, A-198, A-204).

What she did with her mails in 90 days, by hour of the week in her zone, are Dirichlet counts on everybody's best hours as the prior: of who
has done little, the habit of all decides; of who has done much, her own. Nothing is drawn at random: the same history has the same hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from app.domain import wall_clock
from app.domain.days import HOUR_MS

HOURS = 168
"""Of a week; 0 is Monday 0–1 h."""
_EPOCH_HOUR = 72
"""1970 began on a Thursday."""
NOBODY: Mapping[int, int] = {}


class Best(NamedTuple):
    """`at` (ms): when to send; `hour`: of the week, in her zone; `share`: its posterior probability."""

    at: int
    hour: int
    share: float


def weights(own: Mapping[int, int], everybody: Mapping[int, int], prior: int) -> list[int]:
    """The posterior weight of each hour, in whole numbers, so that equal ones are equal: prior × share of people + her own acts.

    `everybody`: hour → people who are at their best in it; nobody counted yet: all hours alike.
    """
    people = [max(0, everybody.get(hour, 0)) for hour in range(HOURS)]
    if not any(people):
        people = [1] * HOURS
    total = sum(people)
    return [prior * people[hour] + own.get(hour, 0) * total for hour in range(HOURS)]


def best(weight: list[int], zone: str, at: int, last: int, free: Callable[[int], int]) -> Best | None:
    """The heaviest hour that begins or goes on in [at, last), at its first free moment; of equals the first. None: no moment is free.

    `free`: the first instant from one on at which a message may go at all (quiet hours). Hours are those of the clock on her wall: one that
    summer time leaves out does not come, one that it repeats comes twice.
    """
    found: Best | None = None
    heaviest = -1
    for begin, end in hours(zone, at, last):
        moment = free(begin)
        if moment >= min(end, last):
            continue
        hour = hour_of(zone, moment)
        if weight[hour] > heaviest:
            heaviest, found = weight[hour], Best(moment, hour, weight[hour] / (sum(weight) or 1))
    return found


def hours(zone: str, at: int, last: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of each hour on her wall from `at` on, the first and the last of them cut."""
    while at < last:
        shown = wall_clock.wall(zone, at)
        end = wall_clock.reached(zone, at, (shown // HOUR_MS + 1) * HOUR_MS)
        yield at, min(end, last)
        at = end


def hour_of(zone: str, at: int) -> int:
    """The hour of the week that the clock on her wall shows."""
    return (wall_clock.wall(zone, at) // HOUR_MS + _EPOCH_HOUR) % HOURS
