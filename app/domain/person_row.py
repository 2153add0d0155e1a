"""A person's rows, as the lane keeps them, and what a step may look at beside them (design.md 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from app.domain import news
from app.domain.churn import Churn
from app.domain.intent import Intent
from app.domain.merging import Merging
from app.domain.orders import Orders
from app.domain.originals import Originals
from app.domain.population import Population
from app.domain.profile import Profile
from app.domain.publishing import NOTHING, Told
from app.domain.scope import Subject, of_event
from app.domain.scoring import DEFAULT, Scoring
from app.domain.standing import Standing
from app.domain.windows import LookBack, Windows
from app.events import Event, Moved

if TYPE_CHECKING:
    from app.domain.facts import Facts

MAX_FAULTS = 100
NOTHING_ACTIVE: Mapping[str, str] = {}


class Person(Struct, frozen=True, array_like=True):
    """The big row. `faults`: letter ids of records of hers that raised; until all are resolved she gets no message."""

    person_id: str
    faults: tuple[str, ...] = ()
    profile: Profile = Profile()
    intent: Intent = Intent()
    churn: Churn = Churn()
    windows: Windows = Windows()
    merging: Merging | None = None
    """Nearly always None: only while she becomes one with somebody, and for good of whom she was before."""
    standing: Standing = Standing()


def faulted(person: Person, letter_id: str) -> Person:
    """Her record raised and went to dead_letters; beyond MAX_FAULTS the flag stays, but what is one more letter cannot be retried."""
    return msgspec.structs.replace(person, faults=(*person.faults, letter_id)[:MAX_FAULTS])


def together(person: Person, other: Person) -> Person:
    """With the letters of both."""
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
    """All rows of a person; the second is decoded only when somebody asks. Replaced, never mutated.

    `told`: what was published of her. It has the row that says when to wake her, the smallest: publishing her profile rewrites nothing
    else.
    """

    __slots__ = ("_history", "_raw", "person", "told")

    def __init__(self, person: Person, raw: bytes | None = None, history: History | None = None, told: Told = NOTHING) -> None:
        self.person, self._raw, self._history, self.told = person, raw, history, told

    @property
    def history(self) -> History:
        if self._history is None:
            self._history = _history(self._raw) if self._raw else History()
        return self._history

    @property
    def remembers(self) -> bool:
        """Whether there is a second row, or should be."""
        return self._raw is not None or (self._history is not None and self._history != History())

    def replaced(self, person: Person, keep: dict[str, Any], told: Told | None = None) -> Group:
        told = self.told if told is None else told
        if keep:
            return Group(person, None, msgspec.structs.replace(self.history, **keep), told)
        return Group(person, self._raw, self._history, told)


class Meeting(NamedTuple):
    """Two people becoming one: the second rows of both, as they were apart, and the record that brings them together."""

    mine: History
    theirs: History
    moved: Moved


class See:
    """What a step may look at beside its own part and the record: the person as she stands at this record, time, active pack."""

    __slots__ = (
        "_about",
        "_group",
        "_kept",
        "_record",
        "active",
        "assume",
        "interval",
        "judged",
        "known",
        "low_water",
        "now",
        "pack",
        "packs",
        "person",
        "person_id",
        "population",
        "publishes",
        "told",
    )

    def __init__(
        self,
        group: Group,
        now: int,
        low_water: int,
        interval: int,
        pack: Any,
        packs: Callable[[str], Any],
        assume: frozenset[str] = frozenset(),
        population: Population | None = None,
        publishes: bool = False,
        active: Mapping[str, str] = NOTHING_ACTIVE,
    ) -> None:
        self._group, self.person, self.person_id = group, group.person, group.person.person_id
        self.now, self.low_water, self.interval = now, low_water, interval
        self.pack = pack
        """The active compiled pack (`app.policy`), or None before the first activation: then nothing opens."""
        self.packs = packs
        """Compiled pack of a ref, for windows opened under an earlier version."""
        self.assume = assume
        """Simulation only: `consent` (every purpose unless withdrawn), `address` (`<id>@example.invalid` unless known)."""
        self.population = population
        """The day's figures of everybody, or None before the first were published."""
        self.publishes, self.told = publishes, group.told
        """Whether profiles go to their topic, and what was told of hers; nothing is decided by either."""
        self.active = active
        """Kind of artifact → the active one: a plan names them, for the renderer and for whoever asks what a message came from."""
        self.judged = group.person
        """As she was when the segmenter last looked at her; at first, before this record."""
        self.known: Facts | None = None
        """What was asked of her last, as she stood then (facts.py)."""
        self._kept: dict[str, Any] = {}
        self._record: Event | None = None
        self._about: Subject

    def about(self, event: Event) -> Subject:
        """The event as agents look at it; what one of them reads out of its properties the next need not read again."""
        if self._record is not event:
            self._record, self._about = event, of_event(event)
        return self._about

    def note(self, event: Event, **told: Any) -> None:
        """What an agent found out about the event: the agents after it see it among the event's properties."""
        self._record, self._about = event, of_event(event, told)

    @property
    def scoring(self) -> Scoring:
        """The active pack's figures of scores."""
        return self.pack.scoring if self.pack is not None else DEFAULT

    @property
    def orders(self) -> Orders:
        return self._kept.get("orders") or self._group.history.orders

    @property
    def lookback(self) -> LookBack:
        return self._kept.get("lookback") or self._group.history.lookback

    @property
    def originals(self) -> Originals:
        return self._kept.get("originals") or self._group.history.originals


class Carried(Struct, frozen=True, array_like=True):
    """`Moved.state`: all that a person hands over."""

    person: Person
    history: History


def is_stub(person: Person) -> bool:
    """Whether she has become somebody else, to whom everything is sent on."""
    return person.merging is not None and bool(person.merging.into)


def stub(group: Group, into: str, told: Told) -> Group:
    """What stays of a person who became `into`: the way to her."""
    return Group(Person(group.person.person_id, merging=Merging(into)), NO_HISTORY if group.remembers else None, told=told)


def carried(group: Group) -> bytes:
    """All of her, to be handed over."""
    return _encode(Carried(group.person, group.history))


def brought(state: bytes) -> Carried:
    """What was handed over."""
    return _carried(state)


ROWS = (b"d", b"p", b"h")
"""Kinds of a person's rows: when to wake her, with `told`; the person; the history."""
TAGS = b"w"
"""Kind of the row of what she is found by. It follows from the person, so nobody reads it but the index."""
_person = msgspec.msgpack.Decoder(Person).decode
_told = msgspec.msgpack.Decoder(Told).decode
_history = msgspec.msgpack.Decoder(History).decode
_encode = msgspec.msgpack.Encoder().encode
_carried = msgspec.msgpack.Decoder(Carried).decode
NO_HISTORY = _encode(History())


def load(person_id: str, main: bytes | None, second: bytes | None, first: bytes | None = None) -> Group:
    """The group from its rows' bodies (`first`: of the one that says when to wake her); a person never seen starts empty."""
    person = _person(main) if main is not None else Person(person_id)
    return Group(person, second, None, _told(first) if first is not None else NOTHING)


def dump(group: Group, loaded: Group | None) -> list[tuple[bytes, bytes]]:
    """(row kind, body) of the rows that differ from `loaded`; the history is written only once it holds something.

    The first row is always among them: it costs next to nothing, and what it says of waiting may differ where its body does not.
    """
    rows: list[tuple[bytes, bytes]] = [(b"d", _encode(group.told))]
    if loaded is None or group.person is not loaded.person:
        rows.append((b"p", _encode(group.person)))
        if loaded is None or news.moved(loaded.person, group.person):
            tags = news.tags(group.person)
            if tags != (b"" if loaded is None else news.tags(loaded.person)):
                rows.append((TAGS, tags))
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
