"""`kairos bench stage`: one stage of the real engine on the work that every engine was compared with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from app.commands.bench import options, report
from app.commands.bench.child import Child
from app.commands.bench.run import Run
from app.commands.bench.spent import Spent
from app.edges import workload
from app.flow import Stage

KAIROS, FAUST, AIOKAFKA = "kairos", "faust", "aiokafka"


@click.command()
@options.broker
@click.option("--events", default=500_000, show_default=True, type=click.IntRange(100), help="Events of a run.")
@click.option("--people", default=50_000, show_default=True, type=click.IntRange(1))
@options.partitions
@options.repeats
@click.option("--beside", multiple=True, type=click.Choice([FAUST, AIOKAFKA]), help="The same work on stock Faust, on bare aiokafka.")
@click.option("--faust-events", default=20_000, show_default=True, type=click.IntRange(100), help="Stock Faust does the first so many.")
@options.json_file
def stage(
    broker: str | None,
    events: int,
    people: int,
    partitions: int,
    repeats: int,
    beside: tuple[str, ...],
    faust_events: int,
    file: Path | None,
) -> None:
    """Event in, profile read, updated and kept, one output: CPU per event of one worker, everything acked.

    285-byte JSON events of customers drawn uniformly, a profile of about 300 bytes, an output of about 225. Measured from 20 % of the
    events on. The systems take turns on the same topic: each repeat begins with another.
    """
    systems = [KAIROS, *dict.fromkeys(beside)]
    runs = []
    for repeat in range(repeats):
        turn = repeat % len(systems)
        order = systems[turn:] + systems[:turn]
        spent = asyncio.run(_run(broker, partitions, people, events, min(events, faust_events), order))
        runs.append({name: spent[name].row() for name in systems})
    report.tell("stage", {"events": events, "people": people, "partitions": partitions}, runs, file)


async def _run(broker: str | None, partitions: int, people: int, events: int, faust_events: int, order: list[str]) -> dict[str, Spent]:
    spent = {}
    async with Run(broker, partitions) as run:
        # With the header that a record from the stage before carries: its origin is checked as in production.
        await run.fill("stage", "customer_events", workload.stage_events(events, people), events, Stage.INTAKE)
        for name in order:
            total = faust_events if name == FAUST else events
            before = await run.size("message_sends")
            child = await _start(run, name)

            async def progress(before: int = before) -> int:
                return await run.size("message_sends") - before

            spent[name] = await run.spend(f"stage: {name}", total, [child], progress)
            await child.end()
    return spent


async def _start(run: Run, name: str) -> Child:
    settings = run.settings
    if name == KAIROS:
        return await run.start("app.commands.bench.worker", "stage", name=name)
    if name == AIOKAFKA:
        return await run.start("app.commands.bench.floor", settings.broker, settings.topic_prefix, name=name)
    place = str(run.home / name)
    arguments = (settings.broker, settings.topic_prefix, str(settings.partitions), place)
    return await run.start("app.commands.bench.stock_faust", *arguments, name=name)
