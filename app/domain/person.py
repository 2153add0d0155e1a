"""A person's row: one part per agent of the lane, each written by its own agent, stepped together record by record (design.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from app.domain import churn, intent, merged_profile, merged_windows, merging, profile, windows
from app.domain.churn import Churn
from app.domain.effects import Conclude, Effect, Effects, Keep, PassOn
from app.domain.intent import Intent
from app.domain.merging import Merging
from app.domain.orders import Orders
from app.domain.originals import Originals
from app.domain.profile import Profile
from app.domain.scope import Subject, of_event
from app.domain.windows import LookBack, Windows
from app.events import Conclusion, Event, JournalRecord, Link, MergeOut, Moved, NotRendered, Rendered, Retry, Unlink

NEVER = -1
MAX_FAULTS = 100
MAX_DEPTH = 8
"""Conclusions of conclusions of one record: deeper is a cycle in the agents, our defect."""


class Person(Struct, frozen=True, array_like=True):
    """The main row. `faults`: letter ids of records of hers that raised; until all are resolved she gets no message."""

    person_id: str
    faults: tuple[str, ...] = ()
    profile: Profile = Profile()
    intent: Intent = Intent()
    churn: Churn = Churn()
    windows: Windows = Windows()
    merging: Merging | None = None
    """Nearly always None: only while she becomes one with somebody, and for good of whom she was before."""


def faulted(person: Person, letter_id: str) -> Person:
    """Her record raised and went to dead_letters; beyond MAX_FAULTS the flag stays, but what is one more letter cannot be retried."""
    return msgspec.structs.replace(person, faults=(*person.faults, letter_id)[:MAX_FAULTS])


def _together(person: Person, other: Person) -> Person:
    return person if not other.faults else msgspec.structs.replace(person, faults=(*person.faults, *other.faults)[:MAX_FAULTS])


def resolved(person: Person, letter_id: str) -> Person:
    """The letter is being fed back."""
    return msgspec.structs.replace(person, faults=tuple(one for one in person.faults if one != letter_id))


class History(Struct, frozen=True, array_like=True):
    """The second row: big, seldom changing."""

    orders: Orders = Orders()
    lookback: LookBack = LookBack()
    originals: Originals = Originals()


class Group:
    """Both rows of a person; the second is decoded only when somebody asks. Replaced, never mutated."""

    __slots__ = ("_history", "_raw", "person")

    def __init__(self, person: Person, raw: bytes | None = None, history: History | None = None) -> None:
        self.person, self._raw, self._history = person, raw, history

    @property
    def history(self) -> History:
        if self._history is None:
            self._history = _history(self._raw) if self._raw else History()
        return self._history

    @property
    def remembers(self) -> bool:
        """Whether there is a second row, or should be."""
        return self._raw is not None or (self._history is not None and self._history != History())

    def replaced(self, person: Person, keep: dict[str, Any]) -> Group:
        if keep:
            return Group(person, None, msgspec.structs.replace(self.history, **keep))
        return Group(person, self._raw, self._history)


class Meeting(NamedTuple):
    """Two people becoming one: the second rows of both, as they were apart, and the record that brings them together."""

    mine: History
    theirs: History
    moved: Moved


class See:
    """What a step may look at beside its own part and the record: the person as she stands at this record, time, active pack."""

    __slots__ = ("_about", "_group", "_kept", "_record", "assume", "interval", "low_water", "now", "pack", "packs", "person", "person_id")

    def __init__(
        self,
        group: Group,
        now: int,
        low_water: int,
        interval: int,
        pack: Any,
        packs: Callable[[str], Any],
        assume: frozenset[str] = frozenset(),
    ) -> None:
        self._group, self.person, self.person_id = group, group.person, group.person.person_id
        self.now, self.low_water, self.interval = now, low_water, interval
        self.pack = pack
        """The active compiled pack (`app.policy`), or None before the first activation: then nothing opens."""
        self.packs = packs
        """Compiled pack of a ref, for windows opened under an earlier version."""
        self.assume = assume
        """Simulation only: `consent` (every purpose unless withdrawn), `address` (`<id>@example.invalid` unless known)."""
        self._kept: dict[str, Any] = {}
        self._record: Event | None = None
        self._about: Subject

    def about(self, event: Event) -> Subject:
        """The event as agents look at it; what one of them reads out of its properties the next need not read again."""
        if self._record is not event:
            self._record, self._about = event, of_event(event)
        return self._about

    @property
    def orders(self) -> Orders:
        return self._kept.get("orders") or self._group.history.orders

    @property
    def lookback(self) -> LookBack:
        return self._kept.get("lookback") or self._group.history.lookback

    @property
    def originals(self) -> Originals:
        return self._kept.get("originals") or self._group.history.originals


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


# --- becoming one ---------------------------------------------------------------------------------------------------------------

MOVES = frozenset((Link, MergeOut, Moved, Unlink))
FORWARDED = (Moved, Event, Link, Rendered, NotRendered, Retry)


class Carried(Struct, frozen=True, array_like=True):
    """`Moved.state`: all that a person hands over."""

    person: Person
    history: History


def is_stub(person: Person) -> bool:
    """Whether she has become somebody else, to whom everything is sent on."""
    return person.merging is not None and bool(person.merging.into)


def _move(group: Group, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """Questions and answers about who she is; her state on its way to the person she becomes, or somebody's to her."""
    if isinstance(record, MergeOut):
        return _hand_over(group, record)
    run, theirs = _Run(see), None
    waited = merging.waits(see.person.merging)
    asked: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    if isinstance(record, Link):
        asked = (record.cause,)
    elif isinstance(record, Moved):
        asked, answered = record.also, (record.cause,) if record.cause else ()
        theirs = _carried(record.state) if record.state else None
    if theirs is not None and isinstance(record, Moved):
        run.unite(theirs, Meeting(group.history, theirs.history, record))
        if theirs.person.merging is not None:
            asked, answered = asked + theirs.person.merging.awaited, answered + theirs.person.merging.early
    now = merging.settled(see.person.merging, asked, answered)
    if now != see.person.merging:
        see.person = msgspec.structs.replace(see.person, merging=now)
    if (waited or theirs is not None) and not merging.waits(now):
        run.replace("windows", merged_windows.released(see.person.windows, see.now))
    return run.done(group)


def _hand_over(group: Group, record: MergeOut) -> tuple[Group, list[Effect]]:
    person_id = group.person.person_id
    state = _encode(Carried(group.person, group.history))
    stub = Person(person_id, merging=Merging(record.into))
    moved = Moved(record.at, record.into, person_id, state, record.cause, record.also, (person_id,))
    return Group(stub, NO_HISTORY if group.remembers else None), [PassOn(moved)]


def _as_stub(group: Group, into: str, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """What still comes for whom she was: on to whom she is."""
    person_id = group.person.person_id
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
        self.see.person = _together(self.see.person, theirs.person)
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
        while self.queue:
            conclusion, self.depth = self.queue.pop(0)
            self.step(conclusion)
        see = self.see
        if see.person is group.person and not see._kept:
            return group, self.effects
        return group.replaced(see.person, see._kept), self.effects


_person = msgspec.msgpack.Decoder(Person).decode
_history = msgspec.msgpack.Decoder(History).decode
_encode = msgspec.msgpack.Encoder().encode
_carried = msgspec.msgpack.Decoder(Carried).decode
NO_HISTORY = _encode(History())


def load(person_id: str, main: bytes | None, second: bytes | None) -> Group:
    """The group from its rows' bodies; a person never seen starts empty."""
    return Group(_person(main) if main is not None else Person(person_id), second)


def dump(group: Group, loaded: Group | None) -> list[tuple[bytes, bytes]]:
    """(row kind, body) of the rows that differ from `loaded`; the second row is written only once it holds something."""
    rows: list[tuple[bytes, bytes]] = []
    if loaded is None or group.person is not loaded.person:
        rows.append((b"p", _encode(group.person)))
    if loaded is None:
        if group._raw is not None:
            rows.append((b"h", group._raw))
        elif group._history is not None and group._history != History():
            rows.append((b"h", _encode(group._history)))
    elif group._raw is not None:
        if group._raw is not loaded._raw:
            rows.append((b"h", group._raw))
    elif group._history is not None and group._history is not loaded._history and (group.remembers or loaded.remembers):
        rows.append((b"h", _encode(group._history)))
    return rows
