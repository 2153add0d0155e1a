"""Role `insight` wired up: its agents and their programs."""

from __future__ import annotations

from app.agents import analyst, decision_reader, send_reader
from app.agents.analyst_program import AnalystProgram
from app.agents.reader_program import decision_program, send_program
from app.engine.clock import TimeMap
from app.engine.counts import Counts
from app.engine.program import Program
from app.engine.worker import Wiring, Worker
from app.settings import Settings

AGENTS = (analyst, decision_reader, send_reader)


def wiring() -> Wiring:
    """What the engine runs as role `insight`. It decides by no artifact, so it follows none."""
    counts = Counts()
    programs: dict[str, Program] = {
        "facts": AnalystProgram(counts),
        "decisions": decision_program(counts),
        "message_sends": send_program(counts),
    }
    return Wiring(lambda known: dict(programs), [one.attach for one in AGENTS], {}, counts=counts)


class Insight(Worker):
    """`start()` returns once state is restored and facts flow (raises `Refusal`); `stop()` is clean. `time_map`: the demo's clock."""

    def __init__(self, settings: Settings, time_map: TimeMap | None = None) -> None:
        super().__init__(settings, wiring(), "insight", time_map)
