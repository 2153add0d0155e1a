"""A worker: one role's Faust app with the engine's parts in it, startable in a running event loop, beside another role's.

Faust's own: App, Worker, topics, agents, conductor, commit loop, assignor, tables' declaration. Ours, by setting or subclass: transport,
recovery, store, producer, lanes.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from aiokafka.errors import KafkaError
from faust import streams
from msgspec import Struct, field

from app.engine import clock as clocks
from app.engine import garbage
from app.engine.artifacts import Artifacts, Compilers
from app.engine.assignment import Assignment
from app.engine.counts import Counts
from app.engine.failpoints import Failpoints
from app.engine.faust_app import Shell, faust_app
from app.engine.fence import Fence
from app.engine.follower import Follower
from app.engine.lane import Lanes
from app.engine.membership import folder_of, member_id, on_loopback
from app.engine.producer import Producer
from app.engine.program import Program
from app.engine.tables import Stores
from app.engine.topics import admin, client_options, differences, partitions_of
from app.engine.turn import Segment
from app.engine.watchdog import Watchdog, die
from app.flow import FOLLOWED, ROLES
from app.settings import DEMO_SECRET, Settings

log = logging.getLogger("kairos.worker")

EMBEDDED_CLUSTER = "MkU3OEVBNTctOEUyRi00"
"""The cluster id every noida-db 0.2.3 reports."""
TASK_STOP_S = 2.0
STOP_S = 4.5
ARTIFACTS_S = 60.0
"""Packs are read whole before the first turn: windows may have been opened under any of them."""
FOLLOWED_S = 300.0
"""A million products are read in half a minute; from a second start on only what came since."""
STALE_S = 15.0
"""Ticks come several times a second; without a finished turn for so long, with something to do, something is wrong."""


class Refusal(Exception):
    """The worker cannot start as things are. `code`: 2 for what the operator has to change, 3 for missing infrastructure."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class AtHand(Struct, frozen=True):
    """What a worker knows beside the records of its lanes."""

    packs: Callable[[str], Any]
    """Ref → the compiled artifact, already loaded."""
    newest: Callable[[str], Any | None]
    """Kind → the active one of it, compiled, as this worker knows it. No decision on a person may depend on it."""
    followed: Callable[[str, bytes], bytes | None]
    """A compacted topic that the role follows, a key → its newest value."""
    alike: Callable[[str, bytes], list[bytes]]
    """The same, by what `Wiring.tags` look its values up by."""


class Wiring(Struct):
    """What the engine is given to run. `programs`: topic → its lane's program, of what is at hand; `attach`: registers the agents.

    Without `compilers` the role needs no artifacts, and does not follow them.
    """

    programs: Callable[[AtHand], dict[str, Program]]
    attach: Sequence[Callable[[Any, Callable[[str, Any], Any]], Any]]
    compilers: Compilers
    fresh_pack: Callable[[], tuple[str, bytes]] | None = None
    """Builds (ref, data) of the pack a fresh cluster starts with."""
    counts: Counts = field(default_factory=Counts)
    """What the programs count into."""
    tags: Mapping[str, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    """Followed topic → what its values are looked up by beside their keys."""


class Worker:
    """One role in this process. Counters are plain attributes: `events`, `turns`, `woken`, `defects`, `lag`."""

    def __init__(
        self,
        settings: Settings,
        wiring: Wiring,
        role: str = "core",
        time_map: clocks.TimeMap | None = None,
        fatal: Callable[[str, BaseException | None], None] = die,
    ) -> None:
        self.settings, self.wiring, self.role, self.fatal = settings, wiring, role, fatal
        self.client_options = client_options(settings)
        self.fresh_pack = wiring.fresh_pack
        self.counts = wiring.counts
        self.failpoints = Failpoints(settings.failpoint)
        self.fence = Fence(settings.session_ms / 1000)
        self.producer = Producer(settings, self.failpoints)
        self.lanes = Lanes(self.fence, self.failpoints, self.fatal)
        self.artifacts = Artifacts(settings.topic("artifacts"), self.client_options, wiring.compilers)
        self.time_map = time_map or clocks.RealTime(settings.tick_ms)
        self.clock = clocks.Clock(self, self.time_map)
        self.watchdog = Watchdog(self)
        self.folder = folder_of(settings, role)
        self.member_id = member_id(settings, self.folder)
        self.group = f"{settings.topic_prefix}kairos-{role}"
        self.stores: Stores
        self.followers: dict[str, Follower] = {}
        """Compacted topic → its newest values, of this role."""
        self.app: Any = None
        self.assignment = Assignment(self)
        self.woken = 0
        self.defects = 0
        self.lags: dict[Any, int] = {}
        """Assigned partition → records between what is acked and its end, as last asked."""
        self.doing = "waiting for a broker"
        """What a start is at, until the app runs."""
        self._tasks: list[asyncio.Task[None]] = []
        self._lock: IO[str] | None = None
        self._shell: Shell | None = None
        self._collects = False
        """Garbage, for every role of the process."""

    # --- life ---

    async def start(self) -> None:
        """Returns when state is restored and events flow. Raises `Refusal`."""
        try:
            await self._start()
        except KafkaError as error:
            raise Refusal(3, f"the broker went away while starting: {error}") from error

    async def _start(self) -> None:
        if streams._CStreamIterator is None:
            raise Refusal(2, "faust-streaming is installed without its compiled extension, whose stream drops events of old generations")
        if self.settings.secret == DEMO_SECRET and not on_loopback(self.settings):
            raise Refusal(2, "KAIROS_SECRET is the demo's: set one of your own, it keys person ids and signed links")
        cluster = await self._broker()
        self.watchdog.broker_answered_at = time.monotonic()
        if cluster == EMBEDDED_CLUSTER and not on_loopback(self.settings):
            raise Refusal(2, "the embedded broker (noida-db) loses acknowledged records when killed: use Apache Kafka beyond loopback")
        self.doing = "reading artifacts"
        if wrong := await differences(self.settings):
            raise Refusal(2, "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        self._take_datadir()
        identity = f"{cluster} {self.settings.partitions}"
        self.stores = Stores(self.folder / "state", identity, self.role)
        await self.producer.start()
        if self.wiring.compilers:
            self._spawn(self.artifacts.follow())
            try:
                await self.artifacts.loaded(ARTIFACTS_S)
            except TimeoutError as error:
                raise Refusal(3, f"the artifacts could not be read within {ARTIFACTS_S:.0f} s") from error
        at_hand = AtHand(self.artifacts.packs, self.artifacts.newest, self._followed, self._alike)
        self.assignment.programs = {self.settings.topic(name): one for name, one in self.wiring.programs(at_hand).items()}
        self.app = self.fence.app = self.lanes.app = faust_app(self)
        self.lanes.open_lane = self.counts.timing(self.assignment.open_lane)
        self.doing = "joining its group"
        for attach in self.wiring.attach:
            attach(self.app, self.lanes.arrive)
        if gc.isenabled():  # the first role of the process does it for all
            gc.disable()
            self._collects = True
            self._spawn(garbage.collect(self.lanes))
        await self._follow(identity)
        self._spawn(self.watchdog.beat())
        self._spawn(self.watchdog.ask())
        self.watchdog.start()
        self._shell = Shell(self.app, daemon=False, override_logging=False, redirect_stdouts=False, quiet=True)
        self._shell.spinner = None  # it writes escape codes to stdout
        await self._shell.start()
        agents = ROLES[self.role].agents
        if "clock" in agents:
            self._spawn(self.clock.run())
        if "intake" in agents:
            self._spawn(self.clock.report())
        self._spawn(self._crashes())

    async def stop(self) -> None:
        """Finishes running turns, commits, closes. Stays a group member: a restart within the session gets its partitions back.

        Without a broker there is nobody to commit to or to wait for: after STOP_S the process ends as in a crash, and loses as little.
        """
        stopping = asyncio.get_running_loop().create_task(self._stop())
        # Not wait_for: that waits for what it cancels, and the libraries' stops swallow the cancellation.
        done, _ = await asyncio.wait([stopping], timeout=STOP_S)
        if not done:
            self.fatal(f"did not stop cleanly within {STOP_S} s", None)
            return
        stopping.result()

    async def _stop(self) -> None:
        self.fence.stopping = True
        self.watchdog.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=TASK_STOP_S) if self._tasks else None
        if self._shell is not None:
            await self._shell.stop()
        self.lanes.begin(-2)
        await self.producer.stop()
        for follower in self.followers.values():
            await follower.stop()
        if hasattr(self, "stores"):
            await self.stores.close()
        if self._lock is not None:
            self._lock.close()
        if self._collects:
            gc.enable()

    async def _broker(self) -> str:
        """The cluster's id, once the broker answers."""
        until = time.monotonic() + self.settings.broker_wait_s
        while True:
            try:
                async with admin(self.settings) as client:
                    return str((await client.describe_cluster()).get("cluster_id"))
            except (KafkaError, OSError) as error:
                if time.monotonic() > until:
                    raise Refusal(3, f"no broker at {self.settings.broker} within {self.settings.broker_wait_s} s: {error}") from error
                log.warning("waiting for a broker at %s", self.settings.broker)
                await asyncio.sleep(0.5)

    async def _follow(self, cluster: str) -> None:
        for one in FOLLOWED:
            if one.role == self.role:
                folder, count = self.folder / "followed" / one.topic, partitions_of(self.settings, one.topic)
                follower = Follower(
                    self.settings.topic(one.topic), count, folder, cluster, self.client_options, self.wiring.tags.get(one.topic)
                )
                await follower.start()
                self.followers[one.topic] = follower
                self._spawn(follower.follow())
                if one.first:
                    self.doing = f"reading {one.topic}"
                    if not await follower.at_end(FOLLOWED_S):
                        raise Refusal(3, f"{one.topic} could not be read to its end within {FOLLOWED_S:.0f} s")

    def _followed(self, topic: str, key: bytes) -> bytes | None:
        follower = self.followers.get(topic)
        return None if follower is None else follower.get(key)

    def _alike(self, topic: str, tag: bytes) -> list[bytes]:
        follower = self.followers.get(topic)
        return [] if follower is None else follower.alike(tag)

    def _take_datadir(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "LOCK").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refusal(2, f"datadir {self.folder} is in use by another worker") from error
        except OSError as error:
            raise Refusal(2, f"datadir {self.folder}: {error}") from error

    def _spawn(self, work: Any) -> None:
        async def guarded() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.fatal(f"{type(error).__name__}: {error}", error)

        self._tasks.append(asyncio.get_running_loop().create_task(guarded()))

    async def _crashes(self) -> None:
        """Faust keeps a crashed service's reason to itself until somebody looks."""
        assert self._shell is not None
        while not self._shell.should_stop:  # noqa: ASYNC110 Faust sets flags, not events of this loop
            await asyncio.sleep(0.2)
        if not self.fence.stopping:
            reason = self._shell.crash_reason or self.app.crash_reason
            self.fatal(f"the Faust app crashed: {reason!r}", reason)

    # --- called by lanes, clock and watchdog ---

    def count(self, segment: Segment) -> None:
        """Ports: after each local write."""
        self.woken += segment.woken
        if segment.woken:
            self.counts.woke(segment.rows, self.time_map(clocks.wall_ms()))
            self.failpoints.reach("slice_written")
        if segment.defects:
            self.defects += segment.defects
            log.error("%d records buried in dead_letters: a step raised (%d so far)", segment.defects, self.defects)
            if self.defects > self.settings.defect_budget:
                self.fatal(f"more than {self.settings.defect_budget} records raised: that is us, not the data", None)

    def owns_control(self) -> bool:
        return self.is_ready() and any(tp.topic == self.settings.topic("control") for tp in self.app.consumer.positions)

    def acked_positions(self) -> dict[int, int]:
        """Partition of customer_events → everything before it is acked in the journal."""
        if not self.is_ready():
            return {}
        place = self.settings.topic("customer_events")
        return {tp.partition: offset for tp, offset in self.app.consumer.acked_next.items() if tp.topic == place}

    async def measure_lag(self) -> int:
        """Records between what is acked and the ends of the assigned partitions."""
        acked = dict(self.app.consumer.acked_next)
        ends = await self.app.consumer._thread.ends(list(acked)) if acked else {}
        self.lags = {tp: max(0, end - acked[tp]) for tp, end in ends.items()}
        return sum(self.lags.values())

    def is_ready(self) -> bool:
        """State is restored and events flow."""
        return self.assignment.ready

    def restoring(self) -> bool:
        return self.assignment.restoring

    # --- what demo and health look at ---

    def idle_s(self) -> float:
        """Seconds since the last finished turn."""
        return time.monotonic() - self.lanes.finished_at

    def stuck(self) -> bool:
        """There is something to do, the broker answers, and no turn comes to its end: soon the watchdog ends the process."""
        busy = self.lag or self.lanes.waiting()
        return bool(self.is_ready() and busy and self.watchdog.broker_answers() and self.idle_s() > STALE_S)

    def trouble(self) -> str | None:
        """Why this worker does not do its work now, or None."""
        if self.app is None:
            return self.doing
        if not self.watchdog.broker_answers():
            return f"no answer from the broker at {self.settings.broker}"
        if not self.is_ready():
            return "restoring state" if self.restoring() else self.doing
        if stopped := self.stopped_partitions():
            return f"stopped, behind retention: {', '.join(stopped)}"
        if self.stuck():
            return f"no finished turn for {self.idle_s():.0f} s, lag {self.lag}"
        if self.owns_control() and abs(self.clock.skew_ms or 0) > clocks.SKEW_MS:
            return f"no ticks: own clock and the broker's differ by {(self.clock.skew_ms or 0) // 1000} s"
        return None

    def stopped_partitions(self) -> list[str]:
        """Partitions that fell behind retention and are not read."""
        return [] if self.app is None else sorted(f"{tp.topic}[{tp.partition}]" for tp in self.app.consumer.lost)

    @property
    def events(self) -> int:
        return self.lanes.records

    @property
    def turns(self) -> int:
        return self.lanes.turns

    @property
    def lag(self) -> int:
        return self.watchdog.lag
