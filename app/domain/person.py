"""A person of the lane: one part per agent, each written by its own agent, stepped together record by record (design.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import address, churn, intent, merged_profile, merged_windows, merging, profile, publishing, segmenter, windows
from app.domain.effects import Conclude, Effect, Effects, Keep, PassOn, PublishProfile
from app.domain.person_row import (
    MAX_FAULTS,
    ROWS,
    TAGS,
    Carried,
    Group,
    History,
    Meeting,
    Person,
    See,
    brought,
    carried,
    dump,
    faulted,
    is_stub,
    load,
    resolved,
    stub,
    together,
)
from app.events import Broadcast, Conclusion, Event, JournalRecord, Link, MergeOut, Moved, NotRendered, Rendered, Retry, Unlink

__all__ = [
    "LANE",
    "MAX_FAULTS",
    "NEVER",
    "ROWS",
    "TAGS",
    "Group",
    "History",
    "Meeting",
    "Person",
    "See",
    "due",
    "dump",
    "faulted",
    "is_stub",
    "load",
    "next_due",
    "resolved",
    "step",
    "wake",
]

NEVER = -1
MAX_DEPTH = 8
"""Conclusions of conclusions of one record: deeper is a cycle in the agents, our defect."""


class Concern(Struct, frozen=True):
    """One agent of the lane: its part of the row and its pure functions. `merge`: its part of two people as one."""

    name: str
    part: str
    step: Callable[[Any, JournalRecord, See], tuple[Any, Effects]]
    wake: Callable[[Any, See], tuple[Any, Effects]]
    due: Callable[[Any], int]
    merge: Callable[[Any, Any, Meeting, See], tuple[Any, Effects]]


LANE = (
    Concern("profile_updater", "profile", profile.step, profile.wake, profile.due, merged_profile.merge),
    Concern("intent_scorer", "intent", intent.step, intent.wake, intent.due, intent.merge),
    Concern("churn_watcher", "churn", churn.step, churn.wake, churn.due, churn.merge),
    Concern("segmenter", "standing", segmenter.step, segmenter.wake, segmenter.due, segmenter.merge),
    Concern("trigger_scheduler", "windows", windows.step, windows.wake, windows.due, merged_windows.merge),
)
"""In the order in which the lane steps them; a later one sees what an earlier one wrote at this record."""


def step(group: Group, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """One record through all agents, then each conclusion in turn through all agents, first in first out."""
    if group.person.merging is not None and group.person.merging.into:
        return _as_stub(group, group.person.merging.into, record, see)
    if type(record) in MOVES:
        return _move(group, record, see)
    run = _Run(see)
    run.step(record)
    return run.done(group)


def wake(group: Group, see: See) -> tuple[Group, list[Effect]]:
    """A tick has passed somebody's due: every agent that is due does what it waited for."""
    run = _Run(see)
    run.wake(see.low_water)
    return run.done(group)


def due(person: Person) -> int:
    """The earliest wake-up any agent asks for, or NEVER."""
    earliest = NEVER
    for concern in LANE:
        at = concern.due(getattr(person, concern.part))
        if at != NEVER and (at < earliest or earliest == NEVER):
            earliest = at
    return earliest


def next_due(group: Group) -> int:
    """The same, or sooner: when her profile is to be published."""
    earliest, published = due(group.person), publishing.due(group.told)
    return earliest if published == NEVER or NEVER < earliest <= published else published


# --- becoming one ---------------------------------------------------------------------------------------------------------------

MOVES = frozenset((Link, MergeOut, Moved, Unlink))
FORWARDED = (Moved, Event, Link, Rendered, NotRendered, Retry)


def _move(group: Group, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """Questions and answers about who she is; her state on its way to the person she becomes, or somebody's to her."""
    if isinstance(record, MergeOut):
        return _hand_over(group, record, see)
    run, theirs = _Run(see), None
    waited = merging.waits(see.person.merging)
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    if isinstance(record, Link):
        asked = (record.cause,)
    elif isinstance(record, Moved):
        asked, answered = record.also, (record.cause,) if record.cause else ()
        theirs = brought(record.state) if record.state else None
    if theirs is not None and isinstance(record, Moved):
        run.effects += address.met(theirs.person, record.source, see)
        run.unite(theirs, Meeting(group.history, theirs.history, record))
        if theirs.person.merging is not None:
            asked, answered = asked + theirs.person.merging.awaited, answered + theirs.person.merging.early
    now = merging.settled(see.person.merging, asked, answered)
    if now != see.person.merging:
        see.person = msgspec.structs.replace(see.person, merging=now)
    if (waited or theirs is not None) and not merging.waits(now):
        run.replace("windows", merged_windows.released(see.person.windows, see.now))
    return run.done(group)


def _hand_over(group: Group, record: MergeOut, see: See) -> tuple[Group, list[Effect]]:
    """From here on she is `into`, and this is a stub; what was published of it is taken back."""
    source = group.person.person_id
    moved = Moved(record.at, record.into, source, carried(group), record.cause, record.also, (source,))
    if not see.publishes:
        return stub(group, record.into, group.told), [PassOn(moved)]
    return stub(group, record.into, publishing.Told(see.now)), [PassOn(moved), PublishProfile()]


def _as_stub(group: Group, into: str, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """What still comes for whom she was: on to whom she is."""
    person_id = group.person.person_id
    if isinstance(record, Broadcast):
        return group, []  # who she is now has what interests her
    if isinstance(record, Unlink):
        return group.replaced(Person(person_id), {}), []
    if isinstance(record, MergeOut):
        if not record.cause and not record.also:
            return group, []
        # Nothing is left to hand over; but the answer goes the way that everything for her went until now.
        record = Moved(record.at, person_id, person_id, b"", record.cause, record.also)
    elif isinstance(record, Moved) and record.state:
        if merging.keeps(person_id, into, record.via):
            see.person = msgspec.structs.replace(see.person, merging=None)
            return _move(group, record, see)
        record = msgspec.structs.replace(record, via=merging.passed(record.via, person_id))
    assert isinstance(record, FORWARDED), f"{type(record).__name__} is nobody's"
    return group, [PassOn(msgspec.structs.replace(record, person_id=into))]


class _Run:
    """One record or wake-up on its way through the agents: what they asked for, and the conclusions still to be handed to them."""

    __slots__ = ("depth", "effects", "queue", "see")

    def __init__(self, see: See) -> None:
        self.see, self.depth = see, 0
        self.effects: list[Effect] = []
        self.queue: list[tuple[Conclusion, int]] = []

    def wake(self, low_water: int) -> None:
        if NEVER < publishing.due(self.see.told) <= low_water:
            self.see.told = publishing.Told(self.see.now)
            self.effects.append(PublishProfile())
        for concern in LANE:
            part = getattr(self.see.person, concern.part)
            at = concern.due(part)
            if at != NEVER and at <= low_water:
                self.take(concern, part, *concern.wake(part, self.see))

    def step(self, record: JournalRecord) -> None:
        see = self.see
        for concern in LANE:
            before = getattr(see.person, concern.part)
            after, more = concern.step(before, record, see)
            if more or after is not before:
                self.take(concern, before, after, more)

    def unite(self, theirs: Carried, meeting: Meeting) -> None:
        """Every agent's part of both, and the letters of both."""
        self.see.person = together(self.see.person, theirs.person)
        for concern in LANE:
            part = getattr(self.see.person, concern.part)
            self.take(concern, part, *concern.merge(part, getattr(theirs.person, concern.part), meeting, self.see))

    def replace(self, part: str, after: Any) -> None:
        """A part that asks for nothing."""
        if after is not getattr(self.see.person, part):
            self.see.person = msgspec.structs.replace(self.see.person, **{part: after})

    def take(self, concern: Concern, before: Any, after: Any, more: Effects) -> None:
        see = self.see
        if after is not before:
            see.person = msgspec.structs.replace(see.person, **{concern.part: after})
        for effect in more:
            if type(effect) is Keep:
                see._kept[effect.part] = effect.value
                continue
            self.effects.append(effect)
            if type(effect) is Conclude:
                if self.depth >= MAX_DEPTH:
                    raise RecursionError(f"conclusions deeper than {MAX_DEPTH} at {effect.conclusion.kind}")
                self.queue.append((effect.conclusion, self.depth + 1))

    def done(self, group: Group) -> tuple[Group, list[Effect]]:
        see = self.see
        while self.queue:
            conclusion, self.depth = self.queue.pop(0)
            # Where she stands changes often, and concerns nobody but windows: most packs ask for little of it.
            if conclusion.kind not in segmenter.OWN or windows.heeds(see.person.windows, conclusion, see.pack):
                self.step(conclusion)
        if see.person.profile is not group.person.profile and (word := address.word(group.person.profile, see)) is not None:
            self.effects.insert(0, word)  # before any plan: what she has just opened takes it
        if see.publishes and see.person is not group.person and see.told is group.told:
            see.told = publishing.after(group.person, see.person, see.told, see.now, see.low_water)
            if see.told is not group.told and not see.told.behind:
                self.effects.append(PublishProfile())
        if see.person is group.person and not see._kept and see.told is group.told:
            return group, self.effects
        return group.replaced(see.person, see._kept, see.told), self.effects
