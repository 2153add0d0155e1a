"""Everything the topics hold of one person, read once: her journal run again, her decisions, her messages, the packs they name.

From a running cluster's topics, or from a file of events, which is then simulated: explain and preview do not see the difference.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

from app import events
from app.agents.kinds import compilers
from app.agents.person_program import PersonProgram
from app.agents.simulator import simulator
from app.domain.catalogue import Items
from app.domain.identity import person_id
from app.domain.trigger import Pack
from app.edges.events_file import Unreadable, arrivals
from app.edges.people_file import people
from app.edges.progress import Bar
from app.edges.spectator import decode_decision, decode_send
from app.edges.story import Story
from app.edges.topic_scan import Scanner
from app.engine.artifacts import POLICY, Artifacts
from app.engine.partition import partition_of
from app.engine.past import Past
from app.engine.program import Output
from app.events import Decision, Event, Send, Undecodable
from app.policy.pack import compile_artifact
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
    def active(self) -> str | None:
        """The pack the pointer says is active now."""
        return self._artifacts.active.get(POLICY)

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

    @property
    def name(self) -> str | None:
        """What the shop calls her."""
        told = [one.customer_id or one.anonymous_id for one in self.story.records if isinstance(one, Event)]
        return next((one for one in reversed(told) if one), None)

    @property
    def everybody(self) -> list[Dossier]:
        """Those she was before, then who she is."""
        return [*self.earlier, self]

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
    scan: Scanner, settings: Settings, asked: str, persons: list[str], until: int | None = None, records: Records | None = None
) -> Dossier | None:
    """What the cluster holds of the first of `persons` that it knows, as of `until` (ms); None: nothing of any.

    `records`: where decisions and messages come from, if not from their topics; what happened to her only the journal tells.
    """
    packs = await shelf(scan, settings)
    told = records or TopicRecords(scan)
    found: dict[str, Dossier] = {}
    for candidate in persons:
        if (one := await _read(scan, packs, asked, candidate, until, told)) is not None:
            found[candidate] = one
            break
    if (
        not found
        and (owner := await _owner(scan, asked)) is not None
        and (one := await _read(scan, packs, asked, owner, until, told)) is not None
    ):
        found[owner] = one
    while more := _related(found):
        for person in more:
            one = await _read(scan, packs, asked, person, until, told)
            if one is None:
                return _whole([*persons, *found], found)
            found[person] = one
    return _whole([*persons, *found], found)


async def _owner(scan: Scanner, asked: str) -> str | None:
    """Whose events name the identifier: a device that was hers from its first event on has nothing under an id of its own."""
    owner = None
    with Bar(f"looking for {asked} in everybody's journal", 0) as bar:
        async for record in scan.read("journal", None, lambda done, total: bar.at(done, f"{done} of {total}")):
            if asked.encode() in (record.value or b""):
                owner = _names(record.value, asked) or owner
    return owner


def _names(value: bytes, asked: str) -> str | None:
    """Whose event it is, if it names the identifier."""
    try:
        one = events.journal.decode(value)
    except Undecodable:
        return None
    return one.person_id if isinstance(one, Event) and asked in (one.anonymous_id, one.customer_id) else None


def _related(found: dict[str, Dossier]) -> list[str]:
    """People whom those that were found became, or were, and who are still to be read."""
    named = [person for one in found.values() for person in (one.story.into, *one.story.sources) if person is not None]
    return [person for person in dict.fromkeys(named) if person not in found][: max(0, MAX_MERGES - len(found))]


def _whole(persons: list[str], found: dict[str, Dossier]) -> Dossier | None:
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


async def _read(scan: Scanner, packs: Shelf, asked: str, person: str, until: int | None, told: Records) -> Dossier | None:
    key, story = person.encode(), Story(packs.pack)
    mine = partition_of(key, scan.partitions("decisions"))
    decisions = list(map(decode_decision, await told.decisions(person)))
    sends = list(map(decode_send, await told.sends(person)))
    cut = await scan.starts_at("journal", mine) > 0
    # Without its beginning the journal may not say which pack was active: her own decisions do, else the newest pack is as good as any.
    assumed = None if not cut else _ref(decisions[0]) if decisions else packs.active
    past = Past(PersonProgram(packs.pack), key, packs.has, story.see, until, assumed)
    begins = None
    with Bar("reading journal", 0) as bar:
        async for record in scan.read("journal", [mine], lambda done, total: bar.at(done, f"{done} of {total}")):
            past.take(record)
            if past.over:
                break
            begins = past.now if begins is None and past.now else begins
    if not past.records and not decisions:
        return None
    found = Dossier(asked, person, past, story, packs.pack)
    found.decisions, found.sends = decisions, sends
    if cut:
        since = events.iso(begins or 0)
        found.notes.append(f"the journal is kept from {since} on: what happened before is missing from scores and windows")
    for difference in story.differences(_until(decisions, until), begins or 0):
        found.notes.append(f"derived and recorded decisions differ: {difference}")
    return found.closed()


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


def of_file(film: Film, settings: Settings, asked: str) -> Dossier | None:
    """The same from a file of events. Raises `Unreadable`."""
    persons = candidates(settings, asked)
    seen = film.seen(asked, persons)
    if not seen and film.owners:
        seen = film.seen(asked, film.owners[-1:])
    if not seen:
        return None
    first = seen[0]
    found = {first.person_id: first}
    while more := _related(found):
        news = film.seen(asked, more)
        found |= {one.person_id: one for one in news}
        if len(news) < len(more):
            break
    return _whole([*persons, *found], found)


class Film:
    """A file of events, simulated under one pack up to `until` (ms; default: `after` its last line), as often as there are people to
    look at: who somebody becomes shows only at the end.
    """

    def __init__(
        self,
        path: Path,
        people_file: Path | None,
        artifact: tuple[str, bytes],
        settings: Settings,
        until: int | None,
        assume: frozenset[str],
        items: Items | None,
        after: int,
    ) -> None:
        self._path, self._people, self._artifact, self._settings = path, people_file, artifact, settings
        self._until, self._assume, self._items, self._after = until, assume, items, after
        self._packs: dict[str, Any] = {artifact[0]: compile_artifact(*artifact)}
        """And the figures of everybody, which come up as it is simulated."""
        self.owners: list[str] = []
        """Whose events named what was asked for, in the last showing."""

    def seen(self, asked: str, persons: list[str]) -> list[Dossier]:
        """Those of the people of whom there is a record, in their order."""
        watched: list[Dossier] = []
        for person in persons:
            story = Story(self._packs.__getitem__)
            program = PersonProgram(self._packs.__getitem__, self._assume)
            past = Past(program, person.encode(), self._packs.__contains__, story.see)
            watched.append(Dossier(asked, person, past, story, self._packs.__getitem__))
        by_key = {one.past.key: one for one in watched}

        def on_output(topic: str, output: Output) -> None:
            one = by_key.get(output.key or b"")
            if one is not None and topic == "decisions":
                one.decisions.append(decode_decision(output.value))
            elif one is not None and topic == "message_sends":
                one.sends.append(decode_send(output.value))

        self.owners, mark = [], asked.encode()

        def on_line(line: Any) -> None:
            if mark in (line.value or b"") and (owner := _names(line.value, asked)) is not None:
                self.owners.append(owner)
            for one in watched:
                one.past.take(line)

        self.play(on_output, on_line)
        return [one.closed() for one in watched if one.past.records]

    def play(self, on_output: Callable[[str, Output], None], on_line: Callable[[Any], None] | None = None) -> int:
        """One showing; the instant it ends at (ms). Raises `Unreadable`."""
        simulation = simulator(self._artifact, self._settings, on_output, self._assume, self._items, on_line, self._packs)
        started = False
        with Bar("simulating", self._path.stat().st_size) as bar:
            for arrival in arrivals(self._path):
                if self._until is not None and arrival.at > self._until:
                    break
                if not started:
                    started = True
                    simulation.activate(arrival.at, self._artifact[0])
                    for known in people(self._people, arrival.at) if self._people else ():
                        simulation.feed(known.at, known.key, known.value)
                simulation.feed(arrival.at, arrival.key, arrival.value)
                bar.at(arrival.read, events.iso(arrival.at)[:10])
        if not started and self._until is None:
            raise Unreadable(f"{self._path}: no events in it")
        simulation.run_until(simulation.now + self._after if self._until is None else max(self._until, simulation.now))
        return simulation.now
