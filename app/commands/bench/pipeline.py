"""`kairos bench pipeline`: the whole of Kairos, from raw event to finished message, in one worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path

import click
from msgspec.structs import replace

from app.commands.bench import options, report
from app.commands.bench.run import Run
from app.commands.bench.shares import shares
from app.commands.bench.spent import Spent
from app.commands.built import artifact
from app.commands.outcome import Outage
from app.edges import workload
from app.engine.clock import wall_ms
from app.settings import load

CORE = ("app.commands.bench.worker", "core")
"""The worker of `kairos worker`, which tells besides how far it is."""
PACK = Path(__file__).parent / "pipeline.toml"
"""`merged`, but that a welcome takes no place under its caps: else every message of the last part would be held."""
AHEAD_MS = 3 * 3_600_000
"""The clock of the last part: what waits two hours is due."""
QUIET_S = 2.0
"""Nothing sent for so long: all that was due is out."""
NOTHING_DUE_S = 15.0
"""A worker that has woken nobody by then has nobody to wake."""
ACTIVE_S = 60.0


@click.command()
@options.broker
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1_000), help="Input events of a run.")
@click.option("--people", default=50_000, show_default=True, type=click.IntRange(10))
@options.partitions
@options.repeats
@click.option("--policy", default=str(PACK), show_default="merged with its welcome outside the caps", help="A shipped pack or a file.")
@click.option("--shares", "in_process", is_flag=True, help="Where the time goes, instead: sampled in this process, without Kafka.")
@options.json_file
def pipeline(
    broker: str | None, events: int, people: int, partitions: int, repeats: int, policy: str, in_process: bool, file: Path | None
) -> None:
    """customer_events to message_sends in one worker: CPU per input event, with every hop acked.

    First everybody identifies and consents (the pack welcomes each of them: messages rendered, reported apart), then the mix
    arrives as a backlog: 70 % product views, 15 % cart adds, 10 % clicks, 5 % purchases. Last the clock jumps 3 hours: CPU per message
    of everything between a due window and its message on message_sends.

    --shares runs one partition's part of it in this process, the same turns over RocksDB with all that a worker does but network, Faust
    and acks, and samples where the time goes.
    """
    pack = artifact(policy)
    told = {"policy": pack[0], "events": events, "people": people, "partitions": partitions}
    if in_process:
        mine = max(1, events // partitions), max(10, people // partitions)
        report.tell("shares", told, [shares(pack, load(), *mine, repeat) for repeat in range(repeats)], file)
        return
    measured = [asyncio.run(_run(broker, events, people, partitions, policy, repeat)) for repeat in range(repeats)]
    report.tell("pipeline", told, measured, file)


async def _run(broker: str | None, events: int, people: int, partitions: int, policy: str, seed: int) -> dict[str, dict[str, float]]:
    async with Run(broker, partitions, policy=policy) as run:
        await activate(run)
        return {
            "people": await part(run, "people", workload.everybody(people, workload.utc_hour(wall_ms())), 2 * people),
            "mix": await part(run, "mix", workload.mix(seed, people, events), events),
            **await _due(run),
        }


async def activate(run: Run) -> None:
    """A first worker makes the pack active, or the backlog would be read under none."""
    worker = await run.start(*CORE)
    deadline = time.monotonic() + ACTIVE_S
    while await run.end_of("artifacts") < 2:  # the pack, then the pointer to it
        worker.check()
        if time.monotonic() > deadline:
            raise Outage(f"no pack became active within {ACTIVE_S:.0f} s")
        await asyncio.sleep(0.1)
    await worker.end()


async def part(run: Run, name: str, told: Iterable[workload.Input], total: int, workers: int = 1) -> dict[str, float]:
    """Puts the input on the topic, starts workers on it, and measures until everything behind it is done; per input event."""
    sends, journal = await run.size("message_sends"), await run.size("journal")
    await run.fill(name, "customer_events", workload.records(f"{run.prefix}{name}", told, wall_ms), total)
    children = [await run.start(*CORE, name="worker" if n == 0 else f"worker-{n}") for n in range(workers)]
    await run.ready(*children)

    async def progress() -> int:
        return await run.size("journal") - journal

    spent = await run.spend(name, total, children, progress, run.drained, warm=0)
    for child in children:
        await child.end()
    row = replace(spent, done=total).row()
    return {"events": total, **row, "sends": await run.size("message_sends") - sends}


async def _due(run: Run) -> dict[str, dict[str, float]]:
    """Everything that waits two hours becomes due at once: per message sent. No row if nothing is due."""
    before = await run.size("message_sends")
    worker = await run.start(*CORE, "--shift-ms", str(AHEAD_MS))
    await run.ready(worker)
    begun = time.monotonic()

    async def progress() -> int:
        return await run.size("message_sends") - before

    async def over() -> bool:
        return (bool(worker.told()["woken"]) or time.monotonic() - begun > NOTHING_DUE_S) and await run.drained()

    spent: Spent = await run.spend("due", 0, [worker], progress, over, warm=0, quiet_s=QUIET_S)
    await worker.end()
    return {"due": {"sends": spent.done, **spent.row()}} if spent.done else {}
