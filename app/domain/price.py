"""How much price matters to her: coupons and sale prices among orders, and looks at dearer things (A-014, A-016, A-066)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.domain.scoring import PriceSensitivity

LOOKED_AT = 10
"""Newest product views that upsell receptivity goes by (interface.md section 8)."""
PRICIER = 1.2
"""A tier up: by so much above what she paid in the category."""


def sensitivity(deals: int, orders: int, by: PriceSensitivity) -> float:
    """A-066, X-16: share of orders with a coupon or sale price, shrunk to the prior by its pseudo-orders. 0–1."""
    return (deals + by.prior * by.weight) / (orders + by.weight)


def upsell(views: Iterable[tuple[int, int | None]], paid: Mapping[int, float]) -> float | None:
    """Share of the views (category, price in units) that were of a pricier tier of a category bought before. None without views.

    `paid`: category → what she paid for a piece of it on average, in units. Categories are fingerprints.
    """
    shown = list(views)[:LOOKED_AT]
    if not shown:
        return None
    return sum(price is not None and category in paid and price > PRICIER * paid[category] for category, price in shown) / len(shown)
