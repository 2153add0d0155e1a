"""Reading a file as the broker would have received it: the clock at a line, future lines, files that are not what they should be."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import events
from app.edges.events_file import NO_TIME, Unreadable, arrivals, milliseconds
from app.edges.people_file import people

NOON = milliseconds("2026-03-02T12:00:00Z") or 0
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def write(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else orjson.dumps(line)) + b"\n" for line in lines))
    return path


def at(ms: int, **more: Any) -> dict[str, Any]:
    return {"event_type": "page_view", "customer_id": "c", "timestamp": events.iso(ms), **more}


def clocks(tmp_path: Path, *lines: dict[str, Any] | bytes) -> list[int]:
    return [(arrival.at - NOON) for arrival in arrivals(write(tmp_path / "events.jsonl", *lines))]


def test_the_clock_at_a_line_is_the_larger_of_the_clock_and_its_timestamp(tmp_path: Path) -> None:
    assert clocks(tmp_path, at(NOON), at(NOON + MINUTE), at(NOON - HOUR), at(NOON + 2 * MINUTE)) == [0, MINUTE, MINUTE, 2 * MINUTE]


def test_received_at_counts_before_the_timestamp(tmp_path: Path) -> None:
    assert clocks(tmp_path, at(NOON), at(NOON - HOUR, received_at=events.iso(NOON + MINUTE))) == [0, MINUTE]


def test_a_line_ten_minutes_after_its_own_receipt_is_future_and_does_not_move_the_clock(tmp_path: Path) -> None:
    received = events.iso(NOON + MINUTE)
    on_the_limit, beyond = at(NOON + 11 * MINUTE, received_at=received), at(NOON + 11 * MINUTE + 1, received_at=received)
    assert clocks(tmp_path, at(NOON), on_the_limit) == [0, MINUTE]
    assert clocks(tmp_path, at(NOON), beyond) == [0, 0]


def test_a_line_more_than_a_day_ahead_of_its_neighbours_is_future(tmp_path: Path) -> None:
    later = [at(NOON + n * MINUTE) for n in range(1, 25)]
    assert clocks(tmp_path, at(NOON), at(NOON + 400 * DAY), *later)[:3] == [0, 0, MINUTE]
    # Exactly 24 h ahead of the largest of the next 20 is no fault.
    assert clocks(tmp_path, at(NOON), at(NOON + 20 * MINUTE + DAY), *later)[1] == 20 * MINUTE + DAY
    assert clocks(tmp_path, at(NOON), at(NOON + 20 * MINUTE + DAY + 1), *later)[1] == 0


def test_only_the_next_twenty_lines_speak_against_a_line(tmp_path: Path) -> None:
    ahead = at(NOON + 2 * DAY)
    early = [at(NOON + n) for n in range(1, 21)]
    assert clocks(tmp_path, at(NOON), ahead, *early, at(NOON + 2 * DAY))[1] == 0
    assert clocks(tmp_path, at(NOON), ahead, *early[:19], at(NOON + 2 * DAY))[1] == 2 * DAY


def test_a_gap_in_the_data_and_a_last_line_move_the_clock(tmp_path: Path) -> None:
    assert clocks(tmp_path, at(NOON), at(NOON + 3 * DAY), at(NOON + 3 * DAY + MINUTE)) == [0, 3 * DAY, 3 * DAY + MINUTE]
    assert clocks(tmp_path, at(NOON), at(NOON + 3 * DAY)) == [0, 3 * DAY]


def test_lines_without_a_time_stand_at_the_clock_so_far(tmp_path: Path) -> None:
    flat = {"customer_id": "c", "event_type": "product_view"}
    assert clocks(tmp_path, flat, at(NOON), flat, at(NOON + MINUTE)) == [0, 0, 0, MINUTE]
    assert [arrival.at for arrival in arrivals(write(tmp_path / "flat.jsonl", flat, flat))] == [NO_TIME, NO_TIME]


def test_broken_lines_are_passed_on_and_do_not_move_the_clock(tmp_path: Path) -> None:
    broken = [b"{not json", b"[1, 2]", orjson.dumps({"customer_id": 7, "timestamp": "yesterday"}), b"\xff\xfe"]
    path = write(tmp_path / "events.jsonl", at(NOON), *broken, b"   ", at(NOON + MINUTE))
    found = list(arrivals(path))
    assert [arrival.at - NOON for arrival in found] == [0, 0, 0, 0, 0, MINUTE]
    assert [arrival.key for arrival in found] == [b"c", None, None, None, None, b"c"]
    assert found[1].value == b"{not json"


def test_gz_is_read_as_such_and_the_key_is_the_customer_else_the_device(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    lines = [at(NOON, anonymous_id="a"), at(NOON) | {"customer_id": None, "anonymous_id": "a"}]
    path.write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, lines))))
    assert [arrival.key for arrival in arrivals(path)] == [b"c", b"a"]


def test_a_damaged_gz_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 1000)[:40])
    with pytest.raises(Unreadable, match=r"events\.jsonl\.gz"):
        list(arrivals(path))
    path.write_bytes(b"no gzip at all")
    with pytest.raises(Unreadable, match=r"events\.jsonl\.gz"):
        list(arrivals(path))
    with pytest.raises(Unreadable, match="No such file"):
        list(arrivals(tmp_path / "none.jsonl"))


@given(st.lists(st.one_of(st.none(), st.integers(0, 60 * DAY)), min_size=1, max_size=60))
def test_the_clock_never_goes_back_or_beyond_the_largest_time(tmp_path_factory: pytest.TempPathFactory, offsets: list[int | None]) -> None:
    flat: dict[str, Any] = {"customer_id": "c", "event_type": "page_view"}
    path = tmp_path_factory.mktemp("clock") / "events.jsonl"
    write(path, *(flat if offset is None else at(NOON + offset) for offset in offsets))
    found = [arrival.at for arrival in arrivals(path)]
    assert len(found) == len(offsets)
    assert found == sorted(found)
    told = [NOON + offset for offset in offsets if offset is not None]
    assert found[-1] <= max(told, default=NO_TIME)


def test_people_become_identify_and_consent_events_before_the_first_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "people.jsonl",
        {"customer_id": "007", "traits": {"email": "a@example.com"}, "consent": {"email": True, "personalise": True, "sms": False}},
        {"anonymous_id": "dev-1"},
    )
    found = list(people(path, NOON))
    values = [orjson.loads(arrival.value) for arrival in found]
    assert [arrival.key for arrival in found] == [b"007", b"007", b"007", b"dev-1"]
    assert [value["event_type"] for value in values] == ["identify", "consent_give", "consent_withdraw", "identify"]
    assert values[0]["properties"] == {"traits": {"email": "a@example.com"}}
    assert values[1]["properties"] == {"purposes": ["email", "personalise"]}
    assert values[2]["properties"] == {"purposes": ["sms"]}
    assert {value["timestamp"] for value in values} == {"2026-03-02T12:00:00.000Z"}
    assert len({value["event_id"] for value in values}) == 4


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        {"traits": {}},
        {"customer_id": 7},
        {"customer_id": "c", "traits": 1},
        {"customer_id": "c", "consent": {"email": "yes"}},
    ],
)
def test_a_wrong_line_of_people_is_named(tmp_path: Path, line: dict[str, Any] | bytes) -> None:
    with pytest.raises(Unreadable, match=r"people\.jsonl:2: "):
        list(people(write(tmp_path / "people.jsonl", {"customer_id": "c"}, line), NOON))
