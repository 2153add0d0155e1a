"""A partition's state on this machine: one RocksDB for all tables of the partition, a key prefix per table.

It is a copy: the changelog is the truth. So writes need no fsync, and whatever looks wrong (left open by a machine that went down, of
another cluster, unreadable, ahead of the changelog) is thrown away and restored. Keys: `PREFIX MARKS`, `PREFIX kind key` rows,
`PREFIX 01 due key` the due index, `PREFIX 02 tag key` the index of a table's tags, `PREFIX 00` the changelog offset to read next.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, Rdict, WriteBatch, WriteBufferManager

from app.engine.origin import Marks
from app.engine.rows import MARKS, NEVER, Row, day_key, day_of, tags_of

CACHE_BYTES = 64 * 1024 * 1024
"""Block cache of all partitions together; RocksDB's default is 2 GB each."""
WRITE_BUFFER_BYTES = 8 * 1024 * 1024
WRITE_BUFFERS = 3
MEMTABLE_BYTES = 64 * 1024 * 1024
"""Memtables of all partitions together: beyond it a store flushes earlier. No writer is ever made to wait for it."""
OPEN_FILES = 256
OFFSET = b"\x00"
DUE, TAGGED = b"\x01", b"\x02"
FIRST_ROW = b"\x03"
OPENED = "OPENED"
"""File in the directory while the store is open: boot id and cluster id. Left behind by a kill; deleted by a clean close."""
CLUSTER = "CLUSTER"
NOTHING_DUE = 2**62
_big = struct.Struct(">q")

_cache: Cache | None = None
_memtables: WriteBufferManager | None = None


class Unreadable(RuntimeError):
    """A read or write of the local store failed: the directory is condemned, the worker exits, the next start restores it."""


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return "unknown"


def _options() -> Options:
    global _cache, _memtables
    if _cache is None:
        _cache = Cache(CACHE_BYTES)
    if _memtables is None:
        _memtables = WriteBufferManager(MEMTABLE_BYTES, False)
    table = BlockBasedOptions()
    table.set_block_cache(_cache)
    table.set_bloom_filter(10, False)
    table.set_cache_index_and_filter_blocks(True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(WRITE_BUFFERS)
    options.set_write_buffer_manager(_memtables)
    options.set_max_open_files(OPEN_FILES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(1024 * 1024)
    return options


class PartitionStore:
    """Opened and closed in a thread: either takes 10–40 ms."""

    def __init__(self, path: Path, db: Any) -> None:
        self.path, self._db = path, db
        self.scans = threading.Lock()
        """Held by who scans from another thread. A close waits for it: an iterator keeps the database locked, and the next open, finding
        it so, would take it for broken and throw it away."""
        self._tables: dict[str, TableStore] = {}

    @classmethod
    def open(cls, path: Path, cluster: str) -> PartitionStore:
        """The store at `path`; a directory that cannot be trusted is deleted first. Raises OSError if the disk does not allow it."""
        _finish_discard(path)
        if path.exists() and not _trusted(path, cluster):
            discard(path)
        path.mkdir(parents=True, exist_ok=True)
        try:
            db = Rdict(str(path), _options())
        except Exception:
            # Corrupt or half deleted: RocksDB says so in many words, none of which can be relied on.
            discard(path)
            path.mkdir(parents=True, exist_ok=True)
            db = Rdict(str(path), _options())
        (path / CLUSTER).write_text(cluster, "utf-8")
        (path / OPENED).write_text(_boot_id(), "ascii")
        return cls(path, db)

    def table(self, name: str, prefix: bytes, kept_days: int = 0, index: bytes = b"") -> TableStore:
        if name not in self._tables:
            self._tables[name] = TableStore(self, self._db, prefix, kept_days, index)
        return self._tables[name]

    @property
    def db(self) -> Any:
        """The database itself, for who keeps no tables in it (follower.py)."""
        return self._db

    def close(self) -> None:
        self._tables.clear()
        with self.scans:
            self._db.flush()
            self._db.close()
        (self.path / OPENED).unlink(missing_ok=True)

    def memtable_bytes(self) -> int:
        """Memory of what is written and not yet flushed."""
        return int(self._db.property_int_value("rocksdb.cur-size-all-mem-tables"))

    def condemn(self) -> None:
        """What is here cannot be trusted: the next open starts from nothing."""
        (self.path / OPENED).write_text("condemned", "ascii")

    def reset(self) -> PartitionStore:
        """Throws everything away and opens empty."""
        cluster = (self.path / CLUSTER).read_text("utf-8")
        with self.scans:
            self._db.close()
        discard(self.path)
        return PartitionStore.open(self.path, cluster)


def cache_bytes() -> int:
    """What the block cache of all partitions holds now."""
    return 0 if _cache is None else int(_cache.get_usage())


def _trusted(path: Path, cluster: str) -> bool:
    try:
        if (path / CLUSTER).read_text("utf-8") != cluster:
            return False
        opened = path / OPENED
        # A killed process loses nothing of what it wrote; a machine that went down may have.
        return not opened.exists() or opened.read_text("ascii") == _boot_id()
    except (OSError, UnicodeDecodeError):
        return False


def discard(path: Path) -> None:
    """Deletes a store so that a crash in between cannot leave half of it under its name."""
    gone = path.with_name(path.name + ".gone")
    shutil.rmtree(gone, ignore_errors=True)
    path.rename(gone)
    shutil.rmtree(gone)


def _finish_discard(path: Path) -> None:
    gone = path.with_name(path.name + ".gone")
    if gone.exists():
        shutil.rmtree(gone)


class TableStore:
    """One table's part of a partition: the turn's `Reader`, and the one atomic write of a commit."""

    def __init__(self, owner: PartitionStore, db: Any, prefix: bytes, kept_days: int = 0, index: bytes = b"") -> None:
        self._owner, self._db, self._prefix, self._kept_days, self._index = owner, db, prefix, kept_days, index
        self._low = 0
        self._newest_day = 0
        """Of the rows written since this was opened; what is too old for it is gone."""

        marks, offset = self._read([prefix + MARKS, prefix + OFFSET])
        self._marks = Marks() if marks is None else Marks.decode(marks)
        self.changelog_next, self.tail = (0, b"") if offset is None else (int(_big.unpack(offset[:8])[0]), offset[8:])
        """Where to read the changelog on, and `fingerprint` of the record just before: a changelog that was recreated has another there."""

    def _read(self, keys: list[bytes]) -> list[bytes | None]:
        try:
            found: list[bytes | None] = self._db.get(keys)
        except Exception as error:
            self._owner.condemn()
            raise Unreadable(f"{self._owner.path}: {error}") from error
        return found

    def marks(self) -> Marks:
        return self._marks

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        prefix = self._prefix
        return self._read([prefix + key for key in keys]) if keys else []

    def due(self, upto: int, limit: int) -> list[bytes]:
        if self._low > upto:
            return []
        found: list[bytes] = []
        low = NOTHING_DUE
        for at, key in self._waiting():
            low = min(low, at)
            if at > upto or len(found) >= limit:
                break
            found.append(key)
        self._low = low
        return found

    def next_due(self) -> int | None:
        """The earliest due of all, or None."""
        return next((at for at, _ in self._waiting()), None)

    def _waiting(self) -> Iterator[tuple[int, bytes]]:
        prefix = self._prefix + DUE
        try:
            scan = self._db.iter()
            scan.seek(prefix + _big.pack(self._low))
            while scan.valid():
                key = scan.key()
                if key[:2] != prefix:
                    break
                yield _big.unpack(key[2:10])[0], key[10:]
                scan.next()
            scan.status()  # an iterator that hit a bad block just ends; only the status tells
        except GeneratorExit:
            raise
        except Exception as error:
            self._owner.condemn()
            raise Unreadable(f"{self._owner.path}: {error}") from error

    def waiting(self) -> list[tuple[int, bytes]]:
        """The whole due index: (due, group key), sorted."""
        return list(self._waiting())

    def tagged(self, tag: bytes, after: bytes, limit: int) -> list[bytes]:
        prefix = self._prefix + TAGGED + tag
        found: list[bytes] = []
        try:
            scan = self._db.iter()
            scan.seek(prefix + after + b"\x00" if after else prefix)
            while len(found) < limit and scan.valid():
                key = scan.key()
                if key[: len(prefix)] != prefix:
                    break
                found.append(key[len(prefix) :])
                scan.next()
            scan.status()
        except Exception as error:
            self._owner.condemn()
            raise Unreadable(f"{self._owner.path}: {error}") from error
        return found

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row and the marks: (row key, value), sorted by key."""
        scan = self._db.iter()
        scan.seek(self._prefix + FIRST_ROW)
        while scan.valid() and scan.key()[:1] == self._prefix:
            yield scan.key()[1:], scan.value()
            scan.next()
        scan.status()

    def newest_day(self, kind: bytes) -> int | None:
        """Of a table that forgets: the day of its newest row; None: there is none."""
        with self._owner.scans:
            scan = self._db.iter()
            scan.seek_for_prev(self._prefix + kind + b"\xff\xff\xff")
            found = day_of(scan.key()[2:]) if scan.valid() and scan.key()[:2] == self._prefix + kind else None
            scan.status()
            del scan
        return found

    def span(self, begin: bytes, end: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """At most `limit` rows from row key `begin` on, before `end`, in order: (row key, value). For threads beside the lane's."""
        return self.spans([(begin, end)], limit)

    def spans(self, ranges: Iterable[tuple[bytes, bytes]], limit: int) -> list[tuple[bytes, bytes]]:
        """The same of several ranges, at most `limit` rows in all."""
        found: list[tuple[bytes, bytes]] = []
        prefix = self._prefix
        with self._owner.scans:
            scan = self._db.iter()
            for begin, end in ranges:
                scan.seek(prefix + begin)
                last = prefix + end
                while len(found) < limit and scan.valid() and (key := scan.key()) < last:
                    found.append((key[1:], scan.value()))
                    scan.next()
            scan.status()
            del scan
        return found

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int, tail: bytes = b"") -> None:
        """Rows, their indexes, marks and changelog offset, atomically. Raises `Unreadable` if the disk refuses."""
        batch = WriteBatch(raw_mode=True)
        if self._index:
            self._tag(batch, [row for row in rows if row.key[:1] == self._index])
        put, prefix, low = batch.put, self._prefix, self._low
        waits = prefix + DUE
        for row in rows:
            put(prefix + row.key, row.value)
            if row.due != row.old_due:
                if row.old_due != NEVER:
                    batch.delete(waits + _big.pack(row.old_due) + row.key[1:])
                if row.due != NEVER:
                    put(waits + _big.pack(row.due) + row.key[1:], b"")
                    low = min(low, row.due)
        newest = max((day_of(row.key[1:]) for row in rows), default=0) if self._kept_days else 0
        if newest > self._newest_day:
            # One range, whatever lies in it: nobody waits for old days to go. The changelog's own retention drops them there.
            kind = prefix + rows[0].key[:1]
            batch.delete_range(kind, kind + day_key(max(0, newest - self._kept_days)))
        put(prefix + MARKS, marks.encode())
        put(prefix + OFFSET, _big.pack(changelog_next) + tail)
        try:
            self._db.write(batch)
        except Exception as error:
            raise Unreadable(f"{self._owner.path}: {error}") from error
        self._marks, self.changelog_next, self.tail, self._low = marks.copy(), changelog_next, tail, low
        self._newest_day = max(self._newest_day, newest)

    def _tag(self, batch: Any, rows: Sequence[Row]) -> None:
        """The index of tags after these rows: they change seldom, so what they said before is read here and carried by nobody."""
        base = self._prefix + TAGGED
        for row, before in zip(rows, self.get_many([row.key for row in rows]), strict=True):
            old, new = tags_of(before), tags_of(row.value)
            for one in old - new:
                batch.delete(base + one + row.key[1:])
            for one in new - old:
                batch.put(base + one + row.key[1:], b"")


def fingerprint(key: bytes, value: bytes | None) -> bytes:
    """8 bytes that tell one changelog record from another."""
    return hashlib.blake2b(key + b"\0" + (value or b""), digest_size=8).digest()
