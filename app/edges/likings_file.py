"""Interactions with products out of a file of events, or out of the journal: what recommendations are learned from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from msgspec.structs import replace

from app import events
from app.agents.table import Liked, Log
from app.domain import consent, liking, money
from app.domain.catalogue import Item, decode, id_of
from app.domain.interest import categories
from app.edges.events_file import arrivals, milliseconds
from app.edges.topic_scan import scanner
from app.events import Event, MergeOut, Undecodable, Unlink
from app.settings import Settings

Progress = Callable[[int], None]


class Likings:
    """What was read: the interactions, and what events and catalogue tell of products (the catalogue's word goes before)."""

    def __init__(self, catalogue: dict[str, Item] | None = None) -> None:
        self.log = Log()
        self.catalogue = catalogue or {}
        self.told: dict[str, Item] = {}
        self.track: dict[str, bool] = {}
        """Person → her last word on being tracked."""
        self.into: dict[str, str] = {}
        """Person → whom she has become."""

    @property
    def known(self) -> dict[str, Item]:
        """With a catalogue its products alone: nothing else can be shown."""
        return self.catalogue or self.told

    def take(self, person: str, event_type: str, at: int, properties: dict[str, Any]) -> None:
        """An event; one that shows no interest in a product, or in one that the catalogue does not have, changes nothing."""
        if (said := consent.on_track(event_type, properties)) is not None:
            self.track[person] = said
        for kind, one in liking.of_event(event_type, properties):
            if self.catalogue and one.product_id not in self.catalogue:
                continue
            self.log.add(Liked(person, one.product_id, kind, at))
            if not self.catalogue:
                self._learn(one.product_id, one.group_id, one.name, properties)

    def settle(self, silence_tracks: bool) -> None:
        """At the end: nothing is learned from who does not want to be tracked. `silence_tracks`: what having said nothing means."""
        self.log.leave_out({name for name in self.log.people if not self.track.get(name, silence_tracks)})
        self.log.join(self.into)

    def _learn(self, product_id: str, group_id: str, name: str, properties: dict[str, Any]) -> None:
        """The first word on each thing stays: an order's repeat is poorer than the view."""
        before = self.told.get(product_id)
        if before is not None and before.category and before.price is not None and before.name:
            return
        before = before or Item(product_id)
        flat = properties.get("product_id") is not None
        names = categories(properties)
        price = money.units(properties.get("price")) if flat else None
        self.told[product_id] = replace(
            before,
            group_id=before.group_id or group_id,
            name=before.name or name,
            category=before.category or (names[0] if flat and names else ""),
            price=before.price if before.price is not None else price if price is not None and price > 0 else None,
        )


def from_file(path: Path, catalogue: dict[str, Item] | None = None, on_progress: Progress = lambda read: None) -> Likings:
    """JSON Lines as `kairos simulate` reads them; lines that no worker would take are passed over. Raises `Unreadable`."""
    found = Likings(catalogue)
    for arrival in arrivals(path):
        on_progress(arrival.read)
        try:
            value = orjson.loads(arrival.value)
        except orjson.JSONDecodeError:
            continue
        if not isinstance(value, dict):
            continue
        who, kind, told = arrival.key, value.get("event_type"), value.get("properties")
        if who is None or not isinstance(kind, str) or not isinstance(told, dict):
            continue
        at = milliseconds(value.get("timestamp"))
        found.take(who.decode("utf-8", "replace"), kind, arrival.at if at is None else min(at, arrival.at), told)
    return found


async def from_journal(settings: Settings, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Likings:
    """As long as the journal is kept (35 days); who has become one person counts as one. Raises `ScanFailed`."""
    async with scanner(settings) as scan:
        catalogue: dict[str, Item] = {}
        async for record in scan.read("products"):
            keep(catalogue, record.key, record.value)
        found = Likings(catalogue)
        async for record in scan.read("journal", on_progress=on_progress):
            try:
                one = events.journal.decode(record.value)
            except Undecodable:
                continue
            if isinstance(one, Event) and not one.bot:
                found.take(one.person_id, one.event_type, one.ts, one.properties)
            elif isinstance(one, MergeOut):
                found.into[one.person_id] = one.into
            elif isinstance(one, Unlink):
                found.into.pop(one.person_id, None)
    return found


def keep(catalogue: dict[str, Item], key: bytes | None, value: bytes | None) -> None:
    """A record of `products`."""
    if key is None:
        return
    if not value:
        catalogue.pop(id_of(key), None)
        return
    item = decode(value)
    catalogue[item.product_id] = item
