"""One run: people shop, faults happen, everything comes to rest, the judges look at what is left."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from tests.kafka import faults, load, logs, oracle, replay, stores, stories
from tests.kafka.cluster import PUBLIC_URL, SECRET, Broker, Cluster

REST = 90.0
"""Seconds within which everything must have come to rest once the faults are over (I12)."""


class Plan(NamedTuple):
    """A run by name. `own_broker`: it kills the broker. `noise`: events that change no window, beside those of the stories."""

    name: str
    fault: faults.Fault
    own_broker: bool = False
    noise: int = 1_800


PLANS = (
    Plan("turn_1", faults.at_failpoints("fetched", "stepped", "outputs_enqueued")),
    Plan("turn_2", faults.at_failpoints("outputs_acked", "changelog_enqueued", "changelog_acked")),
    Plan("turn_3", faults.at_failpoints("local_written", "acked", "slice_written")),
    Plan("recovery", faults.at_failpoints("committed", "restoring", "restored")),
    Plan("in_rebalance", faults.in_rebalance),
    Plan("random", faults.at_random),
    Plan("terminated", faults.terminated),
    Plan("zombie", faults.zombie),
    Plan("rebalances", faults.rebalances),
    # A backlog that takes seconds: whoever fires by the clock instead of the low-water mark reminds people who bought meanwhile.
    Plan("outage", faults.outage, noise=12_000),
    Plan("broker", faults.broker_killed, own_broker=True),
    Plan("broker_stopped", faults.broker_stopped, own_broker=True),
    Plan("both", faults.both_killed, own_broker=True),
    Plan("no_broker", faults.stopped_without_broker, own_broker=True),
)


class Report(NamedTuple):
    """What came of a run."""

    name: str
    seed: int
    wrong: list[str]
    figures: dict[str, Any]
    log: list[str]

    @property
    def line(self) -> dict[str, Any]:
        return {"run": self.name, "seed": self.seed, "exact": not self.wrong, "wrong": self.wrong[:30], "log": self.log, **self.figures}


async def run(plan: Plan, seed: int, broker: str, home: Path, people: int = 300, seconds: float = 14.0) -> Report:
    """Runs a plan and judges it. `broker`: a running one; a plan that kills its broker starts one of its own under `home`."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients while the broker is dead on purpose
    own = Broker(home / "kafka") if plan.own_broker else None
    if own is not None:
        await asyncio.to_thread(own.up)
    cluster = Cluster(broker if own is None else own.address, f"{plan.name}-{seed}-{int(time.time())}-", home)
    scene = faults.Scene(cluster, own, random.Random(f"{plan.name} {seed}"), seconds, [], [])
    try:
        evidence = await gather(plan, seed, scene, people)
        wrong = evidence.wrong + await asyncio.to_thread(judge, evidence)
        return Report(plan.name, seed, wrong, evidence.figures, scene.log)
    finally:
        cluster.stop()
        if own is None:
            await cluster.delete_topics()
        else:
            own.down()


class Evidence(NamedTuple):
    """What a run leaves behind. `wrong`: what was seen to be wrong while it ran; `told`: customer_id → story."""

    logs: logs.Logs
    committed: dict[tuple[str, int], int]
    stores: list[stores.Local]
    told: dict[str, str]
    commits: Commits
    wrong: list[str]
    figures: dict[str, Any]


async def gather(plan: Plan, seed: int, scene: faults.Scene, people: int) -> Evidence:
    """Lets people shop and faults happen, waits for rest, stops everything, and collects what is left."""
    begun = time.time()
    cluster = scene.cluster
    await asyncio.to_thread(cluster.create_topics)
    cluster.worker("w1").start()
    await ready(cluster)
    commits = Commits(cluster)
    watching = asyncio.create_task(commits.watch())
    player = load.Player(cluster.broker, cluster.prefix + "customer_events")
    stock = load.Player(cluster.broker, cluster.prefix + "catalog_changes")
    await asyncio.gather(
        player.run(load.play(seed, people, scene.seconds, plan.noise)), stock.run(load.catalogue(scene.seconds)), plan.fault(scene)
    )
    evidence = await collect(scene, load.stories(seed, people), commits)
    watching.cancel()
    evidence.figures["wall_s"] = round(time.time() - begun, 1)
    return evidence


async def collect(scene: faults.Scene, told: dict[str, str], commits: Commits) -> Evidence:
    """After the last fault: waits for rest, stops everything, and takes what is left. `told`: customer_id → story."""
    cluster = scene.cluster
    for worker in cluster.workers.values():
        if not worker.alive:
            scene.log.append(f"{worker.name} had ended by itself ({worker.code})")
            worker.start()
    waited = time.monotonic()
    wrong = scene.wrong
    if not await _rest(cluster):
        wrong.append(f"not at rest {REST:.0f} s after the last fault")
    figures: dict[str, Any] = {"rest_s": round(time.monotonic() - waited, 1)}
    stops = [0.0]
    for worker in cluster.workers.values():
        if not worker.alive:
            wrong.append(f"{worker.name} had ended by itself at the end ({worker.code})")
            continue
        stops.append(await asyncio.to_thread(worker.stop))
        if worker.code != 0:
            wrong.append(f"{worker.name} ended with {worker.code} at SIGTERM")
    found = await logs.read(cluster.broker, cluster.prefix, oracle.TOPICS)
    committed = await logs.committed(cluster.broker, cluster.prefix)
    left = await asyncio.to_thread(stores.read, cluster.home)
    figures |= {"starts": sum(worker.starts for worker in cluster.workers.values()), "stop_s": round(max(stops), 1)}
    return Evidence(found, committed, left, told, commits, wrong, figures)


def judge(evidence: Evidence) -> list[str]:
    """All judges: the fold, the commits, the replay, the shopkeeper. Adds the oracle's counts to the evidence's figures."""
    verdict = oracle.judge(evidence.logs, evidence.committed, evidence.stores)
    evidence.figures.update(verdict.figures)
    wrong = verdict.differences + evidence.commits.wrong(evidence.logs) + _replayed(evidence.logs)
    return wrong + stories.differences(evidence.logs, evidence.told)


def _replayed(found: logs.Logs) -> list[str]:
    """A replay of the journal gives what was published, byte for byte."""
    wrong = []
    for topic, values in replay.sends(found, oracle.packs_of(found), SECRET, PUBLIC_URL).items():
        published = {one.value for messages in found[topic].values() for one in messages}
        if values != published:
            wrong.append(f"replay: {topic}: {len(published - values)} published records missing, {len(values - published)} extra")
    return wrong


async def ready(cluster: Cluster) -> None:
    """Until every journal partition has a tick: topics, clock and activation are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ends = await logs.end_offsets(cluster.broker, cluster.prefix, ("journal",))
        if ends and all(end > 1 for end in ends.values()):
            return
        if not all(worker.alive for worker in cluster.workers.values()):
            break
        await asyncio.sleep(0.3)
    raise RuntimeError(f"no worker came up, see {cluster.home}")


async def _rest(cluster: Cluster) -> bool:
    """Until every worker is in, the input is consumed, every window's steps have ended and every profile is out, twice in a row.

    Who were stopped while it still restores would leave no store that has come to its changelog's end, and who were stopped while it
    wakes everybody for their profiles, ten seconds after their last events, would leave a tick that is done in part.
    """
    deadline = time.monotonic() + REST
    calm = 0
    while time.monotonic() < deadline:
        await asyncio.sleep(1.5)
        consumed = ("customer_events", "addressed_plans", "message_plans", "journal", "decisions", "message_sends")
        ends = await logs.end_offsets(cluster.broker, cluster.prefix, consumed)
        committed = await logs.committed(cluster.broker, cluster.prefix)
        # The journal is never quite consumed: a tick comes every 200 ms.
        slack = {"journal": 25}
        lag = any(end - committed.get(place, 0) > slack.get(place[0], 0) for place, end in ends.items())
        if lag or await logs.members(cluster.broker, cluster.prefix) != sum(worker.alive for worker in cluster.workers.values()):
            calm = 0
            continue
        read = await logs.read(cluster.broker, cluster.prefix, ("decisions", "people-changelog"))
        waiting = stories.windows(read) or oracle.behind(read)
        calm = 0 if waiting else calm + 1
        if calm == 2:
            return True
    return False


class Commits:
    """Samples of the group's committed offsets during the run: they never go back and never run ahead of the changelog (I9)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._samples: list[tuple[float, dict[tuple[str, int], int]]] = []

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(0.7)
            try:
                committed = await asyncio.wait_for(logs.committed(self._cluster.broker, self._cluster.prefix), 5)
            except (TimeoutError, KafkaError, OSError):
                continue  # the broker may be dead on purpose: then there is no sample
            self._samples.append((time.time() * 1000, committed))

    def wrong(self, found: logs.Logs) -> list[str]:
        tables = {
            "customer_events": "identifiers",
            "journal": "people",
            "addressed_plans": "mailboxes",
            "message_plans": "renders",
            "decisions": "decided",
            "message_sends": "sent",
        }
        marks = {topic: _reached(oracle.marks(found, table)) for topic, table in tables.items()}
        wrong = []
        last: dict[tuple[str, int], int] = {}
        for at, committed in self._samples:
            for (topic, partition), offset in committed.items():
                if offset < last.get((topic, partition), 0):
                    wrong.append(f"{topic} {partition}: committed {offset} after {last[topic, partition]}")
                last[topic, partition] = offset
                if topic in marks:
                    times, reached = marks[topic].get(partition, ([], []))
                    place = bisect_right(times, at)
                    applied = reached[place - 1] if place else -1
                    if offset > applied + 1:
                        wrong.append(f"{topic} {partition}: committed {offset} while the changelog stood at {applied}")
        return wrong


def _reached(marks: dict[int, list[tuple[int, int]]]) -> dict[int, tuple[list[int], list[int]]]:
    """Partition → times, and the highest applied offset that the changelog held by each of them."""
    ordered = {partition: sorted(some) for partition, some in marks.items()}
    return {n: ([at for at, _ in some], list(itertools.accumulate((upto for _, upto in some), max))) for n, some in ordered.items()}
