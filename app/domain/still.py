"""Whether what a message is about is still so at the moment it is written: there to be bought, at the price that it tells (A-126, A-169).

Between the record that planned it and its writing lie a hold by a cap or the night, and a queue. The catalogue is newer than both.
"""

from __future__ import annotations

from typing import Any

from app.domain import money
from app.domain.catalogue import Item, Items, in_stock, price_now
from app.domain.concluded import PRICE_DROP
from app.domain.trigger import Trigger
from app.events import Plan


def over(plan: Plan, row: Trigger, items: Items) -> tuple[str, dict[str, Any]] | None:
    """(reason, what was seen) if it must not go out any more; None: it may. What the catalogue does not know is taken as told."""
    if not row.stock:
        return None
    known = [items(name) for name in _products(plan)]
    there = [one for one in known if one is None or in_stock(one)]
    if known and not there:
        return "out_of_stock", {"product_id": _products(plan)[0]}
    if plan.view["event"].get("event_type") == PRICE_DROP and known:
        return _dearer(known[0], money.units(plan.view["event"].get("price")))
    return None


def _products(plan: Plan) -> list[str]:
    """Ids of what it is about: the lines gathered, else the opening's own product."""
    lines = [str(one["product_id"]) for one in plan.view["window"]["products"] if one.get("product_id")]
    own = plan.view["event"].get("product_id")
    return lines or ([str(own)] if own else [])


def _dearer(item: Item | None, told: int | None) -> tuple[str, dict[str, Any]] | None:
    now = None if item is None else price_now(item)
    if now is None or told is None or now <= told:
        return None
    return "price_changed", {"price": money.text(told), "price_now": money.text(now)}
