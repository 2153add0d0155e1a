"""The person lane's program: a step that raises costs one record, flags one person, and can be made good."""

from __future__ import annotations

import json

import msgspec
import pytest

from app import events
from app.agents.person_program import PersonProgram
from app.domain import profile
from app.domain.person import MAX_FAULTS, Person, faulted, resolved
from app.domain.publishing import EVERY_MS, Told
from app.engine.memory import MemoryStore
from app.engine.program import Output
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Activation, DeadLetter, Event, Retry, Tick
from app.policy.pack import compile_artifact
from tests.shop import HOUR, MONDAY, artifact

REF, DATA = artifact("s1")
PACK = compile_artifact(REF, DATA)


class Lane:
    def __init__(self, publishes: bool = False) -> None:
        self.store = MemoryStore()
        program = PersonProgram(lambda ref: PACK, frozenset({"consent", "address"}), publishes=publishes)
        self.turn = Turn(program, 0, self.store)
        self.program = program
        self.offset = 0
        self.outputs: list[Output] = []
        self.defects = 0
        self.put(Activation(MONDAY, "policy", REF))

    def put(self, record: msgspec.Struct) -> None:
        key = getattr(record, "person_id", None)
        line = Logged(self.offset, 0, key and key.encode(), events.encode(record))
        self.offset += 1
        for segment in self.turn.segments([line]):
            self.outputs += segment.outputs
            self.defects += segment.defects
            self.store.keep(segment.rows, segment.marks, 0)

    def letters(self) -> list[DeadLetter]:
        return [msgspec.json.decode(one.value, type=DeadLetter) for one in self.outputs if one.topic == "dead_letters"]

    def person(self, person_id: str = "p") -> Person:
        group = self.program.load(person_id.encode(), self.store.bodies(person_id.encode(), self.program.row_kinds))
        return group.person

    def reasons(self) -> list[str | None]:
        decisions = [json.loads(one.value) for one in self.outputs if one.topic == "decisions"]
        return [one["reason"] for one in decisions if one["outcome"] == "not_sent"]


def view(n: int, person_id: str = "p") -> Event:
    properties = {"product_id": f"p{n}", "category": "shoes", "price": 10, "dwell_seconds": 40}
    return Event(MONDAY, f"v{n}", "product_view", MONDAY, person_id, "ann", properties=properties)


def test_publishing_a_profile_rewrites_the_smallest_row_alone() -> None:
    lane = Lane(publishes=True)

    def profiles() -> int:
        return [one.topic for one in lane.outputs].count("profiles")

    def told() -> Told:
        return lane.program.load(b"p", lane.store.bodies(b"p", lane.program.row_kinds)).told

    lane.put(view(1))
    assert (profiles(), told()) == (1, Told(MONDAY))
    lane.put(view(2))
    assert (profiles(), told()) == (1, Told(MONDAY, behind=True))
    before = dict(lane.store.rows)
    assert {key[:1] for key in before if key[1:] == b"p"} == {b"d", b"p", b"w"}
    later = MONDAY + EVERY_MS
    lane.put(Tick(later, later, 500))
    assert (profiles(), told()) == (2, Told(later))
    changed = [key for key, value in lane.store.rows.items() if value != before.get(key)]
    assert changed == [b"dp"] and len(lane.store.rows[b"dp"]) < 30
    lane.put(Tick(MONDAY + 2 * EVERY_MS, MONDAY + 2 * EVERY_MS, 500))
    assert profiles() == 2


def test_a_step_that_raises_is_rolled_back_flagged_and_fed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane()
    lane.put(view(1))
    before = lane.person()
    with monkeypatch.context() as broken:
        # The defect is in the last agent of the lane: what the three before it did must not stay.
        def raises(*_: object) -> None:
            raise ZeroDivisionError("a defect of ours")

        broken.setattr("app.domain.windows._event", raises)
        lane.put(view(2))
    assert lane.defects == 1
    (letter,) = lane.letters()
    assert (letter.reason, letter.topic, letter.offset) == ("defect", "journal", 2)
    assert "ZeroDivisionError: a defect of ours" in letter.violations[0]["message"]
    assert lane.person() == faulted(before, letter.letter_id), "nothing of the record stayed but the flag"
    lane.put(view(3, "somebody else"))
    lane.put(Tick(MONDAY + 3 * HOUR, MONDAY + 3 * HOUR, 500))
    assert lane.reasons() == ["fault", "fault"], "both steps of her window; the other person is not held up"
    assert [one.topic for one in lane.outputs].count("addressed_plans") == 1
    # Mended: the letter is fed back, once, however often it is replayed.
    retry = Retry(MONDAY + 3 * HOUR, "p", letter.letter_id, events.encode(view(2)))
    lane.put(retry)
    after = lane.person()
    assert after.faults == ()
    assert {one.product.product_id for one in after.profile.recent} == {"p1", "p2"}
    lane.put(retry)
    assert lane.person() == after


def test_a_wake_up_that_raises_costs_that_person_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = Lane()
    lane.put(view(1))
    lane.put(view(2, "q"))
    real = profile.address

    def raises(part: profile.Profile, person: Person, assume: frozenset[str]) -> object:
        if person.person_id == "p":
            raise ZeroDivisionError
        return real(part, person, assume)

    with monkeypatch.context() as broken:
        broken.setattr(profile, "address", raises)
        for name in ("app.domain.gate.address", "app.domain.plan.address"):
            broken.setattr(name, raises, raising=False)
        lane.put(Tick(MONDAY + 3 * HOUR, MONDAY + 3 * HOUR, 500))
    assert [letter.reason for letter in lane.letters()] == ["defect"]
    assert lane.person("p").faults and not lane.person("q").faults
    assert [one.topic for one in lane.outputs].count("addressed_plans") == 1
    lane.put(Tick(MONDAY + 3 * HOUR + 500, MONDAY + 3 * HOUR + 500, 500))
    assert lane.defects == 1, "she waits for nothing until her letter is fed back"


def test_faults_are_bounded() -> None:
    person = Person("p")
    for n in range(MAX_FAULTS + 5):
        person = faulted(person, str(n))
    assert len(person.faults) == MAX_FAULTS
    for n in range(MAX_FAULTS):
        person = resolved(person, str(n))
    assert person.faults == ()


def test_undecodable_and_foreign_records_are_buried() -> None:
    lane = Lane()
    for value in (b"", b"\x00", b"\x01\xff", bytes([events.ENCODING + 1]) + events.encode(view(1))[1:]):
        line = Logged(lane.offset, 0, b"p", value)
        lane.offset += 1
        for segment in lane.turn.segments([line]):
            lane.outputs += segment.outputs
            lane.store.keep(segment.rows, segment.marks, 0)
    assert [letter.reason for letter in lane.letters()] == ["undecodable"] * 4
