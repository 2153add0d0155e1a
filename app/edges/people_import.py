"""People of a file onto `customer_events`: batch by batch, each acked before the next is read; what is refused goes into a file of its own.

Event ids come from the file's content and the line, so that a file that is imported again, or goes on after a fault, changes nothing.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
from msgspec import Struct

from app.domain.import_row import breaches, encoded, events_of, key, objections
from app.edges.people_file import Columns, Refused, Row, fingerprint, header, is_table, rows
from app.engine.program import Output

BATCH = 1_000
"""Records published before their acks are awaited."""
MAX_REASONS = 100
"""Different reasons that are counted; a reason may quote the row, and there may be as many as rows."""

Publish = Callable[[list[Output]], Awaitable[None]]


class Imported(Struct):
    """What became of a file so far."""

    rows: int = 0
    people: int = 0
    """Rows whose events were acked."""
    events: int = 0
    rejected: int = 0
    reasons: Counter[str] = Counter()


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


def rejects_beside(path: Path) -> Path:
    """Where the rejects of a file go unless it is said."""
    return path.with_name(f"{path.name}.rejects.{'csv' if is_table(path) else 'jsonl'}")


def last_changed(path: Path, now: int) -> int:
    """When the file last was (ms). Raises OSError."""
    return min(now, round(path.stat().st_mtime * 1000))


def cause_of(path: Path, columns: Columns, as_of: int | None) -> tuple[str, ...]:
    """What event ids are made of, with the line: the file's content, and how it is read, since what was read wrongly at first is news
    when it is read again. Raises `Unreadable`, for all that can be said of the file as a whole.
    """
    digest = fingerprint(path)
    next(iter(rows(path, columns)), None)
    read_as = (columns.id, ",".join(sorted(columns.numbers)), ",".join(sorted(columns.flags)))
    return (digest, *read_as, "" if as_of is None else str(as_of))


async def import_people(
    path: Path,
    columns: Columns,
    cause: tuple[str, ...],
    rejects: Path,
    as_of: int,
    now: int,
    publish: Publish,
    on_progress: Callable[[int, Imported], None],
) -> Imported:
    """Reads the whole file. `as_of` (ms): of rows without a timestamp. `on_progress(bytes read, so far)`. Raises `Unreadable`, OSError.

    What was acked when something raises stays published, and is counted in what was last told to `on_progress`.
    """
    done = Imported(reasons=Counter())
    batch: list[Output] = []
    people = 0
    with Rejects(rejects, header(path) if is_table(path) else None) as refused:

        async def flush() -> None:
            nonlocal batch, people
            await publish(batch)
            done.people, done.events = done.people + people, done.events + len(batch)
            batch, people = [], 0

        for found in checked(path, columns, cause, as_of, now):
            done.rows += 1
            if isinstance(found, Refused):
                done.rejected += 1
                for reason in found.reasons:
                    done.reasons[reason if reason in done.reasons or len(done.reasons) < MAX_REASONS else "other reasons"] += 1
                refused.add(found)
                on_progress(found.read, done)
                continue
            row, outputs = found
            batch += outputs
            people += 1
            if len(batch) >= BATCH:
                await flush()
            on_progress(row.read, done)
        if batch:
            await flush()
    return done


def checked(path: Path, columns: Columns, cause: tuple[str, ...], as_of: int, now: int) -> Iterator[Refused | tuple[Row, list[Output]]]:
    """Every row with its records, or everything that speaks against it. Raises `Unreadable`."""
    for found in rows(path, columns):
        if isinstance(found, Refused):
            yield found
            continue
        reasons = [*found.faults, *objections(found.row, now)]
        values: list[bytes] = []
        if not found.faults:
            try:
                values = [encoded(event) for event in events_of(found.row, (*cause, str(found.line)), as_of)]
            except orjson.JSONEncodeError as error:
                reasons.append(str(error))
            else:
                reasons += breaches(values, now)
        if reasons:
            yield Refused(found.line, tuple(reasons), found.original, found.read)
        else:
            yield found, [Output("customer_events", key(found.row), value) for value in values]
