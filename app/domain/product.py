"""A product is its family: shops put the parent in the view and the size in the order (interface.md section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct


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
    found = Product(_text(properties, "product_id"), _text(properties, "item_group_id"), _text(properties, "product_name", "name"))
    return found if found.product_id or found.group_id or found.name else None


def products(properties: dict[str, Any]) -> Iterator[Product]:
    """Every product of an event: its `products[]`, `product_ids[]`, else the flat one."""
    lines = properties.get("products") or properties.get("product_ids")
    if isinstance(lines, list):
        for line in lines:
            one = product(line) if isinstance(line, dict) else Product(str(line)) if isinstance(line, str | int) else None
            if one is not None:
                yield one
    elif (one := product(properties)) is not None:
        yield one


def _text(properties: dict[str, Any], *names: str) -> str:
    for name in names:
        value = properties.get(name)
        if isinstance(value, str) and value:
            return value[:200]
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""
