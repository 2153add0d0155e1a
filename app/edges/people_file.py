"""A file of people, a row each: CSV (comma, semicolon or tab) or JSON Lines, `.gz` read as such; read once, in constant memory.

CSV: a column for the id, `consent_<purpose>` columns of true and false, `timestamp` if the row knows as of when it speaks; every other
column is a trait, text unless it was named a number or a flag. An empty cell says nothing. JSON Lines: the same as keys of an object, or
`traits` and `consent` as objects of their own; null takes a trait away.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from app.domain.import_row import ImportRow, encoded, events_of, key
from app.edges.events_file import Arrival, Unreadable, milliseconds, raw_lines

CONSENT = "consent_"
DELIMITERS = (",", ";", "\t")
YES, NO = frozenset(("true", "yes", "1")), frozenset(("false", "no", "0"))
MAX_COLUMNS = 200
REJECTED = ("line", "reasons")
"""What a reject file has before the row: mended, it is imported as it is, and these are not hers."""


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


class Refused(Struct, frozen=True):
    """A line that is no row. `original` may be text where it was no JSON."""

    line: int
    reasons: tuple[str, ...]
    original: Any
    read: int


def is_table(path: Path) -> bool:
    """CSV rather than JSON Lines: by its name, else by its first character. Raises `Unreadable`."""
    names = {suffix.lower() for suffix in path.suffixes}
    if names & {".csv", ".tsv"}:
        return True
    start = next((text for line, _ in raw_lines(path) if (text := line.strip())), b"{")
    if start.startswith(b"[") and not names & {".jsonl", ".ndjson"}:
        raise Unreadable(f"{path}: a JSON array; people are read one object a line")
    return not names & {".jsonl", ".ndjson", ".json"} and not start.startswith(b"{")


def fingerprint(path: Path) -> str:
    """A hash of what is in the file, unpacked. Raises `Unreadable` if that is not UTF-8, before anybody acts on a part of it."""
    digest = hashlib.blake2b(digest_size=16)
    for number, (line, _) in enumerate(raw_lines(path), 1):
        if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Unreadable(f"{path}: UTF-16, not UTF-8; save it as UTF-8")
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable(f"{path}:{number}: not UTF-8 (byte {line[error.start]:#04x}); save it as UTF-8") from error
        digest.update(line)
    return digest.hexdigest()


def rows(path: Path, columns: Columns = PLAIN) -> Iterator[Row | Refused]:
    """Every line that is not blank. Raises `Unreadable`."""
    return _table(path, columns) if is_table(path) else _objects(path, columns)


def header(path: Path) -> list[str]:
    """The columns of a table, without those of a reject file. Raises `Unreadable`."""
    return _hers(_header(path, next(_cells(path), None)))


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
    cells = _cells(path)
    names = _header(path, next(cells, None))
    hers = _hers(names)
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


def _cells(path: Path) -> Iterator[tuple[int, list[str] | str, int]]:
    """(first line, cells or what is wrong with them, bytes read) of every row that is not blank."""
    lines = raw_lines(path)
    first = next(lines, None)
    if first is None:
        raise Unreadable(f"{path}: empty")
    head = first[0].decode("utf-8", "replace")
    delimiter = max(DELIMITERS, key=head.count)
    read = first[1]

    def texts() -> Iterator[str]:
        nonlocal read
        yield head
        for line, read in lines:  # noqa: B007 – `read` is told with each row
            yield line.decode("utf-8", "replace")

    reader = csv.reader(texts(), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            end = f", read to line {reader.line_num}" if reader.line_num > line else ""
            yield line, f"no CSV: {error}{end}", read
            continue
        if any(row):
            yield line, row, read


def _header(path: Path, first: tuple[int, list[str] | str, int] | None) -> list[str]:
    if first is None or isinstance(first[1], str):
        raise Unreadable(f"{path}: its first line is no header" + (f": {first[1]}" if first else ""))
    names = [name.strip() for name in first[1]]
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"{path}: {len(names)} columns, more than {MAX_COLUMNS}")
    if twice := sorted({name for name in names if names.count(name) > 1 or not name}):
        raise Unreadable(f"{path}: a column without a name" if not twice[0] else f"{path}: two columns of the name {twice[0]}")
    return names


def _hers(names: list[str]) -> list[str]:
    return names[len(REJECTED) :] if tuple(names[: len(REJECTED)]) == REJECTED else names


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
    for number, (line, read) in enumerate(raw_lines(path), 1):
        text = line.strip()
        if not text:
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield Refused(number, (f"not JSON: {error}",), text.decode("utf-8", "replace"), read)
            continue
        if not isinstance(value, dict):
            yield Refused(number, ("not a JSON object",), value, read)
            continue
        if value.keys() == {*REJECTED, "row"} and isinstance(value["row"], dict):
            value = value["row"]
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
