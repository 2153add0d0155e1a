"""The best hour: her own opens and clicks on everybody's, within what trigger and quiet hours allow, in her zone, over summer time."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain import habits, ranks, send_time
from app.domain.population import Population, changed
from app.domain.send_time import HOURS, Best, best, hour_of, weights
from app.events import Fact
from tests.her import DAY, HOUR, MINUTE, MONDAY, Her
from tests.shop import Shop
from tests.test_reach import ANN, HEAD, SHOE, saved

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca")
FLAT = [1] * HOURS
INSTANT = st.integers(1_740_000_000_000, 1_780_000_000_000)
"""2025-02 to 2026-05: each zone's changes of summer time, twice."""
SPRING, AUTUMN = 1_774_742_400_000, 1_761_436_800_000
"""2026-03-29 00:00 and 2025-10-26 00:00 UTC: days on which Berlin puts its clocks forward, and back."""


def anything(moment: int) -> int:
    return moment


def naive(weight: list[int], zone: str, at: int, last: int, step: int) -> tuple[int, int]:
    """(weight, instant) of the best, minute by minute, by the clock of another library's reckoning."""
    found = (-1, 0)
    while at < last:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
        told = weight[local.weekday() * 24 + local.hour]
        if told > found[0]:
            found = (told, at)
        at += step
    return found


@given(st.sampled_from(ZONES), INSTANT, st.integers(1, 36), st.lists(st.integers(0, 5), min_size=HOURS, max_size=HOURS))
@example("Europe/Berlin", SPRING, 6, [*range(HOURS)])
@example("Europe/Berlin", AUTUMN, 6, [*range(HOURS, 0, -1)])
@settings(max_examples=60, deadline=None)
def test_it_is_the_heaviest_hour_and_of_equals_the_first(zone: str, at: int, span: int, weight: list[int]) -> None:
    #
    at -= at % (5 * MINUTE)
    found = best(weight, zone, at, at + span * HOUR, anything)
    assert found is not None
    assert (weight[found.hour], found.at) == naive(weight, zone, at, at + span * HOUR, 5 * MINUTE)
    assert hour_of(zone, found.at) == found.hour


@given(st.sampled_from(ZONES), INSTANT, st.integers(1, 72))
@settings(max_examples=60, deadline=None)
def test_hours_follow_each_other_without_a_gap(zone: str, at: int, span: int) -> None:
    parts = list(send_time.hours(zone, at, at + span * HOUR))
    assert parts[0][0] == at and parts[-1][1] == at + span * HOUR
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(parts))
    assert all(0 < end - begin <= HOUR for begin, end in parts)
    assert all(hour_of(zone, begin) == hour_of(zone, end - 1) for begin, end in parts)


@given(st.sampled_from(ZONES), INSTANT, st.integers(1, 48), st.integers(0, 23), st.integers(1, 23))
@settings(max_examples=60, deadline=None)
def test_never_at_a_moment_that_is_not_free(zone: str, at: int, span: int, since: int, length: int) -> None:
    """A night of whole hours UTC, which in Kathmandu ends in the middle of one."""

    def free(moment: int) -> int:
        while (moment // HOUR % 24 - since) % 24 < length:
            moment = (moment // HOUR + 1) * HOUR
        return moment

    found = best(FLAT, zone, at, at + span * HOUR, free)
    if found is None:
        assert free(at) >= at + span * HOUR
    else:
        assert found.at == free(at), "all alike: the first moment that is free"


@given(st.dictionaries(st.integers(0, HOURS - 1), st.integers(1, 30)), st.dictionaries(st.integers(0, HOURS - 1), st.integers(-2, 90)))
def test_the_prior_counts_for_so_many_acts_and_no_more(own: dict[int, int], everybody: dict[int, int]) -> None:
    # Dirichlet: a share of all is worth `prior` acts in all, whoever is counted
    told = weights(own, everybody, 5)
    people = {hour: many for hour, many in everybody.items() if many > 0} or dict.fromkeys(range(HOURS), 1)
    total = sum(people.values())
    assert sum(told) == (5 + sum(own.values())) * total
    assert all(told[hour] == 5 * people.get(hour, 0) + own.get(hour, 0) * total for hour in range(HOURS))


def test_her_own_habit_beats_everybodys_once_it_is_one() -> None:
    everybody = {9: 95, 20: 5}
    assert [max(range(24), key=weights({20: own}, everybody, 5).__getitem__) for own in (1, 4, 5)] == [9, 9, 20]


def test_the_hour_that_summer_time_leaves_out_does_not_come_and_the_other_comes_twice() -> None:
    two = [0] * HOURS
    two[6 * 24 + 2] = 1  # Sunday, 2 h
    three = [0] * HOURS
    three[6 * 24 + 3] = 1
    assert best(two, "Europe/Berlin", SPRING, SPRING + 6 * HOUR, anything) == Best(SPRING, 6 * 24 + 1, 0.0)
    assert best(three, "Europe/Berlin", SPRING, SPRING + 6 * HOUR, anything) == Best(SPRING + HOUR, 6 * 24 + 3, 1.0)
    assert best(two, "Europe/Berlin", AUTUMN, AUTUMN + 6 * HOUR, anything) == Best(AUTUMN, 6 * 24 + 2, 1.0)
    assert best(two, "Europe/Berlin", AUTUMN + HOUR // 2, AUTUMN + 6 * HOUR, anything) == Best(AUTUMN + HOUR // 2, 6 * 24 + 2, 1.0)


# --- stories ----------------------------------------------------------------------------------------------------------------------

BEST = 'best_hour = "24h"\nexpires = "48h"'


def reader(folder: Path, *hours: int, more: str = BEST, head: str = HEAD, zone: str | None = None) -> Her:
    """She opens mails at these hours (UTC) of some earlier days, and looks at a shoe at 10:00 on Monday."""
    her = Her(saved(folder, more, head=head), assume=frozenset())
    her.event("identify", -40 * DAY, traits={**ANN, **({"timezone": zone} if zone else {})})
    her.event("consent_give", -40 * DAY, purposes=["email", "personalise"])
    for n, hour in enumerate(hours):
        sent = -(n + 1) * 7 * DAY
        her.event("email_sent", sent, arrives=-MINUTE, send_id=f"s{n}")
        her.event("email_open", sent + hour * HOUR + 7 * MINUTE, arrives=-MINUTE, send_id=f"s{n}")
    her.event("product_view", 10 * HOUR, **SHOE)
    return her


def test_it_waits_for_the_hour_at_which_she_opens_mails(tmp_path: Path) -> None:
    # Mondays at 20 h
    her = reader(tmp_path, 20, 20, 20)
    her.until(3 * DAY)
    assert her.sends() == [("note", "0 20:00:00")]
    (held,) = [one for one in her.decided if one.outcome == "held"]
    assert held.reason == "send_time"
    assert held.values["send_time"]["hour"] == 20 and held.values["send_time"]["own_acts"] == 3


def test_of_whom_nothing_is_known_it_goes_at_once(tmp_path: Path) -> None:
    her = reader(tmp_path)
    her.until(DAY)
    assert her.sends() == [("note", "0 11:00:00")], "the wait is over, and all hours are alike"
    assert her.decisions("held") == []


def test_a_better_hour_beyond_the_span_does_not_count(tmp_path: Path) -> None:
    her = reader(tmp_path, 20, 20, 33, more='best_hour = "8h"')
    her.until(2 * DAY)
    assert her.sends() == [("note", "0 11:00:00")]


def test_it_is_her_zone_and_not_the_shops(tmp_path: Path) -> None:
    # 20 h UTC are 4 h of the next day in Singapore
    her = reader(tmp_path, 20, 20, zone="Asia/Singapore")
    her.until(2 * DAY)
    assert her.sends() == [("note", "0 20:00:00")]
    (held,) = [one for one in her.decided if one.outcome == "held"]
    assert (held.values["send_time"]["hour"], held.values["send_time"]["zone"]) == (28, "Asia/Singapore")


def test_quiet_hours_go_before_her_best_hour(tmp_path: Path) -> None:
    quiet = '[quiet_hours]\nfrom = "21:00"\nto = "08:00"\n'
    her = reader(tmp_path, 22, 22, 22, 14, head=HEAD + quiet)
    her.until(3 * DAY)
    assert her.sends() == [("note", "0 14:00:00")], "she reads at 22 h, but nothing goes out then"


def test_an_act_while_it_waits_moves_it_never_beyond_the_span(tmp_path: Path) -> None:
    her = reader(tmp_path, 20, 20)
    for n in range(4):
        her.event("email_open", 11 * HOUR + 30 * MINUTE + n * 1000, send_id=f"x{n}")
    her.until(3 * DAY)
    assert [when for _, when in her.sends()] == ["0 20:00:00"], "Tuesday at 11 h would be 24 h after it was due"


def test_a_machine_has_no_best_hour(tmp_path: Path) -> None:
    #
    her = Her(saved(tmp_path, BEST), assume=frozenset({"consent", "address"}))
    her.event("email_sent", -7 * DAY, send_id="s")
    her.event("email_open", -7 * DAY + 20 * HOUR, send_id="s", machine=True)
    her.event("product_view", 10 * HOUR, **SHOE)
    her.until(2 * DAY)
    assert her.sends() == [("note", "0 11:00:00")]


# --- everybody's hours ------------------------------------------------------------------------------------------------------------


def test_each_person_is_counted_at_her_usual_hour_and_nowhere_else() -> None:
    shop = Shop("s1")
    opens = {"ann": (9, 9, 20), "bea": (20,), "cat": (20, 20), "dan": ()}
    for who, hours in opens.items():
        shop.event("product_view", 0, who, **SHOE)
        for n, hour in enumerate(hours):
            shop.event("email_open", hour * HOUR + MINUTE, who, arrives=23 * HOUR, send_id=f"{who}-{n}")
    shop.until(3 * DAY)
    published = max(shop.figures.values(), key=lambda one: one.as_of)
    assert published.figures["hours"] == {9: 1, 20: 2}, "-old/+new: ann's first open counted her at 9 h for good"


def test_the_figure_is_exact_whenever_everybody_is_looked_at_at_once(tmp_path: Path) -> None:
    people = [reader_of(tmp_path / str(n), hours) for n, hours in enumerate([(20, 20, 9), (9,), ()])]
    exact = ranks.everybody([her.group.person for her in people], MONDAY)
    assert exact.figures["hours"] == {20: 1, 9: 1}
    told = Population()
    for her in people:
        counted = her.group.person.standing.counted.get("hours")
        if counted is not None:
            told = changed(told, Fact(0, "hours", None, counted))
    assert told.figures["hours"] == exact.figures["hours"]


def reader_of(folder: Path, hours: tuple[int, ...]) -> Her:
    folder.mkdir()
    return reader(folder, *hours)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 167)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_the_usual_hour_is_that_of_a_recount(acts: list[tuple[int, int]]) -> None:
    her = Her("s1")
    for n, (week, hour) in enumerate(acts):
        her.event("email_open", -(week % 8 + 1) * 7 * DAY + hour * HOUR, arrives=n, send_id=f"s{n}")
    counts, _ = habits.hours(her.group.person.profile.mail, None, MONDAY)
    expected = min(counts, key=lambda hour: (-counts[hour], hour), default=None)
    assert habits.usual_hour(her.group.person.profile.mail, None) == expected
    assert her.group.person.standing.counted.get("hours") == expected


@pytest.mark.parametrize(("own", "when"), [((), "0 15:00:00"), ((20,) * 6, "0 20:00:00")])
def test_who_has_no_habit_has_everybodys(tmp_path: Path, own: tuple[int, ...], when: str) -> None:
    #
    her = reader(tmp_path, *own)
    everybody = Population(figures={"hours": {15: 60, 3: 40}})
    look = her._see

    def see() -> object:
        found = look()
        found.population = everybody
        return found

    her._see = see  # type: ignore[method-assign,assignment]
    her.until(3 * DAY)
    assert [at for _, at in her.sends()] == [when]
    assert msgspec.json.encode(her.plans[0].values)
