"""Rows as they lie in RocksDB and in the changelog: a key with a row kind, a value with a fixed header."""

from __future__ import annotations

import struct

from app.events import ENCODING

NEVER = -1
"""`due` of a row that waits for nothing."""

MARKS = b"m"
"""Changelog and store key of a lane's marks."""

_header = struct.Struct(">Bqq")
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
