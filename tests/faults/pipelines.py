"""What the cluster runs: the toy pipeline, dense in everything the engine must get right, and the shop with the real programs."""

from __future__ import annotations

import json
import traceback
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any, Protocol
from unittest.mock import patch

import msgspec

from app import events
from app.engine import rows, turn
from app.events import Broadcast, Event
from tests import toy
from tests.faults.broker import Stored
from tests.faults.cluster import MINUTE, Arrival, Cluster
from tests.faults.lane import Faults, Stage
from tests.faults.oracle import Fault, Made, Model, differences


class Pipeline(Protocol):
    """Programs, workload and the model that foretells them."""

    name: str
    lane: Any
    """Class of the lane's program."""
    cancels: frozenset[str]
    """Event types that end waits."""

    def without_dedupe(self) -> Any:
        """The patch that makes intake forget ids."""

    def cluster(self, seed: int, faults: Faults | None = None) -> Cluster: ...
    def model(self) -> Model: ...


START = 1_767_225_600_000


class ToyModel:
    """The naive side of tests/toy.py."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()

    def accept(self, record: Stored, partition: int, seen: dict[Any, Any]) -> list[Made]:
        try:
            body = json.loads(record.value or b"")
        except ValueError:
            return [("dead_letters", self.letter("intake", "contract", record, partition))]
        if body["id"] in seen:
            return []
        seen[body["id"]] = True
        if body["kind"] == "news":
            news = Broadcast(record.timestamp, toy.thing(body["id"]), "news", {"id": body["id"]})
            return [("journal", events.encode(news))] * toy.PARTITIONS
        return [("journal", events.encode(Event(record.timestamp, body["id"], body["kind"], record.timestamp, body["who"])))]

    def fresh(self, person_id: str) -> toy.ToyGroup:
        return toy.ToyGroup(toy.Tally(person_id))

    def step(self, state: Any, record: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Any, list[Made]]:
        try:
            state, outputs = toy.toy_step(state, record, now, low_water)
        except RuntimeError as error:
            raise Fault from error
        return state, [(output.topic, output.value) for output in outputs]

    def wake(self, state: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Any, list[Made]]:
        state, outputs = toy.toy_wake(state, now, low_water)
        return state, [(output.topic, output.value) for output in outputs]

    def faulted(self, state: Any, record: Stored) -> Any:
        return toy.faulted(state)

    def due(self, state: toy.ToyGroup) -> int:
        return min((due for due, _ in state.tally.waits), default=-1)

    def rows(self, state: toy.ToyGroup) -> dict[bytes, bytes]:
        rows = {b"p": msgspec.msgpack.encode(state.tally)}
        if state.tally.likes:
            rows[b"w"] = toy.toy_tags(state)
        return {**rows, b"h": msgspec.msgpack.encode(state.long)} if state.long else rows

    def concerned(self, state: toy.ToyGroup, record: Broadcast, active: dict[str, str]) -> bool:
        return state.tally.likes == record.product_id

    def whole(self, cluster: Cluster, people: dict[str, Any]) -> Iterator[str]:
        yield from ()

    def render(self, record: Any) -> list[Made]:
        return [(output.topic, output.value) for output in toy.toy_render(record)]

    def post(self, key: bytes, record: Any, boxes: dict[bytes, Any]) -> list[Made]:
        raise AssertionError("the toy lane plans for the renderer")

    def letter(self, stage: str, reason: str, record: Stored, partition: int) -> bytes:
        return json.dumps([stage, reason, f"{partition}/{record.offset}/{(record.key or b'').decode()}"]).encode()

    def plain(self, made: Made) -> Made:
        return made


class ToyPipeline:
    """Dense: every second event starts a wait, waits are ten ticks long, states and batches small."""

    name = "toy"
    lane: Any = toy.ToyLane
    cancels = frozenset({"stop"})

    def without_dedupe(self) -> Any:
        right = toy.ToyIntake.step
        return patch.object(toy.ToyIntake, "step", lambda self, group, record, moment: right(self, toy.Ids(), record, moment))

    def arrivals(self, rng: Random, count: int = 250, people: int = 50) -> list[Arrival]:
        """Bursts, repeats of ids, records that break the contract and records that raise."""
        arrivals: list[Arrival] = []
        at = START
        for number in range(count):
            at += rng.choice((0, 0, 0, MINUTE, MINUTE, 2 * MINUTE)) // 2
            # People come one after the other, stay a while and seldom return: most rows are never written again.
            who = f"p{max(0, people * number // count - int(rng.expovariate(0.4)))}"
            kind = rng.choices(("start", "see", "stop", "long", "raise", "news"), (8, 6, 2, 4, 0.2, 0.6))[0]
            value = json.dumps({"id": f"e{number}", "who": who, "kind": kind}).encode()
            if arrivals and rng.random() < 0.05:
                again = rng.choice(arrivals)
                arrivals.append(Arrival(at, again.key, again.value))
            elif rng.random() < 0.02:
                arrivals.append(Arrival(at, who.encode(), b"{broken"))
            else:
                arrivals.append(Arrival(at, who.encode(), value))
        return arrivals

    def cluster(self, seed: int, faults: Faults | None = None) -> Cluster:
        arrivals = self.arrivals(Random(seed))
        stages = (
            Stage("intake", "customer_events", "identifiers", toy.ToyIntake()),
            Stage("lane", "journal", "people", toy.ToyLane()),
            Stage("renderer", "message_plans", "renders", toy.ToyRenderer()),
        )
        return Cluster(seed, stages, arrivals, arrivals[-1].at + 3 * toy.WAIT, interval=2 * MINUTE, faults=faults)

    def model(self) -> Model:
        return ToyModel()


SEGMENTS = (300, 3_000, turn.SEGMENT_BYTES)
"""Bytes of outputs after which a segment ends, by seed."""


def run(pipeline: Pipeline, seed: int, faults: Faults | None = None) -> tuple[Cluster, list[str]]:
    """One run to rest and everything wrong with it. Slices, segments and producer batches are small, so that crashes fall between them."""
    segment = SEGMENTS[seed % len(SEGMENTS)]
    with patch.object(turn, "SLICE", 6), patch.object(turn, "SEGMENT_BYTES", segment), patch.object(rows, "BATCH_BYTES", 100):
        cluster = pipeline.cluster(seed, faults)
        try:
            cluster.run()
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            return cluster, [f"{type(error).__name__} in {place.name}: {error}"]
    model = pipeline.model()
    found = differences(cluster, model)
    cluster.tally = model.tally
    return cluster, found
