"""An order database as a source (A-033): the recipe of deploy/order-database.md, with this test in the connector's place."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.contract import accept
from app.domain.profile_view import view
from tests.shop import DAY, HOUR, MONDAY, Shop

RECIPE = (Path(__file__).parent.parent / "deploy" / "order-database.md").read_text("utf-8")
SHOP = """
CREATE TABLE orders (id TEXT PRIMARY KEY, customer_id TEXT, placed_at TEXT, total REAL, currency TEXT, coupon TEXT);
CREATE TABLE order_lines (order_id TEXT, line INTEGER, product_id TEXT, name TEXT, category TEXT, price REAL, quantity INTEGER);
"""
Rows = list[sqlite3.Row]


def statements(dialect: str) -> list[str]:
    blocks = re.findall(r"^```sql\n(.*?)^```", RECIPE, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith(f"-- {dialect}: ")]


TABLE, PLACED, REFUNDED = statements("sqlite")
CONNECTOR: dict[str, str] = json.loads(re.findall(r"^```json\n(.*?)^```", RECIPE, re.MULTILINE | re.DOTALL)[0])


@pytest.fixture
def shop() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.executescript(SHOP + TABLE)
    yield database
    database.close()


def place(shop: sqlite3.Connection, order: str = "0042", customer: str = "c-1", price: float = 12.5) -> None:
    """Two of one product and one of another, in one transaction with the outbox row."""
    with shop:
        shop.execute(
            "INSERT INTO orders VALUES (?, ?, '2026-03-02 10:15:00.250', ?, 'EUR', NULL)",
            (order, customer, 2 * price + 89.99),
        )
        shop.execute("INSERT INTO order_lines VALUES (?, 1, '0017', 'Trail shoe', 'shoes', 89.99, 1)", (order,))
        shop.execute("INSERT INTO order_lines VALUES (?, 2, '0030', 'Wool socks, \"grey\"', 'socks', ?, 2)", (order, price))
        shop.execute(PLACED, {"order_id": order})


def pay_back(shop: sqlite3.Connection, amount: float, order: str = "0042") -> None:
    with shop:
        shop.execute(REFUNDED, {"order_id": order, "refund_id": f"r-{order}", "amount": amount, "at": "2026-03-03 09:00:00"})


def outbox(shop: sqlite3.Connection) -> Rows:
    return shop.execute("SELECT * FROM outbox ORDER BY rowid").fetchall()


def routed(rows: Rows, operation: str = "c") -> list[tuple[bytes, bytes]]:
    """Records as the outbox event router makes them of a change of rows: (key, value). Updates and deletes it drops."""
    if operation not in ("c", "r"):  # created, or read in a snapshot
        return []
    key, payload = (CONNECTOR[f"transforms.outbox.table.field.event.{name}"] for name in ("key", "payload"))
    return [(row[key].encode(), row[payload].encode()) for row in rows]


def known(*deliveries: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """The profile after deliveries an hour apart."""
    kairos = Shop()
    for number, records in enumerate(deliveries):
        for key, value in records:
            kairos.raw(value, DAY + number * HOUR, key.decode())
    kairos.until(3 * DAY)
    (group,) = kairos.simulation.groups()
    return view(group.person, MONDAY + 3 * DAY)


def bought(*deliveries: list[tuple[bytes, bytes]]) -> tuple[int, str]:
    seen = known(*deliveries)
    return seen["orders"], seen["spent"]["amount"]


def test_the_record_that_arrives_is_the_event_of_the_contract(shop: sqlite3.Connection) -> None:
    place(shop)
    ((key, value),) = routed(outbox(shop))
    event = accept(value, MONDAY + DAY, "outbox")
    assert (key, event.customer_id, event.event_type) == (b"c-1", "c-1", "purchase")
    assert event.event_id == "order-0042-placed" == outbox(shop)[0]["id"]
    assert json.loads(value)["timestamp"] == "2026-03-02T10:15:00.250Z"
    assert event.properties == {
        "order_id": "0042",
        "total": 114.99,
        "currency": "EUR",
        "coupon": None,
        "products": [
            {"product_id": "0017", "product_name": "Trail shoe", "category": "shoes", "price": 89.99, "quantity": 1},
            {"product_id": "0030", "product_name": 'Wool socks, "grey"', "category": "socks", "price": 12.5, "quantity": 2},
        ],
    }


#
def test_an_order_reaches_the_profile(shop: sqlite3.Connection) -> None:
    place(shop)
    seen = known(routed(outbox(shop)))
    assert (seen["orders"], seen["spent"]) == (1, {"amount": "114.99", "currency": "EUR"})
    assert seen["last_purchase_at"] == "2026-03-02T10:15:00.250Z" and set(seen["interest"]["decayed"]) == {"shoes", "socks"}


def test_what_is_delivered_again_changes_nothing(shop: sqlite3.Connection) -> None:
    place(shop)
    once = routed(outbox(shop))
    assert known(once, once, routed(outbox(shop), "r")) == known(once)  # a crash of the connector, a second snapshot
    place_again = PLACED, {"order_id": "0042"}
    with shop:
        shop.execute(*place_again)  # the transaction was tried again
    assert len(outbox(shop)) == 1


def test_an_updated_or_deleted_row_is_no_event(shop: sqlite3.Connection) -> None:
    place(shop)
    once = routed(outbox(shop))
    with shop:
        shop.execute("UPDATE outbox SET payload = replace(payload, '114.99', '1.00')")
    assert known(once, routed(outbox(shop), "u"), routed(outbox(shop), "d")) == known(once)


def test_the_same_order_under_another_id_counts_once(shop: sqlite3.Connection) -> None:
    place(shop)
    ((key, value),) = routed(outbox(shop))
    again = value.replace(b'"order-0042-placed"', b'"order-0042-placed-2"')
    script = json.dumps({"event_type": "purchase", "customer_id": "c-1", "order_id": "0042", "total": 114.99, "currency": "EUR"})
    assert bought([(key, value)], [(key, again)], [(key, script.encode())]) == (1, "114.99")


def test_a_refund_comes_off_once(shop: sqlite3.Connection) -> None:
    place(shop)
    place(shop, order="0043")
    pay_back(shop, 89.99)
    pay_back(shop, 89.99)
    rows = outbox(shop)
    assert [row["type"] for row in rows] == ["purchase", "purchase", "refund"]
    assert bought(routed(rows), routed(rows)) == (2, "139.99")


def test_both_or_neither(shop: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError), shop:
        shop.execute("INSERT INTO orders VALUES ('0044', 'c-1', '2026-03-02 10:15:00', 1, 'EUR', NULL)")
        shop.execute(PLACED, {"order_id": "0044"})
        shop.execute("INSERT INTO orders VALUES ('0044', 'c-1', '2026-03-02 10:15:00', 1, 'EUR', NULL)")
    assert outbox(shop) == []


def test_postgresql_says_the_same_as_what_is_run() -> None:
    def names(text: str) -> list[str]:
        return re.findall(r"'([a-z_]+)'[,)]|'([a-z]+-)'", text)

    assert len(statements("postgresql")) == 3
    for ours, theirs in zip(statements("sqlite"), statements("postgresql"), strict=True):
        assert names(ours) == names(theirs)
        assert re.findall(r"^  (\w+) ", ours, re.MULTILINE) == re.findall(r"^  (\w+) ", theirs, re.MULTILINE)


def test_the_connector_routes_the_columns_there_are_to_the_topic_there_is(shop: sqlite3.Connection) -> None:
    columns = {row["name"] for row in shop.execute("PRAGMA table_info(outbox)")}
    router = {name.removeprefix("transforms.outbox."): value for name, value in CONNECTOR.items() if name.startswith("transforms.outbox.")}
    assert router.pop("type") == "io.debezium.transforms.outbox.EventRouter"
    assert router.pop("route.topic.replacement") == "customer_events"
    assert set(router.values()) <= columns
    assert CONNECTOR["key.converter"] == CONNECTOR["value.converter"] == "org.apache.kafka.connect.storage.StringConverter"
