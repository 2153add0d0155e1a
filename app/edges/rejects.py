"""What a bulk load refused: line, reasons, and the row as it was, in a file that can be mended and loaded as it is."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
from msgspec import Struct

from app.edges.events_file import MAX_LINE, Unreadable, raw_lines

REJECTED = ("line", "reasons")
"""What a reject file has before the row: mended, it is loaded as it is, and these are not the row's."""
MAX_REASONS = 100
"""Different reasons that are counted; a reason may quote the row, and there may be as many as rows."""


DELIMITERS = (",", ";", "\t")


class Refused(Struct, frozen=True):
    """A line that is no row. `original` may be text where it was no JSON."""

    line: int
    reasons: tuple[str, ...]
    original: Any
    read: int
    counted_as: str = ""
    """Where the reason names another line, what all of its kind are summed up as."""


def without_rejected(names: list[str]) -> list[str]:
    """The columns of a table, without those that a reject file has before them."""
    return names[len(REJECTED) :] if tuple(names[: len(REJECTED)]) == REJECTED else names


def json_rows(path: Path) -> Iterator[tuple[int, Any, bytes, int]]:
    """(line, value, the line itself, bytes read) of every line that is not blank; a row of a reject file as it was before it was refused.

    What is no JSON comes as the `orjson.JSONDecodeError` that says so.
    """
    for number, (line, read) in enumerate(raw_lines(path), 1):
        text = line.strip()
        if not text:
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            value = error
        if isinstance(value, dict) and value.keys() == {*REJECTED, "row"} and isinstance(value["row"], dict):
            value = value["row"]
        yield number, value, text, read


def counted(reasons: Counter[str], new: tuple[str, ...]) -> None:
    """Counts the reasons of one more row."""
    for reason in new:
        reasons[reason if reason in reasons or len(reasons) < MAX_REASONS else "other reasons"] += 1


class Rejects:
    """The file of what was refused, made when there is something to write; only its owner may read it, since it holds what the rows held.

    CSV for CSV, with the line and the reasons before the row's own cells; JSON Lines for JSON Lines.
    """

    def __init__(self, path: Path, columns: list[str] | None) -> None:
        self.path, self._columns = path, columns
        self._file: IO[str] | None = None
        self._write: Callable[[Refused], Any] = self._line

    def add(self, refused: Refused) -> None:
        """Raises OSError."""
        if self._file is None:
            self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="")
            if self._columns is not None:
                table = csv.writer(self._file)
                table.writerow(["line", "reasons", *self._columns])
                names = self._columns

                def cells(one: Refused) -> None:
                    table.writerow([one.line, "; ".join(one.reasons), *(one.original.get(name, "") for name in names)])

                self._write = cells
        self._write(refused)

    def _line(self, one: Refused) -> None:
        assert self._file is not None
        told = {"line": one.line, "reasons": one.reasons, "row": one.original}
        self._file.write(orjson.dumps(told).decode() + "\n")

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()


def rejects_beside(path: Path, table: bool) -> Path:
    """Where the rejects of a file go unless it is said."""
    return path.with_name(f"{path.name}.rejects.{'csv' if table else 'jsonl'}")


def spared(rejects: Path, source: Path) -> Path:
    """The place for what is refused of `source`, if nobody's file is lost by it. Raises `Unreadable`.

    A reject file of an earlier run is written anew; any other file is not ours to overwrite.
    """
    if not rejects.is_file():
        return rejects  # there is none yet, or it is no place where anything is kept
    if rejects.samefile(source):
        raise Unreadable(f"{rejects}: is the file that is read; refused rows need one of their own")
    try:
        with rejects.open("rb") as file:
            first = file.readline(MAX_LINE).strip()
    except OSError as error:
        raise Unreadable(f"{rejects}: {error.strerror}") from error
    if not _ours(first):
        raise Unreadable(f"{rejects}: is there already and holds no refused rows; it is not overwritten")
    return rejects


def _ours(first: bytes) -> bool:
    """Whether a file that begins with this line is a reject file, or empty. Mended in a spreadsheet it may have got other delimiters."""
    head = first.removeprefix(b"\xef\xbb\xbf").translate(None, b'"')
    if not head or head.startswith(tuple(mark.join(REJECTED).encode() for mark in DELIMITERS)):
        return True
    try:
        value = orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and value.keys() == {*REJECTED, "row"}
