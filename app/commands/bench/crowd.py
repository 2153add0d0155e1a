"""Whether an event costs more the more customers there are, up to ten million: in this process and without Kafka.

To play ten million people's first events takes hours, and a broker with room for what comes of them. Here a few are played, and
everybody else gets their rows under an id of her own: the store is as large and as deep as it would be, with every index. All customers
lie in one partition, which is worse than life.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from app.commands.bench.in_process import InProcess, Lane, no_collecting
from app.commands.bench.spent import Spent
from app.domain import identity
from app.edges import process, workload
from app.edges.disk import taken
from app.edges.progress import Bar
from app.engine.rows import NEVER, Row, read_header
from app.settings import Settings

PLAYED = 1_000
"""People who are played, one view each."""
BATCH = 1_000
"""People per write."""
MOST = 10_000_000
"""Longer ids would not fit in the others' place."""
WARM = 0.2
"""Share of the events that are not measured: caches fill."""


class _Meter:
    """CPU and wall time between `with` and its end, all times together."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0

    def __enter__(self) -> None:
        self.cpu -= time.process_time()
        self.wall -= time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.cpu += time.process_time()
        self.wall += time.monotonic()


def crowded(artifact: tuple[str, bytes], settings: Settings, people: int, events: int, seed: int) -> dict[str, float]:
    """µs of CPU per event of the mix among so many people; memory and disk (MB) of all of it, and bytes of disk a person."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder, no_collecting():
        return asyncio.run(_crowded(artifact, settings, people, events, seed, Path(folder)))


async def _crowded(artifact: tuple[str, bytes], settings: Settings, people: int, events: int, seed: int, folder: Path) -> dict[str, float]:
    run = InProcess(artifact, settings, folder)
    await run.activate()
    played = min(people, PLAYED)
    await run.feed(f"scale: {played:,} customers", workload.everybody_looks(played), played)
    multiply(run, settings.secret, played, people)
    await _settled(run)
    warm = int(events * WARM)
    await run.feed("scale: warm", workload.mix(seed, people, warm), warm)
    meter = _Meter()
    await run.feed("scale: mix", workload.mix(seed + 1, people, events), events, meter)
    spent = Spent(events, meter.wall, meter.cpu, None, process.rss(os.getpid()))
    disk = await asyncio.to_thread(taken, folder)
    run.store.close()
    return {**spent.row(), "disk_mb": round(disk / 1e6), "disk_b_each": round(disk / people)}


async def _settled(run: InProcess) -> None:
    """Until RocksDB has put in order what was written at once: no store of a shop grew so fast."""
    db = run.store.db
    db.flush()
    while any(db.property_int_value(f"rocksdb.{name}") for name in ("num-running-compactions", "compaction-pending")):  # noqa: ASYNC110 RocksDB does not call back
        await asyncio.sleep(0.2)


def multiply(run: InProcess, secret: str, played: int, people: int) -> None:
    """Everybody from number `played` on gets all rows of one of those before her."""
    with Bar(f"scale: {people:,} customers", people) as bar:
        for lane in (run.intake, run.lane):
            templates = _templates(lane, secret, played)
            for begin in range(played, people, BATCH):
                rows = []
                for number in range(begin, min(people, begin + BATCH)):
                    old, new = _ids(secret, number % played), _ids(secret, number)
                    for row in templates[number % played]:
                        rows.append(replace(row, key=_renamed(row.key, old, new), value=_renamed(row.value, old, new)))
                lane.table.keep(rows, lane.table.marks(), lane.table.changelog_next)
                bar.at((begin + (people if lane is run.lane else 0)) // 2)


def _templates(lane: Lane, secret: str, played: int) -> list[list[Row]]:
    """The rows of each who was played, as if they had never been written."""
    whose = {name: number for number in range(played) for name in _ids(secret, number)}
    found: list[list[Row]] = [[] for _ in range(played)]
    for key, value in lane.table.rows():
        number = whose.get(key[1:].removeprefix(b"c:"))
        if number is not None:
            due = read_header(value)[1]
            found[number].append(Row(key, value, due, NEVER))
    return found


def _ids(secret: str, number: int) -> tuple[bytes, bytes]:
    """(customer id, person id)"""
    who = workload.customer(number)
    return who.encode(), identity.person_id(secret, identity.identifier(who, None)).encode()


def _renamed(told: bytes, old: tuple[bytes, bytes], new: tuple[bytes, bytes]) -> bytes:
    return told.replace(old[0], new[0]).replace(old[1], new[1])
