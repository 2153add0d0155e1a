"""A table as a file: CSV (comma, semicolon or tab), `.gz` read as such, row by row in constant memory."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from app.edges.events_file import Unreadable, raw_lines

DELIMITERS = (",", ";", "\t")
MAX_COLUMNS = 200


def is_table(path: Path, what: str = "people") -> bool:
    """CSV rather than JSON Lines: by its name, else by its first character. Raises `Unreadable`. `what` the rows are."""
    names = {suffix.lower() for suffix in path.suffixes}
    if names & {".csv", ".tsv"}:
        return True
    start = next((text for line, _ in raw_lines(path) if (text := line.strip())), b"{")
    if start.startswith(b"[") and not names & {".jsonl", ".ndjson"}:
        raise Unreadable(f"{path}: a JSON array; {what} are read one object a line")
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


def cells_of(path: Path) -> Iterator[tuple[int, list[str] | str, int]]:
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


def header_of(path: Path, first: tuple[int, list[str] | str, int] | None) -> list[str]:
    if first is None or isinstance(first[1], str):
        raise Unreadable(f"{path}: its first line is no header" + (f": {first[1]}" if first else ""))
    names = [name.strip() for name in first[1]]
    if len(names) > MAX_COLUMNS:
        raise Unreadable(f"{path}: {len(names)} columns, more than {MAX_COLUMNS}")
    if twice := sorted({name for name in names if names.count(name) > 1 or not name}):
        raise Unreadable(f"{path}: a column without a name" if not twice[0] else f"{path}: two columns of the name {twice[0]}")
    return names
