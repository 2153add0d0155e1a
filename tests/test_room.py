"""Room for her windows: what gives way at the limit, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain import room
from app.domain.trigger import Pack
from tests.her import DAY, HOUR, MINUTE, UNGATED, Her, pack
from tests.test_merging import become_one, two

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "category": "shoes", "price": 89.0}
LONG = {"dwell_seconds": 60}
BROWSING = ("product_page_abandonment", "view_no_purchase_24h", "view_no_purchase_48h")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Room for three windows."""
    monkeypatch.setattr(room, "MAX_OPEN", 3)
    yield


def rows(base: str, **changes: dict[str, Any]) -> Pack:
    """A pack with other values in some of its rows."""
    found = pack(base)
    changed = {one.name: replace(one, **changes.get(one.name, {})) for one in found.triggers}
    opens = {kind: tuple([changed[one.name] for one in opened]) for kind, opened in found.opens.items()}
    cancels = {kind: tuple([changed[one.name] for one in ended]) for kind, ended in found.cancels.items()}
    return replace(found, triggers=tuple(changed.values()), by_name=changed, opens=opens, cancels=cancels)


def opened(her: Her) -> list[str]:
    return [one.trigger for one in her.group.person.windows.open]


def refused(her: Her) -> list[tuple[str, str]]:
    """(trigger, opening) of what found no room."""
    return list(dict.fromkeys((one.trigger, one.cause[0]) for one in her.decided if one.reason == room.REASON))


def assert_each_step_ended_once(her: Her) -> None:
    ended = [(one.window_id, one.step) for one in her.decided if one.outcome in ("cancelled", "not_sent")]
    ended += [(plan.window_id, plan.step) for plan in her.plans]
    steps = {row.name: len(row.steps) for row in her.pack.triggers}
    assert len(set(ended)) == len(ended) == sum(steps[one.trigger] for one in her.decided if one.outcome == "opened")


def test_who_looked_at_seventy_products_and_fills_a_cart_is_reminded_of_the_cart() -> None:
    her = Her(UNGATED)
    for n in range(70):
        her.event("product_view", n * MINUTE // 2, product_id=f"v{n}", product_name=f"Thing {n}", price=10.0, **LONG)
    assert len(opened(her)) == room.MAX_OPEN and {name for name, _ in refused(her)} <= set(BROWSING) | {"lifecycle_programme"}
    before = len(refused(her))
    her.event("cart_add", 36 * MINUTE, **SHOE, quantity=1)
    assert "cart_abandonment" in opened(her) and len(opened(her)) == room.MAX_OPEN
    gone = refused(her)[before:]
    assert [name for name, _ in gone] in (["lifecycle_programme"], ["view_no_purchase_48h"])
    her.until(3 * HOUR)
    assert "cart_abandonment" in [plan.trigger for plan in her.plans]


def test_what_gave_way_says_to_whom_and_all_its_steps_end_once(few: None) -> None:
    her = Her("s1")
    her.pack = her.packs[her.pack.ref] = rows("s1", cart_abandonment={"priority": 30})
    for n in range(3):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    her.event("cart_add", MINUTE, event_id="cart", **SHOE, quantity=1)
    ended = [one for one in her.decided if one.reason == room.REASON]
    assert [(one.trigger, one.step, one.cause[0]) for one in ended] == [("product_page_abandonment", n, "view2") for n in (0, 1)]
    newcomer = next(one for one in her.group.person.windows.open if one.trigger == "cart_abandonment")
    assert ended[0].values["gave_way_to"] == "cart_abandonment" and ended[0].values["window_id"] == newcomer.window_id
    her.until(60 * DAY)
    assert_each_step_ended_once(her)


def test_of_equals_who_was_first_stays(few: None) -> None:
    her = Her("s1")
    for n in range(5):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    assert refused(her) == [("product_page_abandonment", "view3"), ("product_page_abandonment", "view4")]
    her.until(60 * DAY)
    assert_each_step_ended_once(her)


def test_of_one_priority_the_least_worth_goes(few: None) -> None:
    her = Her(rows("s1", product_page_abandonment={"converts": 0.1}))
    for n, price in enumerate((30.0, 10.0, 20.0, 15.0, 5.0)):
        her.event("product_view", n, event_id=f"for{price:.0f}", product_id=f"v{n}", price=price, **LONG)
    assert refused(her) == [("product_page_abandonment", "for10"), ("product_page_abandonment", "for5")]


def test_nobody_gives_way_to_a_cart_that_was_bought_before_it_arrived(few: None) -> None:
    her = Her(rows("s1", cart_abandonment={"priority": 30}))
    for n in range(3):
        her.event("product_view", n, product_id=f"v{n}", **LONG)
    her.event("cart_remove", 2 * MINUTE, **SHOE, quantity=1)
    her.event("cart_add", MINUTE, arrives=3 * MINUTE, event_id="late", **SHOE, quantity=1)
    assert refused(her) == []
    assert {one.reason for one in her.decided if one.cause[0] == "late" and one.reason} == {"cancelled_by_event"}


def test_what_is_transactional_finds_room_and_keeps_it(few: None) -> None:
    her = Her(rows("s1", cart_abandonment={"priority": 30}, post_purchase={"priority": 900, "transactional": True}))
    for n in range(3):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    for n in range(5):
        her.event("purchase", MINUTE + n, event_id=f"order{n}", order_id=f"o{n}", products=[{**SHOE, "quantity": 1}], total=89.0)
    assert opened(her) == ["post_purchase"] * 5
    her.event("cart_add", 2 * MINUTE, event_id="cart", product_id="p2", price=500.0, quantity=1)
    assert opened(her) == ["post_purchase"] * 5 and refused(her)[-1] == ("cart_abandonment", "cart")


def test_a_message_that_is_with_the_renderer_keeps_its_place(few: None) -> None:
    her = Her(rows("s1", cart_abandonment={"priority": 30}))
    her.answers = ""
    for n in range(3):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    her.until(2 * HOUR + MINUTE)
    assert all(one.send_id for one in her.group.person.windows.open)
    her.event("cart_add", 2 * HOUR + 2 * MINUTE, event_id="cart", **SHOE, quantity=1)
    assert refused(her) == [("cart_abandonment", "cart")]


def test_several_small_ones_give_way_to_a_big_one_or_none_does(monkeypatch: pytest.MonkeyPatch) -> None:
    her = Her(rows("s1", cart_abandonment={"priority": 30}))
    for n in range(4):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    taken = sum(one.size for one in her.group.person.windows.open)
    monkeypatch.setattr(room, "MAX_BYTES", taken)
    her.event("cart_add", MINUTE, event_id="huge", **SHOE, quantity=1, **{f"k{n}": "x" * 1000 for n in range(30)})
    assert refused(her) == [("cart_abandonment", "huge")] and len(opened(her)) == 4
    her.event("cart_add", 2 * MINUTE, event_id="big", **SHOE, quantity=1, note="x" * 100)
    assert refused(her)[1:] == [("product_page_abandonment", "view3"), ("product_page_abandonment", "view2")]
    assert sum(one.size for one in her.group.person.windows.open) <= taken


def test_not_even_orders_fill_a_row_beyond_its_size() -> None:
    her = Her(rows("s1", post_purchase={"transactional": True}))
    for n in range(60):
        her.event("purchase", n, order_id=f"o{n}", **SHOE, **{f"k{m}": "x" * 1000 for m in range(10)})
        lines = [{"product_id": f"p{n}-{m}" + "y" * 100, "product_name": "z" * 200, "quantity": 1} for m in range(30)]
        her.event("purchase", n, order_id=f"b{n}", products=lines, total=10)
    sizes = sum(one.size for one in her.group.person.windows.open)
    assert room.MAX_BYTES < sizes <= room.CEILING
    assert {name for name, _ in refused(her)} == {"post_purchase"}


def test_when_two_people_meet_the_others_cart_finds_room_among_her_views(few: None) -> None:
    ours = rows("s1", cart_abandonment={"priority": 30})
    her, device = two()
    for one in (her, device):
        one.pack = one.packs[ours.ref] = ours
    for n in range(3):
        her.event("product_view", n, event_id=f"view{n}", product_id=f"v{n}", **LONG)
    device.event("product_view", MINUTE, event_id="looked", product_id="d1", **LONG)
    device.event("cart_add", 2 * MINUTE, event_id="cart", **SHOE, quantity=1)
    become_one(her, device, 3 * MINUTE)
    assert sorted(opened(her)) == ["cart_abandonment", "product_page_abandonment", "product_page_abandonment"]
    assert refused(her) == [("product_page_abandonment", "looked"), ("product_page_abandonment", "view2")]
