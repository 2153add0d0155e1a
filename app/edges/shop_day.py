"""A made-up day of a shop: what the demo plays when no file is given. A pure function of seed and date.

It has the habits of a real shop's log (the mix of a large merchandise shop, measured over three months): about 70 % views, 19 % cart adds,
2 % removes, 10 % purchase lines; a quarter of the people leave after one event; 11 % of views and 4 % of cart adds are reloads within 2 s;
nearly every order is logged twice, the repeat under other event ids and without quantity; the order's SKU (a size) often differs from the
one that was viewed; categories are missing or an unfilled template on most purchases; a few events arrive late or twice.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

Event = dict[str, Any]

PEOPLE = 620
SHOP = "https://shop.example"
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 15, 14, 13, 13, 14, 16, 19, 22, 23, 19, 12, 6)
"""How many sessions start in each hour of the day, relative to each other."""
RELOAD_VIEW, RELOAD_CART = 0.11, 0.04
LOGGED_TWICE = 0.95
SAME_SKU, SAME_NAME = 0.47, 0.36
"""Of order lines: with the SKU that was viewed; with another SKU but the same name. The rest names the size too."""
LATE, RESENT = 0.02, 0.01

_LINES = (
    ("Shoes", "shoes", ("Trail Runner", "Canvas Sneaker", "Leather Boot", "Beach Sandal", "Court Trainer", "Wool Slipper"), (34.0, 149.0)),
    ("Jackets", "jackets", ("Rain Shell", "Down Jacket", "Fleece Hoodie", "Denim Jacket", "Wind Breaker"), (49.0, 219.0)),
    ("Shirts", "shirts", ("Linen Shirt", "Organic Tee", "Oxford Shirt", "Striped Tee", "Henley", "Polo Shirt"), (14.0, 69.0)),
    ("Bags", "bags", ("Day Pack", "Weekender", "Tote", "Messenger Bag", "Hip Pouch"), (19.0, 129.0)),
    ("Home", "home", ("Enamel Mug", "Wool Blanket", "Desk Lamp", "Water Bottle", "Notebook Set", "Candle"), (6.0, 89.0)),
    ("Outdoor", "outdoor", ("Head Torch", "Camp Stove", "Hammock", "Trekking Poles", "Sleeping Mat"), (17.0, 119.0)),
)
_COLOURS = ("Black", "Sand", "Forest", "Navy", "Clay")
_SIZES = ("S", "M", "L", "XL")
_FIRST = ("Ada", "Ben", "Chloé", "Dmitri", "Emre", "Freya", "Gül", "Hugo", "Inés", "Jonas", "Kaja", "Liam", "Mira", "Noor", "Oskar")
_LAST = ("Albrecht", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horvat", "Ito", "Jansen", "Köhler", "Lindqvist")


class _Item(Struct, frozen=True):
    """A product family of the shop: parent SKU and what every event says of it."""

    sku: str
    name: str
    category: str
    price: float
    page: str


class _Visitor(Struct, frozen=True):
    """`key`: customer_id, or anonymous_id of somebody who never signs in. `email` None: no account."""

    number: int
    key: str
    anonymous: bool
    first_name: str
    email: str | None
    consent: tuple[str, ...]
    mobile: bool


def shop_day(seed: int, day: date, people: int = PEOPLE) -> list[Event]:
    """The day's events in the native form of `customer_events`, in the order in which they arrive."""
    rng = random.Random(f"{seed} {day.isoformat()}")
    shelf = _shelf(rng)
    log = _Log(rng, f"{seed}-{day:%y%m%d}")
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for number in range(people):
        visitor = _visitor(rng, number)
        starts = sorted(_start(rng, midnight) for _ in range(rng.choices((1, 2, 3), (70, 22, 8))[0]))
        _Visit(rng, log, shelf, visitor).all(starts, midnight + timedelta(days=1))
    return log.in_arrival_order()


def _shelf(rng: random.Random) -> list[_Item]:
    shelf: list[_Item] = []
    for category, slug, names, (low, high) in _LINES:
        for name in names:
            for colour in rng.sample(_COLOURS, 2):
                page = f"{slug}/{name} {colour}".lower().replace(" ", "-")
                sku = f"KS{len(shelf) + 101}"
                shelf.append(_Item(sku, f"{colour} {name}", f"Home/{category}/", round(rng.uniform(low, high)) - 0.01, page))
    return shelf


def _visitor(rng: random.Random, number: int) -> _Visitor:
    anonymous = rng.random() < 0.28
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    # Customer ids of real shops have leading zeros: strings, never numbers.
    key = f"anon-{rng.getrandbits(48):012x}" if anonymous else f"{rng.randrange(10**9):010d}"
    account = not anonymous and rng.random() < 0.7
    plain = "".join(letter for letter in f"{first}.{last}".lower() if letter.isascii())
    consent = rng.choices((("email", "personalise"), ("email",), ()), (78, 10, 12))[0] if account else ()
    return _Visitor(number, key, anonymous, first, f"{plain}.{number}@mail.example" if account else None, consent, rng.random() < 0.45)


def _start(rng: random.Random, midnight: datetime) -> datetime:
    hour = rng.choices(range(24), HOURS)[0]
    return midnight + timedelta(hours=hour, seconds=rng.uniform(0, 3600))


class _Log:
    """Everything logged so far, each with the moment it arrives."""

    def __init__(self, rng: random.Random, run: str) -> None:
        self.rng, self.run = rng, run
        self.entries: list[tuple[datetime, int, Event]] = []

    def add(self, at: datetime, visitor: _Visitor, event_type: str, properties: dict[str, Any]) -> None:
        count = len(self.entries)
        event = {
            "event_id": f"day-{self.run}-{count:05d}",
            "event_type": event_type,
            "customer_id": None if visitor.anonymous else visitor.key,
            "anonymous_id": visitor.key if visitor.anonymous else None,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "properties": properties,
            "context": {"device": "mobile" if visitor.mobile else "desktop"},
        }
        delay = self.rng.uniform(5, 90) if self.rng.random() < LATE else 0.0
        self.entries.append((at + timedelta(seconds=delay), count, event))
        if self.rng.random() < RESENT:
            self.entries.append((at + timedelta(seconds=delay + self.rng.uniform(1, 30)), len(self.entries), event))

    def in_arrival_order(self) -> list[Event]:
        return [event for _, _, event in sorted(self.entries, key=lambda entry: entry[:2])]


class _Visit:
    """One person's day in the shop."""

    def __init__(self, rng: random.Random, log: _Log, shelf: list[_Item], visitor: _Visitor) -> None:
        self.rng, self.log, self.shelf, self.visitor = rng, log, shelf, visitor
        self.cart: list[tuple[_Item, int]] = []
        self.clock = datetime.min.replace(tzinfo=UTC)
        self.session: dict[str, Any] = {}
        self.orders = 0

    def all(self, starts: list[datetime], end: datetime) -> None:
        for number, start in enumerate(starts):
            self.clock = max(start, self.clock + timedelta(minutes=31))
            if self.clock >= end - timedelta(minutes=40):
                break
            self.session = {"session_id": f"{self.visitor.key}-{int(self.clock.timestamp())}", "visit_number": number + 1}
            if number == 0:
                self._sign_in()
            self._browse()
        if self.visitor.consent and self.rng.random() < 0.02:
            self._wait(60, 1200)
            self._say("email_unsubscribe", {})

    def _sign_in(self) -> None:
        if self.visitor.email is None:
            return
        # Most accounts are older than this day; the shop tells them again when they sign in.
        self._say("identify", {"traits": {"email": self.visitor.email, "first_name": self.visitor.first_name}})
        self._wait(0.2, 2)
        if self.visitor.consent:
            self._say("consent_give", {"purposes": list(self.visitor.consent)})
            self._wait(1, 5)

    def _browse(self) -> None:
        if self.rng.random() < 0.27:
            self._view(self.rng.choice(self.shelf), dwell=self.rng.random() < 0.3)
            return
        aisle = self.rng.choice(self.shelf).category
        for _ in range(self.rng.choices((1, 2, 3, 4, 6, 9), (20, 28, 24, 16, 9, 3))[0]):
            nearby = [item for item in self.shelf if item.category == aisle]
            item = self.rng.choice(nearby if self.rng.random() < 0.7 else self.shelf)
            self._view(item, dwell=self.rng.random() < 0.15)
            self._wait(*self.rng.choice(((4, 25), (20, 90), (45, 240))))
            if self.rng.random() < 0.3:
                self._add(item)
                self._wait(3, 40)
        if self.cart and self.rng.random() < 0.18:
            item, quantity = self.cart.pop(self.rng.randrange(len(self.cart)))
            self._say("cart_remove", {**self._about(item), "category": None, "quantity": quantity})
            self._wait(5, 60)
        if self.cart and self.rng.random() < 0.33:
            self._wait(30, 240)
            self._buy()

    def _view(self, item: _Item, dwell: bool) -> None:
        properties = self._about(item)
        if dwell:
            properties["dwell_seconds"] = round(self.rng.expovariate(1 / 45))
        self._say("product_view", properties)
        if self.rng.random() < RELOAD_VIEW:
            self._wait(0.1, 2)
            self._say("product_view", properties)

    def _add(self, item: _Item) -> None:
        quantity = None if self.rng.random() < 0.06 else self.rng.choices((1, 2, 3), (85, 12, 3))[0]
        properties = {**self._about(item), "quantity": quantity}
        self._say("cart_add", properties)
        self.cart.append((item, quantity or 1))
        if self.rng.random() < RELOAD_CART:
            self._wait(0.1, 2)
            self._say("cart_add", properties)

    def _buy(self) -> None:
        self.orders += 1
        order = {"order_id": f"ORD-{self.visitor.number:04d}-{self.orders}"}
        revenue = round(sum(item.price * quantity for item, quantity in self.cart), 2)
        lines = [(*self._ordered(item), item, quantity) for item, quantity in self.cart]
        logged = 2 if self.rng.random() < LOGGED_TWICE else 1
        for time in range(logged):
            for sku, name, category, item, quantity in lines:
                about = {**self._about(item), "product_id": sku, "product_name": name, "category": category, **order}
                told = {"quantity": quantity, "order_revenue": revenue} if time == 0 else {"quantity": None, "order_revenue": None}
                self._say("purchase", {**about, **told})
            self._wait(0.02, 0.9)
        self.cart = []

    def _ordered(self, item: _Item) -> tuple[str, str, str | None]:
        category = self.rng.choices((None, "${escCatTitle}", item.category), (60, 20, 20))[0]
        chance, size = self.rng.random(), self.rng.choice(_SIZES)
        if chance < SAME_SKU:
            return item.sku, item.name, category
        return f"{item.sku}-{size}", item.name if chance < SAME_SKU + SAME_NAME else f"{item.name} {size}", category

    def _about(self, item: _Item) -> dict[str, Any]:
        return {
            "product_id": item.sku,
            "product_name": item.name,
            "category": item.category,
            "price": item.price,
            "currency": "EUR",
            "url": f"{SHOP}/{item.page}",
            "image": f"{SHOP}/img/{item.sku.lower()}.jpg",
            **self.session,
        }

    def _say(self, event_type: str, properties: dict[str, Any]) -> None:
        self.log.add(self.clock, self.visitor, event_type, properties)

    def _wait(self, low: float, high: float) -> None:
        self.clock += timedelta(seconds=self.rng.uniform(low, high))
