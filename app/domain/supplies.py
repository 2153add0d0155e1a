"""What she uses up and buys again: when she ordered each consumable, so when she needs it next (A-118).

A consumable is what an order line calls so (`consumable`), or tells a cycle of (`cycle_days`, `consumable_days`), itself or else by the
shop's catalogue. From two reorders on her own median gap counts, before that the cycle that was told last. Of an order the instant is
that of its earliest record, so that it does not matter in which order records arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.catalogue import Items
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.orders import Order, Orders, key_of
from app.domain.product import Product, product

MAX_SUPPLIES = 20
"""Consumables of a person; the one that she ordered longest ago gives way."""
MAX_KEPT = 12
"""Newest orders of one: eleven gaps tell a median."""
MIN_GAPS = 2
MIN_GAP_MS = DAY_MS
"""Two orders within a day are one for the store cupboard."""
CYCLES = ("cycle_days", "consumable_days")
MAX_CYCLE_DAYS = 3_650
MAX_LINES = 100
"""Lines of one record that are looked at."""


class Supply(Struct, frozen=True, array_like=True):
    """`orders`: fingerprint of an order id → its instant (ms). `cycle`: as told (ms; 0 never), by the record of `cycle_at`."""

    product: Product
    orders: dict[int, int]
    cycle: int = 0
    cycle_at: int = 0


Supplies = tuple[Supply, ...]


def cycle(supply: Supply) -> int | None:
    """Ms from one order of it to the next; None: nobody knows."""
    instants = sorted(supply.orders.values())
    gaps = [b - a for a, b in pairwise(instants) if b - a >= MIN_GAP_MS]
    return round(median(gaps)) if len(gaps) >= MIN_GAPS else supply.cycle or None


def reorder_at(supply: Supply) -> int | None:
    """When she will need it again (ms): last order plus cycle."""
    every = cycle(supply)
    return None if every is None else max(supply.orders.values()) + every


def ordered(
    supplies: Supplies, order_id: str, before: Order | None, order: Order, orders: Orders, properties: dict[str, Any], ts: int
) -> Supplies:
    """After a record of `order`, that made it of `before`; `orders`: all of hers, this one as of now among them."""
    kept, key = list(supplies), fingerprint(order_id)
    if before is not None and before.at != order.at:
        kept = [replace(one, orders={**one.orders, key: order.at}) if key in one.orders else one for one in kept]
    for _, about, consumable, told_cycle in _lines(properties):
        place = next((n for n, one in enumerate(kept) if one.product.same(about)), None)
        if place is None:
            if not consumable:
                continue
            place = len(kept)
            kept.append(filled(Supply(about, {}), orders))
        one = kept[place]
        if key not in one.orders:
            one = _with(one, {key: order.at})
        if told_cycle and (ts, told_cycle) > (one.cycle_at, one.cycle):
            one = replace(one, cycle=told_cycle, cycle_at=ts)
        kept[place] = one
    after = _bounded(kept)
    return supplies if after == supplies else after


def filled(supply: Supply, orders: Orders) -> Supply:
    """With every order of it that is known: one may have come before anybody called it a consumable."""
    line = fingerprint(key_of(supply.product))
    return _with(supply, {key: order.at for key, order in orders.open.items() if line in order.lines})


def moved(before: Supplies, after: Supplies) -> list[Supply]:
    """Those of which it is another day now when she will need them."""
    if after is before:
        return []
    return [one for one in after if (at := reorder_at(one)) is not None and at != _reorder_of(before, one)]


def union(mine: Supplies, theirs: Supplies, orders: Orders) -> Supplies:
    """Of two people as one; `orders`: theirs as one."""
    if not mine and not theirs:
        return mine
    kept = list(mine)
    for other in theirs:
        place = next((n for n, one in enumerate(kept) if one.product.same(other.product)), None)
        if place is None:
            kept.append(other)
            continue
        one = kept[place]
        cycle_at, told = max((one.cycle_at, one.cycle), (other.cycle_at, other.cycle))
        instants = {key: min(at, one.orders.get(key, at)) for key, at in other.orders.items()}
        kept[place] = replace(_with(one, instants), cycle=told, cycle_at=cycle_at)
    after = _bounded([filled(one, orders) for one in kept])
    return mine if after == mine else after


def met(mine: Supplies, theirs: Supplies, both: Supplies) -> list[Supply]:
    """Of two people as one those that neither of them would have needed again on that day, or that the other would have on another."""
    found = []
    for one in both:
        days = {_reorder_of(mine, one), _reorder_of(theirs, one)} - {None}
        if (at := reorder_at(one)) is not None and days != {at}:
            found.append(one)
    return found


def told_by(items: Items, properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of an order with the catalogue's cycle in every line that tells none, and is not said to be no consumable.

    The very same where the catalogue has nothing to add.
    """
    whole = properties.get("products")
    if not isinstance(whole, list) or not any(isinstance(one, dict) for one in whole[:MAX_LINES]):
        return _with_cycle(items, properties, properties)
    lines = [_with_cycle(items, one, properties) if isinstance(one, dict) else one for one in whole[:MAX_LINES]]
    same = all(before is after for before, after in zip(whole, lines, strict=False))
    return properties if same else {**properties, "products": lines + whole[MAX_LINES:]}


def _with_cycle(items: Items, one: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    """A line as `_lines` reads it; a size without a cycle of its own lasts as long as what it is a size of."""
    if one.get("consumable", properties.get("consumable")) is False or any(one.get(name) is not None for name in CYCLES):
        return one
    about = product(one)
    item = items(about.product_id) if about is not None and about.product_id else None
    days = item.cycle_days if item is not None else None
    family = (about.group_id if about is not None else "") or (item.group_id if item is not None else "")
    if days is None and family and (parent := items(family)) is not None:
        days = parent.cycle_days
    return one if days is None else {**one, CYCLES[0]: days}


def line(properties: dict[str, Any], supply: Supply) -> dict[str, Any] | None:
    """What a record tells of it."""
    return next((told for told, about, _, _ in _lines(properties) if about.same(supply.product)), None)


def _reorder_of(supplies: Supplies, like: Supply) -> int | None:
    return next((reorder_at(one) for one in supplies if one.product.same(like.product)), None)


def _lines(properties: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Product, bool, int]]:
    """(line, its product, whether it is a consumable, the cycle told in ms) of a record."""
    whole = properties.get("products")
    told = [one for one in whole[:MAX_LINES] if isinstance(one, dict)] if isinstance(whole, list) else []
    for one in told or [properties]:
        about = product(one)
        if about is not None:
            said = one.get("consumable", properties.get("consumable"))
            days = _cycle(one)
            yield one, about, said is True or (said is None and days > 0), days


def _cycle(told: dict[str, Any]) -> int:
    for name in CYCLES:
        days = told.get(name)
        if isinstance(days, int | float) and not isinstance(days, bool) and 0 < days <= MAX_CYCLE_DAYS:
            return round(days * DAY_MS)
    return 0


def _with(supply: Supply, orders: dict[int, int]) -> Supply:
    """With these orders, too; the newest are kept."""
    both = {**supply.orders, **orders}
    if len(both) > MAX_KEPT:
        both = dict(sorted(both.items(), key=lambda one: (one[1], one[0]))[-MAX_KEPT:])
    return replace(supply, orders=both)


def _bounded(kept: Iterable[Supply]) -> Supplies:
    told = tuple(kept)
    if len(told) <= MAX_SUPPLIES:
        return told
    oldest = sorted(told, key=lambda one: max(one.orders.values(), default=0))[: len(told) - MAX_SUPPLIES]
    return tuple(one for one in told if one not in oldest)
