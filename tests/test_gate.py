"""The gate: every reason for which a due message does not go, and what the decision shows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.trigger import Pack
from app.policy.conditions import STEP, condition
from app.policy.pack import compile_artifact
from app.policy.schema import Source
from tests.her import DAY, HOUR, MINUTE, UNGATED, Her, pack

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "category": "shoes"}
HER = {"email": "ann@shop.example", "first_name": "Ann"}


def reasons(her: Her) -> set[str | None]:
    return {reason for *_, reason in her.decisions("not_sent")}


def told(name: str = "s1", consents: tuple[str, ...] = ("email", "personalise")) -> Her:
    """A person who said what she allows, without any assumption."""
    her = Her(name, assume=frozenset())
    her.event("identify", 0, traits=HER)
    her.event("consent_give", 0, purposes=list(consents))
    return her


def viewed(her: Her) -> Her:
    her.event("product_view", MINUTE, **SHOE, dwell_seconds=40)
    return her


def test_consent_and_address_let_it_pass_and_are_shown() -> None:
    her = viewed(told())
    her.until(3 * HOUR)
    assert [plan.message for plan in her.plans] == ["product-details"]
    assert her.plans[0].to_address == "ann@shop.example"
    said = {"at": "2026-03-02T00:00:00.000Z"}
    assert her.plans[0].values == {
        "consent": {"email": True, "personalise": True},
        "consent_told": {"email": said, "personalise": said},
        "predicted": {"category": "shoes"},
        "about": "shoes",
    }


@pytest.mark.parametrize("consents", [(), ("email",), ("personalise",)])
def test_a_behaviour_triggered_mail_needs_both_consents(consents: tuple[str, ...]) -> None:
    her = viewed(told(consents=consents))
    her.until(3 * HOUR)
    assert her.plans == []
    assert reasons(her) == {"no_consent"}
    assert her.decided[-1].values["consent"] == {"email": "email" in consents, "personalise": "personalise" in consents}


def test_welcome_needs_consent_to_mail_alone() -> None:
    #
    assert [plan.message for plan in told(UNGATED, consents=("email",)).plans] == ["welcome"]


@pytest.mark.parametrize(
    ("event", "properties", "reason"),
    [
        ("consent_withdraw", {"purposes": ["personalise"]}, "no_consent"),
        ("email_unsubscribe", {}, "unsubscribed"),
        ("email_bounce", {"kind": "hard", "send_id": "s"}, "suppressed"),
        ("email_complaint", {"send_id": "s"}, "suppressed"),
    ],
)
def test_whatever_is_known_when_it_would_go_out_counts(event: str, properties: dict[str, Any], reason: str) -> None:
    her = viewed(told())
    her.event(event, 2 * HOUR, **properties)
    her.until(3 * HOUR)
    assert her.plans == []
    assert reasons(her) == {reason}
    assert [step for _, step, *_ in her.decisions("not_sent")] == [0, 1], "the rest ends with the same reason"


def test_a_withdrawal_after_the_first_message_stops_the_second() -> None:
    her = viewed(told())
    her.event("consent_withdraw", 3 * HOUR, purposes=["email"])
    her.until(3 * DAY)
    assert [plan.step for plan in her.plans] == [0]
    assert her.decisions("not_sent") == [("product_page_abandonment", 1, "not_sent", "no_consent")]


def test_a_soft_bounce_does_not() -> None:
    her = viewed(told())
    her.event("email_bounce", HOUR, kind="soft", send_id="s")
    her.until(3 * HOUR)
    assert len(her.plans) == 1


def test_without_an_address_nothing_goes() -> None:
    her = viewed(Her(assume=frozenset({"consent"})))
    her.until(3 * HOUR)
    assert reasons(her) == {"no_address"}


def test_assumed_consent_gives_way_to_what_she_said() -> None:
    her = Her()
    her.event("consent_withdraw", 0, purposes=["email"])
    viewed(her).until(3 * HOUR)
    assert reasons(her) == {"no_consent"}


def test_a_person_whose_record_raised_gets_nothing() -> None:
    her = viewed(told())
    her.group = her.group.replaced(replace(her.group.person, faults=("letter-1",)), {})
    her.until(3 * HOUR)
    assert reasons(her) == {"fault"}
    assert her.decided[-1].values == {"fault": "letter-1"}


def test_a_bot_gets_nothing_of_what_was_open_before() -> None:
    her = viewed(told())
    her.event("page_view", HOUR, bot=True)
    her.until(3 * HOUR)
    assert reasons(her) == {"bot"}


def test_due_together_they_go_by_priority_then_due_at() -> None:
    her = Her(UNGATED)
    her.event("product_view", 0, **SHOE, dwell_seconds=40)
    her.event("cart_add", 1, product_id="p2")
    her.event("product_view", 2, product_id="p3", dwell_seconds=40)
    her.tick(2 * HOUR + MINUTE, low_water=2 * HOUR + MINUTE)
    assert [plan.message for plan in her.plans if plan.trigger != "welcome"] == ["cart-reminder", "product-details", "product-details"]
    assert [plan.view["event"]["product_id"] for plan in her.plans][-2:] == ["p1", "p3"]


def with_condition(text: str) -> Pack:
    """s1 whose first step of product_page_abandonment has a condition."""
    s1 = pack("s1")
    row = s1.triggers[0]
    first = replace(row.steps[0], when=condition(text, STEP))
    row = replace(row, steps=(first, *row.steps[1:]))
    opens = {kind: tuple(row if one.name == row.name else one for one in rows) for kind, rows in s1.opens.items()}
    return replace(s1, by_name={**s1.by_name, row.name: row}, opens=opens)


@pytest.mark.parametrize(
    ("text", "sent", "values"),
    [
        ("event.price > 50.0 && window.views == 1", True, {"event.price": 89.0, "window.views": 1}),
        ("event.price > 100.0", False, {"event.price": 89.0}),
        ("event.brand == 'x'", False, {"missing": "brand"}),
        ("has(event.brand) && event.brand == 'x'", False, {}),
        ("event['price'] > 50.0", True, {}),
        ("profile.orders == 0 && intent.level in ['low', 'medium', 'high']", True, {"profile.orders": 0}),
        ("churn.probability > 0.5", False, {}),
        ("window.value > 88.0 && size(window.products) == 1 && event.product_name.startsWith('Trail')", True, {"window.value": 89.0}),
    ],
)
def test_a_step_goes_only_while_its_condition_holds(text: str, sent: bool, values: dict[str, Any]) -> None:
    her = Her(with_condition(text))
    viewed(her).until(3 * HOUR)
    assert bool(her.plans) is sent
    seen = her.plans[0].values if sent else her.decided[-1].values
    assert seen["condition"] == text
    assert values.items() <= seen.items()
    assert ("missing" in seen) is (text.startswith(("event.brand", "churn.")))
    if not sent:
        assert reasons(her) == {"condition_false"}


def test_an_event_cannot_break_a_condition() -> None:
    check = condition("event.price > 50.0", STEP)
    for price in (10**40, float("nan"), float("inf"), "89", None, [1], {"a": {"b": []}}, True):
        verdict = check.evaluate({"event": {"price": price}})
        assert verdict.holds is (price == float("inf")), price
    assert check.evaluate({}).fault


@given(
    st.sampled_from(("<", "<=", ">", ">=", "==", "!=")),
    st.sampled_from(("30", "0", "29.5", "0.1", "'pricing'", "''", "'é'")),
    st.one_of(
        st.integers(-(2**70), 2**70), st.floats(), st.sampled_from((29, 30, 30.0, 29.5, 0.1, "pricing", "é", True, None, [1])), st.text()
    ),
)
def test_what_is_asked_without_cel_is_what_cel_says(sign: str, against: str, value: object) -> None:
    plain, full = (condition(text, STEP).evaluate for text in (f"event.x {sign} {against}", f"(event.x {sign} {against})"))
    assert plain({"event": {"x": value}}) == full({"event": {"x": value}})
    assert plain({"event": {}}) == full({"event": {}})


TERMS = (
    *(f"event.{name} {asked}" for name in "xy" for asked in ("== 'a'", "!= 'a'", "< 3", ">= 0.5", "in ['a', 'é']", "in ['a&&b']")),
    *("event.x != null", "event.x == null", "event.y", "event.x.a == 1", "event.x.a.b != 'a'"),
)


@given(
    st.lists(st.sampled_from(TERMS), min_size=1, max_size=4),
    st.dictionaries(
        st.sampled_from("xy"),
        st.sampled_from(
            ("a", "a&&b", "'a'", "é", "", 0, 3, 0.5, 2**60, float("nan"), True, False, None, [1], ["a"], {"a": 1}, {"a": {"b": "c"}}, {})
        ),
    ),
)
def test_terms_that_must_all_hold_are_asked_without_cel_as_cel_asks_them(terms: list[str], event: dict[str, object]) -> None:
    joined, full = condition(" && ".join(terms), STEP), condition(" && ".join(f"({one})" for one in terms), STEP)
    verdict = full.evaluate({"event": event})
    assert joined.evaluate({"event": event}) == verdict
    assert joined.of_event is not None and joined.of_event({**event, "z": object()}) is verdict.holds


def test_reasons_and_values_fit_a_decision() -> None:
    her = viewed(told(consents=()))
    her.until(3 * HOUR)
    one = msgspec.json.decode(msgspec.json.encode(her.decided[-1]))
    assert one["reason"] == "no_consent"
    assert one["cause"] == [her.decided[-1].cause[0]]
    assert one["policy"] == {"name": "s1", "version": pack("s1").version}


def test_what_a_plan_shows_of_her() -> None:
    her = told()
    her.event("product_view", 0, product_id="p9", product_name="Hat", price=20, url="https://shop.example/hat", dwell_seconds=1)
    her.event("purchase", 1, order_id="o", product_id="p8", product_name="Bought", price=5)
    her.event("product_view", 2, product_id="p8-l", product_name="Bought", dwell_seconds=1)
    her.event("product_view", MINUTE, **SHOE, currency="EUR", image="https://shop.example/shoe.jpg", dwell_seconds=40)
    her.until(3 * HOUR)
    view = her.plans[0].view
    assert view["customer"] == {"id": "ann", "first_name": "Ann", "last_name": None, "email": "ann@shop.example"}
    assert view["event"]["price"] == "89.00" and view["event"]["image"] == "https://shop.example/shoe.jpg"
    assert view["event"]["event_type"] == "product_view"
    assert view["window"]["value"] == "89.00"
    assert [one["product_name"] for one in view["recent"]] == ["Hat"], "neither this product nor what she bought"
    assert (view["trigger"], view["step"], view["order"]) == ("product_page_abandonment", 0, {})
    assert view["profile"] == {"treatment": {"stage": None, "tier": None}}, "its templates read how she is spoken to, and nothing else"


def test_an_artifact_that_this_kairos_cannot_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no pack"):
        compile_artifact("x@1", b"{}")
    assert Source("name = ", "x").problems
