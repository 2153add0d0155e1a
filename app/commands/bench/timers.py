"""`kairos bench timers`: what it costs to wait: schedule, cancel and fire through the real engine, and how late they fire."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click
import orjson
from aiokafka import AIOKafkaConsumer

from app.commands.bench import options, report
from app.commands.bench.child import Child
from app.commands.bench.percentile import percentiles
from app.commands.bench.run import Run
from app.edges import process, workload
from app.engine.clock import wall_ms
from app.flow import Stage

CHILD = ("app.commands.bench.worker", "timers")
WAIT_MS = 2 * 3_600_000
AHEAD_MS = 5 * 3_600_000
"""The clock jumps so far: everything that waits is due at once, as after an outage."""
LIVE_WAIT_MS = 2_000
"""A wait of the run on the real clock."""
SETTLE_S = 4.0
"""After which the last of those must have fired."""
WARM_S = 3.0
"""Timers that are due in the first seconds of a worker are not counted."""


@click.command()
@options.broker
@click.option("--timers", default=1_000_000, show_default=True, type=click.IntRange(10), help="Pending at once.")
@click.option("--people", default=50_000, show_default=True, type=click.IntRange(1), help="Customers they belong to, a row each.")
@options.partitions
@options.repeats
@click.option("--rate", default=200, show_default=True, type=click.IntRange(1), help="Real clock: timers begun per second.")
@click.option("--seconds", default=30, show_default=True, type=click.IntRange(1), help="Real clock: for so long.")
@options.json_file
def timers(broker: str | None, timers: int, people: int, partitions: int, repeats: int, rate: int, seconds: int, file: Path | None) -> None:
    """CPU per timer to schedule, to cancel (30 % of them) and to fire the rest in bounded slices; bytes each; lateness.

    Each part finds its input as a backlog: waits of two hours begin, some end early, then the clock jumps five hours. Bytes are the
    growth of the worker that scheduled them, from start to rest, its buffers included, and of its disk; `restarted_mb` is the memory of
    a worker that finds them all pending. Lateness is taken on the real clock, with waits of two seconds, from the moment a timer is due
    to the moment a consumer has its output.
    """
    runs = []
    for _ in range(repeats):
        parts = asyncio.run(_parts(broker, partitions, timers, people))
        runs.append({**parts, "real clock": asyncio.run(_late(broker, partitions, people, rate, seconds))})
    told = {"timers": timers, "people": people, "partitions": partitions, "rate": rate, "seconds": seconds}
    report.tell("timers", told, runs, file)


async def _parts(broker: str | None, partitions: int, timers: int, people: int) -> dict[str, dict[str, float]]:
    cancelled = timers * 3 // 10
    order, gone = workload.timer_pairs(timers, cancelled)
    now = wall_ms()
    async with Run(broker, partitions) as run:
        begun = (workload.timer_event(number, pair, people, "product_view", now) for number, pair in enumerate(order))
        await run.fill("schedule", "journal", begun, timers, Stage.INTAKE)
        found, worker, at_start = await _part(run, "schedule", "scheduled", timers)
        await run.until(lambda: not worker.told()["busy"], [worker])
        grown = process.rss(worker.pid) - at_start
        await worker.end()  # which flushes to disk
        found["bytes"] = round(grown / timers)
        found["disk_bytes"] = round(sum(one.stat().st_size for one in run.home.rglob("*.sst")) / timers)
        rows = {"schedule": found}
        ended = [workload.timer_event(timers + number, pair, people, "purchase", now + 1) for number, pair in enumerate(gone)]
        await run.fill("cancel", "journal", ended, cancelled, Stage.INTAKE)
        rows["cancel"], worker, pending = await _part(run, "cancel", "cancelled", cancelled)
        found["restarted_mb"] = round(pending / 1e6)
        await worker.end()
        rows["fire"], worker, _ = await _part(run, "fire", "fired", timers - cancelled, "--shift-ms", str(AHEAD_MS))
        await worker.end()
        sent = await run.size("message_sends")
    if sent < timers - cancelled:
        raise AssertionError(f"{sent} outputs of {timers - cancelled} timers")
    return rows


async def _part(run: Run, what: str, counter: str, total: int, *more: str) -> tuple[dict[str, float], Child, int]:
    """Its figures, the worker at rest, and the memory it had when it was ready."""
    worker = await run.start(*CHILD, "--wait-ms", str(WAIT_MS), *more)
    await run.ready(worker)
    at_start = process.rss(worker.pid)

    async def progress() -> int:
        return int(worker.told()[counter])

    async def over() -> bool:
        return not worker.told()["busy"]

    spent = await run.spend(f"timers: {what}", total, [worker], progress, over)
    return spent.row(), worker, at_start


async def _late(broker: str | None, partitions: int, people: int, rate: int, seconds: int) -> dict[str, float]:
    """Lateness in ms of timers on the real clock."""
    late: list[float] = []
    async with Run(broker, partitions) as run, run.tap("message_sends") as tap:
        worker = await run.start(*CHILD, "--wait-ms", str(LIVE_WAIT_MS))
        await run.ready(worker)
        listening = asyncio.create_task(_listen(tap, late, time.time() + WARM_S))
        topic = run.settings.topic("journal")
        begun = time.monotonic()
        for number in range(rate * seconds):
            await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
            key, value = workload.timer_event(number, number, people, "product_view", wall_ms())
            await run.produce.send(topic, value, key=key)
        await asyncio.sleep(LIVE_WAIT_MS / 1000 + SETTLE_S)
        listening.cancel()
        worker.check()
        await worker.end()
    return percentiles(late)


async def _listen(tap: AIOKafkaConsumer, late: list[float], from_s: float) -> None:
    async for record in tap:
        due = orjson.loads(record.value)["due"]
        if due / 1000 > from_s:
            late.append(wall_ms() - due)
