"""A person's story: her timeline with what no topic carries, and whether it comes out as it was recorded.

Scores and what open windows wait for are nowhere published record by record; they are what the lane's own program says of her journal
(`app/engine/past.py`). The same run derives her decisions again: they must be those on the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from app import events
from app.domain import intent, movement
from app.domain.facts import Facts
from app.domain.movement import Behind
from app.domain.person import Person, is_stub
from app.edges.spectator import decode_decision
from app.edges.timeline import Entry, Which, timeline
from app.edges.verdict import moment, step_name
from app.engine.artifacts import POLICY, POPULATION
from app.engine.past import Step
from app.events import (
    Addressed,
    Conclusion,
    Decision,
    Event,
    JournalRecord,
    Link,
    MergeOut,
    Moved,
    NotRendered,
    Rendered,
    Retry,
    Send,
    Unlink,
)

CAUSES_FIRST = {"event": 0, "identity": 0, "conclusion": 1, "score": 2, "standing": 2}
"""Among entries of one record."""
LAST = 1 << 62
Place = tuple[int, int]
"""Where something stands: the time (ms) of its record, and the record's number."""
MAX_DIFFERENCES = 5
"""Named; the rest are counted."""


class Story:
    """`see` is for `Past`: every step of the person, in order. `artifacts`: packs and figures of everybody, by ref, or KeyError."""

    def __init__(self, artifacts: Callable[[str], Any] | None = None) -> None:
        self._artifacts = artifacts
        self._behind: dict[Which, Behind] = {}
        self.records: list[JournalRecord] = []
        """Hers, with the conclusions drawn."""
        self.into: str | None = None
        """The person she became."""
        self.sources: list[str] = []
        """People who became her."""
        self._derived: dict[str, Decision] = {}
        self._planned: set[str] = set()
        self._moves: list[tuple[Place, Entry]] = []
        self._since = self._at = self._number = 0
        self._places: dict[str, Place] = {}

    def see(self, step: Step) -> None:
        record = step.record
        at = max(step.at, record.at) if isinstance(record, Event) else step.at
        self._at, self._number = at, self._number + 1
        concluded = self._take(record, step)
        before, after = step.before.person, step.after.person
        self._time(before, at)
        self.into = after.merging.into or None if after.merging is not None else None
        if isinstance(record, Retry):
            self._move("event", "a record that once could not be applied was fed again")
        elif isinstance(record, Link | MergeOut | Moved | Unlink):
            self._identity(record, before, after)
        if isinstance(record, MergeOut):
            return  # what she was goes on elsewhere: nothing of it has ended here
        if before is not after and not isinstance(record, Rendered | NotRendered):
            self._scores(before, after, at, "churn_level" in concluded)
        self._windows(before, after)

    def ends(self, person: Person, now: int) -> None:
        """Time passes from the last step to `now` (ms)."""
        self._time(person, now)

    def entries(self, decisions: Iterable[Decision], sends: Iterable[Send]) -> list[Entry]:
        """Everything, causes before what they led to."""
        told = [(self._place(entry), entry) for entry in timeline(self.records, decisions, sends, self._behind)] + self._moves
        return [entry for _, entry in sorted(told, key=lambda one: (one[0], CAUSES_FIRST.get(one[1].kind, 3)))]

    def _place(self, entry: Entry) -> Place:
        # A decision's own time is the journal's, which may lag behind the event that led to it: it stands with its record.
        for name in ("event_id", "decision_id", "send_id", "cause"):
            if isinstance(entry.told.get(name), str) and (place := self._places.get(entry.told[name])) is not None:
                return place
        return entry.at, LAST

    def derived(self) -> list[Decision]:
        """The lane's decisions, as this run made them."""
        return list(self._derived.values())

    def differences(self, recorded: Iterable[Decision], since: int) -> list[str]:
        """Where this run and the topic disagree about what was decided from `since` (ms) on, one sentence each."""
        found: list[str] = []
        kept = {one.decision_id: one for one in recorded}
        first = events.iso(since)
        for one in kept.values():
            again = self._derived.get(one.decision_id)
            if again is None:
                # What became of a plan is the postmaster's and the renderer's to say; whether there was one is the lane's.
                if one.at >= first and (one.send_id is None or one.send_id not in self._planned):
                    found.append(f"{_name(one)} is recorded, and not derived")
            elif (one.reason, one.at, one.due_at) != (again.reason, again.at, again.due_at):
                found.append(f"{_name(one)} is recorded as {one.reason or one.at}, derived as {again.reason or again.at}")
        found += [f"{_name(one)} is derived, and not recorded" for one in self._derived.values() if one.decision_id not in kept]
        more = len(found) - MAX_DIFFERENCES
        return found[:MAX_DIFFERENCES] + ([f"and {more} more differences"] if more > 0 else [])

    def _take(self, record: JournalRecord | None, step: Step) -> set[str]:
        place = (self._at, self._number)
        if record is not None:
            self.records.append(record)
            if isinstance(record, Event):
                self._places.setdefault(record.event_id, place)
        concluded = set()
        for output in step.outputs:
            if output.topic == "decisions":
                decision = decode_decision(output.value)
                self._derived[decision.decision_id] = decision
                self._places[decision.decision_id] = place
            elif output.topic == "addressed_plans":
                planned = events.addressed.decode(output.value)
                if isinstance(planned, Addressed):
                    self._planned.add(planned.send_id)
                    self._places[planned.send_id] = place
            elif output.topic == "journal":
                conclusion = events.journal.decode(output.value)
                if isinstance(conclusion, Conclusion):
                    if conclusion.kind in movement.OWN:
                        self._stands(conclusion, step)
                    self.records.append(conclusion)
                    self._places.setdefault(conclusion.cause, place)
                    concluded.add(conclusion.kind)
        return concluded

    def _stands(self, found: Conclusion, step: Step) -> None:
        """Keeps what stands behind a stage, tier or segment: always the pack's words, the figures where time alone brought her there."""
        pack, everybody = self._artifact(step, POLICY), self._artifact(step, POPULATION)
        if pack is None:
            return
        known = Facts(step.after.person, found.ts, pack.scoring, everybody, pack)
        told = movement.behind(found, pack, known)
        self._behind[found.kind, found.value, found.cause] = told if step.record is None else Behind(told.why)

    def _artifact(self, step: Step, kind: str) -> Any:
        try:
            return None if self._artifacts is None else self._artifacts(step.active[kind])
        except KeyError:
            return None

    def _move(self, kind: str, text: str, told: dict[str, Any] | None = None) -> None:
        self._moves.append(((self._at, self._number), Entry(self._at, kind, text, told=told or {})))

    def _identity(self, record: Link | MergeOut | Moved | Unlink, before: Person, after: Person) -> None:
        if isinstance(record, Link):
            self._move("identity", f"{_said(record.identifier)} turned out to be the same person")
        elif isinstance(record, Unlink):
            self._move("identity", "was parted again from whom she had become")
        elif isinstance(record, Moved) and record.state and not is_stub(after):
            self.sources.append(record.source)
            self._move("identity", f"took over what was known of person {record.source}", {"source": record.source})
        elif isinstance(record, MergeOut) and is_stub(after) and not is_stub(before):
            self._move("identity", f"became person {self.into}", {"into": self.into})

    def _time(self, person: Person, at: int) -> None:
        for instant, level in intent.fades(person.intent, self._since, at):
            seen = movement.scores(person, instant)
            told = {"score": "intent", "level": level, "points": seen.intent}
            fades = Entry(instant, "score", f"intent fades to {level} (score {seen.intent:.0f})", told=told)
            self._moves.append(((instant, LAST), fades))
        self._since = max(self._since, at)

    def _scores(self, before: Person, after: Person, at: int, churn_told: bool) -> None:
        old, new = movement.scores(before, at), movement.scores(after, at)
        nearer, likes, churning = movement.noteworthy(old, new)
        if nearer:
            was = f"{old.intent:.0f}" if old.level == new.level else f"{old.intent:.0f}, {old.level}"
            told = {"score": "intent", "level": new.level, "points": new.intent, "before": old.intent}
            self._move("score", f"intent {new.level}, score {new.intent:.0f} (was {was})", told)
        if likes:
            was = f", was {old.category}" if old.category is not None else ""
            told = {"score": "interest", "category": new.category, "points": new.interest, "before": old.category}
            text = f"likes {new.category} most ({new.interest:.0f} of 100{was})" if new.category is not None else f"likes nothing most{was}"
            self._move("score", text, told)
        if churning and not churn_told:
            told = {"score": "churn", "level": new.churn_level, "before": old.churn_level}
            self._move("score", f"churn level {new.churn_level or 'none'} (was {old.churn_level or 'none'})", told)

    def _windows(self, before: Person, after: Person) -> None:
        for one in movement.joined(before, after):
            took = f"joined, {one.views} times now" if one.more_views else "changed"
            moved = one.due_at != one.waited_until
            waits = f"{step_name(one.step)} {'now ' if moved else 'still '}waits until {moment(events.iso(one.due_at))}"
            told = {"window_id": one.window_id, "trigger": one.trigger, "views": one.views, "due_at": events.iso(one.due_at)}
            self._move("window", f"{one.trigger}: window {took}; {waits}", told)


def _name(one: Decision) -> str:
    return f"{one.trigger} {step_name(one.step)} {one.outcome.replace('_', ' ')} of {moment(one.at)}"


def _said(identifier: str) -> str:
    """An identifier without its prefix (`identity.identifier`)."""
    kind, _, name = identifier.partition(":")
    return f"{'customer' if kind == 'c' else 'device'} {name}"
