"""What can be learned of a broker from outside, without writing to it: who it is, what it speaks, what time it has."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from msgspec import Struct

from app.engine.clock import wall_ms
from app.engine.topics import admin, client_options
from app.settings import Settings

FETCH = 1
"""Number of the Fetch request in Kafka's protocol."""
SPEAKS = ((18, "4.1"), (17, "3.9"), (16, "3.7"), (15, "3.5"), (13, "3.1"), (12, "2.7"))
"""Highest version of Fetch a broker offers → the Apache Kafka that brought it; a broker does not tell its own version."""


class Broker(Struct, frozen=True):
    """`version`: the least Apache Kafka it may be, None: older than any we know. `creates_topics` None: it does not say."""

    cluster: str
    nodes: int
    version: str | None
    creates_topics: bool | None


async def look(settings: Settings) -> Broker:
    """Raises `KafkaError` or OSError if it does not answer."""
    async with admin(settings) as client:
        described = await client.describe_cluster()
        nodes = described["brokers"]
        creates = await _setting(client, nodes[0]["node_id"], "auto.create.topics.enable") if nodes else None
        offers = next((one._versions[FETCH][1] for one in client._client._conns.values() if FETCH in (one._versions or {})), 0)
    version = next((name for least, name in SPEAKS if offers >= least), None)
    return Broker(str(described["cluster_id"]), len(nodes), version, None if creates is None else creates == "true")


async def _setting(client: Any, node: int, name: str) -> str | None:
    try:
        answers = await client.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(node))])
    except (KafkaError, TypeError, ValueError):
        return None  # the embedded broker does not answer it, others may not allow it
    entries = [entry for answer in answers for _, _, _, _, found in answer.resources for entry in found]
    return next((entry[1] for entry in entries if entry[0] == name), None)


async def skew_ms(settings: Settings, wait_ms: int) -> int | None:
    """Own clock minus the broker's, by the stamp of the next record on `control`, which workers write several times a second.

    None: no record came within `wait_ms`, so no worker runs and nothing can be told without writing. Raises `KafkaError`.
    """
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="none", fetch_max_wait_ms=100)
    await consumer.start()
    try:
        place = TopicPartition(settings.topic("control"), 0)
        consumer.assign([place])
        consumer.seek(place, (await consumer.end_offsets([place]))[place])
        records = (await consumer.getmany(place, timeout_ms=wait_ms, max_records=1)).get(place)
        return wall_ms() - records[0].timestamp if records else None
    finally:
        await consumer.stop()
