"""Origins and marks: how a lane knows a record repeated after a crash, and where it stands.

A derived record carries where it comes from in header `o`: stage, source partition, source offset, index. A repeat has a new offset but
the same origin; a lane skips what is not newer than the last origin it read from that (stage, source partition). Lanes are sequential
and idempotent producers keep order, so what comes again is never newer (engine-findings.md 0.1: without it 2,205 of 3,000 profiles wrong).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from app.events import ENCODING

HEADER = "o"
_origin = struct.Struct(">BHQI")


def pack_origin(stage: int, partition: int, offset: int, index: int) -> list[tuple[str, bytes]]:
    """Kafka headers of a derived record."""
    return [(HEADER, _origin.pack(stage, partition, offset, index))]


def read_origin(headers: Sequence[tuple[str, bytes]]) -> tuple[int, int, int, int] | None:
    """(stage, source partition, source offset, index), or None for a record from outside or a tick."""
    for name, value in headers:
        if name == HEADER and len(value) == _origin.size:
            return _origin.unpack(value)
    return None


class Marks(Struct, array_like=True):
    """Where a lane stands on its source partition; the last record of every changelog write and part of the same local write.

    `applied`: every source offset up to it is done. `cursor`: output index reached inside the tick at `applied + 1`, when a crash cut its
    slices. `origins`: (stage << 16 | partition) → last (offset, index) read. `active`: artifact kind → ref.
    """

    applied: int = -1
    cursor: int = 0
    now: int = 0
    low_water: int = 0
    interval: int = 0
    origins: dict[int, tuple[int, int]] = {}
    active: dict[str, str] = {}

    def copy(self) -> Marks:
        return Marks(self.applied, self.cursor, self.now, self.low_water, self.interval, dict(self.origins), dict(self.active))

    def seen(self, stage: int, partition: int, offset: int, index: int) -> bool:
        """Whether this origin was read before; if not, it is now."""
        if self.knows(stage, partition, offset, index):
            return True
        self.origins[stage << 16 | partition] = (offset, index)
        return False

    def knows(self, stage: int, partition: int, offset: int, index: int) -> bool:
        """Whether this origin was read before."""
        last = self.origins.get(stage << 16 | partition)
        return last is not None and (offset, index) <= last

    def encode(self) -> bytes:
        return bytes([ENCODING]) + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, value: bytes) -> Marks:
        """Raises ValueError for another version: state written by a newer Kairos is not guessed at."""
        if value[0] != ENCODING:
            raise ValueError(f"marks of version {value[0]}, expected {ENCODING}")
        return msgspec.msgpack.decode(memoryview(value)[1:], type=cls)

    def newer_than(self, other: Marks | None) -> bool:
        """On restore marks win by (applied, cursor): by offset alone a zombie in its second slice takes the cursor back."""
        return other is None or (self.applied, self.cursor) > (other.applied, other.cursor)
