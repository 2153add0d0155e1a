"""`kairos bench latency`: from an event to its finished message, with a trigger that fires at once, under load."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click
import orjson
from aiokafka import AIOKafkaConsumer

from app.commands.bench import options, report
from app.commands.bench.percentile import percentiles
from app.commands.bench.pipeline import CORE, activate, part
from app.commands.bench.run import Run
from app.edges import process, workload
from app.engine.clock import wall_ms

PACK = """
name = "bench-latency"
why  = "One trigger that fires in the step of its opening: what is left is the way through Kairos."

[sender]
from = "hello@shop.example"
name = "Your shop"

[consent]
track       = "opt_out"
email       = "opt_out"
personalise = "opt_out"

[[trigger]]
name = "at_once"
why  = "no wait, so that nothing but the way is measured"
open = { on = "wishlist_add", scope = "product" }
wait = "0s"
send = "product-details"
"""
WARM_S = 4.0
"""Probes of the first seconds of load are not counted."""
SETTLE_S = 2.0


@click.command()
@options.broker
@click.option("--rate", default=1_000, show_default=True, type=click.IntRange(10), help="Events per second, probes included.")
@click.option("--probes", default=20, show_default=True, type=click.IntRange(1), help="Of them, events that are answered, per second.")
@click.option("--seconds", default=30, show_default=True, type=click.IntRange(1), help="Measured for so long.")
@click.option("--people", default=5_000, show_default=True, type=click.IntRange(10))
@options.partitions
@options.repeats
@options.json_file
def latency(
    broker: str | None, rate: int, probes: int, seconds: int, people: int, partitions: int, repeats: int, file: Path | None
) -> None:
    """Event to send: from handing an event to a producer to a consumer having its message, rendered; one worker, real clock.

    The load is product views and clicks that open no window; probes are answered at once with `product-details`. Producer and consumer
    run on this machine, too.
    """
    if probes > rate:
        raise click.BadParameter("more probes than events", param_hint="--probes")
    runs = [{f"{rate}/s": asyncio.run(_run(broker, rate, probes, seconds, people, partitions))} for _ in range(repeats)]
    report.tell("latency", {"rate": rate, "probes": probes, "seconds": seconds, "people": people, "partitions": partitions}, runs, file)


async def _run(broker: str | None, rate: int, probes: int, seconds: int, people: int, partitions: int) -> dict[str, float]:
    async with Run(broker, partitions) as run:
        pack = run.home / "bench-latency.toml"
        pack.write_text(PACK, "utf-8")
        run.more["policy"] = str(pack)
        await activate(run)
        await part(run, "people", workload.everybody(people), 2 * people)
        worker = await run.start(*CORE)
        await run.ready(worker)
        sent: dict[str, float] = {}
        took: list[float] = []
        async with run.tap("message_sends") as tap:
            listening = asyncio.create_task(_listen(tap, sent, took))
            begun = time.monotonic()
            before = asyncio.create_task(_after(WARM_S, worker.pid))
            behind = await _load(run, rate, probes, WARM_S + seconds, people, sent, begun + WARM_S)
            cpu, wall = process.cpu(worker.pid) - await before, time.monotonic() - begun - WARM_S
            await asyncio.sleep(SETTLE_S)
            listening.cancel()
        worker.check()
        await worker.end()
    return {**percentiles(took), "lost": len(sent), "cores": round(cpu / wall, 2), "sender_behind_ms": round(behind * 1000)}


async def _after(seconds: float, pid: int) -> float:
    """CPU of a process in so many seconds' time."""
    await asyncio.sleep(seconds)
    return process.cpu(pid)


async def _load(run: Run, rate: int, probes: int, seconds: float, people: int, sent: dict[str, float], count_from: float) -> float:
    """Sends at an even pace; notes in `sent` when each probe was handed to the producer (monotonic s).

    Returns by how much it ever fell behind its pace (s): the machine then stood still for this process, and perhaps for the worker.
    """
    topic, begun = run.settings.topic("customer_events"), time.monotonic()
    behind = 0.0
    quiet = workload.calm(int(rate * seconds), people)
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        if time.monotonic() >= count_from:
            behind = max(behind, time.monotonic() - begun - number / rate)
        is_probe = number * probes // rate != (number + 1) * probes // rate
        told = workload.probe(number, people) if is_probe else next(quiet)
        name = f"{run.prefix}{number}-"
        ((key, value),) = workload.records(name, [told], wall_ms)
        if is_probe and time.monotonic() >= count_from:
            sent[f"{name}0"] = time.monotonic()
        await run.produce.send(topic, value, key=key)
    return behind


async def _listen(tap: AIOKafkaConsumer, sent: dict[str, float], took: list[float]) -> None:
    async for record in tap:
        now = time.monotonic()
        for cause in orjson.loads(record.value)["cause"]:
            if (begun := sent.pop(cause, None)) is not None:
                took.append((now - begun) * 1000)
