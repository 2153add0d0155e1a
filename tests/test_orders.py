"""An order is its order_id, a line is order and product: totals whatever shops log, in whatever order it arrives."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.domain import orders
from app.domain.orders import Orders
from tests.person_story import DAY, HOUR, MINUTE, START, Her


def money(her: Her) -> tuple[int, str, str | None]:
    seen = her.seen(DAY)
    return seen["orders"], seen["spent"]["amount"], seen["spent"]["currency"]


def test_an_order_logged_twice_the_second_time_empty_counts_once() -> None:
    # What a real shop sent: the same lines 0.6 s later under other event ids, quantity and revenue null.
    her = Her()
    for product, price, quantity in (("tote", 7.99, 5), ("opener", 2.8, 5)):
        her.does("purchase", 0, order_id="o-1", product_id=product, price=price, quantity=quantity, currency="USD")
    for product, price in (("tote", 7.99), ("opener", 2.8)):
        her.does("purchase", 600, order_id="o-1", product_id=product, price=price, quantity=None, currency="USD")
    assert money(her) == (1, "53.95", "USD")
    assert [one.value for one in her.concluded("order_placed")] == ["o-1"]
    assert [one.values["products"][0]["product_id"] for one in her.concluded("order_line")] == ["opener"]


def test_a_repeat_fills_what_the_first_lacked() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=None, quantity=None)
    assert money(her) == (1, "0.00", None)
    her.does("purchase", 1, order_id="o-1", product_id="p1", price=10, quantity=None, currency="eur")
    assert money(her) == (1, "10.00", "EUR")
    her.does("purchase", 2, order_id="o-1", product_id="p1", price=11, quantity=3)
    assert money(her) == (1, "30.00", "EUR")
    assert len(her.conclusions) == 1


def test_a_whole_order_costs_its_total_not_the_sum_of_its_lines() -> None:
    her = Her()
    lines = [{"product_id": "p1", "price": 20, "quantity": 2}, {"product_id": "p2", "price": 5}]
    her.does("purchase", 0, event_id="e-o", order_id="o-1", total=49.9, currency="EUR", products=lines)
    assert money(her) == (1, "49.90", "EUR")
    placed = her.concluded("order_placed")[0]
    assert (placed.cause, placed.ts, placed.values["orders"]) == ("e-o", START, 1)
    assert [line["product_id"] for line in placed.values["products"]] == ["p1", "p2"]
    assert placed.values["event"]["total"] == 49.9
    her.does("purchase", 1, order_id="o-2", products=lines)
    assert money(her) == (2, "94.90", "EUR")
    her.does("store_purchase", 2, order_id="o-3", total=5)
    assert money(her) == (3, "99.90", "EUR")
    assert her.seen(DAY)["average_order"] == {"amount": "33.30", "currency": "EUR"}


def test_one_product_twice_in_a_record_is_two_lines_and_the_record_again_none() -> None:
    her = Her()
    lines = [{"product_id": "p1", "price": 20}, {"product_id": "p1", "price": 20}]
    for n in range(2):
        her.does("purchase", n, order_id="o-1", products=lines)
    assert money(her)[:2] == (1, "40.00")
    assert len(her.conclusions) == 1


def test_without_an_order_id_each_event_is_an_order() -> None:
    her = Her()
    her.does("purchase", 0, product_id="p1", price=20)
    her.does("purchase", 1, product_id="p1", price=20)
    her.does("purchase", 2, product_category="shoes", total=1)
    assert money(her)[:2] == (3, "41.00")


def test_absurd_figures_count_as_not_told() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=3, quantity=10**16)
    her.does("purchase", 0, order_id="o-1", product_id="p2", price=1e30, quantity=2)
    her.does("purchase", 0, order_id="o-1", product_id="p3", price=-5, quantity=-2)
    assert money(her)[:2] == (1, "3.00")
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=3, quantity=2)
    assert money(her)[:2] == (1, "6.00")


def test_a_refund_lowers_what_she_spent_once() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", product_id="p1", price=50, currency="EUR")
    for _ in range(2):
        her.does("refund", HOUR, event_id="r-1", order_id="o-1", amount=20)
    assert money(her) == (1, "30.00", "EUR")
    her.does("refund", HOUR, order_id="o-1", amount=5, currency="USD")
    assert money(her)[1] == "30.00"
    her.does("refund", HOUR, order_id="o-1")
    order = orders.find(her.group.history.orders, "o-1")
    assert order is not None and order.refunded == order.amount
    her.does("refund", HOUR, order_id="never-heard-of", amount=1)
    assert money(her)[0] == 1


def test_an_order_in_another_currency_counts_but_is_not_added() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", total=50, currency="EUR")
    her.does("purchase", 0, order_id="o-2", total=70, currency="USD")
    assert money(her) == (2, "50.00", "EUR")


def test_last_purchase_is_the_latest_order_not_the_latest_arrival() -> None:
    her = Her()
    her.does("purchase", 2 * DAY, order_id="o-2", total=1)
    her.does("purchase", DAY, order_id="o-1", total=1)
    assert her.seen(3 * DAY)["last_purchase_at"] == "2026-03-04T00:00:00.000Z"


LINE = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(["o-1", "o-2"]),
        "product_id": st.sampled_from(["p1", "p2", "p3"]),
    }
)


@given(st.data())
def test_any_order_of_arrival_and_any_repeats_give_the_same_totals(data: st.DataObject) -> None:
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for line in data.draw(st.lists(LINE, min_size=1, max_size=8)):
        price = data.draw(st.integers(0, 100_000)) / 100
        told[line["order_id"], line["product_id"]] = {**line, "price": price, "quantity": data.draw(st.integers(1, 50))}
    records = [(n % 3, line) for n, line in enumerate(told.values())]
    for n, line in list(records):
        # repeats lack what a second confirmation page lacks
        lacking = data.draw(st.sets(st.sampled_from(["price", "quantity"])))
        records.append((n + 1, {name: None if name in lacking else value for name, value in line.items()}))
    records = data.draw(st.permutations(records))

    her = Her()
    for at, line in records:
        her.does("purchase", at, **line)
    exact = sum(round(line["price"] * 100) * line["quantity"] for line in told.values())
    seen = her.seen(DAY)
    assert seen["orders"] == len({order for order, _ in told})
    assert seen["spent"]["amount"] == f"{exact // 100}.{exact % 100:02}"
    assert len(her.concluded("order_placed")) == seen["orders"]
    assert len(her.concluded("order_placed")) + len(her.concluded("order_line")) == len(told)
    first = {order: min(at for at, line in records if line["order_id"] == order) for order, _ in told}
    assert her.person.profile.last_order_at == START + max(first.values())


def test_a_wholesaler_stays_within_her_row() -> None:
    """2,500 orders of up to 1,200 lines: known orders 2,000, the row far below 256 KiB, and repeats of remembered orders change nothing."""
    chance, part, placed = random.Random(1), Orders(), 0
    for n in range(2_500):
        size = 1_200 if n % 700 == 0 else 1 + n % 12
        lines = [{"product_id": f"sku-{chance.randrange(10**9)}", "price": 10_000_000.1234, "quantity": 999_999} for _ in range(size)]
        bought = orders.purchase(part, {"order_id": f"order-{n}", "products": lines}, f"e-{n}", START + n * MINUTE, (f"c{n}", "d"))
        part, placed = bought.orders, placed + (bought.kind == "order_placed")
    assert placed == 2_500
    assert len(part.open) + len(part.closed) == orders.MAX_ORDERS
    assert sum(len(order.lines) for order in part.open.values()) <= orders.MAX_OPEN_LINES
    assert len(msgspec.msgpack.encode(part)) < 128 * 1024
    for n in (600, 2_499):
        again = orders.purchase(part, {"order_id": f"order-{n}", "total": None, "products": None}, "again", START + 10**12, ())
        assert (again.kind, again.orders) == (None, part)


def test_the_fullest_row_there_can_be() -> None:
    order = orders.Order(START, {}, 10**18, 10**15, "EUR", 10**15, (2**64 - 1,) * orders.MAX_CATEGORIES)
    each = {2**64 - n: (10**15, 999_999.123456789) for n in range(1, orders.MAX_OPEN_LINES + 1)}
    full = {2**64 - n: order for n in range(1, orders.MAX_OPEN)} | {1: msgspec.structs.replace(order, lines=each)}
    marks = (2**64 - 1,) * (orders.MAX_ORDERS - orders.MAX_OPEN)
    assert len(msgspec.msgpack.encode(Orders(full, marks, marks[: orders.MAX_REFUNDS]))) < 140 * 1024
