"""Several messages for one place: who goes, what becomes of the others, and what the renderer's answers change (X-17)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import contacts
from app.domain.contacts import MAX_CONTACTS, Contact
from tests.gated import DROP, GAP, QUIET, TRIGGERS, gated, held, late, refused, rendered
from tests.her import DAY, HOUR, MINUTE, SECOND, Her


def both(her: Her) -> Her:
    """A product and a cart, due one after the other, and both at the tick of 10:00:01."""
    her.event("product_view", 8 * HOUR + 1, product_id="p1", price=50.0)
    her.event("cart_add", 8 * HOUR + 2, product_id="p2", price=20.0, quantity=1)
    return her


def test_the_lower_priority_number_goes_first_however_late_it_came() -> None:
    her = both(Her(gated(GAP)))
    her.until(12 * HOUR)
    assert her.sends() == [("cart-reminder", "0 10:00:01")]


def test_of_one_priority_what_is_worth_more_goes_first_then_what_is_older() -> None:
    her = Her(gated(GAP))
    her.event("product_view", 8 * HOUR + 1, product_id="cheap", price=5.0)
    her.event("product_view", 8 * HOUR + 2, product_id="dear", price=500.0)
    her.event("product_view", 8 * HOUR + 3, product_id="dear-too", price=500.0)
    her.until(12 * HOUR)
    assert [plan.view["event"]["product_id"] for plan in her.plans] == ["dear"]


def test_without_anything_gathered_a_message_is_worth_her_average_order() -> None:
    quizzes = TRIGGERS.replace('name     = "quiz"', 'name     = "quiz"\nconverts = 0.1\npriority = 50')
    quizzes = quizzes.replace('wait     = "0s"', 'wait     = "2h"', 1)
    for total, first in ((500.0, "usage-tips"), (5.0, "product-details")):
        her = Her(gated(GAP, quizzes))
        her.event("purchase", 0, order_id="o", total=total, currency="EUR", products=[{"product_id": "b", "price": total}])
        her.event("product_view", 8 * HOUR + 1, product_id="p", price=50.0)
        her.event("quiz_done", 8 * HOUR + 2)
        her.until(12 * HOUR)
        assert [plan.message for plan in her.plans] == [first]


def test_a_row_that_says_no_share_is_worth_what_the_pack_counts_on() -> None:
    # no shipped row says `converts`; `[offers] conversion`, by default 0.02, is what one message in all is expected to bring
    silent = TRIGGERS.replace("converts = 0.1\n", "")
    for more, cost in (("", 10.0), ('\n[offers]\nwhy = "ours"\nconversion = 0.5\n', 250.0)):
        her = Her(gated(GAP + more, silent))
        her.event("product_view", 8 * HOUR + 1, product_id="cheap", price=5.0)
        her.event("product_view", 8 * HOUR + 2, product_id="dear", price=500.0)
        her.event("product_view", 8 * HOUR + 3, product_id="dear-too", price=500.0)
        her.until(12 * HOUR)
        assert [plan.view["event"]["product_id"] for plan in her.plans] == ["dear"]
        assert cost in [one.values["expected_value"] for one in her.decided if one.outcome == "held"]


def test_where_nothing_is_known_of_a_value_the_older_goes_first_and_none_is_told() -> None:
    her = Her(gated(GAP, TRIGGERS.replace("converts = 0.1\n", "")))
    for n, name in enumerate(("first", "second")):
        her.event("product_view", 8 * HOUR + n, product_id=name)
    her.until(12 * HOUR)
    assert [plan.view["event"]["product_id"] for plan in her.plans] == ["first"]
    lost = [one for one in her.decided if one.outcome == "held"]
    assert lost and all("expected_value" not in one.values for one in lost)


def test_in_the_shipped_pack_too_of_two_equals_the_dearer_goes_first() -> None:
    #
    her = Her("merged")
    her.event("product_view", 9 * HOUR + 1, product_id="cheap", price=5.0, dwell_seconds=40)
    her.event("product_view", 9 * HOUR + 2, product_id="dear", price=500.0, dwell_seconds=40)
    her.until(2 * DAY)
    assert [plan.view["event"]["product_id"] for plan in her.plans if plan.trigger == "product_page_abandonment"][:1] == ["dear"]


def test_a_loser_waits_for_the_answer_then_for_the_next_free_moment() -> None:
    her = both(late(GAP))
    her.until(10 * HOUR + MINUTE)
    [won] = her.plans
    assert held(her) == [("view", "lost_to_trigger", "03-03 02:00:01")]
    assert her.decided[-1].values["lost_to"] == {"trigger": "cart", "window_id": won.window_id, "send_id": won.send_id}
    assert her.decided[-1].values["cap"] == "gap"
    rendered(her, won)
    her.until(11 * HOUR)
    assert held(her)[1:] == [("view", "frequency_cap", "03-03 02:00:01")]
    her.answers = None
    her.until(2 * DAY)
    # The follow-up of the cart was due 24 h after its first message, the gap after the view's allows it at 18:00:01.
    assert her.sends()[1:] == [("product-details", "1 02:00:01"), ("cart-last-call", "1 18:00:01")]


def test_a_loser_takes_the_place_that_is_given_back_at_once() -> None:
    her = both(late(GAP))
    her.until(10 * HOUR + MINUTE)
    refused(her, her.plans[0])
    her.until(11 * HOUR)
    assert her.sends() == [("cart-reminder", "0 10:00:01"), ("product-details", "0 10:01:01")]
    assert [one.send for one in her.group.person.windows.contacts] == [contacts.mark(her.plans[1].send_id)]


def test_where_the_pack_drops_losers_they_end_when_the_winner_is_rendered_and_not_before() -> None:
    her = both(late(GAP + DROP))
    her.until(10 * HOUR + MINUTE)
    assert her.decisions("not_sent") == []
    cost = [one.values["expected_value"] for one in her.decided if one.outcome == "held"]
    assert cost == [5.0], "a tenth of a product of 50, so that a digest can say what the lost place cost"
    rendered(her, her.plans[0])
    her.until(10 * HOUR + 2 * MINUTE)
    assert her.decisions("not_sent") == [("view", 0, "not_sent", "lost_to_trigger")]


def test_where_losers_are_dropped_who_comes_later_only_waits() -> None:
    her = Her(gated(GAP + DROP))
    her.event("cart_add", 8 * HOUR, product_id="p2")
    her.event("product_view", 9 * HOUR, product_id="p1")
    her.until(DAY + 3 * HOUR)
    assert her.sends() == [("cart-reminder", "0 10:00:00"), ("product-details", "1 02:00:00")]


def test_a_winner_that_is_never_answered_keeps_its_place_until_the_span_is_over() -> None:
    her = both(late(GAP))
    her.until(2 * DAY)
    assert [plan.message for plan in her.plans] == ["cart-reminder", "product-details"]
    assert her.plans[1].at - her.plans[0].at == 16 * HOUR
    assert ("cart", 0, "not_sent", "expired") not in her.decisions(), "who is planned and not answered is the renderer's to end"


def test_a_late_answer_still_settles_the_place_though_its_window_is_over() -> None:
    her = late(GAP)
    her.event("quiz_done", 0)
    her.until(2 * DAY)  # its plan has expired, and its window with it
    assert her.group.person.windows.open == ()
    rendered(her, her.plans[0])
    assert [one.answered for one in her.group.person.windows.contacts] == [True]


def test_what_follows_a_hold_that_ran_out_waits_from_there() -> None:
    """A programme would make up for a week of silence in a second: every message of it overdue before it began."""
    weekly = (
        TRIGGERS
        + """
[[trigger]]
name  = "weekly"
why   = "every day, however the one before ended"
open  = { on = "page_view" }
every = "1d"
after = "any"
wait  = "0s"
send  = "usage-tips"
"""
    )
    her = Her(gated('[[cap]]\nname = "one"\nwhy = "a test"\nmost = 1\nper = "7d"\n', weekly))
    her.event("quiz_done", 0)
    her.event("page_view", HOUR, page_type="home")
    her.until(5 * DAY)
    mine = [one for one in her.decisions("held", "not_sent") if one[0] == "weekly"]
    assert [one[3] for one in mine] == ["frequency_cap"] * len(mine) and 4 <= len(mine) <= 6


def test_two_places_three_messages_and_one_given_back() -> None:
    her = late('[[cap]]\nname = "two"\nwhy = "a test"\nmost = 2\nper = "7d"\n')
    for n in range(3):
        her.event("product_view", 8 * HOUR + 1 + n, product_id=f"p{n}")
    her.until(10 * HOUR + MINUTE)
    first, second = her.plans
    rendered(her, first)
    her.until(10 * HOUR + 2 * MINUTE)
    assert [reason for _, reason, _ in held(her)] == ["lost_to_trigger"], "one place may still come free: nothing new to say"
    refused(her, second)
    her.until(10 * HOUR + 3 * MINUTE)
    assert [plan.view["event"]["product_id"] for plan in her.plans] == ["p0", "p1", "p2"]


GROUPED = '[[group]]\nname = "one"\nwhy = "a test"\nscope = "person"\n' + TRIGGERS.replace(
    "priority = 50", 'priority = 50\ngroup = "one"'
).replace("priority = 30", 'priority = 30\ngroup = "one"')


def test_while_the_holder_of_a_group_is_only_planned_the_others_wait_and_then_end() -> None:
    her = both(late("", GROUPED))
    her.until(10 * HOUR + MINUTE)
    assert [(trigger, reason) for trigger, reason in [(one.trigger, one.reason) for one in her.decided if one.outcome == "held"]] == [
        ("view", "suppression_group")
    ]
    rendered(her, her.plans[0])
    assert her.decisions("not_sent") == [("view", 0, "not_sent", "suppression_group")]
    assert her.decided[-2].values["held_by"] == "cart"


def test_if_the_holder_of_a_group_does_not_go_out_the_next_does() -> None:
    her = both(late("", GROUPED))
    her.until(10 * HOUR + MINUTE)
    refused(her, her.plans[0])
    her.until(10 * HOUR + 2 * MINUTE)
    assert her.sends()[1:] == [("product-details", "0 10:01:01")]


def test_a_holder_of_a_group_that_nobody_answers_gives_it_up_when_it_expires() -> None:
    her = late("", GROUPED.replace("restart  = true", 'restart  = true\nexpires  = "1h"'))
    both(her)
    her.until(12 * HOUR)
    assert her.sends() == [("cart-reminder", "0 10:00:01"), ("product-details", "0 11:00:01")]


def test_what_is_cancelled_while_it_is_held_is_gone() -> None:
    her = Her(gated(QUIET))
    her.event("cart_add", 20 * HOUR, product_id="p")
    her.event("purchase", 23 * HOUR, order_id="o", total=5.0)
    her.until(2 * DAY)
    assert her.plans == []
    assert her.decisions("cancelled") == [("cart", 0, "cancelled", "cancelled_by_event"), ("cart", 1, "cancelled", "cancelled_by_event")]


def test_nobody_waits_longer_than_until_it_expires() -> None:
    # The bound: with others before it at every free moment, a message ends 24 h after it was due.
    her = Her(gated(GAP))
    her.event("product_view", 1, product_id="q")
    for n in range(10):
        her.event("cart_add", 2 + n * 8 * HOUR, product_id=f"c{n}")
        her.event("purchase", 4 * HOUR + n * 8 * HOUR, order_id=f"o{n}", total=5.0)
    her.until(4 * DAY)
    assert {plan.trigger for plan in her.plans} == {"cart"}
    [(_, _, _, reason)] = [one for one in her.decisions("not_sent") if one[0] == "view"]
    [at] = [one.at for one in her.decided if one.trigger == "view" and one.outcome == "not_sent"]
    assert (reason, at) == ("frequency_cap", "2026-03-03T02:00:01.000Z")


def test_two_hundred_open_windows_come_one_by_one_and_none_is_lost_sight_of() -> None:
    her = Her(gated(GAP))
    for n in range(200):
        her.event("product_view", 8 * HOUR + 1 + n, product_id=f"p{n}")
    her.until(4 * DAY)
    assert len(her.group.person.windows.open) == 0
    assert her.sends() == [("product-details", "0 10:00:01"), ("product-details", "1 02:00:01")]
    ended = her.decisions("not_sent")
    assert len(ended) == 198
    assert {reason for *_, reason in ended} == {"frequency_cap"}
    assert len([one for one in her.decided if one.outcome == "held"]) <= 2 * 2 * 200, (
        "a decision for each change of reason, not for each wake-up"
    )


def test_a_transactional_message_neither_waits_nor_counts() -> None:
    her = Her(gated(GAP + QUIET))
    her.event("quiz_done", 20 * HOUR)
    her.event("receipt", 22 * HOUR)
    her.event("receipt", 22 * HOUR + MINUTE)
    her.until(DAY)
    assert her.sends() == [("usage-tips", "0 20:00:00"), ("usage-tips", "0 22:00:00"), ("usage-tips", "0 22:01:00")]
    assert len(her.group.person.windows.contacts) == 1


# --- the ledger -----------------------------------------------------------------------------------------------------------------

LEDGER = st.lists(
    st.builds(Contact, st.integers(0, 50), st.integers(0, 12), st.just("t"), st.just("email"), st.integers(0, 3), st.booleans()),
    max_size=12,
    unique_by=lambda one: one.send,
).map(lambda some: tuple(sorted(some, key=lambda one: (one.at, one.send))))


@given(LEDGER, LEDGER, LEDGER)
@settings(max_examples=200)
def test_two_ledgers_as_one_have_each_message_once_in_whatever_order(
    one: contacts.Contacts, two: contacts.Contacts, three: contacts.Contacts
) -> None:
    both = contacts.union(one, two)
    assert {x.send for x in both} == {x.send for x in one} | {x.send for x in two}
    assert len({x.send for x in both}) == len(both)
    assert list(both) == sorted(both, key=lambda x: (x.at, x.send))
    assert {x.send for x in both if x.answered} == {x.send for x in (*one, *two) if x.answered}
    assert {x.send for x in contacts.union(both, three)} == {x.send for x in contacts.union(one, contacts.union(two, three))}


def test_the_ledger_is_bounded_and_says_what_it_forgot() -> None:
    known: contacts.Contacts = ()
    lost = 0
    for n in range(MAX_CONTACTS + 5):
        known, more = contacts.reserved(known, Contact(n * SECOND, n, "t"), 40 * DAY)
        lost += more
    assert (len(known), lost, known[0].send) == (MAX_CONTACTS, 5, 5)
    known, lost = contacts.reserved(known, Contact(41 * DAY, -1, "t"), DAY)
    assert (len(known), lost) == (1, 0)


@pytest.mark.parametrize("rendered", [True, False])
def test_an_answer_counts_once(rendered: bool) -> None:
    known = (Contact(0, contacts.mark("a"), "t"), Contact(1, contacts.mark("b"), "t"))
    after = contacts.answered(known, "b", rendered)
    assert [one.answered for one in after] == ([False, True] if rendered else [False])
    assert contacts.answered(after, "b", not rendered) is after
    assert contacts.answered(after, "c", rendered) is after
