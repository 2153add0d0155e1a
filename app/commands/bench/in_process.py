"""The pipeline in one process: the real turns and agents of one partition over RocksDB, with all that a worker does but network and acks.

Producer batches are built and thrown away.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from msgspec import Struct

from app import events
from app.agents.intake_program import IntakeProgram, place_on_broker
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain.publishing import EVERY_MS
from app.edges import workload
from app.edges.progress import Bar
from app.engine.commit import commit_turn
from app.engine.failpoints import Failpoints
from app.engine.lane import TURN_RECORDS
from app.engine.origin import Marks
from app.engine.producer import Changelog, Producer
from app.engine.program import Output, Program
from app.engine.rows import Row
from app.engine.simulation import Logged
from app.engine.store import PartitionStore
from app.engine.turn import Segment, Turn
from app.events import Activation, Tick
from app.flow import TABLES
from app.policy.pack import compile_artifact
from app.settings import Settings

STEP_MS = 1


class _Acked(Struct, frozen=True):
    offset: int


class _Nowhere:
    """A broker that acks at once and keeps nothing: what remains is the cost of building what is sent."""

    def __init__(self) -> None:
        self._ends: Counter[tuple[str, int]] = Counter()

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        ack: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ack.set_result(_Acked(self._ends[topic, partition]))
        self._ends[topic, partition] += batch.record_count()
        return ack


class Lane:
    """One program over its table in the run's store; its ports in commit.py's order. `outputs`: what it published since they were taken."""

    def __init__(self, program: Program, table: str, store: PartitionStore, producer: Producer) -> None:
        one = TABLES[table]
        self.table, self._producer = store.table(one.name, one.prefix, index=one.index.encode()), producer
        self._changelog = Changelog(producer, one.changelog, 0, 0)
        self._turn = Turn(program, 0, self.table)
        self._offset = 0
        self.outputs: list[Output] = []

    async def run(self, records: Sequence[tuple[bytes | None, bytes, Sequence[tuple[str, bytes]], int]]) -> list[Output]:
        """Works (key, value, headers, timestamp) off in turns as large as a worker's; returns what was published."""
        self.outputs = []
        for at in range(0, len(records), TURN_RECORDS):
            logged = []
            for key, value, headers, timestamp in records[at : at + TURN_RECORDS]:
                logged.append(Logged(self._offset, timestamp, key, value, headers))
                self._offset += 1
            await commit_turn(self._turn, logged, self)
        return self.outputs

    def fence(self) -> None:
        """Nobody else is here."""

    async def publish(self, outputs: Sequence[Output]) -> None:
        await self._producer.publish(outputs)
        self.outputs += outputs

    async def log(self, batches: Sequence[Sequence[tuple[bytes, bytes]]]) -> int:
        await self._changelog.write(batches, self.fence)
        return self._changelog.next

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        self.table.keep(rows, marks, changelog_next)

    async def load(self, ref: str) -> None:
        """There is one pack, and it is loaded."""

    def count(self, segment: Segment) -> None:
        if segment.defects:
            raise RuntimeError("a step raised: see the dead letter's reasons")

    async def at(self, failpoint: str) -> None:
        """No tests here."""


class InProcess:
    """All four lanes. Time is the run's own: it starts now, and an event comes each STEP_MS."""

    def __init__(self, artifact: tuple[str, bytes], settings: Settings, folder: Path) -> None:
        self._ref, data = artifact
        packs = {self._ref: compile_artifact(self._ref, data)}.__getitem__
        producer = Producer(settings, Failpoints(""))
        producer._kafka = _Nowhere()
        self.store = store = PartitionStore.open(folder / "store", "bench")
        self.intake = Lane(
            IntakeProgram(settings.secret, settings.bot_events_per_hour, place_on_broker, lambda at: at, lambda key: 0),
            "identifiers",
            store,
            producer,
        )
        self.lane = Lane(PersonProgram(packs, publishes=True), "people", store, producer)
        self.postmaster = Lane(PostmasterProgram(), "mailboxes", store, producer)
        self.renderer = Lane(RendererProgram(packs, settings.secret, settings.public_url), "renders", store, producer)
        self.now = time.time_ns() // 1_000_000
        self.sent, self._tick_ms = 0, settings.tick_ms

    async def activate(self) -> None:
        """The pack, and the first tick."""
        await self._through([Output("journal", None, events.encode(Activation(self.now, "policy", self._ref)), headers=[])])
        await self.tick(self.now)

    async def tick(self, at: int) -> None:
        """Time passes to `at` (ms)."""
        await self._through([Output("journal", None, events.encode(Tick(at, at, self._tick_ms)), headers=[])])

    async def feed(self, what: str, told: Iterable[workload.Input], total: int, meter: AbstractContextManager[Any] | None = None) -> None:
        """Plays `total` events in turns as large as a worker's, and what follows from them; `meter` runs while work is done."""
        meter = nullcontext() if meter is None else meter
        batch: list[tuple[bytes, bytes, Sequence[tuple[str, bytes]], int]] = []
        lines = list(workload.records(what, told, lambda: self.now))
        with Bar(what, total) as bar:
            for number, (key, value) in enumerate(lines, 1):
                self.now += STEP_MS
                batch.append((key, value, [], self.now))
                if len(batch) == TURN_RECORDS or number == total:
                    with meter:
                        await self._through([one for one in await self.intake.run(batch) if one.topic == "journal"])
                        await self.tick(self.now)
                    batch = []
                    bar.at(number)
        self.now += EVERY_MS
        with meter:
            await self.tick(self.now)  # what changed of the last of them is published, too

    async def _through(self, journal: list[Output]) -> None:
        while journal:
            made = await self.lane.run([(one.key, one.value, one.headers, self.now) for one in journal])
            told = [one for one in made if one.topic == "journal"]
            taken = await self.postmaster.run(self._read("addressed_plans", made))
            answers = await self.renderer.run(self._read("message_plans", taken))
            await self.postmaster.run(self._read("addressed_plans", answers))
            self.sent += sum(one.topic == "message_sends" for one in answers)
            journal = [*told, *(one for one in [*taken, *answers] if one.topic == "journal")]

    def _read(self, topic: str, made: list[Output]) -> list[tuple[bytes | None, bytes, Sequence[tuple[str, bytes]], int]]:
        return [(one.key, one.value, one.headers, self.now) for one in made if one.topic == topic]


@contextmanager
def no_collecting() -> Iterator[None]:
    """Garbage is not collected while turns run, as in a worker (engine/worker.py)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
