"""Toy runs on real Kafka: load, processes, and the judge, who folds the journal as it lies, one record at a time, over dicts."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from app import events
from app.engine.origin import Marks, read_origin
from app.engine.partition import partition_of
from app.engine.program import journal_now
from app.engine.rows import HEADER_SIZE, MARKS, read_header
from app.engine.store import PartitionStore
from app.events import Activation, Tick
from app.flow import Stage
from app.settings import Settings
from tests import toy

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("start", "stop", "view", "view", "long", "view")


class Run:
    """One cluster of toy workers under a topic prefix of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.started: list[subprocess.Popen[bytes]] = []
        self.sent: dict[str, tuple[str, str]] = {}
        self.ready_seen: dict[str, int] = {}
        """Worker → how many `ready` lines of its log were waited for."""

    def worker(self, name: str = "w", failpoint: str = "", **more: str) -> subprocess.Popen[bytes]:
        settings = self.settings
        env = {
            **os.environ,
            "KAIROS_BROKER": settings.broker,
            "KAIROS_TOPIC_PREFIX": settings.topic_prefix,
            "KAIROS_PARTITIONS": str(settings.partitions),
            "KAIROS_DATADIR": str(self.folder / name),
            "KAIROS_TICK_MS": str(settings.tick_ms),
            "KAIROS_SESSION_MS": str(settings.session_ms),
            "KAIROS_FAILPOINT": failpoint,
            **more,
        }
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen([sys.executable, "-m", "tests.engine_toy"], env=env, stdout=log, stderr=log, cwd=ROOT)
        self.started.append(process)
        return process

    def end(self) -> None:
        """Leaves no process behind, whatever became of the test."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    async def feed_until(self, over: asyncio.Event, people: int, seed: int) -> None:
        """Goes on sending, about 100 events a second, until told to stop."""
        while not over.is_set():
            await self.feed(100, people, seed, 1.0)
            seed += 1000

    async def feed(self, count: int, people: int, seed: int, spread_s: float) -> None:
        """Sends `count` events over `spread_s` seconds."""
        dice = random.Random(seed)
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.broker, enable_idempotence=True, linger_ms=5)
        await producer.start()
        topic = self.settings.topic("customer_events")
        try:
            for n in range(count):
                who, kind, name = f"p{dice.randrange(people)}", dice.choice(KINDS), f"{seed}-{n}"
                self.sent[name] = (who, kind)
                value = json.dumps({"id": name, "who": who, "kind": kind}).encode()
                await producer.send(topic, value, key=who.encode(), partition=partition_of(who.encode(), self.settings.partitions))
                if n % 20 == 19:
                    await asyncio.sleep(spread_s * 20 / count)
            await producer.flush()
        finally:
            await producer.stop()

    async def settled(self, limit_s: float = 60.0) -> None:
        """Waits until every event has been through the journal and no wait is open any more."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            found = await self.read("decisions")
            seen = {json.loads(one.value)[0] for one in found}
            if len(seen) == len(self.sent):
                await asyncio.sleep((toy.WAIT + 10 * self.settings.tick_ms) / 1000 + 1.0)
                return
            await asyncio.sleep(1.0)
        raise AssertionError(f"{len(self.sent) - len(seen)} of {len(self.sent)} events not decided on after {limit_s} s")

    async def read(self, topic: str) -> list[Any]:
        """Every record of a topic, in order within its partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.broker, enable_auto_commit=False, isolation_level="read_committed")
        await consumer.start()
        try:
            name = self.settings.topic(topic)
            places = [TopicPartition(name, p) for p in range(1 if topic in ("control", "artifacts") else self.settings.partitions)]
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            for place in places:
                consumer.seek(place, 0)
            found: list[Any] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
            return found
        finally:
            await consumer.stop()

    async def judge(self) -> dict[str, int]:
        """Raises AssertionError at the first thing lost, doubled or different; returns counts."""
        journal = await self.read("journal")
        folded = Fold(self.settings.partitions)
        for record in sorted(journal, key=lambda one: (one.partition, one.offset)):
            folded.apply(record)
        accepted = Counter(folded.accepted)
        assert set(accepted) == set(self.sent), f"lost or invented: {list(set(accepted) ^ set(self.sent))[:5]}"
        assert max(accepted.values()) == 1, "an event was applied twice"
        repeats = 0
        for topic, expected in (("decisions", folded.decisions), ("message_plans", folded.plans)):
            there = Counter((one.key, one.value) for one in await self.read(topic))
            missing, extra = set(expected) - set(there), set(there) - set(expected)
            assert not missing and not extra, f"{topic}: {len(missing)} lost, {len(extra)} extra, e.g. {list(missing | extra)[:2]}"
            repeats += sum(there.values()) - len(there)
        await self._same_state(folded)
        return {"journal": len(journal), "plans": len(folded.plans), "skipped": folded.skipped, "repeats": repeats}

    async def _same_state(self, folded: Fold) -> None:
        want = {kind + who.encode(): body for who, group in folded.groups.items() for kind, body in toy.ToyLane().dump(group, None)}
        highest: dict[bytes, tuple[int, bytes]] = {}
        for record in await self.read("people-changelog"):
            if record.key != MARKS:
                applied = read_header(record.value)[0]
                if applied >= highest.get(record.key, (-1, b""))[0]:
                    highest[record.key] = (applied, record.value[HEADER_SIZE:])
        log = {key: body for key, (_, body) in highest.items()}
        assert log == want, f"changelog differs in {[key for key in {*log, *want} if log.get(key) != want.get(key)][:3]}"

    async def same_store(self, name: str) -> None:
        """After a clean stop: the RocksDB a worker left holds what the changelog holds, for the partitions it owned."""
        ends: dict[int, dict[bytes, bytes]] = {}
        for record in await self.read("people-changelog"):
            rows = ends.setdefault(record.partition, {})
            if record.key != MARKS and read_header(record.value)[0] >= read_header(rows.get(record.key, record.value))[0]:
                rows[record.key] = record.value
        folder = self.folder / name / f"{self.settings.topic_prefix}core" / "state"
        for path in sorted(folder.iterdir()):
            store = PartitionStore.open(path, (path / "CLUSTER").read_text())
            table = store.table("people", b"l")
            rows = {key: value for key, value in table.rows() if key != MARKS}
            assert rows == ends.get(int(path.name.split("-")[1]), {}), f"{path.name} differs from its changelog"
            due = sorted((read_header(v)[1], k[1:]) for k, v in rows.items() if k[:1] == b"p" and read_header(v)[1] >= 0)
            assert table.waiting() == due, f"{path.name}: due index differs from the rows"
            store.close()


class Fold:
    """The journal as it lies, record by record, over dicts."""

    def __init__(self, partitions: int) -> None:
        self.marks = [Marks() for _ in range(partitions)]
        self.groups: dict[str, toy.ToyGroup] = {}
        self.accepted: list[str] = []
        self.decisions: list[tuple[bytes, bytes]] = []
        self.plans: list[tuple[bytes, bytes]] = []
        self.skipped = 0

    def apply(self, incoming: Any) -> None:
        marks = self.marks[incoming.partition]
        record, origin = events.journal.decode(incoming.value), read_origin(incoming.headers)
        if isinstance(record, Tick):
            marks.now, marks.interval = max(marks.now, record.at), record.interval
            marks.low_water = max(marks.low_water, record.low_water)
            due = [(toy.toy_due(group), who) for who, group in self.groups.items() if self._here(who, incoming.partition)]
            for at, who in sorted(due):
                if 0 <= at <= marks.low_water:
                    self.groups[who], outputs = toy.toy_wake(self.groups[who], marks.now, marks.low_water)
                    self._out(outputs)
            return
        if origin is not None and (origin[0] == Stage.HANDED or marks.seen(*origin)):
            self.skipped += 1
            return
        if isinstance(record, Activation):
            return
        who = record.person_id
        group = self.groups.get(who) or toy.ToyGroup(toy.Tally(who))
        group, outputs = toy.toy_step(group, record, journal_now(record.at, marks), marks.low_water)
        if outputs or who in self.groups or group.tally.count or group.tally.answered:
            self.groups[who] = group
        if isinstance(record, events.Event):
            self.accepted.append(record.event_id)
        self._out(outputs)

    def _here(self, who: str, partition: int) -> bool:
        return partition_of(who.encode(), len(self.marks)) == partition

    def _out(self, outputs: list[Any]) -> None:
        for output in outputs:
            if output.topic == "decisions":
                self.decisions.append((output.key, output.value))
            elif output.topic == "message_plans":
                self.plans.append((output.key, output.value))


def finish(process: subprocess.Popen[bytes], limit_s: float = 10.0) -> int:
    """SIGTERM; returns the exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(limit_s)
