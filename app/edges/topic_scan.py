"""A topic as it stands now, read from start to end by a plain consumer: for explain, replay and the demo's report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app.engine.topics import admin, client_options
from app.settings import Settings


class ScanFailed(RuntimeError):
    """The broker does not answer, or a topic is missing; the message says which."""


@asynccontextmanager
async def scanner(settings: Settings) -> AsyncIterator[Scanner]:
    """A consumer without a group. Raises `ScanFailed`."""
    options = client_options(settings)
    consumer = AIOKafkaConsumer(**options, group_id=None, enable_auto_commit=False, auto_offset_reset="none", fetch_max_wait_ms=100)
    try:
        await consumer.start()
        async with admin(settings) as client:
            counts = {one["topic"]: len(one["partitions"]) for one in await client.describe_topics(None)}
        yield Scanner(consumer, settings, counts)
    except (KafkaError, OSError) as error:
        raise ScanFailed(f"broker {settings.broker}: {error}") from error
    finally:
        await consumer.stop()


class Scanner:
    """Reads whole topics, one after the other."""

    def __init__(self, consumer: Any, settings: Settings, counts: dict[str, int]) -> None:
        self._consumer, self._settings, self._counts = consumer, settings, counts

    def partitions(self, topic: str) -> int:
        """How many partitions a topic of the map has. Raises `ScanFailed` if there is no such topic."""
        name = self._settings.topic(topic)
        if name not in self._counts:
            raise ScanFailed(f"broker {self._settings.broker} has no topic {name}: run `kairos topics create`")
        return self._counts[name]

    async def starts_at(self, topic: str, partition: int) -> int:
        """Offset of the first record that is still kept."""
        place = TopicPartition(self._settings.topic(topic), partition)
        starts: dict[Any, int] = await self._consumer.beginning_offsets([place])
        return starts[place]

    async def read(
        self,
        topic: str,
        partitions: Iterable[int] | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        last: int | None = None,
    ) -> AsyncIterator[Any]:
        """Every record from the first kept to the end as of now, in order within a partition. `on_progress(read, of)`.

        `last`: only so many of each partition, the newest.
        """
        name = self._settings.topic(topic)
        every = range(self.partitions(topic))
        places = [TopicPartition(name, number) for number in (every if partitions is None else partitions)]
        self._consumer.assign(places)
        ends = await self._consumer.end_offsets(places)
        starts = await self._consumer.beginning_offsets(places)
        if last is not None:
            starts = {place: max(start, ends[place] - last) for place, start in starts.items()}
        for place, start in starts.items():
            self._consumer.seek(place, start)
        total = sum(ends[place] - starts[place] for place in places)
        left = {place for place in places if ends[place] > starts[place]}
        done = 0
        while left:
            for place, records in (await self._consumer.getmany(*left, timeout_ms=1000, max_records=2000)).items():
                for record in records:
                    if record.offset < ends[place]:
                        done += 1
                        yield record
            on_progress(done, total)
            left = {place for place in left if await self._consumer.position(place) < ends[place]}
