"""Something is new of a product: whom it concerns, what she gets, and what keeps it from her (A-126, A-169)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from app import events
from app.agents.person_program import PersonProgram
from app.domain import news, still
from app.domain.catalogue import Item
from app.engine.memory import MemoryStore
from app.engine.turn import Turn
from app.events import Activation, Broadcast, Event
from tests.her import DAY, HOUR, MINUTE, MONDAY, UNGATED, Her, pack
from tests.test_turn import Line

SHOE = {"product_id": "p1", "item_group_id": "shoe", "product_name": "Shoe", "category": "shoes", "price": 50.0}


def says(change: str, t: int, product_id: str = "p1", **told: Any) -> Broadcast:
    values = {**SHOE, "old_price": 80.0, "drop": 0.375, "currency": "EUR", "stock": 9, **told, "product_id": product_id}
    return Broadcast(MONDAY + t, product_id, change, values)


def hears(her: Her, change: str, t: int, **told: Any) -> list[str]:
    """Messages that the news leads to."""
    before = len(her.plans)
    her.until(t - 1)
    her.record(says(change, t, **told))
    return [plan.message for plan in her.plans[before:] if plan.trigger == change]


def her_of(*acts: tuple[str, int, dict[str, Any]]) -> Her:
    her = Her(UNGATED)
    for kind, t, told in acts:
        her.event(kind, t, **{**SHOE, **told})
    return her


LOOKED = ("product_view", 0, {"dwell_seconds": 5})
PUT_BY = ("wishlist_add", 0, {})
CARTED = ("cart_add", 0, {})


@pytest.mark.parametrize(
    ("acts", "change", "told", "message"),
    [
        ((LOOKED,), "price_drop", {}, ["price-drop"]),
        ((PUT_BY,), "price_drop", {}, ["price-drop"]),
        ((CARTED,), "price_drop", {}, ["price-drop"]),
        ((LOOKED,), "price_drop", {"drop": 0.04}, []),
        ((LOOKED,), "back_in_stock", {}, ["back-in-stock"]),
        ((LOOKED,), "low_stock", {}, []),
        ((PUT_BY,), "low_stock", {"stock": 2}, ["low-stock"]),
        ((CARTED,), "low_stock", {"stock": 2}, ["low-stock"]),
        ((PUT_BY, ("wishlist_remove", MINUTE, {})), "low_stock", {}, []),
        ((CARTED, ("cart_remove", MINUTE, {})), "low_stock", {}, []),
        ((), "price_drop", {}, []),
        ((("product_view", 0, {"product_id": "p9", "item_group_id": "hat", "product_name": "Hat"}),), "price_drop", {}, []),
    ],
)  # fmt: skip
def test_whom_it_concerns(acts: tuple[Any, ...], change: str, told: dict[str, Any], message: list[str]) -> None:
    #
    assert hears(her_of(*acts), change, HOUR, **told) == message


def test_another_size_of_what_she_looked_at_is_the_same_thing() -> None:
    assert hears(her_of(LOOKED), "price_drop", HOUR, product_id="p1-42") == ["price-drop"]
    parent = her_of(("product_view", 0, {"product_id": "shoe", "item_group_id": None, "product_name": "The Shoe"}))
    assert hears(parent, "price_drop", HOUR, product_id="p1-42") == ["price-drop"]


def test_thirty_days_and_no_longer() -> None:
    # interface.md section 7: viewed or wished 30 d, in cart
    assert hears(her_of(LOOKED), "price_drop", 30 * DAY - 1) == ["price-drop"]
    assert hears(her_of(LOOKED), "price_drop", 30 * DAY) == []


def test_who_has_bought_it_since_hears_nothing_who_looks_again_does() -> None:
    bought = ("purchase", 2 * HOUR, {"order_id": "o1", "quantity": 1})
    assert hears(her_of(LOOKED, bought), "price_drop", 3 * HOUR) == []
    assert hears(her_of(PUT_BY, bought), "price_drop", 3 * HOUR) == []
    assert hears(her_of(LOOKED, bought, ("product_view", 4 * HOUR, {"dwell_seconds": 5})), "price_drop", 5 * HOUR) == ["price-drop"]


def test_the_strongest_interest_is_told_and_one_of_it_in_seven_days() -> None:
    her = her_of(LOOKED, PUT_BY, CARTED)
    assert hears(her, "price_drop", HOUR) == ["price-drop"]
    (plan,) = [one for one in her.plans if one.trigger == "price_drop"]
    assert plan.view["event"]["interest"] == news.CART
    assert (plan.view["event"]["old_price"], plan.view["event"]["drop"]) == (80.0, 0.375)
    assert hears(her, "price_drop", 6 * DAY, drop=0.5, price=40.0) == []
    assert hears(her, "price_drop", 7 * DAY + 2 * HOUR, drop=0.5, price=40.0) == ["price-drop"]


def test_a_delicate_product_is_nobodys_news() -> None:
    # what she looked at in private stays there
    her = Her(UNGATED)
    her.event("product_view", 0, **{**SHOE, "category": "pregnancy", "dwell_seconds": 5})
    assert hears(her, "price_drop", HOUR, category="pregnancy") == []


def test_what_a_night_held_is_asked_again_when_it_is_written() -> None:
    # the story: the price falls at night, by the morning it has risen again
    her = Her("merged")
    her.event("product_view", 12 * HOUR, **SHOE, dwell_seconds=5)
    assert hears(her, "price_drop", 23 * HOUR) == []
    her.until(DAY + 9 * HOUR)
    (plan,) = [one for one in her.plans if one.trigger == "price_drop"]
    row = pack("merged").by_name["price_drop"]
    item = Item("p1", price=800_000, sale_price=500_000, stock=3)
    assert still.over(plan, row, {"p1": item}.get) is None
    assert still.over(plan, row, {"p1": replace(item, stock=None)}.get) is None, "a shop that does not count has it"
    assert still.over(plan, row, {}.get) is None, "what no catalogue knows is taken as told"
    assert still.over(plan, row, {"p1": replace(item, sale_price=499_999)}.get) is None
    assert still.over(plan, row, {"p1": replace(item, sale_price=None)}.get) == ("price_changed", {"price": "50.00", "price_now": "80.00"})
    assert still.over(plan, row, {"p1": replace(item, stock=0)}.get) == ("out_of_stock", {"product_id": "p1"})
    assert still.over(plan, replace(row, stock=False), {"p1": replace(item, stock=0)}.get) is None


def test_of_a_million_only_those_are_touched_who_have_its_tag() -> None:
    """Through a turn: people are found by the index, each once though she has two of the tags, and the index follows her."""
    merged = pack(UNGATED)
    store = MemoryStore()
    turn = Turn(PersonProgram({merged.ref: merged}.__getitem__, frozenset({"consent", "address"})), 0, store)
    lines: list[Line] = []

    def add(record: Any) -> None:
        key = getattr(record, "person_id", "").encode() or None
        lines.append(Line(len(lines), MONDAY, key, events.encode(record)))

    def run(start: int) -> list[Any]:
        found = []
        for segment in turn.segments(lines[start:]):
            store.keep(segment.rows, segment.marks, 0)
            found.append(segment)
        return found

    add(Activation(MONDAY, "policy", merged.ref))
    for n in range(40):
        told = {**SHOE, "product_id": "p1"} if n % 4 == 0 else {"product_id": f"x{n}", "price": 5.0}
        add(Event(MONDAY + n, f"e{n}", "product_view", MONDAY + n, f"{n:032d}", f"c{n}", properties={**told, "dwell_seconds": 5}))
    run(0)
    assert len(store.tags()) == 40
    start = len(lines)
    add(says("price_drop", HOUR))
    segments = run(start)
    assert [segment.woken for segment in segments if segment.woken] == [10]
    plans = [events.addressed.decode(one.value) for segment in segments for one in segment.outputs if one.topic == "addressed_plans"]
    assert sorted(one.person_id for one in plans) == [f"{n:032d}" for n in range(0, 40, 4)]
    start = len(lines)
    add(says("low_stock", 2 * HOUR))
    assert not any(segment.outputs for segment in run(start)), "nobody is hurried who only looked"
