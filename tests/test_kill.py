"""Kill proofs on real Kafka with real worker processes: no message lost, none doubled, nobody reminded of what she has bought.

Twelve runs; `python -m tests.prove_kills` does as many as asked and records them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.cluster import ROOT, Broker, missing
from tests.kafka.run import PLANS, Plan, run

pytestmark = pytest.mark.kafka

RUNS = [(plan, seed) for seed in (1, 2) for plan in PLANS][:12]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if reason := missing():
        pytest.skip(reason)
    broker = Broker(tmp_path_factory.mktemp("kafka"), ROOT / ".kairos" / "kafka")
    broker.start()
    yield broker
    broker.stop()


@pytest.mark.parametrize(("plan", "seed"), RUNS, ids=[f"{plan.name}-{seed}" for plan, seed in RUNS])
async def test_kill(plan: Plan, seed: int, broker: Broker, tmp_path: Path) -> None:
    report = await run(plan, seed, broker, tmp_path)
    print(report.line)
    assert not report.wrong, "\n".join([*report.log, *report.wrong[:30], f"logs in {tmp_path}" if os.environ.get("KEEP") else ""])
    assert report.figures["sends"] > 100
