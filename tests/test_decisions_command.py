"""`kairos decisions`: each is found by person, trigger, reason, outcome and time, so every message that did not go out, too."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import events
from app.domain.identity import person_id
from app.domain.sought import Sought
from app.edges.decided import found_in_file
from app.events import Decision
from app.settings import Settings
from tests.test_digest import DAY, HOUR, MONDAY, Call, decided, lines

ANN, BEN = (person_id(Settings().secret, f"c:{name}") for name in ("ann", "ben"))
REASONS = ["no_consent", "quiet_hours", "frequency_cap"]


def some() -> list[Decision]:
    return [
        decided("opened", 0, "w1", person=ANN),
        decided("held", HOUR, "w1", person=ANN, reason="quiet_hours", values={"until": "2026-03-02T08:00:00.000Z"}),
        decided("not_sent", DAY, "w1", person=ANN, reason="frequency_cap", values={"cap": "week", "most": 4, "counted": 4}),
        decided("not_sent", 2 * DAY, "w2", "welcome", person=BEN, reason="no_consent", values={"consent": {"email": False}}),
        decided("sent", 3 * DAY, "w3", "welcome", person=BEN, send_id="s3"),
    ]


def found(call: Call, *arguments: str) -> list[str]:
    code, out, err = call("decisions", "--decisions", "d.jsonl", "--json", *arguments)
    assert code in (0, 1), err
    return [f"{one['window_id']} {one['outcome']}" for one in json.loads(out)["decisions"]] if code == 0 else []


def test_each_is_found_by_what_it_is(call: Call) -> None:
    lines("d.jsonl", some())
    everything = ["w1 opened", "w1 held", "w1 not_sent", "w2 not_sent", "w3 sent"]
    assert found(call) == everything
    assert found(call, "--person", "ann") == found(call, "--person", ANN) == everything[:3]
    assert found(call, "--trigger", "welcome") == everything[3:]
    assert found(call, "--reason", "frequency_cap") == ["w1 not_sent"]
    assert found(call, "--outcome", "held") == ["w1 held"]
    assert found(call, "--since", "2026-03-03") == everything[2:] and found(call, "--until", "2026-03-03") == everything[:2]
    assert found(call, "--since", "1d") == everything[3:], "a span counts back from the newest decision of a file"
    assert found(call, "--person", "ben", "--reason", "no_consent", "--outcome", "not_sent", "--since", "2026-03-03") == ["w2 not_sent"]
    assert found(call, "--last", "2") == everything[3:]


def test_people_read_who_when_and_what_each_gate_saw(call: Call) -> None:
    lines("d.jsonl", some())
    code, out, _ = call("decisions", "--decisions", "d.jsonl")
    assert code == 0
    head, *rest = out.splitlines()
    assert head == "5 decisions of 2 people: opened 1, held quiet_hours 1, sent 1, not sent frequency_cap 1, not sent no_consent 1"
    assert any(line.startswith("2026-03-02 01:00:00") and f"person {ANN}" in line for line in rest)
    assert any("consent: email no" in line for line in rest) and any("stopped by: cap" in line for line in rest)
    code, out, _ = call("decisions", "--decisions", "d.jsonl", "--last", "1")
    assert "… 4 earlier ones" in out and "send s3" in out and len(out.splitlines()) == 3


def test_a_repeated_record_is_one_decision_and_gzip_is_read(call: Call) -> None:
    lines("d.jsonl", [*some(), *some()])
    Path("d.jsonl.gz").write_bytes(gzip.compress(Path("d.jsonl").read_bytes()))
    code, out, _ = call("decisions", "--decisions", "d.jsonl.gz", "--json")
    told = json.loads(out)
    assert code == 0 and told["count"] == 5
    assert {"outcome": "not_sent", "reason": "no_consent", "count": 1} in told["counts"]


def test_what_one_instant_brought_stays_in_the_order_of_its_topic(call: Call) -> None:
    told = [decided(outcome, HOUR, "w9", person=BEN, step=step) for step, outcome in enumerate(("opened", "scheduled", "held", "sent"))]
    later_id_first = [decided("opened", HOUR, "w1", person=ANN), decided("opened", 0, "w0", person=BEN)]
    lines("d.jsonl", [*told, *later_id_first])
    assert found(call) == ["w0 opened", "w9 opened", "w9 scheduled", "w9 held", "w9 sent", "w1 opened"]
    _, out, _ = call("decisions", "--decisions", "d.jsonl")
    assert out.index("window w9") < out.index("cart: follow-up 1 waits") < out.index("cart: follow-up 3 sent")


def test_one_is_told_as_one(call: Call) -> None:
    lines("d.jsonl", some()[:1])
    assert call("decisions", "--decisions", "d.jsonl")[1].startswith("1 decision of 1 person: ")


def test_control_characters_do_not_steer_a_terminal(call: Call) -> None:
    lines("d.jsonl", [decided("not_sent", 0, reason="no_consent", trigger="x\x1b[2Jy", values={"missing\x07": "a\u202eb"})])
    code, out, _ = call("decisions", "--decisions", "d.jsonl")
    assert code == 0 and not set("\x1b\x07\u202e") & set(out)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--reason", "frequency_cup"], 1, "did you mean frequency_cap?"),
        (["--person", "nobody", "--trigger", "cart"], 1, "no decision on cart of nobody"),
        (["--since", "2030-01-01"], 1, "since 2030-01-01"),
        (["--outcome", "lost"], 2, "lost"),
        (["--since", "yesterday"], 2, "yesterday"),
        (["--since", "2d", "--until", "3d"], 2, "nothing between them: 2026-03-03T00:00:00 and 2026-03-02T00:00:00"),
        (["--since", "2026-03-03", "--until", "2026-03-03"], 2, "nothing between them"),
        (["--trigger", "welcom"], 1, "did you mean welcome?"),
        (["--trigger", "cart_abandonmnt"], 1, "did you mean cart_abandonment?"),
        (["--last", "0"], 2, "0"),
        (["--reader", "x:1"], 2, "--reader"),
    ],
)
def test_what_is_not_there_is_a_no_and_what_is_wrong_is_said_in_one_line(call: Call, arguments: list[str], code: int, word: str) -> None:
    lines("d.jsonl", some())
    ended, out, err = call("decisions", "--decisions", "d.jsonl", *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1) and word in err


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"a": 1}', '{"person_id": "p", "at": 5}'])
def test_a_file_of_something_else_is_unreadable_input(call: Call, text: str) -> None:
    Path("d.jsonl").write_text(text + "\n", "utf-8")
    ended, out, err = call("decisions", "--decisions", "d.jsonl")
    assert (ended, out, err.count("\n")) == (2, "", 1) and "d.jsonl" in err


def test_without_a_broker_it_is_an_outage(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    ended, out, err = call("decisions", "--person", "ann")
    assert (ended, out) == (3, "") and "127.0.0.1:1" in err


DECISIONS = st.lists(
    st.builds(
        lambda number, person, trigger, outcome, why, hour: decided(
            outcome, hour * HOUR, f"w{number}", trigger, person=person, reason=why if outcome in ("held", "not_sent") else None
        ),
        st.integers(0, 10**6),
        st.sampled_from([ANN, BEN]),
        st.sampled_from(["cart", "welcome"]),
        st.sampled_from(["opened", "held", "sent", "not_sent"]),
        st.sampled_from(REASONS),
        st.integers(0, 99),
    ),
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(DECISIONS)
def test_asked_for_by_each_person_trigger_and_reason_every_non_send_is_found_once(tmp_path: Path, decisions: list[Decision]) -> None:
    file = tmp_path / "d.jsonl"
    file.write_bytes(b"".join(events.encode_json(one) + b"\n" for one in decisions))
    count: Callable[[Sought], int] = lambda sought: sum(1 for _ in found_in_file(file, sought))  # noqa: E731 short, and used twice
    asked = [
        Sought(frozenset((person,)), None, trigger, reason, "not_sent")
        for person in (ANN, BEN)
        for trigger in ("cart", "welcome")
        for reason in REASONS
    ]
    assert sum(map(count, asked)) == sum(one.outcome == "not_sent" for one in decisions)
    middle = events.iso(MONDAY + 50 * HOUR)
    assert count(Sought(until=middle)) + count(Sought(since=middle)) == len(decisions)
