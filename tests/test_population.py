"""Figures of everybody: bins, ranks, fifths, tiers; and that changes add up to a recount (A-059, A-086, A-088; X-02)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.days import DAY_MS
from app.domain.population import (
    MAX_NAMES,
    MOVE_DAYS,
    NOWHERE,
    OTHER,
    Population,
    bin_of,
    changed,
    cuts,
    exact,
    placed,
    quintile,
    rank,
    tier,
    value_of,
)
from app.events import Fact

AMOUNT = st.integers(-(10**15), 10**15)
S0 = (5, 15, 30, 50)


# --- bins -----------------------------------------------------------------------------------------------------------------------


@given(AMOUNT)
def test_a_bin_is_known_by_its_edge_and_the_edge_is_less_than_one_in_128_away(value: int) -> None:
    edge = value_of("clv", bin_of("clv", value))
    assert bin_of("clv", edge) == bin_of("clv", value)
    assert abs(edge) <= abs(value)
    assert abs(value - edge) * 128 <= abs(value)


@given(AMOUNT, AMOUNT)
def test_who_has_more_is_never_in_a_lesser_bin(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bin_of("monetary", low) <= bin_of("monetary", high)


@pytest.mark.parametrize("orders", [0, 1, 2, 100, 255])
def test_orders_up_to_255_have_a_bin_each(orders: int) -> None:
    assert bin_of("frequency", orders) == orders


def test_bins_go_on_without_a_gap_from_one_octave_to_the_next() -> None:
    found = sorted({bin_of("frequency", value) for value in range(5000)})
    assert found == list(range(len(found)))


def test_recency_is_the_utc_day_of_the_last_order() -> None:
    assert bin_of("recency", 20_000 * DAY_MS) == bin_of("recency", 20_001 * DAY_MS - 1) == 20_000
    assert value_of("recency", 20_000) == 20_000 * DAY_MS


# --- ranks ----------------------------------------------------------------------------------------------------------------------


def test_ties_share_the_best_rank() -> None:  # interface.md section 8
    people = Population(figures={"frequency": {1: 5, 2: 3, 7: 2}})
    assert [rank(people, "frequency", orders) for orders in (7, 2, 1)] == [(1, 10), (3, 10), (6, 10)]


def test_who_is_not_counted_yet_is_ranked_among_the_others() -> None:
    people = Population(figures={"frequency": {2: 3, 7: 2}})
    assert [rank(people, "frequency", orders) for orders in (8, 5, 1)] == [(1, 5), (3, 5), (6, 5)]
    assert rank(people, "clv", 1) == (1, 0)


@pytest.mark.parametrize(
    ("r", "n", "expected"),
    [(1, 100, 0), (5, 100, 0), (6, 100, 1), (20, 100, 1), (21, 100, 2), (50, 100, 2), (51, 100, 3), (101, 100, 3), (1, 1, 3)],
)
def test_a_tier_is_the_first_whose_cumulative_share_reaches_the_rank(r: int, n: int, expected: int) -> None:
    assert tier(S0, r, n) == expected


def test_shares_that_are_no_whole_numbers_add_up_exactly() -> None:
    assert tier((33.3, 33.3, 33.4), 666, 1000) == 1
    assert tier((0.1, 0.2, 99.7), 3, 1000) == 1


def test_fifths_of_ten_are_two_each() -> None:
    people = exact({"clv": range(1, 11)})
    assert [quintile(people, "clv", value) for value in range(1, 11)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_those_who_are_alike_stand_in_the_middle_of_their_places() -> None:
    people = Population(figures={"frequency": {1: 40}})
    assert quintile(people, "frequency", 1) == 3
    one_timers = Population(figures={"frequency": {1: 702, 2: 50, 3: 17}})  # a real shop's
    assert [quintile(one_timers, "frequency", orders) for orders in (1, 2, 3)] == [3, 5, 5]
    assert quintile(people, "frequency", 0) == 1
    assert quintile(people, "monetary", 0) is None


def test_the_cut_of_a_tier_is_the_least_value_in_it() -> None:
    people = exact({"clv": range(1, 101)})
    assert cuts(people, "clv", S0) == [96, 81, 51, 1]
    assert cuts(Population(), "clv", S0) == [None] * 4


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.data())
def test_the_histogram_ranks_as_a_recount_of_values_does_but_for_those_of_one_bin(values: list[int], data: st.DataObject) -> None:
    asked = data.draw(st.sampled_from(values))
    histogram, precise = Population(), exact({"clv": values})
    for value in values:
        histogram = changed(histogram, Fact(0, "clv", None, bin_of("clv", value)))
    r, n = rank(histogram, "clv", placed(histogram, "clv", asked))
    true, of = rank(precise, "clv", placed(precise, "clv", asked))
    sharing = sum(bin_of("clv", value) == bin_of("clv", asked) for value in values)
    assert n == of == len(values)
    assert true == 1 + sum(value > asked for value in values)
    assert 0 <= true - r < sharing


# --- changes --------------------------------------------------------------------------------------------------------------------

PLACES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["clv", "frequency"]), st.none() | st.integers(-3, 400)), max_size=60)


@given(PLACES, st.randoms(use_true_random=False))
def test_changes_in_any_order_add_up_to_a_recount(story: list[tuple[int, str, int | None]], shuffled: object) -> None:
    stands: dict[tuple[int, str], int] = {}
    facts = []
    for person, figure, new in story:
        facts.append(Fact(0, figure, stands.get((person, figure)), new))
        stands.pop((person, figure), None)
        if new is not None:
            stands[person, figure] = new
    shuffled.shuffle(facts)  # type: ignore[attr-defined]
    people = Population()
    for fact in facts:
        people = changed(people, fact)
    recount: dict[str, dict[int, int]] = {figure: {} for figure in people.figures}
    for (_, figure), bin in stands.items():
        recount[figure][bin] = recount[figure].get(bin, 0) + 1
    assert people.figures == recount


def test_stages_have_sizes_and_a_migration_matrix_a_day() -> None:
    day = 20_000
    people = Population()
    for at, old, new in ((0, None, "visitor"), (1, None, "visitor"), (2, "visitor", "prospect"), (DAY_MS, "prospect", "loyal")):
        people = changed(people, Fact(day * DAY_MS + at, "stage/s1", old, new))
    assert people.names == {"stage/s1": {"visitor": 1, "loyal": 1}}
    assert people.moves == {"stage/s1": {day: {NOWHERE: {"visitor": 2}, "visitor": {"prospect": 1}}, day + 1: {"prospect": {"loyal": 1}}}}


def test_segments_have_sizes_only() -> None:
    people = changed(Population(), Fact(0, "segment/vip", None, "in"))
    assert people == Population(names={"segment/vip": {"in": 1}})
    assert changed(people, Fact(0, "segment/vip", "in", None)).names == {"segment/vip": {}}


def test_migrations_are_kept_for_35_days_and_names_up_to_a_limit() -> None:
    people = Population()
    for day in range(100):
        people = changed(people, Fact(day * DAY_MS, "tier/s0", "gold", "silver"))
    assert sorted(people.moves["tier/s0"]) == list(range(100 - MOVE_DAYS, 100))
    for n in range(MAX_NAMES + 50):
        people = changed(people, Fact(0, "segment/all", None, str(n)))
    assert people.names["segment/all"][OTHER] == 50


def test_a_figure_does_not_take_words() -> None:
    with pytest.raises(ValueError, match="a bin is a number"):
        changed(Population(), Fact(0, "clv", None, "much"))
