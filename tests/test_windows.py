"""Windows: stories of one person in virtual time, each trigger with its edges (interface.md section 6)."""

from __future__ import annotations

from msgspec.structs import replace

from app.domain import room, window
from app.domain.lookback import MAX_BYTES, MAX_ENTRIES
from app.events import Conclusion, Rendered
from tests.her import ALL, DAY, HOUR, MINUTE, MONDAY, SECOND, UNGATED, Her, pack

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "currency": "EUR", "category": "shoes"}
SOCK = {"product_id": "p2", "product_name": "Sock", "price": 9.5}
LONG = {"dwell_seconds": 40}


def ends(her: Her, trigger: str) -> list[tuple[int, str]]:
    """(step, outcome or reason) of a trigger's decisions."""
    return [(step, reason or outcome) for name, step, outcome, reason in her.decisions() if name == trigger]


# --- product_page_abandonment ---------------------------------------------------------------------------------------------------


def test_two_hours_after_the_view_to_the_second() -> None:
    # wait 2 h, follow-up 24 h
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(2 * HOUR - SECOND)
    assert her.sends() == []
    her.until(10 * DAY)
    assert her.sends() == [("product-details", "0 02:00:00"), ("related-products", "1 02:00:00")]
    assert her.plans[0].cause == ["e1"]
    assert (her.plans[0].opened_at, her.plans[0].due_at) == (MONDAY, MONDAY + 2 * HOUR)
    assert her.plans[0].expires_at == MONDAY + 26 * HOUR


def test_thirty_seconds_count_and_a_little_less_does_not() -> None:
    # ≥ 30 s
    for dwell, opens in ((30, True), (30.0, True), (29.999, False), (0, False)):
        her = Her()
        her.event("product_view", 0, **SHOE, dwell_seconds=dwell)
        assert bool(her.decisions("opened")) is opens, dwell


def test_a_cart_add_of_it_one_second_before_cancels_the_chain() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    cancel = her.event("cart_add", 2 * HOUR - SECOND, **SHOE)
    her.until(3 * HOUR)
    assert her.sends() == []
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (0, "cancelled_by_event"), (1, "cancelled_by_event")]
    assert her.decided[1].cause == ["e1", cancel]


def test_a_cart_add_of_another_product_does_not() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("cart_add", HOUR, **SOCK)
    her.until(2 * HOUR)
    assert her.sends() == [("product-details", "0 02:00:00")]


def test_the_size_in_the_cart_is_the_parent_in_the_view() -> None:
    for told in ({"product_id": "p1-42", "product_name": "Trail shoe"}, {"product_id": "p1-42", "name": "Trail shoe"}):
        her = Her()
        her.event("product_view", 0, **SHOE, **LONG)
        her.event("cart_add", HOUR, **told)
        assert ends(her, "product_page_abandonment")[1:] == [(0, "cancelled_by_event"), (1, "cancelled_by_event")]
    her = Her()
    her.event("product_view", 0, product_id="p1", item_group_id="g", **LONG)
    her.event("cart_add", HOUR, product_id="p9", item_group_id="g")
    assert len(her.decisions("cancelled")) == 2


def test_a_cancel_with_the_very_timestamp_of_due_at_still_counts() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("purchase", 2 * HOUR, order_id="o", **SOCK)
    her.until(3 * HOUR)
    assert her.sends() == []


def test_a_cancel_stamped_later_counts_if_it_came_before_the_fire() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("purchase", 2 * HOUR + 5 * MINUTE, arrives=HOUR, order_id="o", **SOCK)
    her.until(3 * HOUR)
    assert her.sends() == []


def test_one_after_the_first_message_cancels_the_second() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("purchase", 2 * HOUR + SECOND, order_id="o", **SOCK)
    her.until(3 * DAY)
    assert [message for message, _ in her.sends()] == ["product-details", "usage-tips"]
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "cancelled_by_event")]


def test_a_second_view_joins() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("product_view", HOUR, **SHOE, dwell_seconds=50)
    her.until(2 * DAY)
    assert her.sends() == [("product-details", "0 02:00:00"), ("related-products", "1 02:00:00")]
    assert her.plans[0].view["window"]["views"] == 2
    assert her.plans[0].view["window"]["seconds"] == 90
    assert len(her.plans[0].view["window"]["products"]) == 1


def test_after_the_last_step_a_new_window_may_open_at_once_in_s1_and_after_7_days_in_merged() -> None:
    again = 8 * DAY + 2 * HOUR  # 7 d after the follow-up, which went out 26 h after the view
    for name, after, sends in (("s1", 3 * DAY, 4), (UNGATED, 7 * DAY, 2), (UNGATED, again - 1, 2), (UNGATED, again, 4)):
        her = Her(name)
        her.event("product_view", 0, **SHOE, **LONG)
        her.event("product_view", after, **SHOE, **LONG)
        her.until(30 * DAY)
        about = [plan for plan in her.plans if plan.trigger == "product_page_abandonment"]
        assert len(about) == sends, name
        assert len({plan.window_id for plan in about}) == sends // 2


def test_two_products_are_two_windows_and_one_cart_add_ends_one() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("product_view", MINUTE, **SOCK, **LONG)
    her.event("cart_add", HOUR, **SHOE)
    her.event("cart_remove", HOUR + SECOND, **SHOE)
    her.until(3 * HOUR)
    assert her.sends() == [("product-details", "0 02:01:00")]
    assert her.plans[0].view["event"]["product_id"] == "p2"


def test_a_view_of_no_product_opens_nothing() -> None:
    her = Her()
    her.event("product_view", 0, product_category="shoes", **LONG)
    assert her.decisions() == []


# --- dwell ----------------------------------------------------------------------------------------------------------------------


def test_the_gap_to_the_next_event_tells_the_dwell_and_opens_then() -> None:
    her = Her()
    view = her.event("product_view", 0, **SHOE)
    her.event("page_view", 45 * SECOND, page_type="home")
    her.until(3 * HOUR)
    assert her.sends() == [("product-details", "0 02:00:45")]
    assert her.plans[0].cause == [view]
    assert her.plans[0].view["event"]["dwell_seconds"] == 45
    assert her.plans[0].opened_at == MONDAY + 45 * SECOND


def test_a_short_gap_another_session_and_a_mail_event_tell_nothing() -> None:
    for kind, t, session in (("page_view", 29 * SECOND, "s"), ("page_view", 45 * SECOND, "t"), ("email_open", 45 * SECOND, "s")):
        her = Her()
        her.event("product_view", 0, **SHOE, session_id="s")
        her.event(kind, t, session_id=session)
        assert her.decisions() == [], (kind, t, session)


def test_without_sessions_thirty_minutes_is_the_end_of_one() -> None:
    for gap, opens in ((30 * MINUTE, True), (30 * MINUTE + 1, False)):
        her = Her()
        her.event("product_view", 0, **SHOE)
        her.event("page_view", gap)
        assert bool(her.decisions()) is opens


def test_a_gap_of_the_same_session_is_capped_at_thirty_minutes() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, session_id="s")
    her.event("page_view", 3 * HOUR, session_id="s")
    her.until(6 * HOUR)
    assert her.plans[0].view["event"]["dwell_seconds"] == 1800
    assert her.sends() == [("product-details", "0 05:00:00")]


def test_its_page_leave_knows_better_than_the_gap() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE)
    her.event("page_leave", 50 * SECOND, product_id="p1", dwell_seconds=12)
    her.event("page_view", 55 * SECOND)
    assert her.decisions() == []
    her = Her()
    her.event("product_view", 0, **SHOE)
    her.event("product_view", 10 * SECOND, **SOCK)  # a second tab
    her.event("page_leave", 60 * SECOND, product_id="p1", dwell_seconds=60)
    her.until(3 * HOUR)
    assert her.sends()[0] == ("product-details", "0 02:01:00")
    assert her.plans[0].view["event"]["product_id"] == "p1"


def test_an_event_that_tells_a_gap_and_is_itself_a_cancel_opens_nothing() -> None:
    for kind, told in (("cart_add", SHOE), ("purchase", {**SOCK, "order_id": "o"}), ("store_purchase", {**SOCK, "order_id": "o"})):
        her = Her()
        her.event("product_view", 0, **SHOE)
        her.event(kind, 45 * SECOND, **told)
        assert ends(her, "product_page_abandonment") == [], kind
    her = Her()
    her.event("product_view", 0, **SHOE)
    her.event("cart_add", 45 * SECOND, **SOCK)
    assert ends(her, "product_page_abandonment") == [(0, "opened")]


# --- late, out of order ---------------------------------------------------------------------------------------------------------


def test_a_cancel_that_came_before_its_opening_but_happened_after_it() -> None:
    for stamped, cancelled in ((MINUTE, True), (0, False), (-MINUTE, False)):
        her = Her()
        her.event("cart_add", stamped, arrives=MINUTE, **SHOE)
        her.event("cart_add", 2 * MINUTE, **SOCK)
        her.event("product_view", 0, arrives=2 * MINUTE, **SHOE, **LONG)
        steps = ends(her, "product_page_abandonment")
        assert steps[0] == (0, "opened")
        assert (steps[1:] == [(0, "cancelled_by_event"), (1, "cancelled_by_event")]) is cancelled, stamped


def test_it_is_the_view_that_counts_and_not_when_its_dwell_was_told() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, session_id="s")
    cancel = her.event("cart_add", 20 * SECOND, **SHOE, session_id="t")
    her.event("page_view", 60 * SECOND, session_id="s")
    assert ends(her, "product_page_abandonment")[1:] == [(0, "cancelled_by_event"), (1, "cancelled_by_event")]
    assert her.decided[-1].cause == ["e1", cancel]


def test_the_look_back_ends_after_48_hours() -> None:
    for arrives, opened in ((48 * HOUR - MINUTE, False), (48 * HOUR + 2 * MINUTE, True)):
        her = Her()
        her.event("purchase", MINUTE, order_id="o", **SOCK)
        her.event("product_view", 0, arrives=arrives, **SHOE, **LONG)
        assert (len(her.decisions("cancelled")) == 0) is opened


def test_an_opening_after_its_due_time_fires_at_the_first_tick_past_its_arrival() -> None:
    her = Her()
    her.event("product_view", 0, arrives=5 * HOUR, **SHOE, **LONG)
    her.until(8 * HOUR)
    assert her.sends() == [("product-details", "0 05:00:00")]
    assert her.plans[0].due_at == MONDAY + 2 * HOUR
    her.until(2 * DAY)
    assert her.sends()[1:] == [("related-products", "1 02:00:00")]


def test_a_purchase_of_the_same_batch_still_counts() -> None:
    her = Her()
    her.event("product_view", 0, arrives=5 * HOUR, **SHOE, **LONG)
    her.event("purchase", HOUR, arrives=5 * HOUR, order_id="o", **SOCK)
    her.until(6 * HOUR)
    assert [one for one in her.plans if one.trigger == "product_page_abandonment"] == []


def test_more_than_six_hours_late_is_too_late() -> None:
    for arrives, sent in ((8 * HOUR, True), (8 * HOUR + SECOND, False)):
        her = Her()
        her.event("product_view", 0, arrives=arrives, **SHOE, **LONG)
        her.until(12 * HOUR)
        assert bool(her.sends()) is sent
        if not sent:
            assert ends(her, "product_page_abandonment")[1:] == [(0, "late_event"), (1, "late_event")]
            assert her.decided[1].values == {"late_seconds": 21601}


def test_nothing_fires_while_the_low_water_mark_lags() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.tick(3 * HOUR, low_water=2 * HOUR - 1)
    assert her.sends() == []
    her.tick(3 * HOUR + SECOND, low_water=2 * HOUR)
    assert her.sends() == [("product-details", "0 03:00:01")]


def test_an_opening_after_its_due_time_waits_until_the_low_water_has_passed_its_arrival() -> None:
    her = Her()
    her.event("product_view", 0, arrives=5 * HOUR, **SHOE, **LONG)
    her.tick(5 * HOUR + SECOND, low_water=5 * HOUR - 1)
    assert her.sends() == []
    her.tick(5 * HOUR + 2 * SECOND, low_water=5 * HOUR)
    assert her.sends() == [("product-details", "0 05:00:02")]


# --- cart_abandonment -----------------------------------------------------------------------------------------------------------


def test_a_cart_is_reminded_of_once_with_everything_in_it() -> None:
    # 2 h
    her = Her()
    her.event("cart_add", 0, **SHOE, quantity=2)
    her.event("cart_add", HOUR, **SOCK)
    her.until(5 * DAY)
    assert her.sends() == [("cart-reminder", "0 02:00:00"), ("cart-last-call", "1 02:00:00")]
    seen = her.plans[0].view["window"]
    assert [(one["product_id"], one["quantity"]) for one in seen["products"]] == [("p1", 2), ("p2", 1)]
    assert seen["value"] == "187.50"


def test_merged_waits_from_the_last_change_of_the_cart() -> None:
    her = Her(UNGATED)
    her.event("cart_add", 0, **SHOE)
    her.event("cart_add", HOUR, **SOCK)
    her.event("cart_remove", 90 * MINUTE, **SOCK)
    her.until(4 * HOUR)
    assert ("cart-reminder", "0 03:30:00") in her.sends()
    assert len([1 for message, _ in her.sends() if message == "cart-reminder"]) == 1


def test_taking_everything_out_cancels_and_taking_something_out_does_not() -> None:
    her = Her()
    her.event("cart_add", 0, **SHOE, quantity=2)
    her.event("cart_add", 1, **SOCK)
    her.event("cart_remove", 2, **SHOE)
    assert her.decisions("cancelled") == []
    her.event("cart_remove", 3, **SOCK)
    assert ends(her, "cart_abandonment")[1:] == [(0, "cancelled_by_event"), (1, "cancelled_by_event")]


def test_taken_out_in_the_same_moment_is_taken_out() -> None:
    her = Her()
    her.event("cart_add", 0, **SHOE)
    her.event("cart_remove", 0, **SHOE)
    assert len(her.decisions("cancelled")) == 2


def test_pieces_are_counted_where_they_are_told() -> None:
    her = Her()
    her.event("cart_add", 0, **SHOE, quantity=2)
    her.event("cart_remove", 1, **SHOE, quantity=1)
    assert her.decisions("cancelled") == []
    her.event("cart_remove", 2, **SHOE, quantity=1)
    assert len(her.decisions("cancelled")) == 2


def test_a_removal_that_overtook_its_addition_empties_the_cart_and_an_older_one_does_not() -> None:
    for stamped, cancelled in ((SECOND, 2), (-SECOND, 0)):
        her = Her()
        her.event("cart_remove", stamped, arrives=SECOND, **SHOE)
        her.event("cart_add", 0, arrives=2 * SECOND, **SHOE)
        assert len(her.decisions("cancelled")) == cancelled
    her = Her()
    her.event("cart_add", 0, **SHOE)
    her.event("cart_remove", -MINUTE, arrives=MINUTE, **SHOE)
    assert her.decisions("cancelled") == []
    # It also holds for a product that joins: the sock was taken out again before its addition arrived.
    her.event("cart_remove", 2 * MINUTE, **SOCK)
    her.event("cart_add", MINUTE, arrives=3 * MINUTE, **SOCK)
    her.until(2 * HOUR)
    assert [one["product_id"] for one in her.plans[0].view["window"]["products"]] == ["p1"]


def test_a_cart_with_more_lines_than_are_kept_is_not_taken_for_empty() -> None:
    her = Her()
    many = [f"x{n}" for n in range(60)]
    for product_id in many:
        her.event("cart_add", 0, product_id=product_id)
    for product_id in many[:59]:
        her.event("cart_remove", SECOND, product_id=product_id)
    assert her.decisions("cancelled") == []
    her.event("cart_remove", SECOND, product_id=many[59])
    assert len(her.decisions("cancelled")) == 2


def test_a_purchase_stops_the_follow_up() -> None:
    her = Her()
    her.event("cart_add", 0, **SHOE)
    her.event("purchase", 5 * HOUR, order_id="o", **SHOE)
    her.until(30 * HOUR)
    assert [message for message, _ in her.sends()] == ["cart-reminder"]


# --- post_purchase --------------------------------------------------------------------------------------------------------------


def test_the_days_after_an_order() -> None:
    #
    her = Her()
    her.event("purchase", 0, order_id="o", **SHOE)
    her.until(60 * DAY)
    assert her.sends() == [("usage-tips", "2 00:00:00"), ("complements", "7 00:00:00"), ("review-request", "14 00:00:00")]
    assert ends(her, "post_purchase")[-1] == (3, "condition_false")
    assert her.decided[-1].values["profile.orders"] == 1


def test_a_loyal_customer_is_asked_for_a_referral() -> None:
    her = Her()
    for n in range(5):
        her.event("purchase", n, order_id=f"o{n}", **SHOE)
    her.until(60 * DAY)
    assert [message for message, _ in her.sends()].count("referral") == 5


def test_an_order_logged_twice_and_line_by_line_is_one_window_with_all_its_lines() -> None:
    her = Her()
    for event in ({**SHOE, "quantity": 2}, {**SHOE, "quantity": None}, {**SOCK, "quantity": 1}):
        her.event("purchase", 0, order_id="o", **event)
    her.until(2 * DAY)
    assert her.sends() == [("usage-tips", "2 00:00:00")]
    assert [one["product_name"] for one in her.plans[0].view["order"]["products"]] == ["Trail shoe", "Sock"]
    assert her.plans[0].view["window"]["value"] == "187.50"


def test_a_full_refund_cancels_the_rest_and_a_part_does_not() -> None:
    for amounts, cancelled in (((89,), 4), ((40,), 0), ((40, 49), 4), ((None,), 4)):
        her = Her()
        her.event("purchase", 0, order_id="o", **SHOE)
        for amount in amounts:
            her.event("refund", DAY, order_id="o", **({} if amount is None else {"amount": amount}))
        assert len(her.decisions("cancelled")) == cancelled, amounts
    her = Her()
    her.event("refund", HOUR, arrives=0, order_id="o", amount=89)
    her.event("purchase", 0, arrives=MINUTE, order_id="o", **SHOE)
    assert len(her.decisions("cancelled")) == 4
    her.event("purchase", DAY, order_id="other", **SHOE)
    her.event("refund", 2 * DAY, order_id="third", amount=89)
    assert len(her.decisions("cancelled")) == 4


def test_what_waits_days_may_be_days_late() -> None:
    for arrives, sent in ((5 * DAY, True), (5 * DAY + SECOND, False)):
        her = Her()
        her.event("purchase", 0, arrives=arrives, order_id="o", **SHOE)
        her.until(6 * DAY)
        assert bool(her.sends()) is sent


# --- welcome --------------------------------------------------------------------------------------------------------------------


def test_welcome_goes_out_in_the_step_that_made_her_reachable_and_only_once() -> None:
    #
    her = Her(UNGATED, assume=frozenset())
    her.event("identify", 0, traits={"email": "ann@shop.example", "first_name": "Ann"})
    assert her.plans == []
    her.event("consent_give", HOUR, purposes=["email"])
    assert [plan.message for plan in her.plans] == ["welcome"]
    assert her.plans[0].view["customer"]["first_name"] == "Ann"
    her.event("email_unsubscribe", 2 * HOUR)
    her.event("consent_give", 3 * HOUR, purposes=["email"])
    her.record(Conclusion(MONDAY + 4 * HOUR, her.group.person.person_id, "reachable", "email", MONDAY + 4 * HOUR, "again"))
    her.until(30 * DAY)
    assert her.sends()[1:] == [("welcome-recommendations", "2 01:00:00"), ("welcome-offer", "5 01:00:00")]
    assert len([one for one in her.decisions("opened") if one[0] == "welcome"]) == 1


# --- the renderer's answer ------------------------------------------------------------------------------------------------------


def test_what_could_not_be_rendered_ends_the_chain_with_its_reason() -> None:
    her = Her()
    her.answers = "missing_content"
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(3 * DAY)
    assert len(her.plans) == 1
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "missing_content")]


def test_a_cancel_between_plan_and_answer_cancels_the_steps_left() -> None:
    her = Her(UNGATED)
    her.answers = ""
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(2 * HOUR)
    plan = her.plans[-1]
    her.event("cart_add", 2 * HOUR + SECOND, **SHOE)
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "cancelled_by_event")]
    her.event("product_view", 2 * HOUR + 2 * SECOND, **SHOE, **LONG)  # its message may still be on its way
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "cancelled_by_event")]
    her.record(Rendered(her.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step))
    her.event("product_view", 2 * DAY, **SHOE, **LONG)
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "cancelled_by_event")], "merged: 7 d"
    assert [one for one in her.group.person.windows.open if one.trigger == "product_page_abandonment"] == []


def test_a_plan_that_nobody_answers_does_not_keep_its_window_open_for_ever() -> None:
    her = Her()
    her.answers = ""
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(2 * HOUR + DAY - SECOND)
    assert len(her.group.person.windows.open) == 1
    her.until(2 * HOUR + DAY)
    assert her.group.person.windows.open == ()
    assert ends(her, "product_page_abandonment") == [(0, "opened"), (1, "expired")]


def test_a_second_answer_changes_nothing() -> None:
    her = Her()
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(2 * HOUR)
    before, plan = her.group.person.windows, her.plans[0]
    her.record(Rendered(her.now, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step))
    assert her.group.person.windows is before


# --- ids, versions, limits ------------------------------------------------------------------------------------------------------


def test_ids_come_from_causes_and_the_sizes_of_nothing() -> None:
    first, second = Her(), Her()
    for her in (first, second):
        her.event("product_view", 0, **SHOE, **LONG)
        if her is second:
            her.store_and_load()
        her.until(2 * HOUR)
    assert first.plans == second.plans
    assert [one.decision_id for one in first.decided] == [one.decision_id for one in second.decided]
    other = Her()
    other.event("product_view", 0, event_id="other", **SHOE, **LONG)
    other.until(2 * HOUR)
    assert other.plans[0].send_id != first.plans[0].send_id


def test_a_window_keeps_the_row_of_its_own_version() -> None:
    her = Her("s1")
    her.event("product_view", 0, **SHOE, **LONG)
    new = pack(UNGATED)
    her.pack, her.packs = new, {**her.packs, new.ref: new}
    her.event("product_view", HOUR, **SHOE, **LONG)  # joins
    her.until(2 * HOUR)
    plan = next(one for one in her.plans if one.trigger == "product_page_abandonment")
    assert plan.policy == pack("s1").ref
    gone = replace(new, ref="none@0", opens={}, cancels={}, by_name={}, triggers=())
    her.pack, her.packs = gone, {**her.packs, gone.ref: gone}
    her.event("cart_add", 3 * HOUR, **SHOE)
    assert ("product_page_abandonment", 1, "cancelled", "cancelled_by_event") in her.decisions()


def test_before_the_first_activation_nothing_opens() -> None:
    her = Her()
    her.pack = None  # type: ignore[assignment]
    her.event("product_view", 0, **SHOE, **LONG)
    her.event("purchase", 1, order_id="o", **SHOE)
    assert her.decisions() == []


def test_a_bot_opens_nothing() -> None:
    her = Her()
    her.event("product_view", 0, bot=True, **SHOE, **LONG)
    her.event("product_view", 1, bot=True, **SHOE)
    her.event("page_view", MINUTE, bot=True)
    her.event("purchase", MINUTE, bot=True, order_id="o", **SHOE)
    assert her.decisions() == []


def test_behaviour_is_not_kept_once_she_withdrew_track() -> None:
    her = Her(assume=ALL)
    her.event("consent_withdraw", 0, purposes=["track"])
    her.event("product_view", 1, **SHOE, **LONG)
    her.event("product_view", 2, **SOCK)
    her.event("cart_add", MINUTE, **SHOE)
    assert her.decisions() == []
    assert her.group.person.windows.pending == ()
    assert her.group.history.lookback.entries == ()


def test_two_hundred_windows_are_the_limit() -> None:
    her = Her()
    for n in range(room.MAX_OPEN + 1):
        her.event("product_view", n, product_id=f"p{n}", **LONG)
    assert len(her.group.person.windows.open) == room.MAX_OPEN
    assert [reason for *_, reason in her.decisions("not_sent")] == ["window_limit", "window_limit"]


def test_windows_and_look_back_stay_small_whatever_events_carry() -> None:
    her = Her()
    big = {f"k{n}": "x" * 5_000 for n in range(100)}
    for n in range(120):
        lines = [{"product_id": f"p{n}-{m}" + "y" * 300, "product_name": "z" * 300, "url": "u" * 3_000} for m in range(80)]
        her.event("purchase", n * MINUTE, order_id=f"o{n}", products=lines, total=10, **big)
        her.event("product_view", n * MINUTE, product_id=f"v{n}", **big)
        her.event("cart_add", n * MINUTE + 1, product_id=f"c{n}", **big)
    part = her.group.person.windows
    assert sum(one.size for one in part.open) <= room.MAX_BYTES
    assert sum(len(window._encode(one)) for one in part.open) <= room.MAX_BYTES * 1.1
    entries = her.group.history.lookback.entries
    assert 5 < len(entries) <= MAX_ENTRIES
    assert len(window._encode(part)) < 200 * 1024
    assert len(window._encode(entries)) < MAX_BYTES * 1.1


def test_a_reached_goal_is_no_event_of_hers_though_it_names_one() -> None:
    # Windows of another version of the pack listen to everything, also to what another row's goal says.
    her = Her("s1")
    her.event("product_view", 0, **SHOE, **LONG)
    her.until(3 * HOUR)
    her.packs["other"] = replace(pack("s1"), ref="other")
    her.event("search", 3 * HOUR + 1, query="x")
    reached = Conclusion(her.now, her.group.person.person_id, "goal_reached", "search_abandonment", her.now, "e9", {"event": "purchase"})
    before = her.group.person.windows
    assert before.goals and before.open
    windows = tuple(replace(one, ref="other") for one in before.open)
    her.group = her.group.replaced(replace(her.group.person, windows=replace(before, open=windows)), {})
    her.record(reached)
    assert her.group.person.windows.open == windows
