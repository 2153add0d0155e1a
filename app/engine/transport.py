"""Batch transport: one Faust event is one fetched stretch of one partition, not one record (100 µs a record less).

Only `Consumer` and its thread are replaced. What stays Faust's: subscription, assignment, revocation, conductor, reference counting,
commit loop. What is ours: fetching, positions, the commit offset (stock commits past unacked messages), and where reading starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import aiokafka
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CommitFailedError, IllegalStateError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from app.engine.pace import FETCH_WAIT_MS, pace
from app.engine.patience import patient
from app.engine.source import Stretch

log = logging.getLogger("kairos.transport")

FETCH_RECORDS = 4000
"""Records a stretch holds at most."""
FETCH_PARTITION_BYTES = 1024 * 1024
FETCH_BYTES = 8 * 1024 * 1024
"""Of one answer; each broker may be answering twice (pace.py)."""
HELD_PARTITION_BYTES = 4 * 1024 * 1024
HELD_BYTES = 64 * 1024 * 1024
"""Fetched and not yet acked: beyond it nothing more is fetched, so memory does not grow with the backlog."""
RECORD_OVERHEAD = 200
"""Bytes a record weighs in memory beside its key and value."""
PAUSE_S = 0.01
COMMIT_S = 3.0
"""A commit that takes longer is given up: aiokafka retries for ever, and the offsets are committed again with the next ack."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the group coordinator and fetches."""

    async def on_start(self) -> None:
        await super().on_start()
        self.app.kairos.fence.watch(self._consumer._coordinator)
        patient(self._consumer._client)
        settings = self.app.kairos.settings
        pace(self._consumer._fetcher, {settings.topic("customer_events"), settings.topic("control")})

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        # Stock hard-codes a fetch wait of 1.5 s and lets no other fetch setting through.
        conf, options = self.app.conf, self.app.kairos.client_options
        self._assignor = self.app.assignor
        return aiokafka.AIOKafkaConsumer(
            **options,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=FETCH_PARTITION_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_min_bytes=1,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def fetch(self, wanted: set[TP], epoch: int, wait_s: float) -> dict[TP, Stretch]:
        return await self.call_thread(self._fetch, wanted, epoch, wait_s)

    async def _fetch(self, wanted: set[TP], epoch: int, wait_s: float) -> dict[TP, Stretch]:
        consumer = self._ensure_consumer()
        fetcher, until = consumer._fetcher, time.monotonic() + wait_s
        with fetcher._subscriptions.fetch_context():
            while True:
                if consumer._closed or fetcher._closed:
                    raise driver.ConsumerStoppedError()
                if fetcher._subscriptions.reassignment_in_progress:
                    await asyncio.sleep(PAUSE_S)
                    return {}
                if taken := self._take(fetcher, wanted, epoch):
                    return taken
                left = until - time.monotonic()
                if left <= 0:
                    return {}
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=left)
                if not done:
                    waiter.cancel()
                elif not waiter.cancelled():
                    waiter.result()  # the coordinator's critical errors come this way

    def _take(self, fetcher: Any, wanted: set[TP], epoch: int) -> dict[TP, Stretch]:
        """What aiokafka has fetched, with the positions it covers. Synchronous, so nobody can seek in between."""
        taken: dict[TP, Stretch] = {}
        for place in list(fetcher._records):
            consumer = self.consumer
            if not consumer.flow_active or consumer.epoch != epoch:
                return {}  # between stop_flow and the seek that follows: what is taken now would be at the wrong position
            tp = TP(place.topic, place.partition)
            if tp not in wanted:
                continue
            result = fetcher._records[place]
            if type(result) is not FetchResult:
                del fetcher._records[place]
                fetcher._notify(fetcher._wait_consume_future)
                self._failed(tp, result)
                continue
            state = fetcher._subscriptions.subscription.assignment.state_value(place)
            base = state.position
            records = result.getall(FETCH_RECORDS)
            if not result.has_more():
                del fetcher._records[place]
                fetcher._notify(fetcher._wait_consume_future)
            if state.position > base:
                weight = sum(RECORD_OVERHEAD + len(one.value or b"") + len(one.key or b"") for one in records)
                taken[tp] = Stretch(base, state.position - 1, records, weight, epoch)
        return taken

    def _failed(self, tp: TP, failure: Any) -> None:
        try:
            failure.check_raise()
        except OffsetOutOfRangeError:
            # Behind retention. Going on elsewhere would silently skip events, so nothing of it is read until an operator decides.
            self.consumer.lost.add(tp)
            log.critical("%s[%d]: the next record to read is no longer there; the partition is stopped", tp.topic, tp.partition)

    async def ends(self, places: list[TP]) -> dict[TP, int]:
        return await self.call_thread(self._ends, places)

    async def _ends(self, places: list[TP]) -> dict[TP, int]:
        found = await self._ensure_consumer().end_offsets([aiokafka.TopicPartition(*tp) for tp in places])
        return {TP(tp.topic, tp.partition): end for tp, end in found.items()}

    async def starts(self, places: list[TP]) -> dict[TP, tuple[int | None, int]]:
        """Committed offset (None: none) and log start of each."""
        return await self.call_thread(self._starts, places)

    async def _starts(self, places: list[TP]) -> dict[TP, tuple[int | None, int]]:
        consumer = self._ensure_consumer()
        theirs = [aiokafka.TopicPartition(*tp) for tp in places]
        first = await consumer.beginning_offsets(theirs)
        return {TP(tp.topic, tp.partition): (await consumer.committed(tp), first[tp]) for tp in theirs}

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        await self.call_thread(self._seek_all, positions)

    async def _seek_all(self, positions: Mapping[TP, int]) -> None:
        for tp, offset in positions.items():
            self._ensure_consumer().seek(aiokafka.TopicPartition(*tp), offset)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        consumer = self._ensure_consumer()
        mine = {aiokafka.TopicPartition(*tp): offset for tp, offset in offsets.items()}
        try:
            await asyncio.wait_for(consumer.commit(mine), COMMIT_S)
        except (CommitFailedError, IllegalStateError, TimeoutError):
            return False  # rebalanced meanwhile, or no broker: whoever reads on, reads these again and skips them
        return True


class Consumer(driver.Consumer):
    """Hands out stretches, commits the contiguous acked prefix."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.epoch = 0
        """Counts stopped flows: what was fetched in an earlier one is not delivered."""
        self.positioned_epoch = -1
        self.positions: dict[TP, int] = {}
        """Next offset to deliver."""
        self.lost: set[TP] = set()
        self.starts_at: dict[TP, int] = {}
        """Where this generation began to read; a TP equals its (topic, partition)."""
        self.acked_next: dict[TP, int] = {}
        """Everything before it is acked: what intake reports, what is committed."""
        self._inflight: dict[TP, deque[tuple[int, int]]] = {}
        self._held: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def stop_flow(self) -> None:
        self.epoch += 1
        self.positions.clear()
        super().stop_flow()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.app.kairos.fence.close()
        self.stop_flow()  # stock does not where the old assignment was empty; then the first fetch could precede the seek
        await super().on_partitions_revoked(revoked)
        # What was acked is committed by now, or never by us: between the next join and the seek the commit timer would write these
        # offsets under the new generation, behind what another owner has committed meanwhile.
        self.acked_next.clear()
        self._inflight.clear()
        self._held.clear()
        self.app.kairos.failpoints.reach("revoked")

    async def perform_seek(self) -> None:
        """Positions every assigned partition where recovery says its state stands."""
        epoch = self.epoch
        starts = await self.app.kairos.assignment.starts(self.assignment())
        await self._thread.seek_all(starts)
        if epoch != self.epoch:
            return  # revoked meanwhile
        self._inflight.clear()
        self._held.clear()
        self._acked.clear()
        self._acked_index.clear()
        self._committed_offset.clear()
        self.starts_at = dict(starts)
        self.positions = dict(starts)
        self.acked_next = dict(starts)
        self.lost = {tp for tp in self.assignment() if tp not in starts}
        self.positioned_epoch = epoch
        self.app.kairos.assignment.positioned()

    def _wanted(self) -> set[TP]:
        held = self._held
        if sum(held.values()) > HELD_BYTES:
            return set()
        active = {tp for tp in self._get_active_partitions() if tp in self.positions and tp not in self.lost}
        return {tp for tp in active if held.get(tp, 0) <= HELD_PARTITION_BYTES}

    async def _hand_out(self, stretches: Mapping[TP, Stretch], epoch: int, generation: int) -> None:
        """Gives what one fetch brought to the conductor; cancelled when the flow stops.

        One task for all of them, and it seldom waits: so the lanes start together and their outputs share produce requests.
        """
        for tp, stretch in stretches.items():
            if self.epoch != epoch or self.should_stop:
                return  # the partitions are positioned anew before the flow resumes
            self.positions[tp] = stretch.last + 1
            self._inflight.setdefault(tp, deque()).append((stretch.last, stretch.weight))
            self._held[tp] = self._held.get(tp, 0) + stretch.weight
            message = ConsumerMessage(
                tp.topic, tp.partition, stretch.last, 0.0, 0, (), None, stretch, None, 0, 0, tp, generation_id=generation
            )
            await self.callback(message)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                epoch, generation = self.epoch, self.app.consumer_generation_id
                wanted = self._wanted()
                if not wanted or self.app.rebalancing:
                    # Faust resumes the flow a little before it calls the rebalance over; what came in between the lanes would drop.
                    await asyncio.sleep(PAUSE_S)
                    continue
                # A partition left out because much of it is held must not wait for the others' silence.
                wait_s = 1.0 if len(wanted) == len(self.positions) else 5 * PAUSE_S
                if stretches := await self._thread.fetch(wanted, epoch, wait_s):
                    await self.wait_first(self._hand_out(stretches, epoch, generation), self.suspend_flow.wait())
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    def ack(self, message: Any) -> bool:
        acked = bool(super().ack(message))
        if acked:
            self._advance(message.tp)
        return acked

    def _advance(self, tp: TP) -> None:
        done, waiting = self._acked_index[tp], self._inflight.get(tp)
        while waiting and waiting[0][0] in done:
            last, weight = waiting.popleft()
            done.discard(last)
            self._held[tp] -= weight
            self.acked_next[tp] = last + 1

    def _new_offset(self, tp: TP) -> int | None:
        self._acked[tp].clear()
        return self.acked_next.get(tp)

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        mine = {tp: offset for tp, offset in offsets.items() if tp in self.assignment()}
        if not mine or not await self._commit(mine):
            return False
        self._committed_offset.update(mine)
        self.app.kairos.failpoints.reach("committed")
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        # Not only those with new acks: a commit that failed is tried again with the next round.
        return (tp for tp in self.acked_next if topics is None or tp in topics or tp.topic in topics)

    async def wait_empty(self) -> None:
        """Running turns come to their end or abandon; then what is acked is committed."""
        await self.app.kairos.lanes.drain()
        with contextlib.suppress(TimeoutError):
            # The first may only wait for a commit that was already under way.
            await asyncio.wait_for(self.commit(), COMMIT_S) or await asyncio.wait_for(self.commit(), COMMIT_S)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Stock warns of slow streams; the watchdog judges progress instead."""


class Transport(driver.Transport):
    Consumer = Consumer
