"""What she uses up: predicted, moved by every order of it, in whatever order the orders arrive (A-118)."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import events
from app.agents import core
from app.agents.intake_program import IntakeProgram
from app.domain import supplies, waits
from app.domain.catalogue import Item, encode, key_of, nothing
from app.domain.orders import Orders, purchase
from app.domain.product import Product
from app.domain.profile import Profile
from app.domain.supplies import Supply
from app.engine.memory import MemoryStore
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.engine.worker import AtHand
from app.settings import Settings
from tests.her import DAY, HOUR, MINUTE, MONDAY, SECOND, Her
from tests.shop import Shop
from tests.test_more_triggers import FREE, at, mails

PILLS = {"product_id": "pills", "product_name": "Pills", "price": 20.0, "currency": "EUR", "consumable": True}


def orders(her: Her, days: list[float], arrives: list[float] | None = None, **more: object) -> None:
    for n, day in enumerate(days):
        told = {**PILLS, **more, "order_id": f"o{day}"}
        her.event("purchase", round(day * DAY), arrives=None if arrives is None else round(arrives[n] * DAY), **told)


def test_three_days_before_the_told_cycle_is_over() -> None:
    #
    for name in (FREE, "s0"):
        her = Her(name)
        orders(her, [0], cycle_days=30)
        her.until(27 * DAY - SECOND)
        assert mails(her, "replenishment") == [], name
        her.until(40 * DAY)
        assert mails(her, "replenishment") == [("replenishment", "27 00:00:00"), ("replenishment-last", "32 00:00:00")], name
        first = next(plan for plan in her.plans if plan.trigger == "replenishment")
        assert (first.view["event"]["product_name"], first.view["event"]["cycle_days"]) == ("Pills", 30.0)


def test_had_she_reordered_nothing() -> None:
    her = Her(FREE)
    orders(her, [0, 20], cycle_days=30)
    her.until(46 * DAY)
    assert mails(her, "replenishment") == []
    her.until(47 * DAY)
    assert mails(her, "replenishment") == [("replenishment", "47 00:00:00")], "30 days after the newer one"
    late = Her(FREE)
    orders(late, [0, 29], cycle_days=30)
    late.until(40 * DAY)
    assert mails(late, "replenishment") == [("replenishment", "27 00:00:00")], "the last call is cancelled"


def test_something_else_moves_nothing() -> None:
    her = Her(FREE)
    orders(her, [0], cycle_days=30)
    her.event("purchase", 20 * DAY, order_id="x", product_id="socks", price=5.0, currency="EUR")
    her.until(28 * DAY)
    assert mails(her, "replenishment") == [("replenishment", "27 00:00:00")]


def test_no_consumable_and_no_cycle_is_no_reminder() -> None:
    for more in ({"consumable": False, "cycle_days": 30}, {"consumable": True}, {"consumable": None}):
        her = Her(FREE)
        orders(her, [0], **more)
        her.until(60 * DAY)
        assert mails(her, "replenishment") == [], more


def test_from_two_reorders_on_it_is_her_own_median() -> None:
    # interface.md section 8; gaps of 20 and 24 days: 22
    her = Her(FREE)
    orders(her, [0, 20, 44], cycle_days=90)
    her.until(44 * DAY + 20 * DAY)
    assert mails(her, "replenishment") == [("replenishment", at((44 + 22 - 3) * DAY))]


def test_lines_of_a_whole_order_and_another_name_for_the_cycle() -> None:
    her = Her(FREE)
    lines = [{"product_id": "a", "price": 1, "consumable": True, "consumable_days": 10}, {"product_id": "b", "price": 2}]
    her.event("purchase", 0, order_id="o", products=[*lines, {"product_id": "c", "price": 3, "cycle_days": 12}])
    her.until(20 * DAY)
    firsts = [one for one in mails(her, "replenishment") if one[0] == "replenishment"]
    assert firsts == [("replenishment", "7 00:00:00"), ("replenishment", "9 00:00:00")]


def test_a_short_cycle_waits_a_day_at_least() -> None:
    her = Her(FREE)
    orders(her, [0], cycle_days=2)
    her.until(3 * DAY)
    assert mails(her, "replenishment") == [("replenishment", "1 00:00:00")]


def test_a_record_that_only_repeats_moves_nothing() -> None:
    her = Her(FREE)
    orders(her, [0], cycle_days=30)
    her.event("purchase", HOUR, **{**PILLS, "order_id": "o0", "cycle_days": 30})
    assert [one.kind for one in her.concluded].count("reorder") == 1
    her.until(28 * DAY)
    assert mails(her, "replenishment") == [("replenishment", "27 00:00:00")]


def test_who_is_not_to_be_tracked_is_not_reminded() -> None:
    her = Her(FREE)
    her.event("consent_withdraw", 0, purposes=["track"])
    her.event("purchase", HOUR, **{**PILLS, "order_id": "o", "cycle_days": 30})
    her.until(40 * DAY)
    assert her.group.person.profile.supplies == () and mails(her, "replenishment") == []


def test_memory_is_bounded() -> None:
    her = Her(FREE)
    for n in range(supplies.MAX_SUPPLIES + 10):
        her.event("purchase", n * MINUTE, order_id=f"o{n}", product_id=f"p{n}", price=1, consumable=True, cycle_days=30)
    kept = her.group.person.profile.supplies
    assert [one.product.product_id for one in kept] == [f"p{n}" for n in range(10, supplies.MAX_SUPPLIES + 10)]
    for n in range(supplies.MAX_KEPT + 5):
        her.event("purchase", (n + 1) * DAY, order_id=f"q{n}", product_id="p29", price=1, consumable=True)
    newest = next(one for one in her.group.person.profile.supplies if one.product.product_id == "p29")
    assert len(newest.orders) == supplies.MAX_KEPT and max(newest.orders.values()) == MONDAY + (supplies.MAX_KEPT + 5) * DAY


DAYS = st.lists(st.integers(0, 200), min_size=1, max_size=9, unique=True)
FLAGGED = st.lists(st.booleans(), min_size=9, max_size=9).filter(any)


@settings(max_examples=40, deadline=None)
@given(DAYS.flatmap(lambda days: st.tuples(st.just(days), st.permutations(days))), FLAGGED, st.integers(7, 60))
def test_the_order_of_arrival_does_not_matter(days: tuple[list[int], list[int]], flagged: list[bool], told: int) -> None:
    """The prediction, and the one message that is due after the last order, against a recount."""
    happened, arrived = days
    calls = {day: flagged[n] or n == 0 for n, day in enumerate(happened)}  # one of them at least says that it is a consumable
    her = Her("s0")
    for n, day in enumerate(arrived):
        cycle = {"cycle_days": told} if calls[day] else {}
        her.event(
            "purchase", day * DAY, arrives=(200 * DAY) + n, **{**PILLS, "consumable": calls[day] or None, "order_id": f"o{day}", **cycle}
        )
    (supply,) = her.group.person.profile.supplies
    instants = sorted(MONDAY + day * DAY for day in happened)
    gaps = [b - a for a, b in pairwise(instants)]
    due = instants[-1] + (round(median(gaps)) if len(gaps) >= 2 else told * DAY)
    assert sorted(supply.orders.values()) == instants and supplies.reorder_at(supply) == due
    first = max(due - 3 * DAY, instants[-1] + DAY)
    now = MONDAY + 200 * DAY
    her.until(max(first, now) - MONDAY + DAY)
    sent = [plan.at for plan in her.plans if plan.trigger == "replenishment" and plan.step == 0]
    if first > now + 10:
        # What was known before the last order had arrived may have been due at once.
        assert sent[-1] == first and all(at < now + 1_000 for at in sent[:-1]), "time alone opens it at the exact tick"
    open_now = [one for one in her.group.person.windows.open if one.trigger == "replenishment"]
    assert len(open_now) <= 1


@settings(max_examples=40, deadline=None)
@given(DAYS, DAYS, st.integers(7, 60))
def test_two_people_become_one_as_if_they_had_always_been(mine: list[int], theirs: list[int], told: int) -> None:
    def of(days: list[int]) -> tuple[supplies.Supplies, Orders]:
        kept, all_of = (), Orders()
        for day in days:
            properties = {**PILLS, "order_id": f"o{day}", "cycle_days": told}
            bought = purchase(all_of, properties, f"e{day}", day * DAY, ())
            assert bought.after is not None
            all_of = bought.orders
            kept = supplies.ordered(kept, f"o{day}", bought.before, bought.after, all_of, properties, day * DAY)
        return kept, all_of

    (one, _), (other, _), (whole, known) = of(mine), of(theirs), of([*mine, *(day for day in theirs if day not in mine)])
    both = supplies.union(one, other, known)
    assert [(s.orders, s.cycle) for s in both] == [(dict(s.orders), s.cycle) for s in whole]
    due = supplies.reorder_at(both[0])
    before = {supplies.reorder_at(one[0]), supplies.reorder_at(other[0])}
    assert supplies.met(one, other, both) == ([] if before == {due} else list(both))


def test_a_profile_without_consumables_is_as_small_as_ever() -> None:
    assert Profile().supplies == () and supplies.union((), (), Orders()) == ()
    assert supplies.reorder_at(Supply(Product("p"), {1: 5})) is None, "one order and no cycle"


@pytest.mark.parametrize(
    ("told", "ms"),
    [
        ("2026-03-02T00:00:00Z", MONDAY),
        ("2026-03-02", MONDAY),
        ("2026-03-02t01:00:00+01:00", MONDAY),
        (MONDAY, MONDAY),
        (MONDAY / 1000, MONDAY),
        ("soon", None),
        (True, None),
        (-1, None),
        (float("nan"), None),
        ("9999-12-31", None),
        ({}, None),
    ],
)
def test_an_instant_as_events_tell_it(told: object, ms: int | None) -> None:
    assert waits.instant(told) == ms


# --- what the catalogue knows -----------------------------------------------------------------------------------------------------

SIZES = {
    "pills": Item("pills", name="Pills", cycle_days=30.0),
    "pills-l": Item("pills-l", group_id="pills"),
    "pills-xl": Item("pills-xl", group_id="pills", cycle_days=60.0),
    "socks": Item("socks"),
}


def line(**told: Any) -> dict[str, Any]:
    """What intake makes of a flat order of one line, beyond what it said."""
    after = supplies.told_by(SIZES.get, told)
    return {name: value for name, value in after.items() if told.get(name) != value}


def test_the_catalogue_says_how_long_it_lasts_where_the_order_does_not() -> None:
    # A-118, interface.md section 8
    assert line(product_id="pills") == {"cycle_days": 30.0} == line(product_id="pills", consumable=True, cycle_days=None)
    assert line(product_id="pills-l") == {"cycle_days": 30.0} == line(product_id="new-size", item_group_id="pills")
    assert line(product_id="pills-xl") == {"cycle_days": 60.0}, "a size of its own cycle"


def test_the_orders_own_word_goes_first() -> None:
    for told in ({"consumable": False}, {"cycle_days": 7}, {"consumable_days": 7}):
        assert line(product_id="pills", **told) == {}
    whole = {"consumable": False, "products": [{"product_id": "pills"}, {"product_id": "pills-l", "consumable": True}]}
    assert supplies.told_by(SIZES.get, whole)["products"] == [
        {"product_id": "pills"},
        {"product_id": "pills-l", "consumable": True, "cycle_days": 30.0},
    ]


def test_an_order_of_which_the_catalogue_knows_nothing_stays_the_very_same() -> None:
    for told in (
        {"order_id": "o"},
        {"product_id": "socks"},
        {"product_id": "unheard of", "products": []},
        {"products": [{"product_id": "socks"}, "odd", {}]},
    ):
        assert supplies.told_by(SIZES.get, told) is told
    order = {"products": [{"product_id": "pills"}]}
    assert supplies.told_by(nothing, order) is order
    assert supplies.told_by(SIZES.get, order) == {"products": [{"product_id": "pills", "cycle_days": 30.0}]}
    assert order == {"products": [{"product_id": "pills"}]}, "the event as it came is nobody's to change"


def test_an_order_of_what_the_catalogue_calls_used_up_is_reminded_of() -> None:
    # by the catalogue as it stood when the order came; a later one moves nothing
    shop = Shop("s0")
    shop.simulation.change(MONDAY, [(b"pills", b'{"product_id": "pills", "cycle_days": 30}')])
    shop.event("purchase", HOUR, order_id="o1", total=20.0, currency="EUR", products=[{"product_id": "pills", "price": 20.0}])
    shop.event("purchase", HOUR, "bob", order_id="o2", total=20.0, currency="EUR", products=[{"product_id": "socks", "price": 20.0}])
    shop.simulation.change(MONDAY + DAY, [(b"pills", b'{"product_id": "pills", "cycle_days": 90}')])
    shop.until(40 * DAY)
    assert [one for one in shop.sends("ann") if "replenishment" in one[0]] == [
        ("replenishment", "27 01:00:00"),
        ("replenishment-last", "32 01:00:00"),
    ]
    assert not [one for one in shop.sends("bob") if "replenishment" in one[0]]


def test_the_journal_keeps_what_the_catalogue_said_and_a_repeat_of_the_turn_writes_no_second_order() -> None:
    # A turn done again after a crash may find another catalogue: its event has the origin of the first, which readers skip
    cycles = {"pills": Item("pills", cycle_days=30.0)}
    program = IntakeProgram("secret", 5000, partition_of_key=lambda key: 0, items=lambda product_id: cycles.get(product_id))
    value = b'{"event_type": "purchase", "customer_id": "ann", "event_id": "e", "properties": {"order_id": "o", "product_id": "pills"}}'
    record = Logged(0, MONDAY, b"ann", value)
    (first,) = [one for segment in Turn(program, 0, MemoryStore()).segments([record]) for one in segment.outputs]
    cycles.clear()
    (again,) = [one for segment in Turn(program, 0, MemoryStore()).segments([record]) for one in segment.outputs]
    assert [events.journal.decode(one.value).properties.get("cycle_days") for one in (first, again)] == [30.0, None]
    assert first.headers == again.headers != []


def test_a_worker_of_the_core_asks_the_catalogue_it_follows() -> None:
    items = {key_of("pills"): encode(SIZES["pills"])}
    known = AtHand(
        lambda ref: None, lambda kind: None, lambda topic, key: items.get(key) if topic == "products" else None, lambda topic, tag: []
    )
    program = core.wiring(Settings()).programs(known)["customer_events"]
    record = Logged(0, MONDAY, b"ann", b'{"event_type": "purchase", "customer_id": "ann", "properties": {"product_id": "pills"}}')
    (output,) = [one for segment in Turn(program, 0, MemoryStore()).segments([record]) for one in segment.outputs]
    assert events.journal.decode(output.value).properties["cycle_days"] == 30.0
