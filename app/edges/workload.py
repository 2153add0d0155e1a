"""What the benches put on `customer_events`: pure functions of their arguments, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from app.events import iso

MIX = (("product_view", 0.70), ("cart_add", 0.15), ("email_click", 0.10), ("purchase", 0.05))
"""Shares of the pipeline's input; half of the views are long enough to open a window."""
PRODUCTS = 2_000
CATEGORIES = 40

Input = tuple[str, dict[str, Any]]
"""Customer id, and the event without its ids and times."""


def everybody(people: int, utc_hour: int | None = None) -> Iterator[Input]:
    """Everyone says who they are and consents: two events each. `utc_hour`: of the wall clock; where they live it is noon then."""
    # The sign of Etc zones is the other way round: Etc/GMT-2 is two hours ahead.
    where = {} if utc_hour is None else {"context": {"timezone": f"Etc/GMT{utc_hour - 12:+d}"}}
    for number in range(people):
        who = customer(number)
        traits = {"email": f"{who}@example.com", "first_name": "Ada"}
        yield who, {"event_type": "identify", "properties": {"traits": traits}, **where}
        yield who, {"event_type": "consent_give", "properties": {"purposes": ["email", "personalise"]}}


def utc_hour(now: int) -> int:
    """Of a time in ms."""
    return now // 3_600_000 % 24


def mix(seed: int, people: int, events: int) -> Iterator[Input]:
    """`events` of the mix, people and products drawn uniformly: the worst case for caches."""
    rng = random.Random(seed)
    kinds = rng.choices([name for name, _ in MIX], [share for _, share in MIX], k=events)
    for number, kind in enumerate(kinds):
        yield customer(rng.randrange(people)), {"event_type": kind, "properties": _properties(rng, kind, number)}


def records(name: str, told: Iterable[Input], now: Callable[[], int]) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each, as producers write it: with an id, begun with `name`, and the time `now()` (ms)."""
    for number, (who, event) in enumerate(told):
        record = {"event_id": f"{name}{number}", "customer_id": who, "timestamp": iso(now()), **event}
        yield who.encode(), orjson.dumps(record)


def everybody_looks(people: int) -> Iterator[Input]:
    """One short view each: everybody has a row from then on."""
    for number in range(people):
        which = number % PRODUCTS
        yield customer(number), {"event_type": "product_view", "properties": {"product_id": f"p{which}", "dwell_seconds": 5}}


def calm(events: int, people: int) -> Iterator[Input]:
    """Short views and clicks: load that opens no window."""
    rng = random.Random(events)
    for number in range(events):
        kind = "product_view" if number % 5 else "email_click"
        properties = _properties(rng, kind, number)
        if kind == "product_view":
            properties["dwell_seconds"] = 5
        yield customer(rng.randrange(people)), {"event_type": kind, "properties": properties}


def probe(number: int, people: int) -> Input:
    """The event that the latency bench's pack answers at once: somebody wants something, each time something else."""
    who = customer(number * 7919 % people)
    product = {"product_id": f"wanted-{number}", "product_name": f"Wanted number {number}", "price": 9.9, "currency": "EUR"}
    return who, {"event_type": "wishlist_add", "properties": product}


def customer(number: int) -> str:
    """Seven digits, so that every id of up to ten million is as long."""
    return f"c-{number:07d}"


def _properties(rng: random.Random, kind: str, number: int) -> dict[str, Any]:
    which = rng.randrange(PRODUCTS)
    product = {
        "product_id": f"p{which}",
        "product_name": f"Product number {which}",
        "category": f"category-{which % CATEGORIES}",
        "price": which % 190 + 9.9,
        "currency": "EUR",
        "url": f"https://shop.example/p/{which}",
        "image": f"https://shop.example/i/{which}.jpg",
    }
    match kind:
        case "product_view":
            return {**product, "dwell_seconds": rng.randrange(30, 90) if rng.random() < 0.5 else rng.randrange(1, 30)}
        case "cart_add":
            return {**product, "quantity": 1}
        case "email_click":
            return {"send_id": f"mail-{number}", "link": product["url"]}
        case _:
            return {"order_id": f"o-{number}", "total": product["price"], "currency": "EUR", "products": [{**product, "quantity": 1}]}


# --- the stage's work: what every engine was measured with -------------------------------------------------------------------------

STAGE_SEED = 7
STAGE_TYPES = ("product_view",) * 12 + ("cart_add",) * 4 + ("purchase",) * 1 + ("email_click",) * 3
STAGE_CATEGORIES = tuple(f"{name}-{n:02d}" for name in ("shoes", "audio", "home", "garden", "toys") for n in range(6))
STAGE_START_MS = 1_760_000_000_000


def stage_events(events: int, people: int) -> Iterator[tuple[bytes, bytes]]:
    """(key, JSON of 285 bytes): the first `events` of one stream, the very bytes that the peers' figures were taken with."""
    draw = random.Random(STAGE_SEED).random
    ts = STAGE_START_MS
    for number in range(events):
        who = int(draw() * people)
        ts += int(draw() * 4)
        kind = STAGE_TYPES[int(draw() * 20)]
        category = STAGE_CATEGORIES[(who * 7 + int(draw() * 6) * 5) % 30]  # each customer has 6 categories of interest
        product = (who * 31 + int(draw() * 20)) % 20_000
        customer = f"cust-{who:06d}"
        event = {
            "event_id": f"{number:08x}-{who & 0xFFFF:04x}-4a3e-9d1f-{number * 2654435761 & 0xFFFFFFFFFFFF:012x}",
            "customer_id": customer,
            "event_type": kind,
            "product_id": f"sku-{product:05d}",
            "category": category,
            "price": round(5 + draw() * 195, 2),
            "ts": ts,
            "session": f"s-{who:06d}-{number % 997:03d}",
            "url": f"https://shop.example/c/{category}/p/sku-{product:05d}?utm_source=newsletter",
        }
        yield customer.encode(), orjson.dumps(event)


# --- the timers' work: pairs of customer and product, a wait opened by a view and ended by a purchase ------------------------------

TIMER_SEED = 3


def timer_pairs(timers: int, cancelled: int) -> tuple[list[int], list[int]]:
    """Numbers of the pairs in the order in which their waits begin, and of those that are cancelled, in theirs."""
    rng = random.Random(TIMER_SEED)
    order = list(range(timers))
    rng.shuffle(order)
    gone = rng.sample(range(timers), cancelled)
    return order, sorted(gone, key=lambda pair: pair * 2654435761 % 2**32)


def timer_event(number: int, pair: int, people: int, kind: str, ts: int) -> tuple[bytes, bytes]:
    """(key, JSON): `kind` is product_view or purchase; `ts` in ms."""
    who, product = pair % people, pair // people
    event = {
        "event_id": f"{number:08x}-0000-4a3e-9d1f-000000000000",
        "customer_id": f"cust-{who:06d}",
        "event_type": kind,
        "product_id": f"sku-{product:05d}",
        "category": "shoes-01",
        "price": 9.5,
        "ts": ts,
        "session": "s-1",
        "url": f"https://shop.example/c/shoes-01/p/sku-{product:05d}?utm_source=newsletter",
    }
    return f"cust-{who:06d}".encode(), orjson.dumps(event)
