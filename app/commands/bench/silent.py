"""A program that reads and does nothing: what a bench's work leaves empty still runs, with its ticks, marks and commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app import events
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused, journal_now
from app.engine.rows import NEVER
from app.events import Undecodable, derived_id
from app.flow import Stage


class Silent:
    """Of the journal: understands its records, so that time passes. The benches' own programs begin with it."""

    stage = Stage.LANE
    row_kinds: tuple[bytes, ...] = ()
    checks_origin = True

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            return None, events.journal.decode(incoming.value)
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error

    def now(self, record: Any, marks: Marks) -> int:
        return journal_now(record.at, marks)

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Any:
        return None

    def step(self, group: Any, record: Any, moment: Moment) -> tuple[Any, list[Output]]:
        return group, []

    def wake(self, group: Any, moment: Moment) -> tuple[Any, list[Output]]:
        return group, []

    def due(self, group: Any) -> int:
        return NEVER

    def dump(self, group: Any, loaded: Any) -> list[tuple[bytes, bytes]]:
        return []

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        place = (str(moment.partition), str(incoming.offset))
        return dead_letter(derived_id("dead", "bench", *place), "bench", "journal", moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Any, incoming: Incoming) -> Any:
        return group
