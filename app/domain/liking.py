"""Likings: that a person did something with a product, and how much of an interest that shows (A-156)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from app.domain.product import Product, products

VIEWED, WISHED, CARTED, BOUGHT, REVIEWED = "viewed", "wished", "carted", "bought", "reviewed"
KINDS = {
    "product_view": VIEWED,
    "wishlist_add": WISHED,
    "cart_add": CARTED,
    "purchase": BOUGHT,
    "store_purchase": BOUGHT,
    "review_write": REVIEWED,
}
"""Event type → the kind of interest that it shows."""
MAX_LINES = 50
"""Products of one event that are looked at."""

Liking = tuple[int, str, int]
"""(fingerprint of the product, kind, at in ms)."""


class Weights(Struct, frozen=True):
    """How much of an interest in a product each thing shows that a person did with it; of several the strongest counts."""

    view: float = 1.0
    """She looked at it."""
    wishlist: float = 2.0
    """She put it on a wishlist."""
    cart: float = 3.0
    """She put it into the cart."""
    review: float = 4.0
    """She wrote about it."""
    purchase: float = 5.0
    """She bought it."""
    about: float = 10.0
    """The message itself is about it."""

    def of(self, kind: str) -> float:
        """By the kind of a liking; 0 for one that nobody knows."""
        field = _FIELDS.get(kind)
        return 0.0 if field is None else float(getattr(self, field))


_FIELDS = {VIEWED: "view", WISHED: "wishlist", CARTED: "cart", REVIEWED: "review", BOUGHT: "purchase"}


def of_event(event_type: str, properties: dict[str, Any]) -> Iterator[tuple[str, Product]]:
    """(kind, product) of each product of an event that shows an interest; one without a product_id cannot be recommended."""
    kind = KINDS.get(event_type)
    if kind is None:
        return
    for number, one in enumerate(products(properties)):
        if number >= MAX_LINES:
            return
        if one.product_id:
            yield kind, one
