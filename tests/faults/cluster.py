"""Workers that run the real lanes, and a seeded scheduler that interleaves, stops and kills them anywhere.

Time is virtual: it passes only when the scheduler lets it. A stopped worker (SIGSTOP) keeps what it has on its way; when its session is
over others own its partitions, and it finds out at its next fence: until then it is a zombie. One request may still leave it after that
(stopped between the fence and the send), never a second.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from app import events
from app.engine.rounds import Rounds
from tests.faults.broker import Broker, Request
from tests.faults.lane import Counts, Died, Failed, Faults, Lane, Member, Stage

MINUTE = 60_000
COMPACTION_LAG = 8
"""In ticks: min.compaction.lag of the map."""
COMPACTION_STEPS = 400
"""And in scheduler steps. The lag is there to outlast whoever has to find and repair a zombie's write, and virtual time may leap hours
between two steps of his. A partition that nobody restores for longer loses rows to the cleaner, and its worker then refuses to start."""
MAX_STEPS = 400_000
"""A run that takes more is stuck (I12)."""


@dataclass(frozen=True)
class Arrival:
    """A record of customer_events as a producer writes it at `at` (ms)."""

    at: int
    key: bytes | None
    value: bytes


def drawn(rng: Random) -> Faults:
    """Another mix for each run: a fault that is rare everywhere never meets the other that it needs to do harm."""
    return Faults(
        kill=rng.choice((0, 0.002, 0.006, 0.015)),
        stop=rng.choice((0, 0.01, 0.03)),
        rebalance=rng.choice((0, 0.001, 0.004)),
        swap=rng.choice((0, 0.01)),
        release=rng.choice((0.02, 0.005, 0.001)),
        eager=rng.choice((0.02, 0.05, 0.15, 0.4)),
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


class Cluster:
    """One run. `arrivals` in order of time; the clock ticks each `interval` up to `until` (ms), then everything must come to rest.

    `first`: records that stand in every journal partition before all others. `later`: (ms, record) that are written to each, in order.
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
        later: Sequence[tuple[int, bytes]] = (),
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
        self.counts = Counts()
        self.tally: Counter[str] = Counter()
        """What its model counted, once it was compared."""
        self._arrived, self._later = 0, deque(later)
        self._lately: deque[int] = deque(maxlen=COMPACTION_STEPS)
        """What time it was at each of the last steps."""
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
        self._lately.append(self.broker.now)
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
                    before = min(self.broker.now - COMPACTION_LAG * self.interval, self._lately[0])
                    self.broker.compact(f"{stage.table}-changelog", before)
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
        while self._later and self._later[0][0] <= self.broker.now:
            _, record = self._later.popleft()
            for number in range(self.broker.partitions):
                self.broker.append(("journal", number), None, record)

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
        self.counts.kills += 1
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
        self.counts.stops += 1
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
        self.counts.rebalances += 1
        self.broker.generation += 1
        for member in there:
            member.lanes, member.generation, member.revoking = [], self.broker.generation, False
        for number in range(self.broker.partitions):
            member = self.rng.choice(there)
            member.lanes += [Lane(self, member, stage, number) for stage in self.stages]
