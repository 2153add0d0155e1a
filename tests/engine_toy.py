"""A worker process that runs the toy programs on real Kafka: `python -m tests.engine_toy`, settings from the environment."""

from __future__ import annotations

import asyncio
import signal
import sys

from app.agents import (
    churn_watcher,
    clock,
    intake,
    intent_scorer,
    postmaster,
    product_watcher,
    profile_updater,
    renderer,
    segmenter,
    trigger_scheduler,
)
from app.agents.postmaster_program import PostmasterProgram
from app.agents.product_watcher_program import ProductWatcherProgram
from app.engine.quiet import quiet
from app.engine.worker import Refusal, Wiring, Worker
from app.settings import load
from tests import toy

WAIT_MS = 1500
PROGRAMS = {"customer_events": toy.ToyIntake(), "journal": toy.ToyLane(), "message_plans": toy.ToyRenderer()}
WATCHER = ProductWatcherProgram(lambda: None, toy.PARTITIONS)
"""Nobody has anything to say of a product there."""
POSTMASTER = PostmasterProgram()
"""Nor of an address: the toy lane plans for the renderer."""
LANE = (profile_updater, intent_scorer, churn_watcher, segmenter, trigger_scheduler)
AGENTS = (intake, *LANE, postmaster, renderer, clock, product_watcher)


def wiring() -> Wiring:
    programs = {**PROGRAMS, "catalog_changes": WATCHER, "addressed_plans": POSTMASTER}
    return Wiring(lambda packs: dict(programs), [one.attach for one in AGENTS], {"policy": lambda ref, data: data})


async def main() -> int:
    worker = Worker(load(), wiring())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await worker.start()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return refusal.code
    print("ready", flush=True)
    await stop.wait()
    await worker.stop()
    return 0


if __name__ == "__main__":
    quiet()
    toy.WAIT, toy.TOGETHER = WAIT_MS, 1
    sys.exit(asyncio.run(main()))
