"""A run of a bench: topics, folder and processes of its own, gone when it ends; and what was spent while it worked."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from app import settings
from app.commands.bench.child import Child
from app.commands.bench.spent import Sample, Spent, first
from app.commands.outcome import Outage
from app.edges import process
from app.edges.progress import Bar
from app.engine.origin import pack_origin
from app.engine.partition import partition_of
from app.engine.topics import admin, client_options, create, partitions_of
from app.flow import Stage

LIMIT_S = 1800.0
"""Of one part of one run."""
READY_S = 120.0
SAMPLE_S = 0.2
WARM = 0.2
"""Part of the work that is done before measuring begins: caches, code paths and buffers are then as they stay."""
FILL_BATCH = 256 * 1024
TAIL = 10
"""Records of the journal that are no sign of work left: ticks come all the time."""

_numbers = itertools.count()


class Run:
    """Use as an async context manager. Raises `Outage` if the broker does not answer. `more`: settings of the run."""

    def __init__(self, broker: str | None, partitions: int, **more: object) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="kairos-bench-"))
        self.prefix = f"bench-{os.getpid()}-{next(_numbers)}-"
        self.more: dict[str, object] = {"topic_prefix": self.prefix, "partitions": partitions, **more}
        """Settings of the run's processes beside broker, datadir and member id."""
        self.settings = settings.load(broker=broker, datadir=str(self.home / "worker"), **self.more)
        host, _, port = self.settings.broker.split(",")[0].strip().rpartition(":")
        self.broker_pid = process.listening(int(port)) if host in ("127.0.0.1", "localhost") else None
        self._children: list[Child] = []
        self._created = False
        self._written: Counter[tuple[str, int]] = Counter()
        self._ends = AIOKafkaConsumer(**client_options(self.settings), group_id=None)
        self.produce = AIOKafkaProducer(
            **client_options(self.settings), acks="all", enable_idempotence=True, linger_ms=2, max_batch_size=FILL_BATCH
        )

    async def __aenter__(self) -> Run:
        # Topics a moment old have no leader yet; aiokafka tries again and says so each time. What does not pass is raised.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        try:
            await create(self.settings)
            self._created = True
            await self._ends.start()
            await self.produce.start()
        except (KafkaError, OSError) as error:
            await self.__aexit__(None, None, None)
            raise Outage(f"broker {self.settings.broker}: {error}") from error
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for child in self._children:
            await child.end(signal.SIGKILL)
        await self._ends.stop()
        await self.produce.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        if not self._created:
            return
        try:
            async with admin(self.settings) as client:
                await client.delete_topics([name for name in await client.list_topics() if self.prefix in name])
        except (KafkaError, OSError) as failure:
            print(f"topics {self.prefix}* could not be removed: {failure}", file=sys.stderr)

    # --- processes ------------------------------------------------------------------------------------------------------------

    async def start(self, *command: str, name: str = "worker", datadir: Path | None = None) -> Child:
        """`python -m COMMAND…` with the run's settings; `name` is its member id and datadir unless one is given."""
        mine = {**self.more, "broker": self.settings.broker, "datadir": str(datadir or self.home / name), "worker_id": name}
        env = {**os.environ, **{f"KAIROS_{field.upper()}": str(value) for field, value in mine.items()}}
        out, log = self.home / f"{name}-{len(self._children)}.jsonl", self.home / f"{name}-{len(self._children)}.log"
        with out.open("wb") as stdout, log.open("wb") as stderr:
            started = await asyncio.create_subprocess_exec(sys.executable, "-m", *command, env=env, stdout=stdout, stderr=stderr)
        child = Child(name, started, out, log)
        self._children.append(child)
        return child

    async def ready(self, *children: Child) -> None:
        """Returns when all of them say that events flow."""
        await self.until(lambda: all(child.told().get("ready") for child in children), children, READY_S)

    async def until(self, over: Callable[[], bool], children: Sequence[Child], limit_s: float = LIMIT_S) -> None:
        """Returns when `over()`; raises `Outage` if a child ends or the time does."""
        deadline = time.monotonic() + limit_s
        while not over():
            for child in children:
                child.check()
            if time.monotonic() > deadline:
                raise Outage(f"not done after {limit_s:.0f} s")
            await asyncio.sleep(0.05)

    async def spend(
        self,
        what: str,
        total: int,
        children: Sequence[Child],
        progress: Callable[[], Awaitable[int]],
        over: Callable[[], Awaitable[bool]] | None = None,
        warm: float = WARM,
        quiet_s: float = 0.0,
    ) -> Spent:
        """Watches until `progress()` has reached `total` and `over()` (if given) holds; then what was spent.

        The first `warm` part is left out; 0: all but the start-up of our own workers (worker.py), who say when they were ready. `quiet_s`:
        nothing may move for so long at the end; that is not counted.
        """
        samples: list[Sample] = []
        deadline = time.monotonic() + LIMIT_S
        with Bar(what, total) as bar:
            while True:
                for child in children:
                    child.check()
                done = await progress()
                samples.append(Sample(time.monotonic(), done, sum(process.cpu(one.pid) for one in children), process.cpu(self.broker_pid)))
                bar.at(min(done, total), f"{done:,}")
                still = next(one.at for one in samples if one.done == done)
                if done >= total and samples[-1].at - still >= quiet_s and (over is None or await over()):
                    break
                if samples[-1].at > deadline:
                    raise Outage(f"{what}: not done after {LIMIT_S:.0f} s")
                await asyncio.sleep(SAMPLE_S)
        end = samples[-1] if not quiet_s else next(one for one in samples if one.done == done)
        begun = first(samples, end, warm * total) if warm else _ready(children, samples[0])
        broker = None if self.broker_pid is None else end.broker - begun.broker
        rss = sum(process.peak_rss(one.pid) for one in children)
        return Spent(end.done - begun.done, end.at - begun.at, end.cpu - begun.cpu, broker, rss)

    # --- topics ---------------------------------------------------------------------------------------------------------------

    async def fill(self, what: str, topic: str, records: Iterable[tuple[bytes, bytes]], total: int, origin: Stage | None = None) -> None:
        """Puts records (key, value) on a topic, acked. `origin`: with the header a record derived by that stage would carry."""
        name, count = self.settings.topic(topic), partitions_of(self.settings, topic)
        batches = [self.produce.create_batch() for _ in range(count)]
        acks: list[Any] = []
        with Bar(f"{what}: input", total) as bar:
            for done, (key, value) in enumerate(records):
                at = partition_of(key, count)
                headers = [] if origin is None else pack_origin(origin, at, self._written[name, at], 0)
                self._written[name, at] += 1
                if batches[at].append(key=key, value=value, timestamp=None, headers=headers) is None:
                    acks.append(await self.produce.send_batch(batches[at], name, partition=at))
                    batches[at] = self.produce.create_batch()
                    batches[at].append(key=key, value=value, timestamp=None, headers=headers)
                    if len(acks) > 4 * count:
                        await asyncio.gather(*acks)
                        acks.clear()
                bar.at(done)
            for at, batch in enumerate(batches):
                if batch.record_count():
                    batch.close()
                    acks.append(await self.produce.send_batch(batch, name, partition=at))
            await asyncio.gather(*acks)

    @asynccontextmanager
    async def tap(self, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that sees what comes to a topic from now on, as soon as it can."""
        consumer = AIOKafkaConsumer(
            **client_options(self.settings), enable_auto_commit=False, fetch_max_wait_ms=100, isolation_level="read_committed"
        )
        await consumer.start()
        try:
            consumer.assign(self.places(topic))
            await consumer.seek_to_end()
            for place in self.places(topic):
                await consumer.position(place)
            yield consumer
        finally:
            await consumer.stop()

    def places(self, *topics: str) -> list[TopicPartition]:
        return [TopicPartition(self.settings.topic(topic), at) for topic in topics for at in range(self.settings.partitions)]

    async def size(self, topic: str) -> int:
        """Records written to a topic, or to a table's changelog, so far."""
        return sum((await self._ends.end_offsets(self.places(topic))).values())

    async def end_of(self, topic: str) -> int:
        """The same of a topic that has one partition."""
        place = TopicPartition(self.settings.topic(topic), 0)
        return int((await self._ends.end_offsets([place]))[place])

    async def drained(self) -> bool:
        """Input and plans committed to their ends; the journal but for the ticks of the last moments."""
        ends = await self._ends.end_offsets(self.places("customer_events", "journal", "addressed_plans", "message_plans"))
        async with admin(self.settings) as client:
            committed = await client.list_consumer_group_offsets(f"{self.prefix}kairos-core")
        for place, end in ends.items():
            done = committed[place].offset if place in committed else 0
            if end - done > (TAIL if place.topic.endswith("journal") else 0):
                return False
        return True


def _ready(children: Sequence[Child], then: Sample) -> Sample:
    """When the first of our workers was ready, and what all of them had spent on their start."""
    told = [child.told() for child in children]
    return Sample(min(one["ready_at"] for one in told), then.done, sum(one["ready_cpu"] for one in told), then.broker)
