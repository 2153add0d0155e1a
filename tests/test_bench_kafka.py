"""`kairos bench` on a real Kafka: tiny runs of every figure end with figures that can be, and leave no topic behind."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.commands.bench import bench
from app.engine.topics import admin
from app.settings import Settings

pytestmark = pytest.mark.kafka


@pytest.fixture
def run(kafka_broker: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    def one(*arguments: str) -> dict[str, dict[str, float]]:
        file = tmp_path / "figures.json"
        small = ["--broker", kafka_broker, "--partitions", "2", "--repeats", "1", "--json", str(file)]
        done = CliRunner().invoke(bench, [*arguments, *small])
        assert done.exit_code == 0, done.output
        assert asyncio.run(_left(kafka_broker)) == []
        figures: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["figures"]
        return {row: {name: one["median"] for name, one in figures.items()} for row, figures in figures.items()}

    return one


async def _left(broker: str) -> list[str]:
    async with admin(Settings(broker=broker)) as client:
        return [name for name in await client.list_topics() if "bench-" in name]


def test_stage_beside_its_rivals(run) -> None:  # type: ignore[no-untyped-def]
    figures = run("stage", "--events", "2000", "--people", "50", "--beside", "faust", "--beside", "aiokafka", "--faust-events", "100")
    assert set(figures) == {"kairos", "faust", "aiokafka"}
    for row in figures.values():
        assert 0 <= row["cpu_us"] < 1_000_000 and row["per_s"] > 0 and row["rss_mb"] > 20


def test_pipeline(run) -> None:  # type: ignore[no-untyped-def]
    figures = run("pipeline", "--events", "1000", "--people", "50")
    assert figures["people"]["sends"] == 50  # everybody is welcomed once
    assert figures["mix"]["events"] == 1000 and 0 < figures["mix"]["cpu_us"] < 100_000
    assert 20 < figures["due"]["sends"] <= 50 and figures["due"]["cpu_us"] > 0


def test_timers(run) -> None:  # type: ignore[no-untyped-def]
    # CPU is told in hundredths of a second: of a run this small it may be none
    figures = run("timers", "--timers", "1000", "--people", "100", "--rate", "50", "--seconds", "4")
    assert {"schedule", "cancel", "fire", "real clock"} == set(figures)
    assert all(figures[part]["cpu_us"] >= 0 for part in ("schedule", "cancel", "fire"))
    assert figures["schedule"]["disk_bytes"] > 0
    assert 0 < figures["real clock"]["p50_ms"] < 30_000


def test_recovery(run) -> None:  # type: ignore[no-untyped-def]
    figures = run("recovery", "--events", "2000", "--people", "500", "--session-ms", "3000", "--rate", "100")
    assert figures["cold start"]["records"] > 400 and figures["cold start"]["records_s"] > 0
    assert 1 < figures["kill"]["silence_s"] < 60


def test_latency(run) -> None:  # type: ignore[no-untyped-def]
    figures = run("latency", "--rate", "50", "--probes", "10", "--seconds", "2", "--people", "20")
    # from event to finished message; A-270 allows 15 minutes
    assert figures["50/s"]["n"] >= 15 and figures["50/s"]["lost"] == 0
    assert 0 < figures["50/s"]["p50_ms"] < 30_000


def test_scale(run) -> None:  # type: ignore[no-untyped-def]
    figures = run("scale", "--people", "60", "--events", "1000", "--workers", "1,2", "--idle-seconds", "1")
    assert set(figures) == {"idle worker", "60 customers, 1 worker", "60 customers, 2 workers"}
    assert figures["idle worker"]["rss_mb"] > 20
