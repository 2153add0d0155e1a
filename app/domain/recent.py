"""The products a person looked at last, one per family: what a mail may show her again."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.domain.interest import categories
from app.domain.money import units
from app.domain.product import Product, product

MAX_RECENT = 20
MAX_URL = 2_000


class RecentProduct(Struct, frozen=True, array_like=True):
    """A product as her newest view of it told it. `price` in units; empty string or None: not told. `at` in ms."""

    product: Product
    price: int | None
    currency: str | None
    image: str
    url: str
    category: str | None
    at: int


def viewed(recent: tuple[RecentProduct, ...], properties: dict[str, Any], ts: int) -> tuple[RecentProduct, ...]:
    """Newest first after a view; the family's earlier view gives way and lends what the new one does not tell."""
    concerned = product(properties)
    if concerned is None:
        return recent
    price, currency, names = units(properties.get("price")), properties.get("currency"), categories(properties)
    one = RecentProduct(
        concerned,
        price if price is not None and price >= 0 else None,
        currency if isinstance(currency, str) and len(currency) == 3 else None,
        _link(properties, "image", "image_url"),
        _link(properties, "url", "product_url"),
        names[0] if names else None,
        ts,
    )
    others = tuple([other for other in recent if not other.product.same(concerned)])
    if len(others) < len(recent):
        before = next(other for other in recent if other.product.same(concerned))
        newer, older = (before, one) if before.at > ts else (one, before)
        one = RecentProduct(
            newer.product,
            newer.price if newer.price is not None else older.price,
            newer.currency or older.currency,
            newer.image or older.image,
            newer.url or older.url,
            newer.category or older.category,
            newer.at,
        )
    if not others or one.at >= others[0].at:
        return (one, *others[: MAX_RECENT - 1])
    return tuple(sorted((*others, one), key=lambda other: -other.at)[:MAX_RECENT])


def _link(properties: dict[str, Any], *names: str) -> str:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str) and value.startswith(("https://", "http://")) and len(value) <= MAX_URL:
            return value
    return ""
