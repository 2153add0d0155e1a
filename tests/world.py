"""Intake and lane of several partitions with everything between them under way for as long as the scheduler likes; no crashes, no Kafka.

What a lane writes to one partition arrives in order; beside that anything overtakes anything. Ticks keep the clock's promise and no more:
a tick's low-water mark says that every event that arrived by then, and what intake itself put back of it, has been read by intake.
"""

from __future__ import annotations

import json
from collections import deque
from random import Random
from typing import Any

from app import events
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.domain.identifier import EMPTY, Identifier
from app.domain.identity import person_id
from app.domain.person import Group, is_stub
from app.engine.memory import MemoryStore
from app.engine.origin import pack_origin
from app.engine.partition import partition_of
from app.engine.program import Output
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Activation, Addressed, Plan, Rendered, Tick, iso
from app.flow import Stage
from app.policy.pack import compile_artifact
from tests.her import UNGATED
from tests.shop import MONDAY, artifact

SECRET = "secret"
Place = tuple[str, int]
"""(topic, partition)"""


class Reading:
    """A lane: its turn, its store, and how far it has read."""

    def __init__(self, program: Any, partition: int) -> None:
        self.program, self.store, self.position = program, MemoryStore(), 0
        self.turn = Turn(program, partition, self.store)


class World:
    """`pack`: of all partitions from the start. Everybody has consent and an address."""

    def __init__(self, rng: Random, partitions: int = 3, pack: str = UNGATED) -> None:
        self.rng, self.partitions = rng, partitions
        self.pack = compile_artifact(*artifact(pack))
        self.now = self.ticked = MONDAY
        self.logs: dict[Place, list[Logged]] = {}
        self.hops: dict[Place, list[int]] = {}
        """Beside each record of customer_events how often intake has put it, or what it comes from, back."""
        self.flying: dict[tuple[Place, Place], deque[tuple[bytes | None, bytes, Any, int]]] = {}
        """(writing lane, partition) → what is on its way there."""
        self.lanes: dict[Place, Reading] = {}
        self.plans: list[tuple[Plan, int]] = []
        """Each with the low-water mark it was decided at."""
        self.decisions: list[dict[str, Any]] = []
        self.letters: list[str] = []
        self.answers, self.hold_answers = 0, False
        for number in range(partitions):
            intake = IntakeProgram(SECRET, 5_000, partition_of_key=lambda key: partition_of(key, partitions))
            self.lanes["customer_events", number] = Reading(intake, number)
            lane = PersonProgram(lambda ref: self.pack, frozenset({"consent", "address"}))
            self.lanes["journal", number] = Reading(lane, number)
            self._append(("journal", number), None, events.encode(Activation(MONDAY, "policy", self.pack.ref)))

    # --- what happens -----------------------------------------------------------------------------------------------------------

    def event(self, event_id: str, event_type: str, customer: str | None, device: str | None, key: str | None = "", **more: Any) -> None:
        """Arrives now. `key`: another than its own; None: without."""
        body = {"event_id": event_id, "event_type": event_type, "timestamp": iso(self.now), "properties": more}
        body |= {name: told for name, told in (("customer_id", customer), ("anonymous_id", device)) if told}
        raw = (customer or device or "").encode() if key == "" else None if key is None else key.encode()
        place = ("customer_events", 0 if raw is None else partition_of(raw, self.partitions))
        self._append(place, raw, json.dumps(body).encode())

    def record(self, key: bytes, value: bytes, headers: Any) -> None:
        """Something on customer_events that is no event, as its producer has it."""
        self._append(("customer_events", partition_of(key, self.partitions)), key, value, headers)

    def answer(self, plan: Plan) -> None:
        """The renderer has written the message."""
        answer = Rendered(plan.at, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step)
        place = ("journal", partition_of(plan.person_id.encode(), self.partitions))
        self.answers += 1
        record = (plan.person_id.encode(), events.encode(answer), pack_origin(Stage.RENDERER, 0, self.answers, 0), 0)
        self.flying.setdefault((("message_plans", 0), place), deque()).append(record)

    def pass_time(self, ms: int) -> None:
        self.now += ms

    def some(self, steps: int, without: Place | None = None) -> None:
        """Lets a few things happen, in any order. `without`: a lane that does not get on."""
        for _ in range(steps):
            ready = self._ready(without)
            if not ready:
                return
            self._do(*self.rng.choice(ready))
            if self.rng.random() < 0.05:
                self.tick()

    def rest(self, without: Place | None = None) -> None:
        """Until nothing is left to do."""
        while ready := self._ready(without):
            self._do(*self.rng.choice(ready))

    def tick(self) -> bool:
        """Time passes in every partition of the journal, if the clock could say so."""
        if not self._low_water():
            return False
        self.ticked = self.now
        tick = events.encode(Tick(self.now, self.now, 500))
        for number in range(self.partitions):
            # The clock's own channel: what intake has written by now lies before it.
            self._land_all(("journal", number), "customer_events")
            self._append(("journal", number), None, tick)
        return True

    def run_to(self, at: int, step: int) -> None:
        """At rest, tick by tick."""
        while self.now < at:
            self.now = min(at, self.now + step)
            self.rest()
            assert self.tick()
            self.rest()

    # --- what came of it --------------------------------------------------------------------------------------------------------

    def row(self, name: str) -> Identifier:
        """Intake's row of an identifier, `c:` or `a:` before the id."""
        lane = self.lanes["customer_events", partition_of(name[2:].encode(), self.partitions)]
        body = lane.store.bodies(name.encode(), (b"p",))[0]
        return EMPTY if body is None else lane.program.load(name.encode(), [body])  # type: ignore[no-any-return]

    def group(self, who: str) -> Group:
        """A person's rows."""
        lane = self.lanes["journal", partition_of(who.encode(), self.partitions)]
        return lane.program.load(who.encode(), lane.store.bodies(who.encode(), lane.program.row_kinds))  # type: ignore[no-any-return]

    def who(self, name: str) -> str:
        """The person to whom an event of this identifier would come now."""
        row = self.row(name)
        who = (row.links.to if row.links is not None else "") or person_id(SECRET, name)
        passed: set[str] = set()
        while is_stub(person := self.group(who).person):
            assert who not in passed, f"{name} goes round in a circle"
            passed.add(who)
            assert person.merging is not None
            who = person.merging.into
        return who

    def people(self) -> list[Group]:
        """Everybody who is not somebody else by now."""
        keys = [(lane, key) for (topic, _), lane in self.lanes.items() if topic == "journal" for key in lane.store.keys(b"p")]
        groups = [lane.program.load(key, lane.store.bodies(key, lane.program.row_kinds)) for lane, key in keys]
        return [group for group in groups if not is_stub(group.person)]

    # --- inside -----------------------------------------------------------------------------------------------------------------

    def _append(self, place: Place, key: bytes | None, value: bytes, headers: Any = (), hops: int = 0) -> None:
        log = self.logs.setdefault(place, [])
        log.append(Logged(len(log), self.now, key, value, headers))
        self.hops.setdefault(place, []).append(hops)

    def _ready(self, without: Place | None) -> list[tuple[str, Any]]:
        ready: list[tuple[str, Any]] = [("land", way) for way, queue in self.flying.items() if queue]
        reading = [place for place, lane in self.lanes.items() if lane.position < len(self.logs.get(place, ())) and place != without]
        return ready + [("read", place) for place in reading]

    def _do(self, what: str, which: Any) -> None:
        if what == "land":
            key, value, headers, hops = self.flying[which].popleft()
            self._append(which[1], key, value, headers, hops)
            if headers and self.rng.random() < 0.1:
                self._append(which[1], key, value, headers, hops)  # as after a crash
            return
        lane = self.lanes[which]
        line, hops = self.logs[which][lane.position], self.hops[which][lane.position]
        lane.position += 1
        for segment in lane.turn.segments([line]):
            assert not segment.defects, [output.value for output in segment.outputs if output.topic == "dead_letters"]
            for output in segment.outputs:
                self._write(which, output, hops + 1, segment.marks.low_water)
            lane.store.keep(segment.rows, segment.marks, 0)

    def _write(self, source: Place, output: Output, hops: int, low_water: int) -> None:
        if output.topic == "addressed_plans":
            told = events.addressed.decode(output.value)
            if not isinstance(told, Addressed):
                return
            plan = events.plans.decode(told.plan)
            self.plans.append((plan, low_water))
            if not self.hold_answers:
                self.answer(plan)
        elif output.topic == "decisions":
            self.decisions.append(json.loads(output.value))
        elif output.topic == "dead_letters":
            self.letters.append(json.loads(output.value)["reason"])
        if output.topic in ("journal", "customer_events"):
            assert output.key is not None
            place = (output.topic, partition_of(output.key, self.partitions))
            self.flying.setdefault((source, place), deque()).append((output.key, output.value, output.headers, hops))

    def _land_all(self, place: Place, topic: str) -> None:
        for (source, to), queue in self.flying.items():
            while to == place and source[0] == topic and queue:
                key, value, headers, hops = queue.popleft()
                self._append(to, key, value, headers, hops)

    def _low_water(self) -> bool:
        """Whether intake has read every event, and everything once put back."""
        if any(hops <= 1 for (_, to), queue in self.flying.items() if to[0] == "customer_events" for *_, hops in queue):
            return False
        for place, lane in self.lanes.items():
            if place[0] == "customer_events" and any(hops <= 1 for hops in self.hops.get(place, ())[lane.position :]):
                return False
        return True
