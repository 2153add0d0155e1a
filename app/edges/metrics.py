"""A worker's counts and gauges in Prometheus' words, made when somebody asks: the hot path never meets a Prometheus object.

Labels are few and known: topics of the map, partitions of this worker, triggers of packs (capped, engine/counts.py), reasons and stages of
the code. No person, address or event is ever named here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app import __version__
from app.edges.disk import taken
from app.engine.clock import wall_ms
from app.engine.counts import Spread
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
REASONLESS = ("opened", "sent")
WITHOUT_REASON = "none"


class Metrics(Collector):
    """Of one worker, in a registry of its own: two workers in one process share nothing."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._disk = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    async def exposition(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, as the scraper's Accept header wants it."""
        self._disk = await asyncio.to_thread(taken, self._worker.folder / "state")
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Everything as it stands now; called by the registry, in the event loop."""
        yield from self._flow()
        yield from self._decisions()
        yield from self._time()
        yield from self._state()

    def _flow(self) -> Iterator[Metric]:
        worker, counts = self._worker, self._worker.counts
        records = {self._name(topic): count for topic, count in counts.records.items()}
        yield _counter("kairos_records", f"Records worked off. {AGAIN}", records, "topic")
        intake = f"What intake made of events (future and bot are accepted ones, too) and of links. {AGAIN}"
        yield _counter("kairos_events", intake, counts.intake, "outcome")
        turns = HistogramMetricFamily(
            "kairos_turn_seconds", "A lane's turn: steps, outputs and changelog acked, local write.", labels=["topic"]
        )
        for topic, spread in counts.turns.items():
            _spread(turns, [self._name(topic)], spread)
        yield turns
        lag = GaugeMetricFamily(
            "kairos_lag_records", "Records between what is acked and the partition's end, ticks included.", labels=["topic", "partition"]
        )
        for place, behind in worker.lags.items():
            lag.add_metric([self._name(place.topic), str(place.partition)], behind)
        yield lag
        yield _gauge("kairos_idle_seconds", "Since the last finished turn; ticks make several turns a second.", worker.idle_s())
        yield _gauge("kairos_ready", "1 while /readyz says 200.", worker.trouble() is None)
        stopped = "Partitions that fell behind their topic's retention and are not read until an operator decides."
        yield _gauge("kairos_stopped_partitions", stopped, len(worker.stopped_partitions()))

    def _decisions(self) -> Iterator[Metric]:
        counts = self._worker.counts
        for outcome, (name, what) in DECIDED.items():
            labels = ["trigger"] if outcome in REASONLESS else ["trigger", "reason"]
            family = CounterMetricFamily(name, f"{what} {AGAIN}", labels=labels)
            for (found, trigger, reason), count in sorted(counts.decisions.items()):
                if found == outcome:
                    family.add_metric([trigger, reason or WITHOUT_REASON][: len(labels)], count)
            yield family
        letters = CounterMetricFamily("kairos_dead_letters", f"Records buried in dead_letters. {AGAIN}", labels=["stage", "reason"])
        for (stage, reason), count in sorted(counts.letters.items()):
            letters.add_metric([stage, reason], count)
        yield letters
        yield _total("kairos_defects", f"Records buried because a step raised: ours to mend. {AGAIN}", self._worker.defects)

    def _time(self) -> Iterator[Metric]:
        worker = self._worker
        late = HistogramMetricFamily(
            "kairos_timer_lateness_seconds", f"From due to durable wake-up; two to three ticks are normal. {AGAIN}"
        )
        _spread(late, [], worker.counts.lateness)
        yield late
        age = GaugeMetricFamily(
            "kairos_low_water_age_seconds", "Age of the mark by which timers fire; grows while intake is behind.", labels=["partition"]
        )
        for partition, low_water in self._low_water().items():
            if low_water:
                age.add_metric([str(partition)], (worker.time_map(wall_ms()) - low_water) / 1000)
        yield age
        yield _total("kairos_ticks", "Ticks this worker's clock wrote.", worker.clock.ticks)
        yield _gauge("kairos_clock_owner", "1 where the cluster's clock runs.", worker.owns_control())
        if worker.clock.skew_ms is not None:
            skew = "This machine's clock minus the broker's, where the clock runs; beyond 60 s there are no ticks."
            yield _gauge("kairos_clock_skew_seconds", skew, worker.clock.skew_ms / 1000)

    def _state(self) -> Iterator[Metric]:
        worker, counts = self._worker, self._worker.counts
        stores = getattr(worker, "stores", None)
        yield _total("kairos_restores", "Assignments whose state was brought up to date.", counts.restores)
        yield _total("kairos_restored_records", "Changelog records read for it.", counts.restored_records)
        yield _total("kairos_restore_seconds", "Time it took.", counts.restore_s)
        foreign = "Changelog records of another writer found between our own: zombies, harmless once noticed."
        yield _total("kairos_foreign_write_records", foreign, worker.producer.foreign_writes)
        yield _gauge("kairos_partitions_held", "Partitions whose state is open here.", len(stores.partitions) if stores else 0)
        yield _gauge("kairos_rocksdb_disk_bytes", "State on disk, of partitions held and left.", self._disk)
        memory = stores.memory() if stores else 0
        yield _gauge("kairos_rocksdb_memory_bytes", "Block cache and memtables: part of the resident memory.", memory)
        build = GaugeMetricFamily("kairos_build_info", "Always 1.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build

    def _low_water(self) -> Mapping[int, int]:
        stores = getattr(self._worker, "stores", None)
        if stores is None:
            return {}
        return {partition: stores.table(TABLES["people"], partition).marks().low_water for partition in stores.partitions}

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
