"""Cancel-type events of the last 48 h: one that arrived before the opening but happened after it still cancels (interface.md section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.domain.product import Product
from app.domain.scope import Subject, send_of

WINDOW_MS = 48 * 3_600_000
MAX_ENTRIES = 500
MAX_BYTES = 64 * 1024
"""Of all entries, as encoded: the second row may have 256 KiB. The oldest entries give way."""
KEPT = ("quantity", "amount", "machine")
"""Properties that tell how much was taken back, and whether a machine did it."""
MAX_TEXT = 200
"""Characters kept of a text that a cancel's condition reads."""


class Entry(Struct, frozen=True, array_like=True):
    """One cancel-type event or conclusion. `ts`: the shop's time (ms)."""

    kind: str
    cause: str
    ts: int
    products: tuple[Product, ...]
    order_id: str
    properties: dict[str, Any] = {}
    size: int = 0
    """Bytes, as encoded."""


class LookBack(Struct, frozen=True, array_like=True):
    """Second row: entries in order of arrival, at most MAX_ENTRIES, none older than 48 h when the newest came."""

    entries: tuple[Entry, ...] = ()


def kept(lookback: LookBack, subject: Subject, now: int, read: Iterable[str] = ()) -> LookBack:
    """The look-back with `subject` in it, as of `now`. `read`: properties that some cancel's condition reads."""
    told: dict[str, Any] = {name: subject.properties[name] for name in KEPT if isinstance(subject.properties.get(name), int | float)}
    for name in read:
        value = subject.properties.get(name)
        if isinstance(value, bool | int | float):
            told[name] = value
        elif isinstance(value, str):
            told[name] = value[:MAX_TEXT]
    if send_id := send_of(subject.properties):
        told["send_id"] = send_id
    entry = Entry(subject.kind, subject.cause, subject.ts, subject.products, subject.order_id, told)
    entry = replace(entry, size=len(_encode(entry)))
    entries = [one for one in lookback.entries if one.ts > now - WINDOW_MS]
    entries.append(entry)
    return _bounded(entries)


def union(mine: LookBack, theirs: LookBack, now: int) -> LookBack:
    """Of two people as one; in order of the shop's time, since nobody knows in which order two partitions had them."""
    told = [one for one in theirs.entries if one.ts > now - WINDOW_MS]
    if not told:
        return mine
    return _bounded(sorted((*told, *(one for one in mine.entries if one.ts > now - WINDOW_MS)), key=lambda one: one.ts))


def _bounded(entries: list[Entry]) -> LookBack:
    room, first = MAX_BYTES, len(entries)
    while first and len(entries) - first < MAX_ENTRIES and (room := room - entries[first - 1].size) >= 0:
        first -= 1
    return LookBack(tuple(entries[first:]))


def after(lookback: LookBack, ts: int) -> list[Subject]:
    """What happened strictly after `ts`, in order of arrival."""
    return [subject(one) for one in lookback.entries if one.ts > ts]


def subject(entry: Entry) -> Subject:
    """The entry as windows see an event."""
    told: tuple[dict[str, Any], ...] = ()
    if entry.kind == "cart_remove" and len(entry.products) == 1:
        told = ({**named(entry.products[0]), **entry.properties},)
    elif len(entry.products) > 1:
        told = tuple(named(one) for one in entry.products)
    return Subject(entry.kind, entry.cause, entry.ts, entry.properties, products=entry.products, order_id=entry.order_id, told=told)


def named(product: Product) -> dict[str, Any]:
    """A product back in an event's own words."""
    words = {"product_id": product.product_id, "item_group_id": product.group_id, "product_name": product.name}
    return {name: word for name, word in words.items() if word}


_encode = msgspec.msgpack.Encoder().encode
