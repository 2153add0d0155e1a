"""A product as the shop's catalogue has it: what messages show of it, and what offers and recommendations go by (A-155, A-169)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import money
from app.domain.days import DAY_MS


class Item(Struct, frozen=True, omit_defaults=True):
    """Prices in units of `currency` (ten-thousandths), instants in ms. Empty or None: the shop does not say."""

    product_id: str
    name: str = ""
    group_id: str = ""
    """item_group_id: what sizes and colours of one thing have in common."""
    category: str = ""
    brand: str = ""
    price: int | None = None
    """The regular one."""
    sale_price: int | None = None
    currency: str = ""
    stock: int | None = None
    """Pieces; None: unknown, which counts as there."""
    margin: float | None = None
    """Share of the price that is profit, 0–1."""
    image: str = ""
    url: str = ""
    text: str = ""
    attributes: dict[str, str] = {}
    cycle_days: float | None = None
    """Of something that is used up: how long one lasts."""
    rating: float | None = None
    """Mean of its reviews, 1–5."""
    ratings: int = 0
    bought_today: int = 0
    bought_day: int = 0
    """Day (since 1970, UTC) that `bought_today` counts."""
    changed_at: int = 0


Items = Callable[[str], Item | None]
"""Product id → what the catalogue has of it."""
Families = Callable[[str], Sequence[Item]]
"""item_group_id → the sizes and colours of one thing that the catalogue has."""


def nothing(product_id: str) -> Item | None:
    """The catalogue of who has none."""
    return None


def alone(group_id: str) -> Sequence[Item]:
    """The families of who knows none."""
    return ()


def once(items: Items) -> Items:
    """The catalogue as one message sees it: asked once of each product."""
    return lru_cache(maxsize=None)(items)


def key_of(product_id: str) -> bytes:
    """What a product's records are keyed by. An id that UTF-8 cannot hold has one, too: it came from a shop."""
    return product_id.encode("utf-8", "surrogatepass")


def id_of(record_key: bytes) -> str:
    """The product id of a key."""
    return record_key.decode("utf-8", "surrogatepass")


encode = msgspec.json.Encoder(order="deterministic").encode
"""An item as it stands on `products`: the same item is the same bytes."""
_decode = msgspec.json.Decoder(Item).decode


class _Grouped(Struct, frozen=True):
    """Of an item that alone which its family is told by."""

    group_id: str = ""


_grouped = msgspec.json.Decoder(_Grouped).decode


@lru_cache(maxsize=10_000)
def decode(value: bytes) -> Item:
    """The item of a record of `products`. Cached by its bytes: a message names one product several times, and many name a bestseller."""
    return _decode(value)


def family_of(value: bytes) -> bytes | None:
    """What a record of `products` is looked up by beside its key: its family, if it has one. Asked of every product at a start."""
    group = _grouped(value).group_id
    return key_of(group) if group else None


def price_now(item: Item) -> int | None:
    """What it costs today: the sale price where there is one below the regular one."""
    if item.sale_price is not None and (item.price is None or item.sale_price < item.price):
        return item.sale_price
    return item.price


def in_stock(item: Item) -> bool:
    return item.stock is None or item.stock > 0


def view(item: Item, at: int = 0) -> dict[str, Any]:
    """What a template may read of it; what the shop does not say is not there. `at` (ms): now; of another day's sales nothing is told."""
    now, reduced = price_now(item), item.price is not None and (price_now(item) or 0) < item.price
    told = {
        "product_id": item.product_id,
        "product_name": item.name,
        "name": item.name,
        "category": item.category,
        "brand": item.brand,
        "price": None if now is None else money.text(now),
        "regular_price": money.text(item.price) if item.price is not None else None,
        "sale_price": money.text(now) if reduced and now is not None else None,
        "currency": item.currency,
        "stock": item.stock,
        "image": item.image,
        "image_url": item.image,
        "url": item.url,
        "text": item.text,
        "key_benefit": item.attributes.get("key_benefit"),
        "review": item.attributes.get("review"),
        "rating": item.rating,
        "ratings": item.ratings or None,
        "bought_today": item.bought_today or None if item.bought_day == at // DAY_MS else None,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}
