"""Intake: an accepted event is in the journal once, under its person; a broken one is a letter; nothing stops the partition."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from app import events
from app.agents.intake_program import IntakeProgram
from app.domain import identifier
from app.domain.identifier import EMPTY, MAX_IDS, MAX_SOURCES, admit
from app.domain.identity import person_id
from app.engine.memory import MemoryStore
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.turn import Turn
from app.flow import Stage

AT = 1_772_446_500_000
HOUR = 3_600_000


class Raw(Struct):
    """A record as the consumer hands it out."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class Partition:
    """Intake's real turn over one partition of customer_events; what it wrote, by topic."""

    def __init__(self, number: int = 0, bot_limit: int = 5000, own: Any = None) -> None:
        self.store = MemoryStore()
        self.program = IntakeProgram("secret", bot_limit, partition_of_key=own)
        self.turn = Turn(self.program, number, self.store)
        self.offset = 0
        self.written: list[Output] = []

    def take(self, records: Iterable[Raw], batch: int = 1000) -> list[Output]:
        """One turn a batch; what it wrote."""
        waiting = list(records)
        before = len(self.written)
        for start in range(0, len(waiting), batch):
            for segment in self.turn.segments(waiting[start : start + batch]):
                self.written += segment.outputs
                self.store.keep(segment.rows, segment.marks, 0)
        return self.written[before:]

    def send(
        self, value: bytes | dict[str, Any], key: bytes | None = b"c-9", at: int = AT, headers: Sequence[tuple[str, bytes]] = ()
    ) -> list[Output]:
        """One record, one turn."""
        record = Raw(self.offset, at, key, value if isinstance(value, bytes) else json.dumps(value).encode(), headers)
        self.offset += 1
        return self.take([record])

    def journal(self) -> list[events.Event]:
        return [events.journal.decode(output.value) for output in self.written if output.topic == "journal"]


def view(event_id: str | None = None, customer: str = "c-9", **more: Any) -> dict[str, Any]:
    return {"event_type": "product_view", "customer_id": customer, **({"event_id": event_id} if event_id else {}), **more}


def letter(output: Output) -> dict[str, Any]:
    assert output.topic == "dead_letters"
    return json.loads(output.value)  # type: ignore[no-any-return]


# --- accepted -----------------------------------------------------------------------------------------------------------------


#
def test_the_guides_flat_event_reaches_the_journal_under_its_person() -> None:
    (output,) = Partition().send({"customer_id": "c-9", "event_type": "product_view", "product_category": "shoes"})
    event = events.journal.decode(output.value)
    assert (output.topic, output.key) == ("journal", person_id("secret", "c:c-9").encode())
    assert (event.at, event.ts, event.event_type, event.customer_id) == (AT, AT, "product_view", "c-9")
    assert event.properties == {"product_category": "shoes"}
    assert event.person_id == person_id("secret", "c:c-9") and len(event.person_id) == 32


def test_a_customer_and_a_device_of_one_name_are_two_people() -> None:
    partition = Partition()
    partition.send(view("1"))
    partition.send({"event_type": "product_view", "anonymous_id": "c-9", "event_id": "1"})
    assert len({event.person_id for event in partition.journal()}) == 2


def test_three_equal_flat_views_are_three_and_one_sent_thrice_with_a_time_is_one() -> None:
    partition = Partition()
    for _ in range(3):
        partition.send({"customer_id": "c-9", "event_type": "product_view", "product_category": "shoes"})
    for _ in range(3):
        partition.send({"customer_id": "c-9", "event_type": "cart_add", "timestamp": "2026-03-02T10:00:00Z"})
    assert [event.event_type for event in partition.journal()] == ["product_view"] * 3 + ["cart_add"]


def test_a_duplicate_writes_nothing_at_all() -> None:
    partition = Partition()
    partition.send(view("e-1"))
    rows = dict(partition.store.rows)
    assert partition.send(view("e-1", price=5)) == []
    assert partition.store.rows == rows and partition.program.counted["duplicate"] == 1


def test_a_clock_ahead_is_marked_in_the_journal() -> None:
    partition = Partition()
    partition.send(view("e-1", timestamp="2031-01-01T00:00:00Z"))
    assert (partition.journal()[0].ts, partition.journal()[0].future) == (AT, True)


def test_journal_time_is_the_clocks_map_of_broker_time() -> None:
    partition = Partition()
    partition.program._clock = lambda timestamp: AT + (timestamp - 7) * 100
    partition.send(view("e-1"), at=9)
    assert partition.journal()[0].at == partition.journal()[0].ts == AT + 200


# --- keys ---------------------------------------------------------------------------------------------------------------------


def test_wrongly_keyed_and_unkeyed_records_go_back_once_and_are_accepted_there() -> None:
    for key in (None, b"", b"c-8", b"'c-9'", b'"c-9'):
        wrong, right = Partition(3), Partition(5)
        wrong.offset = 7
        (back,) = wrong.send(view(), key=key)
        assert (back.topic, back.key, back.headers) == ("customer_events", b"c-9", pack_origin(Stage.REKEY, 3, 7, 0))
        assert wrong.store.rows == {}, "an identifier that passes through leaves no row"
        (accepted,) = right.send(back.value, key=back.key, headers=back.headers)
        assert events.journal.decode(accepted.value).properties == {}
        assert right.send(back.value, key=back.key, headers=back.headers) == []


def test_what_is_put_back_keeps_its_bytes_or_the_id_of_its_first_place() -> None:
    wrong = Partition()
    (told,) = wrong.send(view("e-1", price=1.50), key=None)
    assert json.loads(told.value) == view("e-1", price=1.50)
    (timed,) = wrong.send(view(timestamp="2026-03-02T10:15:00Z"), key=None)
    assert json.loads(timed.value) == view(timestamp="2026-03-02T10:15:00Z")
    first, second = (json.loads(wrong.send(view(), key=None)[0].value)["event_id"] for _ in range(2))
    assert first != second


def test_a_record_put_back_twice_by_a_crash_is_skipped_however_much_came_between() -> None:
    wrong, right = Partition(1), Partition(0, bot_limit=10**6)
    backs = [wrong.send(view(f"e-{n}"), key=None)[0] for n in range(2 * MAX_IDS)]
    for again in (backs, backs[3:], backs):
        for back in again:
            right.send(back.value, key=back.key, headers=back.headers)
    assert [event.event_id for event in right.journal()] == [f"e-{n}" for n in range(2 * MAX_IDS)]
    assert right.program.counted["repeated"] == 4 * MAX_IDS - 3


def test_right_keys() -> None:
    for key in (b"c-9", b'"c-9"'):
        (output,) = Partition().send(view(), key=key)
        assert output.topic == "journal"
    (output,) = Partition(2, own=lambda key: {b"c-9": 2}[key]).send(view(), key=b"other")
    assert output.topic == "journal", "its own partition: no detour"
    (output,) = Partition(2, own=lambda key: 1).send(view(), key=b"other")
    assert output.topic == "customer_events"
    (output,) = Partition().send({"event_type": "page_view", "customer_id": None, "anonymous_id": "ä"}, key="ä".encode())
    assert output.topic == "journal"


def test_forged_origins_of_outside_producers_silence_nobody() -> None:
    partition = Partition()
    far = 2**62
    for stage in Stage:
        partition.send(view(f"forged-{stage}", customer="mallory"), key=b"mallory", headers=pack_origin(stage, 1, far, 0))
    assert len(partition.journal()) == len(Stage)
    (output,) = partition.send(view("e-1"), headers=pack_origin(Stage.REKEY, 1, 5, 0))
    assert output.topic == "journal"
    partition.send(view("e-2"), headers=pack_origin(Stage.HANDED, 1, 5, 0))
    partition.send(view("e-3"), headers=[("o", b"short"), ("other", b"x" * 15)])
    assert [event.event_id for event in partition.journal()][-3:] == ["e-1", "e-2", "e-3"]


# --- refused ------------------------------------------------------------------------------------------------------------------


def test_a_broken_event_becomes_a_letter_and_the_partition_moves_on() -> None:
    partition = Partition(4)
    bad = [b"not json", b'{"event_type": "product_view", "customer_id": "c", "price": NaN}', b"[" * 9999, b"\xff", b"", b"{}"]
    bad += [json.dumps(view(price="x", properties={"quantity": []})).encode()]
    for n, value in enumerate(bad):
        found = letter(partition.send(value)[0])
        assert (found["stage"], found["reason"], found["topic"], found["partition"], found["offset"]) == (
            "intake",
            "contract",
            "customer_events",
            4,
            n,
        )
        assert base64.b64decode(found["value"]) == value and base64.b64decode(found["key"]) == b"c-9" and found["at"] == events.iso(AT)
        assert found["letter_id"] == events.derived_id("dead", "intake", "customer_events", "4", str(n))
    assert [one["path"] for one in found["violations"]] == ["/properties/quantity", "/price"]
    assert partition.send(view("fine"))[0].topic == "journal"
    assert partition.store.marks().applied == len(bad)


def test_five_megabytes_are_refused_and_cut() -> None:
    partition = Partition()
    (output,) = partition.send(b"x" * 5_000_000, key=b"k" * 1_000_000)
    found = letter(output)
    assert (found["reason"], found["truncated"]) == ("too_large", True)
    assert len(base64.b64decode(found["value"])) == 256 * 1024
    assert len(output.value) < 512 * 1024 and len(output.key or b"") == 4096
    assert partition.take([Raw(1, AT, None, None)])[0].topic == "dead_letters"


def test_an_event_that_grows_beyond_the_journals_limit_fails_alone() -> None:
    numbers = [0.1] * 60_000
    value = json.dumps(view("big", properties={"x": numbers}), separators=(",", ":")).encode()
    assert len(value) < 256 * 1024
    partition = Partition()
    assert letter(partition.send(value)[0])["reason"] == "too_large"
    assert partition.send(view("big"))[0].topic == "journal"


def test_unknown_types_nul_and_four_byte_text() -> None:
    partition = Partition()
    partition.send('{"event_type": "wheel_spin", "customer_id": "c\\u0000-9", "properties": {"prize": "🎁\\u0000"}}'.encode())
    (event,) = partition.journal()
    assert (event.event_type, event.customer_id, event.properties) == ("wheel_spin", "c-9", {"prize": "🎁"})


# --- limits -------------------------------------------------------------------------------------------------------------------


def test_one_person_with_50_000_events_is_a_bot_and_costs_a_bounded_row() -> None:
    partition = Partition()
    lines = (json.dumps(view(f"e-{n}")).encode() for n in range(50_000))
    partition.take((Raw(n, AT + n // 20, b"c-9", line) for n, line in enumerate(lines)), batch=5_000)
    journal = partition.journal()
    assert len(journal) == 50_000
    assert [event.bot for event in journal] == [False] * 5_000 + [True] * 45_000
    assert max(map(len, partition.store.rows.values())) < 8_000
    partition.offset = 50_000
    partition.send(view("next-hour"), at=AT + HOUR)
    assert partition.journal()[-1].bot is False


def test_an_id_is_remembered_for_48_hours() -> None:
    row, *_ = admit(EMPTY, "e", AT, 9)
    row, *_ = admit(row, "other", AT + 30 * HOUR, 9)
    assert admit(row, "e", AT + 48 * HOUR, 9)[1] == "duplicate"
    row, verdict, _ = admit(row, "e", AT + 48 * HOUR + 1000, 9)
    assert verdict == "new" and len(row.ids) == 16 and len(row.times) == 8
    assert admit(row, "other", AT + 50 * HOUR, 9)[1] == "duplicate"


def test_512_ids_are_remembered() -> None:
    row = EMPTY
    for n in range(MAX_IDS + 1):
        row, verdict, _ = admit(row, f"e-{n}", AT, 9)
        assert verdict == "new"
    assert admit(row, "e-1", AT, 9)[1] == "duplicate"
    assert admit(row, "e-0", AT, 9)[1] == "new"


def test_sources_of_put_back_records_are_limited() -> None:
    row = EMPTY
    for source in range(MAX_SOURCES + 1):
        row, _ = identifier.rekeyed(row, source, 5)
    assert len(row.rekeyed) == MAX_SOURCES and 0 not in row.rekeyed
    assert identifier.rekeyed(row, MAX_SOURCES, 5)[1] is False
    assert identifier.rekeyed(row, MAX_SOURCES, 6)[1] is True


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 20 * HOUR)), max_size=80))
@settings(max_examples=200, deadline=None)
def test_the_packed_row_does_what_a_plain_list_would(arrivals: list[tuple[int, int]]) -> None:
    row, now, plain = EMPTY, AT, list[tuple[str, int]]()
    per_hour: dict[int, int] = {}
    for n, gap in arrivals:
        now += gap
        plain = [(known, second) for known, second in plain if second >= now // 1000 - 48 * 3600]
        fresh = str(n) not in [known for known, _ in plain]
        if fresh:
            plain = [*plain, (str(n), now // 1000)][-MAX_IDS:]
            per_hour[now // HOUR] = per_hour.get(now // HOUR, 0) + 1
        row, verdict, bot = admit(row, str(n), now, 3)
        assert verdict == ("new" if fresh else "duplicate")
        assert bot == (per_hour.get(now // HOUR, 0) > 3)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["c-9", "a", "b"]), st.sampled_from([None, b"c-9", b"a"])), max_size=40),
    st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_the_size_of_a_batch_changes_nothing(sent: list[tuple[int, str, bytes | None]], batch: int) -> None:
    lines = [json.dumps(view(f"e-{n}" if n else None, customer)).encode() if n < 6 else b"bad" for n, customer, _ in sent]
    records = [Raw(offset, AT + offset, key, line) for offset, (line, (_, _, key)) in enumerate(zip(lines, sent, strict=True))]
    one, other = Partition(), Partition()
    one.take(records, batch=1)
    other.take(records, batch=batch)
    assert [(o.topic, o.key, o.value, o.headers) for o in one.written] == [(o.topic, o.key, o.value, o.headers) for o in other.written]
    assert one.store.rows == other.store.rows
