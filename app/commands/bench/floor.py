"""Rival: the floor under every Python engine on this client: aiokafka, a dictionary that nothing keeps, one output per event.

`python -m app.commands.bench.floor BROKER PREFIX`
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from app.commands.bench.profile_dict import update

BATCH = 256 * 1024
IN_FLIGHT = 16


async def floor(broker: str, prefix: str) -> None:
    """Reads, updates, writes, until it is ended."""
    topic, target = f"{prefix}customer_events", f"{prefix}message_sends"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id=f"{prefix}floor", auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", max_batch_size=BATCH)
    await consumer.start()
    await producer.start()
    profiles: dict[bytes, dict[str, Any]] = {}
    pending: list[Any] = []
    while True:
        for place, records in (await consumer.getmany(timeout_ms=200, max_records=2000)).items():
            batch = producer.create_batch()
            for record in records:
                profiles[record.key], seen = update(profiles.get(record.key), orjson.loads(record.value))
                value = orjson.dumps(seen)
                if batch.append(key=record.key, value=value, timestamp=None) is None:
                    batch.close()
                    pending.append(await producer.send_batch(batch, target, partition=place.partition))
                    batch = producer.create_batch()
                    batch.append(key=record.key, value=value, timestamp=None)
            batch.close()
            pending.append(await producer.send_batch(batch, target, partition=place.partition))
        if len(pending) > IN_FLIGHT:
            await asyncio.gather(*pending)
            pending.clear()


if __name__ == "__main__":
    asyncio.run(floor(*sys.argv[1:]))
