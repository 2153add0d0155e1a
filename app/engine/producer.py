"""The engine's own Kafka producer: idempotent, all acks, whole batches. Everything an agent publishes goes through it and is awaited.

Faust's producer only logs a failed send and lets the offset be committed. Here a failed send raises, and who sent it stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from app.engine.failpoints import Failpoints
from app.engine.partition import partition_of
from app.engine.patience import patient_producer
from app.engine.program import Output
from app.engine.topics import client_options, partitions_of
from app.settings import Settings

log = logging.getLogger("kairos.producer")

OUTPUT_BATCH = 512 * 1024
CHANGELOG_BATCH = 1_000_000
"""The turn packs batches of at most 400 kB or one group; this only has to be no smaller, and below the topics' max.message.bytes."""
Batch = Sequence[tuple[bytes, bytes | None]]


class Producer:
    """One per process."""

    def __init__(self, settings: Settings, failpoints: Failpoints) -> None:
        self._settings, self.failpoints = settings, failpoints
        self._kafka: AIOKafkaProducer | None = None
        self.foreign_writes = 0
        """Changelog records of other writers found between our own: zombies that were harmless."""

    async def start(self) -> None:
        self._kafka = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=OUTPUT_BATCH,
            request_timeout_ms=20_000,
        )
        patient_producer(self._kafka)
        await self._kafka.start()

    async def stop(self) -> None:
        if self._kafka is not None:
            kafka, self._kafka = self._kafka, None
            await kafka.stop()

    async def publish(self, outputs: Sequence[Output], source: int = 0) -> None:
        """Sends all and returns when the broker has acked all. A keyless record without a partition goes to `source`'s."""
        grouped: dict[tuple[str, int], list[Output]] = {}
        for output in outputs:
            partition = output.partition
            if partition is None:
                count = partitions_of(self._settings, output.topic)
                partition = source % count if output.key is None else partition_of(output.key, count)
            grouped.setdefault((output.topic, partition), []).append(output)
        acks = []
        for (topic, partition), group in grouped.items():
            acks += await self._enqueue(self._settings.topic(topic), partition, group)
        self.failpoints.reach("outputs_enqueued")
        await asyncio.gather(*acks)

    async def _send(self, batch: BatchBuilder, topic: str, partition: int) -> asyncio.Future[Any]:
        """Returns the ack to wait for; waits as long as the broker is away."""
        assert self._kafka is not None
        while True:
            try:
                ack: asyncio.Future[Any] = await self._kafka.send_batch(batch, topic, partition=partition)
                return ack
            except KafkaTimeoutError:
                # The partition's slot stayed taken by an earlier batch; nothing of this one was. Giving up would turn every broker
                # outage beyond the request timeout into the worker's death; whether it hangs is the watchdog's to judge.
                continue

    async def _enqueue(self, topic: str, partition: int, group: list[Output]) -> list[asyncio.Future[Any]]:
        acks = []
        batch = BatchBuilder(OUTPUT_BATCH, 0)
        for output in group:
            if batch.append(timestamp=None, key=output.key, value=output.value or None, headers=output.headers) is None:
                acks.append(await self._send(batch, topic, partition))
                batch = BatchBuilder(OUTPUT_BATCH, 0)
                batch.append(timestamp=None, key=output.key, value=output.value or None, headers=output.headers)
        batch.close()
        acks.append(await self._send(batch, topic, partition))
        return acks

    async def append(self, topic: str, partition: int, batch: Batch) -> int:
        """One changelog batch, atomic on the broker; returns its base offset once acked."""
        builder = BatchBuilder(CHANGELOG_BATCH, 0)
        for key, value in batch:
            if builder.append(timestamp=None, key=key, value=value, headers=[]) is None:
                raise RuntimeError("a changelog batch outgrew the producer's; splitting it would tear a person's rows apart")
        builder.close()
        ack = await self._send(builder, topic, partition)
        self.failpoints.reach("changelog_enqueued")
        return int((await ack).offset)


class Changelog:
    """Writes one table partition's changelog and notices who else does.

    `next`: the offset our next batch must get. If it gets a later one, somebody wrote in between: a worker that lost this partition
    and does not know it yet.
    """

    def __init__(self, producer: Producer, topic: str, partition: int, start: int) -> None:
        self._producer = producer
        self.topic, self.partition, self.next = topic, partition, start

    async def write(self, batches: Sequence[Batch], before_send: Callable[[], None]) -> bool:
        """Appends batches in order; False as soon as one landed behind somebody else's records (it is there, the rest was not sent)."""
        for n, batch in enumerate(batches):
            if n:
                self._producer.failpoints.reach("changelog_batch_acked")
            before_send()
            base = await self._producer.append(self.topic, self.partition, batch)
            foreign, self.next = base - self.next, base + len(batch)
            if foreign:
                self._producer.foreign_writes += foreign
                log.warning("%s[%d]: %d records of another writer before %d", self.topic, self.partition, foreign, base)
                return False
        return True
