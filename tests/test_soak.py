"""The soak in small: two minutes of faults on real Kafka, and proof that its judges would notice what a long one is for."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.kafka import load, vitals
from tests.kafka.soak import Soak, soak
from tests.kafka.stores import Local
from tests.kafka.vitals import Vitals, growing, slope, unexplained

MB = 1_000_000


def life(hours: float, leak_mb_h: float = 0.0, files_h: float = 0.0, rocksdb: int = 60 * MB, seed: int = 1) -> list[Vitals]:
    """A process sampled every 5 s: the heap goes up and down by garbage, and up for ever by a leak; the cache fills in the first hour."""
    dice = random.Random(seed)
    samples = []
    for n in range(int(hours * 720)):
        seconds = n * 5.0
        garbage = (n % 24) * 0.4 * MB + dice.uniform(-2, 2) * MB
        cache = int(min(1.0, seconds / 3600) * rocksdb)
        heap = 300 * MB + garbage + leak_mb_h * MB * seconds / 3600
        files = 60 + int(files_h * seconds / 3600) + dice.choice((0, 0, 2))
        samples.append(Vitals(seconds, "w2", 7, int(heap + cache), cache, files, 0, 0))
    return samples


def test_half_an_hour_of_garbage_and_a_filling_cache_is_no_leak() -> None:
    assert growing(life(0.5)) == []
    assert growing(life(8.0)) == []


def test_a_leak_of_a_kilobyte_per_hundred_events_shows_in_half_an_hour() -> None:
    [wrong] = growing(life(0.5, leak_mb_h=30.0))
    assert "memory grows" in wrong and "w2" in wrong


def test_eight_hours_tell_a_megabyte_an_hour() -> None:
    assert growing(life(8.0, leak_mb_h=2.0), leak_mb_h=1.0)
    assert growing(life(8.0, leak_mb_h=0.2), leak_mb_h=1.0) == []


def test_a_life_of_two_minutes_tells_nothing_of_memory() -> None:
    assert growing(life(0.05, leak_mb_h=5_000.0)) == []


def test_files_that_are_never_closed_show() -> None:
    [wrong] = growing(life(0.5, files_h=90.0))
    assert "open files" in wrong


def test_a_slope_is_a_slope() -> None:
    exact = slope([(0.0, 0.0), (1800.0, 5.0 * MB), (3600.0, 10.0 * MB)])
    assert exact is not None and exact.mb_h == pytest.approx(10.0) and exact.error == pytest.approx(0.0, abs=1e-6)
    assert slope([(0.0, 1.0), (1.0, 1.0)]) is None


def test_disk_that_no_live_state_explains_shows() -> None:
    left = [Local("people", n, 1, {b"p%d" % n: b"x" * 50 * MB}, set(), set()) for n in range(2)]
    assert vitals.live_bytes(left) == pytest.approx(100 * MB, rel=0.01)
    assert unexplained(400 * MB, left) == []
    assert unexplained(1000 * MB, left)


def test_what_is_sent_again_is_the_same_to_the_letter() -> None:
    """Else the story would hang on which of both came first: the first may lie under a wrong key until intake puts it back."""
    planned = load.play(7, 200, 20.0, 300)
    first = {one.event["event_id"]: one for one in reversed(planned) if one.event is not None and one.kind == "good"}
    again = [one for one in planned if one.event is not None and one.kind == "duplicate"]
    assert len(again) > 20
    for one in again:
        original = first[(one.event or {})["event_id"]]
        assert load.encoded(one, 1_000.0 + one.after) == load.encoded(original, 1_000.0 + original.after)


@pytest.mark.kafka
async def test_two_workers_under_load_and_faults_lose_nothing_and_come_to_rest(kafka_broker: str, tmp_path: Path) -> None:
    """`kafka_broker` skips where there can be none; the soak kills its own."""
    with (tmp_path / "soak.jsonl").open("w", encoding="utf-8") as out:
        report = await soak(Soak(50.0, rate=80.0, fault_every=9.0, broker_every=4, sample_every=2.0), tmp_path, out)
    print(report.line)
    assert not report.wrong, "\n".join([*report.log, *report.wrong[:30]])
    lines = [json.loads(line) for line in (tmp_path / "soak.jsonl").read_text("utf-8").splitlines()]
    assert {line["fault"] for line in lines if line["kind"] == "fault"} == {"killed", "restarted", "asleep", "broker"}
    assert lines[-1]["kind"] == "summary" and lines[-1]["exact"]
    assert len([line for line in lines if line["kind"] == "sample"]) > 20
    assert report.figures["sends"] > 500
    assert report.figures["events"] > 2_500
