"""`kairos bench scale`: whether an event costs more the more customers there are, what a second worker brings, what an idle one costs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from app.commands.bench import crowd, options, report
from app.commands.bench.pipeline import CORE, PACK, activate, part
from app.commands.bench.run import Run
from app.commands.built import artifact
from app.edges import process, workload
from app.settings import load

IDLE_AFTER_S = 3.0
"""A worker that is ready has settled by then."""


@click.command()
@options.broker
@click.option("--people", "sizes", default="10000,100000,1000000", show_default=True, type=options.Sizes(), help="Customers, a run each.")
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1_000), help="Of the mix, per measurement.")
@click.option("--workers", default="1,2", show_default=True, type=options.Sizes(), help="One after the other on the same state.")
@click.option("--idle-seconds", default=15, show_default=True, type=click.IntRange(1))
@click.option("--in-process", is_flag=True, help="Without Kafka: a few people are played, all others get rows like theirs.")
@options.partitions
@options.repeats
@options.json_file
def scale(
    broker: str | None,
    sizes: tuple[int, ...],
    events: int,
    workers: tuple[int, ...],
    idle_seconds: int,
    in_process: bool,
    partitions: int,
    repeats: int,
    file: Path | None,
) -> None:
    """CPU per input event of the whole pipeline by number of customers and of workers; an idle worker's CPU and memory.

    Everybody has a row before anything is measured; people and products of the mix are drawn uniformly. What a second worker brings
    shows only where there are cores for two workers and the broker.

    --in-process runs the same turns over one store of so many people in this process: ten million take minutes instead of hours. What
    remains is what their number changes: rows that no cache holds, and deeper indexes.
    """
    if in_process:
        if max(sizes) > crowd.MOST:
            raise click.BadParameter(f"at most {crowd.MOST:,}", param_hint="--people")
        pack = artifact(str(PACK))
        told = [
            {f"{people:,} customers": crowd.crowded(pack, load(), people, events, repeat) for people in sizes} for repeat in range(repeats)
        ]
        report.tell("crowd", {"events": events}, told, file)
        return
    if max(workers) > partitions:
        raise click.BadParameter(f"{max(workers)} workers cannot share {partitions} partitions", param_hint="--workers")
    runs = []
    for repeat in range(repeats):
        rows: dict[str, dict[str, float]] = {}
        for people in sizes:
            rows |= asyncio.run(_run(broker, people, events, workers, 0 if rows else idle_seconds, partitions, repeat))
        runs.append(rows)
    report.tell("scale", {"events": events, "partitions": partitions}, runs, file)


async def _run(
    broker: str | None, people: int, events: int, workers: tuple[int, ...], idle_s: int, partitions: int, seed: int
) -> dict[str, dict[str, float]]:
    rows: dict[str, dict[str, float]] = {}
    async with Run(broker, partitions) as run:
        await activate(run)
        if idle_s:
            rows["idle worker"] = await _idle(run, idle_s)
        await part(run, f"{people:,} customers", workload.everybody_looks(people), people)
        for count in workers:
            name = f"{people:,} customers, {count} worker{'s' if count > 1 else ''}"
            rows[name] = await part(run, name, workload.mix(seed * 100 + count, people, events), events, count)
    return rows


async def _idle(run: Run, seconds: int) -> dict[str, float]:
    """A worker that has nothing to do but tick."""
    worker = await run.start(*CORE)
    await run.ready(worker)
    await asyncio.sleep(IDLE_AFTER_S)
    before, begun = process.cpu(worker.pid), time.monotonic()
    await asyncio.sleep(seconds)
    worker.check()
    cores = (process.cpu(worker.pid) - before) / (time.monotonic() - begun)
    memory = process.rss(worker.pid)
    await worker.end()
    return {"cores": round(cores, 3), "rss_mb": round(memory / 1e6)}
