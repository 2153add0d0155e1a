"""Lanes: one per topic, partition and generation. What the agents of a topic are handed, the lane works off in turns.

The conductor hands the same stretch to every agent of the topic. The first to arrive queues it, the others only count in; the lane acks
once for each that has arrived, late ones ack on arrival. So four files share one turn, one read, one write, one commit, and there is
nothing to wait for (lane-findings.md section 1).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from app.engine.commit import Abandon
from app.engine.contiguity import Contiguity
from app.engine.failpoints import Failpoints
from app.engine.fence import Fence
from app.engine.source import Stretch

log = logging.getLogger("kairos.lane")

TURN_RECORDS = 4000
TURN_BYTES = 4 * 1024 * 1024
QUEUED = 64
"""Stretches a lane lets wait before its agents are held back."""
MISSING_S = 20.0
"""An agent that has not come for a finished stretch by then never will: the commit would stand still."""
DRAIN_S = 8.0
"""A revoke must be through by then: no batch may stay in a living process's send buffer after its partition went."""

Work = Callable[[list[Any], int], Awaitable[None]]
"""Runs one turn over records; the second argument is the last offset covered. Raises `Abandon` when the generation is over."""


class Entry:
    """One stretch, and who of the agents has come for it."""

    __slots__ = ("arrived", "done_at", "message", "stretch")

    def __init__(self, message: Any, stretch: Stretch) -> None:
        self.message, self.stretch = message, stretch
        self.arrived: set[str] = set()
        self.done_at: float | None = None


class Lane:
    """Works one partition off, in order, one turn at a time."""

    def __init__(self, lanes: Lanes, topic: str, partition: int, generation: int, start: int, work: Work) -> None:
        self._lanes, self.place, self.generation, self._work = lanes, f"{topic}[{partition}]", generation, work
        self.topic, self.partition = topic, partition
        self._contiguity = Contiguity(self.place, start)
        self.entries: dict[int, Entry] = {}
        self.queue: deque[Entry] = deque()
        self._wake = asyncio.Event()
        self.started = asyncio.Event()
        """Pulsed when a turn starts: lifts the back-pressure."""
        self.busy = False
        self.over = False
        self._nudged = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    def put(self, entry: Entry) -> None:
        self.entries[entry.stretch.last] = entry
        self.queue.append(entry)
        self._wake.set()

    def nudge(self) -> None:
        """A turn without records: whatever its work has to put right between two of them."""
        self._nudged = True
        self._wake.set()

    async def _run(self) -> None:
        try:
            while not self.over:
                if not self.queue and not self._nudged:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                await self._turn()
        except Abandon:
            self.over = True
        except asyncio.CancelledError:
            self.over = True
        except BaseException as error:
            self.over = True
            self._lanes.fatal(f"{self.place}: {type(error).__name__}: {error}", error)
        finally:
            self.busy = False
            self.started.set()
            self._lanes.idle()

    async def _turn(self) -> None:
        if not self._lanes.fence.current(self.generation):
            raise Abandon("revoked")
        taken: list[Entry] = []
        records: list[Any] = []
        weight = 0
        while self.queue and (not taken or (len(records) < TURN_RECORDS and weight < TURN_BYTES)):
            entry = self.queue.popleft()
            self._contiguity.check(entry.stretch.base, entry.stretch.last)
            taken.append(entry)
            records += entry.stretch.records
            weight += entry.stretch.weight
        self.busy, self._nudged = True, False
        self.started.set()
        self.started = asyncio.Event()
        while True:
            if self._lanes.fence.stopping:
                raise Abandon("the worker stops")
            try:
                await self._work(records, taken[-1].stretch.last if taken else -1)
                break
            except Abandon:
                # Only the lease ran out, not the generation (a broker that was away): do the turn again, it gives the same.
                await self._lanes.fence.fresh(self.generation)
        if not self._lanes.fence.current(self.generation):
            raise Abandon("revoked before its ack")
        now = time.monotonic()
        for entry in taken:
            entry.done_at = now
            entry.message.ack(self._lanes.consumer(), n=len(entry.arrived))
            self._lanes.settle(self, entry)
        if taken:
            self._lanes.failpoints.reach("acked")
        self.busy = False
        self._lanes.finished(len(records))
        self._lanes.idle()


class Lanes:
    """All lanes of the app, and the agents' way in."""

    def __init__(self, fence: Fence, failpoints: Failpoints, fatal: Callable[[str, BaseException | None], None]) -> None:
        self.fence, self.failpoints, self.fatal = fence, failpoints, fatal
        self.app: Any = None
        self.members: dict[str, frozenset[str]] = {}
        """Topic (with prefix) → names of the agents that read it."""
        self.open_lane: Callable[[str, int, int], tuple[int, Work]] = _nobody
        """(topic, partition, generation) → where it starts and what it does; set by the worker."""
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._generation = -1
        self._held_back: set[str] = set()
        self._idle = asyncio.Event()
        self.turns = 0
        self.records = 0
        self.finished_at = time.monotonic()
        self.dropped = 0

    def consumer(self) -> Any:
        return self.app.consumer

    async def arrive(self, agent: str, event: Any) -> None:
        """An agent's queue delivered a stretch. Returns when the agent may take the next."""
        message = event.message
        generation = message.generation_id
        if not self.fence.current(generation) or event.value.epoch != self.consumer().epoch or self.fence.stopping:
            self.dropped += 1  # not acked: whoever owns the partition now reads it
            return
        lane = self._lane(message.topic, message.partition, generation)
        entry = lane.entries.get(message.offset)
        if entry is None:
            entry = Entry(message, event.value)
            lane.put(entry)
        if agent in entry.arrived:
            self.fatal(f"{lane.place}: {agent} got the stretch up to {message.offset} twice", None)
            return
        entry.arrived.add(agent)
        if entry.done_at is not None:
            message.ack(self.consumer())
            self.settle(lane, entry)
        while len(lane.queue) > QUEUED and not lane.over and self.fence.current(generation):
            self._held_back.add(agent)
            await lane.started.wait()
            self._held_back.discard(agent)

    def settle(self, lane: Lane, entry: Entry) -> None:
        if len(entry.arrived) == len(self.members[lane.topic]):
            lane.entries.pop(entry.stretch.last, None)

    def _lane(self, topic: str, partition: int, generation: int) -> Lane:
        if generation != self._generation:
            self.begin(generation)
        lane = self._lanes.get((topic, partition))
        if lane is None:
            start, work = self.open_lane(topic, partition, generation)
            lane = self._lanes[(topic, partition)] = Lane(self, topic, partition, generation, start, work)
        return lane

    def begin(self, generation: int) -> None:
        """A new generation: what the old one left is dropped unacked."""
        for lane in self._lanes.values():
            lane.over = True
            lane.task.cancel()
        self._lanes.clear()
        self._held_back.clear()
        self._generation = generation

    def finished(self, records: int) -> None:
        self.turns += 1
        self.records += records
        self.finished_at = time.monotonic()

    def idle(self) -> None:
        self._idle.set()

    def busy(self) -> bool:
        return any(lane.busy for lane in self._lanes.values())

    def open(self, topic: str, partition: int) -> None:
        """Opens a partition's lane of the present generation, should nothing have arrived for it yet."""
        if self.fence.current(self._generation):
            self._lane(topic, partition, self._generation)

    def idle_lane(self, topic: str, partition: int) -> Lane | None:
        """The lane of a partition, if there is one and no turn of it runs or waits."""
        lane = self._lanes.get((topic, partition))
        return None if lane is None or lane.over or lane.busy or lane.queue else lane

    def waiting(self) -> bool:
        """Whether something fetched is not done."""
        return any(lane.busy or lane.queue for lane in self._lanes.values())

    async def drain(self) -> None:
        """Waits until no turn runs. What is queued stays undone: `Fence.current` is false by now, or the worker stops."""
        until = time.monotonic() + DRAIN_S
        while self.busy():
            self._idle.clear()
            left = until - time.monotonic()
            if left <= 0:
                self.fatal(f"a turn did not come to its end within {DRAIN_S:.0f} s of a revoke", None)
                return
            try:
                await asyncio.wait_for(self._idle.wait(), left)
            except TimeoutError:
                continue

    def check_missing(self) -> None:
        """Exits if an agent never came for a stretch that is done: nothing behind it could ever be committed."""
        now = time.monotonic()
        for lane in self._lanes.values():
            for entry in lane.entries.values():
                missing = self.members[lane.topic] - entry.arrived - self._held_back
                if entry.done_at is not None and missing and now - entry.done_at > MISSING_S:
                    self.fatal(f"{lane.place}: {', '.join(sorted(missing))} never came for the stretch up to {entry.stretch.last}", None)
                    return


def _nobody(topic: str, partition: int, generation: int) -> tuple[int, Work]:
    raise RuntimeError(f"no lane for {topic}[{partition}]")
