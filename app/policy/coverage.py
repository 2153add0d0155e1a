"""Which rows of a decision table hold for which combination: a walk over all that its columns can tell apart, rows as bits of a number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import reduce
from operator import and_, or_

from msgspec import Struct

from app.policy.cell import Cell, Span
from app.policy.fact import Fact
from app.policy.truth import numbers

MAX_NODES = 200_000
"""Steps of the walk; a second or so."""
NAMED = 20
"""Gaps that are put in words."""
ELSE = "\x00"


class TooMany(Exception):
    """More combinations than anybody waits for."""


class Part(Struct, frozen=True):
    """What a column cannot tell apart any further: in words, and the rows (as bits) whose cell takes it."""

    words: str
    rows: int


class Column:
    """One column, cut into parts."""

    def __init__(self, name: str, fact: Fact, kind: str, cells: list[Cell]) -> None:
        self.parts = _number_parts(name, fact, cells) if kind == "number" else _value_parts(name, fact, kind, cells)
        self.some = reduce(or_, (part.rows for part in self.parts), 0)
        """Rows that take at least one part; `every`: rows that take all of them."""
        self.every = reduce(and_, (part.rows for part in self.parts), -1)


def _number_parts(name: str, fact: Fact, cells: list[Cell]) -> list[Part]:
    spans = [(n, span) for n, one in enumerate(cells) for span in one.spans]
    points = sorted({end for _, span in spans for end in (span.low, span.high) if abs(end) != float("inf")})
    whole = Fact(fact.kind if fact.kind in ("number", "whole") else "number", fact.low, fact.high, always=True)
    tried = numbers(whole, points)
    begins: list[int] = [0] * (len(tried) + 1)
    for n, span in spans:
        first, last = _inside(span, tried)
        if first < last:
            begins[first] ^= 1 << n
            begins[last] ^= 1 << n
    parts, rows = [], 0
    always = sum(1 << n for n, one in enumerate(cells) if not one.spans)
    for value, change in zip(tried, begins, strict=False):
        rows ^= change
        parts.append(Part(f"{name} {_number_words(value, points, fact)}", rows | always))
    return parts


def _inside(span: Span, tried: list[float]) -> tuple[int, int]:
    first = (bisect_right if span.open_low else bisect_left)(tried, span.low)
    return first, (bisect_left if span.open_high else bisect_right)(tried, span.high)


def _number_words(value: float, points: list[float], fact: Fact) -> str:
    at = bisect_left(points, value)
    alone = fact.kind == "whole" and 0 < at < len(points) and points[at] - points[at - 1] == 2
    if alone or (at < len(points) and points[at] == value):
        return f"is {value:g}"
    if at == 0:
        return f"is below {points[0]:g}"
    return f"is above {points[-1]:g}" if at == len(points) else f"is between {points[at - 1]:g} and {points[at]:g}"


def _value_parts(name: str, fact: Fact, kind: str, cells: list[Cell]) -> list[Part]:
    told = list(dict.fromkeys(value for one in cells for value in one.values))
    values: list[str | bool] = [True, False] if kind == "flag" else list(fact.values) or [*told, ELSE]
    always = sum(1 << n for n, one in enumerate(cells) if not one.values)
    rows = dict.fromkeys(values, 0)
    for n, one in enumerate(cells):
        for value in one.values:
            rows[value] |= 1 << n
    return [Part(f"{name} is {_value_words(value)}", taken | always) for value, taken in rows.items()]


def _value_words(value: str | bool) -> str:
    return "anything else" if value == ELSE else str(value).lower() if isinstance(value, bool) else repr(value)


class Coverage:
    """`gaps`: combinations in words that no row holds for, the first NAMED of `gap_count`; `overlaps`: pairs of rows (earlier, later) with
    one such combination; `reached`: rows that come first somewhere."""

    def __init__(self, columns: list[Column], rows: int) -> None:
        self._columns, self._all = columns, (1 << rows) - 1
        self._seen: set[tuple[int, int]] = set()
        self._nodes = 0
        self.gaps: list[str] = []
        self.gap_count = 0
        self.overlaps: dict[tuple[int, int], str] = {}
        self.reached: set[int] = set()

    def walk(self) -> None:
        """Raises `TooMany`."""
        self._walk(0, self._all, [])

    def _walk(self, depth: int, rows: int, where: list[str]) -> None:
        self._count()
        if not rows:
            self._gap(where)
        elif depth == len(self._columns):
            self._leaf(rows, where)
        elif (depth, rows) not in self._seen:  # the same rows are left as on another way: the same can come of it
            self._seen.add((depth, rows))
            if rows & (rows - 1):
                for part in self._columns[depth].parts:
                    self._walk(depth + 1, rows & part.rows, [*where, part.words])
            else:
                self._single(depth, rows, where)

    def _single(self, depth: int, row: int, where: list[str]) -> None:
        """One row alone is left: it comes first, and each column in which it does not take everything leaves a gap."""
        rest = self._columns[depth:]
        if all(column.some & row for column in rest):
            self.reached.add(row.bit_length() - 1)
        for column in rest:
            if not column.every & row:
                left = next(part.words for part in column.parts if not part.rows & row) if len(self.gaps) < NAMED else ""
                self._gap([*where, left])

    def _gap(self, where: list[str]) -> None:
        self.gap_count += 1
        if len(self.gaps) < NAMED:
            self.gaps.append(" and ".join(where))

    def _leaf(self, rows: int, where: list[str]) -> None:
        first = (rows & -rows).bit_length() - 1
        self.reached.add(first)
        rest = rows & (rows - 1)
        while rest:
            other = (rest & -rest).bit_length() - 1
            self.overlaps.setdefault((first, other), " and ".join(where) or "nothing is asked")
            rest &= rest - 1
            self._count()

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise TooMany
