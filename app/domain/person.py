"""A person's row: one part per agent of the lane, each written by its own agent, stepped together record by record (design.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import churn, intent, profile, windows
from app.domain.churn import Churn
from app.domain.effects import Conclude, Effect, Effects, Keep
from app.domain.intent import Intent
from app.domain.orders import Orders
from app.domain.originals import Originals
from app.domain.profile import Profile
from app.domain.scope import Subject, of_event
from app.domain.windows import LookBack, Windows
from app.events import Conclusion, Event, JournalRecord

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


def faulted(person: Person, letter_id: str) -> Person:
    """Her record raised and went to dead_letters; beyond MAX_FAULTS the flag stays, but what is one more letter cannot be retried."""
    return msgspec.structs.replace(person, faults=(*person.faults, letter_id)[:MAX_FAULTS])


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

    def replaced(self, person: Person, keep: dict[str, Any]) -> Group:
        if keep:
            return Group(person, None, msgspec.structs.replace(self.history, **keep))
        return Group(person, self._raw, self._history)


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
    """One agent of the lane: its part of the row and its pure functions."""

    name: str
    part: str
    step: Callable[[Any, JournalRecord, See], tuple[Any, Effects]]
    wake: Callable[[Any, See], tuple[Any, Effects]]
    due: Callable[[Any], int]


LANE = (
    Concern("profile_updater", "profile", profile.step, profile.wake, profile.due),
    Concern("intent_scorer", "intent", intent.step, intent.wake, intent.due),
    Concern("churn_watcher", "churn", churn.step, churn.wake, churn.due),
    Concern("trigger_scheduler", "windows", windows.step, windows.wake, windows.due),
)
"""In the order in which the lane steps them; a later one sees what an earlier one wrote at this record."""


def step(group: Group, record: JournalRecord, see: See) -> tuple[Group, list[Effect]]:
    """One record through all agents, then each conclusion in turn through all agents, first in first out."""
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
    elif group._history is not None and group._raw is None and group._history is not loaded._history:
        rows.append((b"h", _encode(group._history)))
    return rows
