"""A worker's lanes: the real turn, commit order and restore over ports of the broker in memory.

Every `await` is a place where the worker may be stopped for long or killed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from app.engine import commit
from app.engine.commit import Abandon
from app.engine.contiguity import Contiguity, Gap
from app.engine.memory import MemoryStore
from app.engine.origin import Marks
from app.engine.program import Output, Program
from app.engine.restore import Overtaken, Restore
from app.engine.rows import MARKS, Row
from app.engine.turn import Segment, Turn
from tests.faults.broker import Broker, Place, Request, Stored

FETCHES = (1, 2, 5, 20, 1000)
"""Records a fetch brings at most, one of them each time."""
RESTORED = 50
"""Changelog records a restore takes at once."""


class Died(Exception):
    """The worker exits: its lane met what cannot be resumed."""


class Failed(AssertionError):
    """The run broke a rule that the cluster itself watches."""


@dataclass(frozen=True)
class Stage:
    """A lane's work: what it reads, where it keeps, and its program (one for all workers: programs hold no state of their own)."""

    name: str
    source: str
    table: str
    program: Program


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong, per scheduler step; `eager`: how fast time passes against work, so how far lanes lag."""

    kill: float = 0.002
    stop: float = 0.004
    rebalance: float = 0.001
    clock: float = 0.0005
    compact: float = 0.003
    swap: float = 0.01
    """Per fetch: Faust's conductor hands out a later batch first (engine-findings.md 0.2)."""
    release: float = 0.001
    """That what is stuck on its way comes loose."""
    eager: float = 0.05


@dataclass
class Counts:
    """What a run was made of."""

    awaits: int = 0
    segments: int = 0
    overtaken: int = 0
    kills: int = 0
    stops: int = 0
    rebalances: int = 0


class World(Protocol):
    """What a lane knows of the cluster around it."""

    broker: Broker
    rng: Random
    faults: Faults
    counts: Counts


class Pause:
    """A place where the scheduler may do anything else first."""

    def __await__(self) -> Generator[Callable[[], bool] | None, None, None]:
        yield None


class Until:
    """Waits for a condition that the scheduler brings about."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self.ready = ready

    def __await__(self) -> Generator[Callable[[], bool] | None, None, None]:
        while not self.ready():
            yield self.ready


class Lane:
    """One (stage, partition, generation) of a worker: a coroutine and the ports of its commits."""

    def __init__(self, cluster: World, member: Member, stage: Stage, partition: int) -> None:
        self.cluster, self.member, self.stage, self.partition = cluster, member, stage, partition
        self.generation = member.generation
        self.place: Place = (stage.source, partition)
        self.changelog: Place = (f"{stage.table}-changelog", partition)
        self.store = member.disk.setdefault((stage.name, partition), MemoryStore())
        self.turn = Turn(stage.program, partition, self.store)
        self.expected = 0
        self.position = self.acked = -1
        self.late_sends = 0
        self.swapped: list[Stored] = []
        self.ready: Callable[[], bool] | None = None
        self.done = False
        self._coroutine = self.run()

    def step(self) -> None:
        try:
            self.ready = self._coroutine.send(None)
        except (StopIteration, Abandon):
            self.done = True

    def close(self) -> None:
        self._coroutine.close()
        self.done = True

    async def run(self) -> None:
        await self._restore()
        for ref in self.store.marks().active.values():
            await self.load(ref)
        self.fence()
        self.position = self.acked = self.cluster.broker.committed.get(self.place, 0)
        if self.position > self.store.marks().applied + 1:  # the real worker refuses to start (app/engine/recovery.py, starts_at)
            raise Failed(f"{self.place} is committed up to {self.position}, its state ends at {self.store.marks().applied}: lost state")
        contiguity = Contiguity(f"{self.stage.name}/{self.partition}", self.position)
        log = self.cluster.broker.log(*self.place)
        while True:
            await Until(lambda: self._over() or bool(self.swapped) or self.position < log.end)
            if self._over():
                return
            batch = self._fetch()
            self.position = max(self.position, batch[-1].offset + 1)
            try:
                contiguity.check(batch[0].offset, batch[-1].offset)
            except Gap as gap:
                raise Died from gap
            await self._commit(batch)
            self.acked = max(self.acked, batch[-1].offset + 1)

    async def _commit(self, batch: Sequence[Stored]) -> None:
        while True:
            try:
                await commit.commit_turn(self.turn, batch, self)
                return
            except Overtaken:
                self.cluster.counts.overtaken += 1
                self.fence()  # models a heartbeat sent after the discovery
                await self._restore()

    def _over(self) -> bool:
        return self.member.lease_over or self.member.revoking or self.generation != self.member.generation

    def _fetch(self) -> Sequence[Stored]:
        if self.swapped:
            batch, self.swapped = self.swapped, []
            return batch
        rng = self.cluster.rng
        records = self.cluster.broker.fetch(self.place, self.position, rng.choice(FETCHES))
        if len(records) > 1 and rng.random() < self.cluster.faults.swap:
            cut = rng.randint(1, len(records) - 1)
            self.swapped, records = records[:cut], records[cut:]
        return records

    # --- restore ---------------------------------------------------------------------------------------------------------------

    async def _restore(self) -> None:
        log, store = self.cluster.broker.log(*self.changelog), self.store
        while True:
            end = log.end
            restore = Restore(store.get_many, store.marks(), store.changelog_next)
            at = bisect_left(log.records, store.changelog_next, key=lambda record: record.offset)
            records = [record for record in log.records[at:] if record.offset < end]
            for start in range(0, len(records), RESTORED):
                for record in records[start : start + RESTORED]:
                    assert record.key is not None
                    restore.feed(record.key, record.value, record.offset)
                part = restore.result()
                self.fence()
                store.keep(part.rows, part.marks, part.changelog_next)
                await Pause()
            stale = restore.stale()
            if not stale:
                part = restore.result(end)
                store.keep(part.rows, part.marks, part.changelog_next)
                break
            self.fence()
            base = await self._append([(key, self._own(key)) for key in stale])
            self.fence()
            if base == end:
                store.keep([], store.marks(), base + len(stale))
                break
        self.expected = store.changelog_next

    def _own(self, key: bytes) -> bytes:
        return self.store.marks().encode() if key == MARKS else self.store.rows[key]

    # --- ports -----------------------------------------------------------------------------------------------------------------

    def fence(self) -> None:
        if self._over():
            raise Abandon

    async def publish(self, outputs: Sequence[Output]) -> None:
        await Pause()
        requests: dict[Place, list[Any]] = {}
        for output in outputs:
            place = self.cluster.broker.place(output.topic, output.key) if output.partition is None else (output.topic, output.partition)
            requests.setdefault(place, []).append((output.key, output.value, output.headers))
        await self._acked([self._send(place, records) for place, records in requests.items()])

    async def log(self, batches: Sequence[Sequence[tuple[bytes, bytes]]]) -> int:
        for batch in batches:
            self.fence()
            base = await self._append(batch)
            if base != self.expected:
                raise Overtaken
            self.expected = base + len(batch)
        return self.expected

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        self.store.keep(rows, marks, changelog_next)

    async def load(self, ref: str) -> None:
        await Pause()

    def count(self, segment: Segment) -> None:
        self.cluster.counts.segments += 1

    async def at(self, failpoint: str) -> None:
        self.cluster.counts.awaits += 1
        await Pause()

    async def _append(self, batch: Sequence[tuple[bytes, bytes]]) -> int:
        await Pause()
        request = self._send(self.changelog, [(key, value, ()) for key, value in batch])
        await self._acked([request])
        return request.base

    def _send(self, place: Place, records: Sequence[Any]) -> Request:
        return self.cluster.broker.send(Request(self.member.sender, place, records))

    async def _acked(self, requests: list[Request]) -> None:
        if self.member.lease_over:
            self.late_sends += 1
            if self.late_sends > 1:
                raise Failed(f"{self.member.sender} kept sending after its lease was over ({self.place})")
        await Until(lambda: all(request.acked for request in requests))


@dataclass
class Member:
    """A worker. `disk` outlives its processes (unless found unclean); `sender` names one process."""

    name: str
    disk: dict[tuple[str, int], MemoryStore] = field(default_factory=dict)
    lives: int = 0
    alive: bool = True
    stopped: bool = False
    lease_over: bool = False
    revoking: bool = False
    generation: int = 0
    lanes: list[Lane] = field(default_factory=list)

    @property
    def sender(self) -> str:
        return f"{self.name}.{self.lives}"
