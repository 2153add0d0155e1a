"""A story for each trigger that opens on where she stands, on time alone, or on another channel; and what keeps each of them silent."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from app.events import iso
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, Her, clock

FREE = "tests/packs/ungated.toml"
"""merged without caps and quiet hours: what these stories are about goes out when it is due."""


def mails(her: Her, trigger: str) -> list[tuple[str, str]]:
    return [(plan.message, clock(plan.at)) for plan in her.plans if plan.trigger == trigger]


def buys(her: Her, days: list[float], **properties: object) -> None:
    """An order of her own on each of these days."""
    for n, day in enumerate(days):
        told = {"order_id": f"o{day}-{n}", "total": 40.0, "currency": "EUR", **properties}
        her.event("purchase", round(day * DAY), **told)


def at(ms: float) -> str:
    """The tick at or after an offset."""
    return clock(MONDAY + -(-math.ceil(ms) // SECOND) * SECOND)


# --- her own rhythm ---------------------------------------------------------------------------------------------------------------


def test_seven_days_before_the_predicted_order_and_on_its_day() -> None:
    # three orders 20 days apart: the next on day 60
    for name in (FREE, "s1"):
        her = Her(name)
        buys(her, [0, 20, 40])
        her.until(66 * DAY)
        assert mails(her, "pre_purchase") == [("pre-purchase", "53 00:00:00")], name
        assert mails(her, "purchase_window") == [("purchase-window", "60 00:00:00")], name


def test_who_has_ordered_meanwhile_is_not_asked() -> None:
    # the fourth order moves the prediction to day 50 + 16.67
    her = Her(FREE)
    buys(her, [0, 20, 40, 50])
    her.until(58 * DAY)
    assert mails(her, "pre_purchase") == [] == mails(her, "purchase_window")
    her.until(68 * DAY)
    assert mails(her, "pre_purchase") == [("pre-purchase", at((50 + 50 / 3 - 7) * DAY))]
    two = Her(FREE)
    buys(two, [0, 20])
    two.until(60 * DAY)
    assert mails(two, "pre_purchase") == [], "two orders are no rhythm"


def test_the_opening_by_time_is_known_by_its_instant() -> None:
    # interface.md section 4: the cause of an opening by time is hash(conclusion, value, its due instant)
    from app.events import derived_id

    her = Her(FREE)
    buys(her, [0, 20, 40])
    her.until(54 * DAY)
    (plan,) = [plan for plan in her.plans if plan.trigger == "pre_purchase"]
    assert plan.cause == [derived_id("segment_entered", "order_expected_soon", str(MONDAY + 53 * DAY))]


def test_after_an_outage_it_opens_at_the_same_instant() -> None:
    prompt, late = Her(FREE), Her(FREE)
    for one in (prompt, late):
        buys(one, [0, 20, 40])
    prompt.until(54 * DAY)
    late.tick(54 * DAY, 54 * DAY)
    assert [plan.opened_at for plan in prompt.plans if plan.trigger == "pre_purchase"] == [MONDAY + 53 * DAY]
    opened = [(one.at, one.reason) for one in late.decided if one.trigger == "pre_purchase" and one.outcome == "not_sent"]
    assert opened == [(iso(MONDAY + 54 * DAY), "late_event")], "a day late is too late for a message that was due at once"


def test_season_ahead_thirty_days_before_her_own_peak() -> None:
    # November three years running
    her = Her(FREE)
    start = MONDAY / 1000
    novembers = [(datetime(year, 11, 10, tzinfo=UTC).timestamp() - start) / 86_400 for year in (2026, 2027, 2028)]
    buys(her, [0, *novembers])
    her.plans.clear()
    due = (datetime(2029, 11, 1, tzinfo=UTC).timestamp() - start) * 1000 - 30 * DAY
    her.until(round(due) - SECOND)
    assert mails(her, "seasonal_anticipation") == []
    her.until(round(due) + DAY)
    assert mails(her, "seasonal_anticipation") == [("season-ahead", clock(MONDAY + round(due)))]
    never = Her(FREE)
    buys(never, [0, 100, 200, 300, 800])
    never.until(1_200 * DAY)
    assert mails(never, "seasonal_anticipation") == [], "no month has two fifths of her orders"


# --- interest ---------------------------------------------------------------------------------------------------------------------


def test_a_category_above_60_and_the_highest() -> None:
    # thirteen purchases of 5 make 65; twelve make 60, which is not above it
    for name in (FREE, "s0"):
        her = Her(name)
        for n in range(12):
            her.event("cart_add", n * SECOND, product_id="p1", category="boots", intensity=5.0 / 3)
        assert mails(her, "primary_interest") == [], name
        her.event("product_view", 13 * SECOND, product_id="p1", category="boots")
        assert [one for one, _ in mails(her, "primary_interest")] == ["category-interest"], name
        (plan,) = [plan for plan in her.plans if plan.trigger == "primary_interest"]
        assert plan.view["event"]["of"] == "boots"


def test_another_category_that_rises_above_it_is_another_interest() -> None:
    # A-122; again = 7d keeps merged from two of them in a week, s0 has none
    for name, sent in (("s0", 2), (FREE, 1)):
        her = Her(name)
        her.event("product_view", 0, product_id="p1", category="boots", intensity=70)
        her.event("product_view", MINUTE, product_id="p2", category="coats", intensity=65)
        assert len(mails(her, "primary_interest")) == 1, "coats are not the highest"
        her.event("product_view", HOUR, product_id="p2", category="coats", intensity=20)
        assert len(mails(her, "primary_interest")) == sent, name
        her.until(2 * DAY)
        assert len(mails(her, "primary_interest")) == sent, "fading together moves nobody"


# --- stages -----------------------------------------------------------------------------------------------------------------------


def test_another_stage_is_told_but_not_the_first_ones() -> None:
    # visitor → prospect and → new_customer are welcome's and post_purchase's to speak of
    her = Her(FREE)
    her.event("page_view", 0, page_type="home")
    her.event("purchase", DAY, order_id="o1", total=40, currency="EUR")
    her.until(20 * DAY)
    assert mails(her, "lifecycle_transition") == []
    her.event("purchase", 20 * DAY, order_id="o2", total=40, currency="EUR")
    assert mails(her, "lifecycle_transition") == [("stage-developing", at(20 * DAY))]


def test_one_order_and_a_month_of_silence() -> None:
    # one_time follows new_customer by time alone, the very instant that 30 days are over
    her = Her(FREE)
    her.event("purchase", 0, order_id="o1", total=40, currency="EUR")
    her.until(40 * DAY)
    assert mails(her, "lifecycle_transition") == [("stage-one-time", at(30 * DAY + 1))]


def test_the_programme_of_a_stage_and_its_end() -> None:
    # a prospect is written to weekly; merged: the first one interval after entry, and none after four unanswered
    her = Her(FREE)
    her.event("identify", 0, traits={"email": "ann@shop.example"})
    her.until(60 * DAY)
    assert mails(her, "lifecycle_programme") == [("programme-education", f"{day} 00:00:00") for day in (7, 14, 21, 28)]
    (ended,) = [one for one in her.decided if one.trigger == "lifecycle_programme" and one.outcome == "not_sent"]
    assert (ended.reason, ended.values["window.unanswered"]) == ("condition_false", 4)


def test_who_reads_the_programme_keeps_it() -> None:
    # her own open counts, a machine's does not
    for machine, sent in ((False, 5), (True, 4)):
        her = Her(FREE)
        her.event("identify", 0, traits={"email": "ann@shop.example"})
        her.until(28 * DAY)
        last = next(plan for plan in reversed(her.plans) if plan.trigger == "lifecycle_programme")
        her.event("email_open", 29 * DAY, send_id=last.send_id, machine=machine)
        her.until(36 * DAY)
        assert len(mails(her, "lifecycle_programme")) == sent


def test_the_programme_ends_with_its_stage_and_that_of_the_next_begins() -> None:
    # onboarding three times a week
    her = Her(FREE)
    her.event("identify", 0, traits={"email": "ann@shop.example"})
    her.event("purchase", 8 * DAY, order_id="o1", total=40, currency="EUR")
    her.until(14 * DAY)
    assert mails(her, "lifecycle_programme") == [
        ("programme-education", "7 00:00:00"),
        ("programme-onboarding", at(8 * DAY + 56 * HOUR)),
        ("programme-onboarding", at(8 * DAY + 112 * HOUR)),
    ]
    left = [one for one in her.decided if one.trigger == "lifecycle_programme" and one.outcome == "cancelled"]
    assert [one.values.get("message") for one in left] == [None] and left[0].reason == "cancelled_by_event"


def test_the_programme_begins_when_she_can_be_written_to() -> None:
    # A-070, A.25 fault 6: a stage without address and consent is no reason to try
    her = Her(FREE, assume=frozenset())
    her.event("identify", 0, traits={"email": "ann@shop.example"})
    her.until(9 * DAY)
    assert her.decisions("opened") == []
    her.event("consent_give", 10 * DAY, purposes=["email", "personalise"])
    her.until(18 * DAY)
    assert mails(her, "lifecycle_programme") == [("programme-education", "17 00:00:00")]


def test_only_leaving_that_very_segment_cancels() -> None:
    # other segments come and go while her programme waits
    her = Her(FREE)
    her.event("identify", 0, traits={"email": "ann@shop.example"})
    her.event("product_view", HOUR, product_id="p1", category="boots", intensity=61)
    her.until(6 * DAY)
    left = [one.value for one in her.concluded if one.kind == "segment_left"]
    assert "interested" in left and "in_stage" not in left
    her.until(8 * DAY)
    assert mails(her, "lifecycle_programme") == [("programme-education", "7 00:00:00")]


# --- winning back -----------------------------------------------------------------------------------------------------------------


def test_twice_her_own_gap_without_an_order() -> None:
    # a gap of 10 days: more than 20 of silence
    for name in (FREE, "s0"):
        her = Her(name)
        buys(her, [0, 10])
        her.until(30 * DAY)
        assert mails(her, "win_back") == [], name
        her.until(40 * DAY)
        assert mails(her, "win_back") == [("win-back", at(30 * DAY + 1)), ("win-back-offer", at(37 * DAY + 1))], name


def test_who_comes_back_is_left_alone() -> None:
    her = Her(FREE)
    buys(her, [0, 10, 32])
    her.until(40 * DAY)
    assert mails(her, "win_back") == [("win-back", at(30 * DAY + 1))], "the offer is cancelled"
    one = Her(FREE)
    buys(one, [0])
    one.until(200 * DAY)
    assert mails(one, "win_back") == [], "one order has no gap"


def test_two_do_not_win_her_back_at_once() -> None:
    # Section 6, X-11: at risk by the ladder and fallen away are one instant here; the group lets one of them speak
    her = Her(FREE)
    buys(her, [0, 20])
    her.until(70 * DAY)
    assert mails(her, "lifecycle_transition")[-1] == ("stage-at-risk", at(60 * DAY + 1))
    ended = {(one.outcome, one.reason) for one in her.decided if one.trigger == "win_back" and one.outcome != "opened"}
    assert mails(her, "win_back") == [] and ended == {("held", "suppression_group"), ("not_sent", "suppression_group")}


def test_mails_read_half_as_much() -> None:
    # e-mail engagement halved, five sends in both 30 days
    for opened, sent in ((6, 0), (0, 1)):
        her = Her("s0")
        for n in range(6):
            her.event("email_sent", n * DAY, send_id=f"a{n}")
            her.event("email_open", n * DAY + HOUR, send_id=f"a{n}")
        for n in range(6):
            her.event("email_sent", (31 + n) * DAY, send_id=f"b{n}")
            if n < opened:
                her.event("email_open", (31 + n) * DAY + MINUTE, send_id=f"b{n}")
        her.until(38 * DAY)
        assert len(mails(her, "win_back")) == sent


@pytest.mark.parametrize(
    ("total", "coupon", "message", "discount"),
    [
        # value first, then price sensitivity, then neither
        (200.0, None, "vip-retention", 0.25),
        (200.0, "SPRING", "vip-retention", 0.25),
        (100.0, "SPRING", "discount-retention", 0.20),
        (100.0, None, "value-retention", 0.10),
    ],
)
@pytest.mark.parametrize("name", [FREE, "s0"])
def test_churn_above_065_by_what_she_is_worth(name: str, total: float, coupon: str | None, message: str, discount: float) -> None:
    # orders 10 days apart; above 0.65 after 10 × (1 − ln 0.35) days of silence
    her = Her(name)
    buys(her, [0, 10, 20, 30], total=total, coupon=coupon)
    reached = 30 * DAY + 10 * DAY * (1 - math.log(0.35))
    her.until(30 * DAY + 20 * DAY)
    assert mails(her, "churn_watch") == []
    her.until(52 * DAY)
    assert mails(her, "churn_watch") == [(message, at(reached + 1))]
    (plan,) = [plan for plan in her.plans if plan.trigger == "churn_watch"]
    assert plan.view["offer"]["discount"] == plan.values["offer"]["discount"] == discount
    her.until(70 * DAY)
    assert [one for one, _ in mails(her, "win_back")] in ([], ["win-back"]), "which spoke at twice her gap, and ended with this offer"


@pytest.mark.parametrize("gap", [10, 20, 34, 60])
@pytest.mark.parametrize("name", ["s0", "merged"])
def test_the_offer_she_is_worth_reaches_her_whatever_her_rhythm(name: str, gap: int) -> None:
    # A-130-A-133: as shipped, caps and quiet hours included; the guides' two levels are both heard, though win_back spoke before them
    her = Her(name)
    buys(her, [0, gap, 2 * gap], total=200.0)
    her.until(5 * gap * DAY + 20 * DAY)
    assert [one for one, _ in mails(her, "churn_watch")] == ["vip-retention"]
    assert [one for one, _ in mails(her, "churn_critical")] == (["high-value-retention", "high-value-last"] if name == "merged" else [])
    assert "win-back-offer" not in [one for one, _ in mails(her, "win_back")]


def test_churn_critical_of_s1() -> None:
    # above 0.70; with nothing known of her hours it goes at once, or at everybody's best within a day
    her = Her("s1")
    buys(her, [0, 10, 20])
    reached = 20 * DAY + 10 * DAY * (1 - math.log(0.30))
    her.until(round(reached) - SECOND)
    assert mails(her, "churn_critical") == []
    her.until(round(reached) + 7 * DAY)
    first, last = her.plans[-2:]
    assert [plan.message for plan in (first, last)] == ["high-value-retention", "high-value-last"]
    assert 0 <= first.at - (MONDAY + reached) <= DAY + SECOND
    assert last.due_at - first.due_at >= 5 * DAY
    bought = Her("s1")
    buys(bought, [0, 10, 20, 41])
    bought.until(50 * DAY)
    assert mails(bought, "churn_critical") == []


def test_upsell_two_weeks_before_the_predicted_order() -> None:
    # seven of her last ten looks went to a dearer tier of what she buys
    for dear, sent in ((7, 1), (6, 0)):
        her = Her("s1")
        for n, day in enumerate((0, 30, 60)):
            her.event("purchase", day * DAY, order_id=f"o{n}", products=[{"product_id": f"b{n}", "price": 50, "category": "boots"}])
        for n in range(10):
            her.event("product_view", 61 * DAY + n * MINUTE, product_id=f"p{n}", category="boots", price=90 if n < dear else 40)
        her.until(75 * DAY)
        assert mails(her, "upsell_opportunity") == []
        her.until(77 * DAY)
        assert [message for message, _ in mails(her, "upsell_opportunity")] == ["upgrade-education"] * sent
        if sent:
            assert mails(her, "upsell_opportunity") == [("upgrade-education", "76 00:00:00")]


def test_reactivation_of_who_has_churned_and_may_come_back() -> None:
    # 0.5 × engagement.email + 0.5 × min(1, orders / 5) above 0.40: five orders, no mail read
    for orders, sent in ((5, ["reactivation", "reactivation-offer"]), (4, [])):
        her = Her("s1")
        buys(her, [n * 0.5 for n in range(orders)])
        her.until(110 * DAY)
        assert [message for message, _ in mails(her, "reactivation_potential")] == sent


# --- other channels ---------------------------------------------------------------------------------------------------------------


def test_a_day_after_the_ticket_was_closed() -> None:
    #
    her = Her(FREE)
    her.event("support_ticket", 0, ticket_id="t1", status="open")
    her.event("support_ticket", HOUR, ticket_id="t1", status="closed")
    her.until(2 * DAY)
    assert mails(her, "support_follow_up") == [("support-follow-up", at(DAY + HOUR))]
    again = Her(FREE)
    again.event("support_ticket", HOUR, ticket_id="t1", status="closed")
    again.event("support_ticket", 2 * HOUR, ticket_id="t1", status="reopened")
    again.until(3 * DAY)
    assert mails(again, "support_follow_up") == [], "it is open again: a cancel may ask of its own event"


def test_a_ticket_that_was_opened_later_and_told_earlier_cancels_too() -> None:
    # interface.md section 6: looked back for 48 h, and the condition finds what it asks for
    for status, sent in (("reopened", 0), ("noted", 1)):
        her = Her(FREE)
        her.event("support_ticket", 2 * HOUR, ticket_id="t2", status=status)
        her.event("support_ticket", HOUR, arrives=3 * HOUR, ticket_id="t1", status="closed")
        her.until(3 * DAY)
        assert len(mails(her, "support_follow_up")) == sent


@pytest.mark.parametrize(
    ("kind", "trigger", "message", "wait", "cancels"),
    [
        #
        ("social_engagement", "social_follow_up", "social-follow-up", 4 * HOUR, True),
        ("ad_click", "ad_follow_up", "ad-follow-up", 4 * HOUR, True),
        ("store_purchase", "store_follow_up", "store-follow-up", DAY, False),
    ],
)
def test_what_other_channels_tell(kind: str, trigger: str, message: str, wait: int, cancels: bool) -> None:
    told = {"order_id": "s1", "total": 20, "currency": "EUR"} if kind == "store_purchase" else {"network": "photos", "campaign": "may"}
    her = Her(FREE)
    her.event(kind, 0, **told)
    her.until(2 * DAY)
    assert mails(her, trigger) == [(message, at(wait))]
    bought = Her(FREE)
    bought.event(kind, 0, **told)
    bought.event("purchase", HOUR, order_id="o1", total=10, currency="EUR")
    bought.until(2 * DAY)
    assert len(mails(bought, trigger)) == (0 if cancels else 1)


def test_weather_and_stock_near_her() -> None:
    # which weather counts, and from what stock on, is data of the pack
    her = Her(FREE)
    her.event("context_update", 0, weather="sun", location="Graz", nearby_stock=0)
    assert mails(her, "weather") == mails(her, "location_inventory") == []
    her.event("context_update", HOUR, weather="snow")
    her.event("context_update", 2 * HOUR, location="Graz", nearby_stock=3)
    her.event("context_update", 3 * HOUR, weather="rain", location="Graz", nearby_stock=5)
    assert mails(her, "weather") == [("weather-picks", at(HOUR))], "not again for 7 d"
    assert mails(her, "location_inventory") == [("near-you", at(2 * HOUR))]
