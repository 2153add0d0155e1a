"""What workers left in their RocksDB directories, read with the library alone (layout: app/engine/store.py)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

from rocksdict import AccessType, Options, Rdict

PREFIXES = {"identifiers": b"i", "people": b"l", "mailboxes": b"a", "renders": b"r", "figures": b"f", "decided": b"d", "sent": b"s"}
_big = struct.Struct(">q")


class Local(NamedTuple):
    """One table of one partition in one directory. `next`: the changelog offset it has come to.

    `due`, `tags`: its indexes, (ms, group key) and (tag, group key).
    """

    table: str
    partition: int
    next: int
    rows: dict[bytes, bytes]
    due: set[tuple[int, bytes]]
    tags: set[tuple[bytes, bytes]]


def read(home: Path) -> list[Local]:
    """Every table of every `partition-N` directory under `home`. No worker may have them open."""
    found = []
    for path in sorted(home.rglob("partition-*")):
        if (path / "OPENED").exists():
            continue  # its worker died with it open; the next start decides whether to trust it
        db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        try:
            content = {bytes(key): bytes(value) for key, value in db.items()}
        finally:
            db.close()
        for table, prefix in PREFIXES.items():
            own = {key[1:]: value for key, value in content.items() if key[:1] == prefix}
            upto = own.pop(b"\x00", None)
            due = {(_big.unpack(key[1:9])[0], key[9:]) for key in own if key[:1] == b"\x01"}
            rows = {key: value for key, value in own.items() if key[:1] not in (b"\x01", b"\x02", b"m")}
            number = int(path.name.removeprefix("partition-"))
            tags = {(key[1:9], key[9:]) for key in own if key[:1] == b"\x02"}
            found.append(Local(table, number, 0 if upto is None else _big.unpack(upto[:8])[0], rows, due, tags))
    return found
