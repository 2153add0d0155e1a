"""The engine's own Kafka producer: idempotent, all acks, whole batches. Everything an agent publishes goes through it and is awaited.

Faust's producer only logs a failed send and lets the offset be committed. Here a failed send raises, and who sent it stops.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
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
        self._slots: dict[tuple[str, int], _Slot] = {}
        """(topic without prefix, partition) → what waits to be sent there."""
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
        acks = [self._slot(*place).add(group) for place, group in grouped.items()]
        self.failpoints.reach("outputs_enqueued")
        await asyncio.gather(*acks)

    def _slot(self, topic: str, partition: int) -> _Slot:
        slot = self._slots.get((topic, partition))
        if slot is None:
            slot = self._slots[topic, partition] = _Slot(self, self._settings.topic(topic), partition)
        return slot

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


class _Slot:
    """Outputs on their way to one partition. What comes while a batch is out makes up the next, whichever lanes it is from.

    aiokafka has one batch of a partition under way, so a batch for each lane's few outputs would queue up one round trip after the other:
    eight lanes of intake write to all journal partitions. A batch is built when its turn comes: a turn may have 80 MB of rendered mails.
    """

    def __init__(self, producer: Producer, topic: str, partition: int) -> None:
        self._producer, self._topic, self._partition = producer, topic, partition
        self._waiting: deque[tuple[list[Output], asyncio.Future[None]]] = deque()
        self._at = 0
        """Outputs of the first group that have been sent."""
        self._task: asyncio.Task[None] | None = None

    def add(self, group: list[Output]) -> asyncio.Future[None]:
        """Done when all of the group is acked; cancelled, what is left of it is not sent. Order is kept, of groups and in them."""
        acked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((group, acked))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        return acked

    async def _run(self) -> None:
        whole: list[asyncio.Future[None]] = []
        try:
            while self._waiting:
                batch, whole = self._batch()
                if batch.record_count():
                    await (await self._producer._send(batch, self._topic, self._partition))
                for acked in whole:
                    if not acked.done():
                        acked.set_result(None)
        except Exception as error:
            # What waits behind it fails, too: it must not come to stand where something before it is missing.
            for acked in (*whole, *(acked for _, acked in self._waiting)):
                if not acked.done():
                    acked.set_exception(error)
            self._waiting.clear()
            self._at = 0
        finally:
            self._task = None

    def _batch(self) -> tuple[BatchBuilder, list[asyncio.Future[None]]]:
        """The next batch, and the groups that are acked with it."""
        batch = BatchBuilder(OUTPUT_BATCH, 0)
        whole: list[asyncio.Future[None]] = []
        while self._waiting:
            group, acked = self._waiting[0]
            while self._at < len(group) and not acked.cancelled():
                one = group[self._at]
                if batch.append(timestamp=None, key=one.key, value=one.value, headers=one.headers) is None:
                    return batch, whole  # full, and closed by that
                self._at += 1
            self._waiting.popleft()
            self._at = 0
            whole.append(acked)
        batch.close()
        return batch, whole


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
