"""`kairos bench`: the figures of the performance goal, measured on the reader's own machine against a real Kafka.

Worker CPU is what counts: wall time on a shared machine tells as much about its other tenants. Every run gets topics and a datadir of
its own and removes them; repeats are reported as median (min-max).
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
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
from app.edges import process
from app.edges.progress import Bar
from app.events import iso

MIX = (("product_view", 0.70), ("cart_add", 0.15), ("email_click", 0.10), ("purchase", 0.05))
"""Shares of the pipeline's input; half of the views are long enough to open a window."""
PRODUCTS = 2_000
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
        self.random = random.Random(seed)
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
            people = await self._stage("people", self._everybody(), 2 * self.people)
            mix = await self._stage("mix", self._mix(events), events)
            return {"people": people, "mix": mix}
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
            await self._delete_topics()

    def _everybody(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for n in range(self.people):
            who = f"c-{n:07d}"
            yield who, {"event_type": "identify", "properties": {"traits": {"email": f"{who}@example.com", "first_name": "Ada"}}}
            yield who, {"event_type": "consent_give", "properties": {"purposes": ["email", "personalise"]}}

    def _mix(self, events: int) -> Iterator[tuple[str, dict[str, Any]]]:
        rng = self.random
        kinds = rng.choices([name for name, _ in MIX], [share for _, share in MIX], k=events)
        for n, kind in enumerate(kinds):
            yield f"c-{rng.randrange(self.people):07d}", {"event_type": kind, "properties": self._properties(kind, n)}

    def _properties(self, kind: str, n: int) -> dict[str, Any]:
        rng = self.random
        number = rng.randrange(PRODUCTS)
        product = {
            "product_id": f"p{number}",
            "product_name": f"Product number {number}",
            "category": f"category-{number % 40}",
            "price": number % 190 + 9.9,
            "currency": "EUR",
            "url": f"https://shop.example/p/{number}",
            "image": f"https://shop.example/i/{number}.jpg",
        }
        match kind:
            case "product_view":
                return {**product, "dwell_seconds": rng.randrange(30, 90) if n % 2 else rng.randrange(1, 30)}
            case "cart_add":
                return {**product, "quantity": 1}
            case "email_click":
                return {"send_id": f"mail-{n}", "link": product["url"]}
            case _:
                return {"order_id": f"o-{n}", "total": product["price"], "currency": "EUR", "products": [{**product, "quantity": 1}]}

    async def _stage(self, name: str, input_events: Iterator[tuple[str, dict[str, Any]]], total: int) -> Stage:
        """Puts the input on the topic, starts a worker on it, and measures until everything behind it is done."""
        before = await self._ends(("message_sends",))
        await self._fill(name, input_events, total)
        journal = sum((await self._ends(("journal",))).values())
        log = self.home / f"{name}.log"
        with log.open("wb") as out, Bar(f"{name}: worker", total) as bar:
            worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "app", "worker", env=self.env, stdout=out, stderr=out)
            try:
                start, last = None, (time.monotonic(), 0.0, 0.0)
                deadline = time.monotonic() + LIMIT_S
                while True:
                    if worker.returncode is not None:
                        raise Outage(f"the worker ended with {worker.returncode}: {log.read_text('utf-8', 'replace')[-500:]}")
                    if time.monotonic() > deadline:
                        raise Outage(f"{name}: not done after {LIMIT_S} s")
                    grown = sum((await self._ends(("journal",))).values()) - journal
                    now = (time.monotonic(), process.cpu(worker.pid), process.cpu(self.broker_pid))
                    if start is None and grown > 20 * self.partitions:
                        start = last  # the sample before it began: start-up is not measured
                    bar.at(min(grown, total))
                    if start is not None and grown >= total and await self._drained():
                        break
                    last = now
                    await asyncio.sleep(SAMPLE_S)
                rss = process.peak_rss(worker.pid)
                sends = sum((await self._ends(("message_sends",))).values()) - sum(before.values())
            finally:
                if worker.returncode is None:
                    worker.send_signal(signal.SIGTERM)
                await asyncio.wait_for(worker.wait(), 60)
        broker_cpu = None if self.broker_pid is None else now[2] - start[2]
        return Stage(total, now[0] - start[0], now[1] - start[1], broker_cpu, rss, sends)

    async def _fill(self, name: str, input_events: Iterator[tuple[str, dict[str, Any]]], total: int) -> None:
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
        ends = await self._ends(("customer_events", "journal", "message_plans"))
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

    async def _ends(self, topics: tuple[str, ...]) -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.broker, group_id=None)
        await consumer.start()
        try:
            places = [TopicPartition(self.prefix + topic, n) for topic in topics for n in range(self.partitions)]
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
