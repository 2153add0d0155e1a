"""Orders by their id and lines by order and product: shops log both twice (interface.md section 3).

Money is exact: integers of ten-thousandths. The row is bounded: the newest orders keep their lines, older ones only a fingerprint of
their id, by which a repeat is known and changes nothing more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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
MAX_CATEGORIES = 8
MAX_QUANTITY = 1_000_000
"""Beyond it a quantity is a data error (a real shop sent 10^16) and counts as not told."""
TOLD = ("product_id", "item_group_id", "product_name", "name", "category", "price", "quantity", "currency", "image", "url")
"""What a conclusion repeats of a line."""

Quantity = int | float
Line = tuple[int | None, Quantity | None]
"""Unit price and quantity, None where not told."""


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


class Orders(Struct, frozen=True, array_like=True):
    """Second row: fingerprint of an order id → order, in order of arrival; fingerprints of older ones; of refund events."""

    open: dict[int, Order] = {}
    closed: tuple[int, ...] = ()
    refunds: tuple[int, ...] = ()


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
    kind = "order_placed" if before is None else "order_line" if new else None
    kept = _bounded(replace(orders, open={**orders.open, key: order}))
    return Purchase(kept, order_id, kind, before, order, [_line(line) for line in new], raised)


def refund(orders: Orders, properties: dict[str, Any], event_id: str) -> tuple[Orders, int, str | None]:
    """Orders after a refund, its amount in units and its currency (None: the order's or the person's own).

    Without an amount it is what is left of a known order. The same event counts once; an unknown order's refund counts all the same,
    since it may have arrived first.
    """
    mark = fingerprint(event_id)
    if mark in orders.refunds:
        return orders, 0, None
    order_id = _id(properties)
    key = fingerprint(order_id) if order_id else None
    order = orders.open.get(key) if key is not None else None
    amount = _amount(properties, "amount")
    if amount is None:
        amount = max(0, order.amount - order.refunded) if order is not None else 0
    known = orders.open
    if order is not None and key is not None:
        known = {**known, key: replace(order, refunded=min(LIMIT, order.refunded + amount))}
    currency = _currency(properties) or (order.currency if order is not None else None)
    return Orders(known, orders.closed, (*orders.refunds, mark)[-MAX_REFUNDS:]), amount, currency


class Union(NamedTuple):
    """Orders of two people as one. `overlap`: of each order that both have, (hers, the other's, both as one); None: lines are gone."""

    orders: Orders
    overlap: list[tuple[Order | None, Order | None, Order | None]]

    @property
    def twice(self) -> int:
        """Orders that both have counted."""
        return len(self.overlap)

    def spent_twice(self, currency: str | None) -> int:
        """What both have added up for the same orders, in units. Of an order whose lines are gone on both sides nobody knows any more."""
        total = 0
        for mine, theirs, one in self.overlap:
            if mine is None or theirs is None:
                total += _net(mine or theirs, currency)
            else:
                total += _net(mine, currency) + _net(theirs, currency) - _net(one, currency)
        return total


def union(mine: Orders, theirs: Orders) -> Union:
    """Every order of both once; the lines of one that both have add up, as if one record of it had come after the other."""
    if theirs == Orders():
        return Union(mine, [])
    overlap: list[tuple[Order | None, Order | None, Order | None]] = []
    known = dict(theirs.open)
    closed = dict.fromkeys(theirs.closed)
    again = not set(mine.refunds).isdisjoint(theirs.refunds)
    for key, order in mine.open.items():
        other = known.pop(key, None)
        if other is not None:
            one = _one(order, other, again)
            overlap.append((order, other, one))
            known[key] = one
        elif key in closed:
            overlap.append((order, None, None))
        else:
            known[key] = order
    for key in mine.closed:
        other = known.pop(key, None)
        if other is not None or key in closed:
            overlap.append((None, other, None))
        closed[key] = None
    newest = dict(sorted(known.items(), key=lambda entry: entry[1].at))
    kept = Orders(newest, tuple(closed)[-(MAX_ORDERS - MAX_OPEN) :], tuple(dict.fromkeys((*theirs.refunds, *mine.refunds)))[-MAX_REFUNDS:])
    return Union(_bounded(kept), overlap)


def _one(mine: Order, theirs: Order, refunded_in_both: bool) -> Order:
    """One order that was told to two people."""
    lines, total = dict(mine.lines), mine.sum
    for key, line in theirs.lines.items():
        before = lines.get(key)
        after = line if before is None else (line[0] if before[0] is None else before[0], line[1] if before[1] is None else before[1])
        if before is None and len(lines) >= MAX_LINES:
            total += _value(after)
            continue
        total += _value(after) - (_value(before) if before is not None else 0)
        lines[key] = after
    together = (*mine.categories, *(one for one in theirs.categories if one not in mine.categories))
    # One refund that came to both is one; which amount it had is not kept.
    back = max(mine.refunded, theirs.refunded) if refunded_in_both else min(LIMIT, mine.refunded + theirs.refunded)
    return Order(
        min(mine.at, theirs.at),
        lines,
        min(total, LIMIT * MAX_LINES),
        mine.total if mine.total is not None else theirs.total,
        mine.currency or theirs.currency,
        back,
        together[:MAX_CATEGORIES],
    )


def _net(order: Order | None, currency: str | None) -> int:
    return order.amount - order.refunded if order is not None and order.currency in (None, currency) else 0


def _add_lines(order: Order, told: list[dict[str, Any]], is_line: bool) -> tuple[Order, list[dict[str, Any]]]:
    """The order with its lines filled and added, and the lines that were new."""
    lines, total, new = dict(order.lines), order.sum, []
    times: dict[str, int] = {}
    for line in told:
        concerned = product(line)
        name = _key(concerned)
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
                total += _value(after)
                continue
        else:
            after = (price if before[0] is None else before[0], quantity if before[1] is None else before[1])
            if after == before:
                continue
            total -= _value(before)
        lines[key] = after
        total += _value(after)
    return replace(order, lines=lines, sum=min(total, LIMIT * MAX_LINES)), new


def _bounded(orders: Orders) -> Orders:
    lines = sum(len(order.lines) for order in orders.open.values())
    if len(orders.open) <= MAX_OPEN and lines <= MAX_OPEN_LINES:
        return orders
    still, closed = dict(orders.open), list(orders.closed)
    while len(still) > 1 and (len(still) > MAX_OPEN or lines > MAX_OPEN_LINES):
        oldest = next(iter(still))
        lines -= len(still.pop(oldest).lines)
        closed.append(oldest)
    return Orders(still, tuple(closed[-(MAX_ORDERS - MAX_OPEN) :]), orders.refunds)


def _key(line: Product | None) -> str:
    return (line.product_id or line.group_id or line.name) if line is not None else ""


def _value(line: Line) -> int:
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
