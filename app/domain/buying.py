"""What a profile takes from her orders: how many, for how much, when, and how they came about (A-013–A-016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain import orders
from app.domain.browsing import behaved, untracked
from app.domain.effects import NOTHING, Conclude, Effects, Keep
from app.domain.money import LIMIT
from app.domain.orders import Order
from app.events import Conclusion, Event

MAX_SPENT = LIMIT * 1_000

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


def on_purchase(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Adds an order or a line of one, once; says so as `order_placed` or `order_line`."""
    names = see.about(event).categories
    bought = orders.purchase(see.orders, event.properties, event.event_id, event.ts, names)
    order = bought.after
    if order is None or bought.orders is see.orders:
        return NOTHING
    if part.currency is None and order.currency is not None:
        changes["currency"] = order.currency
    currency = part.currency or order.currency
    changes["spent"] = within_limit(part.spent + _cost(order, currency) - _cost(bought.before, currency))
    if order.at > part.last_order_at:
        changes["last_order_at"] = order.at
    elif bought.before is not None and order.at < bought.before.at == part.last_order_at:
        changes["last_order_at"] = max(one.at for one in bought.orders.open.values())
    if bought.kind == "order_placed":
        changes["orders"] = part.orders + 1
    if bought.categories and not untracked(part):
        behaved(part, event, changes, bought.categories, "purchase")
    keep = Keep("orders", bought.orders)
    if bought.kind is None:
        return (keep,)
    values: dict[str, Any] = {"order_id": bought.order_id, "products": bought.products}
    if bought.kind == "order_placed":
        values["category"] = names[0] if names else None
        values["orders"] = part.orders + 1
        values["event"] = event.properties
    found = Conclusion(event.at, see.person_id, bought.kind, bought.order_id, event.ts, event.event_id, values)
    return keep, Conclude(found)


on_store_purchase = on_purchase


def on_refund(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Lowers what she spent, once per event."""
    before = see.orders
    after, amount, currency = orders.refund(before, event.properties, event.event_id)
    if after is before:
        return NOTHING
    if currency is None or part.currency is None or currency == part.currency:
        changes["spent"] = within_limit(part.spent - amount)
    return (Keep("orders", after),)


def _cost(order: Order | None, currency: str | None) -> int:
    return order.amount if order is not None and order.currency in (None, currency) else 0


def within_limit(amount: int) -> int:
    """What she spent, bounded, whatever a shop may send."""
    return max(-MAX_SPENT, min(MAX_SPENT, amount))


HANDLERS: dict[str, Handler] = {
    "purchase": on_purchase,
    "store_purchase": on_store_purchase,
    "refund": on_refund,
}
