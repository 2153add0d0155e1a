"""Money as integers of ten-thousandths of a currency unit: exact sums, no floats, room for unit prices below a cent."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

UNITS = 10_000
CENT = UNITS // 100
LIMIT = 10**15
"""Beyond it (100 billion) an amount is a data error and counts as not told."""
EXACT = 10**9
"""Below it a float has room for ten-thousandths with an error under 10⁻³ of one."""
_BELOW_CENTS = re.compile(r"-?\d+\.\d{3,}")


def units(value: Any) -> int | None:
    """Ten-thousandths of a JSON number or numeric string, or None if it is no amount of money a shop could mean."""
    kind = type(value)
    if kind is float or kind is int:
        # Decimal costs 1.5 µs. A float this near to a whole number of units is one whose decimal text rounds there, too.
        if -EXACT < value < EXACT:
            near = value * UNITS
            whole: int = round(near)
            if -0.25 < near - whole < 0.25:
                return whole
    elif value is None or kind is bool:
        return None
    try:
        amount = (Decimal(str(value)) * UNITS).quantize(Decimal(1), ROUND_HALF_EVEN)
    except (InvalidOperation, ValueError):
        return None
    return int(amount) if amount.is_finite() and abs(amount) <= LIMIT else None


def text(amount: int) -> str:
    """Decimal text with at least two places: 454500 → "45.45"."""
    whole, rest = divmod(abs(amount), UNITS)
    places = f"{rest:04d}"
    return f"{'-' if amount < 0 else ''}{whole}.{places[:2]}{places[2:].rstrip('0')}"


def shown(amount: str) -> str:
    """Decimal text as people are told it: to cents, unless it is less than half a cent (a price per gram): "10.9999" → "11.00"."""
    if not _BELOW_CENTS.fullmatch(amount):
        return amount
    cents = Decimal(amount).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return str(cents) if cents else amount
