"""Decision tables: nested if-then rules as CSV beside the pack (A-190). A row names a message where all its cells hold; the first row wins.

The header names what is looked at (`profile.orders`, `event.category`), the last column is `send`, or `offer` behind it: what that message
offers. A gap, an overlap and a row that is never reached are found by going through every combination of what the columns can tell apart.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path

from msgspec import Struct

from app.policy import conditions
from app.policy.cell import BadCell, Cell, cell
from app.policy.coverage import MAX_NODES, Column, Coverage, TooMany
from app.policy.fact import Fact, Facts, known
from app.policy.problem import Problem, meant

MAX_ROWS = 5_000
MAX_BYTES = 500_000
MAX_COLUMNS = 20
MAX_SAID = 20
"""Overlaps that are named; of more only the count."""
SEND, OFFER = "send", "offer"

_PATH = re.compile(r"[a-z]+(\.[A-Za-z_]\w*)+")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class TableRow(Struct, frozen=True):
    """One rule: `send` where `when` (CEL) holds, with the offer of that name; "": without one."""

    line: int
    when: str
    send: str
    offer: str = ""


def read(path: Path) -> tuple[str, list[Problem]]:
    """The text of a table's file, or why there is none."""
    file = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            return "", [Problem(file, 0, f"{path.stat().st_size} bytes; a table has at most {MAX_BYTES}")]
        raw = path.read_bytes()
    except OSError as error:
        return "", [Problem(file, 0, error.strerror or str(error))]
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw:
        return "", [Problem(file, 0, "not UTF-8 (UTF-16, as it seems): save it as CSV UTF-8")]
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n"), []
    except UnicodeDecodeError as error:
        return "", [Problem(file, raw.count(b"\n", 0, error.start) + 1, "not UTF-8: save it as CSV UTF-8")]


def parse(
    text: str,
    file: str,
    messages: Collection[str] | None = None,
    facts: Facts = known,
    otherwise: bool = True,
    offers: Collection[str] | None = None,
) -> tuple[list[TableRow], list[Problem]]:
    """Rows in order, and all that is wrong. `messages`, `offers`: those there are, to be checked; `facts`: what is known of a path;
    `otherwise`: a message goes out where no row holds, so that a gap is odd but no error."""
    found = _Table(file, messages, facts, offers)
    if len(text.encode()) > MAX_BYTES:
        found.say(0, f"{len(text.encode())} bytes; a table has at most {MAX_BYTES}")
        return [], found.problems
    found.read(text)
    if not any(not one.warning for one in found.problems):
        found.cover(otherwise)
    found.problems.sort(key=lambda one: (one.line, one.warning))
    return found.rows, found.problems


class _Table:
    def __init__(self, file: str, messages: Collection[str] | None, facts: Facts, offers: Collection[str] | None) -> None:
        self._file, self._messages, self._facts, self._offers = file, messages, facts, offers
        self._makes_offers = False
        self.problems: list[Problem] = []
        self.rows: list[TableRow] = []
        self._columns: list[tuple[str, Fact]] = []
        self._cells: list[list[Cell]] = []

    def say(self, line: int, message: str, warning: bool = False) -> None:
        self.problems.append(Problem(self._file, line, message, warning))

    # --- the text -------------------------------------------------------------------------------------------------------------

    def read(self, text: str) -> None:
        first = text.lstrip().partition("\n")[0]
        reader = csv.reader(text.split("\n"), delimiter=";" if ";" in first and "," not in first else ",", strict=True)
        line = 1
        try:
            for told in reader:
                if any(map(str.strip, told)):
                    if not self._columns:
                        if not self._header(line, [one.strip() for one in told]):
                            return
                    elif len(self.rows) >= MAX_ROWS:
                        self.say(line, f"more than {MAX_ROWS} rows")
                        return
                    else:
                        self._row(line, told)
                line = reader.line_num + 1
        except csv.Error as error:
            self.say(line, f"no CSV: {error}")
            return
        if not self._columns:
            self.say(1, f"empty: the first line names what is looked at, the last column is {SEND}")
        elif not self._cells and not self.problems:
            self.say(1, "no row below the header")

    def _header(self, line: int, names: list[str]) -> bool:
        before = len(self.problems)
        if names[-1] == OFFER:
            self._makes_offers = True
            names = names[:-1]
        if not names or names[-1] != SEND:
            what = f"before {OFFER} stands {SEND}" if self._makes_offers else f"the last column is {SEND}"
            self.say(line, f"{what}, not {names[-1][:60] if names else ''!r}")
        if not 2 <= len(names) <= MAX_COLUMNS + 1:
            self.say(line, f"{len(names) - 1} columns to look at; a table has 1 to {MAX_COLUMNS}")
        for n, name in enumerate(names[:-1]):
            if not _PATH.fullmatch(name) or name.partition(".")[0] not in conditions.STEP:
                self.say(line, f"unknown column {name[:60]!r}: such as profile.orders; it begins with {', '.join(conditions.STEP)}")
            elif name in names[:n]:
                self.say(line, f"column {name} a second time")
            else:
                try:
                    conditions.condition(f"has({name})", conditions.STEP)
                except conditions.BadCondition as error:
                    self.say(line, f"unknown column {name}: {error}")
        self._columns = [(name, self._facts(name)) for name in names[:-1]]
        return len(self.problems) == before

    def _row(self, line: int, told: list[str]) -> None:
        width = len(self._columns) + 1 + self._makes_offers
        if len(told) != width:
            self.say(line, f"{len(told)} cells, but the header has {width}")
            return
        before = len(self.problems)
        cells: list[Cell] = []
        for text, (name, fact) in zip(told, self._columns, strict=False):
            try:
                cells.append(cell(text, fact))
            except BadCell as error:
                self.say(line, f"{name}: {error}")
        send, offer = told[len(self._columns)].strip(), told[-1].strip() if self._makes_offers else ""
        if not _NAME.fullmatch(send):
            self.say(line, f"{SEND}: a message's name, such as product-details, not {send[:60]!r}")
        elif self._messages is not None and send not in self._messages:
            self.say(line, f"unknown message {send!r}")
        if offer and not _NAME.fullmatch(offer):
            self.say(line, f"{OFFER}: the name of an [[offer]], such as spring-sale, or nothing, not {offer[:60]!r}")
        elif offer and self._offers is not None and offer not in self._offers:
            there = ", ".join(self._offers) or "none"
            self.say(line, f"{OFFER}: no [[offer]] named {offer!r}: there is {there}{meant(offer, self._offers)}")
        if len(self.problems) > before:
            return
        parts = [one.cel.format(*[name] * 2) for one, (name, _) in zip(cells, self._columns, strict=True) if one.cel]
        when = " && ".join(parts) or "true"
        if len(when) > conditions.MAX_TEXT:
            self.say(line, f"a condition of {len(when)} characters; at most {conditions.MAX_TEXT}: split the row")
            return
        self.rows.append(TableRow(line, when, send, offer))
        self._cells.append(cells)

    # --- what it says of every combination --------------------------------------------------------------------------------------

    def cover(self, otherwise: bool) -> None:
        columns: list[Column] = []
        for n, (name, fact) in enumerate(self._columns):
            kinds = {row[n].kind for row in self._cells} - {"any"}
            if len(kinds) > 1:
                self.say(1, f"{name}: a column holds numbers, texts or true and false, not {' and '.join(sorted(kinds))}")
                return
            if kinds:
                columns.append(Column(name, fact, kinds.pop(), [row[n] for row in self._cells]))
        coverage = Coverage(columns, len(self.rows))
        try:
            coverage.walk()
        except TooMany:
            why = f"more than {MAX_NODES:,} combinations: gaps, overlaps and rows never reached are not looked for"
            self.say(0, why, warning=True)
            return
        self._gaps(coverage, otherwise)
        last = len(self.rows) - 1 if self._cells and all(one.kind == "any" for one in self._cells[-1]) else -1
        dead = {n for n in range(len(self.rows)) if n not in coverage.reached}
        for n in sorted(dead):
            by = sorted({one for one, other in coverage.overlaps if other == n})
            lines = ", ".join(str(self.rows[one].line) for one in by[:3])
            why = f"wherever it holds, line {lines} comes first" if by else "no value fits it"
            self.say(self.rows[n].line, f"this row is never reached: {why}")
        shared = [(one, other, where) for (one, other), where in coverage.overlaps.items() if other not in dead and other != last]
        for one, other, where in shared[:MAX_SAID]:
            first, second = self.rows[one], self.rows[other]
            same = (first.send, first.offer) == (second.send, second.offer)
            one_sends, this = _sends(first), _sends(second)
            said = f"both send {this}" if same else f"that one sends {one_sends} and comes first, this one {this}"
            self.say(second.line, f"overlaps line {first.line} where {where}: {said}", warning=same)
        if len(shared) > MAX_SAID:
            self.say(0, f"and {len(shared) - MAX_SAID} more overlaps")

    def _gaps(self, coverage: Coverage, otherwise: bool) -> None:
        then = f"; there the step's own {SEND} goes out" if otherwise else ""
        for where in coverage.gaps:
            self.say(1, f"a gap: no row holds where {where}{then}", warning=otherwise)
        if coverage.gap_count > len(coverage.gaps):
            self.say(1, f"and {coverage.gap_count - len(coverage.gaps)} more gaps", warning=otherwise)


def _sends(row: TableRow) -> str:
    return f"{row.send!r} with the offer {row.offer!r}" if row.offer else repr(row.send)
