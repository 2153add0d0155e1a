"""The soak: two workers on a Kafka of their own, a steady load, a fault every minute, then quiet, and everything is judged.

w2 is put to sleep but never killed, so that there is a life long enough for a leak to show; w1 dies, w1 is restarted, and now and then
the broker dies under both.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import aiohttp

from app.edges import process
from tests.kafka import faults, load, logs, run, vitals
from tests.kafka.cluster import Broker, Cluster, free_port

ROUND_S = 20.0
"""People come in rounds of a play each, which overlap by what is left of the last stories."""
STORY_EVENTS = 3.9
"""Records of a person's story, repeats included."""
SHARE = 0.6
"""Of what the machine takes."""
BURST = 12_000
"""Records of the burst that measures what it takes."""
SQUEEZED = 50.0
"""How much faster than life the burst's stories go: their stamps stay milliseconds apart."""
CHAIN_S = 10.0
"""Until the last message of the longest chain in tests/packs/quick.toml."""
SLEEP_S = (1.0, 12.0)


class Soak(NamedTuple):
    """What is asked for. `rate`: records a second, None: 60 % of what the machine takes; `most`: records in all."""

    seconds: float
    rate: float | None = None
    fault_every: float = 60.0
    broker_every: int = 10
    sample_every: float = 5.0
    seed: int = 1
    leak_mb_h: float = vitals.LEAK_MB_H
    most: int = 1_000_000


class Report(NamedTuple):
    """What came of it."""

    wrong: list[str]
    figures: dict[str, Any]
    log: list[str]

    @property
    def line(self) -> dict[str, Any]:
        return {"kind": "summary", "exact": not self.wrong, "wrong": self.wrong[:50], **self.figures, "log": self.log}


class _Watch:
    """Samples of all workers, a line each in `out`; `say` is told what people want to see."""

    def __init__(self, scene: faults.Scene, out: TextIO, say: Callable[[str], None]) -> None:
        self._scene, self._out, self._say = scene, out, say
        self.samples: list[vitals.Vitals] = []

    async def run(self, every: float) -> None:
        """Until cancelled."""
        said = 0.0
        async with aiohttp.ClientSession() as session:
            while True:
                found = await vitals.look(self._scene.cluster, session)
                self.samples += found
                for one in found:
                    self.write(one.line)
                if time.monotonic() - said > 30:
                    said = time.monotonic()
                    self._say(" · ".join(f"{one.worker}: {one.rss / 1e6:.0f} MB, {one.files} files, lag {one.lag}" for one in found))
                await asyncio.sleep(every)

    def write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()

    async def fault(self, name: str, action: Awaitable[None]) -> None:
        """One fault, and what the scene's log says of it, in `out`, too."""
        begun, seen = time.time(), len(self._scene.log)
        await action
        told = self._scene.log[seen:]
        self.write({"kind": "fault", "at": begun, "fault": name, "seconds": round(time.time() - begun, 1), "log": told})
        self._say(f"{name}: {', '.join(told)}")


async def soak(asked: Soak, home: Path, out: TextIO, say: Callable[[str], None] = lambda line: None) -> Report:
    """Runs it and judges it; a JSON line per sample, fault and, last, summary goes to `out`."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our own clients while the broker is dead on purpose
    broker = Broker(home / "kafka")
    await asyncio.to_thread(broker.up)
    cluster = Cluster(broker.address, "soak-", home)
    scene = faults.Scene(cluster, broker, random.Random(f"soak {asked.seed}"), asked.seconds, [], [])
    watch = _Watch(scene, out, say)
    commits = run.Commits(cluster)
    tasks: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(cluster.create_topics)
        for name in ("w1", "w2"):
            worker = cluster.worker(name)
            worker.http = free_port()
            worker.start()
        await run.ready(cluster)
        tasks = [asyncio.create_task(commits.watch()), asyncio.create_task(watch.run(asked.sample_every))]
        told, rate, takes = await _rate(asked, cluster, broker)
        say(f"{rate:.0f} records/s" + (f" of {takes:.0f} that the machine takes" if takes else ""))
        playing = asyncio.create_task(_shop(asked, cluster, rate, told))
        await _faults(asked, scene, watch)
        await playing
        say("quiet")
        evidence = await run.collect(scene, told, commits)
        for task in tasks:
            task.cancel()
        say("judging")
        figures = {"rate": round(rate), "takes": takes and round(takes), **evidence.figures, **_sizes(scene, evidence, watch.samples)}
        wrong = evidence.wrong + await asyncio.to_thread(run.judge, evidence)
        wrong += vitals.growing(watch.samples, asked.leak_mb_h)
        wrong += vitals.unexplained(figures["disk"], evidence.stores)
        report = Report(wrong, figures | evidence.figures, scene.log)
        watch.write(report.line)
        return report
    finally:
        for task in tasks:
            task.cancel()
        cluster.stop()
        broker.down()


async def _rate(asked: Soak, cluster: Cluster, broker: Broker) -> tuple[dict[str, str], float, float | None]:
    """(people of the burst and their stories, records a second to play, records a second that the machine takes if it was measured).

    What it takes: the records of a burst over the time until all is worked off, but no more than its cores have seconds for what broker,
    workers and we ourselves used on the burst until its last message was out. The first alone would forget timers and rendering.
    """
    most = asked.most / asked.seconds
    if asked.rate is not None:
        return {}, min(asked.rate, most), None
    people = BURST // 10
    planned = load.play(asked.seed - 1, people, ROUND_S, BURST - int(people * STORY_EVENTS))
    pids = [os.getpid(), broker.pid(), *(worker.pid for worker in cluster.workers.values())]
    begun, used = time.monotonic(), sum(map(process.cpu, pids))
    # Not all at once: of two records with one stamp nobody can say which came first, and a misplaced one may overtake the other.
    await _player(cluster).run([one._replace(after=one.after / SQUEEZED) for one in planned])
    while await _behind(cluster):  # noqa: ASYNC110 the broker does not call back
        await asyncio.sleep(0.25)
    worked_off = len(planned) / (time.monotonic() - begun)
    await asyncio.sleep(CHAIN_S)
    cost = (sum(map(process.cpu, pids)) - used) / len(planned)
    takes = min(worked_off, len(os.sched_getaffinity(0)) / cost)
    return load.stories(asked.seed - 1, people), min(SHARE * takes, most), takes


async def _behind(cluster: Cluster) -> bool:
    ends = await logs.end_offsets(cluster.broker, cluster.prefix, ("customer_events",))
    committed = await logs.committed(cluster.broker, cluster.prefix)
    return any(end > committed.get(place, 0) for place, end in ends.items())


def _player(cluster: Cluster) -> load.Player:
    return load.Player(cluster.broker, cluster.prefix + "customer_events")


async def _shop(asked: Soak, cluster: Cluster, rate: float, told: dict[str, str]) -> None:
    """Rounds of people, one after the other; adds them to `told`. Returns when every record is acked."""
    rounds = max(1, round(asked.seconds / ROUND_S))
    people = max(1, int(rate * ROUND_S / 10))
    playing = []
    begun = time.monotonic()
    for number in range(rounds):
        seed = asked.seed + number
        planned = await asyncio.to_thread(load.play, seed, people, ROUND_S, max(0, int(rate * ROUND_S - people * STORY_EVENTS)))
        await asyncio.sleep(max(0.0, begun + number * ROUND_S - time.monotonic()))
        told.update(load.stories(seed, people))
        playing.append(asyncio.create_task(_player(cluster).run(planned)))
    await asyncio.gather(*playing)


async def _faults(asked: Soak, scene: faults.Scene, watch: _Watch) -> None:
    """One fault each `fault_every` seconds, in random order but none twice before all; ends with every process alive."""
    begun, count, waiting = time.monotonic(), 0, []
    while (count + 1) * asked.fault_every < asked.seconds:
        count += 1
        await asyncio.sleep(max(0.0, begun + count * asked.fault_every - time.monotonic()))
        for worker in scene.cluster.workers.values():
            faults.ended_by_itself(worker, scene)
        if count % asked.broker_every == 0:
            await watch.fault("broker", _broker_killed(scene))
            continue
        if not waiting:
            waiting = scene.rng.sample(sorted(FAULTS), len(FAULTS))
        name = waiting.pop()
        await watch.fault(name, FAULTS[name](scene))
    await asyncio.sleep(max(0.0, begun + asked.seconds - time.monotonic()))


async def _killed(scene: faults.Scene) -> None:
    """kill -9; away for longer than a session or not."""
    worker = scene.cluster.worker("w1")
    worker.kill()
    away = scene.rng.choice((0.0, 2.0, 7.0))
    await asyncio.sleep(away)
    worker.start()
    scene.log.append(f"w1 kill -9, away {away:.0f} s")


async def _restarted(scene: faults.Scene) -> None:
    worker = scene.cluster.worker("w1")
    took = await asyncio.to_thread(worker.stop)
    scene.log.append(f"w1 stopped in {took:.1f} s, exit {worker.code}")
    if worker.code != 0:
        scene.wrong.append(f"w1 ended with {worker.code} at SIGTERM")
    worker.start()


async def _asleep(scene: faults.Scene) -> None:
    """SIGSTOP for less or more than a session."""
    worker = scene.cluster.worker(scene.rng.choice(("w1", "w2")))
    seconds = scene.rng.uniform(*SLEEP_S)
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    worker.signal(signal.SIGCONT)
    scene.log.append(f"{worker.name} slept {seconds:.1f} s")


async def _broker_killed(scene: faults.Scene) -> None:
    assert scene.broker is not None
    scene.broker.kill()
    away = scene.rng.uniform(1.0, 8.0)
    await asyncio.sleep(away)
    await asyncio.to_thread(scene.broker.up)
    scene.log.append(f"broker kill -9, away {away:.0f} s")


FAULTS: dict[str, faults.Fault] = {"killed": _killed, "restarted": _restarted, "asleep": _asleep}


def _sizes(scene: faults.Scene, evidence: run.Evidence, samples: list[vitals.Vitals]) -> dict[str, Any]:
    """What the processes took: bytes, and the slope of every life that was long enough, MB/h."""
    slopes = []
    for life in vitals.lives(samples).values():
        heap = vitals.slope(vitals.warm_heap(life))
        if heap is not None and heap.hours * 3600 >= vitals.JUDGED_S / 5:
            slopes.append(
                {"worker": life[0].worker, "mb_h": round(heap.mb_h, 1), "error": round(heap.error, 1), "hours": round(heap.hours, 2)}
            )
    return {
        "lives": len(vitals.lives(samples)),
        "longest_s": round(max((life[-1].at - life[0].at for life in vitals.lives(samples).values()), default=0.0)),
        "slopes": slopes,
        "rss_max": max((one.rss for one in samples), default=0),
        "files_max": max((one.files for one in samples), default=0),
        "disk": sum(vitals.disk(worker) for worker in scene.cluster.workers.values()),
        "live": vitals.live_bytes(evidence.stores),
    }
