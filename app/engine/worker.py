"""A worker: one role's Faust app with the engine's parts in it, startable in a running event loop.

Faust's own: App, Worker, topics, agents, conductor, commit loop, assignor, tables' declaration. Ours, by setting or subclass: transport,
recovery, store, producer, lanes.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import hashlib
import logging
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import faust
from aiokafka.errors import KafkaError
from faust import streams
from msgspec import Struct

from app.engine import clock as clocks
from app.engine.artifacts import Artifacts
from app.engine.failpoints import Failpoints
from app.engine.fence import Fence
from app.engine.lane import Lanes, Work
from app.engine.ports import LanePorts, TableWork
from app.engine.producer import Changelog, Producer
from app.engine.recovery import starts_at
from app.engine.tables import Stores, Tables, declare
from app.engine.topics import admin, client_options, differences
from app.engine.transport import Transport
from app.engine.turn import Program, Segment
from app.engine.watchdog import Watchdog, die
from app.flow import AGENTS, ROLES, TABLES, Table
from app.settings import Settings

log = logging.getLogger("kairos.worker")

HEARTBEAT_S = 1.0
REBALANCE_S = 10.0
REQUEST_S = 20.0
POLL_S = 900.0
"""aiokafka leaves the group after so long without a fetch: longer than the longest restore."""
BUFFERED = 16
"""Stretches in an agent's queue; the transport bounds bytes."""
TASK_STOP_S = 2.0


class Refusal(Exception):
    """The worker cannot start as things are. `code`: 2 for what the operator has to change, 3 for missing infrastructure."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wiring(Struct):
    """What the engine is given to run. `programs`: topic → its lane's program (of artifacts' `packs`); `attach`: registers the agents."""

    programs: Callable[[Any], dict[str, Program]]
    attach: Sequence[Callable[[faust.App, Callable[[str, Any], Any]], None]]
    compile_artifact: Callable[[str, bytes], Any]
    fresh_pack: Callable[[], tuple[str, bytes]] | None = None
    """Builds (ref, data) of the pack a fresh cluster starts with."""


class Shell(faust.Worker):
    """Faust's worker without its logging, signals and terminal: the host decides those."""

    def install_signal_handlers(self) -> None:
        """The command installs its own."""

    async def on_execute(self) -> None:
        """Nothing to announce."""


class Worker:
    """One role in this process. Counters are plain attributes: `events`, `turns`, `woken`, `defects`, `lag`, `ready`."""

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
        self.failpoints = Failpoints(settings.failpoint)
        self.fence = Fence(settings.session_ms / 1000)
        self.producer = Producer(settings, self.failpoints)
        self.lanes = Lanes(self.fence, self.fatal)
        self.artifacts = Artifacts(settings.topic("artifacts"), self.client_options, wiring.compile_artifact)
        self.time_map = time_map or clocks.RealTime(settings.tick_ms)
        self.clock = clocks.Clock(self, self.time_map)
        self.watchdog = Watchdog(self)
        self.folder = folder_of(settings, role)
        self.member_id = member_id(settings, self.folder)
        self.group = f"{settings.topic_prefix}kairos-{role}"
        self.stores: Stores
        self.app: Any = None
        self.ready: dict[tuple[str, int], int] = {}
        """(table, partition) → generation in which its state was brought up to date."""
        self.woken = 0
        self.defects = 0
        self._positions: dict[tuple[str, int], tuple[int, list[bytes]]] = {}
        self._programs: dict[str, Program] = {}
        self._sources = {settings.topic(agent.reads): agent.reads for name in ROLES[role].agents if (agent := AGENTS[name])}
        self._tables = {settings.topic(AGENTS[table.writers[0]].reads): table for table in TABLES.values()}
        self._restoring = False
        self._flowing = -1
        self._tasks: list[asyncio.Task[None]] = []
        self._lock: IO[str] | None = None
        self._shell: Shell | None = None

    # --- life ---

    async def start(self) -> None:
        """Returns when state is restored and events flow. Raises `Refusal`."""
        if streams._CStreamIterator is None:
            raise Refusal(2, "faust-streaming is installed without its compiled extension, whose stream drops events of old generations")
        cluster = await self._broker()
        if wrong := await differences(self.settings):
            raise Refusal(2, "; ".join(wrong[:3]) + (f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""))
        self._take_datadir()
        self.stores = Stores(self.folder / "state", f"{cluster} {self.settings.partitions}")
        await self.producer.start()
        self._spawn(self.artifacts.follow())
        self._programs = {self.settings.topic(name): one for name, one in self.wiring.programs(self.artifacts.packs).items()}
        self.app = self._faust()
        gc.collect()
        gc.freeze()  # what is loaded by now lives as long as the process
        self._spawn(self.watchdog.beat())
        self._spawn(self.watchdog.ask())
        self.watchdog.start()
        self._shell = Shell(self.app, daemon=False, override_logging=False, redirect_stdouts=False, quiet=True)
        self._shell.spinner = None  # it writes escape codes to stdout
        await self._shell.start()
        self._spawn(self.clock.run())
        self._spawn(self.clock.report())
        self._spawn(self._crashes())

    async def stop(self) -> None:
        """Finishes running turns, commits, closes. Stays a group member: a restart within the session gets its partitions back."""
        self.fence.stopping = True
        self.watchdog.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=TASK_STOP_S) if self._tasks else None
        if self._shell is not None:
            await self._shell.stop()
        self.lanes.begin(-2)
        await self.producer.stop()
        if hasattr(self, "stores"):
            await self.stores.close()
        if self._lock is not None:
            self._lock.close()

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

    def _faust(self) -> Any:
        settings = self.settings
        app = faust.App(
            self.group,
            broker=[f"kafka://{one.strip()}" for one in settings.broker.split(",")],
            datadir=self.folder,
            TableManager=Tables,
            topic_partitions=settings.partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            web_enabled=False,
            autodiscover=False,
            worker_redirect_stdouts=False,
            key_serializer="raw",
            value_serializer="raw",
            stream_buffer_maxsize=BUFFERED,
            stream_recovery_delay=0.0,
            broker_commit_interval=1.0,
            broker_session_timeout=settings.session_ms / 1000,
            broker_heartbeat_interval=HEARTBEAT_S,
            broker_rebalance_timeout=REBALANCE_S,
            broker_request_timeout=REQUEST_S,
            broker_max_poll_interval=POLL_S,
            consumer_group_instance_id=self.member_id,
        )
        app.transport = Transport(app.conf.broker_consumer, app)
        app.boot_strategy.enable_kafka_producer = False
        app.kairos = self
        self.fence.app = self.lanes.app = app
        declare(app, settings.partitions, settings.topic_prefix)
        for attach in self.wiring.attach:
            attach(app, self.lanes.arrive)
        members = ROLES[self.role].agents
        self.lanes.members = {
            topic: frozenset(name for name in members if AGENTS[name].reads == reads) for topic, reads in self._sources.items()
        }
        self.lanes.open_lane = self._open_lane
        return app

    # --- called by transport, recovery, lanes, clock and watchdog ---

    def owned(self, assignment: set[Any]) -> set[int]:
        """The partitions of an assignment, the same for every person-keyed topic, or the worker exits."""
        by_topic: dict[str, set[int]] = {topic: set() for topic in self._tables}
        for tp in assignment:
            if tp.topic in by_topic:
                by_topic[tp.topic].add(tp.partition)
        sets = list(by_topic.values())
        if any(one != sets[0] for one in sets):
            self.fatal(f"topics that belong together were assigned unequal partitions: {by_topic}", None)
        self._restoring = True
        self._positions.clear()
        return set(sets[0])

    def restored(self, table: Table, partition: int, generation: int, end: int, stale: list[bytes]) -> None:
        """Recovery: the table's state now equals its changelog up to `end`."""
        self.ready[table.name, partition] = generation
        self._positions[table.name, partition] = (end, stale)

    async def starts(self, assignment: set[Any]) -> dict[Any, int]:
        """Transport: where each assigned partition is read from; without those that fell behind retention."""
        places = list(assignment)
        if not places:
            return {}
        found = await self.app.consumer._thread.starts(places)
        starts = {}
        for tp, (committed, first) in found.items():
            table = self._tables.get(tp.topic)
            applied = None if table is None else self.stores.table(table, tp.partition).marks().applied
            start = starts_at(tp, committed, first, applied)
            if start < first:
                log.critical("%s[%d]: reading stood at %d, the topic now begins at %d; the partition is stopped", *tp, start, first)
            else:
                starts[tp] = start
        return starts

    def resumed(self, generation: int) -> None:
        """Recovery: events flow again."""
        self.lanes.begin(generation)
        self.fence.joined()
        self._restoring, self._flowing = False, generation
        log.info("ready: generation %d, partitions %s", generation, self.stores.partitions)

    def _open_lane(self, topic: str, partition: int, generation: int) -> tuple[int, Work]:
        start = self.app.consumer.starts_at[topic, partition]
        table = self._tables.get(topic)
        if table is None:
            return start, self.clock.work
        if self.ready.get((table.name, partition)) != generation:
            self.fatal(f"{topic}[{partition}] got events in generation {generation} before its state was restored", None)
        end, stale = self._positions[table.name, partition]
        store = self.stores.table(table, partition)
        changelog = Changelog(self.producer, self.settings, self.failpoints, self.settings.topic(table.changelog), partition, end)
        ports = LanePorts(self, generation, store, changelog, partition, stale)
        return start, TableWork(self._programs[topic], partition, store, ports)

    def count(self, segment: Segment) -> None:
        """Ports: after each local write."""
        self.woken += segment.woken
        if segment.woken:
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
        if not acked:
            return 0
        ends = await self.app.consumer._thread.ends(list(acked))
        return sum(max(0, end - acked[tp]) for tp, end in ends.items())

    def is_ready(self) -> bool:
        if self.app is None or self._restoring or self.app.rebalancing:
            return False
        return bool(self.app.consumer_generation_id == self._flowing)

    def restoring(self) -> bool:
        return self._restoring

    # --- what demo and health look at ---

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


def folder_of(settings: Settings, role: str) -> Path:
    """Where a role keeps its state in the datadir."""
    return Path(settings.datadir) / f"{settings.topic_prefix}{role}"


def member_id(settings: Settings, folder: Path) -> str:
    """Static member id: a restart on the same host and datadir takes its old place without a rebalance."""
    if settings.worker_id:
        return re.sub(r"[^A-Za-z0-9._-]", "-", settings.worker_id)[:200]
    place = hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=6).hexdigest()
    return re.sub(r"[^A-Za-z0-9._-]", "-", f"{socket.gethostname()}-{place}")[:200]
