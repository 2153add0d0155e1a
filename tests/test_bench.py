"""`kairos bench`: its workloads are what they say, its measurements measure, its programs do the work, and what needs no broker runs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import time
from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import msgspec
import orjson
import pytest
from click.testing import CliRunner

from app import events
from app.__main__ import main
from app.commands.bench import bench, crowd, stage_program
from app.commands.bench.in_process import InProcess
from app.commands.bench.options import Sizes
from app.commands.bench.percentile import percentiles
from app.commands.bench.profile_dict import update
from app.commands.bench.report import spread
from app.commands.bench.shares import places
from app.commands.bench.spent import Sample, first
from app.commands.bench.table import GOALS, markdown
from app.commands.bench.timers_program import TimersProgram
from app.commands.bench.worker import Shifted
from app.commands.built import artifact
from app.commands.outcome import Outage
from app.domain import contract, person
from app.edges import process, workload
from app.engine.memory import MemoryStore
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Tick
from app.settings import load

SECOND = 1000


def run(*arguments: str) -> dict[str, Any]:
    """Figures of a bench that must succeed."""
    runner = CliRunner()
    with runner.isolated_filesystem():
        done = runner.invoke(bench, [*arguments, "--json", "figures.json"])
        assert done.exit_code == 0, done.output
        return dict(json.loads(Path("figures.json").read_text("utf-8"))["figures"])


# --- workloads ----------------------------------------------------------------------------------------------------------------


def test_the_mix_is_the_stated_one_and_the_same_every_time() -> None:
    some = list(workload.mix(1, 500, 20_000))
    assert some[:50] == list(islice(workload.mix(1, 500, 20_000), 50))
    kinds = Counter(event["event_type"] for _, event in some)
    for kind, share in workload.MIX:
        assert abs(kinds[kind] / len(some) - share) < 0.02
    views = [event["properties"]["dwell_seconds"] for _, event in some if event["event_type"] == "product_view"]
    assert abs(sum(dwell >= 30 for dwell in views) / len(views) - 0.5) < 0.02


def test_every_event_of_the_workloads_keeps_the_contract() -> None:
    told = [*workload.everybody(3), *workload.mix(1, 10, 200), *workload.everybody_looks(3), *workload.calm(20, 3), workload.probe(7, 3)]
    for key, value in workload.records("e-", told, lambda: 1_780_000_000_000):
        assert contract.accept(value, 1_780_000_000_000, "here").customer_id == key.decode()


@pytest.mark.parametrize("hour", [0, 1, 11, 12, 13, 23])
def test_where_everybody_lives_it_is_noon(hour: int) -> None:
    (_, event), _ = workload.everybody(1, workload.utc_hour(1_780_012_800_000 + hour * 3_600_000))
    there = ZoneInfo(event["context"]["timezone"])
    assert datetime.fromtimestamp(1_780_012_800 + hour * 3_600, there).hour == 12


def test_the_stage_reads_the_bytes_that_the_peers_read() -> None:
    some = list(workload.stage_events(1_000, 50_000))
    assert 284 < sum(len(value) for _, value in some) / len(some) < 286
    assert hashlib.blake2b(b"".join(key + value for key, value in some), digest_size=8).hexdigest() == "61914953d97a711b"


def test_timers_are_begun_once_each_and_some_are_ended() -> None:
    order, gone = workload.timer_pairs(100, 30)
    assert sorted(order) == list(range(100)) and order != list(range(100))
    assert len(set(gone)) == 30 and set(gone) < set(order)


# --- the programs -------------------------------------------------------------------------------------------------------------


def test_kairos_and_its_rivals_do_the_same_work() -> None:
    program = stage_program.StageProgram()
    mine: dict[bytes, stage_program.Profile] = {}
    theirs: dict[bytes, dict[str, Any]] = {}
    rows, outputs = [], []
    for number, (key, value) in enumerate(workload.stage_events(3_000, 100)):
        _, event = program.read(Logged(number, 0, key, value))
        mine[key], seen = stage_program.updated(mine.get(key) or program.load(key, [None]), event)
        theirs[key], expected = update(theirs.get(key), orjson.loads(value))
        assert msgspec.to_builtins(seen) == expected
        ((_, row),) = program.dump(mine[key], None)
        assert program.load(key, [row]) == mine[key]
        rows.append(len(row))
        outputs.append(len(orjson.dumps(expected)))
    assert all(msgspec.to_builtins(mine[key]) == profile for key, profile in theirs.items())
    assert 250 < sum(rows) / len(rows) < 320 and 215 < sum(outputs) / len(outputs) < 235


def test_a_timer_fires_when_its_wait_is_over_unless_it_was_cancelled() -> None:
    program, store = TimersProgram(10 * SECOND), MemoryStore()
    turn = Turn(program, 0, store)
    records = [workload.timer_event(n, pair, 5, "product_view", SECOND) for n, pair in enumerate(range(12))]
    records += [workload.timer_event(20 + pair, pair, 5, "purchase", 2 * SECOND) for pair in (3, 8, 99)]
    lines = [*records, (None, events.encode(Tick(SECOND, SECOND, 500))), (None, events.encode(Tick(11 * SECOND, 11 * SECOND, 500)))]
    fired = []
    for segment in turn.segments([Logged(n, 0, key, value) for n, (key, value) in enumerate(lines)]):
        store.keep(segment.rows, segment.marks, 0)
        assert not segment.defects
        fired += [json.loads(output.value) for output in segment.outputs]
    assert program.counted == {"scheduled": 12, "cancelled": 2, "fired": 10}
    assert len(fired) == 10 and {one["due"] for one in fired} == {11 * SECOND}
    assert list(store.waiting()) == []


def test_the_shifted_clock_is_ahead() -> None:
    assert Shifted(500, 60_000)(1_000) == 61_000


# --- measuring ----------------------------------------------------------------------------------------------------------------


def test_a_process_is_measured() -> None:
    before = process.cpu(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert process.cpu(os.getpid()) > before
    assert process.cpu(None) == 0.0
    assert process.peak_rss(os.getpid()) >= process.rss(os.getpid()) > 1_000_000
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen()
        assert process.listening(ours.getsockname()[1]) == os.getpid()


def test_measuring_begins_when_it_is_warm_or_before_the_first_progress() -> None:
    samples = [Sample(at, done, 0.0, 0.0) for at, done in ((0.0, 0), (1.0, 0), (2.0, 30), (3.0, 70), (4.0, 100))]
    assert first(samples, samples[-1], 20).at == 2.0
    short = [*samples[:2], samples[-1]]
    assert first(short, short[-1], 20).at == 1.0


def test_repeats_are_told_as_median_and_bounds() -> None:
    runs = [{"mix": {"cpu_us": 3.0}}, {"mix": {"cpu_us": 1.0}}, {"mix": {"cpu_us": 8.0}, "due": {"sends": 1}}]
    assert spread(runs) == {"mix": {"cpu_us": {"median": 3, "min": 1, "max": 8}}, "due": {"sends": {"median": 1, "min": 1, "max": 1}}}


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentiles(range(1, 201)) == {"p50_ms": 100, "p99_ms": 198, "max_ms": 200, "n": 200}
    assert percentiles([7.0])["p99_ms"] == 7.0
    with pytest.raises(Outage):
        percentiles([])


def test_every_agent_of_the_lane_has_its_share() -> None:
    assert {concern.name for concern in person.LANE} < set(places().values())


# --- without a broker ---------------------------------------------------------------------------------------------------------


def test_the_gate_is_asked() -> None:
    figures = run("gate", "--passes", "20", "--repeats", "2")
    assert {"gate: product_page_abandonment", "gate: cart_abandonment", "wake"} <= set(figures)
    assert all(row["us"]["max"] > 0 for row in figures.values())


def test_every_message_is_rendered() -> None:
    figures = run("render", "--messages", "2", "--repeats", "1")
    assert {"welcome", "product-details", "all"} <= set(figures)
    assert all(row["bytes"]["median"] > 5_000 for row in figures.values())


def test_shares_are_sampled() -> None:
    figures = run("pipeline", "--shares", "--events", "1000", "--people", "40", "--partitions", "1", "--repeats", "1")
    assert figures["mix"]["done"]["median"] == 1_000
    assert figures["due"]["done"]["median"] > 20  # views of half a minute and carts, two hours later
    assert figures["mix"]["samples"]["median"] > 3
    assert "trigger_scheduler_us" in figures["mix"]


def test_a_crowd_is_as_if_everybody_had_been_played(tmp_path: Path) -> None:
    """Row for row but for the times of their only view, and so for what each of them is found by and waits for."""

    async def rows(played: int, people: int, folder: Path) -> tuple[set[bytes], int, list[Any]]:
        run = InProcess(artifact("merged"), load(), folder)
        await run.activate()
        await run.feed("some", workload.everybody_looks(played), played)
        crowd.multiply(run, load().secret, played, people)
        found = dict(run.lane.table.rows())
        hers = [person.load(row.partition(b"p")[2].decode(), value[17:], None) for row, value in found.items() if row[:1] == b"p"]
        known = {row for lane in (run.intake, run.lane) for row, _ in lane.table.rows()}
        waiting = len(run.lane.table.waiting())
        run.store.close()
        return known, waiting, sorted((one.person.person_id, one.person.profile.customer_id, one.person.profile.orders) for one in hers)

    copied = asyncio.run(rows(20, 60, tmp_path / "copied"))
    assert copied == asyncio.run(rows(60, 60, tmp_path / "played"))
    assert copied[1] == len(copied[2]) == 60


def test_a_crowd_is_measured() -> None:
    figures = run("scale", "--in-process", "--people", "20,3000", "--events", "1000", "--repeats", "1")
    assert set(figures) == {"20 customers", "3,000 customers"}
    assert all(row["cpu_us"]["median"] > 10 and row["disk_mb"]["median"] >= 0 for row in figures.values())


# --- the README's table -------------------------------------------------------------------------------------------------------


def figures(what: str, **rows: dict[str, float]) -> dict[str, Any]:
    told = {row: {name: {"median": value, "min": value, "max": value} for name, value in one.items()} for row, one in rows.items()}
    machine = {"cpu": "a cpu", "cores": 2, "load": 0.1, "python": "3.11.7", "aiokafka": "0", "rocksdict": "0"}
    return {"what": what, "at": "2026-03-02T10:15:00.000Z", "options": {"events": 5}, "machine": machine, "figures": told}


STAGE = figures("stage", kairos={"cpu_us": 18.5, "per_s": 43_210, "rss_mb": 310}, aiokafka={"cpu_us": 10.0, "per_s": 90_000, "rss_mb": 150})


def test_the_table_has_ours_beside_the_peers() -> None:
    text = markdown([STAGE, figures("gate", **{"gate: welcome": {"us": 2.5}, "wake": {"us": 11.0}})])
    assert "| 18.5 µs | ≤ 20 |" in text and "| 43,210 | ≥ 40,000 |" in text
    assert "gate: welcome" not in text and ": welcome | 2.5 µs" in text
    assert "| **Kairos**, one process |" in text and "| stock Faust 0.15.3 |" in text
    assert "| 12.4 (11.1–14.2) | 2.0 | 18.1 |" in text, "over the floor of the same rotation"
    assert "Unfair to the others" in text and "Unfair to Kairos" in text


def test_the_readme_is_written_between_its_marks_alone(tmp_path: Path) -> None:
    readme, report = tmp_path / "README.md", tmp_path / "stage.json"
    readme.write_text("before\n<!-- figures -->\nof last year\n<!-- /figures -->\nafter\n", "utf-8")
    report.write_text(json.dumps(STAGE), "utf-8")
    for _ in range(2):
        assert CliRunner().invoke(bench, ["table", str(report), "--readme", str(readme)]).exit_code == 0
    text = readme.read_text("utf-8")
    assert text.startswith("before\n<!-- figures -->\n\n| figure") and text.endswith("\n\n<!-- /figures -->\nafter\n")
    assert "of last year" not in text and text.count("18.5") == 1


def test_the_readme_has_a_place_for_them() -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    assert 0 < text.index("<!-- figures -->") < text.index("<!-- /figures -->")


def test_every_goal_names_a_bench() -> None:
    assert {goal.bench for goal in GOALS} < set(bench.commands)


# --- wrong use ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["stage", "--broker", "nowhere"], 2, "HOST:PORT"),
        (["stage", "--beside", "spark"], 2, "spark"),
        (["scale", "--people", "many"], 2, "many"),
        (["scale", "--workers", "9", "--partitions", "4"], 2, "9 workers"),
        (["scale", "--in-process", "--people", "20000000"], 2, "10,000,000"),
        (["latency", "--probes", "50", "--rate", "10"], 2, "probes"),
        (["pipeline", "--policy", "missing"], 2, "missing"),
        (["gate", "--policy", "missing"], 2, "missing"),
        (["render", "--policy", "missing"], 2, "missing"),
        (["table", "missing.json"], 2, "missing.json"),
        (["stage", "--broker", "127.0.0.1:1"], 3, "127.0.0.1:1"),
        (["latency", "--broker", "127.0.0.1:1"], 3, "127.0.0.1:1"),
    ],
)
def test_wrong_use_and_a_missing_broker_are_one_line(
    arguments: list[str], code: int, word: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    out, err = capfd.readouterr()
    assert (ended.value.code, out) == (code, "")
    assert err.count("\n") == 1 and err.startswith("kairos: ") and word in err, err


def test_a_file_without_figures_is_wrong_use(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    for text in ("[1]", "{", '{"what": "stage"}'):
        bad.write_text(text, "utf-8")
        assert CliRunner().invoke(bench, ["table", str(bad)]).exit_code == 2


def test_sizes_are_whole_numbers() -> None:
    assert Sizes().convert("10_000,20", None, None) == (10_000, 20)
    with pytest.raises(click.BadParameter):
        Sizes().convert("0", None, None)
