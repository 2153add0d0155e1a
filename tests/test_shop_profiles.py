"""Who a shop's customers are, in small: the tables and the picture of a made-up shop, and its orders and money counted twice."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.edges.events_file import encode_lines
from app.edges.shop_day import shop_day
from tests import shop_profiles
from tests.shop_count import UNITS, counted, log, with_refunds

Event = dict[str, Any]
Capture = pytest.CaptureFixture[str]


def line(n: int, product: str, price: float | None, quantity: float | None, order: str | None = "o", kind: str = "purchase") -> Event:
    told = {"order_id": order, "product_id": product, "price": price, "quantity": quantity, "currency": "EUR"}
    ids = {"event_id": f"x{n}", "event_type": kind, "customer_id": "c-1"}
    return {**ids, "timestamp": f"2026-03-02T10:{n:02d}:00.000Z", "properties": told}


def cancelled(n: int, product: str, price: float, quantity: int, order: str) -> Event:
    return line(n, product, price, quantity, order, "purchase_cancelled")


ODD = [
    line(1, "p", 3.5, None),
    line(2, "p", None, 4),  # fills what the first did not tell
    line(3, "p", 9.99, 7),
    line(4, "q", 2.25, 10**16),
    line(5, "q", None, 2),
    line(6, "r", 0.0011, 1_000, "o2"),
    line(7, "s", 5, 1, None),
    line(8, "s", 5, 1, None),  # without an id the event is the order
    line(8, "s", 5, 1, None),  # and this one was sent twice
    cancelled(9, "p", 3.5, -2, "C1"),
    cancelled(10, "p", 3.5, -1, "C1"),
]
"""3.5 × 4 + 2.25 × 2 + 1.1 + 5 + 5 − 10.5, in four orders."""


def test_the_count_counts_as_the_contract_says() -> None:
    (row,) = counted(ODD).itertuples()
    assert (row.orders, row.lines, row.gross / UNITS, row.back / UNITS, row.spent / UNITS) == (4, 5, 29.6, 10.5, 19.1)
    assert [one["properties"] for one in with_refunds(ODD[-1:])] == [{"order_id": "C1", "amount": 3.5, "currency": "EUR"}]


def test_a_made_up_shop_is_the_same_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    #
    files = [tmp_path / "shop.jsonl", tmp_path / "odd.jsonl"]
    files[0].write_bytes(encode_lines([*shop_day(5, date(2026, 3, 1), people=150), *shop_day(6, date(2026, 3, 2), people=150)]))
    files[1].write_bytes(encode_lines(ODD))
    monkeypatch.setattr(sys, "argv", ["shop_profiles", *map(str, files), "--out", str(tmp_path / "out")])
    assert shop_profiles.main() == 0, capsys.readouterr().out
    page, picture = (tmp_path / "out" / "shop.md").read_text(), (tmp_path / "out" / "shop.svg").read_text()
    exact = counted(log(files))
    assert f"| orders | {exact['orders'].sum()} | {exact['orders'].sum()} |" in page and exact["orders"].sum() > 30
    assert "Every person's orders and money are as counted." in page
    for scheme in ("s0", "s1", "merged"):
        assert f"| `{scheme}` |" in page
    assert "| `warm_lookers` |" in page, "she agreed to mails, so they went out"
    assert ElementTree.fromstring(picture).tag.endswith("svg") and "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def test_segments_of_mails_are_left_out_where_the_shop_has_none(tmp_path: Path) -> None:
    assert shop_profiles.examined("odd", ODD, tmp_path) == []
    page = (tmp_path / "odd.md").read_text()
    assert "Left out, since no mail is told of: `declining`" in page and "| `warm_lookers` |" not in page
    assert "| revenue net of cancellations | 19.10 | 19.10 |" in page and "| `purchaser` | 1 | 100.0 % |" in page


def test_whoever_differs_is_named() -> None:
    exact = counted(ODD)
    record = {"customer_id": "c-1", "anonymous_ids": [], "orders": 3, "spent": {"amount": "19.10"}}
    assert shop_profiles.differences([record], exact) == [f"c-1: (3, {json.dumps(191_000)}), counted (4, 191000)"]
