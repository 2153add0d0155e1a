"""Everything the topics hold of one person, read once: her journal run again, her decisions, her messages, the packs they name.

From a running cluster's topics, or from a file of events, which is then simulated: explain and preview do not see the difference.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from app import events
from app.agents.person_program import PersonProgram
from app.agents.simulator import simulator
from app.domain.identity import person_id
from app.domain.trigger import Pack
from app.edges.events_file import Unreadable, arrivals, people
from app.edges.progress import Bar
from app.edges.spectator import decode_decision, decode_send
from app.edges.story import Story
from app.edges.topic_scan import Scanner
from app.engine.artifacts import Artifacts
from app.engine.partition import partition_of
from app.engine.past import POLICY, Past
from app.engine.program import Output
from app.events import Decision, Event, Send
from app.policy.pack import BadPack, compile_artifact
from app.settings import Settings

MAX_MERGES = 20
"""People that somebody became, one after the other, that are followed."""


class Shelf:
    """Packs by ref, compiled when they are first asked for."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    @property
    def active(self) -> str | None:
        """The pack the pointer says is active now."""
        return self._artifacts.active.get(POLICY)

    def pack(self, ref: str) -> Pack:
        """Raises KeyError if it was never published, BadPack if this version of Kairos cannot run it."""
        found: Pack = self._artifacts.packs(ref)
        return found

    def has(self, ref: str) -> bool:
        try:
            self.pack(ref)
        except (KeyError, BadPack):
            return False
        return True


async def shelf(scan: Scanner, settings: Settings) -> Shelf:
    """The artifacts topic as it stands."""
    artifacts = Artifacts(settings.topic("artifacts"), {}, compile_artifact)
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
            self.notes.append(f"pack {ref} was active and is not on the artifacts topic: windows it would have opened are not derived")
        if self.past.faults:
            self.notes.append(f"{self.past.faults} of the records could not be applied: see dead_letters")
        return self


def candidates(settings: Settings, asked: str) -> list[str]:
    """Person ids that somebody may mean: of a customer id, of an anonymous id, or as it stands."""
    found = [person_id(settings.secret, f"{kind}:{asked}") for kind in ("c", "a")]
    return [*found, asked] if re.fullmatch("[0-9a-f]{32}", asked) else found


async def of_topics(scan: Scanner, settings: Settings, asked: str, persons: list[str], until: int | None = None) -> Dossier | None:
    """What the cluster holds of the first of `persons` that it knows, as of `until` (ms); None: nothing of any."""
    packs = await shelf(scan, settings)
    for candidate in persons:
        found = await _read(scan, packs, asked, candidate, until)
        if found is None:
            continue
        earlier: list[Dossier] = []
        met = {found.person_id}
        while found.story.into is not None and found.story.into not in met and len(earlier) < MAX_MERGES:
            met.add(found.story.into)
            later = await _read(scan, packs, asked, found.story.into, until)
            if later is None:
                break
            earlier.append(found)
            found = later
        found.earlier = earlier
        return found
    return None


async def _read(scan: Scanner, packs: Shelf, asked: str, person: str, until: int | None) -> Dossier | None:
    key, story = person.encode(), Story()
    mine = partition_of(key, scan.partitions("decisions"))
    decisions = [decode_decision(value) async for value in _values(scan, "decisions", key, until)]
    sends = [decode_send(value) async for value in _values(scan, "message_sends", key, until)]
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


async def _values(scan: Scanner, topic: str, key: bytes, until: int | None) -> AsyncIterator[bytes]:
    mine = partition_of(key, scan.partitions(topic))
    with Bar(f"reading {topic}", 0) as bar:
        async for record in scan.read(topic, [mine], lambda done, total: bar.at(done, f"{done} of {total}")):
            if record.key == key and record.value is not None:
                yield record.value


def _until(decisions: list[Decision], until: int | None) -> list[Decision]:
    return decisions if until is None else [one for one in decisions if one.at <= events.iso(until)]


def _ref(decision: Decision) -> str:
    return f"{decision.policy.name}@{decision.policy.version}"


def of_file(
    path: Path,
    people_file: Path | None,
    artifact: tuple[str, bytes],
    settings: Settings,
    asked: str,
    until: int | None,
    assume: frozenset[str],
    products: Callable[[str], dict[str, Any] | None],
    after: int = 0,
) -> Dossier | None:
    """The same from a file of events, simulated under one pack up to `until` (ms; default: `after` its last line). Raises `Unreadable`."""
    ref, data = artifact
    packs = {ref: compile_artifact(ref, data)}
    found: list[Dossier] = []
    for candidate in candidates(settings, asked):
        story = Story()
        past = Past(PersonProgram(packs.__getitem__, assume), candidate.encode(), packs.__contains__, story.see)
        found.append(Dossier(asked, candidate, past, story, packs.__getitem__))
    by_key = {one.past.key: one for one in found}

    def on_output(topic: str, output: Output) -> None:
        one = by_key.get(output.key or b"")
        if one is not None and topic == "decisions":
            one.decisions.append(decode_decision(output.value))
        elif one is not None and topic == "message_sends":
            one.sends.append(decode_send(output.value))

    def on_line(line: Any) -> None:
        for one in found:
            one.past.take(line)

    simulation = simulator(artifact, settings, on_output, assume, products, on_line)
    started = False
    with Bar("simulating", path.stat().st_size) as bar:
        for arrival in arrivals(path):
            if until is not None and arrival.at > until:
                break
            if not started:
                started = True
                simulation.activate(arrival.at, ref)
                for known in people(people_file, arrival.at) if people_file else ():
                    simulation.feed(known.at, known.key, known.value)
            simulation.feed(arrival.at, arrival.key, arrival.value)
            bar.at(arrival.read, events.iso(arrival.at)[:10])
    if not started and until is None:
        raise Unreadable(f"{path}: no events in it")
    simulation.run_until(simulation.now + after if until is None else max(until, simulation.now))
    return next((one.closed() for one in found if one.past.records), None)
