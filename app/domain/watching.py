"""From when on a change of a product is news (A-126)."""

from __future__ import annotations

from msgspec import Struct


class Watching(Struct, frozen=True):
    """The table `[catalogue]` of a pack. Each kind is told only while a trigger of the active pack opens on it."""

    price_drop: float = 0.05
    """The smallest fall, as a share of the price before, that is a `price_drop`."""
    low_stock: int = 5
    """So many pieces, or fewer, are a `low_stock`."""
