"""News of a product are everybody's: a preview makes them up of what the person looked at, and explain says which opened her window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.events import iso
from tests.test_explain import HOUR, NOON, Call, event, known, view, written
from tests.test_shop_then import LAMP, PACK, founded, looked

MERGED = ("--policy", "merged")


def preview(call: Call, trigger: str, *more: str, code: int = 0) -> dict[str, Any]:
    person = ("--person", "c1", "--trigger", trigger, "--events", "events.jsonl", "--at", iso(NOON + 2 * HOUR), "--json")
    ended, out, err = call("preview", *person, *MERGED, *more)
    assert ended == code, err or out[:2_000]
    found: dict[str, Any] = json.loads(out)
    return found


def catalogue(**told: Any) -> tuple[str, str]:
    """A file of what the shop has."""
    lines = [{"product_id": "mug", "name": "Mug", "currency": "EUR", **told}, {"product_id": "lamp", "name": "Lamp", "price": 30}]
    Path("products.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), "utf-8")
    return "--products", "products.jsonl"


def test_a_price_drop_is_made_up_of_what_she_looked_at_last(call: Call) -> None:
    # she saw it at 9.50; the shop has it for 6 by now
    written([*known(), view(HOUR)])
    found = preview(call, "price_drop", *catalogue(price=6))
    assert found["entry"]["kind"] == "price_drop"
    told = found["entry"]["properties"]
    assert (told["product_id"], told["price"], told["old_price"]) == ("mug", "6.00", "9.50")
    assert found["message"]["message"] == "price-drop" and "6.00" in found["message"]["subject"]


def test_where_it_costs_as_much_as_ever_the_smallest_fall_is_shown(call: Call) -> None:
    written([*known(), view(HOUR)])
    told = preview(call, "price_drop", *catalogue(price=9.5))["entry"]["properties"]
    assert told["price"] == "9.50" and told["drop"] >= 0.05
    # The smallest fall to 9.50 is one from 10.00; to 80.00 it would be one from 84.2106, which no shop writes.
    assert told["old_price"] == "10.00"
    dear = preview(call, "price_drop", *catalogue(price=80))["entry"]["properties"]
    assert (dear["old_price"], dear["drop"] >= 0.05) == ("84.22", True)
    assert preview(call, "price_drop")["entry"]["properties"]["price"] == "9.50", "without a catalogue as she saw it"


def test_who_wished_for_it_hears_that_little_is_left(call: Call) -> None:
    wish = event("wishlist_add", HOUR + 1, product_id="mug", product_name="Mug", price=9.5)
    written([*known(), view(HOUR), wish])
    found = preview(call, "low_stock", *catalogue(price=9.5, stock=400))
    assert found["entry"]["properties"]["stock"] == 5 and found["message"]["message"] == "low-stock"


def test_a_look_alone_does_not_fit_low_stock_and_that_is_said(call: Call) -> None:
    written([*known(), view(HOUR)])
    found = preview(call, "low_stock", *catalogue(price=9.5), code=1)
    assert found["window_id"] is None and "condition does not hold" in found["unopened"]


def test_who_looked_at_nothing_is_told_so_and_news_cannot_be_given(call: Call) -> None:
    written(known())
    back = ("preview", "--person", "c1", "--trigger", "back_in_stock", "--events", "events.jsonl", *MERGED)
    code, out, err = call(*back)
    assert (code, out) == (1, "") and "has looked at none of late" in err
    code, _, err = call(*back, "--event", '{"event_type": "back_in_stock", "product_id": "mug"}')
    assert code == 2 and "they are made up" in err


CHEAPER = """
[[trigger]]
name = "cheaper"
why  = "A-126"
open = { on = "price_drop", scope = "product" }
wait = "0s"
send = "about-it"
"""


def test_explain_says_which_news_opened_a_window(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = founded(monkeypatch, PACK + CHEAPER)
    cluster.stock(-HOUR, LAMP)
    for one in (*known(), looked(HOUR)):
        cluster.did(one)
    cluster.stock(2 * HOUR, {"product_id": "lamp", "price": 25})
    cluster.until(5 * HOUR)
    code, out, err = call("explain", "--person", "c1")
    assert code == 0, err
    (opened,) = [line for line in out.splitlines() if "cheaper: window opened" in line]
    assert "opened by: Lamp costs 25.00 EUR now, before that 30.00" in opened
