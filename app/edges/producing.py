"""The engine's producer for the length of a command: idempotent, all acks awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.engine.failpoints import Failpoints
from app.engine.producer import Producer
from app.engine.topics import as_created
from app.settings import Settings


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[Producer]:
    """Keys go where the cluster's own producers put them. Raises `KafkaError` or OSError if the broker does not answer."""
    producer = Producer(await as_created(settings), Failpoints(""))
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()
