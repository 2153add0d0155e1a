"""Figures of everybody: how her value, her recency and her frequency compare with others' (A-059, A-086, A-088; X-02).

A figure is a histogram over fixed bins. It is kept current by -old/+new changes, so that nobody has to look at everybody. In every
figure more is better. Amounts are binned by 128 steps an octave: a bin's edge lies less than 1/128 (0.8 %) below any amount in it, and
numbers up to 255 (ten-thousandths, orders) have a bin each. Recency goes by the UTC day of the last order, not by days since: nobody has
to be counted again because a day has passed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.domain.days import DAY_MS
from app.events import Fact

FIGURES = ("clv", "frequency", "recency", "monetary")
"""Of people with at least one order. clv, monetary: units of money; frequency: orders; recency: ms of the last order."""
HOURS = "hours"
"""Of everybody who opens or clicks mails: hour of the week at which most of her acts fell (`habits.usual_hour`); it has a bin each."""
COUNTED = (*FIGURES, HOURS)
MOVING = ("stage/", "tier/")
"""Of figures that begin so it is counted, too, who went from where to where on which day."""
STEPS = 128
"""Bins per octave. A power of two: a bin is a number's first eight bits, the same on every machine."""
_BITS = STEPS.bit_length()
MOVE_DAYS = 35
"""Days of which migrations are kept: as long as the journal."""
MAX_NAMES = 200
"""Stages, tiers or segments told apart in one figure; any further one is OTHER."""
MAX_PAIRS = 40
"""Migrations told apart on one day of one figure; any further one is from OTHER to OTHER."""
OTHER = "other"
NOWHERE = "-"
"""In a migration: before she was first counted, or after she left."""

Counts = dict[int, int]
Names = dict[str, int]
Moves = dict[int, dict[str, dict[str, int]]]
"""UTC day number → from → to → how many."""
K = TypeVar("K", int, str)


class Population(Struct, frozen=True, dict=True):
    """As published. `figures`: name → bin → people in it; `names`: "stage/s1" → stage → people; `moves`: the same → who went where."""

    as_of: int = 0
    """ms."""
    figures: dict[str, Counts] = {}
    names: dict[str, Names] = {}
    moves: dict[str, Moves] = {}
    exact: bool = False
    """Every value is its own bin: `exact` made it."""

    @cached_property
    def ladders(self) -> dict[str, tuple[list[int], list[int]]]:
        """Figure → its bins, ascending, and how many people stand in a bin or below; one more at the front, 0. Made once."""
        return {name: _ladder(counts) for name, counts in self.figures.items()}


def _ladder(counts: Counts) -> tuple[list[int], list[int]]:
    bins = sorted(bin for bin, people in counts.items() if people > 0)
    below, total = [0], 0
    for bin in bins:
        total += counts[bin]
        below.append(total)
    return bins, below


ACTIVE_BY_MS = 10 * 60_000
"""After midnight (UTC): by then the figures of the day that is over are counted, published and active, also where much is to be done."""


def newer_at(now: int) -> int:
    """When newer figures than those of `now` (ms) are active: every tier may be another one then."""
    return ((now - ACTIVE_BY_MS) // DAY_MS + 1) * DAY_MS + ACTIVE_BY_MS


def bin_of(figure: str, value: int) -> int:
    """The bin of a value; greater values never have a lesser one."""
    return value // DAY_MS if figure == "recency" else _step(value) if value >= 0 else -_step(-value)


def _step(value: int) -> int:
    octave = value.bit_length() - _BITS
    return value if octave <= 0 else octave * STEPS + (value >> octave)


def value_of(figure: str, bin: int) -> int:
    """The value at a bin's edge that is nearer to 0: `bin_of` of it is the bin again."""
    return bin * DAY_MS if figure == "recency" else _edge(bin) if bin >= 0 else -_edge(-bin)


def _edge(bin: int) -> int:
    octave = bin // STEPS - 1
    return bin if octave <= 0 else bin - octave * STEPS << octave


def placed(population: Population, figure: str, value: int) -> int:
    """Where a value belongs in this population: its bin, or in an exact one the value itself. Recency goes by days in both."""
    return value if population.exact and figure != "recency" else bin_of(figure, value)


def exact(values: Mapping[str, Iterable[int]], as_of: int = 0) -> Population:
    """A population in which every distinct value is its own bin, so that the same functions rank exactly; find bins with `placed`."""
    empty = Population(as_of, exact=True)
    figures: dict[str, Counts] = {}
    for figure, told in values.items():
        counts = figures[figure] = {}
        for value in told:
            bin = placed(empty, figure, value)
            counts[bin] = counts.get(bin, 0) + 1
    return replace(empty, figures=figures)


def rank(population: Population, figure: str, bin: int) -> tuple[int, int]:
    """(r, n): r = 1 + people strictly better, of n who are counted; ties share the best. Not counted yet, she may come n + 1st."""
    ladder = population.ladders.get(figure)
    if ladder is None:
        return 1, 0
    bins, below = ladder
    n = below[-1]
    return 1 + n - below[bisect_right(bins, bin)], n


def quintile(population: Population, figure: str, bin: int) -> int | None:
    """5 for the best fifth down to 1; None if nobody is counted. Those who are alike stand in the middle of the places they take: where
    nine in ten ordered once, that is no distinction.
    """
    best, n = rank(population, figure, bin)
    if not n:
        return None
    bins, below = population.ladders[figure]
    worst = max(best, n - below[bisect_left(bins, bin)])
    return 5 - min(4, (best + worst - 2) * 5 // (2 * n))


def tier(shares: Sequence[float], r: int, n: int) -> int:
    """Number, from 0, of the first tier whose cumulative share (of 100) is at least r / n (interface.md section 8); else the last."""
    cumulative = 0.0
    for number, share in enumerate(shares):
        cumulative = round(cumulative + share, 9)
        if cumulative * n >= 100 * r:
            return number
    return len(shares) - 1


def cuts(population: Population, figure: str, shares: Sequence[float]) -> list[int | None]:
    """For each tier the least value with which one is in it; None if nobody is."""
    bins, _ = population.ladders.get(figure, ([], [0]))
    least: list[int | None] = [None] * len(shares)
    for bin in reversed(bins):
        least[tier(shares, *rank(population, figure, bin))] = bin if population.exact else value_of(figure, bin)
    return least


def changed(population: Population, fact: Fact) -> Population:
    """With one -old/+new change. The order of changes does not matter; a count may be below 0 until the one before has come, too."""
    figure = fact.figure
    if figure in COUNTED:
        return replace(population, figures={**population.figures, figure: counted(population.figures.get(figure, {}), fact)})
    names = population.names.get(figure, {})
    after = replace(population, names={**population.names, figure: named(names, fact)})
    if not figure.startswith(MOVING):
        return after
    moves = migrated(population.moves.get(figure, {}), names, fact)
    return replace(after, moves={**population.moves, figure: moves})


def counted(counts: Counts, fact: Fact) -> Counts:
    """A figure's bins after a change."""
    return _shifted(counts, _bin(fact.old), _bin(fact.new))


def named(names: Names, fact: Fact) -> Names:
    """The sizes of stages, tiers or segments after a change."""
    old, new = _known(names, fact.old), _known(names, fact.new)
    return _shifted(names, old, new)


def migrated(moves: Moves, names: Names, fact: Fact) -> Moves:
    """Who went where, of the last MOVE_DAYS days, after a change of a figure whose sizes were `names` before it."""
    day = fact.at // DAY_MS
    old, new = _known(names, fact.old) or NOWHERE, _known(names, fact.new) or NOWHERE
    kept = {one: pairs for one, pairs in moves.items() if one > max(day, max(moves, default=day)) - MOVE_DAYS}
    today = kept.get(day, {})
    if new not in today.get(old, {}) and sum(map(len, today.values())) >= MAX_PAIRS:
        old = new = OTHER
    row = today.get(old, {})
    return {**kept, day: {**today, old: {**row, new: row.get(new, 0) + 1}}}


def _shifted(counts: dict[K, int], old: K | None, new: K | None) -> dict[K, int]:
    after = dict(counts)
    if old is not None:
        after[old] = after.get(old, 0) - 1
    if new is not None:
        after[new] = after.get(new, 0) + 1
    for place in (old, new):
        if place is not None and after.get(place) == 0:
            del after[place]
    return after


def _bin(told: int | str | None) -> int | None:
    if told is not None and not isinstance(told, int):
        raise ValueError(f"a bin is a number, not {told!r}")
    return told


def _known(names: Names, told: int | str | None) -> str | None:
    if told is None:
        return None
    name = str(told)
    return name if name in names or len(names) < MAX_NAMES else OTHER
