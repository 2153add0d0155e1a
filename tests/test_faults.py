"""The real turns under crashes, zombies, lost acks, rebalances and compaction: whatever happens, what comes out is the naive fold."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.gated import MUST_HAPPEN
from tests.faults.oracle import report
from tests.faults.pipelines import Pipeline, ToyPipeline, run
from tests.faults.shop import ShopPipeline

TOY_SEEDS = 140
SHOP_SEEDS = 60
SHOP_TALLY = 12
BLOCK = 20
"""Seeds a test: small enough that `-k` finds the failing ones, few enough that the list stays readable."""


def _check(pipeline: Pipeline, seeds: range) -> None:
    for seed in seeds:
        _, found = run(pipeline, seed)
        again = f"python -m tests.prove_faults --{pipeline.name} --from {seed} --seeds 1"
        assert not found, f"{pipeline.name}: {report(seed, found)}\nagain with: {again}"


@pytest.mark.parametrize("start", range(0, TOY_SEEDS, BLOCK))
def test_the_engine_under_faults(start: int) -> None:
    _check(ToyPipeline(), range(start, start + BLOCK))


@pytest.mark.parametrize("start", range(0, SHOP_SEEDS, BLOCK))
def test_the_shop_under_faults(start: int) -> None:
    _check(ShopPipeline(), range(start, start + BLOCK))


def test_a_seed_is_one_run() -> None:
    """The same seed gives the same logs, byte for byte: a failure can be looked at again."""
    runs = [run(ToyPipeline(), 7)[0] for _ in range(2)]
    logs = [{place: log.history for place, log in cluster.broker.logs.items()} for cluster in runs]
    assert logs[0] == logs[1]


def test_faults_do_happen() -> None:
    """What the seeds above contain: a quiet simulation would prove nothing."""
    kills = stops = overtaken = repeats = 0
    for seed in range(20):
        cluster, _ = run(ToyPipeline(), seed)
        counts = cluster.counts
        kills, stops, overtaken = kills + counts.kills, stops + counts.stops, overtaken + counts.overtaken
        journal = [record for number in range(3) for record in cluster.broker.log("journal", number).records if record.headers]
        repeats += len(journal) - len({record.headers[0][1] for record in journal})
    assert kills > 100 and stops > 100 and overtaken > 5 and repeats > 500, (kills, stops, overtaken, repeats)


def test_the_shop_holds_loses_and_gives_back() -> None:
    """What the gate does under faults: all of it happens in a few seeds."""
    tally = sum((run(ShopPipeline(), seed)[0].tally for seed in range(SHOP_TALLY)), Counter())
    assert not [what for what in MUST_HAPPEN if not tally[what]], tally
