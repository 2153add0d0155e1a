"""What arms of experiments got and what people did then, and whether profiles foresaw what she takes up: the digest measures both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from app import events
from app.domain import foreseen
from app.domain.arms import Arms
from app.domain.fingerprint import fingerprint
from app.domain.held_back import Reached, Told
from app.domain.identity import person_id
from app.domain.tolerance import segments
from app.edges.events_file import milliseconds
from app.edges.responses import Responses
from app.events import Decision
from app.settings import Settings
from tests.gated import TRIGGERS, gated
from tests.her import HOUR as AN_HOUR
from tests.her import Her
from tests.test_digest import DAY, HOUR, MONDAY, Call, act, decided, lines

NOW = MONDAY + 30 * DAY


def arms(decisions: Iterable[Decision], acts: Any = None, goals: Any = None) -> dict[str, Any]:
    seen = Arms()
    for one in decisions:
        told = msgspec.convert(msgspec.to_builtins(one), Told)
        seen.see(told, milliseconds(one.at) or 0)
        seen.see(told, milliseconds(one.at) or 0)
    reached = None if goals is None else {fingerprint(name): one for name, one in goals.items()}
    return seen.result(acts, reached, NOW)


def sent(n: int, arm: str | None = "a", **more: Any) -> list[Decision]:
    """A window of its own person with one message; `arm` at the opening alone, as older records have it."""
    window, person = f"w{arm}{n}", f"p{arm}{n}"
    values = {} if arm is None else {"arms": {"thresholds": arm}}
    return [
        decided("opened", n, window, person=person, values=values),
        decided("sent", HOUR, window, person=person, send_id=f"s{arm}{n}", **more),
    ]


def withheld(n: int, reason: str, drawn: dict[str, str]) -> Decision:
    return decided("not_sent", HOUR, f"x{n}", person=f"x{n}", reason=reason, values={"arms": drawn, "message": "m"})


def test_each_arm_is_told_with_what_it_got_and_what_people_did() -> None:
    decisions = [one for n in range(400) for one in sent(n)] + [one for n in range(40) for one in sent(n, "b")]
    acts = {f"sa{n}": frozenset(("opened",) if n % 2 else ("opened", "clicked")) for n in range(200)}
    acts |= {"sb1": frozenset(("unsubscribed",))}
    found = arms(decisions, acts, {"wa1": Reached("cart"), "wb1": Reached("cart")})["experiments"]["thresholds"]
    a, b = found["a"], found["b"]
    assert (a["people"], a["windows"], a["messages"], a["withheld"]) == (400, 400, 400, 0)
    assert (a["opened"]["share"], a["clicked"]["share"], a["unsubscribed"]["share"]) == (0.5, 0.25, 0.0)
    assert a["opened"]["enough"] and a["unsubscribed"] == {"share": 0.0, "low": 0.0, "high": 0.0095, "enough": True}
    assert not b["unsubscribed"]["enough"] and b["unsubscribed"]["share"] == 0.025, "40 messages tell too little"
    assert (a["goals"]["share"], b["goals"]["share"]) == (0.0025, 0.025)


def test_what_an_arm_withholds_is_counted_as_what_it_would_have_got_with_its_goals() -> None:
    decisions = [*sent(1), withheld(1, "control_arm", {"thresholds": "none"}), withheld(2, "condition_false", {"thresholds": "a"})]
    decisions.append(decided("not_sent", HOUR, "y", reason="condition_false", values={"condition": "x"}))
    found = arms(decisions, {}, {"x1": Reached("cart", silent=True)})["experiments"]["thresholds"]
    assert (found["none"]["messages"], found["none"]["withheld"], found["none"]["goals"]["share"]) == (0, 1, 1.0)
    assert found["none"]["opened"] is None, "of nothing there is no share"
    assert (found["a"]["messages"], found["a"]["withheld"]) == (1, 1)


def test_the_hold_out_is_told_against_everybody_else_and_only_where_there_is_one() -> None:
    decisions = [*sent(1, None), *sent(2), withheld(1, "holdout", {"thresholds": "a"})]
    found = arms(decisions, {}, {"x1": Reached("cart", silent=True)})["experiments"]
    assert list(found) == ["thresholds", "holdout"]
    held_out, others = found["holdout"]["held out"], found["holdout"]["everybody else"]
    assert (held_out["withheld"], held_out["messages"], others["messages"]) == (1, 0, 2)
    assert held_out["goals"]["share"] == 1.0 and others["goals"]["share"] == 0.0
    assert found["thresholds"]["a"]["withheld"] == 0, "who is held out of everything is in no arm"
    assert arms(sent(1, None))["experiments"] == {}


def test_a_sent_decision_tells_its_arm_by_itself_and_the_young_are_left_out() -> None:
    alone = decided("sent", HOUR, values={"arms": {"thresholds": "c"}}, send_id="s")
    young = decided("sent", 29 * DAY, "w2", values={"arms": {"thresholds": "c"}}, send_id="t")
    found = arms([alone, young])
    assert found["experiments"]["thresholds"]["c"]["messages"] == 1 and found["left_out"] == 1
    experiment = '[[experiment]]\nname = "e"\nwhy = "x"\nenabled = true\ntriggers = ["view"]\narm = [{ name = "all", share = 1.0 }]\n'
    her = Her(gated("", TRIGGERS + experiment))
    her.event("product_view", 8 * AN_HOUR, product_id="p1", price=50.0)
    her.until(12 * AN_HOUR)
    assert [plan.values["arms"] for plan in her.plans] == [{"e": "all"}]


# --- did profiles foresee what she takes up? (A-228) ---------------------------------------------------------------------------


def test_a_message_notes_what_her_profile_predicts_and_what_it_is_about() -> None:
    her = Her(gated(""))
    for n in range(3):
        her.event("product_view", n * AN_HOUR, product_id="s1", category="Shoes", price=50.0)
    her.event("product_view", 8 * AN_HOUR, product_id="h1", category="Hats", price=50.0)
    her.until(12 * AN_HOUR)
    assert her.plans[-1].values["predicted"] == {"category": "Shoes"}
    assert [plan.values["about"] for plan in her.plans] == ["Shoes", "Hats"]


def test_nothing_is_noted_of_who_is_not_to_be_known_nor_of_what_no_pack_may_infer() -> None:
    unknown = Her(gated(""), frozenset({"address"}))
    unknown.event("consent_give", 0, purposes=["email"])
    unknown.event("product_view", 8 * AN_HOUR, product_id="s1", category="Shoes", price=50.0)
    private = Her(gated('[sensitive]\nwhy = "what heads look like"\nwords = ["hats"]\n'))
    private.event("product_view", 8 * AN_HOUR, product_id="h1", category="Hats", price=50.0)
    for her in (unknown, private):
        her.until(12 * AN_HOUR)
        assert not any({"predicted", "about"} & plan.values.keys() for plan in her.plans)


def test_clicks_are_told_apart_by_whether_the_mail_was_what_the_profile_predicted() -> None:
    seen = Responses()
    messages = {}
    for n in range(100):
        kind = "images" if n % 2 else "text"
        seen.event(act("email_sent", f"s{n}", 0, content_type=kind))
        values = {"predicted": {"content": "images", "category": "shoes"}, "about": "shoes" if n < 80 else "hats"}
        messages[f"s{n}"] = foreseen.read(values, MONDAY)
    seen.event(act("email_click", "s1", HOUR, content_type="text", category="hats"))
    acts = {f"s{n}": frozenset(("clicked",)) for n in range(1, 51, 2)}
    known = [(send_id, one) for send_id, one in messages.items() if one is not None]
    found = foreseen.accuracy(known, seen.told, acts, NOW)
    assert {which: one["messages"] for which, one in found["content"].items()} == {"matched": 50, "not_matched": 50}
    assert found["content"]["matched"]["clicked"]["share"] == 0.5 and found["content"]["not_matched"]["clicked"]["share"] == 0.0
    assert {which: one["messages"] for which, one in found["category"].items()} == {"matched": 80, "not_matched": 20}
    assert foreseen.accuracy(known, seen.told, acts, MONDAY) == {}, "they may still be answered"
    assert foreseen.read({}, 0) is foreseen.read({"predicted": 3}, 0) is None


# --- the command --------------------------------------------------------------------------------------------------------------


def test_the_digest_tells_arms_and_accuracy_for_people_for_programs_and_as_a_page(call: Call) -> None:
    secret = Settings().secret
    who = {n: person_id(secret, f"c:c{n}") for n in range(30)}
    values = {"arms": {"thresholds": "a"}, "predicted": {"category": "shoes"}, "about": "shoes"}
    mine = [decided("sent", HOUR, f"w{n}", person=who[n], send_id=f"s{n}", values=values) for n in range(30)]
    file = lines("d.jsonl", [*mine, withheld(1, "control_arm", {"thresholds": "<none>"}), decided("opened", 8 * DAY, "late")])
    clicks = [
        {
            "event_id": f"o{n}",
            "event_type": "email_click",
            "customer_id": f"c{n}",
            "timestamp": events.iso(MONDAY + 3 * HOUR),
            "properties": {"send_id": f"s{n}"},
        }
        for n in range(15)
    ]
    Path("e.jsonl").write_text("".join(json.dumps(one) + "\n" for one in clicks), "utf-8")
    code, out, err = call("digest", "--decisions", file, "--events", "e.jsonl", "--json")
    found = json.loads(out)
    assert code == 0, err
    assert found["arms"]["experiments"]["thresholds"]["a"]["clicked"] == {"share": 0.5, "low": 0.3315, "high": 0.6685, "enough": False}
    assert found["foreseen"]["category"]["matched"]["clicked"]["share"] == 0.5
    _, out, _ = call("digest", "--decisions", file, "--events", "e.jsonl")
    assert "## Experiment thresholds" in out and "50.0 % (33.1–66.8) ?" in out and "category as predicted" in out
    call("digest", "--decisions", file, "--events", "e.jsonl", "--html", "w.html")
    page = Path("w.html").read_text("utf-8")
    assert "Experiment thresholds" in page and "&lt;none&gt;" in page and "Did profiles foresee" in page
    _, out, _ = call("digest", "--decisions", file)
    assert "Experiment thresholds" in out and "| –" in out, "without events nobody knows who opened what"


def test_orders_told_by_their_lines_are_worth_the_sum_of_them() -> None:
    seen = Responses()
    shoes, socks = {"product_id": "p1", "price": 50, "quantity": 2}, {"product_id": "p2", "price": 5, "quantity": 1}
    seen.event(act("purchase", None, 1, order_id="flat", **shoes))
    seen.event(act("purchase", None, 2, order_id="flat", **socks))
    seen.event(act("purchase", None, 2, order_id="flat", **socks))
    seen.event(act("purchase", None, 3, order_id="whole", products=[shoes, socks]))
    seen.event(act("purchase", None, 4, order_id="told", products=[shoes, socks], total=99.5))
    for window, at in (("w1", 1), ("w2", 3), ("w3", 4)):
        told = {"window_id": window, "silent": None}
        seen.conclusion(events.Conclusion(MONDAY, "p1", "goal_reached", "cart", MONDAY, f"purchase-None-{at}", told))
    assert {window: one.revenue for window, one in seen.goals.items()} == {"w1": 1_050_000, "w2": 1_050_000, "w3": 995_000}


def test_a_message_that_loses_to_a_group_that_speaks_tells_what_it_was_worth() -> None:
    grouped = '[[group]]\nname = "one"\nwhy = "a test"\nscope = "person"\n' + TRIGGERS.replace(
        "priority = 50", 'priority = 50\ngroup = "one"'
    ).replace("priority = 30", 'priority = 30\ngroup = "one"')
    her = Her(gated("", grouped))
    her.event("cart_add", 8 * AN_HOUR, product_id="p2", price=20.0)
    her.event("product_view", 9 * AN_HOUR, product_id="p1", price=50.0)
    her.until(12 * AN_HOUR)
    [lost] = [one for one in her.decided if one.outcome == "not_sent"]
    assert (lost.reason, lost.values["held_by"], lost.values["expected_value"]) == ("suppression_group", "cart", 5.0)


def test_tolerance_is_told_by_the_packs_own_segments_too() -> None:
    assert segments({"segments": ["lapsed", "big_spenders"]}) == ["segment big_spenders", "segment lapsed"]
