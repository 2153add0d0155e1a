"""Figures of everybody as the topics hold them: the artifact that lanes rank by, and the changes that have come since."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app import events
from app.agents.kinds import compilers
from app.domain.population import Population, changed
from app.domain.trigger import Pack
from app.edges.topic_scan import scanner
from app.engine.artifacts import POLICY, POPULATION, Artifacts
from app.engine.origin import Marks, read_origin
from app.events import Fact, Tick, Undecodable
from app.settings import Settings


class Everybody(Struct, frozen=True):
    """`ref`: the active figures, None before the first; `published`: what they say; `now`: with the `since` changes after them."""

    ref: str | None
    published: Population
    now: Population
    since: int
    pack: Pack | None


async def everybody(settings: Settings) -> Everybody:
    """Reads both topics from their beginnings. Raises `ScanFailed`; ValueError if what is active is damaged or of another version."""
    artifacts = Artifacts(settings.topic("artifacts"), {}, compilers(settings.model_mb))
    async with scanner(settings) as scan:
        async for record in scan.read("artifacts"):
            artifacts.take(record.key, record.value)
        ref, pack = artifacts.active.get(POPULATION), artifacts.active.get(POLICY)
        published = Population() if ref is None else _found(artifacts, ref)
        facts: list[Fact] = []
        marks = Marks()
        async for record in scan.read("facts"):
            try:
                told = events.facts.decode(record.value)
            except Undecodable:
                continue  # the analyst buried it
            if isinstance(told, Tick):
                if told.low_water == published.as_of:
                    facts.clear()  # it is the tick at which they were published
            elif (origin := read_origin(record.headers)) is None or not marks.seen(*origin):
                facts += told.facts
    now = published
    for fact in facts:
        now = changed(now, fact)
    return Everybody(ref, published, now, len(facts), None if pack is None else _found(artifacts, pack))


def _found(artifacts: Artifacts, ref: str) -> Any:
    try:
        return artifacts.packs(ref)
    except KeyError as error:
        raise ValueError(f"{ref} is active and not whole on the artifacts topic") from error
