"""The made-up day has the habits of a real shop's log, and is the same for the same seed and date."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date

import pytest

from app.edges.events_file import milliseconds
from app.edges.shop_day import Event, shop_day

DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def day() -> list[Event]:
    return shop_day(7, DAY)


def who(event: Event) -> str:
    return event["customer_id"] or event["anonymous_id"]


def test_the_same_seed_and_date_give_the_same_day(day: list[Event]) -> None:
    assert shop_day(7, DAY) == day
    assert shop_day(8, DAY) != day
    assert shop_day(7, date(2026, 3, 3)) != day


def test_a_day_is_some_thousand_events_of_some_hundred_people(day: list[Event]) -> None:
    assert 2_000 <= len(day) <= 5_000
    assert 550 <= len({who(event) for event in day}) <= 620
    assert all(event["timestamp"].startswith("2026-03-02") for event in day)


def test_the_mix_is_that_of_a_real_shop(day: list[Event]) -> None:
    counts = Counter(event["event_type"] for event in day if event["event_type"] in ("product_view", "cart_add", "cart_remove", "purchase"))
    share = {event_type: count / counts.total() for event_type, count in counts.items()}
    assert 0.62 <= share["product_view"] <= 0.76
    assert 0.12 <= share["cart_add"] <= 0.22
    assert 0.01 <= share["cart_remove"] <= 0.05
    assert 0.07 <= share["purchase"] <= 0.15


def test_nearly_every_order_is_logged_twice_the_repeat_without_quantity(day: list[Event]) -> None:
    lines: dict[tuple[str, str], set[str]] = defaultdict(set)
    told: Counter[tuple[str, str]] = Counter()
    for event in day:
        if event["event_type"] == "purchase":
            line = (event["properties"]["order_id"], event["properties"]["product_id"])
            lines[line].add(event["event_id"])
            told[line] += event["properties"]["quantity"] is not None
    repeated = [line for line, ids in lines.items() if len(ids) > 1]
    assert len(lines) > 50
    assert len(repeated) / len(lines) > 0.8
    assert all(told[line] >= 1 for line in lines)


def test_the_size_in_the_order_is_often_another_sku_than_the_one_viewed(day: list[Event]) -> None:
    bought = [event["properties"] for event in day if event["event_type"] == "purchase"]
    other_sku = [line for line in bought if "-" in line["product_id"]]
    assert 0.3 < len(other_sku) / len(bought) < 0.75
    assert {line["category"] for line in bought} >= {None, "${escCatTitle}"}


def test_some_events_arrive_late_and_some_twice_and_pages_are_reloaded(day: list[Event]) -> None:
    times = [milliseconds(event["timestamp"]) or 0 for event in day]
    late = sum(after < before for before, after in itertools.pairwise(times))
    assert 10 < late < len(day) // 10
    assert 5 < len(day) - len({event["event_id"] for event in day}) < len(day) // 20
    views: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event, at in zip(day, times, strict=True):
        if event["event_type"] == "product_view":
            views[who(event), event["properties"]["product_id"]].append(at)
    reloads = sum(0 <= after - before <= 2_000 for seen in views.values() for before, after in itertools.pairwise(seen))
    assert reloads > 0.05 * sum(map(len, views.values()))


def test_people_are_anonymous_or_tell_address_and_consent_before_they_look_around(day: list[Event]) -> None:
    anonymous = {event["anonymous_id"] for event in day if event["anonymous_id"]}
    assert 0.2 < len(anonymous) / 620 < 0.4
    assert all(event["customer_id"] is None for event in day if event["anonymous_id"])
    consenting = {event["customer_id"] for event in day if event["event_type"] == "consent_give"}
    told = {event["customer_id"]: event["properties"]["traits"]["email"] for event in day if event["event_type"] == "identify"}
    assert consenting <= set(told)
    assert len(set(told.values())) == len(told)
    assert all(address.endswith(".example") and address.isascii() for address in told.values())
