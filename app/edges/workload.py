"""What the benches put on `customer_events`: pure functions of their arguments, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

MIX = (("product_view", 0.70), ("cart_add", 0.15), ("email_click", 0.10), ("purchase", 0.05))
"""Shares of the pipeline's input; half of the views are long enough to open a window."""
PRODUCTS = 2_000
CATEGORIES = 40

Input = tuple[str, dict[str, Any]]
"""Customer id, and the event without its ids and times."""


def everybody(people: int) -> Iterator[Input]:
    """Everyone says who they are and consents: two events each."""
    for number in range(people):
        who = _customer(number)
        yield who, {"event_type": "identify", "properties": {"traits": {"email": f"{who}@example.com", "first_name": "Ada"}}}
        yield who, {"event_type": "consent_give", "properties": {"purposes": ["email", "personalise"]}}


def mix(seed: int, people: int, events: int) -> Iterator[Input]:
    """`events` of the mix, people and products drawn uniformly: the worst case for caches."""
    rng = random.Random(seed)
    kinds = rng.choices([name for name, _ in MIX], [share for _, share in MIX], k=events)
    for number, kind in enumerate(kinds):
        yield _customer(rng.randrange(people)), {"event_type": kind, "properties": _properties(rng, kind, number)}


def _customer(number: int) -> str:
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
