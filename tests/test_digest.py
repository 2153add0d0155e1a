"""A week's digest: what was held back by which gate, who lost to whom and what became of both, and how many messages people bear."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import events
from app.domain.held_back import WEEK_MS, HeldBack, Reached, Told, monday
from app.domain.identity import person_id
from app.domain.tolerance import ANSWER_MS, MOST, Sent, segments, tolerance, wilson
from app.edges.events_file import milliseconds
from app.edges.responses import Responses
from app.events import Conclusion, Decision, Event, PolicyName
from app.settings import Settings

MONDAY = 1_772_409_600_000
"""2026-03-02T00:00:00Z, a Monday."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
EVIL = "<b>|x\x1b[2J"
Call = Callable[..., tuple[int, str, str]]


def decided(outcome: str, at: int, window: str = "w1", trigger: str = "cart", **more: Any) -> Decision:
    told = {"reason": None, "step": 0, "person": "p1", "values": {}, "send_id": None, "due_at": events.iso(MONDAY + at), **more}
    person = told.pop("person")
    return Decision(
        decision_id=f"{window} {told['step']} {outcome} {told['reason']} {at}",
        window_id=window,
        person_id=person,
        customer_id=None,
        trigger=trigger,
        outcome=outcome,
        at=events.iso(MONDAY + at),
        cause=["e"],
        policy=PolicyName("merged", "1"),
        **told,
    )


def told(decisions: Iterable[Decision], goals: dict[str, Reached] | None = None) -> dict[str, Any]:
    held = HeldBack(MONDAY)
    for one in decisions:
        seen = Told(
            one.decision_id, one.window_id, one.person_id, one.trigger, one.step, one.outcome, one.reason, one.at, one.due_at, one.values
        )
        held.see(seen, milliseconds(one.at) or 0)
    return held.result(goals)


def lost(at: int, window: str, to: str = "welcome", won: str = "w9", **more: Any) -> Decision:
    """As the gate says it: another message, not answered yet, has the place."""
    values = {"cap": "week", "most": 4, "counted": 4, "lost_to": {"trigger": to, "window_id": won, "send_id": "s9"}, **more}
    return decided("held", at, window, reason="lost_to_trigger", values=values)


# --- what was held back (A-204, X-17) -----------------------------------------------------------------------------------------


def test_a_week_begins_on_monday() -> None:
    assert monday(MONDAY) == monday(MONDAY + 7 * DAY - 1) == MONDAY and monday(MONDAY - 1) == MONDAY - WEEK_MS


def test_what_the_night_held_went_out_in_the_morning() -> None:
    week = told([decided("held", HOUR, reason="quiet_hours"), decided("sent", 8 * HOUR)])["this_week"]
    (gate,) = week["held_back"].values()
    assert gate == {
        "steps": 1,
        "people": 1,
        "went_out": 1,
        "never": 0,
        "cancelled": 0,
        "waiting": 0,
        "waited_hours": {"median": 7.0, "longest": 7.0},
    }
    assert (week["sent"], week["steps_held_back"], week["by_trigger"]) == (1, 1, {"cart": {"quiet_hours": 1}})


def test_a_step_held_by_two_gates_counts_under_each_and_once_in_all() -> None:
    week = told(
        [
            lost(HOUR, "w1"),
            decided("held", HOUR + MINUTE, reason="frequency_cap"),
            decided("not_sent", DAY, reason="frequency_cap"),
        ]
    )["this_week"]
    assert {name: one["steps"] for name, one in week["held_back"].items()} == {"frequency_cap": 1, "lost_to_trigger": 1}
    assert week["steps_by_trigger"] == {"cart": 1} and week["by_trigger"] == {"cart": {"frequency_cap": 1, "lost_to_trigger": 1}}
    assert week["steps_held_back"] == 1 and week["fates"] == {"went_out": 0, "never": 1, "cancelled": 0, "waiting": 0}


def test_what_she_did_meanwhile_made_it_needless_and_what_still_waits_is_told_so() -> None:
    week = told([lost(HOUR, "w1"), decided("cancelled", 2 * HOUR, reason="cancelled_by_event"), lost(HOUR, "w2")])["this_week"]
    assert week["fates"] == {"went_out": 0, "never": 0, "cancelled": 1, "waiting": 1}


def test_a_gate_that_ends_a_step_at_once_holds_it_back_too_and_its_follow_ups_are_told_apart() -> None:
    rest = decided("not_sent", HOUR, step=1, reason="no_consent", due_at=None)
    week = told([decided("not_sent", HOUR, reason="no_consent"), rest, decided("opened", 0)])["this_week"]
    assert week["held_back"]["no_consent"]["steps"] == 1 and week["follow_ups_with_it"] == 1 and week["opened"] == 1


def test_the_fate_may_come_after_the_week_and_a_week_is_compared_with_the_one_before() -> None:
    found = told(
        [
            decided("held", 6 * DAY + 23 * HOUR, reason="quiet_hours"),
            decided("sent", 7 * DAY + 6 * HOUR),
            *[decided("not_sent", -DAY + n, f"v{n}", reason="no_consent") for n in range(3)],
            decided("held", 8 * DAY, "w7", reason="send_time"),
            decided("not_sent", -8 * DAY, "w8", reason="bot"),
        ]
    )
    assert found["this_week"]["held_back"]["quiet_hours"]["went_out"] == 1
    assert found["week_before"]["held_back"]["no_consent"]["steps"] == 3
    assert set(found["this_week"]["held_back"]) == {"quiet_hours"} and found["this_week"]["sent"] == 0
    assert found["changes"] == {"sent": 0, "steps_held_back": -2, "held_back": {"no_consent": -3, "quiet_hours": 1}}


def test_winners_and_losers_with_what_became_of_both() -> None:
    # what a held message cost. w1 went out 5 h later, w2 never, w3 lost to another trigger.
    decisions = [
        lost(0, "w1", won="w8", expected_value=1.2),
        decided("sent", 5 * HOUR, "w1"),
        lost(HOUR, "w2", won="w9", expected_value=2.5),
        decided("not_sent", DAY, "w2", reason="lost_to_trigger"),
        lost(HOUR, "w3", to="win_back", won="w7"),
        decided("not_sent", HOUR, "w4", "views", reason="suppression_group", values={"held_by": "cart", "window_id": "w1", "group": "g"}),
    ]
    (welcome, win_back, group) = told(decisions)["this_week"]["lost"]
    assert (welcome["trigger"], welcome["lost_to"], welcome["steps"], welcome["went_out"], welcome["never"]) == ("cart", "welcome", 2, 1, 1)
    assert welcome["waited_hours"] == {"median": 5.0, "longest": 5.0} and welcome["expected_value_lost"] == 2.5
    assert (win_back["lost_to"], win_back["waiting"], win_back["expected_value_lost"]) == ("win_back", 1, None)
    assert (group["trigger"], group["lost_to"], group["by_gate"]) == ("views", "cart", {"suppression_group": 1})
    assert "winners" not in welcome, "goals are not known"
    goals = {"w8": Reached("welcome", revenue=455_000), "w1": Reached("cart", revenue=100_000), "w9": Reached("welcome", silent=True)}
    known = told(decisions, goals)["this_week"]["lost"][0]
    assert known["winners"] == {"windows": 2, "goals": 1, "revenue": "45.50"}, "what nobody sent is no winner's merit"
    assert known["losers_that_went_out"] == {"windows": 1, "goals": 1, "revenue": "10.00"}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 5),  # window
        st.sampled_from(["held", "sent", "not_sent", "cancelled", "opened"]),
        st.sampled_from(["quiet_hours", "frequency_cap", "lost_to_trigger"]),
        st.integers(-WEEK_MS, 2 * WEEK_MS),
    ),
    max_size=25,
)


@given(STEPS, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_changes_anything_and_every_step_has_one_fate(steps: list[Any], shuffle: Any) -> None:
    ended: set[int] = set()
    decisions = []
    for window, outcome, why, at in steps:
        if outcome in ("sent", "not_sent", "cancelled"):
            if window in ended:
                continue  # a step ends once
            ended.add(window)
        decisions.append(decided(outcome, at, f"w{window}", reason=None if outcome in ("sent", "opened") else why))
    mixed = decisions * 2
    shuffle.shuffle(mixed)
    found = told(decisions)
    assert told(mixed) == found
    for week in (found["this_week"], found["week_before"]):
        assert sum(week["fates"].values()) == week["steps_held_back"]
        assert all(sum(one[fate] for fate in week["fates"]) == one["steps"] for one in week["held_back"].values())
        assert sum(one["steps"] for one in week["held_back"].values()) >= week["steps_held_back"]


# --- how many messages people bear (A-202, A-228) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (50, 1000, 0.0381, 0.0653)],
)
def test_wilson_intervals_are_those_of_the_books(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 10_000), st.data())
def test_an_interval_holds_its_share_and_narrows_with_more(of: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, of))
    low, high = wilson(hits, of)
    assert 0 <= low <= hits / of + 1e-12 and hits / of - 1e-12 <= high <= 1
    wider = wilson(hits, of)
    narrower = wilson(hits * 4, of * 4)
    assert narrower[1] - narrower[0] < wider[1] - wider[0]


NOW = MONDAY + 30 * DAY


def people(count: int, gap_days: int, sends: int, leaves_at: int = 99, opens: bool = True) -> list[Sent]:
    """Who gets a message every so many days, opens each, and unsubscribes with the one that is her `leaves_at`-th."""
    return [
        Sent(
            f"p{gap_days}-{who}",
            MONDAY + n * gap_days * DAY,
            frozenset(("opened",) if opens else ()) | (LEFT if n == leaves_at else STAYED),
        )
        for who in range(count)
        for n in range(sends)
    ]


LEFT, STAYED = frozenset(("unsubscribed",)), frozenset[str]()


def test_messages_are_counted_by_how_many_she_had_in_the_seven_days_before() -> None:
    found = tolerance([Sent("p", MONDAY + day * DAY) for day in (0, 1, 7, 8, 20)], {}, NOW)["segments"]["everybody"]["rows"]
    # Day 7 sees days 0 and 1 (exactly 7 d before still counts), day 8 sees 1 and 7, day 20 sees none.
    assert {row["before"]: row["sends"] for row in found} == {0: 2, 1: 1, 2: 2}


def test_many_before_stand_together_and_the_young_are_left_out() -> None:
    found = tolerance([Sent("p", NOW - 5 * DAY + n * HOUR) for n in range(MOST + 4)] + [Sent("q", NOW - ANSWER_MS + 1)], {}, NOW)
    assert found["left_out"] == 1
    last = found["segments"]["everybody"]["rows"][-1]
    assert (last["before"], last["or_more"], last["sends"]) == (MOST, True, 4)


def test_who_leaves_at_the_fourth_message_a_week_bears_three() -> None:
    found = tolerance(people(600, 1, 6, leaves_at=4), {}, NOW)["segments"]["everybody"]
    assert found["verdict"]["worse_from"] == 4 and found["verdict"]["by"] == "unsubscribed"
    assert tolerance(people(600, 1, 5), {}, NOW)["segments"]["everybody"]["verdict"]["text"] == "no worse up to 4 in the 7 days before"


def test_too_few_messages_tell_nothing() -> None:
    found = tolerance(people(20, 1, 6, leaves_at=4), {}, NOW)["segments"]["everybody"]
    assert found["verdict"]["text"] == "too few to tell"
    assert not any(row["unsubscribed"]["enough"] for row in found["rows"])


def test_segments_are_told_apart_and_are_those_of_the_profile() -> None:
    profile = {
        "engagement": {"band": 7},
        "clv": {"tier": {"s0": None, "s1": "high"}},
        "lifecycle": {"merged": "loyal", "s1": "loyal_customer"},
    }
    assert segments(profile) == ["engagement 7", "tier s1.high", "stage merged.loyal", "stage s1.loyal_customer"]
    assert segments({"engagement": None, "clv": {}, "lifecycle": None}) == []
    sends = [*people(500, 1, 5, leaves_at=3), *people(500, 2, 5)]
    whose = {one.person_id: ["stage merged.loyal" if one.person_id.startswith("p2-") else "stage merged.one_time"] for one in sends}
    found = tolerance(sends, whose, NOW)["segments"]
    assert list(found) == ["everybody", "stage merged.loyal", "stage merged.one_time"]
    assert found["stage merged.one_time"]["verdict"]["worse_from"] == 3 and found["stage merged.loyal"]["verdict"]["worse_from"] is None


def act(event_type: str, send_id: str | None, at: int, who: str = "p1", **more: Any) -> Event:
    properties = {**({} if send_id is None else {"send_id": send_id}), **more}
    return Event(MONDAY + at, f"{event_type}-{send_id}-{at}", event_type, MONDAY + at, who, None, None, properties, {})


def test_machines_open_nothing_and_a_nameless_unsubscribe_counts_for_the_last_message() -> None:
    seen = Responses()
    for one in (
        act("email_sent", "s1", 0),
        act("email_open", "s1", 1_000),  # prefetched
        act("email_open", "s2", HOUR),
        act("email_click", "s3", HOUR),
        act("email_open", "s3", HOUR, user_agent="Barracuda"),
        act("email_unsubscribe", None, 3 * DAY),
        act("email_unsubscribe", None, 40 * DAY),
        act("email_unsubscribe", "s2", 4 * DAY),
        act("product_view", None, 1),
    ):
        seen.event(one)
        seen.event(one)
    sent = {f"s{n}": ("p1", MONDAY + (n - 1) * DAY) for n in (1, 2, 3, 4)}
    found = {at: sorted(acts) for at, acts in ((one.at, one.acts) for one in seen.sends(sent))}
    assert list(found.values()) == [[], ["opened", "unsubscribed"], ["clicked", "opened"], ["unsubscribed"]]


def test_a_goal_that_an_order_reached_is_worth_the_order() -> None:
    seen = Responses()
    seen.event(act("purchase", None, HOUR, total=45.5))
    values = {"window_id": "w1", "send_id": "s1", "silent": None}
    seen.conclusion(Conclusion(MONDAY, "p1", "goal_reached", "cart", MONDAY, f"purchase-None-{HOUR}", values))
    seen.conclusion(Conclusion(MONDAY, "p1", "intent_changed", "high", MONDAY, "e", {}))
    assert seen.goals == {"w1": Reached("cart", False, 455_000)}


# --- the command --------------------------------------------------------------------------------------------------------------


def lines(path: str, records: Iterable[Any]) -> str:
    Path(path).write_bytes(b"".join(events.encode_json(one) + b"\n" for one in records))
    return path


def a_month() -> list[Decision]:
    """A message a day for each of 40 people; one of hers in the night; ann's cart lost to welcome and went out later."""
    found = []
    for who in range(40):
        for day in range(14):
            window = f"w{who}-{day}"
            found.append(decided("opened", day * DAY, window, person=f"p{who}"))
            found.append(decided("sent", day * DAY + HOUR, window, person=f"p{who}", send_id=f"s{who}-{day}"))
    found += [decided("held", 8 * DAY, "n1", reason="quiet_hours"), decided("sent", 8 * DAY + 9 * HOUR, "n1", send_id="n1")]
    return [*found, lost(9 * DAY, "n2"), decided("not_sent", 10 * DAY, "n2", trigger=EVIL, reason="lost_to_trigger")]


def test_a_file_is_told_for_people_for_programs_and_as_a_page(call: Call) -> None:
    file = lines("d.jsonl", a_month())
    code, out, err = call("digest", "--decisions", file, "--week", "2026-03-11")
    assert code == 0, err
    assert out.startswith("# Week of 2026-03-09 (UTC, until 2026-03-16)") and "\x1b" not in out
    assert "| quiet_hours" in out and "cart → welcome" in out and "--events FILE says who opened" in out
    assert "281 messages went out (+1 against the week before)" in out
    code, out, _ = call("digest", "--decisions", file, "--week", "2026-03-11", "--json")
    found = json.loads(out)
    assert code == 0 and found["this_week"]["sent"] == 281 and found["tolerance"] is None
    assert found["this_week"]["held_back"]["lost_to_trigger"]["never"] == 1
    code, out, _ = call("digest", "--decisions", file, "--week", "2026-03-11", "--html", "w.html")
    html = Path("w.html").read_text("utf-8")
    assert code == 0 and out.count("\n") == 1 and "cart → welcome" in html
    assert "<b>" not in html and "\x1b" not in html and "<script" not in html


def test_without_a_week_the_last_whole_one_is_told_or_the_first(call: Call) -> None:
    file = lines("d.jsonl", [*a_month(), decided("opened", 15 * DAY, "late")])
    assert call("digest", "--decisions", file)[1].startswith("# Week of 2026-03-09")
    young = lines("young.jsonl", [decided("not_sent", 2 * DAY, reason="no_consent")])
    code, out, _ = call("digest", "--decisions", young)
    assert code == 0 and out.startswith("# Week of 2026-03-02") and "the week is not over: told up to 2026-03-04" in out


def test_what_people_bear_is_told_from_sends_events_and_profiles(call: Call) -> None:
    file = lines("d.jsonl", a_month())
    persons = {f"p{who}": person_id(Settings().secret, f"c:c{who}") for who in range(40)}
    sends = [
        {"send_id": f"s{who}-{day}", "person_id": persons[f"p{who}"], "decided_at": events.iso(MONDAY + day * DAY + HOUR)}
        for who in range(40)
        for day in range(10)
    ]
    opened = [
        {
            "event_id": f"o{who}-{day}",
            "event_type": "email_open",
            "customer_id": f"c{who}",
            "timestamp": events.iso(MONDAY + day * DAY + 3 * HOUR),
            "properties": {"send_id": f"s{who}-{day}"},
        }
        for day in range(10)
        for who in range(40)
    ]
    profiles = [{"person_id": one, "engagement": {"band": 9}, "clv": {}, "lifecycle": {"merged": "loyal"}} for one in persons.values()]
    for name, records in (("s.jsonl", sends), ("e.jsonl", opened), ("p.jsonl", profiles)):
        Path(name).write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    more = ("--sends", "s.jsonl", "--events", "e.jsonl", "--profiles", "p.jsonl")
    code, out, err = call("digest", "--decisions", file, *more, "--json")
    assert code == 0, err
    found = json.loads(out)["tolerance"]["segments"]
    assert set(found) == {"everybody", "engagement 9", "stage merged.loyal"}
    assert {row["before"]: row["sends"] for row in found["everybody"]["rows"]} == {**dict.fromkeys(range(6), 40), 6: 160}
    assert all(row["opened"]["share"] == 1.0 for row in found["everybody"]["rows"])
    text = call("digest", "--decisions", file, *more)[1]
    assert "How many messages people bear" in text and "100.0 %" in text
    none = call("digest", "--decisions", file, "--events", lines("none.jsonl", []))
    assert none[0] in (0, 2)


def test_where_nobody_reports_an_open_nothing_is_said_of_what_people_bear(call: Call) -> None:
    file = lines("d.jsonl", a_month())
    Path("e.jsonl").write_text(
        json.dumps({"event_type": "product_view", "customer_id": "c", "timestamp": events.iso(MONDAY), "properties": {"product_id": "p"}})
        + "\n"
    )
    code, out, _ = call("digest", "--decisions", file, "--events", "e.jsonl", "--json")
    found = json.loads(out)
    assert code == 0 and found["tolerance"] is None and "no event says that a message was opened" in found["notes"][0]


def test_lines_that_are_no_events_are_counted_and_told(call: Call) -> None:
    file = lines("d.jsonl", a_month())
    good = {"event_type": "email_open", "customer_id": "c", "timestamp": events.iso(MONDAY), "properties": {"send_id": "s1"}}
    bad = [{"person_id": "p"}, {"event_type": "email_open", "customer_id": 7}]
    Path("e.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (good, *bad)), "utf-8")
    code, out, _ = call("digest", "--decisions", file, "--events", "e.jsonl")
    assert code == 0 and "Note: e.jsonl: 2 lines count for nothing, being no event or against its contract; the first, line 2: " in out


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--decisions", "missing.jsonl"], 2, "missing.jsonl"),
        (["--decisions", "empty.jsonl"], 1, "no decision"),
        (["--decisions", "bad.jsonl"], 2, "bad.jsonl:1"),
        (["--decisions", "other.jsonl"], 2, "record 1"),
        (["--decisions", "d.jsonl", "--week", "soon"], 2, "no date"),
        (["--decisions", "d.jsonl", "--week", "2019-01-01"], 1, "nothing was decided in the week of 2018-12-31"),
        (["--decisions", "d.jsonl", "--reader", "x:1"], 2, "--reader"),
        (["--decisions", "d.jsonl", "--quick"], 2, "--quick"),
        (["--sends", "d.jsonl"], 2, "--decisions"),
        (["--decisions", "d.jsonl", "--profiles", "d.jsonl"], 2, "--events"),
        (["--decisions", "d.jsonl", "--sends", "other.jsonl"], 2, "no message"),
        (["--decisions", "d.jsonl", "--html", "no/such/place.html"], 2, "place.html"),
        (["--decisions", "d.jsonl", "--events", "d.jsonl"], 2, "not one of its 40 lines is an event"),
        (["--decisions", "d.jsonl", "--events", "e.jsonl", "--profiles", "d.jsonl"], 2, "d.jsonl:1: no profile: it has none of traits"),
        (["--decisions", "d.jsonl", "--events", "e.jsonl", "--profiles", "odd.jsonl"], 2, "odd.jsonl:1: no profile: clv is no JSON object"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit(call: Call, arguments: list[str], code: int, word: str) -> None:
    lines("d.jsonl", a_month()[:40])
    Path("empty.jsonl").write_text("\n", "utf-8")
    Path("bad.jsonl").write_text("nonsense\n", "utf-8")
    Path("other.jsonl").write_text('{"person_id": 1}\n', "utf-8")
    Path("odd.jsonl").write_text('{"person_id": "p", "clv": 3}\n', "utf-8")
    Path("e.jsonl").write_text('{"event_type": "email_open", "customer_id": "c", "properties": {"send_id": "s"}}\n', "utf-8")
    ended, out, err = call("digest", *arguments)
    assert (ended, out, err.count("\n")) == (code, "", 1) and word in err
