"""`kairos bench table`: the README's figures, from the benches' JSON, beside the peers'."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from app.commands.bench.report import number, shown
from app.commands.outcome import WrongUse

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"


class Goal(Struct, frozen=True):
    """A line of the table: which figure of which row of which bench, its unit, and what it should be."""

    bench: str
    row: str
    """`*`: every row that no other goal names."""
    figure: str
    text: str
    unit: str
    aim: str = ""


GOALS = (
    Goal("stage", "kairos", "cpu_us", "One stage of the engine, the work below: CPU per event", "µs", "≤ 20"),
    Goal("stage", "kairos", "per_s", "the same: events per second, one worker", "", "≥ 40,000"),
    Goal("stage", "kairos", "rss_mb", "the same: memory with the whole backlog waiting", "MB", "≤ 400"),
    Goal("stage", "faust", "cpu_us", "the same on stock Faust, taking turns", "µs"),
    Goal("stage", "aiokafka", "cpu_us", "the same on bare aiokafka, nothing kept, taking turns", "µs"),
    Goal("pipeline", "mix", "cpu_us", "The whole pipeline, every hop acked: CPU per input event", "µs"),
    Goal("pipeline", "mix", "per_s", "the same: events per second, one worker", ""),
    Goal("pipeline", "due", "cpu_us", "From a due window to its message on the topic: CPU per message", "µs"),
    Goal("timers", "schedule", "cpu_us", "Timers through the engine: schedule", "µs", "≤ 17"),
    Goal("timers", "cancel", "cpu_us", "cancel", "µs", "≤ 24"),
    Goal("timers", "fire", "cpu_us", "fire, all at once", "µs", "≤ 20"),
    Goal("timers", "schedule", "bytes", "memory of a pending timer", "bytes", "≤ 200"),
    Goal("timers", "real clock", "p99_ms", "lateness on the real clock, p99", "ms", "≤ 2,000"),
    Goal("recovery", "cold start", "records_s", "Cold start: changelog records per second", "", "≥ 100,000"),
    Goal("recovery", "kill", "silence_s", "kill -9 to the other worker going on, session time-out included", "s", "≤ session + 5"),
    Goal("latency", "*", "p50_ms", "Event to finished message at 1,000 events/s, p50", "ms", "≤ 80"),
    Goal("latency", "*", "p99_ms", "p99", "ms", "≤ 150"),
    Goal("scale", "*", "cpu_us", "Whole pipeline: CPU per event", "µs", "≤ 1.5 × flat"),
    Goal("scale", "*", "per_s", "events per second", "", "2 workers ≥ 1.6 ×, given cores"),
    Goal("scale", "idle worker", "cores", "An idle worker: cores", "", "≤ 0.1"),
    Goal("scale", "idle worker", "rss_mb", "its memory", "MB", "≤ 120"),
    Goal("gate", "*", "us", "A due step through the gate, CPU", "µs"),
    Goal("render", "all", "per_s", "Messages rendered per second and process", "", "≥ 3,000"),
)

MEASURED = "recorded by 2026-11-25, Kafka 4.1.1, two shared cores, three interleaved runs each"
FLOOR = 12.3
"""CPU µs per event of the first of them. Machines differ in speed; how many times the floor a system costs is what can be compared."""
PEERS: tuple[tuple[str, str, str, str, str], ...] = (
    ("aiokafka and a dictionary, no durable state", "–", "12.3 (11.6–13.3)", "50 k", "140"),
    ("Flink 2.2, heap state, parallelism 2", "local checkpoint each 10 s, nothing replicated", "22.7 (22.6–26.5)", "54 k", "787"),
    ("Flink 2.2, RocksDB", "local checkpoint each 10 s", "32.6 (28.9–37.3)", "40 k", "599"),
    ("Kafka Streams 4.1.1, cache off", "changelog, commit 10 s", "34.4", "28 k", "550"),
    ("Kafka Streams 4.1.1, cache 128 MB", "changelog, commit 10 s", "33.3", "28 k", "984"),
    ("Kafka Streams 4.1.1, default cache", "changelog, commit 10 s", "42.5 (37.3–56.2)", "24 k", "1,117"),
    ("Quix Streams 3.28", "changelog, commit 10 s", "54.6 (45.8–67.9)", "19 k", "604"),
    ("Kafka Streams, exactly_once_v2", "transactions, 100 ms", "57.6 (57.0–79.3)", "18 k", "877"),
    ("Bytewax 0.21", "local SQLite snapshot each 10 s", "73.1 (63.9–75.6)", "13 k", "442"),
    ("stock Faust 0.15.3", "changelog per event", "687 (656–1,339)", "1.35 k", "104"),
)
"""System, how durable, CPU µs per event, events per second, memory in MB: the stage's work, measured by us on the same kind of machine."""
TIMERS = (
    ("Kafka Streams 4.1.1", "29.9", "46.7", "33.5"),
    ("Flink 2.2, RocksDB", "19.3", "24.6", "22.6"),
    ("Flink 2.2, heap (940 MB)", "15.7", "26.0", "10.6"),
)
"""CPU µs to schedule, cancel, fire: 1 M pending, 300 k cancelled, 700 k fired."""


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--readme", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=f"Put it between {BEGIN} and {END} there.")
def table(files: Sequence[Path], readme: Path | None) -> None:
    """Markdown of the figures in FILES (`--json` of the benches), beside what the peers took for the same work."""
    text = markdown([_read(file) for file in files])
    if readme is None:
        click.echo(text)
        return
    page = readme.read_text("utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise WrongUse(f"{readme}: no {BEGIN} … {END}")
    readme.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", "utf-8")


def _read(file: Path) -> dict[str, Any]:
    try:
        report = json.loads(file.read_text("utf-8"))
        if not isinstance(report["figures"], dict) or not isinstance(report["what"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise WrongUse(f"{file}: no figures of a bench") from error
    return dict(report)


def markdown(reports: Sequence[Mapping[str, Any]]) -> str:
    """The figures there are, in the goals' order; the peers; machine and commands."""
    lines = ["| figure | median (min–max) | aim |", "|---|---|---|"]
    for goal in GOALS:
        for report in reports:
            lines += [_line(goal, row, figures) for row, figures in report["figures"].items() if _wanted(goal, report, row, figures)]
    lines += ["", "The stage's work on other systems, measured by us on the same kind of machine:", ""]
    lines += ["| system | durable how | CPU µs/event | × floor | events/s | MB |", "|---|---|---|---|---|---|"]
    lines += [here for report in reports if (here := _ours(report))]
    for name, durable, cpu, rate, memory in PEERS:
        lines.append(f"| {name} | {durable} | {cpu} | {float(cpu.split()[0]) / FLOOR:.1f} | {rate} | {memory} |")
    lines += ["", "Timers, CPU µs each:", "", "| system | schedule | cancel | fire |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(peer)} |" for peer in TIMERS]
    lines += ["", f"Peers: {MEASURED}. Compare CPU, not rates: the machines are shared."]
    lines += ["`× floor`: CPU over that of aiokafka and a dictionary on the same machine, which takes most of the machine's speed out.", ""]
    for report in reports:
        here, options = report["machine"], ", ".join(f"{name} {_option(value)}" for name, value in report["options"].items())
        lines.append(
            f"`kairos bench {report['what']}`: {report['at'][:10]}, {options}; {here['cpu']}, {here['cores']} cores, load {here['load']}, "
            f"Python {here['python']}, aiokafka {here['aiokafka']}, rocksdict {here['rocksdict']}."
        )
    return "\n".join(lines)


def _ours(report: Mapping[str, Any]) -> str:
    """Kairos among the peers, if it was measured beside the floor: only then is there something to compare."""
    rows = report["figures"]
    if report["what"] != "stage" or "aiokafka" not in rows:
        return ""
    mine, times = rows["kairos"], rows["kairos"]["cpu_us"]["median"] / rows["aiokafka"]["cpu_us"]["median"]
    cells = [shown(mine["cpu_us"]).replace("-", "–"), f"**{times:.1f}**", number(mine["per_s"]["median"]), number(mine["rss_mb"]["median"])]
    return f"| **Kairos**, this machine | outputs, changelog, RocksDB acked per batch | {' | '.join(cells)} |"


def _wanted(goal: Goal, report: Mapping[str, Any], row: str, figures: Mapping[str, Any]) -> bool:
    known = goal.row == row or (goal.row == "*" and row not in {other.row for other in GOALS if other.bench == goal.bench})
    return report["what"] == goal.bench and known and goal.figure in figures


def _line(goal: Goal, row: str, figures: Mapping[str, Any]) -> str:
    name = goal.text if goal.row != "*" or goal.bench == "latency" else f"{goal.text}: {row.removeprefix('gate: ')}"
    value = shown(figures[goal.figure]).replace("-", "–")
    return f"| {name} | {value}{' ' + goal.unit if goal.unit else ''} | {goal.aim} |"


def _option(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
