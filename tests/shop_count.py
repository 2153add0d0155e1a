"""Orders, customers and revenue of a shop's log counted with pandas, by the rules of interface.md section 3 and nothing of Kairos.

- An event is its event_id, an order its order_id (without one the event), a line its order and product: what repeats a line under another
  event id only fills the price or quantity that the first did not tell.
- A quantity that is not above 0, or above a million, is a slip and counts as not told; an untold quantity is one.
- A cancelled line gives back its price times its quantity, once per event; which order it belonged to the shop does not say.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

UNITS = 10_000
MAX_QUANTITY = 1_000_000
CANCELLED = "purchase_cancelled"
PROPERTIES = ("order_id", "product_id", "price", "quantity")

Event = dict[str, Any]


def log(files: Iterable[Path]) -> list[Event]:
    """All events of a shop's files, in order of time."""
    found: list[Event] = []
    for path in files:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            found += [orjson.loads(line) for line in lines if line.strip()]
    return sorted(found, key=lambda event: event["timestamp"])


def with_refunds(events: Iterable[Event]) -> Iterable[Event]:
    """Cancelled lines as the contract knows them: a refund of price times quantity. The shop's own id of a cancellation is no order's."""
    for event in events:
        told = event["properties"]
        if event["event_type"] == CANCELLED:
            amount = round(round(told["price"] * UNITS) * abs(told["quantity"])) / UNITS
            refund = {"order_id": told["order_id"], "amount": amount, "currency": told["currency"]}
            yield {**event, "event_type": "refund", "properties": refund}
        else:
            yield event


def counted(events: Iterable[Event]) -> pd.DataFrame:
    """A row per customer: orders, lines, gross, back, spent (units of a ten-thousandth)."""
    wanted = [one for one in events if one["event_type"] in ("purchase", CANCELLED)]
    frame = pd.DataFrame(
        {
            "event_id": [one["event_id"] for one in wanted],
            "who": [one.get("customer_id") or one.get("anonymous_id") for one in wanted],
            "cancelled": [one["event_type"] == CANCELLED for one in wanted],
            **{name: [one["properties"].get(name) for one in wanted] for name in PROPERTIES},
        }
    ).drop_duplicates("event_id")
    # Some shops write no id where one is missing.
    frame["order_id"] = frame["order_id"].fillna(frame["event_id"])
    frame["price"] = (pd.to_numeric(frame["price"]) * UNITS).round()
    frame["quantity"] = pd.to_numeric(frame["quantity"]).astype(float)
    bought, given_back = frame[~frame["cancelled"]].copy(), frame[frame["cancelled"]]
    bought["quantity"] = bought["quantity"].where(bought["quantity"].between(0, MAX_QUANTITY, inclusive="right"))
    lines = bought.groupby(["who", "order_id", "product_id"], sort=False, dropna=False)[["price", "quantity"]].first().reset_index()
    lines["value"] = (lines["price"].fillna(0) * lines["quantity"].fillna(1)).round().astype("int64")
    by = lines.groupby("who")
    people = pd.DataFrame({"orders": by["order_id"].nunique(), "lines": by.size(), "gross": by["value"].sum()})
    back = (given_back["price"] * given_back["quantity"].abs()).round().groupby(given_back["who"]).sum()
    people = people.join(back.rename("back"), how="outer").fillna(0).astype("int64")
    people["spent"] = people["gross"] - people["back"]
    return people
