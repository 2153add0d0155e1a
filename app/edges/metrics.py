"""A worker's counts and gauges in Prometheus' words, made when somebody asks: the hot path never meets a Prometheus object.

Labels are few and known: topics of the map, partitions of this worker, triggers of packs (capped, engine/counts.py), reasons and stages of
the code. No person, address or event is ever named here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app import __version__
from app.edges.disk import taken
from app.engine.artifacts import POPULATION
from app.engine.clock import wall_ms
from app.engine.counts import Spread
from app.engine.store import cache_bytes
from app.flow import TABLES

AGAIN = "A turn that is done again after a crash, a lost lease or a foreign write may count again."
DECIDED = {
    "opened": ("kairos_windows_opened", "Windows opened."),
    "sent": ("kairos_sends", "Messages written to message_sends."),
    "not_sent": ("kairos_non_sends", "Steps that ended without a message."),
    "cancelled": ("kairos_cancelled_steps", "Steps that an event cancelled."),
    "held": ("kairos_holds", "Steps that were held for a while."),
}
"""Outcome of a decision → metric. `opened` and `sent` need no reason."""
PEOPLES = "core"
"""The role that keeps people."""
REASONLESS = ("opened", "sent")
WITHOUT_REASON = "none"


class Metrics(Collector):
    """Of the roles of one process, in a registry of its own: two workers in one process share nothing.

    What roles count they do not count twice: their topics, partitions and tables differ. What is of one role only (the clock, timers,
    idleness) is the first one's, the core's where it runs.
    """

    def __init__(self, workers: Sequence[Any]) -> None:
        self._workers, self._worker = workers, workers[0]
        self._disk = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, as the scraper's Accept header wants it."""
        self._disk = sum([await asyncio.to_thread(taken, worker.folder) for worker in self._workers])
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Everything as it stands now; called by the registry, in the event loop."""
        yield from self._flow()
        yield from self._decisions()
        yield from self._time()
        yield from self._state()

    def _flow(self) -> Iterator[Metric]:
        workers = self._workers
        records = {self._name(topic): count for worker in workers for topic, count in worker.counts.records.items()}
        yield _counter("kairos_records", f"Records worked off. {AGAIN}", records, "topic")
        intake = f"What intake made of events (future and bot are accepted ones, too) and of links. {AGAIN}"
        yield _counter("kairos_events", intake, self._worker.counts.intake, "outcome")
        broadcasts = f"Changes of products that the active pack asks for, told to every partition of the journal. {AGAIN}"
        yield _counter("kairos_product_broadcasts", broadcasts, self._worker.counts.broadcasts, "change")
        turns = HistogramMetricFamily(
            "kairos_turn_seconds", "A lane's turn: steps, outputs and changelog acked, local write.", labels=["topic"]
        )
        for worker in workers:
            for topic, spread in worker.counts.turns.items():
                _spread(turns, [self._name(topic)], spread)
        yield turns
        lag = GaugeMetricFamily(
            "kairos_lag_records", "Records between what is acked and the partition's end, ticks included.", labels=["topic", "partition"]
        )
        for worker in workers:
            for place, behind in worker.lags.items():
                lag.add_metric([self._name(place.topic), str(place.partition)], behind)
        yield lag
        yield _gauge("kairos_idle_seconds", "Since the last finished turn; ticks make several turns a second.", self._worker.idle_s())
        yield _gauge("kairos_ready", "1 while /readyz says 200.", all(worker.trouble() is None for worker in workers))
        stopped = "Partitions that fell behind their topic's retention and are not read until an operator decides."
        yield _gauge("kairos_stopped_partitions", stopped, sum(len(worker.stopped_partitions()) for worker in workers))

    def _decisions(self) -> Iterator[Metric]:
        counts = self._worker.counts
        for outcome, (name, what) in DECIDED.items():
            labels = ["trigger"] if outcome in REASONLESS else ["trigger", "reason"]
            family = CounterMetricFamily(name, f"{what} {AGAIN}", labels=labels)
            for (found, trigger, reason), count in sorted(counts.decisions.items()):
                if found == outcome:
                    family.add_metric([trigger, reason or WITHOUT_REASON][: len(labels)], count)
            yield family
        what = "Windows that would have opened and may not: what they are about tells something sensitive."
        withheld = CounterMetricFamily("kairos_not_opened", f"{what} {AGAIN}", labels=["trigger", "reason"])
        for (found, reason), count in sorted(counts.withheld.items()):
            withheld.add_metric([found, reason], count)
        yield withheld
        letters = CounterMetricFamily("kairos_dead_letters", f"Records buried in dead_letters. {AGAIN}", labels=["stage", "reason"])
        for (stage, reason), count in sorted(self._letters().items()):
            letters.add_metric([stage, reason], count)
        yield letters
        defects = sum(worker.defects for worker in self._workers)
        yield _total("kairos_defects", f"Records buried because a step raised: ours to mend. {AGAIN}", defects)

    def _time(self) -> Iterator[Metric]:
        worker = self._worker
        now = worker.time_map(wall_ms())
        late = HistogramMetricFamily(
            "kairos_timer_lateness_seconds", f"From due to durable wake-up; two to three ticks are normal. {AGAIN}"
        )
        _spread(late, [], worker.counts.lateness)
        yield late
        stores = getattr(worker, "stores", None)
        waits = None if stores is None else stores.next_due()
        overdue = (
            "How long the earliest wake-up that has not come yet is overdue; 0 while nobody is. Stages, segments and messages wait so."
        )
        yield _gauge("kairos_overdue_seconds", overdue, 0 if waits is None else max(0, now - waits) / 1000)
        age = GaugeMetricFamily(
            "kairos_low_water_age_seconds", "Age of the mark by which timers fire; grows while intake is behind.", labels=["partition"]
        )
        for partition, low_water in self._low_water().items():
            if low_water:
                age.add_metric([str(partition)], (now - low_water) / 1000)
        yield age
        if (as_of := self._figures()) is not None:
            told = "Age of the figures of everybody by which tiers and fifths are told; a day and a little where people order daily."
            yield _gauge("kairos_population_age_seconds", told, (now - as_of) / 1000)
        yield _total("kairos_ticks", "Ticks this worker's clock wrote.", worker.clock.ticks)
        yield _gauge("kairos_clock_owner", "1 where the cluster's clock runs.", worker.owns_control())
        if worker.clock.skew_ms is not None:
            skew = "This machine's clock minus the broker's, where the clock runs; beyond 60 s there are no ticks."
            yield _gauge("kairos_clock_skew_seconds", skew, worker.clock.skew_ms / 1000)

    def _state(self) -> Iterator[Metric]:
        workers = self._workers
        stores = [worker.stores for worker in workers if hasattr(worker, "stores")]
        yield _total("kairos_restores", "Assignments whose state was brought up to date.", sum(one.counts.restores for one in workers))
        yield _total("kairos_restored_records", "Changelog records read for it.", sum(one.counts.restored_records for one in workers))
        yield _total("kairos_restore_seconds", "Time it took.", sum(one.counts.restore_s for one in workers))
        foreign = "Changelog records of another writer found between our own: zombies, harmless once noticed."
        yield _total("kairos_foreign_write_records", foreign, sum(worker.producer.foreign_writes for worker in workers))
        yield _gauge("kairos_partitions_held", "Partitions whose state is open here.", sum(len(one.partitions) for one in stores))
        yield _gauge("kairos_rocksdb_disk_bytes", "State on disk, of partitions held and left, and of topics followed.", self._disk)
        memory = cache_bytes() + sum(one.memtables() for one in stores)
        yield _gauge("kairos_rocksdb_memory_bytes", "Block cache and memtables: part of the resident memory.", memory)
        build = GaugeMetricFamily("kairos_build_info", "Always 1.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build

    def _letters(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for worker in self._workers:
            found.update(worker.counts.letters)
        return found

    def _low_water(self) -> Mapping[int, int]:
        stores = getattr(self._worker, "stores", None)
        if stores is None or self._worker.role != PEOPLES:
            return {}
        return {partition: stores.table(TABLES["people"], partition).marks().low_water for partition in stores.partitions}

    def _figures(self) -> int | None:
        """As of when the active figures are (ms), if this process ranks by any."""
        artifacts = self._worker.artifacts
        ref = artifacts.active.get(POPULATION)
        try:
            return None if ref is None else int(artifacts.packs(ref).as_of)
        except (KeyError, ValueError):
            return None  # its lanes say so, and wait

    def _name(self, topic: str) -> str:
        """A topic as the map calls it."""
        return topic.removeprefix(self._worker.settings.topic_prefix)


def _counter(name: str, what: str, counts: Mapping[str, int] | Counter[str], label: str) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


def _total(name: str, what: str, count: float) -> Metric:
    return CounterMetricFamily(name, what, value=count)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=float(value))


def _spread(family: HistogramMetricFamily, labels: list[str], spread: Spread) -> None:
    total, buckets = 0, []
    for bound, count in zip([*map(str, spread.bounds), "+Inf"], spread.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets=buckets, sum_value=spread.sum)
