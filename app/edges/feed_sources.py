"""Whom a feed is of: people of a file of events, or everybody that a cluster knows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import orjson

from app.agents.recommender_program import Tastes, likings
from app.domain import consent
from app.domain.catalogue import Item
from app.domain.trigger import Pack
from app.edges.feed import Liker, liked
from app.edges.likings_file import Likings, keep
from app.edges.topic_scan import Scanner
from app.engine.rows import HEADER_SIZE, MARKS
from app.flow import TABLES

PERSONALISE = "personalise"
_tastes = msgspec.msgpack.Decoder(Tastes).decode


def of_file(found: Likings) -> Iterator[Liker]:
    """By the identifier that the events carry, in its order."""
    log = found.log
    told: dict[int, list[tuple[str, str, int]]] = {}
    products, kinds = list(log.products), list(log.kinds)
    for person, product, kind, at in zip(log.person, log.product, log.kind, log.at, strict=True):
        told.setdefault(person, []).append((products[product], kinds[kind], at))
    for name, number in sorted(log.people.items()):
        if number in told:
            yield Liker(name, name, liked(told[number]))


async def catalogue(scan: Scanner) -> dict[str, Item]:
    """As it stands; empty where the cluster has none. Raises `ScanFailed`."""
    found: dict[str, Item] = {}
    async for record in scan.read("products"):
        keep(found, record.key, record.value)
    return found


async def of_cluster(scan: Scanner, pack: Pack) -> AsyncIterator[Liker]:
    """Everybody of whom there is a profile and who lets it be used for this, partition by partition. Raises `ScanFailed`."""
    topic, silence_tracks = TABLES["tastes"].changelog, consent.silence_tracks(pack)
    stubs: dict[str, list[Tastes]] = {}
    for partition in range(scan.partitions(topic)):
        for _, tastes in (await _rows(scan, topic, partition)).items():
            if tastes.into:
                stubs.setdefault(tastes.into, []).append(tastes)
    for partition in range(scan.partitions(topic)):
        rows = await _rows(scan, topic, partition)
        known = await _profiles(scan, partition, pack)
        for person_id in sorted(known):
            mine = [rows[person_id]] if person_id in rows else []
            both = [one for tastes in (*mine, *stubs.get(person_id, ())) for one in likings(person_id, tastes, silence_tracks)]
            told = [(one.product_id, one.kind, one.at) for one in both]
            yield Liker(person_id, known[person_id], liked(told))


async def _rows(scan: Scanner, topic: str, partition: int) -> dict[str, Tastes]:
    found: dict[str, bytes] = {}
    async for record in scan.read(topic, [partition]):
        if record.key == MARKS or record.key is None:
            continue
        if record.value:
            found[record.key[1:].decode()] = record.value
        else:
            found.pop(record.key[1:].decode(), None)
    return {person_id: _tastes(value[HEADER_SIZE:]) for person_id, value in found.items()}


async def _profiles(scan: Scanner, partition: int, pack: Pack) -> dict[str, str | None]:
    """Person → customer id, of those who consented to be known (`personalise`)."""
    found: dict[str, str | None] = {}
    rule = pack.consent.get(PERSONALISE, "opt_in")
    async for record in scan.read("profiles", [partition]):
        person_id = (record.key or b"").decode()
        found.pop(person_id, None)
        told: Any = orjson.loads(record.value) if record.value else None
        if isinstance(told, dict) and not told.get("bot"):
            said = (told.get("consent") or {}).get(PERSONALISE)
            if said is True or (rule == "opt_out" and said is not False):
                found[person_id] = told.get("customer_id")
    return found
