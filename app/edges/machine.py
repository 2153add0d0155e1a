"""A whole Kairos on one machine: the embedded broker, its topics, one worker with every role, in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.agents.core import Core
from app.agents.roles import Roles
from app.edges.embedded import EmbeddedBroker
from app.edges.health import Health
from app.edges.spectator import TOPICS, Spectator
from app.engine.clock import TimeMap
from app.engine.quiet import quiet
from app.engine.topics import client_options, create, partitions_of
from app.settings import Settings, load

PARTITIONS = 2
"""One machine needs no more; each costs its own ticks, turns and commits."""


@contextmanager
def local_broker(folder: Path, port: int, policy: str | None, keep: bool = True, **more: object) -> Iterator[Settings]:
    """The embedded broker with its data under `folder`, and settings that point at it. Raises `Unavailable`, `BadSetting`."""
    with EmbeddedBroker(folder / "broker", port, keep) as broker:
        yield load(
            broker=broker.address,
            datadir=str(folder / "data"),
            partitions=PARTITIONS,
            policy=policy,
            topic_prefix="",
            security_protocol="PLAINTEXT",
            replication=1,
            **more,
        )


@asynccontextmanager
async def running(settings: Settings, time_map: TimeMap | None = None, address: tuple[str, int] | None = None) -> AsyncIterator[Core]:
    """A worker of every role, from its topics on; stopped cleanly at the end. Gives the core. `address`: where it answers over HTTP, if so.

    Raises `Refusal`, `KafkaError`; OSError if the address cannot be had.
    """
    quiet()
    logging.getLogger("kairos").setLevel(logging.WARNING)  # who looks on is told in other words
    await create(settings)
    roles = Roles(settings, time_map=time_map)
    core = roles.workers[0]
    assert isinstance(core, Core)
    health = None if address is None else Health(roles.workers, *address)
    try:
        if health is not None:
            await health.start()
        await roles.start()
        yield core
    finally:
        if health is not None:
            await health.stop()
        await roles.stop()


class Follower:
    """Shows a spectator everything that the worker publishes, as any consumer outside would see it."""

    def __init__(self, settings: Settings, spectator: Spectator) -> None:
        self._settings, self._spectator = settings, spectator
        self._consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, fetch_max_wait_ms=100)
        self._names = {settings.topic(topic): topic for topic in TOPICS}
        self._places = [TopicPartition(settings.topic(topic), n) for topic in TOPICS for n in range(partitions_of(settings, topic))]
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Follower:
        await self._consumer.start()
        self._consumer.assign(self._places)
        await self._consumer.seek_to_beginning(*self._places)
        self._task = asyncio.get_running_loop().create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._consumer.stop()

    async def caught_up(self) -> None:
        """Returns once everything that is on the topics now has been shown. Raises what ended the following."""
        assert self._task is not None
        ends = await self._consumer.end_offsets(self._places)
        for place, end in ends.items():
            while await self._consumer.position(place) < end:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.02)

    async def _follow(self) -> None:
        while True:
            for place, records in (await self._consumer.getmany(timeout_ms=200, max_records=2000)).items():
                for record in records:
                    self._spectator.see(self._names[place.topic], record.value, record.timestamp)
            await asyncio.sleep(0)
