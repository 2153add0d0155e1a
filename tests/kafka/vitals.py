"""What worker processes take over their lives: memory, open files, disk; and whether any of it grows without a reason."""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from app.edges.disk import taken
from tests.kafka.cluster import Cluster, Worker
from tests.kafka.stores import Local

MB = 1e6
WARM_S, WARM_SHARE = 120.0, 1 / 3
"""The start of a life that does not count, whichever is longer: caches fill, and the first backlogs after a fault (turns of 4,000
records instead of 100) set the allocator's high-water mark, which it keeps: w2 went from 90 to 390 MB so in three minutes."""
JUDGED_S = 600.0
"""Warm life from which a slope says anything; below it is reported only."""
LEAK_MB_H = 20.0
"""Growth that is called a leak, beyond twice the slope's standard error. Half an hour of load moves the heap by a few MB anyway."""
FILES = 10
"""Open files, tables of RocksDB apart, that a life may end with more than it had."""
DISK_FACTOR, DISK_STORE_MB = 3.0, 32.0
"""Disk that live state explains: levels not yet compacted, and per partition write-ahead logs (3 × 8 MB) and RocksDB's own log."""


class Vitals(NamedTuple):
    """One look at one process. Bytes; None where it did not answer (stopped, starting)."""

    at: float
    worker: str
    pid: int
    rss: int
    rocksdb: int | None
    """Block cache and memtables: bounded by settings, and filled as state grows."""
    files: int
    """Open files but RocksDB's tables, whose number follows the state."""
    lag: int | None
    disk: int

    @property
    def line(self) -> dict[str, Any]:
        return {"kind": "sample", **self._asdict()}


async def look(cluster: Cluster, session: aiohttp.ClientSession) -> list[Vitals]:
    """All workers that are alive."""
    found = await asyncio.gather(*(_look(worker, session) for worker in cluster.workers.values() if worker.alive))
    return [one for one in found if one is not None]


async def _look(worker: Worker, session: aiohttp.ClientSession) -> Vitals | None:
    pid = worker.pid
    told = await _scrape(worker, session)
    try:
        rss = _resident(pid)
        files = sum(not name.endswith(".sst") for name in _open_files(pid))
    except OSError:
        return None  # it died just now
    return Vitals(
        time.time(), worker.name, pid, rss, told.get("kairos_rocksdb_memory_bytes"), files, told.get("kairos_lag_records"), disk(worker)
    )


def _resident(pid: int) -> int:
    """Pages in memory, as bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _open_files(pid: int) -> list[str]:
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            names.append(os.readlink(link))
        except OSError:
            continue
    return names


async def _scrape(worker: Worker, session: aiohttp.ClientSession) -> dict[str, int]:
    """Sums over labels of the worker's own gauges; empty if it does not answer."""
    try:
        async with session.get(f"http://127.0.0.1:{worker.http}/metrics", timeout=aiohttp.ClientTimeout(1.5)) as answer:
            page = await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError):
        return {}
    return {one.name: round(sum(sample.value for sample in one.samples)) for one in text_string_to_metric_families(page)}


def disk(worker: Worker) -> int:
    """Bytes of its datadir."""
    return taken(worker.datadir)


class Slope(NamedTuple):
    """A straight line through a life, in MB per hour, and how sure it is."""

    mb_h: float
    error: float
    hours: float

    @property
    def least(self) -> float:
        """The lower end of what it may be, at about 95 %."""
        return self.mb_h - 2 * self.error


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Least squares over (s, bytes); None for fewer than three points."""
    if len(points) < 3:
        return None
    times, values = [at / 3600 for at, _ in points], [value / MB for _, value in points]
    fit = statistics.linear_regression(times, values)
    rest = sum((value - fit.intercept - fit.slope * at) ** 2 for at, value in zip(times, values, strict=True)) / (len(points) - 2)
    spread = sum((at - statistics.fmean(times)) ** 2 for at in times)
    return Slope(fit.slope, math.sqrt(rest / spread) if spread else math.inf, times[-1] - times[0])


def lives(samples: Sequence[Vitals]) -> dict[int, list[Vitals]]:
    """pid → its samples in order."""
    found: dict[int, list[Vitals]] = {}
    for one in samples:
        found.setdefault(one.pid, []).append(one)
    return found


def warm_heap(life: Sequence[Vitals]) -> list[tuple[float, float]]:
    """(s, bytes) of a life after its warm-up: resident memory without what RocksDB holds by its settings."""
    begun, warm = life[0].at, _warm_s(life)
    return [(one.at - begun, one.rss - one.rocksdb) for one in life if one.rocksdb is not None and one.at - begun >= warm]


def _warm_s(life: Sequence[Vitals]) -> float:
    return max(WARM_S, WARM_SHARE * (life[-1].at - life[0].at))


def growing(samples: Sequence[Vitals], leak_mb_h: float = LEAK_MB_H) -> list[str]:
    """What grows in a life that was long enough to tell."""
    wrong = []
    for pid, life in lives(samples).items():
        heap = slope(warm_heap(life))
        if heap is not None and heap.hours * 3600 >= JUDGED_S and heap.least > leak_mb_h:
            wrong.append(f"{life[0].worker} ({pid}): memory grows by {heap.mb_h:.0f} ± {2 * heap.error:.0f} MB/h over {heap.hours:.2f} h")
        warm = [one.files for one in life if one.at - life[0].at >= _warm_s(life)]
        quarter = len(warm) // 4
        if quarter >= 3:
            first, last = statistics.median(warm[:quarter]), statistics.median(warm[-quarter:])
            if last > first + FILES:
                wrong.append(f"{life[0].worker} ({pid}): open files grew from {first:.0f} to {last:.0f}")
    return wrong


def unexplained(disk_bytes: int, left: Sequence[Local]) -> list[str]:
    """Disk beyond what the live state explains."""
    live, stores = live_bytes(left), len({one.partition for one in left})
    most = DISK_FACTOR * live + DISK_STORE_MB * MB * max(1, stores) * 2  # two workers may each hold a copy of a partition
    return [f"{disk_bytes / MB:.0f} MB on disk for {live / MB:.0f} MB of live state"] if disk_bytes > most else []


def live_bytes(left: Sequence[Local]) -> int:
    """Keys and values of every row and due entry that workers left."""
    return sum(sum(len(key) + len(value) for key, value in one.rows.items()) + sum(8 + len(key) for _, key in one.due) for one in left)
