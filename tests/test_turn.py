"""The turn by itself: what it skips, steps, wakes, buries and hands out to be made durable."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import events
from app.agents.person_program import PersonProgram
from app.engine import rows as row_format
from app.engine import turn as turns
from app.engine.memory import MemoryStore
from app.engine.origin import Marks, pack_origin, read_origin
from app.engine.program import Output, Program
from app.engine.rows import MARKS, NEVER, Row, pack_value, read_header, row_key
from app.engine.turn import Segment, Turn
from app.events import Activation, Event, Tick
from app.flow import Stage
from tests import toy
from tests.faults.lane import Faults
from tests.faults.pipelines import Pipeline, ToyPipeline, run
from tests.faults.shop import ShopPipeline, packs

QUIET = Faults(kill=0, stop=0, rebalance=0, clock=0, compact=0, swap=0)
T = 1_767_225_600_000


@dataclass(frozen=True)
class Line:
    offset: int
    timestamp: int = T
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Lane:
    """A turn driven by hand: commits each segment to memory before it asks for the next."""

    program: Program = field(default_factory=toy.ToyLane)
    store: MemoryStore = field(default_factory=MemoryStore)
    offset: int = 0

    def lines(self, *records: Any) -> list[Line]:
        """Records or (record, origin) at the next offsets."""
        made = []
        for one in records:
            record, headers = (one[0], pack_origin(*one[1])) if isinstance(one, tuple) else (one, ())
            value = record if isinstance(record, bytes) else events.encode(record)
            made.append(Line(self.offset, T, getattr(record, "person_id", "").encode() or None, value, headers))
            self.offset += 1
        return made

    def turn(self, lines: Sequence[Any], stop_after: int | None = None) -> list[Segment]:
        done = []
        for segment in Turn(self.program, 0, self.store).segments(lines):
            self.store.keep(segment.rows, segment.marks, 0)
            done.append(segment)
            if stop_after is not None and len(done) == stop_after:
                break
        return done

    def run(self, *records: Any) -> list[Segment]:
        return self.turn(self.lines(*records))

    def tally(self, who: str = "ann") -> toy.Tally:
        return self.program.load(who.encode(), self.store.bodies(who.encode(), (b"p", b"h"))).tally  # type: ignore[no-any-return]


def outputs(segments: Sequence[Segment], topic: str | None = None) -> list[Output]:
    return [output for segment in segments for output in segment.outputs if topic in (None, output.topic)]


def event(kind: str, number: int = 0, who: str = "ann", at: int = T) -> Event:
    return Event(at, f"e{number}", kind, at, who)


def test_outputs_carry_where_they_come_from() -> None:
    lane = Lane()
    made = outputs(lane.run(event("see"), event("start", 1)))
    assert [(output.topic, read_origin(output.headers)) for output in made] == [
        ("decisions", (Stage.LANE, 0, 0, 0)),
        ("journal", (Stage.HANDED, 0, 1, 0)),
        ("decisions", (Stage.LANE, 0, 1, 1)),
    ]


def test_a_repeat_has_a_new_offset_but_the_same_origin() -> None:
    lane = Lane()
    first, repeat = (event("see"), (Stage.INTAKE, 2, 7, 0)), (event("see"), (Stage.INTAKE, 2, 7, 0))
    lane.run(first)
    assert outputs(lane.run(repeat)) == [] and lane.tally().count == 1
    assert outputs(lane.run((event("see", 1), (Stage.INTAKE, 2, 7, 1)))), "the same record's next output is news"
    assert lane.tally().count == 2


def test_what_was_handed_over_is_not_read_again() -> None:
    lane = Lane()
    lane.run((event("see"), (Stage.HANDED, 0, 5, 0)))
    assert lane.tally().count == 0 and lane.store.marks().applied == 0 and lane.store.marks().origins == {}


def test_offsets_applied_before_are_skipped() -> None:
    lane = Lane()
    lines = lane.lines(event("see"), event("see", 1))
    lane.turn(lines)
    assert lane.turn(lines) == [] and lane.tally().count == 2


def test_a_step_that_raises_changes_nothing_but_the_flag() -> None:
    lane = Lane()
    segments = lane.run(event("see"), event("raise", 1), event("see", 2, "bob"))
    assert [json.loads(output.value)[1] for output in outputs(segments, "dead_letters")] == ["defect"]
    assert sum(segment.defects for segment in segments) == 1
    assert lane.tally().count == 1 and lane.tally().fault and not lane.tally("bob").fault


def test_an_unreadable_record_is_buried_and_the_partition_moves_on() -> None:
    lane = Lane()
    segments = lane.run(b"\x01junk", event("see"))
    assert [json.loads(output.value)[1] for output in outputs(segments)[:1]] == ["undecodable"]
    assert lane.store.marks().applied == 1 and lane.tally().count == 1


def test_too_large_an_output_or_state_fails_its_record_alone() -> None:
    class Fat(toy.ToyLane):
        def step(self, group: Any, record: Any, moment: Any) -> Any:
            group, made = super().step(group, record, moment)
            if record.event_type == "shout":
                made = [Output("decisions", b"ann", b"x" * (turns.MAX_OUTPUT + 1))]
            elif record.event_type == "swell":
                group = toy.ToyGroup(group.tally, ("x" * turns.MAX_VALUE,))
            return group, made

    for kind in ("shout", "swell"):
        lane = Lane(Fat())
        segments = lane.run(event("see"), event(kind, 1), event("see", 2, "bob"), event("see", 3))
        assert [json.loads(output.value)[1] for output in outputs(segments, "dead_letters")] == ["too_large"], kind
        assert sum(segment.defects for segment in segments) == 0, "a large event is not our defect"
        assert (lane.tally().count, lane.tally("bob").count) == (2, 1)


def test_a_tick_that_wakes_nobody_still_writes_the_marks() -> None:
    # lane-findings 2.5: `now` of what follows depends on it
    lane = Lane()
    (segment,) = lane.run(Tick(T, 0, 500))
    assert [[key for key, _ in batch] for batch in segment.changelog] == [[MARKS]]
    assert lane.store.marks().now == T


def test_a_turn_is_cut_at_the_tick_that_wakes() -> None:
    lane = Lane()
    late = T + 10 * toy.WAIT
    segments = lane.run(Tick(T, T, 500), event("start"), Tick(late, late, 500), event("see", 1, at=late))
    assert [(segment.woken, [output.topic for output in segment.outputs]) for segment in segments] == [
        (0, ["journal", "decisions"]),
        (1, ["message_plans"]),
        (0, ["decisions"]),
    ]
    assert events.plans.decode(outputs(segments, "message_plans")[0].value).values["count"] == 1, "what comes after the tick is not seen"


def _forty() -> Lane:
    lane = Lane()
    lane.run(Tick(T, T, 500), *(event("start", number, f"p{number:02}") for number in range(40)))
    return lane


def test_slices_are_bounded_and_their_batches_carry_the_cursor() -> None:
    late = T + 10 * toy.WAIT
    with patch.object(turns, "SLICE", 15), patch.object(row_format, "BATCH_BYTES", 300):
        lane = _forty()
        *slices, done = lane.run(Tick(late, late, 500))
        assert [segment.woken for segment in slices] == [15, 15, 10]
        cursors = [Marks.decode(batch[-1][1]).cursor for segment in slices for batch in segment.changelog]
        people = [sum(key[:1] == b"p" for key, _ in batch) for segment in slices for batch in segment.changelog]
        assert cursors == [sum(people[: n + 1]) for n in range(len(people))], "one plan a person: the cursor is the people so far"
        assert (done.marks.applied, done.marks.cursor) == (41, 0)


def test_a_crash_between_slices_goes_on_where_it_was() -> None:
    late = T + 10 * toy.WAIT
    with patch.object(turns, "SLICE", 15):
        whole, cut = _forty(), _forty()
        expected = [(output.value, output.headers) for output in outputs(whole.run(Tick(late, late, 500)))]
        tick = cut.lines(Tick(late, late, 500))
        made = [*outputs(cut.turn(tick, stop_after=2)), *outputs(cut.turn(tick))]
        assert [(output.value, output.headers) for output in made] == expected
        assert cut.store.rows == whole.store.rows


def test_a_tick_that_woke_nobody_wakes_nobody_when_it_is_passed_again() -> None:
    # The changelog had the row of what came after the tick, and not yet the marks: fault simulation, shop, seed 411.
    late = T + 10 * toy.WAIT
    lane = Lane()
    lane.run(Tick(T, T, 500))
    before, lines = lane.store.marks(), lane.lines(Tick(late, late, 500), event("start", 1, at=T))
    (segment,) = lane.turn(lines)
    due = [at for at, _ in lane.store.waiting()]
    assert segment.woken == 0 and due and due[0] <= late, "due from the moment it opened"
    torn = Lane(offset=lane.offset)
    torn.store.keep(segment.rows, before, 0)
    assert outputs(torn.turn(lines)) == [] and torn.store.marks() == lane.store.marks()
    again = Tick(late + 500, late + 500, 500)
    assert outputs(torn.run(again)) == outputs(lane.run(again)) != []


def test_a_slice_ends_where_its_outputs_grow_too_big() -> None:
    late = T + 10 * toy.WAIT
    whole = _forty()
    expected = outputs(whole.run(Tick(late, late, 500)))
    size = len(expected[0].value)
    with patch.object(turns, "SEGMENT_BYTES", 10 * size - 1):
        cut = _forty()
        tick = cut.lines(Tick(late, late, 500))
        begun = cut.turn(tick, stop_after=2)
        assert [segment.woken for segment in begun] == [10, 10]
        assert outputs([*begun, *cut.turn(tick)]) == expected, "and a crash between two goes on where it was"
    assert cut.store.rows == whole.store.rows


def test_who_is_woken_is_let_go_with_her_slice() -> None:
    late = T + 10 * toy.WAIT
    lane = _forty()
    lines = lane.lines(event("see", 40, "p07"), Tick(late, late, 500), event("see", 41, "p07"))
    sizes: list[int] = []
    turn = Turn(lane.program, 0, lane.store)
    load = turn._load

    def weighed(keys: Any, held: Any) -> None:
        load(keys, held)
        sizes.append(len(held))

    with patch.object(turns, "SLICE", 10), patch.object(turn, "_load", weighed):
        for segment in turn.segments(lines):
            lane.store.keep(segment.rows, segment.marks, 0)
    assert max(sizes) <= 11 and lane.tally("p07").count == 3


def test_a_segment_ends_where_its_outputs_grow_too_big() -> None:
    records = [event("start", number, f"p{number:02}") for number in range(9)]
    idle = Tick(T, T, 500)
    whole, cut = Lane(), Lane()
    expected = whole.run(*records[:6], idle, *records[6:], idle)
    weight = expected[0].weight
    assert len(expected) == 1 and weight == sum(len(output.value) for output in expected[0].outputs)
    with patch.object(turns, "SEGMENT_BYTES", weight // 3):
        segments = cut.run(*records[:6], idle, *records[6:], idle)
    assert [segment.marks.applied for segment in segments] == [2, 5, 9, 10], "the second cut falls before a tick that wakes nobody"
    assert outputs(segments) == outputs(expected) and cut.store.rows == whole.store.rows


def test_an_activation_ends_its_segment_until_the_artifact_is_there() -> None:
    lane = Lane()
    segments = lane.run(event("see"), Activation(T, "policy", "s1@abc"), event("see", 1))
    assert [segment.needs for segment in segments] == ["s1@abc", None]
    assert lane.store.marks().active == {"policy": "s1@abc"}


def test_time_is_moved_by_ticks_alone() -> None:
    lane = Lane()
    ahead = outputs(lane.run(Tick(T, 0, 500), event("see", 0, at=T + 60_000)), "decisions")
    behind = outputs(lane.run(event("see", 1, at=T - 60_000)), "decisions")
    assert json.loads(ahead[0].value)[3] == T + 500, "an event is at most one interval ahead of the last tick"
    assert json.loads(behind[0].value)[3] == T, "and never behind it"


@cache
def _journals(name: str) -> list[list[Any]]:
    """Journals of an undisturbed run: what lay on them in the end, conclusions and answers included."""
    pipeline: Pipeline = ToyPipeline() if name == "toy" else ShopPipeline()
    cluster, found = run(pipeline, 3, QUIET)
    assert not found
    return [list(cluster.broker.log("journal", number).history) for number in range(cluster.broker.partitions)]


@pytest.mark.parametrize("name", ["toy", "shop"])
@pytest.mark.parametrize("size", [1, 7, 1000, 0], ids=["1", "7", "1000", "random"])
def test_only_the_order_counts(name: str, size: int) -> None:
    """Batches of 1, 7, 1,000 or any number of records, segments of any size: the same sends, decisions, conclusions and rows."""
    rng = Random(size)
    for records in _journals(name):
        one, other = (Lane(toy.ToyLane() if name == "toy" else PersonProgram(packs().__getitem__)) for _ in range(2))
        expected = outputs(one.turn(records))
        made, at = [], 0
        while at < len(records):
            step = size or rng.randint(1, 60)
            with patch.object(turns, "SEGMENT_BYTES", rng.choice([1, 500, 5000, 4_000_000])):
                made += outputs(other.turn(records[at : at + step]))
            at += step
        assert made == expected and len(made) > 50
        # Who had tags between two segments has an empty row of them; who had some and lost them within one has none.
        mine, theirs = ({key: value[17:] for key, value in store.rows.items()} for store in (other.store, one.store))
        for empty in [key for key in mine.keys() ^ theirs.keys() if key[:1] == b"w"]:
            assert mine.pop(empty, theirs.pop(empty, None)) == b""
        assert mine == theirs
        assert list(other.store.waiting()) == list(one.store.waiting())
        assert other.store.tags() == one.store.tags()


def test_rows_of_a_person_stand_in_one_batch_marks_last() -> None:
    lane = Lane()
    with patch.object(row_format, "BATCH_BYTES", 100):
        (segment,) = lane.run(*(event("long", number, f"p{number % 5}") for number in range(10)))
    batches = [[key for key, _ in batch] for batch in segment.changelog]
    assert len(batches) == 5 and batches[-1][-1] == MARKS
    rows = [sorted(key for key in batch if key != MARKS) for batch in batches]
    assert rows == [[b"hp%d" % number, b"pp%d" % number] for number in range(5)]


def test_versions_are_not_guessed_at() -> None:
    value = pack_value(7, NEVER, b"body")
    assert read_header(value) == (7, NEVER)
    with pytest.raises(ValueError, match="version 9"):
        read_header(b"\x09" + value[1:])
    with pytest.raises(ValueError, match="version 9"):
        Marks.decode(b"\x09" + Marks().encode()[1:])


dues = st.one_of(st.just(NEVER), st.integers(0, 20))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), dues), max_size=40), st.integers(0, 20))
def test_the_due_index_is_the_sorted_list_of_who_waits(changes: list[tuple[str, int]], upto: int) -> None:
    store, waiting = MemoryStore(), dict[bytes, int]()
    for who, due in changes:
        key = who.encode()
        store.keep([Row(row_key(b"p", key), pack_value(0, due, b""), due, waiting.get(key, NEVER))], Marks(), 0)
        waiting[key] = due
        expected = sorted((due, key) for key, due in waiting.items() if due != NEVER)
        assert list(store.waiting()) == expected
        assert store.due(upto, 2) == store.due(upto, 2) == [key for due, key in expected if due <= upto][:2]
        assert store.next_due() == (expected[0][0] if expected else None)


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 1), st.integers(0, 5), st.integers(0, 2)), max_size=30))
def test_marks_let_each_origin_pass_once_if_it_comes_in_order(origins: list[tuple[int, int, int, int]]) -> None:
    marks, last = Marks(), dict[tuple[int, int], tuple[int, int]]()
    for stage, partition, offset, index in origins:
        known = last.get((stage, partition), (-1, -1)) >= (offset, index)
        assert marks.seen(stage, partition, offset, index) is known
        if not known:
            last[stage, partition] = (offset, index)
    assert Marks.decode(marks.encode()) == marks
