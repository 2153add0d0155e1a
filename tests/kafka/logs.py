"""Whole topics, read from offset 0 with a plain consumer: all the oracle looks at."""

from __future__ import annotations

import asyncio
import struct
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

_origin = struct.Struct(">BHQI")
LANE, HANDED, REKEY, LINK = 2, 3, 6, 7


class Message(NamedTuple):
    """One record as it lies; the header `o` is an origin, the header `load` what the workload meant the record to be."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def origin(self) -> tuple[int, int, int, int] | None:
        """(stage, partition, offset, index)"""
        raw = self._header("o")
        return _origin.unpack(raw) if raw is not None and len(raw) == _origin.size else None  # type: ignore[return-value]

    @property
    def load(self) -> str:
        """good, duplicate or bad; empty for what Kairos wrote."""
        return (self._header("load") or b"").decode()

    def _header(self, wanted: str) -> bytes | None:
        return next((value for name, value in self.headers if name == wanted), None)


Logs = dict[str, dict[int, list[Message]]]
"""Topic without prefix → partition → records in order."""


async def read(broker: str, prefix: str, topics: tuple[str, ...], partition: int | None = None) -> Logs:
    """Everything on `topics` up to their end offsets as of now; committed records only."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker,
        group_id=None,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_bytes=64 << 20,
        max_partition_fetch_bytes=8 << 20,
    )
    await consumer.start()
    try:
        places = []
        for topic in topics:
            partitions = await _partitions(consumer, prefix + topic)
            places += [TopicPartition(prefix + topic, n) for n in partitions if partition is None or n == partition]
        logs: Logs = {topic: {} for topic in topics}
        for place in places:
            logs[place.topic.removeprefix(prefix)][place.partition] = []
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        waiting = set(places)
        quiet_since = asyncio.get_running_loop().time()
        while waiting:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                quiet_since = asyncio.get_running_loop().time()
                topic = place.topic.removeprefix(prefix)
                logs[topic][place.partition] += [_message(topic, place.partition, record) for record in records]
            for place in list(waiting):
                if await consumer.position(place) >= ends[place]:
                    waiting.discard(place)
            if asyncio.get_running_loop().time() - quiet_since > 60:
                raise TimeoutError(f"nothing more came of {sorted(waiting)}, ends {ends}")
        return logs
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[int]:
    for _ in range(50):
        known = consumer.partitions_for_topic(topic)
        if known:
            return sorted(known)
        await consumer._client.force_metadata_update()
        await consumer.topics()
        await asyncio.sleep(0.1)
    raise LookupError(f"topic {topic} does not exist")


def _message(topic: str, partition: int, record: Any) -> Message:
    return Message(topic, partition, record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


async def end_offsets(broker: str, prefix: str, topics: tuple[str, ...]) -> dict[tuple[str, int], int]:
    """(topic without prefix, partition) → end offset."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, group_id=None)
    await consumer.start()
    try:
        places = [TopicPartition(prefix + topic, n) for topic in topics for n in await _partitions(consumer, prefix + topic)]
        ends = await consumer.end_offsets(places)
        return {(place.topic.removeprefix(prefix), place.partition): end for place, end in ends.items()}
    finally:
        await consumer.stop()


async def members(broker: str, prefix: str) -> int:
    """Workers that hold their share in every group that reads the prefix's topics; 0 while those of one are about to share anew.

    Group by group: aiokafka 0.14 reads an answer about several one field short (its v3 request is given the v2 response).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        groups = [name for name, _ in await admin.list_consumer_groups() if name.startswith(prefix)]
        found = [group for name in groups for answer in await admin.describe_consumer_groups([name]) for group in answer.groups]
        return min((len(group[5]) if group[2] == "Stable" else 0 for group in found), default=0)
    finally:
        await admin.close()


async def committed(broker: str, prefix: str) -> dict[tuple[str, int], int]:
    """(topic without prefix, partition) → committed offset of the group that reads the prefix's topics.

    The journal is read by two: what counts is the lane's; the recommender stands where it likes.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        found: dict[tuple[str, int], int] = {}
        groups = [name for name, _ in await admin.list_consumer_groups() if name.startswith(prefix)]
        for group in groups:
            for place, offset in (await admin.list_consumer_group_offsets(group)).items():
                theirs = place.topic == f"{prefix}journal" and group.endswith("insight")
                if place.topic.startswith(prefix) and offset.offset >= 0 and not theirs:
                    found[place.topic.removeprefix(prefix), place.partition] = offset.offset
        return found
    finally:
        await admin.close()
