"""The naive judge: knows no domain code, only what a shopkeeper would say of a run of tests/packs/quick.toml.

Nobody who bought, unsubscribed or withdrew in time is reminded; everybody else exactly once per step, however long it had to wait for
its turn; nobody gets two messages within two seconds; every step of every window ends exactly once.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from tests.kafka.load import WAIT, address_of, device_of
from tests.kafka.logs import LINK, Logs

STEPS = {"product_page_abandonment": 2, "cart_abandonment": 2, "post_purchase": 3, "wishlist": 1, "price_drop": 1}
"""Messages of each chain in quick.toml."""

GAP_MS = 2_000
"""Between two messages to a person, by quick.toml."""

EVERYTHING: dict[str, Any] = {
    "watches": {("product_page_abandonment", 0), ("product_page_abandonment", 1)},
    "orders": {("post_purchase", 0), ("post_purchase", 1), ("post_purchase", 2)},
    "buys_before_the_view_arrives": {("post_purchase", 0), ("post_purchase", 1), ("post_purchase", 2)},
    "compares": [("product_page_abandonment", step) for step in (0, 0, 1, 1)],
    "wishes_in_vain": {("product_page_abandonment", 0), ("product_page_abandonment", 1)},
    "no_consent": set(),
    "no_address": set(),
}
"""Stories whose messages do not depend on when a record reached the broker: exactly these, whatever happened to the workers."""


class Arrival(NamedTuple):
    """An event and the broker's time of its first record."""

    at: int
    event: dict[str, Any]


def differences(logs: Logs, told: dict[str, str]) -> list[str]:
    """What a shopkeeper would complain about. `told`: customer_id → story."""
    arrivals = _arrivals(logs)
    sends = _sends(logs)
    wrong: list[str] = []
    for who, story in told.items():
        got = sends.get(who, {})
        for send in got.values():
            wrong += [f"{who} ({story}): {complaint}" for complaint in _complaints(send, arrivals[who])]
        steps = sorted((send["trigger"], send["step"]) for send in got.values())
        times = sorted(_ms(send["decided_at"]) for send in got.values())
        if near := [b - a for a, b in pairwise(times) if b - a < GAP_MS]:
            wrong.append(f"{who} ({story}): two messages within {near} ms")
        if story in EVERYTHING and steps != sorted(EVERYTHING[story]):
            wrong.append(f"{who} ({story}): got {steps}")
        if story == "two_products":
            views = [send for send in got.values() if send["trigger"] == "product_page_abandonment"]
            boots = [send["step"] for send in views if _about(send, f"q-{who}", arrivals[who])]
            if sorted(boots) != [0, 1]:
                wrong.append(f"{who} ({story}): about the boot she did not buy: {boots}")
        if story == "logs_in" and _logged_in_time(arrivals[who]) and steps != sorted(EVERYTHING["watches"]):
            wrong.append(f"{who} ({story}): got {steps} of what her device had seen")
        if story == "waits_for_the_price" and steps not in ([], [("price_drop", 0)]):
            wrong.append(f"{who} ({story}): got {steps}")  # nothing, where her look arrived after the news
        if story == "carts" and [step for trigger, step in steps if trigger == "cart_abandonment"] != [0, 1]:
            wrong.append(f"{who} ({story}): got {steps}")
    return wrong + _shared(sends, told) + windows(logs)


def _shared(sends: dict[str, dict[str, dict[str, Any]]], told: dict[str, str]) -> list[str]:
    """Of those who share an address and all saw a product, one gets both mails, and the others none."""
    houses: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for who, story in told.items():
        if story == "shares_an_address":
            house = houses[address_of(who, story).lower()]
            house += [(send["trigger"], send["step"]) for send in sends.get(who, {}).values()]
    both = [("product_page_abandonment", 0), ("product_page_abandonment", 1)]
    return [f"{address} got {sorted(got)}" for address, got in houses.items() if sorted(got) != both]


def _arrivals(logs: Logs) -> dict[str, list[Arrival]]:
    first: dict[str, Arrival] = {}
    for message in sorted((one for messages in logs["customer_events"].values() for one in messages), key=lambda one: one.timestamp):
        if message.load != "bad" and (message.origin is None or message.origin[0] != LINK):
            event = orjson.loads(message.value or b"")
            first.setdefault(event["event_id"], Arrival(message.timestamp, event))
    found: dict[str, list[Arrival]] = defaultdict(list)
    logins = {one.event["anonymous_id"]: one.at for one in first.values() if "customer_id" in one.event and "anonymous_id" in one.event}
    for arrival in first.values():
        device = arrival.event.get("anonymous_id")
        who = arrival.event.get("customer_id") or str(device).removeprefix(device_of(""))
        # What a device did is known of her once both the event and the login have arrived.
        found[who].append(arrival if device is None else arrival._replace(at=max(arrival.at, logins[device])))
    return found


def _logged_in_time(arrivals: list[Arrival]) -> bool:
    """Whether the broker knew whose device it was before its message was due."""
    view = next(one for one in arrivals if one.event["event_type"] == "product_view" and one.event["properties"]["dwell_seconds"] == 42)
    due = datetime.fromisoformat(view.event["timestamp"]).timestamp() + WAIT
    return view.at < due * 1000


def _sends(logs: Logs) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for message in (one for messages in logs["message_sends"].values() for one in messages):
        send = orjson.loads(message.value or b"")
        found[send["customer_id"]][send["send_id"]] = send
    return found


def _complaints(send: dict[str, Any], arrivals: list[Arrival]) -> list[str]:
    """Whatever the broker had by `due_at` must have counted: timers run by the low-water mark."""
    due = _ms(send["due_at"])
    what = f"{send['trigger']}/{send['step']} due {send['due_at']}"
    reminder = send["trigger"] != "post_purchase"
    complaints = []
    for at, event in arrivals:
        if at > due:
            continue
        kind, product = event["event_type"], event["properties"].get("product_id")
        if kind == "purchase" and reminder:
            complaints.append(f"{what}, but bought before")
        elif kind == "cart_add" and send["trigger"] == "product_page_abandonment" and _about(send, product, arrivals):
            complaints.append(f"{what}, but put it into the cart before")
        elif kind == "cart_remove" and send["trigger"] == "cart_abandonment":
            complaints.append(f"{what}, but emptied the cart before")
        elif kind in ("email_unsubscribe", "consent_withdraw"):
            complaints.append(f"{what}, but {kind} before")
    return complaints


def _about(send: dict[str, Any], product: str | None, arrivals: list[Arrival]) -> bool:
    opening = next(arrival.event for arrival in arrivals if arrival.event["event_id"] == send["cause"][0])
    return bool(opening["properties"].get("product_id") == product)


def windows(logs: Logs) -> list[str]:
    """Each window is opened once, and each of its steps ends in exactly one of sent, cancelled, not_sent."""
    opened: dict[str, str] = {}
    ended: dict[tuple[str, int], set[str]] = defaultdict(set)
    wrong = []
    for message in (one for messages in logs["decisions"].values() for one in messages):
        decision = orjson.loads(message.value or b"")
        window = decision["window_id"]
        if decision["outcome"] == "opened":
            if opened.setdefault(window, decision["decision_id"]) != decision["decision_id"]:
                wrong.append(f"window {window} was opened twice")
        elif decision["outcome"] in ("sent", "cancelled", "not_sent"):
            ended[window, decision["step"]].add(decision["decision_id"])
    triggers = {decision["window_id"]: decision["trigger"] for decision in _decisions(logs)}
    for window in opened:
        for step in range(STEPS[triggers[window]]):
            if len(ended.get((window, step), ())) != 1:
                wrong.append(f"step {step} of window {window} ({triggers[window]}) ended {len(ended.get((window, step), ()))} times")
    return wrong


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _decisions(logs: Logs) -> list[dict[str, Any]]:
    return [orjson.loads(one.value or b"") for messages in logs["decisions"].values() for one in messages]
