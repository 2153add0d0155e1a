"""Where the time of the pipeline goes: the real turns and agents over RocksDB in this process, sampled while they run.

All that a worker does is there but network, Faust and the wait for acks: producer batches are built and thrown away. A sample is taken
each few ms of CPU; it counts for the innermost function of interest on the stack. So these are shares of the work, not a worker's CPU:
the difference to `kairos bench pipeline` is what transport costs.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from msgspec import Struct

from app import events
from app.agents.intake_program import IntakeProgram, place_on_broker
from app.agents.person_program import PersonProgram
from app.agents.renderer_program import RendererProgram
from app.domain import person
from app.domain.profile_view import record
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
from app.engine.store import PartitionStore, TableStore
from app.engine.turn import Segment, Turn
from app.events import Activation, Tick
from app.flow import TABLES
from app.policy.pack import compile_artifact
from app.settings import Settings

EVERY_S = 0.001
"""CPU between two samples; the kernel rounds it up to its own tick."""
HOUR_MS = 3_600_000
STEP_MS = 1


def places() -> dict[CodeType, str]:
    """Functions of interest → what their time is called."""
    named: dict[Any, str] = {
        IntakeProgram.read: "contract",
        IntakeProgram.step: "intake",
        record: "profiles",
        PersonProgram.step: "lane",
        PersonProgram.wake: "lane",
        RendererProgram.step: "renderer",
        IntakeProgram.load: "decode",
        PersonProgram.read: "decode",
        PersonProgram.load: "decode",
        RendererProgram.read: "decode",
        IntakeProgram.dump: "encode",
        PersonProgram.dump: "encode",
        TableStore.get_many: "store_read",
        TableStore.due: "store_read",
        TableStore.keep: "store_write",
        Changelog.write: "changelog",
        Producer.publish: "produce",
        Turn.segments: "turn",
    }
    for concern in person.LANE:
        named |= {concern.step: concern.name, concern.wake: concern.name}
    return {function.__code__: name for function, name in named.items()}


class Sampler:
    """Counts where the process is, each EVERY_S of its CPU, between `with` and its end."""

    def __init__(self) -> None:
        self._places = places()
        self.counts: Counter[str] = Counter()
        self.cpu = 0.0

    def __enter__(self) -> Sampler:
        self._before = signal.signal(signal.SIGPROF, self._look)
        self.cpu -= time.process_time()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.cpu += time.process_time()
        signal.signal(signal.SIGPROF, self._before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if (name := self._places.get(frame.f_code)) is not None:
                self.counts[name] += 1
                return
            frame = frame.f_back
        self.counts["rest"] += 1

    def row(self, done: int) -> dict[str, float]:
        """CPU in µs of each place per piece of work, the most expensive first."""
        samples = sum(self.counts.values()) or 1
        each = {f"{name}_us": round(self.cpu / done * 1e6 * count / samples, 2) for name, count in self.counts.most_common()}
        return {"done": done, "cpu_us": round(self.cpu / done * 1e6, 1), **each, "samples": samples}


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


class _Lane:
    """One program over its table in the run's store; its ports in commit.py's order. `outputs`: what it published since they were taken."""

    def __init__(self, program: Program, table: str, store: PartitionStore, producer: Producer) -> None:
        one = TABLES[table]
        self._store, self._producer = store.table(one.name, one.prefix), producer
        self._changelog = Changelog(producer, one.changelog, 0, 0)
        self._turn = Turn(program, 0, self._store)
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
        self._store.keep(rows, marks, changelog_next)

    async def load(self, ref: str) -> None:
        """There is one pack, and it is loaded."""

    def count(self, segment: Segment) -> None:
        if segment.defects:
            raise RuntimeError("a step raised: see the dead letter's reasons")

    async def at(self, failpoint: str) -> None:
        """No tests here."""


def shares(artifact: tuple[str, bytes], settings: Settings, events_: int, people: int, seed: int) -> dict[str, dict[str, float]]:
    """Rows `mix` (per input event) and `due` (per message), as `kairos bench pipeline` has them."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder, _no_collecting():
        return asyncio.run(_shares(artifact, settings, events_, people, seed, Path(folder)))


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Garbage is not collected while turns run, as in a worker (engine/worker.py)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _shares(
    artifact: tuple[str, bytes], settings: Settings, count: int, people: int, seed: int, folder: Path
) -> dict[str, dict[str, float]]:
    ref, data = artifact
    packs = {ref: compile_artifact(ref, data)}.__getitem__
    producer = Producer(settings, Failpoints(""))
    producer._kafka = _Nowhere()
    store = PartitionStore.open(folder / "store", "bench")
    intake = _Lane(
        IntakeProgram(settings.secret, settings.bot_events_per_hour, place_on_broker, lambda at: at, lambda key: 0),
        "identifiers",
        store,
        producer,
    )
    lane = _Lane(PersonProgram(packs, publishes=True), "people", store, producer)
    renderer = _Lane(RendererProgram(packs, settings.secret, settings.public_url), "renders", store, producer)
    now = time.time_ns() // 1_000_000
    sent = 0

    async def through(journal: list[Output]) -> None:
        nonlocal sent
        while journal:
            made = await lane.run([(one.key, one.value, one.headers, now) for one in journal])
            told = [one for one in made if one.topic == "journal"]
            answers = await renderer.run([(one.key, one.value, one.headers, now) for one in made if one.topic == "message_plans"])
            sent += sum(one.topic == "message_sends" for one in answers)
            journal = [*told, *(one for one in answers if one.topic == "journal")]

    async def tick(at: int) -> None:
        await through([Output("journal", None, events.encode(Tick(at, at, settings.tick_ms)), headers=[])])

    async def work(batch: Sequence[tuple[bytes, bytes, Sequence[tuple[str, bytes]], int]]) -> None:
        await through([one for one in await intake.run(batch) if one.topic == "journal"])
        await tick(now)

    async def feed(what: str, told: Iterable[workload.Input], total: int, sampler: Sampler | None) -> None:
        nonlocal now
        batch: list[tuple[bytes, bytes, Sequence[tuple[str, bytes]], int]] = []
        lines = list(workload.records(what, told, lambda: now))
        with Bar(f"shares: {what}", total) as bar:
            for number, (key, value) in enumerate(lines, 1):
                now += STEP_MS
                batch.append((key, value, [], now))
                if len(batch) == TURN_RECORDS or number == total:
                    with sampler or nullcontext():
                        await work(batch)
                    batch = []
                    bar.at(number)
        now += EVERY_MS
        with sampler or nullcontext():
            await tick(now)  # what changed of the last of them is published, too

    await through([Output("journal", None, events.encode(Activation(now, "policy", ref)), headers=[])])
    await tick(now)
    await feed("people", workload.everybody(people, workload.utc_hour(now)), 2 * people, None)
    mixed = Sampler()
    await feed("mix", workload.mix(seed, people, count), count, mixed)
    sent, due = 0, Sampler()
    with due:
        await tick(now + 3 * HOUR_MS)
    store.close()
    return {"mix": mixed.row(count), **({"due": due.row(sent)} if sent else {})}
