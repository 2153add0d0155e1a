"""A product is its family: shops put the parent in the view and the size in the order (interface.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

MAX_TEXT = 200
"""Characters kept of an id or a name."""


class Product(Struct, frozen=True, array_like=True):
    """What identifies a product in an event. Empty string: not told."""

    product_id: str = ""
    group_id: str = ""
    name: str = ""

    def same(self, other: Product) -> bool:
        """Same product_id, or same item_group_id, or same product_name."""
        return bool(
            (self.product_id and self.product_id == other.product_id)
            or (self.group_id and self.group_id == other.group_id)
            or (self.name and self.name == other.name)
        )


def product(properties: dict[str, Any]) -> Product | None:
    """The product a flat event concerns, or None."""
    get = properties.get
    product_id, group_id, name = get("product_id"), get("item_group_id"), get("product_name")
    product_id = product_id[:MAX_TEXT] if type(product_id) is str else _text(product_id)
    group_id = "" if group_id is None else _text(group_id)
    name = name[:MAX_TEXT] if type(name) is str and name else _text(name) or _text(get("name"))
    return Product(product_id, group_id, name) if product_id or group_id or name else None


def products(properties: dict[str, Any]) -> Iterator[Product]:
    """Every product of an event: its `products[]`, `product_ids[]`, else the flat one."""
    get = properties.get
    lines = get("products") or get("product_ids")
    if isinstance(lines, list):
        for line in lines:
            one = product(line) if isinstance(line, dict) else Product(str(line)) if isinstance(line, str | int) else None
            if one is not None:
                yield one
    elif (one := product(properties)) is not None:
        yield one


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
