"""A compacted topic followed whole into one local RocksDB: its newest value by key, for whoever looks things up (design.md 3).

A plain consumer of no group reads every partition. Values and the offset to read next are one write, so a crash reads a little again and
changes nothing. The topic is the truth: whatever looks wrong here is thrown away and read anew. So is what was left for longer than the
cleaner keeps tombstones: a key deleted meanwhile would stay here for ever.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from rocksdict import WriteBatch

from app.engine.clock import wall_ms
from app.engine.patience import patient
from app.engine.store import PartitionStore

log = logging.getLogger("kairos.follower")

LEFT_MS = 12 * 3_600_000
"""Half of Kafka's delete.retention.ms: left alone for longer, it may have missed that something is gone."""
STAMP_MS = 60_000
"""How often is written that it still follows, though nothing came."""
PAGE = 2_000
"""Values that are read at once; writes wait meanwhile."""
FETCH_BYTES = 4 * 1024 * 1024
ALIKE = 200
"""Values that are looked up by one tag at most."""
VALUE, OFFSET, STAMP, TAGGED, TAGS = b"v", b"o", b"t", b"g", b"i"
_big = struct.Struct(">q")
_length = struct.Struct(">H")


class Follower:
    """`start()`, then `follow()` until it is cancelled, then `stop()`. `caught_up`: it has been at the end.

    `tag`: value → what it can be looked up by beside its key, if by anything.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        folder: Path,
        cluster: str,
        client_options: dict[str, Any],
        tag: Callable[[bytes], bytes | None] | None = None,
    ) -> None:
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._folder, self._cluster, self._options = folder, cluster, client_options
        self._tag = tag
        self._store: PartitionStore | None = None
        self._stamped = 0
        self._writes = threading.Lock()
        """Held by a write, which a stop must wait for: a cancelled task does not end its thread."""
        self.caught_up = False

    async def start(self) -> None:
        """Opens what was kept. Raises OSError."""
        self._store = await asyncio.to_thread(PartitionStore.open, self._folder, self._cluster)
        stamp = self._get(STAMP)
        if stamp is not None and wall_ms() - _big.unpack(stamp)[0] > LEFT_MS:
            log.info("%s was left alone for too long: it is read anew", self._folder.name)
            await self._anew()
        elif stamp is not None and self._tag is not None and self._get(TAGS) is None:
            await self._anew()  # kept by a version that looked nothing up by tags

    async def stop(self) -> None:
        if self._store is not None:
            store, self._store = self._store, None
            await asyncio.to_thread(self._close, store)

    async def at_end(self, wait_s: float) -> bool:
        """Whether it has been at the end, waiting for it a while."""
        until = asyncio.get_running_loop().time() + wait_s
        while not self.caught_up:
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    def _close(self, store: PartitionStore) -> None:
        with self._writes:
            store.close()

    def get(self, key: bytes) -> bytes | None:
        """The newest value of a key, as far as was read; None too while nothing is open."""
        return None if self._store is None else self._get(VALUE + key)

    def alike(self, tag: bytes) -> list[bytes]:
        """The newest values of a tag, by key, ALIKE at most; empty too while nothing is open."""
        if self._store is None:
            return []
        begin = _tagged(tag)
        keys: list[bytes] = []
        scan = self._store.db.iter()
        scan.seek(begin)
        while len(keys) < ALIKE and scan.valid() and (key := scan.key()).startswith(begin):
            keys.append(key[len(begin) :])
            scan.next()
        scan.status()
        del scan
        # A mark outlives its value's tag, and its value: whoever changes the family, or goes, is skipped here.
        values = [value for key in keys if (value := self.get(key)) is not None]
        return [value for value in values if self._tag is not None and self._tag(value) == tag]

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and its newest value, by key, a page at a time: what changes meanwhile may be there or not. For threads.

        Raises RuntimeError once it was stopped.
        """
        begin = VALUE
        while True:
            page: list[tuple[bytes, bytes]] = []
            with self._writes:
                if self._store is None:
                    raise RuntimeError(f"{self._folder.name} is followed no longer")
                scan = self._store.db.iter()
                scan.seek(begin)
                while len(page) < PAGE and scan.valid() and (key := scan.key())[:1] == VALUE:
                    page.append((key[1:], scan.value()))
                    scan.next()
                scan.status()
                del scan
            yield from page
            if len(page) < PAGE:
                return
            begin = VALUE + page[-1][0] + b"\0"

    async def follow(self) -> None:
        """Reads the topic from where it was left, and on."""
        consumer = AIOKafkaConsumer(
            **self._options, enable_auto_commit=False, auto_offset_reset="none", max_partition_fetch_bytes=FETCH_BYTES
        )
        patient(consumer._client)
        await consumer.start()
        try:
            consumer.assign(self._places)
            ends = await self._position(consumer)
            while True:
                if not self.caught_up:
                    self.caught_up = all([await consumer.position(place) >= end for place, end in ends.items()])
                try:
                    found = await consumer.getmany(timeout_ms=500)
                except OffsetOutOfRangeError:
                    await self._anew()  # the topic was made anew under its old name
                    ends = await self._position(consumer)
                    continue
                except KafkaError as error:
                    log.warning("%s: %s", self._folder.name, error)
                    await asyncio.sleep(1.0)
                    continue
                if found or (self.caught_up and wall_ms() - self._stamped > STAMP_MS):
                    await asyncio.to_thread(self._keep, found)
        finally:
            await consumer.stop()

    async def _position(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Stands where it was left; returns the ends as of now."""
        first, ends = await consumer.beginning_offsets(self._places), await consumer.end_offsets(self._places)
        kept = {place: self._get(OFFSET + _big.pack(place.partition)) for place in self._places}
        if any(value is not None and _big.unpack(value)[0] > ends[place] for place, value in kept.items()):
            await self._anew()
            kept = dict.fromkeys(self._places)
        for place, value in kept.items():
            consumer.seek(place, first[place] if value is None else max(first[place], _big.unpack(value)[0]))
        return dict(ends)

    async def _anew(self) -> None:
        assert self._store is not None
        self.caught_up = False
        self._store = await asyncio.to_thread(self._store.reset)

    def _get(self, key: bytes) -> bytes | None:
        assert self._store is not None
        found: bytes | None = self._store.db.get(key)
        return found

    def _keep(self, found: dict[TopicPartition, list[Any]]) -> None:
        batch = WriteBatch(raw_mode=True)
        for place, records in found.items():
            for record in records:
                if record.key is None:
                    continue
                if record.value is None:
                    batch.delete(VALUE + record.key)
                else:
                    batch.put(VALUE + record.key, record.value)
                    if self._tag is not None and (tag := self._tag(record.value)) is not None:
                        batch.put(_tagged(tag) + record.key, b"")
            batch.put(OFFSET + _big.pack(place.partition), _big.pack(records[-1].offset + 1))
        with self._writes:
            if self._store is None:
                return  # stopped meanwhile: it is read again
            self._stamped = wall_ms()
            batch.put(STAMP, _big.pack(self._stamped))
            if self._tag is not None:
                batch.put(TAGS, b"")
            else:
                batch.delete(TAGS)
            self._store.db.write(batch)


def _tagged(tag: bytes) -> bytes:
    return TAGGED + _length.pack(len(tag)) + tag
