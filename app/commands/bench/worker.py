"""A worker process of a bench: the real engine with the bench's programs, or the real core. Prints how far it is, a JSON line at a time.

`python -m app.commands.bench.worker stage|timers|core`
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

import click
import orjson

from app.agents import core
from app.commands.bench.silent import Silent
from app.commands.bench.stage_program import StageProgram
from app.commands.bench.timers_program import TimersProgram
from app.engine.artifacts import POLICY
from app.engine.clock import TimeMap
from app.engine.program import Program
from app.engine.quiet import quiet
from app.engine.worker import Refusal, Wiring, Worker
from app.settings import Settings, load

LINE_S = 0.05


class Shifted:
    """Journal time is the broker's, so many ms ahead: what waits becomes due."""

    def __init__(self, interval: int, shift_ms: int) -> None:
        self.interval, self._shift_ms = interval, shift_ms

    def __call__(self, broker_ms: int) -> int:
        return broker_ms + self._shift_ms


def programs(name: str, wait_ms: int) -> dict[str, Program]:
    """Topic → what its lane runs: the work on one topic, the others silent."""
    if name == "stage":
        return {"customer_events": StageProgram(), "journal": Silent(), "addressed_plans": Silent(), "message_plans": Silent()}
    return {"customer_events": Silent(), "journal": TimersProgram(wait_ms), "addressed_plans": Silent(), "message_plans": Silent()}


def wiring(name: str, settings: Settings, time_map: TimeMap, mine: dict[str, Program]) -> Wiring:
    if name == "core":
        return core.wiring(settings, time_map)
    return Wiring(lambda packs: dict(mine), [one.attach for one in core.AGENTS], {POLICY: lambda ref, data: data})


async def run(name: str, shift_ms: int, wait_ms: int) -> int:
    settings = load()
    time_map = Shifted(settings.tick_ms, shift_ms)
    mine = {} if name == "core" else programs(name, wait_ms)
    worker = Worker(settings, wiring(name, settings, time_map, mine), time_map=time_map)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    telling = asyncio.create_task(tell(worker, mine))
    try:
        await worker.start()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.code
    await stop.wait()
    telling.cancel()
    await worker.stop()
    return 0


async def tell(worker: Worker, mine: dict[str, Program]) -> None:
    """Lines until it is cancelled. `ready_at` (monotonic s), `ready_cpu` (s): when events began to flow; `restore_s`: time of restoring."""
    begun = 0.0
    flowing: dict[str, float] = {}
    counted = [one.counted for one in mine.values() if isinstance(one, TimersProgram)]
    while True:
        ready = worker.is_ready()
        if not begun and (worker.restoring() or ready):
            begun = time.monotonic()
        if ready and not flowing:
            now = time.monotonic()
            flowing = {"ready_at": now, "ready_cpu": time.process_time(), "restore_s": now - begun}
        line = {"ready": ready, "busy": worker.lanes.waiting(), "woken": worker.woken, **flowing}
        for one in counted:
            line |= one
        sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.sleep(LINE_S if ready else LINE_S / 10)


@click.command()
@click.argument("name", type=click.Choice(["stage", "timers", "core"]))
@click.option("--shift-ms", default=0, help="Journal time ahead of the clock.")
@click.option("--wait-ms", default=0, help="Timers: how long a wait is.")
def main(name: str, shift_ms: int, wait_ms: int) -> None:
    """One worker; settings from the environment."""
    quiet()
    sys.exit(asyncio.run(run(name, shift_ms, wait_ms)))


if __name__ == "__main__":
    main()
