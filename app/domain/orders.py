"""Orders by their id and lines by order and product: shops log both twice (interface.md section 3).

Money is exact: integers of ten-thousandths. The row is bounded: the newest orders keep their lines, older ones only a fingerprint of
their id, by which a repeat is known and changes nothing more.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.fingerprint import fingerprint
from app.domain.money import LIMIT, units
from app.domain.product import Product, product

MAX_ORDERS = 2_000
MAX_OPEN = 200
"""Orders that keep their lines; older ones shrink to a fingerprint, and new lines under their id are no longer added."""
MAX_LINES = 1_000
"""Lines of one order told apart; further ones still add up, but a repeat among them is not recognised."""
MAX_OPEN_LINES = 2_500
"""Lines of all open orders together: about 70 KB of the 256 KiB a row may have, beside the look-back."""
MAX_REFUNDS = 500
MAX_EARLY = 50
"""Orders unheard of that had a refund."""
MAX_CATEGORIES = 8
MAX_QUANTITY = 1_000_000
"""Beyond it a quantity is a data error (a real shop sent 10^16) and counts as not told."""
TOLD = ("product_id", "item_group_id", "product_name", "name", "category", "price", "quantity", "currency", "image", "url")
"""What a conclusion repeats of a line."""

Quantity = int | float
Line = tuple[int | None, Quantity | None]
"""Unit price and quantity, None where not told."""
Early = tuple[int, str | None]


class Order(Struct, frozen=True, array_like=True):
    """One order. `at`: the earliest instant a record gave it (ms)."""

    at: int
    lines: dict[int, Line] = {}
    sum: int = 0
    """Of all lines, in units; kept beside them so that a line costs no pass over the others."""
    total: int | None = None
    """As told by a record of the whole order; wins over the sum (postage, discounts)."""
    currency: str | None = None
    refunded: int = 0
    categories: tuple[int, ...] = ()
    """Categories whose interest this order has raised."""

    @property
    def amount(self) -> int:
        return min(self.sum if self.total is None else self.total, LIMIT)

    @property
    def net(self) -> int:
        """Of refunds; nobody gets back more than it cost, whatever a shop tells."""
        return max(0, self.amount - self.refunded)


class Orders(Struct, frozen=True, array_like=True):
    """Second row: fingerprint of an order id → order, in order of arrival; fingerprints of older ones; of refund events.

    `early`: of an order unheard of → what was given back for it (units, currency); such an order may come later, or be older than Kairos.
    """

    open: dict[int, Order] = {}
    closed: tuple[int, ...] = ()
    refunds: tuple[int, ...] = ()
    early: dict[int, Early] = {}


class Purchase(Struct, frozen=True):
    """What a record changed. `kind`: `order_placed`, `order_line`, or None for a pure repeat; `products`: its new lines, as told."""

    orders: Orders
    order_id: str
    kind: str | None
    before: Order | None
    after: Order | None
    products: list[dict[str, Any]]
    categories: tuple[str, ...] = ()
    """Those of `categories` that this order had not raised before."""
    early: Early | None = None
    """What was given back for the order before anybody heard of it: part of `after.refunded` now."""


class Refund(Struct, frozen=True):
    """What a refund changed. `order`: a known one, before and after it.

    `loose` (units): given back for nothing that is known any more, or not yet. `currency`: None: the order's or the person's own.
    """

    orders: Orders
    order_id: str = ""
    before: Order | None = None
    after: Order | None = None
    loose: int = 0
    currency: str | None = None


def find(orders: Orders, order_id: str) -> Order | None:
    """The order, while it keeps its lines."""
    return orders.open.get(fingerprint(order_id))


def id_of(properties: dict[str, Any], event_id: str) -> str:
    """The order's id; without one the event itself is the order."""
    return _id(properties) or event_id


def purchase(orders: Orders, properties: dict[str, Any], event_id: str, ts: int, categories: tuple[str, ...]) -> Purchase:
    """A `purchase` or `store_purchase` record: a whole order (`products[]`, `total`) or one flat line of it."""
    order_id = id_of(properties, event_id)
    key = fingerprint(order_id)
    before = orders.open.get(key)
    if before is None and key in orders.closed:
        return Purchase(orders, order_id, None, None, None, [])
    order = before or Order(ts)
    whole = properties.get("products")
    told = [line for line in whole if isinstance(line, dict)] if isinstance(whole, list) else []
    is_line = not told and product(properties) is not None
    told = told or [properties]
    order, new = _add_lines(order, told, is_line)
    fresh = tuple(category for category in categories if fingerprint(category) not in order.categories)
    raised = fresh[: MAX_CATEGORIES - len(order.categories)]
    currency = order.currency or _currency(properties) or next((found for line in told if (found := _currency(line))), None)
    order = replace(
        order,
        at=min(order.at, ts),
        currency=currency,
        total=order.total if order.total is not None or is_line else _amount(properties, "total", "revenue", "value"),
        categories=(*order.categories, *map(fingerprint, raised)),
    )
    if order == before:
        return Purchase(orders, order_id, None, before, before, [])
    early = orders.early.get(key)
    if (after := settled(order, early)) is None:
        early = None
    else:
        order, orders = after, replace(orders, early={one: told for one, told in orders.early.items() if one != key})
    kind = "order_placed" if before is None else "order_line" if new else None
    kept = bounded(replace(orders, open={**orders.open, key: order}))
    return Purchase(kept, order_id, kind, before, order, [_line(line) for line in new], raised, early)


def refund(orders: Orders, properties: dict[str, Any], event_id: str) -> Refund:
    """A `refund` record; the same event counts once.

    Without an amount it is what is left of a known order. In another currency than the order's it changes nothing: there are no rates here.
    An unknown order's counts all the same, since it may have arrived first.
    """
    mark = fingerprint(event_id)
    if mark in orders.refunds:
        return Refund(orders)
    refunds = (*orders.refunds, mark)[-MAX_REFUNDS:]
    order_id, amount, currency = _id(properties), _amount(properties, "amount"), _currency(properties)
    key = fingerprint(order_id) if order_id else None
    order = orders.open.get(key) if key is not None else None
    if order is None or key is None:
        early = orders.early
        if key is not None and key not in orders.closed and amount:
            early = with_early(early, key, (amount, currency))
        return Refund(replace(orders, refunds=refunds, early=early), order_id, None, None, amount or 0, currency)
    if not alike(currency, order.currency):
        return Refund(replace(orders, refunds=refunds))
    after = replace(order, refunded=min(LIMIT, order.refunded + (order.net if amount is None else amount)))
    known = replace(orders, open={**orders.open, key: after}, refunds=refunds)
    return Refund(known, order_id, order, after, 0, currency or order.currency)


def with_early(early: dict[int, Early], key: int, told: Early) -> dict[int, Early]:
    """With one more refund of an order unheard of. Of one order in two currencies the first counts."""
    before = early.get(key)
    if before is not None:
        if not alike(before[1], told[1]):
            return early
        told = (min(LIMIT, before[0] + told[0]), before[1] or told[1])
    kept = {**early, key: told}
    if len(kept) > MAX_EARLY:
        del kept[next(iter(kept))]
    return kept


def settled(order: Order, early: Early | None) -> Order | None:
    """The order after what was given back before it came; None: nothing was, or in another currency."""
    if early is None or not alike(early[1], order.currency):
        return None
    return replace(order, refunded=min(LIMIT, order.refunded + early[0]))


def alike(one: str | None, other: str | None) -> bool:
    """Whether two currencies may be the same: one that is not told is any."""
    return one is None or other is None or one == other


def _add_lines(order: Order, told: list[dict[str, Any]], is_line: bool) -> tuple[Order, list[dict[str, Any]]]:
    """The order with its lines filled and added, and the lines that were new."""
    lines, total, new = dict(order.lines), order.sum, []
    times: dict[str, int] = {}
    for line in told:
        concerned = product(line)
        name = key_of(concerned)
        # One product twice in one record is two lines; the same again in another record is a repeat of both.
        nth = times[name] = times.get(name, 0) + 1
        key = fingerprint(name if nth == 1 else f"{name}\0{nth}")
        before = lines.get(key)
        price, quantity = _amount(line, "price"), _quantity(line)
        if price is None and is_line and (cost := _amount(line, "total", "revenue", "value")) is not None:
            price, quantity = cost, 1  # a flat line that tells only what all of it cost
        if before is None:
            if concerned is None and price is None:
                continue  # an order told by its total alone
            new.append(line)
            after: Line = (price, quantity)
            if len(lines) >= MAX_LINES:
                total += line_value(after)
                continue
        else:
            after = (price if before[0] is None else before[0], quantity if before[1] is None else before[1])
            if after == before:
                continue
            total -= line_value(before)
        lines[key] = after
        total += line_value(after)
    return replace(order, lines=lines, sum=min(total, LIMIT * MAX_LINES)), new


def bounded(orders: Orders) -> Orders:
    lines = sum(len(order.lines) for order in orders.open.values())
    if len(orders.open) <= MAX_OPEN and lines <= MAX_OPEN_LINES:
        return orders
    still, closed = dict(orders.open), list(orders.closed)
    while len(still) > 1 and (len(still) > MAX_OPEN or lines > MAX_OPEN_LINES):
        oldest = next(iter(still))
        lines -= len(still.pop(oldest).lines)
        closed.append(oldest)
    return Orders(still, tuple(closed[-(MAX_ORDERS - MAX_OPEN) :]), orders.refunds, orders.early)


def key_of(line: Product | None) -> str:
    """The name under which an order keeps the lines of a product."""
    return (line.product_id or line.group_id or line.name) if line is not None else ""


def line_value(line: Line) -> int:
    """An untold quantity is one."""
    price, quantity = line
    value = round((price or 0) * (1 if quantity is None else quantity))
    return value if value <= LIMIT else 0


def _amount(properties: dict[str, Any], *names: str) -> int | None:
    for name in names:
        amount = units(properties.get(name))
        if amount is not None and amount >= 0:
            return amount
    return None


def _quantity(line: dict[str, Any]) -> Quantity | None:
    value = line.get("quantity")
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_QUANTITY else None


def _currency(properties: dict[str, Any]) -> str | None:
    value = properties.get("currency")
    return value.upper() if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha() else None


def _id(properties: dict[str, Any]) -> str:
    value = properties.get("order_id")
    return value[:200] if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in TOLD if line.get(name) is not None}
