"""People of a file onto `customer_events`: batch by batch, each acked before the next is read; what is refused goes into a file of its own.

Event ids come from the file's content and the line, so that a file that is imported again, or goes on after a fault, changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import orjson
from msgspec import Struct

from app.domain.import_row import breaches, encoded, events_of, key, objections
from app.edges.people_file import Columns, Row, header, rows
from app.edges.rejects import Refused, Rejects, counted
from app.edges.table_file import fingerprint, is_table
from app.engine.program import Output

BATCH = 1_000
"""Records published before their acks are awaited."""

Publish = Callable[[list[Output]], Awaitable[None]]


class Imported(Struct):
    """What became of a file so far."""

    rows: int = 0
    people: int = 0
    """Rows whose events were acked."""
    events: int = 0
    rejected: int = 0
    reasons: Counter[str] = Counter()


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
                counted(done.reasons, found.reasons)
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
