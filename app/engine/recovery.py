"""Recovery inside Faust's hooks: on every assignment each partition's state is brought to the end of its changelogs, then reading starts.

Stock recovery lost events in every kind of run (engine-findings 0.2). This one uses a plain consumer, in batches: the highest applied
offset of a row wins (restore.py), and "the same partitions as before" is never taken for "up to date".
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsumerNotStarted
from faust.tables import recovery as stock
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.types import TP
from mode import Service

from app.engine.restore import Restore
from app.engine.store import TableStore, fingerprint
from app.flow import TABLES, Table

log = logging.getLogger("kairos.recovery")

DEADLINE_S = 600.0
"""A restore that takes longer ends the worker."""
FETCH_BYTES = 8 * 1024 * 1024


class Recovery(stock.Recovery):
    """Faust calls `on_rebalance`; the task below does the rest and resumes the flow through Faust's own `on_recovery_completed`."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            generation = self._generation_id
            engine = self.app.kairos
            engine.ready.clear()
            try:
                engine.failpoints.reach("restoring")
                self._set_recovery_started()
                await self._wait(self._restore(generation))
                engine.failpoints.reach("restored")
                await self._wait(self.on_recovery_completed(generation))
                engine.resumed(generation)
            except (RebalanceAgain, IllegalStateError, ConsumerNotStarted):
                continue  # the next rebalance has begun; it restores anew
            except ServiceStopped:
                break
            except Exception as error:
                engine.fatal(f"restoring state: {type(error).__name__}: {error}", error)
                raise

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing: changelogs are not read through the group."""

    @Service.task
    async def _publish_stats(self) -> None:
        """Nothing: health reports progress."""

    async def _restore(self, generation: int) -> None:
        engine = self.app.kairos
        partitions = engine.owned(self.app.consumer.assignment())
        new = await engine.stores.hold(partitions)
        await asyncio.wait_for(self._catch_up(generation, partitions, new), DEADLINE_S)

    async def _catch_up(self, generation: int, partitions: set[int], new: set[int]) -> None:
        engine = self.app.kairos
        jobs = {
            TopicPartition(engine.settings.topic(table.changelog), partition): (table, partition)
            for table in TABLES.values()
            for partition in partitions
        }
        if not jobs:
            return
        reader = AIOKafkaConsumer(
            **engine.client_options,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=50,
        )
        await reader.start()
        try:
            first, ends = await reader.beginning_offsets(list(jobs)), await reader.end_offsets(list(jobs))
            reader.assign(list(jobs))
            for partition in await self._untrusted(reader, jobs, new, first, ends):
                await engine.stores.reset(partition)
            for place, (table, partition) in jobs.items():
                reader.pause(*jobs)
                await _read_on(reader, place, engine.stores.table(table, partition), first[place], ends[place], engine, generation, table)
        finally:
            await reader.stop()

    async def _untrusted(
        self,
        reader: AIOKafkaConsumer,
        jobs: dict[TopicPartition, tuple[Table, int]],
        new: set[int],
        first: dict[TopicPartition, int],
        ends: dict[TopicPartition, int],
    ) -> set[int]:
        """Partitions whose local state does not belong to these changelogs."""
        bad: set[int] = set()
        for place, (table, partition) in jobs.items():
            store = self.app.kairos.stores.table(table, partition)
            local = store.changelog_next
            if local > ends[place] or (local and local < first[place]):
                bad.add(partition)
            elif partition in new and store.tail and local - 1 >= first[place]:
                record = await _record_at(reader, jobs, place, local - 1)
                if record is not None and fingerprint(record.key, record.value) != store.tail:
                    bad.add(partition)
        return bad


async def _record_at(reader: AIOKafkaConsumer, jobs: Any, place: TopicPartition, offset: int) -> Any:
    """The changelog record at this offset, or None if compaction has taken it."""
    reader.pause(*jobs)
    reader.resume(place)
    reader.seek(place, offset)
    while not (found := (await reader.getmany(place, timeout_ms=1000, max_records=1)).get(place)):
        if await reader.position(place) > offset:
            return None
    return found[0] if found[0].offset == offset else None


async def _read_on(
    reader: AIOKafkaConsumer, place: TopicPartition, store: TableStore, first: int, end: int, engine: Any, generation: int, table: Table
) -> None:
    """Brings one table partition to `end` and makes it ready."""
    start = max(store.changelog_next, first)
    restore = Restore(store.get_many, store.marks().copy(), start)
    if start < end:
        reader.resume(place)
        reader.seek(place, start)
        while (position := await reader.position(place)) < end:
            records = (await reader.getmany(place, timeout_ms=1000)).get(place, [])
            for record in records:
                if record.offset < end:
                    restore.feed(record.key, record.value, record.offset)
            position = await reader.position(place)
            done = restore.result(min(position, end))
            tail = fingerprint(records[-1].key, records[-1].value) if records and done.changelog_next == records[-1].offset + 1 else b""
            store.keep(done.rows, done.marks, done.changelog_next, tail)
        reader.pause(place)
    engine.restored(table, place.partition, generation, end, restore.stale())


def starts_at(tp: TP, committed: int | None, first: int, applied: int | None) -> int:
    """Where reading of a source partition starts: after what its state contains; without state, where the group stood.

    Raises RuntimeError if the group has committed more than the state contains: then state was lost, and going on would decide on less
    than happened.
    """
    if applied is None:
        return first if committed is None else committed
    if committed is not None and committed > applied + 1:
        raise RuntimeError(f"{tp.topic}[{tp.partition}] is committed up to {committed}, its changelog ends at {applied + 1}: lost state")
    if applied < 0:
        return first if committed is None else committed
    return applied + 1
