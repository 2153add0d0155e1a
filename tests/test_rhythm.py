"""When and what she buys again: per category, through the year, from order to order."""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import churn, rhythm
from app.domain.rhythm import Cycle, Rhythm
from tests.person_story import DAY, HOUR, MINUTE, START, Her
from tests.test_merging import become_one, two


def offset(day: str) -> int:
    """Of a date, from the story's start."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000) - START


def peak(her: Her) -> int | None:
    part = her.person.profile
    return rhythm.peak(part.rhythm, part.purchases.first_at, part.last_order_at)


def test_days_between_orders_per_person_and_category() -> None:
    # average days between purchases per customer; A-015: purchase frequency, reorder timing
    her = Her()
    for n, (day, category) in enumerate([(0, "shoes"), (10, "hats"), (12, "shoes"), (40, "shoes"), (50, "hats")]):
        her.does("purchase", day * DAY, order_id=f"o-{n}", total=10, category=category)
    cycles = her.person.profile.rhythm.cycles
    assert cycles == {"shoes": Cycle(3, START, START + 40 * DAY), "hats": Cycle(2, START + 10 * DAY, START + 50 * DAY)}
    assert (cycles["shoes"].mean_gap, cycles["hats"].mean_gap) == (20 * DAY, 40 * DAY)
    assert churn.mean_gap(her.person.churn) == 12.5 * DAY
    assert Cycle(1, START, START).mean_gap is None
    seen = her.seen(60 * DAY)["churn"]
    assert seen["next_purchase_at"] == "2026-05-03T12:00:00.000Z"
    assert (seen["mean_gap_days"], seen["days_since_last"]) == (12.5, 10.0)
    assert seen["spread_days"] == round(statistics.stdev([10, 2, 28, 10]), 4)


def test_an_order_line_by_line_is_one_of_its_category_at_the_earliest_line() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", total=5, category="shoes")
    for line in (3, 1, 2, 0):
        her.does(
            "purchase", 30 * DAY + line * MINUTE, order_id="o-2", product_id=f"p{line % 2}", price=5, category=("shoes", "hats")[line % 2]
        )
    part = her.person.profile.rhythm
    assert part.cycles == {"shoes": Cycle(2, START, START + 30 * DAY), "hats": Cycle(1, START + 30 * DAY, START + 30 * DAY)}
    assert sum(part.months) == 2


def test_a_line_before_midnight_moves_the_order_to_its_month() -> None:
    her = Her()
    her.does("purchase", offset("2026-04-01"), order_id="o", product_id="p", price=1)
    her.does("purchase", offset("2026-04-01") - 1, order_id="o", product_id="q", price=1)
    assert her.person.profile.rhythm.months == (0, 0, 1, *(0,) * 9)


@pytest.mark.parametrize(
    ("days", "month"),
    [
        # the month with ≥ 40 % of ≥ 4 orders over ≥ 2 years
        (("2024-12-01", "2025-12-20", "2026-12-24", "2026-06-01"), 12),
        (("2024-12-20", "2025-07-01", "2025-08-01", "2025-12-01", "2026-12-01"), 12),
        (("2024-12-20", "2025-12-20", "2026-12-01"), None),
        (("2025-01-01", "2025-12-20", "2025-12-21", "2025-12-22"), None),
        (("2024-12-31", "2025-12-01", "2025-12-02", "2026-11-30"), None),
        (("2024-12-01", "2025-12-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-12-31"), 12),
        (("2024-12-01", "2025-12-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01", "2026-12-31", "2027-01-01"), None),
        (("2024-05-01", "2025-05-01", "2024-03-01", "2026-03-01"), 3),
    ],
)
def test_a_yearly_peak(days: tuple[str, ...], month: int | None) -> None:
    her = Her()
    for n, day in enumerate(days):
        her.does("purchase", offset(day), order_id=f"o-{n}", total=1)
    assert peak(her) == month


def test_how_often_the_next_order_has_another_main_category() -> None:
    # category switching
    her = Her()
    assert rhythm.switching(her.person.profile.purchases) is None
    for n, category in enumerate(["shoes", "shoes", None, "hats", "shoes"]):
        her.does("purchase", n * DAY, order_id=f"o-{n}", total=10, category=category)
    assert rhythm.switching(her.person.profile.purchases) == 2 / 3
    lines = [{"product_id": "a", "price": 9, "category": "hats"}, {"product_id": "b", "price": 99, "category": "shoes"}]
    her.does("purchase", 5 * DAY, order_id="o-5", products=lines)
    assert rhythm.switching(her.person.profile.purchases) == 2 / 4, "its dearest piece is a shoe"


def test_what_her_orders_cost_more_and_more() -> None:
    # order-value progression
    her = Her()
    for n, total in enumerate([10, 20, 500, 25, 35]):
        if n == 1:
            assert rhythm.progression(her.person.profile.purchases) is None
        her.does("purchase", n * DAY, order_id=f"o-{n}", total=total, currency="EUR")
    assert rhythm.progression(her.person.profile.purchases) == pytest.approx(60 / 30 - 1)
    her.does("purchase", 9 * DAY, order_id="o-9", total=9_999, currency="USD")
    assert rhythm.progression(her.person.profile.purchases) == pytest.approx(60 / 30 - 1)
    her.does("refund", 9 * DAY, order_id="o-0", amount=10)
    her.does("refund", 9 * DAY, order_id="o-1", amount=50)
    assert rhythm.progression(her.person.profile.purchases) is None, "nothing is compared with nothing"


def test_the_state_is_bounded() -> None:
    her = Her()
    for n in range(50):
        her.does("purchase", n * HOUR, order_id=f"o-{n}", total=1, category=f"c{n}")
    part = her.person.profile.rhythm
    assert sorted(part.cycles) == sorted(f"c{n}" for n in range(30, 50))
    assert len(msgspec.msgpack.encode(Rhythm())) == 3
    assert len(msgspec.msgpack.encode(part)) < 20 * 30


ORDERS = st.lists(
    st.tuples(st.integers(0, 1_200), st.sampled_from([("shoes",), ("hats",), ("shoes", "hats"), ()])),
    max_size=25,
    unique_by=lambda order: order[0],
)


@given(ORDERS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_rhythm_equals_a_recount_in_any_order_of_arrival(told: list[tuple[int, tuple[str, ...]]], chance: random.Random) -> None:
    shuffled = list(told)
    chance.shuffle(shuffled)
    her = Her()
    for day, names in shuffled:
        lines = [{"product_id": name, "category": name, "price": 1 + n} for n, name in enumerate(names)]
        her.does("purchase", day * DAY, order_id=f"o-{day}", total=10 + day, products=lines)
    part = her.person.profile
    for name in ("shoes", "hats"):
        days = sorted(day for day, names in told if name in names)
        cycle = part.rhythm.cycles.get(name)
        assert (cycle is None) == (not days)
        if cycle is not None:
            assert cycle == Cycle(len(days), START + days[0] * DAY, START + days[-1] * DAY)
            assert len(days) < 2 or cycle.mean_gap == pytest.approx(DAY * statistics.mean(b - a for a, b in pairwise(days)))
    months = [datetime.fromtimestamp((START + day * DAY) / 1000, UTC).month for day, _ in told]
    assert part.rhythm.months == (tuple(months.count(n) for n in range(1, 13)) if told else ())
    main = [names[-1] for _, names in sorted(told) if names]
    switched = [a != b for a, b in pairwise(main)]
    assert rhythm.switching(part.purchases) == (sum(switched) / len(switched) if switched else None)


def test_the_rhythm_of_two_people_is_that_of_both() -> None:
    her, device = two()
    for one in (her, device):
        one.event("purchase", 0, order_id="both", total=5, category="shoes")
    her.event("purchase", 10 * DAY, order_id="h", total=5, category="shoes")
    device.event("purchase", 40 * DAY, order_id="d", total=5, category="hats")
    become_one(her, device, 50 * DAY)
    part = her.group.person.profile
    assert {name: (one.orders, one.mean_gap) for name, one in part.rhythm.cycles.items()} == {"shoes": (2, 10 * DAY), "hats": (1, None)}
    assert sum(part.rhythm.months) == part.orders == len(part.purchases.newest) == 3
