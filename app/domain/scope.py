"""What an event or conclusion is about, and whether that concerns a window: her, one product, or one order."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.domain.product import Product, products
from app.events import Conclusion, Event

PERSON, PRODUCT, ORDER = "person", "product", "order_id"
MAX_PRODUCTS = 50
"""Products of one record that windows look at; an order of more is a wholesaler's, and its first ones tell enough."""

NO_PRODUCT = Product()

PURCHASES = ("purchase", "store_purchase")
"""Raw records of orders. Windows go by the conclusions drawn from them, one per order however many records it came in."""
PURCHASED = ("order_placed", "order_line")


class Subject(Struct, frozen=True):
    """One event or conclusion as windows see it. `cause`: its event id; `kind`: event type or conclusion kind; `ts`: the shop's time."""

    kind: str
    cause: str
    ts: int
    properties: dict[str, Any]
    products: tuple[Product, ...]
    order_id: str
    told: tuple[dict[str, Any], ...] = ()
    """The lines themselves, if there are any, beside `products`."""
    behaviour: bool = True
    """Something she did, as against something that became true of her."""
    bot: bool = False


def of_event(record: Event) -> Subject:
    """The subject of an event."""
    properties = record.properties
    lines = properties.get("products")
    told = tuple(line for line in lines[:MAX_PRODUCTS] if isinstance(line, dict)) if isinstance(lines, list) else ()
    about = tuple(one for one, _ in zip(products(properties), range(MAX_PRODUCTS), strict=False))
    return Subject(record.event_type, record.event_id, record.ts, properties, about, order_of(properties), told, bot=record.bot)


def of_conclusion(record: Conclusion, bot: bool) -> Subject:
    """The subject of a conclusion about a person (`bot`: flagged as one); an order's carries its new lines and the event that told it."""
    told = tuple(line for line in record.values.get("products", ())[:MAX_PRODUCTS] if isinstance(line, dict))
    order_id = record.values.get("order_id") or (record.value if told else "")
    event = record.values.get("event") or {}
    about = tuple(products({"products": list(told)}))
    return Subject(record.kind, record.cause, record.ts, event, about, order_id, told, bool(order_id), bot)


def order_of(properties: dict[str, Any]) -> str:
    """The order id an event names, or an empty string."""
    value = properties.get("order_id")
    return value[:200] if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def key(scope: str, subject: Subject) -> str | None:
    """The key of the window that `subject` would open; None: it says nothing of the scope and opens none."""
    if scope == PERSON:
        return ""
    if scope == ORDER:
        return subject.order_id or None
    if not subject.products:
        return None
    product = subject.products[0]
    return product.product_id or product.group_id or product.name


def concerns(scope: str, window_key: str, window_product: Product, subject: Subject) -> bool:
    """Whether `subject`, taken by `scope`, is about the window. In a window of the whole person any product and order is hers."""
    if scope == PERSON:
        return True
    if scope == ORDER:
        return bool(subject.order_id) and subject.order_id == window_key
    return any(window_product.same(one) for one in subject.products)
