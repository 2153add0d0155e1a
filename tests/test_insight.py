"""Both roles of a real worker on real Kafka: facts become the day's figures, profiles go out, and a crash costs neither."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from app import events
from app.domain.population import bin_of
from app.engine.clock import wall_ms
from app.events import Counted
from app.flow import DAY_MS
from tests.kafka import logs
from tests.kafka.cluster import ROOT, Cluster, Worker, free_port

pytestmark = pytest.mark.kafka
CUSTOMERS = 50


async def until(question: Callable[[], Awaitable[Any]], wanted: Callable[[Any], Any], tries: int = 480) -> Any:
    """Asks four times a second until the answer is as wanted; returns it."""
    answer = None
    for _ in range(tries):
        answer = await question()
        if wanted(answer):
            return answer
        await asyncio.sleep(0.25)
    raise AssertionError(f"still {str(answer)[:500]} after {tries} tries")


class Asked:
    """A worker's HTTP."""

    def __init__(self, worker: Worker, session: aiohttp.ClientSession) -> None:
        self._worker, self._session = worker, session

    async def __call__(self, path: str) -> tuple[int, Any]:
        try:
            async with self._session.get(f"http://127.0.0.1:{self._worker.http}{path}") as answer:
                return answer.status, await (answer.text() if path == "/metrics" else answer.json())
        except aiohttp.ClientError:
            return 0, None


async def produce(cluster: Cluster, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.broker)
    await producer.start()
    try:
        for key, value in records:
            await producer.send(cluster.prefix + topic, value, key)
    finally:
        await producer.stop()


def event(number: int, event_type: str, who: str, **properties: Any) -> tuple[bytes, bytes]:
    told = {"event_id": f"e{number}", "event_type": event_type, "customer_id": who, "properties": properties}
    return who.encode(), orjson.dumps({**told, "timestamp": events.iso(wall_ms())})


async def test_facts_become_figures_and_profiles_go_out(kafka_broker: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka_broker, f"insight-{int(time.time())}-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)
    yesterday = wall_ms() - DAY_MS
    facts = [Counted(yesterday, (("clv", None, bin_of("clv", 10_000 * n)),)) for n in range(1, CUSTOMERS + 1)]
    await produce(cluster, "facts", [(b"clv", events.encode(fact)) for fact in facts])
    worker = cluster.worker("w1")
    worker.http = free_port()
    async with aiohttp.ClientSession() as session:
        ask = Asked(worker, session)
        try:
            worker.start()
            _, told = await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
            assert set(told["roles"]) == {"core", "insight"} and all(one["ready"] for one in told["roles"].values())

            # The clock's first tick ends yesterday: its figures are published and become active in every lane.
            shows = ("kairos_population_age_seconds", 'records_total{topic="facts"}', 'lag_records{partition="0",topic="facts"}')
            await until(lambda: ask("/metrics"), lambda answer: all(one in answer[1] for one in shows))
            shown = await asyncio.to_thread(cluster.command, "population", "--json")
            assert shown.returncode == 0, shown.stderr
            found = orjson.loads(shown.stdout)
            assert found["ref"].startswith("population@") and found["figures"]["clv"]["people"] == CUSTOMERS
            journal = (await logs.read(cluster.broker, cluster.prefix, ("journal",)))["journal"]
            for messages in journal.values():
                active = [events.journal.decode(one.value) for one in messages if one.key is None]
                assert found["ref"] in [one.ref for one in active if isinstance(one, events.Activation)]

            # A burst of one person is told as it begins, and 10 s later with all of it.
            await produce(cluster, "customer_events", [event(n, "product_view", "ann", product_id=f"p{n}") for n in range(20)])
            _, profile = await until(lambda: told_of(cluster, "ann"), lambda told: len(told) == 2)
            assert profile["customer_id"] == "ann" and profile["propensity"]["engagement"] == 0.5

            worker.kill()
            worker.start()
            await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
            await produce(cluster, "customer_events", [event(99, "purchase", "ann", order_id="o1", total=50)])
            await until(lambda: told_of(cluster, "ann"), lambda told: told[-1]["orders"] == 1)
            again = await asyncio.to_thread(cluster.command, "population", "--json")
            assert orjson.loads(again.stdout)["figures"] == found["figures"], "counted twice, or lost, over the crash"
            text = await asyncio.to_thread(cluster.command, "population")
            assert f"{CUSTOMERS} people" in text.stdout

            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, 30) == 0
            left = await asyncio.to_thread(leave, worker)
            assert left == ["core: left the group", "insight: left the group"]
        finally:
            cluster.stop()
            await cluster.delete_topics()


async def told_of(cluster: Cluster, who: str) -> list[dict[str, Any]]:
    """What went out of a person, in order."""
    found = await logs.read(cluster.broker, cluster.prefix, ("profiles",))
    told = [orjson.loads(one.value) for messages in found["profiles"].values() for one in messages if one.value]
    return [one for one in told if one["customer_id"] == who]


def leave(worker: Worker) -> list[str]:
    env = worker._cluster.env(worker.name, worker.datadir)
    command = [sys.executable, "-m", "app", "worker", "--leave"]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout.splitlines()
