"""A file of people, a row each: CSV (comma, semicolon or tab) or JSON Lines, `.gz` read as such; read once, in constant memory.

CSV: a column for the id, `consent_<purpose>` columns of true and false, `timestamp` if the row knows as of when it speaks; every other
column is a trait, text unless it was named a number or a flag. An empty cell says nothing. JSON Lines: the same as keys of an object, or
`traits` and `consent` as objects of their own; null takes a trait away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from app.domain.import_row import ImportRow, encoded, events_of, key
from app.edges.events_file import Arrival, Unreadable, milliseconds
from app.edges.rejects import Refused, json_rows, without_rejected
from app.edges.table_file import cells_of, header_of, is_table

CONSENT = "consent_"
YES, NO = frozenset(("true", "yes", "1")), frozenset(("false", "no", "0"))


class Columns(Struct, frozen=True):
    """How columns are to be read, by name. `numbers`, `flags` (true or false): of CSV, where everything is text."""

    id: str = "customer_id"
    numbers: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()


PLAIN = Columns()


class Row(Struct, frozen=True):
    """A line that tells of somebody. `line`: of the file, its first; `original`: cells by column, or the object.

    `faults`: what cannot be read of it; `row` is the rest.
    """

    line: int
    row: ImportRow
    original: dict[str, Any]
    read: int
    faults: tuple[str, ...] = ()


def rows(path: Path, columns: Columns = PLAIN) -> Iterator[Row | Refused]:
    """Every line that is not blank. Raises `Unreadable`."""
    return _table(path, columns) if is_table(path) else _objects(path, columns)


def header(path: Path) -> list[str]:
    """The columns of a table, without those of a reject file. Raises `Unreadable`."""
    return without_rejected(header_of(path, next(cells_of(path), None)))


def people(path: Path, at: int) -> Iterator[Arrival]:
    """What is known of people before the first line: each as `identify` and consent events at `at`. Raises `Unreadable`."""
    for found in rows(path):
        if reasons := found.reasons if isinstance(found, Refused) else found.faults:
            raise Unreadable(f"{path}:{found.line}: {'; '.join(reasons)}")
        assert isinstance(found, Row)
        row = found.row
        for event in events_of(row, (str(found.line),), at, first="identify"):
            yield Arrival(at, key(row), encoded(event))


def _table(path: Path, columns: Columns) -> Iterator[Row | Refused]:
    cells = cells_of(path)
    names = header_of(path, next(cells, None))
    hers = without_rejected(names)
    if columns.id not in names and "anonymous_id" not in names:
        raise Unreadable(f"{path}: no column {columns.id}: it has {', '.join(names)}")
    if missing := sorted((columns.numbers | columns.flags) - set(names)):
        raise Unreadable(f"{path}: no column {missing[0]}: it has {', '.join(names)}")
    for line, row, read in cells:
        if isinstance(row, str):
            yield Refused(line, (row,), {}, read)
        elif len(row) != len(names):
            some = dict(zip(names, row, strict=False))
            yield Refused(line, (f"{len(row)} cells where the header has {len(names)}",), some, read)
        else:
            told = dict(zip(names, row, strict=True))
            told = {name: told[name] for name in hers}
            given = {name: text for name, cell in told.items() if (text := cell.strip())}
            yield _read(line, told, *_typed(given, columns), columns.id, read)


def _typed(given: Mapping[str, str], columns: Columns) -> tuple[dict[str, Any], list[str]]:
    told: dict[str, Any] = {}
    faults = []
    for name, text in given.items():
        told[name] = text
        if name in columns.numbers:
            try:
                told[name] = int(text) if text.lstrip("-").isdecimal() else orjson.loads(text)
            except ValueError:
                told[name] = None
            if isinstance(told[name], bool) or not isinstance(told[name], int | float):
                del told[name]
                faults.append(f"{name} is no number")
        elif name in columns.flags or name.startswith(CONSENT):
            word = text.lower()
            told[name] = word in YES
            if word not in YES | NO:
                faults.append(f"{name} is neither true nor false")
    return told, faults


def _objects(path: Path, columns: Columns) -> Iterator[Row | Refused]:
    for number, value, text, read in json_rows(path):
        if isinstance(value, orjson.JSONDecodeError):
            yield Refused(number, (f"not JSON: {value}",), text.decode("utf-8", "replace"), read)
        elif not isinstance(value, dict):
            yield Refused(number, ("not a JSON object",), value, read)
        else:
            yield _read(number, value, value, [], columns.id, read)


def _read(line: int, original: dict[str, Any], told: dict[str, Any], faults: list[str], id_column: str, read: int) -> Row:
    told, faults = dict(told), list(faults)
    ids = [told.pop(name, None) for name in (id_column, "anonymous_id")]
    if not any(ids) or not all(one is None or isinstance(one, str) for one in ids):
        faults.append(f"needs {id_column} or anonymous_id, a text")
        ids = [None, None]
    at = None
    if (timestamp := told.pop("timestamp", None)) is not None and (at := milliseconds(timestamp)) is None:
        faults.append("timestamp is no ISO 8601 time")
    traits, consent = (told.pop(name, None) or {} for name in ("traits", "consent"))
    if not isinstance(traits, dict) or not isinstance(consent, dict):
        faults.append("traits must be an object, consent an object of true and false")
        traits = consent = {}
    consent = dict(consent) | {name.removeprefix(CONSENT): told.pop(name) for name in list(told) if name.startswith(CONSENT)}
    consent = {purpose: given for purpose, given in consent.items() if given is not None}
    if not all(isinstance(given, bool) for given in consent.values()):
        faults.append("consent is true or false")
    return Row(line, ImportRow(ids[0] or None, ids[1] or None, told | traits, consent, at), original, read, tuple(dict.fromkeys(faults)))
