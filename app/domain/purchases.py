"""Her newest orders in short: what recency, frequency, money and rhythm are computed from (A-014–A-016, A-056, A-059, A-142).

Each is what all records of the order together say, so that their order of arrival does not matter. Sums of money are in her own currency,
as `spent` is: what an order in another one cost is not added, its number is. She may have more orders than are kept here; then a span that
reaches back further than the oldest of them tells of these alone.
"""

from __future__ import annotations

from bisect import insort
from itertools import islice
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from app.domain.days import FOREVER
from app.domain.fingerprint import fingerprint
from app.domain.interest import categories
from app.domain.money import units
from app.domain.orders import MAX_LINES, Order, Orders

MAX_NEWEST = 60

CODES = ("coupon", "coupon_code", "discount_code", "discount_codes", "promo_code", "voucher")
NO_CODE = frozenset(("", "none", "null", "false", "0"))
CUTS = ("discount", "discount_amount", "total_discount", "total_discounts")
"""Money taken off; some shops tell it below zero."""
BEFORE = ("compare_at_price", "original_price", "list_price", "regular_price")
"""What it cost before; a deal if the price is lower."""
FLAGS = ("on_sale", "is_on_sale")
HINTS = frozenset((*CODES, *CUTS, *BEFORE, *FLAGS, "sale_price"))


class Bought(Struct, frozen=True, array_like=True):
    """An order. `at` in ms; `amount` in units, net of refunds and never below 0; `deal`: with a coupon, a discount or a sale price."""

    at: int
    amount: int
    deal: bool = False
    currency: str | None = None
    category: int = 0
    """Of its dearest piece, as a fingerprint; 0 not told. Pieces without a category count only where none has one."""
    dearest: int = 0
    """Price of that piece in units."""
    mixed: bool = False
    """More than one category."""


class Purchases(Struct, frozen=True, array_like=True):
    """Fingerprint of the order id → order, oldest first. `first_at`: of the first order ever (ms; 0 none). `currency`: hers."""

    newest: dict[int, Bought] = {}
    first_at: int = 0
    currency: str | None = None


class Sum(NamedTuple):
    """Of the orders of a span. `amount` in units of her currency."""

    orders: int = 0
    amount: int = 0
    deals: int = 0


class Receptivity(NamedTuple):
    """Shares of her orders, 0–1. `cross`: of more than one category; `up`: of those after the first, dearer than she was used to."""

    cross: float
    up: float | None


def told(
    purchases: Purchases, order_id: str, order: Order, properties: dict[str, Any], names: tuple[str, ...], currency: str | None
) -> Purchases:
    """After a record of `order`, which is as of then. `names`: the record's categories, none if she is not to be tracked.

    `currency`: hers by now.
    """
    newest, key = purchases.newest, fingerprint(order_id)
    before = newest.get(key)
    category, dearest = _dearest(properties, names)
    if before is not None:
        category, dearest = _dearer((category, dearest), (before.category, before.dearest))
    cut = (before is not None and before.deal) or deal(properties)
    after = Bought(order.at, order.net, cut, order.currency, category, dearest, len(order.categories) > 1)
    first = min(purchases.first_at, order.at) if purchases.first_at else order.at
    if after == before and currency == purchases.currency and first == purchases.first_at:
        return purchases
    return Purchases(_bounded({**newest, key: after}), first, currency)


def refunded(purchases: Purchases, order_id: str, order: Order | None, amount: int, currency: str | None) -> Purchases:
    """After a refund of `amount`; `order`: as of then, None: its lines are gone."""
    key = fingerprint(order_id)
    before = purchases.newest.get(key)
    if before is None:
        return purchases
    left = before.amount if None not in (currency, before.currency) and currency != before.currency else max(0, before.amount - amount)
    after = replace(before, amount=order.net if order is not None else left)
    return replace(purchases, newest={**purchases.newest, key: after}) if after != before else purchases


def deal(properties: dict[str, Any]) -> bool:
    """Whether a record of an order tells a coupon, a discount or a sale price, of the whole or of a line."""
    if not HINTS.isdisjoint(properties) and _cut(properties):
        return True
    lines = properties.get("products")
    return isinstance(lines, list) and any(isinstance(line, dict) and not HINTS.isdisjoint(line) and _cut(line) for line in lines)


def within(purchases: Purchases, span_ms: int, now: int) -> tuple[Sum, int]:
    """Of the orders less than `span_ms` before `now`; and until when that is so, while no event comes."""
    count = amount = deals = 0
    until = FOREVER
    for one in reversed(purchases.newest.values()):
        if now - one.at >= span_ms:
            break
        count, deals = count + 1, deals + one.deal
        if _hers(one, purchases):
            amount += one.amount
        until = one.at + span_ms
    return Sum(count, amount, deals), until


def instants_within(purchases: Purchases, span_ms: int, now: int) -> tuple[tuple[int, ...], int]:
    """When the orders less than `span_ms` before `now` were placed (ms), oldest first; and until when that is so."""
    found = tuple(one.at for one in purchases.newest.values() if now - one.at < span_ms)
    return found, found[0] + span_ms if found else FOREVER


def receptivity(purchases: Purchases) -> Receptivity | None:
    """How she takes to another category beside, and to something dearer (A-016); None without orders.

    Dearer: the dearest piece of the order costs more than the median of those of her orders before it. Of pieces that told a price in her
    currency; None below two such orders.
    """
    newest = purchases.newest
    if not newest:
        return None
    earlier: list[int] = []
    ups = 0
    for one in newest.values():
        if one.dearest and _hers(one, purchases):
            half = len(earlier) // 2
            # Twice the median, so that it stays whole.
            ups += bool(earlier) and 2 * one.dearest > earlier[half] + earlier[half if len(earlier) % 2 else half - 1]
            insort(earlier, one.dearest)
    up = ups / (len(earlier) - 1) if len(earlier) > 1 else None
    return Receptivity(sum(one.mixed for one in newest.values()) / len(newest), up)


def amounts(purchases: Purchases) -> list[int]:
    """What her newest orders in her own currency cost (units), oldest first."""
    return [one.amount for one in purchases.newest.values() if _hers(one, purchases)]


def union(mine: Purchases, theirs: Purchases, orders: Orders) -> Purchases:
    """Of two people as one; `orders`: those of both. An order that both have counts once, as both together know it."""
    if not theirs.first_at:
        return mine
    both = dict(theirs.newest)
    for key, one in mine.newest.items():
        other = both.get(key)
        if other is not None:
            category, dearest = _dearer((one.category, one.dearest), (other.category, other.dearest))
            amount, at = min(one.amount, other.amount), min(one.at, other.at)
            currency = one.currency or other.currency
            one = Bought(at, amount, one.deal or other.deal, currency, category, dearest, one.mixed or other.mixed)
        both[key] = one
    for key, one in both.items():
        if (order := orders.open.get(key)) is not None:
            mixed = one.mixed or len(order.categories) > 1
            both[key] = replace(one, at=order.at, amount=order.net, currency=order.currency, mixed=mixed)
    first = min(mine.first_at, theirs.first_at) if mine.first_at else theirs.first_at
    return Purchases(_bounded(both), first, mine.currency or theirs.currency)


def _hers(one: Bought, purchases: Purchases) -> bool:
    return one.currency is None or one.currency == purchases.currency


def _bounded(newest: dict[int, Bought]) -> dict[int, Bought]:
    entries = sorted(newest.items(), key=_instant)
    return dict(entries[-MAX_NEWEST:])


def _instant(entry: tuple[int, Bought]) -> tuple[int, int]:
    return entry[1].at, entry[0]


def _dearest(properties: dict[str, Any], names: tuple[str, ...]) -> tuple[int, int]:
    """(category, price) of the dearest piece that a record tells."""
    whole = properties.get("products")
    lines = [line for line in islice(whole, MAX_LINES) if isinstance(line, dict)] if isinstance(whole, list) else []
    alone = fingerprint(names[0]) if len(names) == 1 or (names and not lines) else 0
    found = (0, 0)
    for line in lines or [properties]:
        price = units(line.get("price"))
        own = categories(line) if lines and names else ()
        found = _dearer(found, (fingerprint(own[0]) if own else alone, max(0, price or 0)))
    return found


def _dearer(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Of two (category, price): one with a category before one without, then the dearer, then any, but always the same."""
    return max(one, other, key=lambda piece: (piece[0] != 0, piece[1], piece[0]))


def _cut(told: dict[str, Any]) -> bool:
    for name in CODES:
        code = told.get(name)
        if isinstance(code, str) and "${" not in code and code.strip().lower() not in NO_CODE:
            return True
        if isinstance(code, list) and code:
            return True
    if any(units(told.get(name)) for name in CUTS) or any(told.get(name) is True for name in FLAGS):
        return True
    price, sale = units(told.get("price")), units(told.get("sale_price"))
    if sale and (price is None or sale < price):
        return True
    return price is not None and any((before := units(told.get(name))) is not None and before > price for name in BEFORE)
