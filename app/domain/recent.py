"""The products a person looked at last, one per family: what a mail may show her again."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.domain.money import units
from app.domain.product import Product
from app.domain.purchases import cut
from app.domain.scope import Subject

MAX_RECENT = 20
MAX_URL = 2_000


class Told(Struct, frozen=True, array_like=True):
    """What her newest view of a product told of it. `price` in units; empty string or None: not told."""

    price: int | None
    currency: str | None
    image: str
    url: str
    category: str | None
    sale: bool = False
    """It was on sale."""


class RecentProduct(Struct, frozen=True, array_like=True):
    """A product of hers. `at` in ms. `told` stays encoded: it is read only for a mail, and every event of hers rewrites the row."""

    product: Product
    at: int
    told: Raw


def viewed(recent: tuple[RecentProduct, ...], about: Subject) -> tuple[RecentProduct, ...]:
    """Newest first after a view; the family's earlier view gives way and lends what the new one does not tell."""
    concerned = about.product
    if concerned is None:
        return recent
    properties, names = about.properties, about.categories
    price, currency = units(properties.get("price")), properties.get("currency")
    one = Told(
        price if price is not None and price >= 0 else None,
        currency if isinstance(currency, str) and len(currency) == 3 else None,
        _link(properties, "image", "image_url"),
        _link(properties, "url", "product_url"),
        names[0] if names else None,
        cut(properties),
    )
    ts = about.ts
    before = next((other for other in recent if other.product.same(concerned)), None) if recent else None
    if before is None:
        added, others = RecentProduct(concerned, ts, Raw(_encode(one))), recent
    else:
        others = tuple([other for other in recent if not other.product.same(concerned)])
        late = before.at > ts
        newer, older = (told(before), one) if late else (one, told(before))
        one = Told(
            newer.price if newer.price is not None else older.price,
            newer.currency or older.currency,
            newer.image or older.image,
            newer.url or older.url,
            newer.category or older.category,
            newer.sale,
        )
        added = RecentProduct(before.product if late else concerned, max(before.at, ts), Raw(_encode(one)))
    if not others or added.at >= others[0].at:
        return (added, *others[: MAX_RECENT - 1])
    return tuple(sorted((*others, added), key=lambda other: -other.at)[:MAX_RECENT])


def union(mine: tuple[RecentProduct, ...], theirs: tuple[RecentProduct, ...]) -> tuple[RecentProduct, ...]:
    """Of two people as one, newest first; of one family the newer view."""
    found: list[RecentProduct] = []
    for one in sorted((*mine, *theirs), key=lambda one: -one.at):
        if not any(one.product.same(other.product) for other in found):
            found.append(one)
    return tuple(found[:MAX_RECENT])


def sale_share(recent: tuple[RecentProduct, ...]) -> float | None:
    """Of the products she looked at last those on sale (A-014, A-045); None: she looked at none."""
    return sum(told(one).sale for one in recent) / len(recent) if recent else None


def told(one: RecentProduct) -> Told:
    """What is known of it."""
    return _decode(one.told)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Told).decode


def _link(properties: dict[str, Any], *names: str) -> str:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= MAX_URL:
            return value
    return ""
