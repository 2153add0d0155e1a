"""Rows as they lie in RocksDB and in the changelog: a key with a row kind, a value with a fixed header."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from msgspec import Struct

from app.engine.origin import Marks
from app.events import ENCODING

NEVER = -1
"""`due` of a row that waits for nothing."""

MARKS = b"m"
"""Changelog and store key of a lane's marks."""

BATCH_BYTES = 400_000
"""Changelog bytes per producer batch; below the topics' max.message.bytes with room for the largest group."""

DAY_SIZE = 2
"""Bytes of the day (since 1970, big endian) that group keys of a table with `kept_days` begin with: so they lie in order of time."""

TAG_SIZE = 8
"""Bytes of a tag, of which an index row is a list. Two things that share one cost a look at somebody who is not concerned, no more."""

_header = struct.Struct(">Bqq")
_day = struct.Struct(">H")
HEADER_SIZE = _header.size


def row_key(kind: bytes, key: bytes) -> bytes:
    """Key of one row of a group: row kind byte, then the person's or identifier's key."""
    return kind + key


def pack_value(applied: int, due: int, body: bytes) -> bytes:
    """Version byte, offset of the last source record applied to this row, next wake-up (ms or NEVER), then the state."""
    return _header.pack(ENCODING, applied, due) + body


def read_header(value: bytes) -> tuple[int, int]:
    """(applied, due). Raises ValueError for another version."""
    version, applied, due = _header.unpack_from(value)
    if version != ENCODING:
        raise ValueError(f"row of version {version}, expected {ENCODING}")
    return applied, due


def tags_of(value: bytes | None) -> frozenset[bytes]:
    """The tags of an index row."""
    return frozenset() if value is None else frozenset(value[at : at + TAG_SIZE] for at in range(HEADER_SIZE, len(value), TAG_SIZE))


def day_key(day: int) -> bytes:
    """How keys of a day begin. Raises ValueError for a time that no record has."""
    if not 0 <= day < 1 << 16:
        raise ValueError(f"day {day} since 1970")
    return _day.pack(day)


def day_of(key: bytes) -> int:
    """The day of a group key of such a table."""
    return int(_day.unpack_from(key)[0])


class Row(Struct):
    """One row to write. `due`/`old_due` are NEVER for all but main rows; the due index is derived from them."""

    key: bytes
    value: bytes
    due: int
    old_due: int


def pack_batches(groups: Sequence[tuple[list[Row], int | None]], marks: Marks) -> list[list[tuple[bytes, bytes]]]:
    """Producer batches for the changelog: a group is never split, marks stand last.

    With a cursor per group (slices) every batch ends with marks that carry the cursor after its last group, so that a crash between
    batches goes on exactly there (lane-findings.md section 5, run n2: 163 sends lost without).
    """
    batches: list[list[tuple[bytes, bytes]]] = [[]]
    size = 0
    cursor: int | None = None
    for rows, after in groups:
        weight = 0
        for row in rows:
            weight += len(row.key) + len(row.value) + 16
        if size and size + weight > BATCH_BYTES:
            if cursor is not None:
                batches[-1].append((MARKS, _with_cursor(marks, cursor)))
            batches.append([])
            size = 0
        batches[-1] += [(row.key, row.value) for row in rows]
        size += weight
        cursor = after
    batches[-1].append((MARKS, marks.encode() if cursor is None else _with_cursor(marks, cursor)))
    return batches


def _with_cursor(marks: Marks, cursor: int) -> bytes:
    marks = marks.copy()
    marks.cursor = cursor
    return marks.encode()
