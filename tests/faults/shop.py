"""The shop in the cluster: the real programs and the merged pack, people who come and go for days, and the naive side of them."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch

import orjson

from app import events
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.renderer_program import RendererProgram
from app.domain import contract, identifier, identity, person
from app.domain.effects import Conclude, Decide, PlanMessage
from app.domain.person import Group, Person, See
from app.domain.trigger import Pack
from app.engine.program import Moment
from app.events import Activation, Event, iso
from app.policy.pack import build, compile_artifact
from tests.faults.broker import Stored, right_partition
from tests.faults.cluster import MINUTE, Arrival, Cluster
from tests.faults.lane import Faults, Stage
from tests.faults.oracle import Made, Model, origin_of

SECRET = "fault-simulation"
START = 1_772_409_600_000
"""2026-03-02T00:00:00Z"""
HOUR = 60 * MINUTE
INTERVAL = 15 * MINUTE
PARTITIONS = 3
PACKS = ("merged", "s1")


@cache
def compiled(name: str) -> Pack:
    return compile_artifact(*build(name))


@cache
def packs() -> dict[str, Pack]:
    return {pack.ref: pack for pack in map(compiled, PACKS)}


class ShopModel:
    """One person after the other, one record after the other."""

    def __init__(self) -> None:
        self._renderer = RendererProgram(packs().__getitem__, SECRET, "https://shop.example")

    def accept(self, record: Stored, partition: int, seen: dict[Any, Any]) -> list[Made]:
        try:
            event = contract.accept(record.value, record.timestamp, "")
        except contract.Broken as broken:
            return [("dead_letters", self.letter("intake", broken.reason, record, partition))]
        right = (event.customer_id or event.anonymous_id or "").encode()
        event_id = event.event_id or contract.place_id(f"customer_events/{partition}/{record.offset}")
        rightly = record.key in (right, b'"%b"' % right) or right_partition(right, PARTITIONS) == partition
        if origin_of(record) is None and not rightly:
            assert record.value is not None
            value = record.value if event.event_id else orjson.dumps({**orjson.loads(record.value), "event_id": event_id})
            return [("customer_events", value)]
        who = identity.identifier(event.customer_id, event.anonymous_id)
        if (who, event_id) in seen:
            return []
        seen[who, event_id] = True
        ids = (identity.person_id(SECRET, who), event.customer_id, event.anonymous_id)
        accepted = Event(record.timestamp, event_id, event.event_type, event.ts, *ids, event.properties, event.context, event.future)
        return [("journal", events.encode(accepted))]

    def fresh(self, person_id: str) -> Group:
        return Group(Person(person_id))

    def step(self, state: Group, record: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Group, list[Made]]:
        state, effects = person.step(state, record, self._see(state, now, low_water, interval, active))
        return state, _made(effects)

    def wake(self, state: Group, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Group, list[Made]]:
        state, effects = person.wake(state, self._see(state, now, low_water, interval, active))
        return state, _made(effects)

    def _see(self, state: Group, now: int, low_water: int, interval: int, active: dict[str, str]) -> See:
        return See(state, now, low_water, interval, packs()[active["policy"]], packs().__getitem__)

    def faulted(self, state: Group, record: Stored) -> Group:
        raise AssertionError("no step of the shop may raise")

    def due(self, state: Group) -> int:
        return person.due(state.person)

    def rows(self, state: Group) -> dict[bytes, bytes]:
        return dict(person.dump(state, None))

    def render(self, record: Any) -> list[Made]:
        _, outputs = self._renderer.step(None, record, Moment(0, 0, 0, {}, 0, 0))
        return [(output.topic, output.value) for output in outputs]

    def letter(self, stage: str, reason: str, record: Stored, partition: int) -> bytes:
        return json.dumps({"stage": stage, "reason": reason, "partition": partition, "offset": record.offset}).encode()

    def plain(self, made: Made) -> Made:
        if made[0] != "dead_letters":
            return made
        letter = json.loads(made[1])
        return made[0], json.dumps([letter[field] for field in ("stage", "reason", "partition", "offset")]).encode()


def _made(effects: list[Any]) -> list[Made]:
    made: list[Made] = []
    for effect in effects:
        if isinstance(effect, PlanMessage):
            made.append(("message_plans", events.encode(effect.plan)))
        elif isinstance(effect, Decide):
            made.append(("decisions", events.encode_json(effect.decision)))
        elif isinstance(effect, Conclude):
            made.append(("journal", events.encode(effect.conclusion)))
    return made


class ShopPipeline:
    """`days` of a shop with `people` customers, most of them there only for a while."""

    name = "shop"
    lane: Any = PersonProgram
    cancels = frozenset({"purchase", "cart_add", "cart_remove"})

    def without_dedupe(self) -> Any:
        return patch.object(identifier, "admit", lambda row, event_id, at, limit: (row, "new", False))

    def cluster(self, seed: int, faults: Faults | None = None) -> Cluster:
        arrivals = Visits(Random(seed)).arrivals()
        intake = IntakeProgram(SECRET, 5000, partition_of_key=lambda key: right_partition(key, PARTITIONS))
        lane = PersonProgram(packs().__getitem__)
        stages = (
            Stage("intake", "customer_events", "identifiers", intake),
            Stage("lane", "journal", "people", lane),
            Stage("renderer", "message_plans", "renders", RendererProgram(packs().__getitem__, SECRET, "https://shop.example")),
        )
        first = [events.encode(Activation(START, "policy", compiled("merged").ref))]
        until = arrivals[-1].at + 28 * HOUR
        second = self._second(arrivals)
        return Cluster(seed, stages, arrivals, until, interval=INTERVAL, partitions=PARTITIONS, faults=faults, first=first, second=second)

    def _second(self, arrivals: list[Arrival]) -> tuple[int, bytes]:
        """Half way another pack becomes active; windows opened before stay with theirs."""
        at = arrivals[len(arrivals) // 2].at
        return at, events.encode(Activation(at, "policy", compiled("s1").ref))

    def model(self) -> Model:
        return ShopModel()


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
        rng = self._rng
        if rng.random() < 0.6:
            self._event(at, who, "identify", traits={"email": f"{who}@shop.example", "first_name": who})
            self._event(at, who, "consent_give", purposes=["email", "personalise"] if rng.random() < 0.8 else ["email"])
        for _ in range(rng.randint(1, 4)):
            at += rng.choice((0, 30_000, 10 * MINUTE, HOUR))
            number = rng.randrange(6)
            shoe = {"product_id": f"p{number}", "product_name": f"Shoe {number}", "category": "shoes", "price": 80 + number}
            kind = rng.choices(("view", "gap", "cart", "remove", "buy", "refund", "off", "page"), (8, 2, 4, 1, 2, 0.3, 0.3, 1))[0]
            if kind == "view":
                self._event(at, who, "product_view", **shoe, dwell_seconds=rng.choice((5, 40, 90)))
            elif kind == "gap":
                self._event(at, who, "product_view", **shoe)
                self._event(at + 45_000, who, "page_leave", product_id=shoe["product_id"], dwell_seconds=45)
            elif kind == "cart":
                self._event(at, who, "cart_add", **shoe, quantity=1)
            elif kind == "remove":
                self._event(at, who, "cart_remove", product_id=shoe["product_id"], quantity=1)
            elif kind == "buy":
                self._event(at, who, "purchase", order_id=f"o{self._number}", total=120, currency="EUR", products=[{**shoe, "quantity": 1}])
            elif kind == "refund":
                self._event(at, who, "refund", order_id=f"o{self._number}", amount=120)
            elif kind == "off":
                self._event(at, who, "email_unsubscribe", send_id="s")
            else:
                self._event(at, who, "page_view", page_type="pricing")

    def _event(self, at: int, who: str, event_type: str, **properties: Any) -> None:
        rng = self._rng
        self._number += 1
        delay = rng.choices((0, 20 * MINUTE, 3 * HOUR, 9 * HOUR), (30, 2, 2, 1))[0]
        body: dict[str, Any] = {"event_id": f"e{self._number}", "event_type": event_type, "customer_id": who, "timestamp": iso(at)}
        key: bytes | None = who.encode()
        luck = rng.random()
        if luck < 0.2:
            key = rng.choice((None, b"x", b"somebody", f'"{who}"'.encode()))
        elif luck < 0.22:
            body["customer_id"] = 17
        elif luck < 0.25:
            del body["event_id"], body["timestamp"]
        value = json.dumps({**body, "properties": properties}).encode()
        self._made.append(Arrival(at + delay, key, value))
        if rng.random() < 0.05:
            self._made.append(Arrival(at + delay + rng.choice((0, HOUR)), key, value))
