"""Role `insight` wired up: its agents and their programs, and learning beside them."""

from __future__ import annotations

from app.agents import analyst, decision_reader, recommender, send_reader
from app.agents.analyst_program import AnalystProgram
from app.agents.kinds import compilers
from app.agents.reader_program import decision_program, send_program
from app.agents.recommender_program import RecommenderProgram
from app.agents.refresh import Refresh
from app.engine.clock import TimeMap
from app.engine.counts import Counts
from app.engine.program import Program
from app.engine.worker import Wiring, Worker
from app.settings import Settings

AGENTS = (analyst, decision_reader, send_reader, recommender)


def wiring(settings: Settings) -> Wiring:
    """What the engine runs as role `insight`. It decides by no artifact; of the active pack it learns how to learn."""
    counts = Counts()
    programs: dict[str, Program] = {
        "facts": AnalystProgram(counts),
        "decisions": decision_program(counts),
        "message_sends": send_program(counts),
        "journal": RecommenderProgram(counts),
    }
    return Wiring(lambda packs: dict(programs), [one.attach for one in AGENTS], compilers(settings.model_mb), counts=counts)


class Insight(Worker):
    """`start()` returns once state is restored and facts flow (raises `Refusal`); `stop()` is clean. `time_map`: the demo's clock."""

    def __init__(self, settings: Settings, time_map: TimeMap | None = None) -> None:
        super().__init__(settings, wiring(settings), "insight", time_map)
        self.refresh = Refresh(self)

    async def _start(self) -> None:
        await super()._start()
        self._spawn(self.refresh.run())
