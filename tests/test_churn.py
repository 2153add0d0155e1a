"""Her own buying rhythm, and the level that is reached when nothing happens."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from app.domain import churn
from app.domain.churn import Churn
from app.domain.trigger import ChurnLevel
from app.events import Conclusion
from tests.person_story import DAY, HOUR, MINUTE, START, Her


class Levels(Struct, frozen=True):
    """The part of a pack that the watcher reads."""

    churn_levels: tuple[ChurnLevel, ...]


CRITICAL_FIRST = Levels((ChurnLevel("critical", 0.9, 30), ChurnLevel("watch", 0.65, 60)))


class Watched:
    """The watcher alone, with a pack's levels."""

    def __init__(self, pack: Levels | None = None) -> None:
        self.part, self.pack, self.low_water, self.now = Churn(), pack, 0, 0
        self.person_id = "her"
        self.found: list[tuple[str, int, str]] = []

    def orders(self, at: int) -> None:
        record = Conclusion(START + at, "her", "order_placed", "o", START + at, f"e-{at}")
        self.now = max(self.now, START + at)
        self._after(*churn.step(self.part, record, self))  # type: ignore[arg-type]

    def tick(self, at: int) -> None:
        self.low_water = self.now = START + at
        if 0 <= churn.due(self.part) <= self.low_water:
            self._after(*churn.wake(self.part, self))  # type: ignore[arg-type]
            assert not 0 <= churn.due(self.part) <= self.low_water

    def _after(self, part: Churn, effects: tuple[object, ...]) -> None:
        self.part = part
        self.found += [(one.conclusion.value, one.conclusion.ts - START, one.conclusion.cause) for one in effects]  # type: ignore[attr-defined]


def test_three_orders_tell_a_rhythm() -> None:
    her = Her()
    for n in range(2):
        her.does("purchase", n * 10 * DAY, order_id=f"o-{n}", total=1)
    assert her.seen(50 * DAY)["churn"] == {
        "probability": None,
        "horizon_days": None,
        "level": None,
        "next_purchase_at": None,
        "mean_gap_days": 10.0,
        "spread_days": None,
        "days_since_last": 40.0,
    }
    her.does("purchase", 20 * DAY, order_id="o-2", total=1)
    seen = her.seen(30 * DAY)["churn"]
    assert (seen["probability"], seen["next_purchase_at"]) == (0.0, "2026-04-01T00:00:00.000Z")
    assert her.seen(40 * DAY)["churn"]["probability"] == round(1 - math.exp(-1), 6)


def test_the_watcher_wakes_itself_when_the_level_is_reached() -> None:
    # Above 0.65: 10 d × (1 − ln 0.35) = 20.498… d after the last order of a person who buys every 10 days.
    her = Her()
    for n in range(3):
        her.does("purchase", n * 10 * DAY, order_id=f"o-{n}", total=1)
    reached = 20 * DAY + math.floor(10 * DAY * (1 - math.log(0.35))) + 1
    her.tick(reached - 1)
    assert her.concluded("churn_level") == []
    her.tick(reached)
    (found,) = her.concluded("churn_level")
    assert (found.value, found.ts) == ("watch", START + reached)
    assert found.values["probability"] > 0.65
    assert her.seen(reached)["churn"]["level"] == "watch"
    assert her.person.churn.due == churn.NEVER
    her.tick(reached + DAY)
    assert len(her.concluded("churn_level")) == 1
    event_id = her.does("purchase", reached + DAY, order_id="o-3", total=1)
    assert [(one.value, one.cause) for one in her.concluded("churn_level")[1:]] == [("none", event_id)]
    assert her.seen(reached + DAY)["churn"]["level"] is None


def test_after_an_outage_each_level_at_its_own_instant() -> None:
    prompt, late = Watched(CRITICAL_FIRST), Watched(CRITICAL_FIRST)
    for one in (prompt, late):
        for n in range(3):
            one.orders(n * 10 * DAY)
    for hour in range(20 * 24, 100 * 24):
        prompt.tick(hour * HOUR)
    late.tick(100 * DAY)
    assert late.found == prompt.found
    assert [value for value, _, _ in late.found] == ["watch", "critical"]
    assert late.part == prompt.part and late.part.horizon_days == 30


def test_an_order_logged_twice_is_no_gap() -> None:
    her = Her()
    for n in range(3):
        for line in range(4):
            her.does("purchase", n * 10 * DAY + line * MINUTE, order_id=f"o-{n}", product_id=f"p{line % 2}", price=1)
    assert her.person.churn.orders == 3
    assert churn.mean_gap(her.person.churn) == 10 * DAY


def test_all_orders_at_one_instant_tell_no_rhythm() -> None:
    one = Watched()
    for _ in range(5):
        one.orders(0)
    assert churn.view(one.part, START + 90 * DAY)["probability"] is None
    assert churn.due(one.part) == churn.NEVER


SOME = st.lists(st.integers(0, 3 * 365 * 24).map(lambda hours: hours * HOUR), min_size=3, max_size=churn.MAX_INSTANTS, unique=True)


@given(SOME.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_rhythm_is_the_same_in_any_order_of_arrival(pair: tuple[list[int], list[int]]) -> None:
    instants, arrived = sorted(pair[0]), pair[1]
    one = Watched()
    for at in arrived:
        one.orders(at)
    gaps = [b - a for a, b in pairwise(instants)]
    assert churn.mean_gap(one.part) == pytest.approx(statistics.mean(gaps))
    assert churn.spread(one.part) == pytest.approx(statistics.stdev(gaps), rel=1e-6, abs=1e3)


@given(st.lists(st.integers(1, 90 * 24), min_size=25, max_size=60))
def test_of_many_orders_in_time_the_rhythm_stays_exact_in_bounded_space(hours: list[int]) -> None:
    one, at = Watched(), 0
    for gap in [0, *hours]:
        at += gap * HOUR
        one.orders(at)
    assert len(one.part.instants) == churn.MAX_INSTANTS
    gaps = [gap * HOUR for gap in hours]
    assert churn.mean_gap(one.part) == pytest.approx(statistics.mean(gaps))
    assert churn.spread(one.part) == pytest.approx(statistics.stdev(gaps), rel=1e-6, abs=1e3)


@given(SOME, st.floats(0.01, 0.999), st.integers(0, 400))
def test_the_level_is_reached_exactly_when_the_probability_is_above_it(instants: list[int], threshold: float, days: int) -> None:
    one = Watched(Levels((ChurnLevel("watch", threshold, 30),)))
    for at in sorted(instants):
        one.orders(at)
    now = max(instants) + days * DAY
    one.tick(now)
    likely = churn.probability(one.part, START + now)
    assert likely is not None
    if abs(likely - threshold) > 1e-9:
        assert (one.part.level == "watch") == (likely > threshold)


# --- hysteresis and cool-down (X-01, A.25 fault 5) ------------------------------------------------------------------------------------


def often(levels: Levels, gap: int = 10, count: int = 3) -> Watched:
    one = Watched(levels)
    for n in range(count):
        one.orders(n * gap * DAY)
    return one


def crossing(last: int, gap: float, threshold: float) -> int:
    """First ms at which the probability is above a threshold."""
    return last + math.floor(gap * (1 - math.log(1 - threshold))) + 1


def test_a_level_reached_is_left_only_below_where_it_falls() -> None:
    # An old order that arrives late makes her gaps longer and the probability fall from 0.66 to 0.57: between the two nothing is said.
    for falls, said in ((0.5, ["watch"]), (None, ["watch", "none"])):
        one = often(Levels((ChurnLevel("watch", 0.65, 30, falls),)))
        one.tick(crossing(20 * DAY, 10 * DAY, 0.65) + 6 * HOUR)
        one.orders(-6 * DAY)  # gaps of 26 d / 3 now, which is shorter: more likely gone, not less
        assert [value for value, _, _ in one.found] == ["watch"]
        one.orders(-30 * DAY)  # 50 d / 4: the probability is 0.47 < 0.5 if it falls far enough
        likely = churn.probability(one.part, one.low_water)
        assert likely is not None and 0.4 < likely < 0.65
        expected = said if likely > 0.5 else ["watch", "none"]
        assert [value for value, _, _ in one.found] == expected


def test_once_reached_not_again_before_it_has_cooled_down() -> None:
    levels = Levels((ChurnLevel("watch", 0.65, 30, 0.5, 30 * DAY),))
    one = often(levels)
    first = crossing(20 * DAY, 10 * DAY, 0.65)
    one.tick(first)
    one.orders(41 * DAY)
    assert [value for value, _, _ in one.found] == ["watch", "none"]
    gap = 41 * DAY / 3
    second = crossing(41 * DAY, gap, 0.65)
    assert second > first + 28 * DAY - DAY and second < first + 30 * DAY, "above it again before the month is over"
    one.tick(first + 30 * DAY - 1)
    assert len(one.found) == 2 and churn.due(one.part) == START + first + 30 * DAY
    one.tick(first + 30 * DAY)
    assert [(value, at) for value, at, _ in one.found][2:] == [("watch", first + 30 * DAY)]


def test_a_level_without_cool_down_is_reached_as_often_as_it_is() -> None:
    one = often(Levels((ChurnLevel("watch", 0.65, 30),)))
    one.tick(60 * DAY)
    one.orders(61 * DAY)
    one.tick(300 * DAY)
    assert [value for value, _, _ in one.found] == ["watch", "none", "watch"] and one.part.reached_at == {}


def test_whoever_jumps_over_a_level_has_reached_it() -> None:
    # An order of long ago is the third that she has: both levels at once, each said, the lower first
    one = Watched(CRITICAL_FIRST)
    one.orders(0)
    one.orders(10 * DAY)
    one.tick(100 * DAY)
    one.orders(5 * DAY)
    assert [value for value, _, _ in one.found] == ["watch", "critical"]
    assert one.part.held == ("watch", "critical") and one.part.level == "critical"


TURNS = st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=25)


@settings(max_examples=60, deadline=None)
@given(TURNS, st.sampled_from((None, 0.3, 0.5)), st.integers(0, 60))
def test_levels_by_time_and_order_against_a_naive_watcher(turns: list[tuple[int, bool]], falls: float | None, cool: int) -> None:
    """Hour by hour: a level is entered above its threshold once it has cooled down, and left when the probability is at its floor."""
    level = ChurnLevel("watch", 0.65, 30, falls, cool * DAY)
    one = often(Levels((level,)))
    held, since, naive = False, None, []
    at = 20 * DAY
    for hours, buys in sorted(turns):
        at += hours * HOUR // 4
        for now in range(one.low_water - START if one.low_water else 20 * DAY, at + 1, HOUR):
            one.tick(now)
        one.tick(at)
        entered = [when for value, when, _ in one.found if value == "watch"]
        if len(entered) > len(naive):
            (when,) = entered[len(naive) :]
            assert not held and (since is None or when >= since + level.cool_down)
            held, since, naive = True, when, entered
        if buys:
            one.orders(at)
        likely = churn.probability(one.part, START + at)
        assert likely is not None
        held = held and likely > level.floor
        cooled = since is None or at >= since + level.cool_down
        assert held or not cooled or likely <= level.threshold + 1e-9, "above it and cooled down is in it"
        assert (one.part.level == "watch") is held
