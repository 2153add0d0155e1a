"""Orders of two people as one (design.md 1.6)."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from app.domain.money import LIMIT
from app.domain.orders import (
    MAX_CATEGORIES,
    MAX_LINES,
    MAX_OPEN,
    MAX_ORDERS,
    MAX_REFUNDS,
    Early,
    Order,
    Orders,
    alike,
    bounded,
    line_value,
    settled,
    with_early,
)


class Union(NamedTuple):
    """Orders of two people as one. `overlap`: of each order that both have, (hers, the other's, both as one); None: lines are gone.

    `settled`: of each order that one has, and the other a refund of: before and after it. `early`: refunds that were subtracted from what
    the two spent, and are no longer, since the order has them now, or the other person too.
    """

    orders: Orders
    overlap: list[tuple[Order | None, Order | None, Order | None]]
    settled: list[tuple[Order, Order]]
    early: list[Early]

    @property
    def twice(self) -> int:
        """Orders that both have counted."""
        return len(self.overlap)

    def spent_twice(self, currency: str | None) -> int:
        """What the sum of both has too much, in units. Of an order whose lines are gone on both sides nobody knows any more."""
        total = sum(_net(before, currency) - _net(after, currency) for before, after in self.settled)
        total -= sum(amount for amount, told in self.early if alike(told, currency))
        for mine, theirs, one in self.overlap:
            if mine is None or theirs is None:
                total += _net(mine or theirs, currency)
            else:
                total += _net(mine, currency) + _net(theirs, currency) - _net(one, currency)
        return total


def union(mine: Orders, theirs: Orders) -> Union:
    """Every order of both once; the lines of one that both have add up, as if one record of it had come after the other."""
    if theirs == Orders():
        return Union(mine, [], [], [])
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
    early, given_back, late = _early(mine.early, theirs.early, again), [], []
    for key, told in tuple(early.items()):
        placed = known.get(key)
        if placed is not None and (after := settled(placed, told)) is not None:
            if again:
                after = replace(placed, refunded=max(placed.refunded, told[0]))
            del early[key]
            given_back.append(told)
            late.append((placed, after))
            known[key] = after
        elif key in closed:
            del early[key]
    if again:
        given_back += [min(told, theirs.early[key], key=lambda one: one[0]) for key, told in mine.early.items() if key in theirs.early]
    newest = dict(sorted(known.items(), key=lambda entry: entry[1].at))
    refunds = tuple(dict.fromkeys((*theirs.refunds, *mine.refunds)))[-MAX_REFUNDS:]
    kept = Orders(newest, tuple(closed)[-(MAX_ORDERS - MAX_OPEN) :], refunds, early)
    return Union(bounded(kept), overlap, late, given_back)


def _early(mine: dict[int, Early], theirs: dict[int, Early], again: bool) -> dict[int, Early]:
    """Refunds of orders unheard of; one that came to both is one."""
    found = dict(theirs)
    for key, told in mine.items():
        if again and key in found:
            found[key] = max(found[key], told, key=lambda one: one[0])
        else:
            found = with_early(found, key, told)
    return found


def _one(mine: Order, theirs: Order, refunded_in_both: bool) -> Order:
    """One order that was told to two people."""
    lines, total = dict(mine.lines), mine.sum
    for key, line in theirs.lines.items():
        before = lines.get(key)
        after = line if before is None else (line[0] if before[0] is None else before[0], line[1] if before[1] is None else before[1])
        if before is None and len(lines) >= MAX_LINES:
            total += line_value(after)
            continue
        total += line_value(after) - (line_value(before) if before is not None else 0)
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
    return order.net if order is not None and order.currency in (None, currency) else 0
