"""Sitting a broker outage out without burning a core.

aiokafka asks for metadata anew the moment an attempt has failed (a comment in its sender speaks of a back-off, there is none). A broker
that stops cleanly on a living host gives its leaderships up first and then refuses every connection at once: each client then turns as
fast as it can, two workers were seen to take both cores for an hour.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

BACKOFF_S = 0.2
"""Between two attempts to find a broker."""


def patient(client: Any) -> None:
    """Makes an `AIOKafkaClient` pause after an attempt to refresh its metadata that found no broker."""
    update = client._metadata_update

    async def metadata_update(*args: Any) -> bool:
        found = bool(await update(*args))
        if not found:
            await asyncio.sleep(BACKOFF_S)
        return found

    client._metadata_update = metadata_update


def patient_producer(kafka: Any) -> None:
    """Makes an `AIOKafkaProducer` wait for a leader as long as it takes.

    Stock fails a batch that has waited for `request_timeout_ms`, which would end the worker. Without a leader nothing was sent, so waiting
    is safe; whether a turn hangs although the broker answers is the watchdog's to judge.
    """
    kafka._message_accumulator._batch_ttl = math.inf
    patient(kafka.client)
