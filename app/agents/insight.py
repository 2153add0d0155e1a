"""Role `insight` wired up: its agents and their programs."""

from __future__ import annotations

from app.agents import analyst
from app.agents.analyst_program import AnalystProgram
from app.engine.clock import TimeMap
from app.engine.counts import Counts
from app.engine.worker import Wiring, Worker
from app.settings import Settings


def wiring() -> Wiring:
    """What the engine runs as role `insight`. It decides by no artifact, so it follows none."""
    counts = Counts()
    return Wiring(lambda packs: {"facts": AnalystProgram(counts)}, [analyst.attach], {}, counts=counts)


class Insight(Worker):
    """`start()` returns once state is restored and facts flow (raises `Refusal`); `stop()` is clean. `time_map`: the demo's clock."""

    def __init__(self, settings: Settings, time_map: TimeMap | None = None) -> None:
        super().__init__(settings, wiring(), "insight", time_map)
