"""`kairos bench table`: the README's figures, from the benches' JSON, beside what ten systems took in one rotation."""

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
    Goal("pipeline", "mix", "cpu_us", "The whole pipeline, every hop acked: CPU per input event", "µs", "≤ 95"),
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
    Goal("gate", "wake", "us", "All that a tick does with a due step: gate, plan, decisions, row", "µs"),
    Goal("gate", "*", "us", "A due step through the gate, CPU", "µs", "≤ 10"),
    Goal("render", "all", "per_s", "Messages rendered per second and process, offers and recommendations picked", "", "≥ 2,000"),
)

MEASURED = (
    "Side by side in one rotation on 2026-11-25: AMD EPYC, two cores, nothing else running (0.0 cores of other load), Kafka 4.1.1 on the "
    "same machine, 8 partitions, 1 M events (Quix, Kafka Streams exactly-once and Bytewax 500 k, stock Faust 30 k), three runs each in "
    "turn (Faust one), median (min–max); timers one run each"
)
FLOOR = 6.3
"""CPU µs per event of aiokafka and a dictionary in that rotation."""
PEERS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("aiokafka and a dictionary, no durable state", "–", "6.3 (6.3–6.5)", "6.4", "152 k", "138"),
    ("Flink 2.2, heap state, parallelism 2", "local checkpoint each 10 s, nothing replicated", "12.4 (11.1–14.2)", "18.1", "125 k", "733"),
    ("Flink 2.2, RocksDB, parallelism 2", "local checkpoint each 10 s", "16.2 (15.7–16.3)", "22.8", "108 k", "611"),
    ("**Kairos**, one process", "outputs, changelog, RocksDB acked per batch", "16.6 (16.1–17.4)", "**16.5**", "61 k", "**426**"),
    ("Kafka Streams 4.1.1, cache 128 MB, 2 threads", "changelog, commit 10 s", "17.1 (16.5–17.4)", "22.1", "100 k", "963"),
    ("Kafka Streams 4.1.1, default cache, 2 threads", "changelog, commit 10 s", "21.9 (20.8–22.8)", "26.9", "75 k", "1,074"),
    ("Quix Streams 3.28", "changelog, commit 10 s", "23.0 (22.2–24.1)", "24.3", "45 k", "595"),
    ("Kafka Streams, exactly_once_v2, 2 threads", "transactions, 100 ms", "30.0 (29.9–30.1)", "39.2", "53 k", "869"),
    ("Bytewax 0.21", "local SQLite snapshot each 10 s", "36.3 (35.7–38.5)", "35.3", "27 k", "437"),
    ("stock Faust 0.15.3", "changelog per event", "300", "321", "3.3 k", "107"),
)
"""System, how durable, CPU µs per event when warm and with start and warm-up, events per second, memory in MB: the stage's work."""
TIMERS = (
    ("Flink 2.2, heap (950 MB)", "6.3", "8.9", "5.1"),
    ("Flink 2.2, RocksDB", "9.1", "14.5", "9.6"),
    ("Kafka Streams 4.1.1", "14.2", "19.6", "13.2"),
    ("**Kairos** (382 MB)", "15.3", "15.8", "2.9"),
)
"""CPU µs to schedule, cancel, fire: 1 M pending, 300 k cancelled, 700 k fired."""
UNFAIR = (
    "Unfair to the others: Kairos's rows are msgpack with fixed fields where theirs are JSON or Java maps; its topics exist before the "
    "start; a run of 7 to 40 s holds at most a few of their checkpoints or commits of 10 s, so much of what they would write in a long "
    "run is never written (a cache of 128 MB wrote a tenth of the changelog records); and of timers Kairos wakes a customer with about "
    "14 of them at once, where they keep one entry each (one timer per customer costs about 20 to fire).",
    "Unfair to Kairos: what it counts is acked on the broker and in the changelog before the next batch, what Flink and Bytewax count is "
    "on the local disk every 10 s and replicated nowhere; Flink and Kafka Streams run two threads, Kairos one, so rates are not to be "
    "compared; and the JVMs have no price here for 600 to 1,000 MB of memory.",
)


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
    lines += ["", "The stage's work on other systems:", ""]
    lines += ["| system | durable how | CPU µs/event | × floor | with start | events/s | MB |", "|---|---|---|---|---|---|---|"]
    for name, durable, cpu, started, rate, memory in PEERS:
        lines.append(f"| {name} | {durable} | {cpu} | {float(cpu.split()[0]) / FLOOR:.1f} | {started} | {rate} | {memory} |")
    lines += ["", "Timers, CPU µs each:", "", "| system | schedule | cancel | fire |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(peer)} |" for peer in TIMERS]
    lines += ["", f"{MEASURED}.", *UNFAIR]
    lines += ["`× floor`: over bare aiokafka. `with start`: all CPU of the process over all events, a JVM's warm-up included.", ""]
    for report in reports:
        here, options = report["machine"], ", ".join(f"{name} {_option(value)}" for name, value in report["options"].items())
        lines.append(
            f"`kairos bench {report['what']}`: {report['at'][:10]}, {options}; {here['cpu']}, {here['cores']} cores, load {here['load']}, "
            f"Python {here['python']}, aiokafka {here['aiokafka']}, rocksdict {here['rocksdict']}."
        )
    return "\n".join(lines)


def _wanted(goal: Goal, report: Mapping[str, Any], row: str, figures: Mapping[str, Any]) -> bool:
    known = goal.row == row or (goal.row == "*" and row not in {other.row for other in GOALS if other.bench == goal.bench})
    return report["what"] == goal.bench and known and goal.figure in figures


def _line(goal: Goal, row: str, figures: Mapping[str, Any]) -> str:
    name = goal.text if goal.row != "*" or goal.bench == "latency" else f"{goal.text}: {row.removeprefix('gate: ')}"
    value = shown(figures[goal.figure]).replace("-", "–")
    return f"| {name} | {value}{' ' + goal.unit if goal.unit else ''} | {goal.aim} |"


def _option(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)
