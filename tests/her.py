"""One person in virtual time over the real pure core (app/domain/person.py): events in, plans and decisions out."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from app.domain import person
from app.domain.effects import Conclude, Decide, Effect, PlanMessage
from app.domain.person import NEVER, Group, Person, See
from app.domain.population import Population
from app.domain.trigger import Pack
from app.events import Conclusion, Decision, Event, JournalRecord, NotRendered, Plan, Rendered
from app.policy.pack import build, compile_artifact

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
MONDAY = 1_772_409_600_000
"""2026-03-02T00:00:00Z, in ms; every `t` counts from here."""
ALL = frozenset({"consent", "address"})
UNGATED = str(Path(__file__).parent / "packs" / "ungated.toml")
"""merged without its contact policy, for what is about windows and not about when somebody may be written to."""


@cache
def pack(name: str) -> Pack:
    return compile_artifact(*build(name))


class Her:
    """`answers`: what the renderer says: None "rendered", a reason, or "" for nothing at all."""

    def __init__(self, name: str | Pack = "s1", assume: frozenset[str] = ALL) -> None:
        self.pack = pack(name) if isinstance(name, str) else name
        self.packs = {self.pack.ref: self.pack}
        self.assume = assume
        self.group = Group(Person("p" * 32))
        self.now = MONDAY - DAY
        self.low_water = 0
        self.answers: str | None = None
        self.plans: list[Plan] = []
        self.decided: list[Decision] = []
        self.concluded: list[Conclusion] = []
        self.effects: list[Effect] = []
        self.population: Population | None = None
        self._count = 0

    def event(
        self, event_type: str, t: int, arrives: int | None = None, event_id: str | None = None, bot: bool = False, **properties: Any
    ) -> str:
        """An event stamped `t` that arrives then, or at `arrives`. Returns its id."""
        at = MONDAY + (t if arrives is None else arrives)
        self._ticks(at - 1)
        self._count += 1
        event_id = event_id or f"e{self._count}"
        self._step(Event(at, event_id, event_type, MONDAY + t, self.group.person.person_id, "ann", properties=properties, bot=bot))
        return event_id

    def until(self, t: int) -> None:
        """Runs every tick up to `t`, inclusive."""
        self._ticks(MONDAY + t)

    def tick(self, t: int, low_water: int) -> None:
        """One tick whose low-water mark lags behind."""
        self.now, self.low_water = MONDAY + t, MONDAY + low_water
        self._wake()

    def store_and_load(self) -> None:
        """Her rows as bytes and back, as after a crash."""
        rows = dict(person.dump(self.group, None))
        self.group = person.load(self.group.person.person_id, rows[b"p"], rows.get(b"h"))

    def sends(self) -> list[tuple[str, str]]:
        """(message, when) of everything that went out."""
        return [(plan.message, clock(plan.at)) for plan in self.plans]

    def decisions(self, *outcomes: str) -> list[tuple[str, int, str, str | None]]:
        """(trigger, step, outcome, reason), by default of all but `scheduled`."""
        return [
            (one.trigger, one.step, one.outcome, one.reason)
            for one in self.decided
            if (one.outcome in outcomes if outcomes else one.outcome != "scheduled")
        ]

    def record(self, record: JournalRecord) -> None:
        self._step(record)

    def _ticks(self, last: int) -> None:
        while (due := person.due(self.group.person)) != NEVER:
            # A tick stands on a whole second, after everything that arrived by then, and not twice on one.
            at = -(-max(due, self.now, self.low_water + 1) // SECOND) * SECOND
            if at > last:
                break
            self.now = self.low_water = at
            self._wake()
        self.low_water = max(self.low_water, last - last % SECOND)
        self.now = max(self.now, self.low_water)

    def _wake(self) -> None:
        self.group, effects = person.wake(self.group, self._see())
        left = person.due(self.group.person)
        assert left == NEVER or left > self.low_water, "a wake-up left something due"
        self._take(effects)

    def _step(self, record: JournalRecord) -> None:
        self.now = max(self.now, record.at)
        self.group, effects = person.step(self.group, record, self._see())
        self._take(effects)

    def _see(self) -> See:
        return See(self.group, self.now, self.low_water, SECOND, self.pack, self.packs.__getitem__, self.assume, self.population)

    def _take(self, effects: list[Effect]) -> None:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Conclude):
                self.concluded.append(effect.conclusion)
            elif isinstance(effect, Decide):
                self.decided.append(effect.decision)
            elif isinstance(effect, PlanMessage):
                plan = effect.plan
                self.plans.append(plan)
                if self.answers is None:
                    self._step(
                        Rendered(
                            self.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, plan.message, plan.channel
                        )
                    )
                elif self.answers:
                    self._step(NotRendered(self.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, self.answers))


def clock(ms: int) -> str:
    """`day hh:mm:ss` after Monday midnight."""
    day, rest = divmod(ms - MONDAY, DAY)
    return f"{day} {rest // HOUR:02d}:{rest % HOUR // MINUTE:02d}:{rest % MINUTE // SECOND:02d}"
