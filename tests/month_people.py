"""Made-up people and what they do, day by day of their own calendar: pure functions of seed, person and day.

All sorts in the shares of a shop that has been open for years: strangers, people who sign up during the month, prospects, people with one
order, with a few, with a rhythm, people who are slipping away and people long gone; over all zones, with all kinds of consent; some with
consumables, a season, tickets, weather, a store, a zone that changes, a dead address, nobody's consent at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import floor
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
START = datetime(2026, 3, 2, tzinfo=UTC)
"""The month's first day: a Monday; clocks change within it, on 8 March in America and on 29 March in Europe."""
START_MS = round(START.timestamp() * 1000)
DAYS = 30
PAST = 400
"""Days before it of which the orders are told: two of a season, and dormant people."""
RUN_IN = 22
"""Days before it at which the shop takes the engine up: the orders until then are told in one go, with the times they had."""
LIVELY = 7
"""Days before it in which everything happens as in the month."""

Told = tuple[int, str, dict[str, Any]]
"""When it arrives (ms), the key, the event."""

ZONES = (
    *(("Europe/Berlin", 14), ("Europe/London", 10), ("Europe/Paris", 8), ("Europe/Warsaw", 4), ("Europe/Lisbon", 3)),
    *(("America/New_York", 12), ("America/Chicago", 7), ("America/Los_Angeles", 9), ("America/Sao_Paulo", 4), ("America/St_Johns", 1)),
    *(("Asia/Tokyo", 6), ("Asia/Kolkata", 6), ("Asia/Kathmandu", 1), ("Asia/Singapore", 3), ("Australia/Sydney", 4)),
    *(("Pacific/Auckland", 2), ("Pacific/Kiritimati", 1), ("Pacific/Pago_Pago", 1), ("Africa/Lagos", 3)),
)
CITIES = ("Berlin", "Lyon", "Leeds", "Boston", "Osaka", "Pune", "Perth", "Recife")
KINDS = (*(("stranger", 22), ("joins", 10), ("prospect", 16), ("once", 16), ("few", 14), ("regular", 12), ("slipping", 6), ("dormant", 4)),)
VISITS = {"stranger": 0.05, "joins": 0.16, "prospect": 0.09, "once": 0.06, "few": 0.10, "regular": 0.20, "slipping": 0.03, "dormant": 0.01}
"""Visits a day."""
CONSENTS = (
    *((("email", "personalise"), 60), (("email",), 12), ((), 14), (("personalise",), 4), (("email", "personalise", "sms", "push"), 10)),
)
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 15, 14, 13, 13, 14, 16, 19, 22, 23, 19, 12, 6)
"""How many visits begin in each hour of her day, relative to each other."""
CATEGORIES = ("shoes", "jackets", "bags", "home", "outdoor", "coffee", "skin-care", "pet-food")
CONSUMED = ("coffee", "skin-care", "pet-food")
PRODUCTS = 30
"""Of each category."""


class One(Struct, frozen=True):
    """One of them. Days count from the month's first and may lie before it."""

    number: int
    kind: str
    zone: str | None
    moved: tuple[int, str] | None
    """From which day on she is in another zone."""
    consent: tuple[str, ...]
    withdraws: int | None
    address: bool
    dead: bool
    """Her address bounces."""
    machine: bool
    """Her mail program opens everything."""
    likes: str
    reads: float
    """Chance that she opens a mail she has not had too many of."""
    joins: int
    """The day she says who she is; a stranger never does."""
    orders: tuple[float, ...]
    """Days of the orders she makes of her own accord."""
    every: float | None
    """Her rhythm, in days."""
    ticket: tuple[int, int] | None
    """The day it is opened, days until it is closed."""
    city: str | None
    """Where the weather is told of."""

    @property
    def customer(self) -> str:
        return f"c-{self.number:06d}"

    @property
    def device(self) -> str:
        return f"a-{self.number:06d}"

    def zone_on(self, day: int) -> str | None:
        return self.moved[1] if self.moved is not None and day >= self.moved[0] else self.zone


def one(seed: int, number: int) -> One:
    rng = Random(f"{seed} person {number}")
    kind = _drawn(rng, KINDS)
    zone = None if rng.random() < 0.05 else _drawn(rng, ZONES)
    moved = (rng.randrange(5, 25), _drawn(rng, ZONES)) if zone and rng.random() < 0.02 else None
    orders, every = _orders(rng, kind)
    joins = rng.randrange(1, DAYS - 2) if kind == "joins" else -rng.randrange(4, RUN_IN)
    consent = _drawn(rng, CONSENTS)
    return One(
        number=number,
        kind=kind,
        zone=zone,
        moved=moved,
        consent=consent,
        withdraws=rng.randrange(max(0, joins + 1), DAYS) if consent and rng.random() < 0.04 else None,
        address=kind != "stranger" and rng.random() < 0.97,
        dead=rng.random() < 0.008,
        machine=rng.random() < 0.15,
        likes=rng.choice(CATEGORIES),
        reads=rng.choice((0.05, 0.2, 0.35, 0.5, 0.7)),
        joins=joins,
        orders=orders,
        every=every,
        ticket=(rng.randrange(DAYS - 5), rng.randrange(1, 6)) if rng.random() < 0.03 else None,
        city=rng.choice(CITIES) if rng.random() < 0.1 else None,
    )


def _orders(rng: Random, kind: str) -> tuple[tuple[float, ...], float | None]:
    if kind == "once":
        return (-rng.uniform(1, 330),), None
    if kind == "dormant":
        last = rng.uniform(190, PAST - 60)
        return tuple(sorted(-last - rng.uniform(0, 55) * n for n in range(rng.randrange(1, 4)))), None
    if kind == "few" and rng.random() < 0.15:  # a season: April and May of the year before
        return tuple(sorted(-rng.uniform(*((310, 335) if rng.random() < 0.8 else (30, 300))) for _ in range(rng.randrange(4, 7)))), None
    if kind == "few":
        return tuple(sorted(-rng.uniform(1, 360) for _ in range(rng.randrange(2, 5)))), None
    if kind not in ("regular", "slipping"):
        return (), None
    every = rng.uniform(12, 60)
    last = rng.uniform(2.2, 4.0) * every if kind == "slipping" else rng.uniform(0, 1.1) * every
    days = [-last]
    for _ in range(rng.randrange(4, 11)):
        days.append(days[-1] - every * rng.uniform(0.75, 1.25))
    ahead = [] if kind == "slipping" else [every - last, 2 * every - last, 3 * every - last]
    return tuple(sorted((*(day for day in days if day > -PAST), *(day + rng.uniform(-2, 2) for day in ahead if day < DAYS)))), every


def past(seed: int, everybody: Iterable[One]) -> Iterator[Told]:
    """All orders from before the engine was taken up, oldest first: they arrive ten a second when it begins."""
    olds = [
        told
        for who in everybody
        for day in sorted({floor(at) for at in who.orders if at < -RUN_IN})
        for told in _Day(Random(f"{seed} day {who.number} {day}"), who, day, seed).orders()
    ]
    for number, (_, key, event) in enumerate(sorted(olds, key=lambda one: (one[0], one[1]))):
        yield START_MS - RUN_IN * DAY_MS - DAY_MS // 2 + number * 100, key, event


def day_of(seed: int, who: One, day: int) -> Iterator[Told]:
    """What happens on a day of her own calendar, in no order; the orders alone before everything is lively."""
    due = [at for at in who.orders if day <= at < day + 1]
    lively = day >= -LIVELY
    if not due and not lively and day != who.joins:
        return
    rng = Random(f"{seed} day {who.number} {day}")
    hers = _Day(rng, who, day, seed)
    if day == who.joins and who.kind != "stranger":
        yield from hers.joins()
    for _ in due:
        yield from hers.orders()
    if not lively:
        return
    if rng.random() < VISITS[who.kind]:
        yield from hers.visits()
    if day == who.withdraws:
        purposes = rng.choice((["email"], ["personalise"], ["email", "personalise"]))
        yield hers.told(hers.hour(), "consent_withdraw", {"purposes": purposes}, known=True)
    yield from hers.elsewhere()


class _Day:
    """A day of hers, and the events it is made of."""

    def __init__(self, rng: Random, who: One, day: int, seed: int) -> None:
        self.rng, self.who, self.day, self.seed = rng, who, day, seed
        self.count = 0
        zone = ZoneInfo(who.zone_on(day) or "UTC")
        begins = datetime(START.year, START.month, START.day) + timedelta(days=day)
        self.midnight = round(begins.replace(tzinfo=zone).timestamp() * 1000)

    def hour(self) -> int:
        """A moment of her day, mostly in the evening."""
        return self.midnight + round((self.rng.choices(range(24), HOURS)[0] + self.rng.random()) * HOUR_MS)

    def told(self, at: int, kind: str, properties: dict[str, Any], known: bool | None = None) -> Told:
        self.count += 1
        who = self.who
        signed = who.kind != "stranger" and self.day >= who.joins and (self.rng.random() < 0.9 or who.moved is not None)
        signed = signed if known is None else known
        zone = who.zone_on(self.day)
        event = {
            "event_id": f"{who.number}-{self.day}-{self.count}",
            "event_type": kind,
            "customer_id": who.customer if signed else None,
            "anonymous_id": None if signed and self.day < -LIVELY else who.device,
            "timestamp": _iso(at),
            "properties": properties,
            "context": {"device": "mobile" if who.number % 2 else "desktop", **({"timezone": zone} if zone else {})},
        }
        late = round(self.rng.uniform(1, 40) * MINUTE_MS) if self.rng.random() < 0.01 else 0
        return at + late, who.customer if signed else who.device, event

    def joins(self) -> Iterator[Told]:
        who, at = self.who, self.hour()
        traits: dict[str, Any] = {"first_name": "Ada"} if who.number % 3 else {}
        if who.address:
            traits["email"] = f"c{who.number}@mail.example"
        if "sms" in who.consent:
            traits["phone"] = f"+49151{10_000_000 + who.number}"
        if who.city:
            traits["city"] = who.city
        yield self.told(at, "identify", {"traits": traits}, known=True)
        if who.consent:
            yield self.told(at + 1_000, "consent_give", {"purposes": list(who.consent)}, known=True)

    def orders(self) -> Iterator[Told]:
        yield self.order(self.hour(), [self.product() for _ in range(self.rng.choice((1, 1, 2, 3)))])

    def order(self, at: int, products: list[dict[str, Any]]) -> Told:
        who = self.who
        lines = [{**one, "quantity": 1} for one in products]
        for line in lines:
            if line["category"] in CONSUMED:
                line |= {"consumable": True} | ({"cycle_days": round(who.every)} if who.every and who.number % 2 else {})
        total = round(sum(one["price"] for one in lines), 2)
        coupon = {"coupon": "SPRING"} if self.rng.random() < (0.6 if who.number % 7 == 0 else 0.1) else {}
        body = {"order_id": f"o-{who.number}-{self.day}-{self.count}", "total": total, "currency": "EUR", "products": lines, **coupon}
        in_store = self.rng.random() < 0.05
        return self.told(at, "store_purchase" if in_store else "purchase", body | ({"store_id": "s-1"} if in_store else {}), known=True)

    def product(self) -> dict[str, Any]:
        category = self.who.likes if self.rng.random() < 0.7 else self.rng.choice(CATEGORIES)
        return product(category, self.rng.randrange(PRODUCTS))

    def visits(self) -> Iterator[Told]:
        rng, at = self.rng, self.hour()

        def later(low: float, high: float) -> int:
            nonlocal at
            at += round(rng.uniform(low, high) * 1000)
            return at

        cart: list[dict[str, Any]] = []
        if rng.random() < 0.2:
            yield self.told(later(1, 5), "search", {"query": self.who.likes, "results": rng.randrange(40)})
            if rng.random() < 0.3:
                return
        if rng.random() < 0.04:
            yield self.told(later(5, 30), "page_view", {"page_type": "pricing"})
            yield self.told(later(60, 300), "page_view", {"page_type": "pricing"})
        favourite = product(self.who.likes, self.who.number % PRODUCTS)
        for _ in range(rng.choice((1, 1, 2, 2, 3, 5))):
            seen = favourite if rng.random() < 0.3 else self.product()
            dwell = round(rng.expovariate(1 / 35), 1)
            yield self.told(later(2, 10), "product_view", {**seen, "dwell_seconds": dwell})
            at += round(dwell * 1000)
            if rng.random() < 0.16:
                cart.append(seen)
                yield self.told(later(1, 5), "cart_add", {**seen, "quantity": 1})
            elif rng.random() < 0.04:
                yield self.told(later(1, 5), "wishlist_add", seen)
        if cart and self.who.kind != "stranger" and rng.random() < 0.3:
            yield self.order(later(30, 400), cart)

    def elsewhere(self) -> Iterator[Told]:
        """Tickets, weather, other channels."""
        who, rng = self.who, self.rng
        if who.ticket is not None and self.day in (who.ticket[0], sum(who.ticket)):
            status = "open" if self.day == who.ticket[0] else "closed"
            yield self.told(self.hour(), "support_ticket", {"ticket_id": f"t-{who.number}", "status": status}, known=True)
        if who.city and self.day >= who.joins:
            report = Random(f"{self.seed} weather {who.city} {self.day}").choice(("sun", "sun", "clouds", "rain", "storm", "snow"))
            stock = {"location": who.city, "nearby_stock": 3} if rng.random() < 0.05 else {}
            yield self.told(self.midnight + 7 * HOUR_MS, "context_update", {"weather": report, "city": who.city, **stock}, known=True)
        chance = rng.random()
        if chance < 0.004:
            yield self.told(self.hour(), "ad_click", {"network": "meta", "campaign": "spring"})
        elif chance < 0.008:
            yield self.told(self.hour(), "social_engagement", {"network": "instagram", "action": "like"})


def product(category: str, number: int) -> dict[str, Any]:
    sku = f"{category}-{number}"
    return {
        "product_id": sku,
        "product_name": f"{category.capitalize()} no. {number}",
        "category": category,
        "price": 9.9 + number * 7,
        "currency": "EUR",
        "url": f"https://shop.example/{sku}",
        "image": f"https://shop.example/i/{sku}.jpg",
    }


def _drawn(rng: Random, shares: tuple[tuple[Any, int], ...]) -> Any:
    return rng.choices([what for what, _ in shares], [share for _, share in shares])[0]


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
