"""A person's story: scores, windows and gates in words, derived by the program that decided; what was recorded is what is derived."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from app import events
from app.agents.person_program import PersonProgram
from app.agents.simulator import simulator
from app.domain.identity import person_id
from app.edges.census import EXAMPLES, Census
from app.edges.events_file import encode_lines, milliseconds
from app.edges.film import Film, of_file
from app.edges.shop_day import shop_day
from app.edges.spectator import decode_decision
from app.edges.story import MAX_DIFFERENCES, Story
from app.engine.past import Past
from app.engine.program import Output
from app.engine.simulation import Logged
from app.events import Decision, Event, PolicyName
from app.policy.pack import build, compile_artifact
from app.settings import Settings
from tests.her import UNGATED

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOON = 1_772_452_800_000
"""2026-03-02T12:00:00Z."""
EVIL = "<script>alert('x')</script>\x1b[2J\x07\u202e&amp;"
Call = Callable[..., tuple[int, str, str]]


def event(event_type: str, at: int, who: str = "c1", **properties: Any) -> dict[str, Any]:
    event_id = f"{event_type}-{who}-{at}"
    return {
        "event_id": event_id,
        "event_type": event_type,
        "customer_id": who,
        "timestamp": events.iso(NOON + at),
        "properties": properties,
    }


def known(at: int = 0, who: str = "c1", **traits: Any) -> list[dict[str, Any]]:
    told = {"email": f"{who}@example.com", **traits}
    return [event("identify", at, who, traits=told), event("consent_give", at + 1, who, purposes=["email", "personalise"])]


def view(at: int, product: str = "Mug", dwell: int = 42, who: str = "c1", **more: Any) -> dict[str, Any]:
    about = {"product_id": product.lower(), "product_name": product, "price": 9.5, "currency": "EUR", "category": "home"}
    return event("product_view", at, who, **{**about, "dwell_seconds": dwell, **more})


def written(lines: list[dict[str, Any]], path: str = "events.jsonl") -> str:
    Path(path).write_bytes(encode_lines(lines))
    return path


def told(call: Call, lines: list[dict[str, Any]], *more: str, who: str = "c1") -> list[dict[str, Any]]:
    code, out, err = call("explain", "--person", who, "--events", written(lines), "--policy", UNGATED, "--json", *more)
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)["entries"]
    return found


def texts(entries: list[dict[str, Any]], kind: str) -> list[str]:
    return [one["text"] for one in entries if one["kind"] == kind]


def journal(day: list[dict[str, Any]]) -> tuple[list[Logged], list[Decision], dict[str, Any]]:
    """Journal lines, decisions, and the pack and figures of everybody of a simulated day, by ref."""
    artifact = build(UNGATED)
    lines: list[Logged] = []
    decisions: list[Decision] = []

    def on_output(topic: str, output: Output) -> None:
        if topic == "decisions":
            decisions.append(decode_decision(output.value))

    packs: dict[str, Any] = {artifact[0]: compile_artifact(*artifact)}
    simulation = simulator(artifact, Settings(), on_output, on_line=lines.append, figures=packs)  # type: ignore[arg-type]
    simulation.activate(NOON - DAY, artifact[0])
    for one in day:
        at = milliseconds(one["timestamp"]) or 0
        key = (one["customer_id"] or one["anonymous_id"]).encode()
        simulation.feed(at, key, json.dumps(one).encode())
    simulation.run_until(simulation.now + 30 * DAY)
    return lines, decisions, packs


def run_again(lines: list[Logged], packs: dict[str, Any], person: str, **more: Any) -> tuple[Past, Story]:
    story = Story()
    past = Past(PersonProgram(packs.__getitem__), person.encode(), packs.__contains__, story.see, **more)
    for line in lines:
        past.take(line)
    return past, story


def test_scores_are_told_as_they_moved_and_faded(call: Call) -> None:
    scores = texts(told(call, [view(0), event("cart_add", MINUTE, product_id="mug", product_name="Mug", category="home")]), "score")
    assert scores == [
        "intent medium, score 8 (was 0, low)",
        "likes home most (1 of 100)",
        "intent high, score 33 (was 8, medium)",
        "intent fades to medium (score 16)",
        "intent fades to low (score 0)",
    ]


def test_the_highest_category_is_told_when_it_changes_alone(call: Call) -> None:
    entries = told(call, [view(0), view(HOUR), view(2 * HOUR, "Hat", category="hats"), event("purchase", 3 * HOUR, category="hats")])
    assert [one for one in texts(entries, "score") if "likes" in one] == [
        "likes home most (1 of 100)",
        "likes hats most (6 of 100, was home)",
    ]


def bought(at: int, order_id: str, total: float = 30) -> dict[str, Any]:
    return event("purchase", at, order_id=order_id, product_name="Hat", total=total)


def test_stages_tiers_and_segments_are_told_in_words_with_the_packs_why(call: Call) -> None:
    #
    entries = told(call, [*known(), bought(HOUR, "o1"), bought(3 * DAY, "o2")])
    found = texts(entries, "standing")
    assert "now first_time_customer (stage s1; was anonymous_visitor): one purchase" in found
    assert "now developing_customer (stage s1; was first_time_customer): 2 to 4 purchases" in found
    assert "entered segment recent_buyers: last purchase within 7 days" in found
    assert "now low (tier s1): the next 20 % of the customers" in found
    assert not [
        one for one in entries if one["kind"] == "conclusion" and one["conclusion"] not in ("reachable", "order_placed", "mail_sent")
    ]
    (moved,) = [one for one in entries if one.get("value") == "s1.developing_customer"]
    assert (moved["scheme"], moved["before"], moved["why"]) == ("s1", "first_time_customer", "A-076: 2 to 4 purchases")
    assert moved["more"] == [] and moved["figures"] == {}, "her order did it"


def test_what_time_alone_did_names_the_figures_behind_it(call: Call) -> None:
    # 90 days without a purchase, at that tick
    entries = told(call, [*known(), bought(HOUR, "o1"), {**view(100 * DAY), "customer_id": "c2"}])
    lapsed = next(one for one in entries if one.get("value") == "lapsed" and one["conclusion"] == "segment_entered")
    assert lapsed["text"] == "entered segment lapsed: a customer for 90 d without a purchase (S1's figure)"
    assert lapsed["more"] == ["by time alone: orders 1, days since order 90"] and lapsed["figures"]["profile.orders"] == 1
    assert lapsed["at"].startswith("2026-05-31T13:00:0")
    churned = next(one for one in entries if one.get("value") == "s1.churned")
    assert churned["text"].startswith("now churned (stage s1; was first_time_customer): 90 d or more")
    assert churned["more"] == ["by time alone: orders 1, days since order 90, days since web 90, engagement email 0"]
    (left,) = [one for one in entries if one.get("value") == "recent_buyers" and one["conclusion"] == "segment_left"]
    assert (left["text"], left["more"]) == ("left segment recent_buyers", ["by time alone: orders 1, days since order 7"])
    one_time = next(one for one in entries if one.get("value") == "merged.one_time")
    assert one_time["more"] == ["by time alone: orders 1"]
    active = next(one for one in entries if one.get("value") == "s0.active")
    assert active["more"] == ["by time alone: orders 1, days since order 30"], "whoever is left: what she no longer is"


def test_a_band_says_where_it_begins_and_the_page_shows_all_of_it(call: Call, tmp_path: Path) -> None:
    #
    entries = told(call, [*known(), bought(HOUR, "o1"), {**view(100 * DAY), "customer_id": "c2"}])
    assert "entered segment opens_low: mail open rate 30d from 0" in texts(entries, "standing")
    page = tmp_path / "story.html"
    assert call("explain", "--person", "c1", "--events", "events.jsonl", "--policy", UNGATED, "--html", str(page))[0] == 0
    html = page.read_text("utf-8")
    assert "entered segment lapsed: a customer for 90 d" in html and "by time alone: orders 1, days since order 90" in html


def test_a_window_that_a_segment_opened_says_so(call: Call) -> None:
    #
    Path("winback.toml").write_text(
        'name = "winback"\nwhy = "x"\nextends = "merged"\n[[trigger]]\nname = "winback"\nwhy = "gone for 90 d"\n'
        'open = { on = "segment_entered", when = "event.segment == \'lapsed\'" }\ncancel = [{ on = "segment_left" }]\n'
        'wait = "0s"\nsend = "still-interested"\n'
    )
    lines = [*known(), bought(HOUR, "o1"), {**view(100 * DAY), "customer_id": "c2"}]
    code, out, err = call("explain", "--person", "c1", "--events", written(lines), "--policy", "winback.toml")
    assert code == 0, err
    assert "winback: window opened by: entered segment lapsed; “still-interested” waits until 2026-05-31 13:00:00" in out


def test_a_story_without_its_pack_still_tells_where_she_stands() -> None:
    lines, decisions, packs = journal([*known(), bought(HOUR, "o1")])
    _, story = run_again(lines, packs, decisions[0].person_id)
    found = [one.text for one in story.entries([], []) if one.kind == "standing"]
    assert "now first_time_customer (stage s1; was anonymous_visitor)" in found and "entered segment purchaser" in found


def test_a_window_says_what_opened_it_what_joined_and_until_when_it_waits(call: Call) -> None:
    cart = [event("cart_add", at, product_id=f"p{at}", product_name=f"Thing {at}") for at in (0, HOUR)]
    windows = texts(told(call, cart), "window")
    assert windows[0].startswith(
        "cart_abandonment: window opened by: put in the cart: Thing 0; “cart-reminder” waits until 2026-03-02 14:00:00"
    )
    assert windows[1] == "cart_abandonment: window joined, 2 times now; first message now waits until 2026-03-02 15:00:00"


def test_a_message_not_sent_names_the_gate_and_what_it_saw(call: Call) -> None:
    entries = told(call, [view(0)])
    (stopped,) = [one for one in entries if one["kind"] == "decision" and one["trigger"] == "product_page_abandonment"]
    assert stopped["text"].startswith("product_page_abandonment: first message and follow-up 1 not sent: no_consent – ")
    assert stopped["more"] == ["consent: email no, personalise no", "stopped by: consent"]
    assert (stopped["outcome"], stopped["reason"], stopped["steps"]) == ("not_sent", "no_consent", [0, 1])


def test_a_message_that_another_profile_of_her_address_got_says_when_and_whose(call: Call) -> None:
    # C-22: one address, one mail
    same = {"email": "Same@example.com"}
    shared = written([*known(who="c1", **same), *known(SECOND, who="c2", **same), view(MINUTE, who="c1"), view(2 * MINUTE, who="c2")])
    _, out, _ = call("explain", "--person", "c2", "--events", shared, "--policy", UNGATED)
    (told,) = [line for line in out.splitlines() if "product_page_abandonment: first message and follow-up 1 not sent" in line]
    other = person_id(Settings().secret, "c:c1")
    why = f"the same message, “product-details”, went to this address for another profile at 2026-03-02 14:01:00 (person {other})"
    assert f"suppressed – {why}" in told
    off = written(
        [*known(who="c1", **same), *known(SECOND, who="c2", **same), event("email_unsubscribe", MINUTE, "c1"), view(HOUR, who="c2")]
    )
    _, out, _ = call("explain", "--person", "c2", "--events", off, "--policy", UNGATED)
    assert f"another profile with this address has unsubscribed (person {other}, 2026-03-02 12:01:00)" in out


def test_a_message_sent_has_its_subject_and_a_cancel_its_event(call: Call) -> None:
    lines = [*known(), view(HOUR), event("purchase", 4 * HOUR, order_id="o1", product_name="Hat")]
    entries = told(call, lines)
    assert any("product_page_abandonment: first message sent: “Mug" in one for one in texts(entries, "send"))
    (cancelled,) = [one for one in texts(entries, "decision") if "product_page_abandonment" in one]
    assert cancelled.startswith("product_page_abandonment: follow-up 1 cancelled") and cancelled.endswith("(bought Hat (order id o1))")


def test_causes_stand_before_what_they_led_to(call: Call) -> None:
    entries = told(call, [*known(), view(HOUR), event("purchase", HOUR + MINUTE, order_id="o1")])
    assert [one["at"] for one in entries] == sorted(one["at"] for one in entries)
    bought = next(n for n, one in enumerate(entries) if one.get("event_type") == "purchase")
    assert bought < next(n for n, one in enumerate(entries) if one.get("outcome") == "cancelled")
    assert bought < next(n for n, one in enumerate(entries) if one.get("trigger") == "post_purchase")


def test_what_is_derived_of_each_person_is_what_was_decided() -> None:
    day = shop_day(3, date(2026, 3, 2), people=60)
    lines, decisions, packs = journal(day)
    people = {one.person_id for one in decisions}
    assert len(people) > 40
    for person in people:
        _, story = run_again(lines, packs, person)
        assert story.differences([one for one in decisions if one.person_id == person], 0) == []


def test_a_journal_without_its_beginning_says_what_cannot_be_derived() -> None:
    day = [*known(), view(HOUR), view(30 * MINUTE + 3 * DAY, "Hat")]
    lines, decisions, packs = journal(day)
    person = decisions[0].person_id
    late = [line for line in lines if line.timestamp >= NOON + 2 * DAY]
    past, story = run_again(late, packs, person, assumed=next(iter(packs)))
    assert past.active == next(iter(packs))
    found = story.differences(decisions, NOON + 2 * DAY)
    assert any("is recorded" in one for one in found)
    assert all("of 2026-03-02" not in one for one in found)  # what lies before the journal is no difference
    assert len(story.differences([], 0)) <= MAX_DIFFERENCES + 1


def test_a_pack_that_is_nowhere_is_named_and_scores_go_on() -> None:
    lines, decisions, packs = journal([*known(), view(HOUR)])
    person, story = decisions[0].person_id, Story()
    past = Past(PersonProgram(packs.__getitem__), person.encode(), lambda ref: False, story.see)
    for line in lines:
        past.take(line)
    assert past.missing == list(packs) and past.active is None
    assert story.derived() == [] and past.group.person.profile.customer_id == "c1"


def test_the_past_ends_where_it_is_told_to() -> None:
    lines, decisions, packs = journal([*known(), view(HOUR), event("purchase", 5 * HOUR, order_id="o1", total=10)])
    person = decisions[0].person_id
    past, _ = run_again(lines, packs, person, until=NOON + 4 * HOUR)
    assert past.over and past.now <= NOON + 4 * HOUR
    assert past.group.person.profile.orders == 0
    assert run_again(lines, packs, person)[0].group.person.profile.orders == 1


def test_broken_records_and_other_peoples_are_passed_over() -> None:
    lines, _, packs = journal([*known(), view(HOUR), *known(HOUR, "c2")])
    person = person_id(Settings().secret, "c:c1")
    broken = Logged(lines[-1].offset + 1, NOON, person.encode(), b"\x01nonsense")
    past, story = run_again([*lines, broken], packs, person)
    mine = [one for one in story.records if isinstance(one, Event)]
    assert {one.customer_id for one in mine} == {"c1"} and past.records >= len(mine)


def test_who_was_anonymous_before_has_one_story_by_whatever_name(call: Call) -> None:
    def anonymous(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "customer_id": None, "anonymous_id": "dev-1"}

    signs_in = {**known(HOUR)[0], "anonymous_id": "dev-1"}
    lines = [anonymous(view(0)), signs_in, known(HOUR)[1], view(2 * HOUR, "Hat"), anonymous(view(3 * HOUR, "Lamp"))]
    by_customer, by_device = told(call, lines), told(call, lines, who="dev-1")
    assert by_customer == by_device
    events_told = texts(by_customer, "event")
    assert [one.partition(" (")[0] for one in events_told] == [
        *("looked at Mug", "identify", "consent give", "looked at Hat", "looked at Lamp"),
    ]
    identity = texts(by_customer, "identity")
    assert any(one.startswith("became person ") for one in identity)
    assert any(one.startswith("took over what was known of person ") for one in identity)
    assert any("Mug" in one for one in texts(by_customer, "send"))  # the anonymous view leads to the customer's mail


def test_a_device_that_was_hers_from_its_first_event_on_finds_her(call: Call) -> None:
    both = view(0) | {"anonymous_id": "dev-2"}
    lines = [*known(), both, view(HOUR, "Lamp") | {"customer_id": None, "anonymous_id": "dev-2"}]
    by_device = told(call, lines, who="dev-2")
    assert by_device == told(call, lines) and any("Lamp" in one for one in texts(by_device, "event"))


def test_a_trigger_over_everybody_in_a_file(call: Call) -> None:
    file = written([*known(), view(HOUR)])
    code, out, _ = call("explain", "--trigger", "product_page_abandonment", "--events", file, "--policy", "s1")
    assert code == 0 and "opened" in out and "c1" in out
    code, _, err = call("explain", "--trigger", "product_page_abandonmint", "--events", file, "--policy", "s1")
    assert code == 1 and "did you mean product_page_abandonment?" in err
    assert call("explain", "--trigger", "welcome", "--events", file, "--policy", UNGATED, "--since", "2027-01-01")[0] == 1


def test_hostile_names_come_out_as_text(call: Call, tmp_path: Path) -> None:
    lines = [*known(first_name=EVIL), view(HOUR, EVIL, category=EVIL), event("search", 2 * HOUR, query=EVIL)]
    file, page = written(lines), tmp_path / "story.html"
    code, out, _ = call("explain", "--person", "c1", "--events", file, "--policy", UNGATED)
    assert code == 0 and "alert" in out
    assert not set("\x1b\x07\u202e") & set(out)
    assert call("explain", "--person", "c1", "--events", file, "--policy", UNGATED, "--html", str(page))[0] == 0
    html = page.read_text("utf-8")
    assert "<script" not in html and not set("\x1b\x07\u202e") & set(html)
    assert "default-src 'none'" in html and "prefers-color-scheme: dark" in html
    assert "src=" not in html.replace("srcdoc=", "") and 'href="http' not in html


def test_a_page_of_nothing_and_a_page_that_cannot_be_written(call: Call, tmp_path: Path) -> None:
    file, page = written([view(0)]), tmp_path / "story.html"
    code, _, _ = call("explain", "--person", "c1", "--events", file, "--policy", UNGATED, "--since", "2027-01-01", "--html", str(page))
    assert code == 0 and "Nothing happened." in page.read_text("utf-8")
    code, _, err = call("explain", "--person", "c1", "--events", file, "--policy", UNGATED, "--html", str(tmp_path / "no" / "x.html"))
    assert code == 2 and err.count("\n") == 1


def test_ten_thousand_records_are_told_in_seconds_the_newest_first(call: Call) -> None:
    lines = [view(n * MINUTE, f"Thing {n % 50}", dwell=3) for n in range(10_000)]
    file = written(lines)
    start = time.process_time()
    code, out, _ = call("explain", "--person", "c1", "--events", file, "--policy", UNGATED)
    assert time.process_time() - start < 60
    assert code == 0 and "earlier entries" in out
    assert 200 < out.count("\n") < 600


def test_the_newest_entries_are_shown_as_many_as_asked_for(call: Call) -> None:
    file = written([view(n * MINUTE, f"Thing {n}", dwell=3) for n in range(50)])
    code, out, _ = call("explain", "--person", "c1", "--events", file, "--policy", UNGATED, "--last", "5")
    assert code == 0 and "earlier entries" in out
    shown = [line for line in out.splitlines() if line.startswith("2026-")]
    assert len(shown) == 5 and shown == sorted(shown)


def test_since_may_be_a_span_before_the_journals_now(call: Call) -> None:
    lines = [view(0), view(3 * DAY, "Hat")]
    assert len(texts(told(call, lines), "event")) == 2
    assert len(texts(told(call, lines, "--since", "31d"), "event")) == 1  # a file's time runs on for 30 days
    assert len(texts(told(call, lines, "--since", "2026-03-04T00:00:00Z"), "event")) == 1


def test_whom_nobody_knows_is_a_no(call: Call) -> None:
    file = written([view(0)])
    code, out, err = call("explain", "--person", "nobody", "--events", file, "--policy", UNGATED)
    assert (code, out) == (1, "") and "nothing is kept of nobody" in err
    assert call("explain", "--person", EVIL, "--events", file, "--policy", UNGATED)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--person", "c1", "--since", "yesterday"], "yesterday"),
        (["--person", "c1", "--since", "2x"], "2x"),
        (["--person", "c1", "--last", "0"], "0"),
        (["--person", "c1", "--send", "s"], "one of"),
        (["--trigger", "welcome", "--html", "x.html"], "--html"),
        (["--send", "s", "--since", "2d"], "--since"),
        (["--send", "s", "--events", "events.jsonl"], "--events"),
        (["--person", "c1", "--policy", "s1"], "--policy"),
        (["--person", "c1", "--assume-consent"], "--events"),
        (["--person", "c1", "--events", "missing.jsonl"], "missing.jsonl"),
        (["--person", "c1", "--events", "events.jsonl", "--policy", "missing"], "missing"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(call: Call, arguments: list[str], word: str) -> None:
    written([view(0)])
    code, out, err = call("explain", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1) and word in err


def test_an_empty_file_is_unreadable_input(call: Call) -> None:
    Path("empty.jsonl").write_text("", "utf-8")
    assert call("explain", "--person", "c1", "--events", "empty.jsonl", "--policy", UNGATED)[0] == 2


def test_somebody_anonymous_and_somebody_by_her_person_id_are_found(tmp_path: Path) -> None:
    artifact, file = build(UNGATED), tmp_path / "events.jsonl"
    file.write_bytes(encode_lines([{**view(0), "customer_id": None, "anonymous_id": "dev-1"}]))
    film = Film(file, None, artifact, Settings(), None, frozenset(), {}.get, 0)
    by_name = of_file(film, Settings(), "dev-1")
    assert by_name is not None and by_name.name == "dev-1"
    by_id = of_file(film, Settings(), by_name.person_id)
    assert by_id is not None and by_id.person_id == by_name.person_id


# --- over everybody -----------------------------------------------------------------------------------------------------------


def decided(number: int, outcome: str, reason: str | None = None, trigger: str = "welcome", person: str = "p1", step: int = 0) -> bytes:
    who, at = ("w", person, f"c-{person}"), events.iso(NOON + number * SECOND)
    decision = Decision(f"{number:032d}"[::-1], *who, trigger, step, outcome, reason, at, None, ["e"], {}, PolicyName("m", "1"), None)
    return events.encode_json(decision)


def test_a_census_counts_by_outcome_and_reason_each_decision_once() -> None:
    census = Census("welcome", events.iso(NOON + SECOND))
    values = [decided(0, "opened"), *[decided(1, "opened")] * 3, decided(2, "sent", person="p2"), decided(3, "opened", trigger="other")]
    for value in values:
        census.see(value)
    for number in range(10, 16):
        census.see(decided(number, "not_sent", "no_consent", person=f"p{number}"))
    census.see(decided(20, "put_aside", "moon_phase"))
    assert census.counts == {("opened", "", 0): 1, ("sent", "", 0): 1, ("not_sent", "no_consent", 0): 6, ("put_aside", "moon_phase", 0): 1}
    summary = census.summary()
    assert summary["people"] == 8
    shown = [one["person_id"] for one in summary["examples"] if one["reason"] == "no_consent"]
    assert shown == ["p15", "p14", "p13"] and len(shown) == EXAMPLES
    lines = "\n".join(census.lines())
    assert lines.index("opened") < lines.index("sent  ") < lines.index("not sent") < lines.index("put aside")
    assert "no_consent – " in lines and "moon_phase" in lines
    assert census.triggers == {"welcome", "other"}


def test_a_census_keeps_few_examples_of_many_and_one_a_person() -> None:
    census = Census("welcome", events.iso(0))
    for number in range(2_000):
        census.see(decided(number, "not_sent", "no_consent", person=f"p{number % 2}", step=number % 3))
    assert [one["person_id"] for one in census.summary()["examples"]] == ["p1", "p0"]


def test_what_is_held_says_until_when_and_why(call: Call) -> None:
    lines = [*known(), event("cart_add", 8 * HOUR, product_id="p", product_name="Hat", price=9.5)]
    code, out, err = call("explain", "--person", "c1", "--events", written(lines), "--policy", "merged", "--json")
    assert code == 0, err
    [said] = [one for one in texts(json.loads(out)["entries"], "decision") if "cart_abandonment" in one and " held " in one]
    assert "held until 2026-03-03 08:00" in said
    assert "frequency_cap" not in said
    assert "quiet_hours – it was night, or a holiday, where the person lives" in said
