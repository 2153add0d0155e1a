"""Somebody's dossier from a file of events, which is simulated under one pack: what a cluster would hold of her by then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app import events
from app.agents.person_program import PersonProgram
from app.agents.simulator import simulator
from app.domain.catalogue import Items, nothing
from app.edges.dossier import Dossier, candidates, names, related, whole
from app.edges.events_file import Unreadable, arrivals
from app.edges.people_file import people
from app.edges.progress import Bar
from app.edges.shop_then import ShopThen
from app.edges.spectator import decode_decision, decode_send
from app.edges.story import Story
from app.engine.past import Past
from app.engine.program import Output
from app.policy.pack import compile_artifact
from app.settings import Settings


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
    while more := related(found):
        news = film.seen(asked, more)
        found |= {one.person_id: one for one in news}
        if len(news) < len(more):
            break
    return whole([*persons, *found], found)


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
            watched[-1].shop = ShopThen(self._items or nothing)
        by_key = {one.past.key: one for one in watched}

        def on_output(topic: str, output: Output) -> None:
            one = by_key.get(output.key or b"")
            if one is not None and topic == "decisions":
                one.decisions.append(decode_decision(output.value))
            elif one is not None and topic == "message_sends":
                one.sends.append(decode_send(output.value))

        self.owners, mark = [], asked.encode()

        def on_line(line: Any) -> None:
            if mark in (line.value or b"") and (owner := names(line.value, asked)) is not None:
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
