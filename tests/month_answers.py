"""What people do with the mails they get: opens, clicks, orders, unsubscribes, complaints, bounces; a pure function of seed and mail.

The more mails somebody has had of late the less she reads them and the sooner she has enough, so that a policy which writes too much
does worse here, as it does outside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any

from app.events import iso
from tests.month_ledger import Mail
from tests.month_people import DAY_MS, MINUTE_MS, One, Told, product

SOONEST_MS = 61_000
"""No answer comes sooner: what plays time may go on by a minute without looking."""
TIRING = 0.85
"""Of the mails of the last 7 d each takes this share of her liking to read one more."""
ENOUGH = 0.0012
"""Chance of an unsubscribe at an opened mail, times the mails of the last 7 d, this one included."""


class Answers:
    """Feed it every send, in order; `of` says what comes of it, and when."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.had: dict[int, deque[int]] = {}

    def of(self, who: One, send: Mail, at: int) -> Iterator[Told]:
        rng = Random(f"{self.seed} answer {who.number} {send.trigger} {send.step} {at}")
        had = self.had.setdefault(who.number, deque())
        while had and had[0] <= at - 7 * DAY_MS:
            had.popleft()
        had.append(at)
        told = _Telling(who, send)
        if send.channel != "email":
            yield told(at + SOONEST_MS, f"{send.channel}_sent", {})
            return
        yield told(at + SOONEST_MS, "email_sent", {})
        if who.dead:
            yield told(at + 2 * SOONEST_MS, "email_bounce", {"kind": "hard"})
            return
        if who.machine:
            yield told(at + round(rng.uniform(2, 20) * MINUTE_MS), "email_open", {"machine": True})
        if rng.random() >= who.reads * TIRING ** (len(had) - 1):
            return
        opened = at + round(rng.expovariate(1 / 240) * MINUTE_MS) + 2 * SOONEST_MS
        yield told(opened, "email_open", {"machine": False})
        if rng.random() < ENOUGH * len(had):
            kind = "email_complaint" if rng.random() < 0.1 else "email_unsubscribe"
            yield told(opened + MINUTE_MS, kind, {})
            return
        if rng.random() >= 0.14:
            return
        about = product(who.likes, rng.randrange(5))
        yield told(opened + MINUTE_MS, "email_click", {"link": about["url"], "machine": False})
        yield told(opened + MINUTE_MS + 2_000, "product_view", {**about, "dwell_seconds": 45.0})
        if rng.random() < 0.15:
            lines = [{**about, "quantity": 1}]
            body = {"order_id": f"o-{send.send_id[:12]}", "total": about["price"], "currency": "EUR", "products": lines}
            yield told(opened + 6 * MINUTE_MS, "purchase", body)


class _Telling:
    """Events about one send of hers."""

    def __init__(self, who: One, send: Mail) -> None:
        self.who, self.send, self.count = who, send, 0

    def __call__(self, at: int, kind: str, properties: dict[str, Any]) -> Told:
        self.count += 1
        mail = {"send_id": self.send.send_id} if kind.startswith(("email_", "sms_", "push_")) else {}
        event = {
            "event_id": f"{self.send.send_id[:16]}-{self.count}",
            "event_type": kind,
            "customer_id": self.who.customer,
            "timestamp": iso(at),
            "properties": {**properties, **mail},
        }
        return at, self.who.customer, event
