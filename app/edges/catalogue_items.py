"""Products of the catalogue from where they stand: rows of a file, records of the topic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from app.domain import money
from app.domain.catalogue import Item
from app.edges.events_file import products
from app.events import Properties

decode = msgspec.json.Decoder(Item).decode
"""A record's value of `products`."""
KNOWN = frozenset(("product_id", "product_name", "name", "item_group_id", "category", "brand", "price", "sale_price", "currency",
                   "stock", "margin", "image", "url", "text", "description"))  # fmt: skip


def catalogue_of(path: Path) -> dict[str, Item]:
    """A catalogue's file as `kairos simulate --products` reads it. Raises `Unreadable`."""
    return {product_id: item(told) for product_id, told in products(path).items()}


def item(told: Properties) -> Item:
    """A product from a row; a value that is none of its kind is not told, any other column is an attribute."""
    return Item(
        product_id=_text(told, "product_id"),
        name=_text(told, "product_name"),
        group_id=_text(told, "item_group_id"),
        category=_text(told, "category"),
        brand=_text(told, "brand"),
        price=money.units(told.get("price")),
        sale_price=money.units(told.get("sale_price")),
        currency=_text(told, "currency"),
        stock=_number(told, "stock"),
        margin=_share(told.get("margin")),
        image=_text(told, "image"),
        url=_text(told, "url"),
        text=_text(told, "text") or _text(told, "description"),
        attributes={name: str(value) for name, value in told.items() if name not in KNOWN and isinstance(value, str | int | float)},
    )


def _text(told: Properties, name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _number(told: Properties, name: str) -> int | None:
    try:
        return int(told[name])
    except (KeyError, TypeError, ValueError):
        return None


def _share(value: Any) -> float | None:
    try:
        share = float(value)
    except (TypeError, ValueError):
        return None
    return share if 0 <= share <= 1 else None
