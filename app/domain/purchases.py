"""Her newest orders in short: what recency, frequency, money and rhythm are computed from (A-015, A-056, A-059, A-141)."""

from __future__ import annotations

from msgspec import Struct


class Bought(Struct, frozen=True, array_like=True):
    """An order. `at` in ms; `amount` in units, net of refunds; `deal`: with a coupon or a sale price."""

    at: int
    amount: int
    deal: bool = False


class Purchases(Struct, frozen=True, array_like=True):
    """Fingerprint of the order id → order, oldest first. `first_at`: of the first order ever (ms; 0 none)."""

    newest: dict[int, Bought] = {}
    first_at: int = 0
