"""How near she is to buying: levels that expire by time alone, and a decayed score."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import intent
from app.domain.days import FOREVER
from tests.person_story import DAY, HOUR, MINUTE, START, Her

P1 = {"product_id": "p1", "category": "shoes"}


def level(her: Her, at: int) -> str:
    return str(her.seen(at)["intent"]["level"])


def score(her: Her, at: int) -> float:
    return float(her.seen(at)["intent"]["score"])


@pytest.mark.parametrize("page", ["pricing", "shipping", "returns", "size_guide"])
def test_a_page_about_buying_is_high_for_a_day(page: str) -> None:
    # pricing-page visits, shipping/return-policy views, size-guide consultations
    her = Her()
    her.does("page_view", 0, page_type=page)
    assert (level(her, 0), score(her, 0)) == ("high", 25.0)
    assert (level(her, DAY - 1), level(her, DAY)) == ("high", "low")
    assert score(her, DAY) == 12.5  # recency weighting, 2^(−hours / 24)


def test_an_open_cart_is_high_until_bought_or_emptied_or_a_day_old() -> None:
    # cart abandonment within 24 h
    her = Her()
    her.does("cart_add", 0, **P1)
    assert (level(her, DAY - 1), score(her, 0)) == ("high", 25.0)
    assert level(her, DAY) == "low"
    her.does("cart_add", DAY, product_id="p2")
    her.does("cart_remove", DAY + 1, product_id="p1")
    assert level(her, DAY + 1) == "high"
    her.does("cart_remove", DAY + 2, product_id="p2")
    assert (level(her, DAY + 2), score(her, DAY + 2)) == ("low", 0.0)
    her.does("cart_add", DAY + 3, **P1)
    her.does("purchase", DAY + 4, order_id="o-1", product_id="p1-size-42")
    assert (level(her, DAY + 4), score(her, DAY + 4)) == ("low", 0.0)


def test_what_arrives_late_neither_opens_a_bought_cart_nor_closes_a_new_one() -> None:
    her = Her()
    her.does("purchase", HOUR, order_id="o-1")
    her.does("cart_add", 30 * MINUTE, **P1)
    assert level(her, HOUR) == "low"
    her.does("cart_add", 3 * HOUR, **P1)
    her.does("purchase", 2 * HOUR, order_id="o-2")
    her.does("cart_remove", 2 * HOUR, **P1)
    assert level(her, 3 * HOUR) == "high"


def test_a_checkout_is_an_open_cart() -> None:
    her = Her()
    her.does("checkout_start", 0)
    assert level(her, 0) == "high"
    her.does("cart_add", 1, **P1)
    her.does("cart_remove", 2, **P1)
    assert level(her, 2) == "low"


def test_the_second_compare_within_a_day_is_high() -> None:
    # multiple product comparisons (≥ 2)
    her = Her()
    her.does("product_compare", 0, product_ids=["p1", "p2"])
    assert (level(her, 0), score(her, 0)) == ("medium", 8.0)
    her.does("product_compare", DAY, product_ids=["p1", "p2"])
    assert level(her, DAY) == "medium"
    her.does("product_compare", 2 * DAY - 1, product_ids=["p1", "p3"])
    assert level(her, 2 * DAY) == "high"


def test_the_third_product_of_one_category_within_a_day_is_high() -> None:
    # multiple product comparisons (≥ 3 products of one category)
    her = Her()
    for n, (product, category) in enumerate([("p1", "shoes"), ("p2", "shoes"), ("p1", "shoes"), ("p3", "hats"), ("p4", None)]):
        her.does("product_view", n * MINUTE, product_id=product, category=category)
    assert level(her, HOUR) == "medium"
    her.does("product_view", HOUR, product_id="p3", category="shoes")
    assert (level(her, HOUR), level(her, HOUR + DAY)) == ("high", "medium")

    slow = Her()
    for n in range(3):
        slow.does("product_view", n * 12 * HOUR, product_id=f"p{n}", category="shoes")
    assert level(slow, DAY) == "medium"


@pytest.mark.parametrize(
    ("event_type", "properties"),
    [
        ("category_view", {"category": "shoes"}),
        ("page_view", {"page_type": "category"}),
        ("page_view", {"page_type": "blog"}),
        ("content_view", {}),
        ("social_engagement", {"network": "instagram"}),
        ("ad_video_complete", {"network": "tiktok"}),
        ("email_forward", {"send_id": "s-1"}),
        ("email_click", {"send_id": "s-1"}),
        ("search", {"query": "shoes"}),
    ],
)
def test_medium_signals_last_a_week(event_type: str, properties: dict[str, str]) -> None:
    # category browsing; blog engagement; social interactions; e-mail click-throughs; search query patterns
    her = Her()
    her.does(event_type, 0, **properties)
    assert (level(her, 7 * DAY - 1), level(her, 7 * DAY), score(her, 0)) == ("medium", "low", 8.0)


@pytest.mark.parametrize(("event_type", "properties"), [("page_view", {"page_type": "home"}), ("page_view", {}), ("email_open", {})])
def test_passing_by_is_low(event_type: str, properties: dict[str, str]) -> None:
    # homepage only; no product interaction; passive e-mail consumption
    her = Her()
    assert (level(her, 0), score(her, 0)) == ("low", 0.0)
    her.does(event_type, 0, **properties)
    assert (level(her, 0), score(her, 0)) == ("low", 1.0)


@pytest.mark.parametrize("hours", [(0, 20, 30), (30, 0, 20), (20, 30, 0), (30, 20, 0)])
def test_a_late_compare_is_as_fresh_as_the_pair(hours: tuple[int, ...]) -> None:
    # the second of a pair is high for a day, whichever of the two arrives first
    her = Her()
    for hour in hours:
        her.does("product_compare", hour * HOUR, product_ids=["p1", "p2"])
    assert (level(her, 54 * HOUR - 1), level(her, 54 * HOUR)) == ("high", "medium")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize(("hours", "until"), [((0, 10, 23), 47), ((0, 23, 46), None)])
def test_a_late_product_is_the_third_of_a_day_or_not(order: tuple[int, ...], hours: tuple[int, ...], until: int | None) -> None:
    # ≥ 3 products of one category within 24 h
    her = Her()
    for n in order:
        her.does("product_view", hours[n] * HOUR, product_id=f"p{n}", category="shoes")
    if until is None:
        assert level(her, 46 * HOUR) == "medium"
    else:
        assert (level(her, until * HOUR - 1), level(her, until * HOUR)) == ("high", "medium")


def test_a_level_says_when_time_alone_ends_it() -> None:
    her = Her()
    assert intent.level_until(her.person.intent, START) == ("low", FOREVER)
    her.does("search", 0)
    assert intent.level_until(her.person.intent, START) == ("medium", START + 7 * DAY)
    her.does("page_view", DAY, page_type="pricing")
    her.does("cart_add", DAY + HOUR, **P1)
    assert intent.level_until(her.person.intent, START + DAY + HOUR) == ("high", START + 2 * DAY + HOUR)
    for now in (START + 2 * DAY + HOUR, START + 7 * DAY - 1):
        assert intent.level_until(her.person.intent, now) == ("medium", START + 7 * DAY)
    assert intent.level_until(her.person.intent, START + 7 * DAY) == ("low", FOREVER)


def test_the_score_ends_at_100() -> None:
    # browsing, depth of research and signs of urgency in one score of 0–100
    her = Her()
    for n in range(20):
        her.does("page_view", n, page_type="pricing")
    assert score(her, 20) == 100.0


def test_other_types_and_other_records_change_nothing() -> None:
    her = Her()
    her.does("order_delivered", 0)
    her.does("moon_phase", 0)
    assert her.person.intent == intent.Intent()


def test_without_consent_to_track_only_what_closes_a_cart_counts() -> None:
    her = Her()
    her.does("cart_add", 0, **P1)
    her.does("consent_withdraw", 1, purposes=["track"])
    her.does("page_view", 2, page_type="pricing")
    assert score(her, 2) == 25.0
    her.does("purchase", 3, order_id="o-1")
    assert score(her, 3) == 0.0


Signal = tuple[str, dict[str, str], int]
SIGNALS: list[Signal] = [("page_view", {"page_type": "pricing"}, 25), ("search", {}, 8), ("page_view", {"page_type": "home"}, 1)]


@given(st.lists(st.tuples(st.sampled_from(SIGNALS), st.integers(0, 10 * 24)), max_size=30), st.integers(0, 5 * 24))
def test_the_score_is_the_decayed_sum_in_any_order_of_arrival(signals: list[tuple[Signal, int]], more: int) -> None:
    #
    her = Her()
    for (event_type, properties, _), hour in signals:
        her.does(event_type, hour * HOUR, **properties)
    now = more + max((hour for _, hour in signals), default=0)
    exact = sum(weight * 2 ** (-(now - hour) / 24) for (_, _, weight), hour in signals)
    assert score(her, now * HOUR) == pytest.approx(min(100, exact), abs=1e-3)


def test_the_state_is_bounded() -> None:
    her = Her()
    for n in range(100):
        her.does("cart_add", n, product_id=f"p{n}")
        her.does("product_view", n, product_id=f"p{n}", category=f"c{n % 7}")
    assert len(her.person.intent.cart) == intent.MAX_CART
    assert len(her.person.intent.viewed) == intent.MAX_VIEWED
    her.does("product_view", 3 * DAY, product_id="p1", category="c1")
    assert len(her.person.intent.viewed) == 1
    assert her.person.intent.viewed[0][2] == START + 3 * DAY
