"""What a profile takes from her orders: how many, for how much, when, and how they came about (A-013–A-016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain import orders, purchases, rhythm, supplies
from app.domain.browsing import behaved
from app.domain.catalog_change import BOUGHT, Happened
from app.domain.concluded import REORDER
from app.domain.consent import tracked
from app.domain.days import DAY_MS
from app.domain.effects import NOTHING, Conclude, Effects, Keep, Notice
from app.domain.lookback import named
from app.domain.money import LIMIT
from app.domain.orders import TOLD, Order, Purchase, alike, key_of
from app.domain.product import product
from app.domain.supplies import Supply
from app.events import Conclusion, Event, derived_id, iso

MAX_SPENT = LIMIT * 1_000

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


def on_purchase(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Adds an order or a line of one, once; says so as `order_placed` or `order_line`."""
    names = see.about(event).categories
    bought = orders.purchase(see.orders, event.properties, event.event_id, event.ts, names)
    order = bought.after
    if order is None:
        return NOTHING
    currency, before = part.currency or order.currency, bought.before
    liked = () if not tracked(part, see) else names
    short = purchases.told(part.purchases, bought.order_id, order, event.properties, liked, currency)
    if short is not part.purchases:
        changes["purchases"] = short  # a repeat may be the first to tell the coupon
    needed = _supplied(part, event, bought, see, changes) if tracked(part, see) else []
    if bought.orders is see.orders:
        return tuple(needed)
    gained = _net(order, currency) - _net(before, currency)
    if bought.early is not None and alike(bought.early[1], currency):
        gained += bought.early[0]
    if currency != part.currency:
        changes["currency"] = currency
        gained += sum(amount for amount, told in bought.orders.early.values() if not alike(told, currency))
    changes["spent"] = within_limit(part.spent + gained)
    if order.at > part.last_order_at:
        changes["last_order_at"] = order.at
    elif before is not None and order.at < before.at == part.last_order_at:
        changes["last_order_at"] = max(one.at for one in bought.orders.open.values())
    if bought.kind == "order_placed":
        changes["orders"] = part.orders + 1
    changes["rhythm"] = rhythm.ordered(part.rhythm, before, order, () if not tracked(part, see) else bought.categories)
    if bought.categories and tracked(part, see):
        behaved(part, event, see, changes, bought.categories, "purchase")
    keep = Keep("orders", bought.orders)
    if bought.kind is None:
        return (keep, *needed)
    values: dict[str, Any] = {"order_id": bought.order_id, "products": bought.products}
    if bought.kind == "order_placed":
        values["category"] = names[0] if names else None
        values["orders"] = part.orders + 1
        values["event"] = event.properties
    found = Conclusion(event.at, see.person_id, bought.kind, bought.order_id, event.ts, event.event_id, values)
    return keep, Conclude(found), *needed, *noticed(event, bought)


def noticed(event: Event, bought: Purchase) -> list[Notice]:
    """Says of each product of the new lines that somebody bought it today (A-108). Of an order that a shop loads from its past, or a bot's,
    nothing: it tells no other visitor anything.
    """
    if event.bot or event.ts // DAY_MS != event.at // DAY_MS:
        return []
    ids = dict.fromkeys([one.product_id for line in bought.products if (one := product(line)) is not None and one.product_id])
    return [Notice(one, Happened(BOUGHT, derived_id(BOUGHT, bought.order_id, one)), event.at) for one in ids]


def _supplied(part: Profile, event: Event, bought: Purchase, see: See, changes: Changes) -> list[Conclude]:
    """What she will need again, and a conclusion of each consumable of which it is another day now (A-118)."""
    assert bought.after is not None
    after = supplies.ordered(part.supplies, bought.order_id, bought.before, bought.after, bought.orders, event.properties, event.ts)
    if after is part.supplies:
        return []
    changes["supplies"] = after
    return [
        needed(one, see.person_id, event.at, event.ts, event.event_id, supplies.line(event.properties, one))
        for one in supplies.moved(part.supplies, after)
    ]


def needed(one: Supply, person_id: str, at: int, ts: int, cause: str, line: dict[str, Any] | None = None) -> Conclude:
    """Says when she will need it again. `line`: what the order tells of it, if it does."""
    told = {**named(one.product), **{name: line[name] for name in TOLD if line is not None and line.get(name) is not None}}
    due, every = supplies.reorder_at(one), supplies.cycle(one)
    assert due is not None and every is not None
    event = {**told, "reorder_at": iso(due), "cycle_days": round(every / DAY_MS, 4), "orders": len(one.orders)}
    values = {"event": event, "products": [told], "order_id": key_of(one.product)}
    return Conclude(Conclusion(at, person_id, REORDER, key_of(one.product), ts, cause, values))


on_store_purchase = on_purchase


def on_refund(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Lowers what she spent, once per event."""
    kept = see.orders
    back = orders.refund(kept, event.properties, event.event_id)
    if back.orders is kept:
        return NOTHING
    lost = back.loose if alike(back.currency, part.currency) else 0
    if back.after is not None:
        lost += _net(back.before, part.currency) - _net(back.after, part.currency)
    if lost:
        changes["spent"] = within_limit(part.spent - lost)
    short = purchases.refunded(part.purchases, back.order_id, back.after, back.loose, back.currency)
    if short is not part.purchases:
        changes["purchases"] = short
    return (Keep("orders", back.orders),)


def _net(order: Order | None, currency: str | None) -> int:
    return order.net if order is not None and order.currency in (None, currency) else 0


def within_limit(amount: int) -> int:
    """What she spent, bounded, whatever a shop may send."""
    return max(-MAX_SPENT, min(MAX_SPENT, amount))


HANDLERS: dict[str, Handler] = {
    "purchase": on_purchase,
    "store_purchase": on_store_purchase,
    "refund": on_refund,
}
