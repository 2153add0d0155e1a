"""One person, stepped through the lane's own code; no Kafka, no store, no clock."""

from __future__ import annotations

from typing import Any

import msgspec

from app.domain import person
from app.domain.effects import Conclude
from app.domain.person import Group, Person, See
from app.domain.profile import view
from app.events import Conclusion, Event, JournalRecord

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_772_409_600_000
"""Monday 2026-03-02 00:00 UTC; every instant of a story is an offset from it."""


class Her:
    """What she does at which offset; what is known of her; what was concluded."""

    def __init__(self, *assume: str, pack: Any = None, person_id: str = "her") -> None:
        self.group, self.pack, self.assume = Group(Person(person_id)), pack, frozenset(assume)
        self.now = self.low_water = self.count = 0
        self.conclusions: list[Conclusion] = []

    def does(self, event_type: str, at: int, /, event_id: str | None = None, customer_id: str | None = "c-9", **properties: Any) -> str:
        self.count += 1
        event_id = event_id or f"e-{self.count}"
        ts = START + at
        self.record(Event(max(ts, self.now), event_id, event_type, ts, "her", customer_id, None if customer_id else "a-1", properties))
        return event_id

    def record(self, record: JournalRecord) -> None:
        self.now = max(self.now, record.at)
        self._after(*person.step(self.group, record, self._see()))

    def tick(self, at: int) -> None:
        """Time passes to `at`; agents that are due wake."""
        self.now = self.low_water = START + at
        if 0 <= person.due(self.group.person) <= self.low_water:
            self._after(*person.wake(self.group, self._see()))

    def _see(self) -> See:
        return See(self.group, self.now, self.low_water, SECOND, self.pack, lambda ref: self.pack, self.assume)

    def _after(self, group: Group, effects: list[Any]) -> None:
        # Through bytes, as between two turns: nothing may live in memory alone.
        rows = dict(person.dump(group, None))
        self.group = person.load(group.person.person_id, rows[b"p"], rows.get(b"h"))
        self.conclusions += [effect.conclusion for effect in effects if isinstance(effect, Conclude)]

    @property
    def person(self) -> Person:
        return self.group.person

    def seen(self, at: int) -> dict[str, Any]:
        """The `profiles` record as of an offset; it must be JSON as it stands."""
        record: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view(self.person, START + at)))
        return record

    def concluded(self, kind: str) -> list[Conclusion]:
        return [one for one in self.conclusions if one.kind == kind]
