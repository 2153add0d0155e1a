"""What is done to a cluster while people shop. Each fault is a coroutine that ends with every process alive again."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from app.edges import process
from tests.kafka.cluster import SESSION_MS, Broker, Cluster, Worker

REACHED = {"slice_written": 12, "committed": 5, "restoring": 1, "restored": 1, "revoked": 1}
"""How often a place is passed within a run's first seconds, where it is not in every turn."""
EVERY_TURN = 100
REQUEST_S = 20.0
"""How long aiokafka lets a request wait for a leader."""
IDLE_CORE = 0.15
"""Of a core, what a worker may take while there is no broker."""
STOP_S = 6.0
"""A stop takes under 5 s; a second for a busy machine."""


class Scene(NamedTuple):
    """Where a fault happens; `seconds`: how long people shop. `broker` None: shared, not to be touched.

    `log` gets a line per action, `wrong` what a fault itself sees go wrong.
    """

    cluster: Cluster
    broker: Broker | None
    rng: random.Random
    seconds: float
    log: list[str]
    wrong: list[str]


Fault = Callable[[Scene], Awaitable[None]]


async def exited(worker: Worker, within: float) -> bool:
    for _ in range(int(within * 20)):
        if not worker.alive:
            return True
        await asyncio.sleep(0.05)
    return False


def at_failpoints(*names: str) -> Fault:
    """One worker dies at each of these places in turn, and is started again with the next at once."""

    async def fault(scene: Scene) -> None:
        worker = scene.cluster.worker("w1")
        for name in names:
            nth = scene.rng.randint(1, REACHED.get(name, EVERY_TURN))
            if worker.alive:
                worker.kill()
            worker.start(f"{name}:{nth}")
            if not await exited(worker, max(8.0, scene.seconds)):
                scene.log.append(f"{name}:{nth} was never passed")
                worker.kill()
            else:
                scene.log.append(f"died at {name}:{nth} ({worker.code})")
        worker.start()

    return fault


async def at_random(scene: Scene) -> None:
    """kill -9 at random moments, started again at once."""
    worker = scene.cluster.worker("w1")
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - begun < scene.seconds:
        await asyncio.sleep(scene.rng.uniform(1.0, 7.0))
        ended_by_itself(worker, scene)
        worker.kill()
        scene.log.append("kill -9")
        worker.start()


async def terminated(scene: Scene) -> None:
    """SIGTERM and a start, as in a rolling upgrade."""
    worker = scene.cluster.worker("w1")
    for _ in range(3):
        await asyncio.sleep(scene.seconds / 3)
        ended_by_itself(worker, scene)
        took = await asyncio.to_thread(worker.stop)
        scene.log.append(f"stopped in {took:.1f} s, exit {worker.code}")
        worker.start()


async def zombie(scene: Scene) -> None:
    """Two workers; one sleeps past its session in the middle of its work, its partitions move, and then it goes on."""
    first, second = scene.cluster.worker("w1"), scene.cluster.worker("w2")
    second.start()
    for worker in (first, second):
        await asyncio.sleep(scene.rng.uniform(2.0, 4.0))
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_MS / 1000 + scene.rng.uniform(1.0, 4.0))
        worker.signal(signal.SIGCONT)
        scene.log.append(f"{worker.name} slept past its session")
    await asyncio.sleep(3.0)
    for worker in (first, second):
        if not worker.alive:
            scene.log.append(f"{worker.name} had given up ({worker.code})")
            worker.start()


async def in_rebalance(scene: Scene) -> None:
    """One worker dies while its partitions are taken away, then while it restores them, then when it has them."""
    first, second = scene.cluster.worker("w1"), scene.cluster.worker("w2")
    first.kill()
    first.start("revoked:2")  # the first time is its own joining
    await asyncio.sleep(4.0)
    second.start()
    for failpoint in ("restoring:1", "restored:1", ""):
        died = await exited(first, max(8.0, scene.seconds))
        scene.log.append(f"w1 died ({first.code})" if died else "w1 did not die")
        if not died:
            first.kill()
        first.start(failpoint)


async def rebalances(scene: Scene) -> None:
    """Three workers that come, go, die and sleep at random."""
    workers = [scene.cluster.worker(name) for name in ("w1", "w2", "w3")]
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() - begun < scene.seconds:
        await asyncio.sleep(scene.rng.uniform(0.8, 2.5))
        worker = scene.rng.choice(workers)
        if not worker.alive:
            worker.start()
            scene.log.append(f"{worker.name} joined")
            continue
        action = scene.rng.choice(("kill", "stop", "sleep"))
        if action == "kill":
            worker.kill()
        elif action == "stop":
            await asyncio.to_thread(worker.stop)
        else:
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(scene.rng.choice((1.0, SESSION_MS / 1000 + 1.5)))
            worker.signal(signal.SIGCONT)
        scene.log.append(f"{worker.name} {action}")
    for worker in workers:
        if not worker.alive:
            worker.start()


async def broker_killed(scene: Scene) -> None:
    """kill -9 of the broker, away for a while, started again on the same data; workers must go on by themselves."""
    assert scene.broker is not None
    await asyncio.sleep(scene.seconds * 0.4)
    scene.broker.kill()
    scene.log.append("broker kill -9")
    await asyncio.sleep(scene.rng.uniform(2.0, 5.0))
    await asyncio.to_thread(scene.broker.up)
    scene.log.append("broker is back")
    await asyncio.sleep(2.0)
    for worker in scene.cluster.workers.values():
        ended_by_itself(worker, scene)


async def broker_stopped(scene: Scene) -> None:
    """The broker stops as it should, which takes every leader away first, and stays away for longer than a request may take.

    Workers neither end nor burn a core over it.
    """
    assert scene.broker is not None
    await asyncio.sleep(scene.seconds * 0.4)
    await asyncio.to_thread(scene.broker.down)
    scene.log.append("broker stopped")
    workers = list(scene.cluster.workers.values())
    before = {worker.name: process.cpu(worker.pid) for worker in workers}
    await asyncio.sleep(REQUEST_S + 2.0)
    for worker in workers:
        share = (process.cpu(worker.pid) - before[worker.name]) / (REQUEST_S + 2.0)
        scene.log.append(f"{worker.name} took {share:.2f} of a core without a broker")
        if share > IDLE_CORE or not worker.alive:
            scene.wrong.append(f"{worker.name} took {share:.2f} of a core without a broker, exit code {worker.code}")
    await asyncio.to_thread(scene.broker.up)
    scene.log.append("broker is back")
    for worker in workers:
        ended_by_itself(worker, scene)


async def both_killed(scene: Scene) -> None:
    """Broker and worker die together."""
    assert scene.broker is not None
    worker = scene.cluster.worker("w1")
    await asyncio.sleep(scene.seconds * 0.5)
    scene.broker.kill()
    worker.kill()
    scene.log.append("broker and worker kill -9")
    await asyncio.to_thread(scene.broker.up)
    worker.start()


async def stopped_without_broker(scene: Scene) -> None:
    """A worker that is told to stop while the broker is away ends in time all the same."""
    assert scene.broker is not None
    worker = scene.cluster.worker("w1")
    await asyncio.sleep(scene.seconds * 0.5)
    scene.broker.kill()
    await asyncio.sleep(2.0)
    took = await asyncio.to_thread(worker.stop)
    scene.log.append(f"stopped without a broker in {took:.1f} s ({worker.code})")
    if took > STOP_S:
        scene.wrong.append(f"a stop without a broker took {took:.1f} s")
    await asyncio.to_thread(scene.broker.up)
    worker.start()


async def outage(scene: Scene) -> None:
    """All workers are away for longer than the longest wait, while people go on shopping and buying."""
    worker = scene.cluster.worker("w1")
    await asyncio.sleep(scene.seconds * 0.25)
    worker.kill()
    scene.log.append("everything is down")
    await asyncio.sleep(scene.seconds * 0.9)
    worker.start()
    scene.log.append("everything is back")


def ended_by_itself(worker: Worker, scene: Scene) -> None:
    """A worker may give itself up rather than go on wrongly (it is supervised); it is noted, and started again."""
    if not worker.alive:
        scene.log.append(f"{worker.name} had ended by itself ({worker.code})")
        worker.start()
