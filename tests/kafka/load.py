"""What people do in a run: a pure function of the seed, and a player that produces it in real time.

Every produced record carries a Kafka header `load` with what must become of it (`good`, `duplicate`, `bad`), so that the topics alone
tell the oracle what was sent; Kairos does not look at that header.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

LOAD_HEADER = "load"
WAIT = 3.0
"""Seconds from opening to first message in tests/packs/quick.toml."""

STORIES = {
    "watches": 20,
    "buys_in_time": 14,
    "buys_between": 8,
    "carts": 10,
    "carts_and_buys": 8,
    "empties_the_cart": 5,
    "orders": 10,
    "unsubscribes": 5,
    "withdraws": 4,
    "no_consent": 4,
    "no_address": 4,
    "two_products": 5,
    "compares": 5,
    "wishes_in_vain": 5,
    "buys_before_the_view_arrives": 3,
    "logs_in": 6,
    "buys_as_a_guest": 6,
    "waits_for_the_price": 6,
    "shares_an_address": 7,
    "leaves_an_address": 5,
}
"""What a person does, and how many of a hundred do it."""

GEMS = ("opal", "onyx", "jade")
"""What the catalogue says something new of, late in a play."""
NOISE = ("page_view", "search", "category_view", "email_click", "product_view", "content_view", "filter_use")


class Planned(NamedTuple):
    """One record to produce, `after` seconds into the play. `event` None: `raw` goes out as it is. `key` is the Kafka key."""

    after: float
    kind: str
    key: bytes | None
    event: dict[str, Any] | None
    raw: bytes | None = None


def stories(seed: int, people: int) -> dict[str, str]:
    """customer_id → what she does in the play of this seed."""
    chosen = random.Random(f"stories {seed}").choices(list(STORIES), list(STORIES.values()), k=people)
    return {f"s{seed}-c{number:05d}": story for number, story in enumerate(chosen)}


def play(seed: int, people: int, seconds: float, noise: int) -> list[Planned]:
    """The whole play in order of time: `people` with one story each inside `seconds`, and `noise` events that change no window."""
    told = stories(seed, people)
    rng = random.Random(f"play {seed}")
    planned: list[Planned] = []
    for who, story in told.items():
        planned += _person(rng, who, story, seconds)
    for n in range(noise):
        planned.append(_noise(rng, rng.choice(list(told)), f"s{seed}-n{n}", rng.uniform(1.0, seconds)))
    planned += list(_repeats(rng, planned))
    planned = [_misplaced(rng, one) for one in planned]
    planned += [_bad(rng, seed, n, rng.uniform(0.0, seconds)) for n in range(max(5, people // 20))]
    return sorted(planned, key=lambda one: one.after)


def catalogue(seconds: float) -> list[Planned]:
    """What the shop's stock system writes meanwhile to catalog_changes."""
    first = {"price": 100, "currency": "EUR", "stock": 9}
    planned: list[tuple[float, str, dict[str, Any]]] = [(0.5, gem, {"name": gem, **first}) for gem in GEMS]
    planned += [(seconds * share, gem, {"price": price}) for gem in GEMS for share, price in ((0.7, 99), (0.8, 60))]
    return [
        Planned(after, "good", gem.encode(), {"product_id": gem, **change})
        for after, gem, change in sorted(planned, key=lambda one: one[:2])
    ]


def _person(rng: random.Random, who: str, story: str, seconds: float) -> list[Planned]:
    count = 0

    def at(after: float, event_type: str, **properties: Any) -> Planned:
        nonlocal count
        count += 1
        event = {"event_id": f"{who}-{count}", "event_type": event_type, "customer_id": who, "properties": properties}
        return Planned(after, "good", who.encode(), event)

    def guest(one: Planned) -> Planned:
        """The same on a device that does not know who she is."""
        assert one.event is not None
        del one.event["customer_id"]
        return one._replace(key=device.encode(), event={**one.event, "anonymous_id": device})

    def login(after: float) -> Planned:
        """From here on the device is hers."""
        one = at(after, "identify", traits=traits)
        assert one.event is not None
        return one._replace(event={**one.event, "anonymous_id": device})

    product, device = f"p-{who}", device_of(who)
    shoe = {"product_id": product, "product_name": f"Shoe {who}", "price": 89.0, "currency": "EUR"}
    view, line = {**shoe, "category": "shoes", "dwell_seconds": 42}, {**shoe, "quantity": 1}
    order = {"order_id": f"o-{who}", "total": 89.0, "currency": "EUR", "products": [line]}
    start = rng.uniform(1.0, max(1.5, seconds - 1.0))
    soon = start + rng.uniform(0.1, WAIT * 0.8)
    traits = {"first_name": "Ann"} if story == "no_address" else {"email": address_of(who, story), "first_name": "Ann"}
    events = [at(rng.uniform(0.0, 0.4), "identify", traits=traits)]
    if story != "no_consent":
        events.append(at(rng.uniform(0.4, 0.8), "consent_give", purposes=["email", "personalise"]))
    match story:
        case "watches" | "no_consent" | "no_address":
            events.append(at(start, "product_view", **view))
        case "buys_in_time":
            events += [at(start, "product_view", **view), at(soon, "purchase", **order)]
        case "buys_between":
            events += [at(start, "product_view", **view), at(start + WAIT + rng.uniform(1.5, 3.5), "purchase", **order)]
        case "carts":
            events += [at(start, "product_view", **view), at(soon, "cart_add", **line)]
        case "carts_and_buys":
            events += [at(start, "cart_add", **line), at(soon, "purchase", **order)]
        case "empties_the_cart":
            events += [at(start, "cart_add", **line), at(soon, "cart_remove", **line)]
        case "orders":
            # Shops log an order twice, the second time under another event id and without the money.
            again = {"order_id": f"o-{who}", "products": [{"product_id": product, "quantity": None, "price": None}]}
            events += [at(start, "purchase", **order), at(start + 0.3, "purchase", **again)]
        case "unsubscribes":
            events += [at(start, "product_view", **view), at(soon, "email_unsubscribe")]
        case "withdraws":
            events += [at(start, "product_view", **view), at(soon, "consent_withdraw", purposes=["personalise"])]
        case "two_products":
            other = {**view, "product_id": f"q-{who}", "product_name": f"Boot {who}"}
            events += [at(start, "product_view", **view), at(start + 0.5, "product_view", **other), at(soon + 0.5, "cart_add", **line)]
        case "compares":  # two messages due at once, of which one has to wait
            other = {**view, "product_id": f"q-{who}", "product_name": f"Boot {who}"}
            events += [at(start, "product_view", **view), at(start, "product_view", **other)]
        case "shares_an_address":
            events.append(at(start, "product_view", **view))
        case "leaves_an_address":  # one of those who have it closes it, the others look on
            events.append(at(start, "product_view", **view) if int(who[-2:]) % 3 else at(rng.uniform(0.8, 1.0), "email_unsubscribe"))
        case "waits_for_the_price":  # too short a look to be reminded of
            gem = GEMS[int(who[-1]) % len(GEMS)]
            events.append(at(rng.uniform(1.0, seconds / 2), "product_view", product_id=gem, product_name=gem, price=100.0, dwell_seconds=5))
        case "wishes_in_vain":  # the first of two cannot be written: the second gets its place
            events += [at(start, "wishlist_add", **{**shoe, "product_id": f"q-{who}"}), at(start, "product_view", **view)]
        case "buys_before_the_view_arrives":
            late = at(start + 0.6, "product_view", **view)
            assert late.event is not None
            late.event["_behind"] = 1.0  # stamped a second before it is produced: before the purchase, which arrives first
            events += [at(start, "purchase", **order), late]
        case "logs_in":
            events += [guest(at(start, "product_view", **view)), login(soon)]
        case "buys_as_a_guest":
            events += [at(start, "cart_add", **line), guest(at(soon, "purchase", **order)), login(soon + 0.2)]
        case _:
            raise ValueError(story)
    return events


def address_of(who: str, story: str) -> str:
    """Hers alone, but in two stories: those share a few, each spelling it her own way."""
    if story not in ("shares_an_address", "leaves_an_address"):
        return f"{who}@example.com"
    play, _, number = who.partition("-c")
    shared = f"{play}-{story}-{int(number) % 6}@example.com"
    return shared.upper() if int(number) % 5 else shared


def device_of(who: str) -> str:
    """Her device, where she has one."""
    return f"d-{who}"


def _noise(rng: random.Random, who: str, event_id: str, after: float) -> Planned:
    event_type = rng.choice(NOISE)
    properties: dict[str, Any] = {"category": rng.choice(("shoes", "bags", "hats"))}
    if event_type == "product_view":
        properties |= {"product_id": f"z{rng.randrange(500)}", "price": 12.5, "dwell_seconds": rng.randrange(0, 20)}
    elif event_type == "page_view":
        properties |= {"page_type": rng.choice(("home", "faq", "shipping")), "seconds": 5}
    elif event_type == "email_click":
        properties |= {"send_id": f"other-{rng.randrange(10_000)}", "link": "https://shop.example/"}
    elif event_type == "search":
        properties |= {"query": "red shoes", "results": 12}
    event = {"event_id": event_id, "event_type": event_type, "customer_id": who, "properties": properties}
    return Planned(after, "good", who.encode(), event)


def _repeats(rng: random.Random, planned: list[Planned]) -> Iterable[Planned]:
    """One in twenty is sent again as it was, as producers do after a lost ack.

    With a later time it would be another story: where its first record lay under a wrong key and intake is behind, the second counts.
    """
    for one in planned:
        if rng.random() < 0.05:
            later = rng.choice((0.0, 0.05, 1.0))
            event = None if one.event is None else {**one.event, "_behind": one.event.get("_behind", 0.0) + later}
            yield one._replace(after=one.after + later, kind="duplicate", event=event)


def _misplaced(rng: random.Random, one: Planned) -> Planned:
    """One in thirty has no key, or another's."""
    if rng.random() < 0.033:
        return one._replace(key=rng.choice((None, b"someone-else", str(one.key).encode())))
    return one


def _bad(rng: random.Random, seed: int, n: int, after: float) -> Planned:
    who = f"s{seed}-bad{n}"
    event = {"event_id": f"{who}-1", "event_type": "product_view", "customer_id": who, "properties": {"product_id": "p1"}}
    raw = rng.choice(
        (
            b"\xff\xfe not utf-8",
            b"[1, 2",
            b'{"event_type": "page_view"}',
            json.dumps({**event, "properties": {"product_id": "p1", "price": "cheap"}}).encode(),
            json.dumps({**event, "customer_id": 17}).encode(),
            json.dumps(event).replace('"p1"', "NaN").encode(),
            b"{" + b'"a":{' * 40 + b"}" * 41,
        )
    )
    return Planned(after, "bad", who.encode(), None, raw)


def encoded(one: Planned, now: float) -> bytes:
    """The record's bytes for an event that is sent at `now` (seconds since 1970)."""
    if one.event is None:
        assert one.raw is not None
        return one.raw
    event = {name: value for name, value in one.event.items() if name != "_behind"}
    milli = int((now - one.event.get("_behind", 0.0)) * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milli // 1000)) + f".{milli % 1000:03d}Z"
    return json.dumps({**event, "timestamp": stamp}).encode()


class Player:
    """Produces a play in real time; waits while the broker is away, as a shop's producer does."""

    def __init__(self, broker: str, topic: str) -> None:
        self._broker, self._topic = broker, topic
        self.sent = 0

    async def run(self, planned: list[Planned]) -> None:
        """Returns once every record of the play is acked."""
        start = time.time()
        producer = await self._started()
        acks = []
        try:
            for one in planned:
                delay = start + one.after - time.time()
                if delay > 0:
                    await asyncio.sleep(delay)
                # Stamped with the play's own time: a shop knows when it happened, however late its record gets through.
                acks.append(await self._send(producer, one, encoded(one, start + one.after)))
                self.sent += 1
            await asyncio.gather(*acks)
        finally:
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._broker, acks="all", enable_idempotence=True, linger_ms=5, request_timeout_ms=60_000
            )
            try:
                await producer.start()
                return producer
            except KafkaConnectionError:
                await producer.stop()
                await asyncio.sleep(0.5)

    async def _send(self, producer: AIOKafkaProducer, one: Planned, value: bytes) -> Any:
        headers = [(LOAD_HEADER, one.kind.encode())]
        while True:
            try:
                return await producer.send(self._topic, value, key=one.key, headers=headers)
            except KafkaTimeoutError:
                continue  # its buffer is full while the broker is away; nothing was taken
