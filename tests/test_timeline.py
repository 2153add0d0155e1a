"""A person's timeline reads as what happened, and a spectator counts each thing once."""

from __future__ import annotations

from typing import Any

import msgspec

from app import events
from app.domain.reason import REASONS
from app.edges.spectator import Spectator
from app.edges.timeline import Entry, event_text, timeline
from app.events import Conclusion, DeadLetter, Decision, Event, PolicyName, Send

NOON = 1_772_452_800_000
HOUR = 3_600_000


def event(event_type: str, at: int = NOON, **properties: Any) -> Event:
    return Event(at, f"e-{event_type}-{at}", event_type, at, "p1", "c1", None, properties)


def decision(outcome: str, step: int = 0, at: int = NOON, due: int | None = None, reason: str | None = None, **values: Any) -> Decision:
    name, when = f"{outcome}-{step}-{at}", None if due is None else events.iso(due)
    send_id = f"s{step}" if outcome == "sent" else None
    who, policy = ("w1", "p1", "c1"), PolicyName("s1", "v1")
    return Decision(name, *who, "cart_abandonment", step, outcome, reason, events.iso(at), when, ["e"], values, policy, send_id)


def send(step: int, subject: str) -> Send:
    return Send(
        **{"send_id": f"s{step}", "window_id": "w1", "person_id": "p1", "customer_id": "c1", "channel": "email"},
        **{"trigger": "cart_abandonment", "step": step, "message": "cart-reminder", "policy": PolicyName("s1", "v1")},
        **{"opened_at": "", "due_at": "", "decided_at": "", "expires_at": "", "to": {"email": "a@example.com", "name": None}},
        **{"from_": "shop@example.com", "reply_to": None, "subject": subject, "preheader": "", "html": "", "text": "", "headers": {}},
        **{"arms": [], "offer": None, "recommendations": [], "cause": ["e"], "versions": {}},
    )


def test_events_read_as_what_somebody_did() -> None:
    assert event_text(event("product_view", product_name="Mug", price=9.5, currency="EUR")) == "looked at Mug (9.50 EUR)"
    bought = event("purchase", order_id="o1", products=[{"product_id": f"p{n}"} for n in range(7)])
    assert event_text(bought) == "bought p0, p1, p2, p3, p4 and 2 more (order id o1)"
    assert event_text(event("search", query="red shoes")) == "search (query red shoes)"
    assert event_text(event("consent_give", purposes=["email", "personalise"])) == "consent give (purposes email, personalise)"


def test_a_late_event_says_when_it_happened() -> None:
    late = Event(NOON + HOUR, "e", "page_view", NOON, "p1", "c1")
    assert event_text(late) == "page view (happened 2026-03-02T12:00:00.000Z)"


def test_what_a_shop_wrote_cannot_steer_a_terminal() -> None:
    assert str(Entry(NOON, "event", "looked at \x1b[2J")) == "2026-03-02T12:00:00.000Z  event       looked at ·[2J"


def test_a_timeline_is_in_order_of_time_causes_first() -> None:
    records = [event("cart_add", NOON, product_name="Mug"), Conclusion(NOON + 3 * HOUR, "p1", "order_placed", "o1", NOON, "e")]
    decided = [
        decision("opened", due=NOON + 2 * HOUR),
        decision("sent", at=NOON + 2 * HOUR, due=NOON + 2 * HOUR),
        decision("sent", at=NOON + 2 * HOUR, due=NOON + 2 * HOUR),
        decision("cancelled", 1, NOON + 3 * HOUR, reason="cancelled_by_event"),
    ]
    assert [entry.text for entry in timeline(records, decided, [send(0, "Still in your cart")])] == [
        "put in the cart: Mug",
        "cart_abandonment: window opened; the first message waits until 2026-03-02 14:00:00 (window w1)",
        "cart_abandonment: first message sent: “Still in your cart” (send s0)",
        "order placed: o1",
        "cart_abandonment: follow-up 1 cancelled: cancelled_by_event – something the person did made it pointless",
    ]


def test_where_she_stands_reads_as_words_whatever_the_record_holds() -> None:
    told = {"event": {"scheme": "s1", "stage": "churned", "before": None}}
    records = [
        Conclusion(NOON, "p1", "stage", "s1.churned", NOON, "c-1", told),
        Conclusion(NOON, "p1", "tier", "s0.gold", NOON, "c-2", {"event": {"scheme": "s0", "tier": "gold", "before": "silver"}}),
        Conclusion(NOON, "p1", "segment_left", "lapsed", NOON, "c-3", {"event": {"segment": "lapsed"}}),
        Conclusion(NOON, "p1", "stage", "odd", NOON, "c-4", {}),
    ]
    assert [(entry.kind, entry.text) for entry in timeline(records, [])] == [
        ("standing", "now churned (stage s1)"),
        ("standing", "now gold (tier s0; was silver)"),
        ("standing", "left segment lapsed"),
        ("standing", "now odd (stage)"),
    ]


def test_a_non_send_says_what_each_gate_saw_and_which_one_stopped_it() -> None:
    values = {"consent": {"email": True, "personalise": False}}
    (entry,) = timeline([], [decision("not_sent", reason="no_consent", **values)])
    assert entry.text.startswith("cart_abandonment: first message not sent: no_consent – ")
    assert entry.more == ("consent: email yes, personalise no", "stopped by: consent")
    values = {"consent": {"email": True}, "condition": "profile.orders >= 5", "profile.orders": 2, "missing": "no such key: tier"}
    (entry,) = timeline([], [decision("not_sent", reason="condition_false", **values)])
    assert entry.more[1:] == ("condition: profile.orders >= 5; profile.orders was 2; no such key: tier", "stopped by: condition")


def test_reasons_outcomes_and_values_nobody_has_heard_of_are_told_by_their_names() -> None:
    held = decision("put_aside", reason="moon_phase", due=NOON + HOUR, moon={"phase": "full", "days": [1, 2]}, lucky=True)
    (entry,) = timeline([], [held])
    assert entry.text == "cart_abandonment: first message put aside: moon_phase"
    assert entry.more == ("moon: phase full, days 1, 2", "lucky: yes")


def test_steps_that_end_together_are_one_entry_and_say_by_what() -> None:
    both = [decision("cancelled", step, NOON + 3 * HOUR, reason="cancelled_by_event") for step in (0, 1)]
    both = [msgspec.structs.replace(one, cause=["e", f"e-purchase-{NOON}"]) for one in both]
    entry = timeline([event("purchase", NOON, order_id="o1", product_name="Mug")], both)[-1]
    assert entry.text.startswith("cart_abandonment: first message and follow-up 1 cancelled: cancelled_by_event")
    assert entry.text.endswith("(bought Mug (order id o1))")
    assert entry.told["steps"] == [0, 1]


def test_every_reason_of_the_contract_has_words() -> None:
    named = """merging merged fault no_consent unsubscribed suppressed no_address frequency_cap quiet_hours send_time condition_false
        cancelled_by_event lost_to_trigger suppression_group expired late_event bot window_limit holdout control_arm missing_content
        out_of_stock price_changed not_approved erased budget"""
    assert set(named.split()) == REASONS.keys()


def watch(*decided: Decision) -> Spectator:
    spectator = Spectator({"cart_abandonment": (2 * HOUR, 24 * HOUR)})
    for one in decided:
        spectator.see("decisions", events.encode_json(one), one_stamp(one))
    return spectator


def one_stamp(one: Decision) -> int:
    return int(one.decision_id.rsplit("-", 1)[1])


def test_a_window_is_open_until_its_last_message_has_ended() -> None:
    opened, first = decision("opened", due=NOON + 2 * HOUR), decision("sent", at=NOON + 2 * HOUR, due=NOON + 2 * HOUR)
    assert (watch(opened).open_windows, watch(opened).next_due()) == (1, NOON + 2 * HOUR)
    assert (watch(opened, first).open_windows, watch(opened, first).next_due()) == (1, NOON + 26 * HOUR)
    ended = watch(opened, first, decision("cancelled", 1, NOON + 3 * HOUR, reason="cancelled_by_event"))
    assert (ended.open_windows, ended.next_due()) == (0, None)


def test_what_comes_twice_counts_once() -> None:
    opened = decision("opened", due=NOON + 2 * HOUR)
    spectator = watch(opened, opened)
    for _ in range(2):
        spectator.see("message_sends", events.encode_json(send(0, "Hello")), NOON)
        spectator.see("journal", events.encode(event("product_view")), NOON)
        letter = DeadLetter("l1", "intake", "contract", [{"path": "/a", "message": "is wrong"}], "", "customer_events", 0, 0, None, "")
        spectator.see("dead_letters", events.encode_json(letter), NOON)
        spectator.see("journal", events.encode(events.Tick(NOON, NOON, 500)), NOON)
    assert (len(spectator.sends), spectator.events, len(spectator.people)) == (1, 1, 1)
    assert spectator.tally.summary()["refused"] == 1
    assert spectator.tally.summary()["windows"] == {"cart_abandonment": 1}
    assert list(spectator.newest) == [("cart_abandonment", "Hello")]


def test_latency_is_from_the_event_to_the_decision_it_led_to() -> None:
    spectator = Spectator({})
    spectator.sent_in("e", NOON)
    assert spectator.latency(0.5) is None
    opened = decision("opened", due=NOON + 2 * HOUR)
    spectator.see("decisions", events.encode_json(opened), NOON + 40)
    assert (spectator.latency(0.5), spectator.latency(0.99)) == (40, 40)
