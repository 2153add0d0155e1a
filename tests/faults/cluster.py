"""Workers that run the real turns, commit order and restore, and a seeded scheduler that interleaves, stops and kills them anywhere.

Every `await` of a lane is a place where it may be stopped for long or killed. Time is virtual: it passes only when the scheduler lets it.
A stopped worker (SIGSTOP) keeps what it has on its way; when its session is over others own its partitions, and it finds out at its next
fence: until then it is a zombie. One request may still leave it after that (stopped between the fence and the send), never a second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app import events
from app.engine import commit
from app.engine.commit import Abandon
from app.engine.contiguity import Contiguity, Gap
from app.engine.memory import MemoryStore
from app.engine.origin import Marks
from app.engine.restore import Overtaken, Restore
from app.engine.rounds import Rounds
from app.engine.rows import MARKS
from app.engine.turn import Output, Program, Row, Segment, Turn
from tests.faults.broker import Broker, Place, Request, Stored

MINUTE = 60_000
COMPACTION_LAG = 8
"""In ticks. Far longer than until the owner's next write, which finds a zombie's, as min.compaction.lag is in the map."""
FETCHES = (1, 2, 5, 20, 1000)
MAX_STEPS = 400_000
"""A run that takes more is stuck (I12)."""


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
class Arrival:
    """A record of customer_events as a producer writes it at `at` (ms)."""

    at: int
    key: bytes | None
    value: bytes


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


def drawn(rng: Random) -> Faults:
    """Another mix for each run: a fault that is rare everywhere never meets the other that it needs to do harm."""
    return Faults(
        kill=rng.choice((0, 0.002, 0.006, 0.015)),
        stop=rng.choice((0, 0.01, 0.03)),
        rebalance=rng.choice((0, 0.001, 0.004)),
        swap=rng.choice((0, 0.01)),
        release=rng.choice((0.02, 0.005, 0.001)),
        eager=rng.choice((0.02, 0.05, 0.1, 0.2)),
    )


class Clock:
    """The real low-water rounds over virtual time. What a clock learnt dies with it; what intake reported is on `control`."""

    def __init__(self, cluster: Cluster, sender: str) -> None:
        self.cluster, self.sender = cluster, sender
        self.rounds = Rounds()

    def tick(self, now: int, interval: int) -> None:
        broker = self.cluster.broker
        self.rounds.report(self.cluster.reported, now)
        self.rounds.note(now, {number: broker.log("customer_events", number).end for number in range(broker.partitions)})
        for number in range(broker.partitions):
            tick = events.encode(events.Tick(now, self.rounds.low_water, interval))
            broker.send(Request(self.sender, ("journal", number), [(None, tick, ())]))


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

    def __init__(self, cluster: Cluster, member: Member, stage: Stage, partition: int) -> None:
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
        self.position = self.acked = self.cluster.broker.committed.get(self.place, 0)
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
                self.cluster.repairs += 1
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
            for start in range(0, len(records), 50):
                for record in records[start : start + 50]:
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
        self.cluster.segments += 1

    async def at(self, failpoint: str) -> None:
        self.cluster.awaits += 1
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


class Cluster:
    """One run. `arrivals` in order of time; the clock ticks each `interval` up to `until` (ms), then everything must come to rest.

    `first`: records that stand in every journal partition before all others. `second`: (ms, record) that the clock writes to each later.
    """

    def __init__(
        self,
        seed: int,
        stages: Sequence[Stage],
        arrivals: Sequence[Arrival],
        until: int,
        *,
        interval: int = 5 * MINUTE,
        partitions: int = 3,
        members: int = 3,
        faults: Faults | None = None,
        first: Sequence[bytes] = (),
        second: tuple[int, bytes] | None = None,
    ) -> None:
        self.seed, self.rng = seed, Random(seed)
        self.stages, self.arrivals, self.until, self.interval = stages, arrivals, until, interval
        self.faults = faults or drawn(self.rng)
        self.broker = Broker(self.rng, partitions)
        self.members = [Member(f"w{number}") for number in range(members)]
        self.clock, self.clocks = Clock(self, "clock.0"), 1
        self.quiet = until - 10 * interval
        """From here on nothing fails any more, and time passes only when there is nothing left to do."""
        self.reported: dict[int, int] = {}
        self.rebalancing = True
        self.awaits = self.segments = self.repairs = self.kills = self.stops = self.rebalances = 0
        self._arrived, self._second = 0, second
        start = arrivals[0].at // interval * interval
        self.broker.now = self._next_tick = start
        for number in range(partitions):
            for value in first:
                self.broker.append(("journal", number), None, value)

    # --- the scheduler ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """To rest. Raises `Failed`, or whatever a lane raised."""
        for _ in range(MAX_STEPS):
            if not self._step():
                return
        raise Failed(f"no rest after {MAX_STEPS} steps (I12)")

    def _step(self) -> bool:
        rng, faults, calm = self.rng, self.faults, self.broker.now >= self.quiet
        luck = rng.random()
        if calm or rng.random() < faults.release:
            self.broker.held.clear()
        if not calm:
            if luck < faults.kill:
                senders = self.broker.senders()
                self._kill(rng.choice([member for member in self.members if member.sender in senders] or self.members))
            elif luck < faults.kill + faults.stop:
                self._stop()
            elif luck < faults.kill + faults.stop + faults.rebalance:
                self.rebalancing = True
            elif luck < faults.kill + faults.stop + faults.rebalance + faults.clock:
                self.broker.sender_died(self.clock.sender)
                self.clock, self.clocks = Clock(self, f"clock.{self.clocks}"), self.clocks + 1
            elif luck < faults.kill + faults.stop + faults.rebalance + faults.clock + faults.compact:
                for stage in self.stages:
                    self.broker.compact(f"{stage.table}-changelog", self.broker.now - COMPACTION_LAG * self.interval)
            elif luck > 1 - faults.eager:
                self._pass_time()
        if rng.random() < 0.3:
            self._look_after_members(calm)
        lane = None if self.broker.on_the_way and rng.random() < 0.4 else self._ready_lane()
        if lane is not None:
            self._drive(lane)
        elif self.broker.on_the_way:
            self.broker.land()
        elif self.rebalancing or any(member.stopped or not member.alive for member in self.members):
            self._look_after_members(calm)
        elif self.broker.now < self.until:
            self._pass_time()
        else:
            return False
        return True

    def _ready_lane(self) -> Lane | None:
        """Some lane that has something to do: a lucky pick, else whichever there is."""
        lanes = [lane for member in self.members if not member.stopped for lane in member.lanes]
        if not lanes:
            return None
        start = self.rng.randrange(len(lanes))
        for number in range(len(lanes)):
            lane = lanes[(start + number) % len(lanes)]
            if not lane.done and (lane.ready is None or lane.ready()):
                return lane
        return None

    def _drive(self, lane: Lane) -> None:
        try:
            lane.step()
        except Died:
            self._kill(lane.member)

    def _pass_time(self) -> None:
        arrival = self.arrivals[self._arrived] if self._arrived < len(self.arrivals) else None
        if arrival is not None and arrival.at <= self._next_tick:
            self._arrived += 1
            self.broker.now = max(self.broker.now, arrival.at)
            self.broker.append(self.broker.place("customer_events", arrival.key), arrival.key, arrival.value)
            return
        self.broker.now = self._next_tick
        self._next_tick += self.interval
        for member in self.members:
            for lane in member.lanes:
                if lane.place[0] == "customer_events" and not member.stopped and not lane.done and self.rng.random() < 0.9:
                    self.reported[lane.partition] = max(self.reported.get(lane.partition, 0), lane.acked)
        self.clock.tick(self.broker.now, self.interval)
        if self._second is not None and self._second[0] <= self.broker.now:
            for number in range(self.broker.partitions):
                self.broker.append(("journal", number), None, self._second[1])
            self._second = None

    # --- members ---------------------------------------------------------------------------------------------------------------

    def _look_after_members(self, calm: bool) -> None:
        rng = self.rng
        for member in self.members:
            if not member.alive:
                if rng.random() < (0.5 if calm else 0.06):
                    self._start(member)
            elif member.stopped:
                if rng.random() < (0.5 if calm else 0.03):
                    member.stopped = False
                elif not member.lease_over and rng.random() < 0.06:
                    member.lease_over = self.rebalancing = True
            elif member.lease_over and all(lane.done for lane in member.lanes):
                member.lease_over, member.lanes, self.rebalancing = False, [], True
        lanes = [lane for member in self.members if member.alive and not member.stopped for lane in member.lanes if not lane.done]
        if lanes and rng.random() < (0.3 if calm else 0.15):
            lane = lanes[rng.randrange(len(lanes))]
            if lane.acked >= 0 and not lane.member.lease_over:
                self.broker.commit(lane.place, lane.acked, lane.generation)
        if self.rebalancing:
            self._rebalance()

    def _kill(self, member: Member) -> None:
        if not member.alive:
            return
        self.kills += 1
        member.alive = member.stopped = member.lease_over = member.revoking = False
        for lane in member.lanes:
            lane.close()
        member.lanes = []
        self.broker.sender_died(member.sender)
        if self.rng.random() < 0.3:
            member.disk = {}
        if self.rng.random() < 0.5:
            self.rebalancing = True

    def _stop(self) -> None:
        """Stops a worker, of preference one with a changelog batch on its way, which may then stay there for long."""
        senders = self.broker.senders()
        there = [member for member in self.members if member.alive and not member.stopped]
        member = self.rng.choice([member for member in there if member.sender in senders] or there or self.members)
        if member not in there:
            return
        self.stops += 1
        member.stopped = True
        if self.rng.random() < 0.7:
            self.broker.held.add(member.sender)

    def _start(self, member: Member) -> None:
        member.alive, member.lives, self.rebalancing = True, member.lives + 1, True

    def _rebalance(self) -> None:
        """Members that can hear are told and end their turns; then those that are there share the partitions."""
        there = [member for member in self.members if member.alive and not member.lease_over]
        for member in there:
            if member.stopped and self.rng.random() < 0.06:
                member.lease_over = True
            member.revoking = True
        there = [member for member in there if not member.lease_over]
        if not there or any(not lane.done for member in there for lane in member.lanes):
            return
        self.rebalancing = False
        self.rebalances += 1
        self.broker.generation += 1
        for member in there:
            member.lanes, member.generation, member.revoking = [], self.broker.generation, False
        for number in range(self.broker.partitions):
            member = self.rng.choice(there)
            member.lanes += [Lane(self, member, stage, number) for stage in self.stages]
