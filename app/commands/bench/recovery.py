"""`kairos bench recovery`: how fast a worker without state is back, and how long a partition is without an owner after a kill -9."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import time
from pathlib import Path

import click
from aiokafka import AIOKafkaConsumer

from app.commands.bench import options, report
from app.commands.bench.run import Run
from app.edges import process, workload
from app.flow import Stage

CHILD = ("app.commands.bench.worker", "stage")
TABLE = "identifiers-changelog"
"""Changelog of the table that the stage's work keeps."""
SETTLED_S = 3.0
"""Two workers share the partitions under load for so long before one is killed."""
AFTERGLOW_S = 2.0
"""What the killed worker had on the way arrives within it; what comes later is another worker's."""


@click.command()
@options.broker
@click.option("--events", default=500_000, show_default=True, type=click.IntRange(100), help="Behind the state that is restored.")
@click.option("--people", default=50_000, show_default=True, type=click.IntRange(1))
@options.partitions
@options.repeats
@click.option("--rate", default=400, show_default=True, type=click.IntRange(10), help="Events per second while a worker is killed.")
@click.option("--session-ms", default=10_000, show_default=True, type=click.IntRange(3_000), help="Session time-out of the group.")
@options.json_file
def recovery(
    broker: str | None, events: int, people: int, partitions: int, repeats: int, rate: int, session_ms: int, file: Path | None
) -> None:
    """Cold start: changelog records restored per second into an empty datadir. Kill: seconds until the other worker goes on.

    The state is that of `bench stage`. The kill: two workers share the partitions under load, one is killed with SIGKILL; told is the
    longest silence of a partition on the output topic, session time-out included.
    """
    runs = [asyncio.run(_run(broker, partitions, events, people, rate, session_ms)) for _ in range(repeats)]
    told = {"events": events, "people": people, "partitions": partitions, "rate": rate, "session_ms": session_ms}
    report.tell("recovery", told, runs, file)


async def _run(broker: str | None, partitions: int, events: int, people: int, rate: int, session_ms: int) -> dict[str, dict[str, float]]:
    async with Run(broker, partitions, session_ms=session_ms) as run:
        await run.fill("recovery", "customer_events", workload.stage_events(events, people), events, Stage.INTAKE)
        first = await run.start(*CHILD)

        async def progress() -> int:
            return await run.size("message_sends")

        await run.spend("recovery: state", events, [first], progress)
        await first.end()
        return {"cold start": await _cold(run), "kill": await _kill(run, people, rate)}


async def _cold(run: Run) -> dict[str, float]:
    shutil.rmtree(run.home / "worker")
    records, begun = await run.size(TABLE), time.monotonic()
    worker = await run.start(*CHILD)
    await run.ready(worker)
    start_s, cpu = time.monotonic() - begun, process.cpu(worker.pid)
    restore_s = float(worker.told()["restore_s"])
    await worker.end()
    return {
        "records": records,
        "records_s": round(records / restore_s),
        "restore_s": round(restore_s, 2),
        "start_s": round(start_s, 2),
        "cpu_s": round(cpu, 2),
    }


async def _kill(run: Run, people: int, rate: int) -> dict[str, float]:
    """Two workers, one killed; `silence_s` is the longest of any partition."""
    doomed, other = await run.start(*CHILD), await run.start(*CHILD, name="other")
    heard: list[list[float]] = [[] for _ in range(run.settings.partitions)]
    async with run.tap("message_sends") as tap:
        await run.ready(doomed, other)
        tasks = [asyncio.create_task(_listen(tap, heard)), asyncio.create_task(_feed(run, people, rate))]
        try:
            await run.until(lambda: all(heard), [doomed, other])
            await asyncio.sleep(SETTLED_S)
            killed = time.monotonic()
            await doomed.end(signal.SIGKILL)
            await run.until(lambda: all(times[-1] > killed + AFTERGLOW_S for times in heard), [other])
        finally:
            for task in tasks:
                task.cancel()
    silence = max(after - before for times in heard for before, after in itertools.pairwise(times) if after > killed)
    await other.end()
    return {"silence_s": round(silence, 2), "session_s": run.settings.session_ms / 1000}


async def _listen(tap: AIOKafkaConsumer, heard: list[list[float]]) -> None:
    async for record in tap:
        heard[record.partition].append(time.monotonic())


async def _feed(run: Run, people: int, rate: int) -> None:
    topic, begun = run.settings.topic("customer_events"), time.monotonic()
    for number, (key, value) in enumerate(workload.stage_events(10**9, people)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        await run.produce.send(topic, value, key=key)
