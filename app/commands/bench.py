"""`kairos bench`: the figures of the performance goal, measured on the reader's own machine against a real Kafka.

Worker CPU is what counts: wall time on a shared machine tells as much about its other tenants. Every run gets topics and a datadir of
its own and removes them; repeats are reported as median (min-max).
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from msgspec import Struct

from app import settings
from app.commands.outcome import Outage
from app.edges import process, workload
from app.edges.progress import Bar
from app.events import iso

LIMIT_S = 900
"""Of one stage of one run."""
SAMPLE_S = 0.25
VERSIONS = ("aiokafka", "faust-streaming", "rocksdict", "msgspec", "orjson", "jsonschema-rs", "cel-expr-python")


class Stage(Struct, frozen=True):
    """What one worker did with one heap of input: `cpu` and `broker_cpu` in seconds, `rss` in bytes at its highest."""

    events: int
    wall: float
    cpu: float
    broker_cpu: float | None
    rss: int
    sends: int

    def row(self) -> dict[str, float | int | None]:
        """Per input event, in µs; rates per second; MB."""
        broker = None if self.broker_cpu is None else round(self.broker_cpu / self.events * 1e6, 1)
        return {
            "events": self.events,
            "cpu_us": round(self.cpu / self.events * 1e6, 1),
            "events_s": round(self.events / self.wall),
            "broker_us": broker,
            "rss_mb": round(self.rss / 1e6),
            "sends": self.sends,
        }


@click.group()
def bench() -> None:
    """The figures of the performance goal, on this machine."""


@bench.command()
@click.option("--broker", metavar="HOST:PORT", help="A running Kafka; default: KAIROS_BROKER, as for every command.")
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1_000), help="Input events of a run.")
@click.option("--people", default=50_000, show_default=True, type=click.IntRange(10))
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1024))
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(1))
@click.option("--policy", default="merged", show_default=True, help="A shipped pack or a file.")
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, too.")
def pipeline(broker: str | None, events: int, people: int, partitions: int, repeats: int, policy: str, file: Path | None) -> None:
    """customer_events to message_sends in one worker: CPU per input event, with every hop acked.

    First everybody identifies and consents (the `merged` pack welcomes each of them: messages rendered, reported apart), then the mix
    arrives as a backlog: 70 % product views, 15 % cart adds, 10 % clicks, 5 % purchases.
    """
    address = settings.load(broker=broker).broker
    runs = []
    for repeat in range(repeats):
        click.echo(f"run {repeat + 1} of {repeats}", err=True)
        bench_run = _Run(address, people, partitions, policy, repeat)
        runs.append(asyncio.run(bench_run.measure(events)))
    report = {"what": "pipeline", "at": iso(int(time.time() * 1000)), "policy": policy, "people": people, "partitions": partitions}
    report |= {"machine": _machine(), "stages": {name: _spread([run[name] for run in runs]) for name in runs[0]}}
    click.echo(_table(report))
    if file is not None:
        file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


class _Run:
    """One repeat: own topics, own datadir, one worker process at a time."""

    def __init__(self, broker: str, people: int, partitions: int, policy: str, seed: int) -> None:
        self.broker, self.people, self.partitions = broker, people, partitions
        self.prefix = f"bench-{os.getpid()}-{seed}-"
        self.seed = seed
        self.home = Path(tempfile.mkdtemp(prefix="kairos-bench-"))
        port = int(broker.split(",")[0].rpartition(":")[2])
        self.broker_pid = process.listening(port)
        self.env = {**os.environ, "KAIROS_BROKER": broker, "KAIROS_TOPIC_PREFIX": self.prefix, "KAIROS_PARTITIONS": str(partitions)}
        self.env |= {"KAIROS_DATADIR": str(self.home / "data"), "KAIROS_POLICY": policy, "KAIROS_WORKER_ID": "bench"}

    async def measure(self, events: int) -> dict[str, Stage]:
        try:
            made = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-m", "app", "topics", "create"], env=self.env, capture_output=True, text=True
            )
            if made.returncode:
                raise Outage(f"topics create: {made.stderr.strip() or made.stdout.strip()}")
            await self._activate()
            people = await self._stage("people", workload.everybody(self.people), 2 * self.people)
            mix = await self._stage("mix", workload.mix(self.seed, self.people, events), events)
            return {"people": people, "mix": mix}
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
            await self._delete_topics()

    async def _activate(self) -> None:
        """A first worker makes the pack active, or the backlog would be read under none."""
        artifacts = TopicPartition(self.prefix + "artifacts", 0)
        async with self._worker("activate") as worker:
            for _ in range(600):
                # The pack, then the pointer to it.
                if (await self._ends([artifacts]))[artifacts] >= 2:
                    return
                self._alive(worker, "activate")
                await asyncio.sleep(0.1)
        raise Outage("no pack became active within a minute")

    @asynccontextmanager
    async def _worker(self, name: str) -> AsyncIterator[Process]:
        with (self.home / f"{name}.log").open("wb") as out:
            worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "app", "worker", env=self.env, stdout=out, stderr=out)
            try:
                yield worker
            finally:
                if worker.returncode is None:
                    worker.send_signal(signal.SIGTERM)
                await asyncio.wait_for(worker.wait(), 60)

    def _alive(self, worker: Process, name: str) -> None:
        if worker.returncode is not None:
            said = (self.home / f"{name}.log").read_text("utf-8", "replace")[-500:]
            raise Outage(f"the worker ended with {worker.returncode}: {said}")

    async def _stage(self, name: str, input_events: Iterator[workload.Input], total: int) -> Stage:
        """Puts the input on the topic, starts a worker on it, and measures until everything behind it is done."""
        before = await self._size("message_sends")
        await self._fill(name, input_events, total)
        journal = await self._size("journal")
        deadline = time.monotonic() + LIMIT_S
        start, last = None, (time.monotonic(), 0.0, 0.0)
        async with self._worker(name) as worker:
            with Bar(f"{name}: worker", total) as bar:
                while True:
                    self._alive(worker, name)
                    if time.monotonic() > deadline:
                        raise Outage(f"{name}: not done after {LIMIT_S} s")
                    grown = await self._size("journal") - journal
                    now = (time.monotonic(), process.cpu(worker.pid), process.cpu(self.broker_pid))
                    if start is None and grown > 20 * self.partitions:
                        start = last  # the sample before it began: start-up is not measured
                    bar.at(min(grown, total))
                    if start is not None and grown >= total and await self._drained():
                        break
                    last = now
                    await asyncio.sleep(SAMPLE_S)
            rss = process.peak_rss(worker.pid)
            sends = await self._size("message_sends") - before
        broker_cpu = None if self.broker_pid is None else now[2] - start[2]
        return Stage(total, now[0] - start[0], now[1] - start[1], broker_cpu, rss, sends)

    async def _fill(self, name: str, input_events: Iterator[workload.Input], total: int) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.broker, acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=256 * 1024
        )
        await producer.start()
        try:
            with Bar(f"{name}: input", total) as bar:
                for n, (who, event) in enumerate(input_events):
                    record = {"event_id": f"{self.prefix}{name}{n}", "customer_id": who, "timestamp": iso(int(time.time() * 1000)), **event}
                    await producer.send(self.prefix + "customer_events", orjson.dumps(record), key=who.encode())
                    bar.at(n)
                await producer.flush()
        finally:
            await producer.stop()

    async def _drained(self) -> bool:
        """Input and plans committed to their ends; the journal but for the ticks of the last moments."""
        ends = await self._ends(self._places("customer_events", "journal", "message_plans"))
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        await admin.start()
        try:
            groups = [group for group, _ in await admin.list_consumer_groups() if group.startswith(self.prefix)]
            committed = {}
            for group in groups:
                committed.update(await admin.list_consumer_group_offsets(group))
        finally:
            await admin.close()
        for place, end in ends.items():
            done = committed[place].offset if place in committed else 0
            if end - done > (10 if place.topic.endswith("journal") else 0):
                return False
        return True

    def _places(self, *topics: str) -> list[TopicPartition]:
        return [TopicPartition(self.prefix + topic, n) for topic in topics for n in range(self.partitions)]

    async def _size(self, topic: str) -> int:
        return sum((await self._ends(self._places(topic))).values())

    async def _ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, group_id=None)
        await consumer.start()
        try:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
            return ends
        finally:
            await consumer.stop()

    async def _delete_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.broker)
        try:
            await admin.start()
            await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(self.prefix)])
        except KafkaError as error:
            click.echo(f"topics {self.prefix}* could not be removed: {error}", err=True)
        finally:
            await admin.close()


def _spread(stages: list[Stage]) -> dict[str, dict[str, float]]:
    rows = [stage.row() for stage in stages]
    spread = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        if values:
            spread[name] = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return spread


def _machine() -> dict[str, Any]:
    return {
        "cpu": process.cpu_model(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS},
    }


def _table(report: dict[str, Any]) -> str:
    head = f"{'stage':<8}{'events':>9}{'worker µs/event':>24}{'events/s':>22}{'broker µs/event':>22}{'RSS MB':>8}{'sends':>8}"
    lines = [head]
    for name, spread in report["stages"].items():

        def shown(figure: str, spread: dict[str, dict[str, float]] = spread) -> str:
            one = spread.get(figure)
            return "-" if one is None else f"{one['median']:g} ({one['min']:g}-{one['max']:g})"

        events, rss, sends = (int(spread[figure]["median"]) for figure in ("events", "rss_mb", "sends"))
        lines.append(f"{name:<8}{events:>9}{shown('cpu_us'):>24}{shown('events_s'):>22}{shown('broker_us'):>22}{rss:>8}{sends:>8}")
    machine = report["machine"]
    lines.append(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, Python {machine['python']}")
    return "\n".join(lines)
