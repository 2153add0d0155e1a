"""Interest in categories: the guides' figures, and the bounded sum against the guides' own naive code."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import interest
from app.domain.interest import Interest
from tests.person_story import DAY, HOUR, MINUTE, START, Her


def test_three_flat_views_of_shoes_give_15_not_5() -> None:
    # A-036; fault 2 of A.25: the guide's code read its own writes as bytes and stayed at 5 for ever.
    her = Her()
    for n in range(3):
        her.does("product_view", n * MINUTE, product_category="shoes")
    assert her.seen(3 * MINUTE)["interest"]["increment"] == {"shoes": 15}


def test_the_increment_ends_at_100() -> None:
    # min(100, current + 5)
    her = Her()
    for n in range(25):
        her.does("product_view", n * MINUTE, category="shoes")
    assert her.seen(HOUR)["interest"]["increment"] == {"shoes": 100}


def test_thirty_silent_days_end_the_increment_and_any_event_keeps_it() -> None:
    # 86400 × 30 s since the last update
    her = Her()
    her.does("product_view", 0, category="shoes")
    assert her.seen(30 * DAY - 1)["interest"]["increment"] == {"shoes": 5}
    assert her.seen(30 * DAY)["interest"]["increment"] == {}
    her.does("page_view", 20 * DAY, page_type="home")
    assert her.seen(50 * DAY - 1)["interest"]["increment"] == {"shoes": 5}
    her.does("page_view", 50 * DAY, page_type="home")
    her.does("product_view", 51 * DAY, category="shoes")
    assert her.seen(51 * DAY)["interest"]["increment"] == {"shoes": 5}


def test_only_views_increment() -> None:
    her = Her()
    her.does("cart_add", 0, category="shoes")
    her.does("purchase", MINUTE, category="shoes", order_id="o-1", total=10)
    assert her.seen(HOUR)["interest"]["increment"] == {}


@pytest.mark.parametrize(
    ("event_type", "weight"), [("product_view", 1.0), ("cart_add", 3.0), ("purchase", 5.0), ("email_click", 2.0), ("review_write", 4.0)]
)
def test_behaviours_weigh_what_the_guide_says(event_type: str, weight: float) -> None:
    #
    her = Her()
    her.does(event_type, 0, category="shoes")
    assert her.seen(0)["interest"]["decayed"] == {"shoes": weight}
    her.does(event_type, 0, category="shoes", intensity=0.5)
    assert her.seen(0)["interest"]["decayed"] == {"shoes": weight * 1.5}


def test_interest_fades_by_a_tenth_a_whole_day() -> None:
    # exp(−0.1 × days_ago), whole days
    her = Her()
    her.does("purchase", 0, category="shoes", order_id="o-1", total=10)
    assert her.seen(DAY - 1)["interest"]["decayed"] == {"shoes": 5.0}
    assert her.seen(DAY)["interest"]["decayed"] == {"shoes": round(5 * math.exp(-0.1), 4)}
    assert her.seen(10 * DAY)["interest"]["decayed"] == {"shoes": round(5 * math.exp(-1.0), 4)}


def test_the_decayed_score_ends_at_100_and_the_highest_is_primary() -> None:
    # capped at 100; A-052: argmax
    her = Her()
    her.does("cart_add", 0, category="shoes")
    her.does("cart_add", 0, category="hats", intensity=0.9)
    assert her.seen(0)["primary_interest"] == "shoes"
    her.does("product_view", 0, category="hats", intensity=999)
    seen = her.seen(0)
    assert seen["interest"]["decayed"] == {"hats": 100.0, "shoes": 3.0}
    assert seen["primary_interest"] == "hats"
    assert Her().seen(0)["primary_interest"] is None


def test_categories_as_shops_tell_them() -> None:
    assert interest.categories({"category": "shoes", "product_category": "x"}) == ("shoes",)
    assert interest.categories({"product_category": "shoes"}) == ("shoes",)
    assert interest.categories({"category": "${escCatTitle}"}) == ()
    assert interest.categories({"category": "", "product_category": None}) == ()
    assert interest.categories({"products": [{"category": "a"}, {"category": "b"}, {"category": "a"}, {}, 3]}) == ("a", "b")
    assert len(interest.categories({"products": [{"category": str(n)} for n in range(99)]})) == interest.MAX_PER_EVENT


def test_a_line_logged_twice_and_a_second_line_raise_interest_once() -> None:
    her = Her()
    for n in range(2):
        her.does("purchase", n, order_id="o-1", product_id="p1", price=10, category="shoes")
    her.does("purchase", 2, order_id="o-1", product_id="p2", price=10, category="shoes")
    assert her.seen(HOUR)["interest"]["decayed"] == {"shoes": 5.0}
    her.does("purchase", 3, order_id="o-1", product_id="p3", price=10, category="hats")
    assert her.seen(HOUR)["interest"]["decayed"] == {"hats": 5.0, "shoes": 5.0}


def test_the_51st_category_pushes_out_the_lowest() -> None:
    her = Her()
    for n in range(50):
        her.does("product_view", n * MINUTE, category=f"c{n:02}")
    her.does("product_view", HOUR, category="c00")
    her.does("product_view", HOUR, category="new")
    seen = her.seen(HOUR)["interest"]
    assert len(seen["decayed"]) == len(seen["increment"]) == interest.MAX_CATEGORIES
    assert "new" in seen["decayed"] and "c00" in seen["decayed"] and "c01" not in seen["decayed"]
    assert "new" in seen["increment"] and "c01" not in seen["increment"]


def naive(behaviours: list[tuple[int, float]], now: int) -> float:
    """calculate_interest_score of guide S0, behaviour by behaviour, before the cap."""
    return sum(weight * math.exp(-0.1 * max(0, (now - ts) // DAY)) for ts, weight in behaviours)


AT = st.integers(0, 40 * DAY).map(lambda at: START + at)
LATER = st.integers(40 * DAY, 90 * DAY).map(lambda at: START + at)
MINUTELY = st.integers(0, 40 * 24 * 60).map(lambda at: START + at * MINUTE)
WEIGHT = st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, 0.5])


def kept(behaviours: list[tuple[int, float]]) -> Interest:
    part = Interest()
    for ts, weight in behaviours:
        part = interest.behaved(part, ("shoes",), weight, ts, viewed=False)
    return part


@given(st.lists(st.tuples(AT | MINUTELY, WEIGHT), max_size=interest.MAX_ENTRIES), LATER)
def test_up_to_48_times_of_day_the_sum_is_exact(behaviours: list[tuple[int, float]], now: int) -> None:
    # floor((now − ts) / day) of each behaviour, at any instant, in any order of arrival
    got = interest.decayed(kept(behaviours), now).get("shoes", 0.0)
    assert got == pytest.approx(min(100, naive(behaviours, now)), rel=1e-9)


@given(st.lists(st.tuples(AT, WEIGHT), min_size=100, max_size=250), LATER)
def test_beyond_that_a_behaviour_fades_at_most_an_hour_early(behaviours: list[tuple[int, float]], now: int) -> None:
    part = kept(behaviours)
    assert len(part.decayed["shoes"]) <= interest.MAX_ENTRIES
    got = sum(weight * math.exp(-0.1 * max(0, (now - ts) // DAY)) for ts, weight in part.decayed["shoes"])
    early = naive(behaviours, now + HOUR)
    assert early * (1 - 1e-9) <= got <= naive(behaviours, now) * (1 + 1e-9)
    assert early >= naive(behaviours, now) * math.exp(-0.1) * (1 - 1e-9)
