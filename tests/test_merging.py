"""Two people as one: what each agent makes of both its parts, and what the lane hands over. Without partitions: tests/test_identity.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import (
    churn,
    intent,
    interest,
    lookback,
    mail,
    merged_orders,
    merged_windows,
    merging,
    orders,
    person,
    profile,
    room,
    window,
)
from app.domain.effects import PassOn
from app.domain.fingerprint import fingerprint
from app.domain.merging import MAX_AWAITED, MAX_EARLY, MAX_VIA, Merging
from app.domain.person import Group, Person, See
from app.domain.window import HELD, Windows
from app.events import Event, Link, MergeOut, Moved, NotRendered, Rendered, Retry, Unlink
from tests.her import ALL, DAY, HOUR, MINUTE, MONDAY, SECOND, UNGATED, Her

SHOES = {"product_id": "p1", "product_name": "Trail shoe", "category": "shoes", "price": 89.0}
HATS = {"product_id": "p2", "product_name": "Hat", "category": "hats", "price": 20.0}


def two(pack: str = "s1", assume: frozenset[str] = ALL) -> tuple[Her, Her]:
    """A customer and the device she turns out to have used."""
    her, device = Her(pack, assume), Her(pack, assume)
    her.group, device.group = Group(Person("c" * 32)), Group(Person("a" * 32))
    return her, device


def become_one(her: Her, device: Her, t: int) -> None:
    """The device's person is handed over to hers, through bytes."""
    for one in (her, device):
        one.until(t - 1)
        one.now = MONDAY + t
    out = MergeOut(MONDAY + t, device.group.person.person_id, her.group.person.person_id, "cause")
    device.group, effects = person.step(device.group, out, device._see())
    (moved,) = [effect.record for effect in effects if isinstance(effect, PassOn)]
    assert isinstance(moved, Moved)
    her.record(moved)
    her.store_and_load()
    device.store_and_load()


def passed_on(one: Her, record: Any) -> list[Any]:
    before = one.group
    one.group, effects = person.step(one.group, record, one._see())
    assert one.group is before, "a stub keeps nothing"
    return [effect.record for effect in effects if isinstance(effect, PassOn)]


# --- windows ------------------------------------------------------------------------------------------------------------------


def test_a_window_goes_on_under_its_id() -> None:
    her, device = two()
    device.event("product_view", 0, **SHOES, dwell_seconds=40)
    (before,) = device.group.person.windows.open
    become_one(her, device, HOUR)
    (after,) = her.group.person.windows.open
    assert after == before
    her.until(3 * HOUR)
    assert her.sends() == [("product-details", "0 02:00:00")]
    assert device.group.person.windows == Windows()


def test_of_two_of_one_scope_the_earlier_goes_on_with_what_the_later_gathered() -> None:
    for mine, theirs in ((0, HOUR), (HOUR, 0)):
        her, device = two(UNGATED)
        if mine < theirs:
            her.event("cart_add", mine, **SHOES, quantity=1)
            device.event("cart_add", theirs, **HATS, quantity=2)
        else:
            device.event("cart_add", theirs, **HATS, quantity=2)
            her.event("cart_add", mine, **SHOES, quantity=1)
        become_one(her, device, HOUR + MINUTE)
        carts = [one for one in her.group.person.windows.open if one.trigger == "cart_abandonment"]
        assert [(one.opened_at, one.due_at) for one in carts] == [(MONDAY, MONDAY + 3 * HOUR)], "as if it had been one cart"
        merged = [one for one in her.decided if one.reason == "merged" and one.trigger == "cart_abandonment"]
        assert [(one.outcome, one.step) for one in merged] == [("not_sent", 0), ("not_sent", 1)]
        her.until(4 * HOUR)
        (plan,) = [plan for plan in her.plans if plan.trigger == "cart_abandonment"]
        assert {one["product_id"]: one["quantity"] for one in plan.view["window"]["products"]} == {"p1": 1, "p2": 2}


def test_each_ones_windows_are_checked_against_what_the_other_did() -> None:
    # She put it in the cart as a customer and bought it as a guest, or the other way round.
    for buyer in (0, 1):
        both = two()
        both[1 - buyer].event("cart_add", 0, **SHOES, quantity=1)
        both[buyer].event("purchase", HOUR, order_id="o-1", total=89, products=[SHOES])
        her, device = both
        become_one(her, device, HOUR + MINUTE)
        assert [one.trigger for one in her.group.person.windows.open] == ["post_purchase"]
        cancelled = [one for one in her.decided if one.outcome == "cancelled"]
        assert [(one.trigger, one.reason, one.step) for one in cancelled] == [
            ("cart_abandonment", "cancelled_by_event", 0),
            ("cart_abandonment", "cancelled_by_event", 1),
        ]


def test_what_the_other_took_out_before_the_window_changes_nothing() -> None:
    her, device = two()
    device.event("purchase", 0, order_id="o-1", total=89, products=[SHOES])
    her.event("cart_add", HOUR, **SHOES, quantity=1)
    become_one(her, device, HOUR + MINUTE)
    assert sorted(one.trigger for one in her.group.person.windows.open) == ["cart_abandonment", "post_purchase"]


def test_no_second_message_of_a_scope_within_again() -> None:
    her, device = two(UNGATED)
    her.event("product_view", 0, **SHOES, dwell_seconds=40)
    her.until(3 * HOUR)
    assert [message for message, _ in her.sends() if message == "product-details"] == ["product-details"]
    her.event("purchase", 4 * HOUR, order_id="o-1", total=20, products=[HATS])
    device.event("product_view", 5 * HOUR, **SHOES, dwell_seconds=40)
    device.event("product_view", 5 * HOUR, **HATS, dwell_seconds=40)
    become_one(her, device, 6 * HOUR)
    left = [one.product.product_id for one in her.group.person.windows.open if one.trigger == "product_page_abandonment"]
    assert left == ["p2"], "the hat was never written about"
    device = Her(UNGATED)
    device.group = Group(Person("d" * 32))
    device.event("product_view", 7 * HOUR, **SHOES, dwell_seconds=40)
    become_one(device, her, 8 * HOUR)
    left = [one.product.product_id for one in device.group.person.windows.open if one.trigger == "product_page_abandonment"]
    assert left == ["p2"], "and the other way round: the mark moves with her"


def test_welcome_is_once_ever_for_both() -> None:
    her, device = two(UNGATED)
    her.event("page_view", 0, page_type="home")
    device.event("page_view", HOUR, page_type="home")
    assert [len([one for one in who.plans if one.trigger == "welcome"]) for who in (her, device)] == [1, 1]
    become_one(her, device, HOUR + MINUTE)
    her.event("page_view", 2 * HOUR, page_type="home")
    her.until(30 * DAY)
    assert len([plan for plan in her.plans if plan.trigger == "welcome" and plan.step == 0]) == 1
    assert len([plan for plan in her.plans if plan.trigger == "welcome" and plan.step == 1]) == 1, "of two chains the earlier goes on"


def test_a_planned_message_of_the_later_window_is_still_the_renderers_to_end() -> None:
    her, device = two()
    device.answers = ""
    her.event("cart_add", 0, **SHOES, quantity=1)
    her.answers = ""
    device.event("cart_add", MINUTE, **HATS, quantity=1)
    become_one(her, device, 2 * HOUR + 2 * MINUTE)
    first, later = sorted(her.group.person.windows.open, key=lambda one: one.opened_at)
    assert (first.closing, later.closing, bool(later.send_id)) == (False, True, True)
    answer = Rendered(her.now, "a" * 32, later.send_id, later.window_id, later.trigger, 0)
    (onward,) = passed_on(device, answer)
    her.record(onward)
    assert [one.window_id for one in her.group.person.windows.open] == [first.window_id]


def test_window_limits_hold() -> None:
    her, device = two()
    for n in range(150):
        her.event("product_view", n, product_id=f"h{n}", dwell_seconds=40)
        device.event("product_view", n, product_id=f"d{n}", dwell_seconds=40)
    become_one(her, device, HOUR)
    assert len(her.group.person.windows.open) <= room.MAX_OPEN
    assert sum(one.size for one in her.group.person.windows.open) <= room.MAX_BYTES
    ended = [one for one in her.decided if one.reason == "window_limit"]
    assert len({one.window_id for one in ended}) == 300 - len(her.group.person.windows.open)


def test_every_field_of_the_schedulers_part_is_merged() -> None:
    assert {*merged_windows.UNIONS, "open", "next"} == set(Windows.__struct_fields__)


# --- holding ------------------------------------------------------------------------------------------------------------------


def test_while_something_is_on_its_way_nothing_goes_out() -> None:
    her, device = two(UNGATED)
    her.event("cart_add", 0, **SHOES, quantity=1)
    her.record(Link(her.now, "a:d", her.group.person.person_id, "cause"))
    her.until(3 * HOUR)
    her.event("cart_add", 3 * HOUR, **HATS, quantity=1)
    her.until(9 * HOUR)
    assert "cart-reminder" not in [message for message, _ in her.sends()]
    held = [one for one in her.decided if one.outcome == "held" and one.trigger == "cart_abandonment"]
    assert [(one.step, one.reason) for one in held] == [(0, "merging")]
    assert [one.wake_at for one in her.group.person.windows.open if one.trigger == "cart_abandonment"] == [HELD]
    become_one(her, device, 9 * HOUR)
    her.until(9 * HOUR + SECOND)
    assert ("cart-reminder", "0 09:00:01") in her.sends()


def test_an_answer_may_come_before_its_question() -> None:
    her, device = two()
    become_one(her, device, HOUR)
    assert her.group.person.merging == Merging(early=("cause",))
    her.record(Link(her.now, "a:d", her.group.person.person_id, "cause"))
    assert her.group.person.merging is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_questions_and_answers_cancel_each_other_in_any_order(said: list[tuple[bool, int]]) -> None:
    now, balance = None, dict.fromkeys(map(str, range(6)), 0)
    for asks, number in said:
        now = merging.settled(now, (str(number),) if asks else (), () if asks else (str(number),))
        balance[str(number)] += 1 if asks else -1
    awaited, early = (now.awaited, now.early) if now is not None else ((), ())
    assert {name: awaited.count(name) - early.count(name) for name in balance} == balance
    assert not set(awaited) & set(early)


def test_what_a_person_waits_for_is_limited() -> None:
    now = merging.settled(None, map(str, range(MAX_AWAITED + 5)), map(str, range(10_000, 10_005 + MAX_EARLY)))
    assert now is not None and (len(now.awaited), len(now.early)) == (MAX_AWAITED, MAX_EARLY)


# --- stubs --------------------------------------------------------------------------------------------------------------------


def test_a_stub_sends_everything_on_and_wakes_for_nothing() -> None:
    her, device = two()
    device.event("product_view", 0, **SHOES, dwell_seconds=40)
    device.event("purchase", MINUTE, order_id="o-1", total=89, products=[SHOES])
    become_one(her, device, HOUR)
    a, c, at = "a" * 32, "c" * 32, device.now
    assert person.due(device.group.person) == person.NEVER
    rows = dict(person.dump(device.group, None))
    assert len(rows[b"p"]) < 250 and len(rows[b"h"]) < 20, "of the past nothing stays but the way"
    event = Event(at, "e", "page_view", at, a, "ann")
    for record in (
        event,
        Rendered(at, a, "s", "w", "t", 0),
        NotRendered(at, a, "s", "w", "t", 0, "missing_content"),
        Retry(at, a, "letter", b""),
        Link(at, "a:other", a, "asked"),
        Moved(at, a, "", b"", "answered"),
    ):
        assert passed_on(device, record) == [msgspec.structs.replace(record, person_id=c)]
    # A later link of the identifier: nothing is left, but the answer takes the way of the events.
    assert passed_on(device, MergeOut(at, a, "x", "again", ("more",))) == [Moved(at, c, a, b"", "again", ("more",))]
    assert passed_on(device, MergeOut(at, a, "x", "")) == []
    device.record(Unlink(at, a, ""))
    assert device.group.person == Person(a)


def test_letters_of_a_person_move_with_her() -> None:
    her, device = two()
    device.group = device.group.replaced(person.faulted(device.group.person, "letter"), {})
    become_one(her, device, HOUR)
    assert her.group.person.faults == ("letter",)


def test_what_goes_round_in_a_circle_is_kept_by_the_lowest() -> None:
    assert [merging.keeps(who, into, via) for who, into, via in (("b", "a", ("a",)), ("a", "b", ("b",)), ("b", "c", ("a",)))] == [
        False,
        True,
        False,
    ]
    # t leads into the circle and is no part of it
    ring, way = {"b": "c", "c": "d", "d": "b"}, ("a",)
    who = "b"
    for _ in range(9):
        if merging.keeps(who, ring[who], way):
            break
        way, who = merging.passed(way, who), ring[who]
    assert who == "b"
    assert merging.keeps("z", "y", tuple(map(str, range(MAX_VIA)))), "no chain is followed for ever"


# --- profile ------------------------------------------------------------------------------------------------------------------


def test_orders_are_a_union_by_their_id() -> None:
    her, device = two()
    her.event("purchase", 0, order_id="o-1", currency="EUR", total=100, products=[SHOES])
    device.event("purchase", HOUR, order_id="o-2", currency="EUR", total=50, products=[HATS])
    # One shop's log says it of the device, another's of the customer.
    device.event("purchase", HOUR, order_id="o-1", currency="EUR", product_id="p2", price=20, quantity=1)
    device.event("refund", 2 * HOUR, order_id="o-2", amount=10)
    become_one(her, device, 3 * HOUR)
    part, history = her.group.person.profile, her.group.history
    assert (part.orders, part.spent, part.currency) == (2, 1_000_000 + 500_000 - 100_000, "EUR")
    assert set(history.orders.open) == {fingerprint("o-1"), fingerprint("o-2")}
    assert her.group.person.churn.orders == 2 and her.group.person.churn.instants == (MONDAY, MONDAY + HOUR)
    her.event("purchase", 4 * HOUR, order_id="o-2", currency="EUR", total=50, products=[HATS])
    assert her.group.person.profile.orders == 2, "a repeat is known after the merge too"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(1, 3), st.integers(1, 9)), max_size=30),
    st.lists(st.integers(0, 6), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_orders_of_two_people_are_those_of_one(told: list[tuple[bool, int, int, int]], again: list[int]) -> None:
    both = [orders.Orders(), orders.Orders()]
    one = orders.Orders()
    for device, order, product, price in told:
        line = {"order_id": f"o{order}", "product_id": f"p{product}", "price": price, "quantity": 1}
        both[device] = orders.purchase(both[device], line, "e", order, ()).orders
    # As one person she would have had hers after the device's, or before; lines are filled, never replaced, so the first price stays.
    for which in (False, True):
        for device, order, product, price in told:
            if device is which:
                line = {"order_id": f"o{order}", "product_id": f"p{product}", "price": price, "quantity": 1}
                one = orders.purchase(one, line, "e", order, ()).orders
    found = merged_orders.union(both[0], both[1])
    assert {key: (order.lines, order.amount) for key, order in found.orders.open.items()} == {
        key: (order.lines, order.amount) for key, order in one.open.items()
    }
    spent = sum(order.amount for side in both for order in side.open.values()) - found.spent_twice(None)
    assert spent == sum(order.amount for order in one.open.values())
    assert found.twice == len(both[0].open) + len(both[1].open) - len(one.open)


def test_order_limits_hold_and_old_ones_count_once() -> None:
    def many(first: int, count: int) -> orders.Orders:
        found = orders.Orders()
        for n in range(first, first + count):
            found = orders.purchase(found, {"order_id": f"o{n}", "product_id": "p", "price": 1, "quantity": 1}, "e", n, ()).orders
        return found

    mine, theirs = many(0, 400), many(300, 400)
    found = merged_orders.union(mine, theirs)
    assert found.twice == 100
    assert len(found.orders.open) == orders.MAX_OPEN and len(found.orders.open) + len(found.orders.closed) == 700


def test_the_later_word_on_consent_counts_and_an_unsubscribe_stays() -> None:
    her, device = two(assume=frozenset({"address"}))
    her.event("consent_give", HOUR, purposes=["email", "personalise", "sms"])
    device.event("consent_withdraw", 2 * HOUR, purposes=["personalise"])
    device.event("consent_withdraw", 0, purposes=["email"])
    device.event("consent_withdraw", HOUR, purposes=["sms"])
    become_one(her, device, 3 * HOUR)
    assert her.group.person.profile.consent == {"email": True, "personalise": False, "sms": False}, "at one instant a no wins"
    for unsubscribes in (0, 1):
        both = two()
        both[unsubscribes].event("email_unsubscribe", 0, send_id="s")
        become_one(*both, HOUR)
        assert both[0].group.person.profile.unsubscribed
    her, device = two()
    her.event("email_bounce", 0, kind="hard")
    device.event("email_complaint", 0)
    become_one(her, device, HOUR)
    assert her.group.person.profile.suppressed == "complaint"


@pytest.mark.parametrize("bounced", [0, 1])
def test_what_is_closed_of_either_address_stays_closed_and_the_other_open(bounced: int) -> None:
    #
    both = two(assume=frozenset())
    for n, one in enumerate(both):
        one.event("identify", n * HOUR, traits={"email": f"{'ab'[n]}@shop.example"})
    both[bounced].event("email_bounce", HOUR, kind="hard")
    become_one(*both, 2 * HOUR)
    her = both[0]
    assert her.group.person.profile.email == "b@shop.example", "told last"
    assert her.group.person.profile.suppressed == (None, "hard_bounce")[bounced]
    for n, email in enumerate(("A@shop.example", "b@shop.example")):
        her.event("identify", (3 + n) * HOUR, traits={"email": email})
        assert her.group.person.profile.suppressed == ("hard_bounce" if n == bounced else None)


def test_a_late_bounce_of_a_mail_that_went_to_the_others_address_is_of_that() -> None:
    her, device = two(assume=frozenset())
    device.event("identify", 0, traits={"email": "old@shop.example"})
    device.event("email_sent", MINUTE, send_id="s")
    her.event("identify", HOUR, traits={"email": "new@shop.example"})
    become_one(her, device, 2 * HOUR)
    her.event("email_bounce", 3 * HOUR, send_id="s", kind="hard")
    assert her.group.person.profile.suppressed is None
    her.event("identify", 4 * HOUR, traits={"email": "old@shop.example"})
    assert her.group.person.profile.suppressed == "hard_bounce"


def test_she_becomes_reachable_by_what_the_device_brought() -> None:
    her, device = two(UNGATED, frozenset())
    device.event("consent_give", 0, purposes=["email", "personalise"])
    her.event("identify", HOUR, traits={"email": "ann@shop.example"})
    assert her.sends() == []
    become_one(her, device, 2 * HOUR)
    assert her.sends() == [("welcome", "0 02:00:00")]


def test_who_she_is_and_when_she_was_seen() -> None:
    her, device = two()
    device.event("identify", 0, traits={"email": "old@shop.example", "size": "38", "first_name": "A."})
    device.event("product_view", MINUTE, **SHOES, dwell_seconds=5)
    her.event("identify", HOUR, traits={"email": "ann@shop.example", "first_name": "Ann"})
    her.event("product_view", HOUR, **SHOES, dwell_seconds=5)
    become_one(her, device, 2 * HOUR)
    part = her.group.person.profile
    assert (part.email, part.traits["first_name"], part.traits["size"]) == ("ann@shop.example", "Ann", "38")
    assert (part.first_seen, part.last_seen, part.events) == (MONDAY, MONDAY + HOUR, 4)
    assert part.interest.increment == {"shoes": 10} and len(part.recent) == 1
    assert interest.decayed(part.interest, MONDAY + HOUR)["shoes"] == pytest.approx(2)


def test_collections_stay_within_their_limits() -> None:
    her, device = two()
    for n in range(60):
        for who, name in ((her, "h"), (device, "d")):
            who.event("product_view", n * SECOND, product_id=f"{name}{n}", category=f"{name}{n}", dwell_seconds=1)
            who.event("cart_add", n * SECOND, product_id=f"{name}{n}")
            who.event("email_sent", n * SECOND, send_id=f"{name}{n}")
            who.event("identify", n * SECOND, traits={f"{name}{n}": n})
    become_one(her, device, HOUR)
    part = her.group.person
    assert len(part.profile.recent) <= 20 and len(part.profile.traits) <= 50
    assert len(part.profile.interest.decayed) <= interest.MAX_CATEGORIES and len(part.profile.interest.increment) <= interest.MAX_CATEGORIES
    assert len(part.intent.cart) <= intent.MAX_CART and len(part.intent.viewed) <= intent.MAX_VIEWED
    assert len(mail.sends(part.profile.mail)) <= mail.MAX_SENDS and part.profile.mail.sent == 120
    assert len(her.group.history.lookback.entries) <= lookback.MAX_ENTRIES
    assert len(part.profile.anonymous_ids) <= profile.MAX_ANONYMOUS


def test_a_mail_counts_once_whoever_heard_of_it() -> None:
    her, device = two()
    her.event("email_sent", 0, send_id="s")
    her.event("email_open", MINUTE, send_id="s")
    device.event("email_open", MINUTE, send_id="s")
    device.event("email_click", 2 * MINUTE, send_id="s")
    become_one(her, device, HOUR)
    found = her.group.person.profile.mail
    assert (found.sent, found.opened, found.clicked) == (1, 1, 1)


def test_her_rhythm_is_that_of_both() -> None:
    her, device = two()
    for day in (0, 20):
        her.event("purchase", day * DAY, order_id=f"h{day}", total=10)
    device.event("purchase", 10 * DAY, order_id="d10", total=10)
    assert churn.probability(her.group.person.churn, MONDAY + 60 * DAY) is None
    become_one(her, device, 60 * DAY)
    part = her.group.person.churn
    assert churn.mean_gap(part) == 10 * DAY and churn.spread(part) == 0
    assert part.level is not None, "overdue by the rhythm of both, and said so at once"
    assert part.level in [one.value for one in her.concluded]


def test_a_purchase_of_either_empties_the_cart_of_both() -> None:
    her, device = two()
    her.event("cart_add", 0, **SHOES)
    device.event("cart_add", 2 * HOUR, **HATS)
    her.event("purchase", HOUR, order_id="o", total=89, products=[SHOES])
    device.event("page_view", 2 * HOUR, page_type="pricing")
    become_one(her, device, 3 * HOUR)
    part = her.group.person.intent
    assert [line.product.product_id for line in part.cart] == ["p2"]
    assert intent.level(part, her.now) == "high"


def test_nothing_changes_by_somebody_who_never_was() -> None:
    her, device = two()
    her.event("product_view", 0, **SHOES, dwell_seconds=40)
    her.event("purchase", 1, order_id="o", total=89, products=[SHOES])
    her.until(HOUR)  # past the hour at which customers are looked at again
    before = her.group.person
    become_one(her, device, HOUR)
    assert msgspec.structs.replace(her.group.person, merging=None) == before
    assert See(her.group, 0, 0, 0, None, her.packs.__getitem__).person == her.group.person


# --- counts, goals, mails -----------------------------------------------------------------------------------------------------


def test_what_both_did_counts_together_towards_an_opening() -> None:
    her, device = two(UNGATED)
    her.event("page_view", 0, page_type="pricing")
    device.event("page_view", MINUTE, page_type="pricing")
    become_one(her, device, HOUR)
    (count,) = [one for one in her.group.person.windows.counts if one.trigger == "pricing_page_focus"]
    assert count.times == (MONDAY, MONDAY + MINUTE)
    her.event("page_view", 2 * HOUR, page_type="pricing")
    assert "pricing_page_focus" in [one.trigger for one in her.group.person.windows.open]


def test_a_mail_to_whom_she_was_is_a_mail_of_hers() -> None:
    her, device = two(UNGATED)
    device.event("product_view", 0, **SHOES, dwell_seconds=40)
    device.until(3 * HOUR)
    (plan,) = [plan for plan in device.plans if plan.message == "product-details"]
    become_one(her, device, 4 * HOUR)
    her.event("email_open", 5 * HOUR, send_id=plan.send_id)
    (one,) = [one for one in her.group.person.windows.open if one.trigger == "content_engagement"]
    assert one.key == plan.send_id and window.properties(one)["product_id"] == "p1", "it is known what the mail was about"


def test_what_the_other_bought_reaches_her_goals() -> None:
    her, device = two(UNGATED)
    her.event("product_view", 0, **SHOES, dwell_seconds=40)
    her.until(3 * HOUR)
    assert [goal.trigger for goal in her.group.person.windows.goals if goal.trigger == "product_page_abandonment"]
    device.event("purchase", 4 * HOUR, order_id="o", total=89, products=[SHOES])
    become_one(her, device, 5 * HOUR)
    reached = [one for one in her.concluded if one.kind == "goal_reached" and one.value == "product_page_abandonment"]
    assert len(reached) == 1
    assert not [goal for goal in her.group.person.windows.goals if goal.trigger == "product_page_abandonment"]
