"""What a worker counts for its operators: plain numbers in memory, put into Prometheus' words at scrape time (app/edges/metrics.py).

One object per worker, handed to its programs; a simulation's programs count into one of their own. Nothing here is state: it starts at
zero with the process, and a turn that is done again (after a lost lease, a foreign write, a step over its limit) may count again. The
hot path pays per turn, per slice of timers and per decision, never per event.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from app.engine.rows import NEVER, Row
from app.events import Decision

TURN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LATE_S = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 21600.0)
"""Dense about the 1–1.5 s that two to three ticks take; the last is the packs' usual `late`."""
MAX_TRIGGERS = 200
"""Names of triggers a process tells apart, over all packs it has seen; any further one is OTHER. A shipped pack has at most 35."""
OTHER = "other"

OpenLane = Callable[[str, int, int], tuple[int, Callable[[list[Any], int], Awaitable[None]]]]


class Spread:
    """A histogram: how many observations fell at or below each bound, and their sum. Seconds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """One per bound, not cumulative; the last holds what lies above all bounds."""
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


class Counts:
    """Everything a worker counts but what its parts know anyway (ticks, defects, lag: app/edges/metrics.py reads those from them)."""

    def __init__(self) -> None:
        self.decisions: Counter[tuple[str, str, str]] = Counter()
        """(outcome, trigger, reason or empty) → how many."""
        self.withheld: Counter[tuple[str, str]] = Counter()
        """(trigger, reason) → windows that would have opened and may not: about something sensitive."""
        self.letters: Counter[tuple[str, str]] = Counter()
        """(stage, reason) → dead letters."""
        self.broadcasts: Counter[str] = Counter()
        """Change of a product → broadcasts to all partitions."""
        self.intake: Counter[str] = Counter()
        """What intake made of events; its program counts into it."""
        self.records: Counter[str] = Counter()
        """Topic (with prefix) → records its lanes worked off."""
        self.turns: dict[str, Spread] = {}
        """Topic (with prefix) → how long turns took."""
        self.lateness = Spread(LATE_S)
        self.restores = 0
        self.restored_records = 0
        self.restore_s = 0.0
        self._triggers: set[str] = set()

    def decided(self, decision: Decision) -> None:
        """A decision about to be published."""
        trigger = decision.trigger
        if trigger not in self._triggers:
            if len(self._triggers) < MAX_TRIGGERS:
                self._triggers.add(trigger)
            else:
                trigger = OTHER
        self.decisions[decision.outcome, trigger, decision.reason or ""] += 1

    def unopened(self, trigger: str, reason: str) -> None:
        """A window that may not open."""
        self.withheld[trigger if trigger in self._triggers or len(self._triggers) < MAX_TRIGGERS else OTHER, reason] += 1

    def buried(self, stage: str, reason: str) -> None:
        """A dead letter about to be published."""
        self.letters[stage, reason] += 1

    def woke(self, rows: Iterable[Row], now: int) -> None:
        """A slice of people whose timers fired: their rows say when each was due; `now` on the clock of those times (ms)."""
        observe = self.lateness.observe
        for row in rows:
            if row.old_due != NEVER:
                observe((now - row.old_due) / 1000)

    def restored(self, records: int, seconds: float) -> None:
        """An assignment's state was brought up to date from the changelogs."""
        self.restores += 1
        self.restored_records += records
        self.restore_s += seconds

    def timing(self, open_lane: OpenLane) -> OpenLane:
        """The same way to open a lane; turns of its lanes that come to their end are timed, and their records counted."""

        def opened(topic: str, partition: int, generation: int) -> tuple[int, Callable[[list[Any], int], Awaitable[None]]]:
            start, work = open_lane(topic, partition, generation)
            turns = self.turns.setdefault(topic, Spread(TURN_S))

            async def timed(records: list[Any], last: int) -> None:
                begun = time.perf_counter()
                await work(records, last)
                turns.observe(time.perf_counter() - begun)
                self.records[topic] += len(records)

            return start, timed

        return opened
