"""Which partitions are ours in this generation, how far their state is restored, where reading starts, and the lanes that open on them."""

from __future__ import annotations

import logging
import time
from typing import Any

from faust.types import TP

from app.engine.artifacts import POLICY
from app.engine.lane import Work
from app.engine.ports import LanePorts, TableWork
from app.engine.producer import Changelog
from app.engine.program import Program
from app.engine.recovery import starts_at
from app.flow import AGENTS, AWAITS_POLICY, Table, lies_alone, tables_of

log = logging.getLogger("kairos.assignment")


class Assignment:
    """What transport and recovery call, in this order: `owned`, `restored` per table partition, `starts`, `positioned`, `flowing`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._tables = {engine.settings.topic(AGENTS[table.writers[0]].reads): table for table in tables_of(engine.role)}
        """Topic (with prefix) → the table its lane keeps."""
        self.programs: dict[str, Program] = {}
        self._restored: dict[tuple[str, int], tuple[int, int, list[bytes]]] = {}
        """(table, partition) → epoch it was restored in, changelog end, rows to append again."""
        self._works: dict[tuple[str, int], TableWork] = {}
        """(topic, partition) → what its lane does in this generation."""
        self.restoring = False
        self._epoch = -1
        """Flow that is running; -1 while none is."""

    @property
    def ready(self) -> bool:
        app = self._engine.app
        return app is not None and not app.rebalancing and self._epoch == app.consumer.epoch

    def owned(self, places: set[Any]) -> dict[str, set[int]]:
        """Recovery begins: each table's partitions, the same for every person-keyed topic, or the worker exits."""
        by_topic: dict[str, set[int]] = {topic: set() for topic in self._tables}
        for tp in places:
            if tp.topic in by_topic:
                by_topic[tp.topic].add(tp.partition)
        sets = [by_topic[topic] for topic, table in self._tables.items() if not lies_alone(AGENTS[table.writers[0]].reads)]
        if any(one != sets[0] for one in sets):
            self._engine.fatal(f"topics that belong together were assigned unequal partitions: {by_topic}", None)
        self.restoring = True
        self._restored.clear()
        self._works.clear()
        return {table.name: by_topic[topic] for topic, table in self._tables.items()}

    def restored(self, table: Table, partition: int, end: int, stale: list[bytes]) -> None:
        """Recovery: the table's state now equals its changelog up to `end`."""
        self._restored[table.name, partition] = (self._engine.app.consumer.epoch, end, stale)

    async def starts(self, places: set[Any]) -> dict[Any, int]:
        """Transport: where each assigned partition is read from; without those that fell behind retention."""
        if not places:
            return {}
        starts = {}
        for tp, (committed, first) in (await self._engine.app.consumer._thread.starts(list(places))).items():
            table = self._tables.get(tp.topic)
            applied = None if table is None else self._engine.stores.table(table, tp.partition).marks().applied
            start = starts_at(tp, committed, first, applied, table is not None and table.kept_days > 0)
            if start < first:
                log.critical("%s[%d]: reading stood at %d, the topic now begins at %d; the partition is stopped", *tp, start, first)
            else:
                starts[tp] = start
        return starts

    def positioned(self) -> None:
        """Transport: every partition stands where it is to be read from; lanes may open."""
        self._engine.lanes.begin(self._engine.app.consumer_generation_id)
        self._engine.fence.open()

    def flowing(self, epoch: int) -> None:
        """Recovery: done. Raises RuntimeError if positioning timed out, which Faust passes over."""
        consumer = self._engine.app.consumer
        if epoch != consumer.epoch:
            return  # revoked meanwhile
        if consumer.positioned_epoch != epoch and consumer.assignment():
            raise RuntimeError("the partitions could not be positioned in time")
        self.restoring, self._epoch = False, epoch
        self._engine.lanes.finished_at = time.monotonic()  # from here on turns are due: a long restore is no standstill
        log.info("ready: generation %d, partitions %s", self._engine.app.consumer_generation_id, self._engine.stores.partitions)

    def open_lane(self, topic: str, partition: int, generation: int) -> tuple[int, Work]:
        """Lanes: where the lane starts and what it does."""
        engine = self._engine
        start = engine.app.consumer.starts_at[topic, partition]
        table = self._tables.get(topic)
        if table is None:
            return start, engine.clock.work
        epoch, end, stale = self._restored.get((table.name, partition), (-1, 0, []))
        if epoch != engine.app.consumer.epoch:
            engine.fatal(f"{topic}[{partition}] got events in generation {generation} before its state was restored", None)
        store = engine.stores.table(table, partition)
        changelog = Changelog(engine.producer, engine.settings.topic(table.changelog), partition, end)
        ports = LanePorts(engine, generation, store, changelog, partition, stale)
        awaits = POLICY if table.writers[0] in AWAITS_POLICY and engine.fresh_pack is not None else None
        work = self._works[topic, partition] = TableWork(self.programs[topic], partition, store, ports, awaits)
        return start, work

    async def check_changelogs(self) -> None:
        """Looks whether a zombie wrote into the changelog of a lane that has nothing to do, and has it put right.

        A lane that writes notices by itself. An idle one (intake of a quiet partition has no ticks) would leave the zombie's record as
        the newest of its key: once the cleaner had taken ours, the next owner would restore the zombie's.
        """
        if not self.ready:
            return
        lanes = self._engine.lanes
        topics = {table.name: topic for topic, table in self._tables.items()}
        for name, partition in self._restored:
            lanes.open(topics[name], partition)
        idle = {place: work for place, work in self._works.items() if lanes.idle_lane(*place) is not None}
        before = {place: work.changelog_next for place, work in idle.items()}
        if not idle:
            return
        ends = await self._engine.app.consumer._thread.ends([TP(*work.changelog) for work in idle.values()])
        for place, work in idle.items():
            lane = lanes.idle_lane(*place)
            if lane is None or self._works.get(place) is not work or work.changelog_next != before[place]:
                continue  # it has written meanwhile, and would have noticed
            if ends[TP(*work.changelog)] > before[place]:
                work.overtaken()
                lane.nudge()
            elif work.stale:
                lane.nudge()
