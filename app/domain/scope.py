"""What an event or conclusion is about, and whether that concerns a window: her, one product, or one order."""

from __future__ import annotations

from itertools import islice
from typing import Any

from app.domain.interest import categories
from app.domain.product import Product, product, products
from app.events import Conclusion, Event

PERSON, PRODUCT, ORDER, SEND = "person", "product", "order_id", "send_id"
MAX_PRODUCTS = 50
"""Products of one record that windows look at; an order of more is a wholesaler's, and its first ones tell enough."""

NO_PRODUCT = Product()
UNREAD: Any = object()

MAX_KEYS = 40
"""Properties of an opening event that are kept for conditions and templates: plain values only."""
MAX_TEXT = 1_000
PLAIN = frozenset((str, bool, int, float))

PURCHASES = ("purchase", "store_purchase")
"""Raw records of orders. Windows go by the conclusions drawn from them, one per order however many records it came in."""
PURCHASED = ("order_placed", "order_line")


class Subject:
    """One event or conclusion as all agents of the lane see it; what is asked for is read out of the properties once, on demand.

    `kind`: event type or conclusion kind; `cause`: its event id; `ts`: the shop's time; `told`: lines in an event's words;
    `behaviour`: something she did, as against something that became true of her.
    """

    __slots__ = (
        "_categories",
        "_order_id",
        "_product",
        "_products",
        "_told",
        "behaviour",
        "bot",
        "cause",
        "kind",
        "packed",
        "properties",
        "ts",
    )

    def __init__(
        self,
        kind: str,
        cause: str,
        ts: int,
        properties: dict[str, Any],
        *,
        products: tuple[Product, ...] | None = None,
        order_id: str | None = None,
        told: tuple[dict[str, Any], ...] | None = None,
        behaviour: bool = True,
        bot: bool = False,
    ) -> None:
        self.kind, self.cause, self.ts, self.properties = kind, cause, ts, properties
        self._products, self._order_id, self._told = products, order_id, told
        self._product = UNREAD
        self._categories: tuple[str, ...] | None = None
        self.behaviour, self.bot = behaviour, bot
        self.packed: Any = None
        """What windows that it opens keep of it, once the first has packed it (`window.opened`)."""

    @property
    def product(self) -> Product | None:
        """The product that the flat properties name."""
        found: Product | None = self._product
        if found is UNREAD:
            found = self._product = product(self.properties)
        return found

    @property
    def products(self) -> tuple[Product, ...]:
        """Every product it concerns: those of its list, else the flat one; at most MAX_PRODUCTS."""
        found = self._products
        if found is None:
            if "products" in self.properties or "product_ids" in self.properties:
                found = tuple(islice(products(self.properties), MAX_PRODUCTS))
            else:
                found = () if self.product is None else (self.product,)
            self._products = found
        return found

    @property
    def machine(self) -> bool:
        """Whether a machine did it."""
        return self.properties.get("machine") is True

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories it concerns (`interest.categories`)."""
        found = self._categories
        if found is None:
            found = self._categories = categories(self.properties)
        return found

    @property
    def order_id(self) -> str:
        if self._order_id is None:
            self._order_id = order_of(self.properties)
        return self._order_id

    @property
    def told(self) -> tuple[dict[str, Any], ...]:
        """Its lines, where it has a list of them."""
        if self._told is None:
            lines = self.properties.get("products")
            self._told = tuple(line for line in lines[:MAX_PRODUCTS] if isinstance(line, dict)) if isinstance(lines, list) else ()
        return self._told


def of_event(record: Event, found: dict[str, Any] | None = None) -> Subject:
    """The subject of an event. `found`: what an agent found out about it, beside what the shop told."""
    properties = {**record.properties, **found} if found else record.properties
    return Subject(record.event_type, record.event_id, record.ts, properties, bot=record.bot)


def of_conclusion(record: Conclusion, bot: bool) -> Subject:
    """The subject of a conclusion about a person (`bot`: flagged as one); an order's carries its new lines and the event that told it."""
    told = tuple(line for line in record.values.get("products", ())[:MAX_PRODUCTS] if isinstance(line, dict))
    order_id = str(record.values.get("order_id") or "")
    event = record.values.get("event")
    return Subject(
        record.kind,
        record.cause,
        record.ts,
        event if isinstance(event, dict) else {},  # of a reached goal it is the event's name
        products=tuple(products({"products": list(told)})),
        order_id=order_id,
        told=told,
        behaviour=bool(order_id),
        bot=bot,
    )


def order_of(properties: dict[str, Any]) -> str:
    """The order id an event names, or an empty string."""
    value = properties.get("order_id")
    return value[:200] if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def send_of(properties: dict[str, Any]) -> str:
    """The send id an event names, or an empty string; not every mail she opens is ours."""
    value = properties.get("send_id")
    return value[:200] if isinstance(value, str) else ""


def key(scope: str, subject: Subject) -> str | None:
    """The key of the window that `subject` would open; None: it says nothing of the scope and opens none."""
    if scope == PERSON:
        return ""
    if scope == ORDER:
        return subject.order_id or None
    if scope == SEND:
        return send_of(subject.properties) or None
    if not subject.products:
        return None
    about = subject.products[0]
    return about.product_id or about.group_id or about.name


def concerns(scope: str, window_key: str, window_product: Product, subject: Subject) -> bool:
    """Whether `subject`, taken by `scope`, is about the window. In a window of the whole person any product and order is hers."""
    if scope == PERSON:
        return True
    if scope == ORDER:
        return bool(subject.order_id) and subject.order_id == window_key
    if scope == SEND:
        return send_of(subject.properties) == window_key
    return any(window_product.same(one) for one in subject.products)


def plain(properties: dict[str, Any]) -> dict[str, Any]:
    """What a window keeps of its opening event: plain values, texts cut, at most MAX_KEYS of them."""
    kept = {name: told[:MAX_TEXT] if type(told) is str else told for name, told in properties.items() if type(told) in PLAIN}
    return kept if len(kept) <= MAX_KEYS else dict(islice(kept.items(), MAX_KEYS))
