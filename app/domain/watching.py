"""Which changes of products a pack may ask to be told, and from when on one is a change (A-126)."""

from __future__ import annotations

from msgspec import Struct

PRICE_DROP, BACK_IN_STOCK, LOW_STOCK = "price_drop", "back_in_stock", "low_stock"
CHANGES = (PRICE_DROP, BACK_IN_STOCK, LOW_STOCK)
"""Each is told only while a trigger of the active pack opens on it."""


class Watching(Struct, frozen=True):
    """The table `[catalogue]` of a pack."""

    price_drop: float = 0.05
    """The smallest fall, as a share of the price before, that is a `price_drop`."""
    low_stock: int = 5
    """So many pieces, or fewer, are a `low_stock`."""
