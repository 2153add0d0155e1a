"""Recovery inside Faust's hooks: on every assignment each partition's state is brought to the end of its changelogs, then reading starts.

Stock recovery lost events in every kind of run (engine-findings 0.2). This one uses a plain consumer, in batches: the highest applied
offset of a row wins (restore.py), and "the same partitions as before" is never taken for "up to date".
"""

from __future__ import annotations

import asyncio
import logging
import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faust.exceptions import ConsumerNotStarted
from faust.tables import recovery as stock
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.types import TP
from mode import Service

from app.engine.catchup import catch_up, changelog_reader, record_at
from app.engine.store import fingerprint
from app.flow import Table, tables_of

log = logging.getLogger("kairos.recovery")

DEADLINE_S = 600.0
"""A restore that takes longer ends the worker."""
RETRY_S = 1.0


class Recovery(stock.Recovery):
    """Faust calls `on_rebalance`; the task below does the rest and resumes the flow through Faust's own `on_recovery_completed`."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                break
            self.signal_recovery_start.clear()
            generation, epoch = self._generation_id, self.app.consumer.epoch
            engine = self.app.kairos
            try:
                engine.failpoints.reach("restoring")
                self._set_recovery_started()
                await self._wait(self._restore())
                engine.failpoints.reach("restored")
                await self._wait(self.on_recovery_completed(generation))
                engine.assignment.flowing(epoch)
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

    async def _restore(self) -> None:
        engine = self.app.kairos
        owned = engine.assignment.owned(self.app.consumer.assignment())
        begun = time.monotonic()
        new = await engine.stores.hold(owned)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return engine.counts.restored(await self._catch_up(owned, new), time.monotonic() - begun)
                except KafkaError as error:
                    log.warning("restoring: %s; trying again", error)
                    await asyncio.sleep(RETRY_S)

    async def _catch_up(self, owned: dict[str, set[int]], new: set[tuple[str, int]]) -> int:
        """Returns how many changelog records were read."""
        engine = self.app.kairos
        jobs = {
            TopicPartition(engine.settings.topic(table.changelog), partition): (table, partition)
            for table in tables_of(engine.role)
            for partition in owned[table.name]
        }
        if not jobs:
            return 0
        records = 0
        reader = changelog_reader(engine.client_options)
        await reader.start()
        try:
            first, ends = await reader.beginning_offsets(list(jobs)), await reader.end_offsets(list(jobs))
            reader.assign(list(jobs))
            for partition in await self._untrusted(reader, jobs, new, first, ends):
                await engine.stores.reset(partition)
            for place, (table, partition) in jobs.items():
                reader.pause(*jobs)
                reader.resume(place)
                store = engine.stores.table(table, partition)
                records += max(0, ends[place] - max(store.changelog_next, first[place]))
                stale = await catch_up(reader, place, store, first[place], ends[place], _free)
                engine.assignment.restored(table, partition, ends[place], stale)
            return records
        finally:
            await reader.stop()

    async def _untrusted(
        self,
        reader: AIOKafkaConsumer,
        jobs: dict[TopicPartition, tuple[Table, int]],
        new: set[tuple[str, int]],
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
            elif (table.name, partition) in new and store.tail and local - 1 >= first[place]:
                reader.pause(*jobs)
                reader.resume(place)
                record = await record_at(reader, place, local - 1)
                if record is not None and fingerprint(record.key, record.value) != store.tail:
                    bad.add(partition)
        return bad


def _free() -> None:
    """No lane of this partition runs while Faust recovers."""


def starts_at(tp: TP, committed: int | None, first: int, applied: int | None, forgets: bool = False) -> int:
    """Where reading of a source partition starts: after what its state contains; without state, where the group stood.

    A table that `forgets` old rows, and whose changelog therefore does, too, may find nothing of itself after a long silence, or be behind
    what its topic still has: it keeps nothing but what stands on the topic, so it reads that from its beginning.

    Raises RuntimeError if the group has committed more than the state contains: then state was lost, and going on would decide on less
    than happened.
    """
    if applied is None:
        return first if committed is None else committed
    if forgets:
        return max(first, applied + 1)
    if committed is not None and committed > applied + 1:
        raise RuntimeError(f"{tp.topic}[{tp.partition}] is committed up to {committed}, its changelog ends at {applied + 1}: lost state")
    if applied < 0:
        return first if committed is None else committed
    return applied + 1
