"""Everything the topics hold of one person, read once: her journal run again, her decisions, her messages, the packs they name.

From a running cluster's topics; film.py makes the same of a file of events, so that explain and preview do not see the difference.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from msgspec.structs import replace

from app import events
from app.agents.kinds import compilers
from app.agents.person_program import PersonProgram
from app.domain.identity import person_id
from app.domain.trigger import Pack
from app.edges.progress import Bar
from app.edges.shop_then import ShopThen, Then
from app.edges.spectator import decode_decision, decode_send
from app.edges.story import Story
from app.edges.timeline import Entry
from app.edges.topic_scan import Scanner
from app.engine.artifacts import POLICY, Artifacts
from app.engine.partition import partition_of
from app.engine.past import Past
from app.events import Decision, Event, Send, Undecodable
from app.settings import Settings

MAX_MERGES = 20
"""People that somebody became, one after the other, that are followed."""


class Records(Protocol):
    """Where somebody's decisions and messages come from; both in the order of their topic."""

    async def decisions(self, person: str) -> list[bytes]: ...
    async def sends(self, person: str) -> list[bytes]: ...


class TopicRecords:
    """The topics themselves, read from one end to the other."""

    def __init__(self, scan: Scanner) -> None:
        self._scan = scan

    async def decisions(self, person: str) -> list[bytes]:
        return [value async for value in _values(self._scan, "decisions", person.encode())]

    async def sends(self, person: str) -> list[bytes]:
        return [value async for value in _values(self._scan, "message_sends", person.encode())]


class Shelf:
    """Packs by ref, compiled when they are first asked for."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    @property
    def active(self) -> Mapping[str, str]:
        """Kind → ref of what the pointers say is active now."""
        return self._artifacts.active

    def pack(self, ref: str) -> Pack:
        """Raises KeyError if it was never published, ValueError if this version of Kairos cannot run it."""
        found: Pack = self._artifacts.packs(ref)
        return found

    def has(self, ref: str) -> bool:
        try:
            self.pack(ref)
        except (KeyError, ValueError):
            return False
        return True


async def shelf(scan: Scanner, settings: Settings) -> Shelf:
    """The artifacts topic as it stands."""
    artifacts = Artifacts(settings.topic("artifacts"), {}, compilers(settings.model_mb))
    async for record in scan.read("artifacts"):
        artifacts.take(record.key, record.value)
    return Shelf(artifacts)


class Dossier:
    """One person. `decisions` and `sends` as recorded; `notes`: what the reader should know before she trusts the rest."""

    def __init__(self, asked: str, person: str, past: Past, story: Story, packs: Callable[[str], Pack]) -> None:
        self.asked, self.person_id, self.past, self.story, self.packs = asked, person, past, story, packs
        self.decisions: list[Decision] = []
        self.sends: list[Send] = []
        self.notes: list[str] = []
        self.earlier: list[Dossier] = []
        """Those she was before."""
        self.then = Then()
        """The instant that was asked for."""
        self.shop = ShopThen()
        """As it was then, where somebody has looked."""

    @property
    def name(self) -> str | None:
        """What the shop calls her."""
        told = [one.customer_id or one.anonymous_id for one in self.story.records if isinstance(one, Event)]
        return next((one for one in reversed(told) if one), None)

    @property
    def everybody(self) -> list[Dossier]:
        """Those she was before, then who she is."""
        return [*self.earlier, self]

    def recommended(self) -> set[str]:
        """Products that her messages showed beside what they were about."""
        return {product for one in self.everybody for send in one.sends for product in send.recommendations}

    def entries(self) -> list[Entry]:
        """The timeline of everybody she was and is."""
        picks = {send.send_id: self.shop.line("recommended", send.recommendations) for one in self.everybody for send in one.sends}
        return [
            replace(entry, more=(*entry.more, *picks.get(entry.told.get("send_id", ""), ()))) if entry.kind == "send" else entry
            for entry in self._told()
        ]

    def _told(self) -> list[Entry]:
        if not self.earlier:
            return self.story.entries(self.decisions, self.sends)
        every = [entry for one in self.everybody for entry in one.story.entries(one.decisions, one.sends)]
        # What still came for whom she was is on the journal twice: as it came, and as it was sent on to whom she is.
        first: dict[Any, Entry] = {}
        for entry in sorted(every, key=lambda entry: entry.at):
            first.setdefault(entry.told.get("event_id") or id(entry), entry)
        return list(first.values())

    def closed(self) -> Dossier:
        """The same, once everything was read: what is missing is said."""
        self.story.ends(self.past.group.person, self.past.now)
        for ref in dict.fromkeys(self.past.missing):
            self.notes.append(f"{ref} was active and is not on the artifacts topic: what it would have decided is not derived")
        if self.past.faults:
            self.notes.append(f"{self.past.faults} of the records could not be applied: see dead_letters")
        return self


def candidates(settings: Settings, asked: str) -> list[str]:
    """Person ids that somebody may mean: of a customer id, of an anonymous id, or as it stands."""
    found = [person_id(settings.secret, f"{kind}:{asked}") for kind in ("c", "a")]
    return [*found, asked] if re.fullmatch("[0-9a-f]{32}", asked) else found


async def of_topics(
    scan: Scanner,
    settings: Settings,
    asked: str,
    persons: list[str],
    until: int | None = None,
    records: Records | None = None,
    instant: int | None = None,
) -> Dossier | None:
    """What the cluster holds of the first of `persons` that it knows, as of `until` (ms); None: nothing of any.

    `records`: where decisions and messages come from, if not from their topics; what happened to her only the journal tells. `instant`
    (ms): that of `Dossier.then`, if it is not the end.
    """
    instant = until if instant is None else instant
    packs = await shelf(scan, settings)
    told = records or TopicRecords(scan)
    found: dict[str, Dossier] = {}
    for candidate in persons:
        if (one := await _read(scan, packs, asked, candidate, until, told, instant)) is not None:
            found[candidate] = one
            break
    if (
        not found
        and (owner := await _owner(scan, asked)) is not None
        and (one := await _read(scan, packs, asked, owner, until, told, instant)) is not None
    ):
        found[owner] = one
    while more := related(found):
        for person in more:
            one = await _read(scan, packs, asked, person, until, told, instant)
            if one is None:
                return whole([*persons, *found], found)
            found[person] = one
    return whole([*persons, *found], found)


async def _owner(scan: Scanner, asked: str) -> str | None:
    """Whose events name the identifier: a device that was hers from its first event on has nothing under an id of its own."""
    owner = None
    with Bar(f"looking for {asked} in everybody's journal", 0) as bar:
        async for record in scan.read("journal", None, lambda done, total: bar.at(done, f"{done} of {total}")):
            if asked.encode() in (record.value or b""):
                owner = names(record.value, asked) or owner
    return owner


def names(value: bytes, asked: str) -> str | None:
    """Whose event it is, if it names the identifier."""
    try:
        one = events.journal.decode(value)
    except Undecodable:
        return None
    return one.person_id if isinstance(one, Event) and asked in (one.anonymous_id, one.customer_id) else None


def related(found: dict[str, Dossier]) -> list[str]:
    """People whom those that were found became, or were, and who are still to be read."""
    named = [person for one in found.values() for person in (one.story.into, *one.story.sources) if person is not None]
    return [person for person in dict.fromkeys(named) if person not in found][: max(0, MAX_MERGES - len(found))]


def whole(persons: list[str], found: dict[str, Dossier]) -> Dossier | None:
    """Who she is now, with those she was before."""
    now = next((found[person] for person in persons if person in found), None)
    if now is None:
        return None
    met = {now.person_id}
    while now.story.into is not None and now.story.into in found and now.story.into not in met:
        now = found[now.story.into]
        met.add(now.person_id)
    now.earlier = [one for one in found.values() if one is not now]
    return now


async def _read(
    scan: Scanner, packs: Shelf, asked: str, person: str, until: int | None, told: Records, instant: int | None
) -> Dossier | None:
    key, story = person.encode(), Story(packs.pack)
    mine = partition_of(key, scan.partitions("decisions"))
    decisions = list(map(decode_decision, await told.decisions(person)))
    sends = list(map(decode_send, await told.sends(person)))
    cut = await scan.starts_at("journal", mine) > 0
    # Without its beginning the journal may not say which pack was active: her own decisions do, else the newest pack is as good as any.
    assumed = None if not cut else _ref(decisions[0]) if decisions else packs.active.get(POLICY)
    past = Past(PersonProgram(packs.pack), key, packs.has, story.see, until, assumed)
    begins = then = None
    with Bar("reading journal", 0) as bar:
        async for record in scan.read("journal", [mine], lambda done, total: bar.at(done, f"{done} of {total}")):
            past.take(record)
            if then is None and instant is not None and (past.over or past.now > instant):
                then = _then(past, packs, cut, record.timestamp)
            if past.over:
                break
            begins = past.now if begins is None and past.now else begins
    if not past.records and not decisions:
        return None
    found = Dossier(asked, person, past, story, packs.pack)
    found.decisions, found.sends = decisions, sends
    found.then = then or _then(past, packs, cut, None)
    if cut:
        since = events.iso(begins or 0)
        found.notes.append(f"the journal is kept from {since} on: what happened before is missing from scores and windows")
    for difference in story.differences(_until(decisions, until), begins or 0):
        found.notes.append(f"derived and recorded decisions differ: {difference}")
    return found.closed()


def _then(past: Past, packs: Shelf, cut: bool, before: int | None) -> Then:
    """The instant that the journal has come to."""
    told = dict(past.artifacts)
    # What a journal without its beginning does not tell was made active before it, unless it was after the instant.
    assumed = {kind: ref for kind, ref in packs.active.items() if kind not in told} if cut else {}
    return Then(before, {**assumed, **told}, frozenset(assumed))


async def _values(scan: Scanner, topic: str, key: bytes) -> AsyncIterator[bytes]:
    mine = partition_of(key, scan.partitions(topic))
    with Bar(f"reading {topic}", 0) as bar:
        async for record in scan.read(topic, [mine], lambda done, total: bar.at(done, f"{done} of {total}")):
            if record.key == key and record.value is not None:
                yield record.value


def _until(decisions: list[Decision], until: int | None) -> list[Decision]:
    return decisions if until is None else [one for one in decisions if one.at <= events.iso(until)]


def _ref(decision: Decision) -> str:
    return f"{decision.policy.name}@{decision.policy.version}"
