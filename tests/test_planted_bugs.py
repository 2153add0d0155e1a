"""Every planted bug is caught by the fault simulation; the table says by which pipeline, at which seed, and by what (`pytest -s`)."""

from __future__ import annotations

import pytest

from tests.faults.bugs import BUGS, ON_THE_SHOP, planted
from tests.faults.pipelines import Pipeline, ToyPipeline, run
from tests.faults.shop import ShopPipeline

TOY_SEEDS = 120
SHOP_SEEDS = 60


@pytest.mark.parametrize("name", BUGS)
@pytest.mark.filterwarnings("ignore:coroutine 'Lane.run' was never awaited:RuntimeWarning")  # a bug ended the run before the lane began
def test_the_simulation_catches(name: str) -> None:
    pipeline: Pipeline = ShopPipeline() if name in ON_THE_SHOP else ToyPipeline()
    with planted(name, pipeline):
        for seed in range(SHOP_SEEDS if name in ON_THE_SHOP else TOY_SEEDS):
            _, found = run(pipeline, seed)
            if found:
                print(f"\n{name:32} T2 {pipeline.name:5} seed {seed:3}  {found[0][:100]}")
                return
    pytest.fail(f"{name} went unnoticed: {BUGS[name].__doc__}")
