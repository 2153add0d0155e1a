"""The products a window gathers: what was viewed, what lies in the cart, what the order holds."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain import money
from app.domain.product import Product, product
from app.domain.scope import NO_PRODUCT

MAX_LINES = 50
"""Lines of one window told apart; of further ones only their number is kept, so that a cart is never taken for empty."""
MAX_TEXT = 1_000
MAX_QUANTITY = 1_000_000
"""Beyond it a quantity is a data error (a real shop sent 10^16) and counts as not told."""


class Line(Struct, frozen=True, array_like=True):
    """One product of a window. `price`: units for one piece, None not told; `at`: the shop's time of its newest addition (ms)."""

    product: Product
    quantity: int
    price: int | None
    at: int
    currency: str | None = None
    image: str | None = None
    url: str | None = None
    category: str | None = None


def line(told: dict[str, Any], at: int, about: Product | None = None) -> Line:
    """A line from an event's flat properties or from one of its `products[]`; `about`: its product, if somebody has read it already."""
    get = told.get
    return Line(
        about or product(told) or NO_PRODUCT,
        1 if get("quantity") is None else quantity(told) or 1,
        money.units(get("price")),
        at,
        _text(get("currency")),
        _text(get("image")) or _text(get("image_url")),
        _text(get("url")),
        _text(get("category")) or _text(get("product_category")),
    )


def quantity(told: dict[str, Any]) -> int | None:
    """Pieces told, or None."""
    value = told.get("quantity")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_QUANTITY:
        return None
    return int(value)


def added(lines: tuple[Line, ...], new: Line, sums: bool) -> tuple[Line, ...] | None:
    """`lines` with `new` among them; None if there is no room. `sums`: quantities add up (a cart), else the product is there once."""
    for n, old in enumerate(lines):
        if _same(old.product, new.product):
            merged = replace(
                old,
                quantity=old.quantity + new.quantity if sums else old.quantity,
                price=old.price if new.price is None or not sums else new.price,
                at=max(old.at, new.at) if sums else old.at,
                currency=old.currency or new.currency,
                image=old.image or new.image,
                url=old.url or new.url,
                category=old.category or new.category,
            )
            return lines if merged == old else (*lines[:n], merged, *lines[n + 1 :])
    return (*lines, new) if len(lines) < MAX_LINES else None


def removed(lines: tuple[Line, ...], what: Product, pieces: int | None, at: int) -> tuple[Line, ...] | None:
    """`lines` after a removal of `pieces` (None: all of them) stamped `at`; None if it changes nothing.

    A removal stamped before the line's newest addition is about an earlier state of the cart.
    """
    for n, old in enumerate(lines):
        if _same(old.product, what):
            if at < old.at:
                return None
            left = 0 if pieces is None else old.quantity - pieces
            return (*lines[:n], *([replace(old, quantity=left)] if left > 0 else []), *lines[n + 1 :])
    return None


def value(lines: tuple[Line, ...]) -> int:
    """Units of all lines together; a line without a price counts nothing."""
    return sum(one.quantity * one.price for one in lines if one.price is not None)


def view(one: Line) -> dict[str, Any]:
    """A line as templates and conditions see it."""
    return {
        "product_id": one.product.product_id or None,
        "item_group_id": one.product.group_id or None,
        "product_name": one.product.name or None,
        "price": None if one.price is None else money.text(one.price),
        "currency": one.currency,
        "image": one.image,
        "url": one.url,
        "category": one.category,
        "quantity": one.quantity,
    }


def _same(one: Product, other: Product) -> bool:
    return one.same(other) or one == other == NO_PRODUCT


def _text(told: object) -> str | None:
    return told[:MAX_TEXT] if type(told) is str and told and told[:2] != "${" else None
