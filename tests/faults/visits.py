"""What people do in the fault simulation: they come and go for days, log in on the way, and much of it is told late, twice or wrongly."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from app.events import iso
from tests.faults.cluster import MINUTE, Arrival

START = 1_772_409_600_000
"""2026-03-02T00:00:00Z"""
HOUR = 60 * MINUTE
INTERVAL = 15 * MINUTE
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Auckland")


def address_of(who: str) -> str:
    """Half of them share an address with two others, each spelling it her own way."""
    number = int(who.removeprefix("c"))
    if number % 2:
        return f"{who}@shop.example"
    house = f"house-{number // 6}@shop.example"
    return house.upper() if number % 4 else house


class Visits:
    """What people do: look, linger, fill carts, buy, write off; some of it late, twice, under a wrong key or broken."""

    def __init__(self, rng: Random, people: int = 24, visits: int = 45, days: float = 1.0) -> None:
        self._rng, self._people, self._visits = rng, people, visits
        self._step = int(days * 24 * HOUR / visits)
        self._number = 0
        self._made: list[Arrival] = []

    def arrivals(self) -> list[Arrival]:
        rng = self._rng
        at = START
        for number in range(self._visits):
            at += int(rng.expovariate(1 / self._step))
            if rng.random() < 0.5:
                at = at // INTERVAL * INTERVAL  # so that some are due exactly at a tick
            self._visit(max(START, at), f"c{max(0, self._people * number // self._visits - int(rng.expovariate(0.3)))}")
        return sorted(self._made, key=lambda arrival: arrival.at)

    def _visit(self, at: int, who: str) -> None:
        """Logged in, or not, or only in the course of it; mostly on a device of her own, which she changes, sometimes on somebody's."""
        rng = self._rng
        device = rng.choices((f"d-{who}-{rng.randrange(3)}", f"kiosk-{rng.randrange(3)}"), (9, 1))[0]
        customer, later, device = rng.choices(
            ((who, who, None), (None, None, device), (None, who, device), (who, who, device)), (5, 2, 4, 2)
        )[0]
        if rng.random() < 0.6:
            traits = {"email": address_of(who), "first_name": who}
            if rng.random() < 0.6:
                traits["last_name"] = who.upper()  # without it some messages of `busy` cannot be written
            where = {"timezone": rng.choice(ZONES)} if rng.random() < 0.4 else {}
            self._event(at, customer, device, "identify", traits=traits, **where)
            self._event(at, customer, device, "consent_give", purposes=["email", "personalise"] if rng.random() < 0.8 else ["email"])
        for _ in range(rng.randint(1, 4)):
            self._does(at := at + rng.choice((0, 30_000, 10 * MINUTE, HOUR)), customer, device)
        if later is not None and rng.random() < 0.1:
            previous = rng.choice((f"c{rng.randrange(self._people)}", f"d-{who}-{rng.randrange(3)}", f"kiosk-{rng.randrange(3)}"))
            self._event(at, later, None, "alias", previous_id=previous)
        if later != customer:
            self._does(at + rng.choice((0, 1_000, 20 * MINUTE)), later, device)

    def _does(self, at: int, who: str | None, device: str | None) -> None:
        rng = self._rng
        number = rng.randrange(6)
        shoe = {"product_id": f"p{number}", "product_name": f"Shoe {number}", "category": "shoes", "price": 80 + number}
        kind = rng.choices(("view", "gap", "cart", "remove", "buy", "refund", "off", "page"), (8, 2, 4, 1, 2, 0.3, 0.3, 1))[0]
        if kind == "view":
            self._event(at, who, device, "product_view", **shoe, dwell_seconds=rng.choice((5, 40, 90)))
        elif kind == "gap":
            self._event(at, who, device, "product_view", **shoe)
            self._event(at + 45_000, who, device, "page_leave", product_id=shoe["product_id"], dwell_seconds=45)
        elif kind == "cart":
            self._event(at, who, device, "cart_add", **shoe, quantity=1)
        elif kind == "remove":
            self._event(at, who, device, "cart_remove", product_id=shoe["product_id"], quantity=1)
        elif kind == "buy":
            lines = [{**shoe, "quantity": 1}]
            self._event(at, who, device, "purchase", order_id=f"o{self._number}", total=120, currency="EUR", products=lines)
        elif kind == "refund":
            self._event(at, who, device, "refund", order_id=f"o{self._number}", amount=120)
        elif kind == "off":
            self._event(at, who, device, "email_unsubscribe", send_id="s")
        else:
            self._event(at, who, device, "page_view", page_type="pricing")

    def _event(self, at: int, who: str | None, device: str | None, event_type: str, **properties: Any) -> None:
        rng = self._rng
        self._number += 1
        delay = rng.choices((0, 20 * MINUTE, 3 * HOUR, 9 * HOUR), (30, 2, 2, 1))[0]
        body: dict[str, Any] = {"event_id": f"e{self._number}", "event_type": event_type, "timestamp": iso(at)}
        body |= {name: told for name, told in (("customer_id", who), ("anonymous_id", device)) if told is not None}
        right = who or device or ""
        key: bytes | None = right.encode()
        luck = rng.random()
        if luck < 0.2:
            key = rng.choice((None, b"x", b"somebody", f'"{right}"'.encode()))
        elif luck < 0.22:
            body["customer_id"] = 17
        elif luck < 0.25:
            del body["event_id"], body["timestamp"]
        value = json.dumps({**body, "properties": properties}).encode()
        self._made.append(Arrival(at + delay, key, value))
        if rng.random() < 0.05:
            self._made.append(Arrival(at + delay + rng.choice((0, HOUR)), key, value))
