"""The clock: the only part of Kairos that reads a wall clock. It runs where `control` is owned.

Each interval it notes a round, and writes a tick to every journal partition with the low-water mark; once a UTC day, and when it starts,
to `facts`, too. It also fans activations out, and on a fresh cluster activates the pack the settings name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app import events
from app.engine.artifacts import POLICY, publish
from app.engine.letter import dead_letter
from app.engine.origin import pack_origin
from app.engine.patience import patient
from app.engine.program import Output
from app.engine.rounds import Rounds
from app.events import Activate, Activation, Artifact, LeaveOut, Progress, Tick, Undecodable, derived_id
from app.flow import DAY_MS, Stage

log = logging.getLogger("kairos.clock")

SKEW_MS = 60_000
"""Broker time and own time further apart: no ticks, an alarm."""
REPORTS = 3
"""Intake's reports per interval."""
WITNESS_MS = 10_000
"""How long a comparison of the two clocks is believed."""
KNOWN_S = 30.0
"""How long an activation may wait for its artifact before it is refused."""


class TimeMap(Protocol):
    """Broker time (ms) → journal time (ms), never back; `interval`: journal ms between two ticks. Identity but in the accelerated demo."""

    @property
    def interval(self) -> int: ...

    def __call__(self, broker_ms: int) -> int: ...


class RealTime:
    """Journal time is the broker's."""

    def __init__(self, interval: int) -> None:
        self.interval = interval

    def __call__(self, broker_ms: int) -> int:
        return broker_ms


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Clock:
    """Rounds, ticks and activations."""

    def __init__(self, engine: Any, time_map: TimeMap) -> None:
        self._engine, self._time_map = engine, time_map
        self._settings = engine.settings
        self.rounds = Rounds()
        self.ticks = 0
        self.skew_ms: int | None = None
        """Own time minus the broker's, as last witnessed."""
        self._witnessed_at = 0
        self._ticked = (0, 0)
        self._day = 0
        """UTC day number of the last tick that went to `facts`."""
        self._read_to = 0
        self._read_first: int | None = None

    # --- control records (the lane of `control` calls this) ---

    async def work(self, records: list[Any], last: int) -> None:
        """One stretch of `control`. What it publishes is acked before it returns."""
        for incoming in records:
            self._witness(incoming.timestamp)
            try:
                record = events.control.decode(incoming.value)
            except Undecodable as error:
                await self._bury(incoming, str(error))
                continue
            if isinstance(record, Progress):
                self.rounds.report(record.positions, self._time_map(wall_ms()))
            elif isinstance(record, LeaveOut):
                log.warning("partition %d of customer_events is left out of the low-water mark until %d", record.partition, record.until)
                self.rounds.leave_out(record.partition, record.until)
            elif isinstance(record, Activate):
                await self._activate(incoming, record)
        self._read_to = last + 1

    async def _activate(self, incoming: Any, record: Activate) -> None:
        if not await self._engine.artifacts.known(record.ref, KNOWN_S):
            await self._bury(incoming, f"artifact {record.ref} is not on the artifacts topic")
            return
        value = events.encode(Activation(self._time_map(wall_ms()), record.kind, record.ref))
        outputs = [
            Output("journal", None, value, partition=partition, headers=pack_origin(Stage.CLOCK, 0, incoming.offset, partition))
            for partition in range(self._settings.partitions)
        ]
        await self._engine.producer.publish(outputs)
        # Only now: whoever sees the pointer may rely on the activation being in every journal partition.
        pointer = events.encode_json(Artifact(record.kind, record.ref))
        await self._engine.producer.publish([Output("artifacts", f"active/{record.kind}".encode(), pointer, partition=0)])
        log.info("activated %s", record.ref)

    async def _bury(self, incoming: Any, message: str) -> None:
        self._engine.counts.buried("clock", "undecodable")
        letter_id = derived_id("dead", "control", "0", str(incoming.offset))
        reasons = [{"path": "", "message": message}]
        letter = dead_letter(letter_id, "clock", "control", 0, incoming, "undecodable", reasons, incoming.timestamp)
        letter.headers = pack_origin(Stage.CLOCK, 0, incoming.offset, self._settings.partitions)
        await self._engine.producer.publish([letter])

    def _witness(self, broker_ms: int) -> None:
        """Compares the clocks. A record read late looks like a slow broker clock, so the smallest difference lately counts."""
        skew, now = wall_ms() - broker_ms, wall_ms()
        if self.skew_ms is None or abs(skew) <= abs(self.skew_ms) or now - self._witnessed_at > WITNESS_MS:
            self.skew_ms, self._witnessed_at = skew, now

    # --- tasks ---

    async def run(self) -> None:
        """Ticks while this worker owns `control`; ends only by cancellation."""
        ends = AIOKafkaConsumer(**self._engine.client_options, enable_auto_commit=False)
        patient(ends._client)
        await ends.start()
        place = self._settings.topic("customer_events")
        places = [TopicPartition(place, partition) for partition in range(self._settings.partitions)]
        begun = False
        try:
            while True:
                slept = asyncio.create_task(asyncio.sleep(self._settings.tick_ms / 1000))
                if self._engine.owns_control():
                    try:
                        if not begun:
                            begun = await self._begin(ends)
                        await self._tick(ends, places)
                    except KafkaError as error:
                        log.warning("no tick: %s", error)
                await slept
        finally:
            await ends.stop()

    async def _tick(self, ends: AIOKafkaConsumer, places: list[TopicPartition]) -> None:
        now = self._time_map(wall_ms())
        found = await ends.end_offsets(places)
        self.rounds.note(now, {tp.partition: end for tp, end in found.items()})
        if self.skew_ms is None:
            return  # nobody has reported yet
        if abs(self.skew_ms) > SKEW_MS:
            log.critical("own clock and the broker's differ by %d s: no ticks until they agree", self.skew_ms // 1000)
            return
        low_water = self.rounds.low_water
        if (now, low_water) == self._ticked or not self._engine.owns_control():
            return
        value = events.encode(Tick(now, low_water, self._time_map.interval))
        outputs = [Output("journal", None, value, partition=partition) for partition in range(self._settings.partitions)]
        if (day := low_water // DAY_MS) != self._day:
            outputs.append(Output("facts", None, value, partition=0))
        await self._engine.producer.publish(outputs)
        self._ticked, self._day = (now, low_water), day
        self.ticks += 1

    async def _begin(self, ends: AIOKafkaConsumer) -> bool:
        """On a fresh cluster, once all of `control` is read, asks for the pack of the settings. True when there is nothing left to do."""
        artifacts = self._engine.artifacts
        if not artifacts.caught_up:
            return False
        if artifacts.active.get(POLICY) is not None or self._engine.fresh_pack is None:
            return True
        if self._read_first is None:
            place = TopicPartition(self._settings.topic("control"), 0)
            self._read_first = (await ends.end_offsets([place]))[place]
        if self._read_to < self._read_first:
            return False  # somebody may have published and activated a pack before any worker ran
        ref, data = await asyncio.to_thread(self._engine.fresh_pack)
        await publish(self._engine.producer, POLICY, ref, data)
        await self._engine.producer.publish([Output("control", None, events.encode(Activate(wall_ms(), POLICY, ref)), partition=0)])
        log.info("fresh cluster: asked for %s", ref)
        return True

    async def report(self) -> None:
        """Intake's side: tells the clock how far it has acked, several times an interval; ends only by cancellation."""
        while True:
            await asyncio.sleep(self._settings.tick_ms / 1000 / REPORTS)
            positions = self._engine.acked_positions()
            if positions:
                record = Progress(wall_ms(), positions)
                try:
                    await self._engine.producer.publish([Output("control", None, events.encode(record), partition=0)])
                except KafkaError as error:
                    log.warning("no progress report: %s", error)
