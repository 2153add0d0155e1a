"""`kairos bench`: its workload is what it says, its measurements measure, and a small run ends with figures."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.commands.bench import bench
from app.domain import contract
from app.edges import process, workload


def test_the_mix_is_the_stated_one_and_the_same_every_time() -> None:
    some = list(workload.mix(1, 500, 20_000))
    assert some[:50] == list(islice(workload.mix(1, 500, 20_000), 50))
    kinds = Counter(event["event_type"] for _, event in some)
    for kind, share in workload.MIX:
        assert abs(kinds[kind] / len(some) - share) < 0.02
    views = [event["properties"]["dwell_seconds"] for _, event in some if event["event_type"] == "product_view"]
    assert abs(sum(dwell >= 30 for dwell in views) / len(views) - 0.5) < 0.02


def test_every_event_of_the_workload_keeps_the_contract() -> None:
    for who, event in [*workload.everybody(3), *workload.mix(1, 10, 200)]:
        contract.accept(json.dumps({"customer_id": who, **event}).encode(), 1_780_000_000_000, "here")


def test_a_process_is_measured() -> None:
    before = process.cpu(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert process.cpu(os.getpid()) > before
    assert process.cpu(None) == 0.0
    assert process.peak_rss(os.getpid()) > 1_000_000
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        assert process.listening(ours.getsockname()[1]) == os.getpid()


@pytest.mark.kafka
def test_a_small_pipeline_ends_with_figures(kafka_broker: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    small = ["--events", "1000", "--people", "50", "--partitions", "2", "--repeats", "1"]
    done = CliRunner().invoke(bench, ["pipeline", "--broker", kafka_broker, *small, "--json", str(file)])
    assert done.exit_code == 0, done.output
    stages = json.loads(file.read_text("utf-8"))["stages"]
    assert stages["people"]["sends"]["median"] == 50  # everybody is welcomed once
    assert stages["mix"]["events"]["median"] == 1000
    assert 0 < stages["mix"]["cpu_us"]["median"] < 100_000
