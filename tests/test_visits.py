"""Visits: stretches of web and shop events no more than 30 minutes apart, whatever order the events arrive in."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import visits
from app.domain.days import FOREVER
from app.domain.visits import Totals, Visit, Visits, visited
from app.events import Event
from tests.person_story import DAY, HOUR, MINUTE, SECOND, START, Her
from tests.test_merging import become_one, two

Told = tuple[str, int, dict[str, Any]]


def told(event_type: str, ts: int, **properties: Any) -> Event:
    return Event(ts, "e", event_type, ts, "her", "c-9", properties=properties)


def of(*events: Event) -> Visits:
    kept: Visits = ()
    for event in events:
        kept = visited(kept, event)
    return kept


def recount(events: list[Event]) -> list[tuple[int, int, int, int]]:
    """(start, end, pages, adds) of each visit, from the raw events."""
    spans = []
    for event in events:
        dwell = int(min(1800, event.properties.get("dwell_seconds") or event.properties.get("seconds") or 0) * 1000)
        before, after = (dwell, 0) if event.event_type == "page_leave" else (0, dwell)
        spans.append((event.ts - before, event.ts + after, event.event_type in visits.PAGES, event.event_type == "cart_add"))
    found: list[list[int]] = []
    for start, end, page, add in sorted(spans):
        if found and start - found[-1][1] <= 30 * MINUTE:
            found[-1] = [found[-1][0], max(found[-1][1], end), found[-1][2] + page, found[-1][3] + add]
        else:
            found.append([start, end, int(page), int(add)])
    return [(a, b, c, d) for a, b, c, d in found]


def shown(kept: Visits) -> list[tuple[int, int, int, int]]:
    return [(one.start, one.end, one.pages, one.adds) for one in kept]


def test_thirty_minutes_from_the_end_of_the_earlier() -> None:
    # page visits and time; A-055: session frequency
    first, near, far = told("page_view", START, seconds=60), told("search", START + 31 * MINUTE), told("page_view", START + 61 * MINUTE + 1)
    assert shown(of(first, near, far)) == [(START, START + 31 * MINUTE, 2, 0), (START + 61 * MINUTE + 1,) * 2 + (1, 0)]
    without = told("page_view", START), told("search", START + 31 * MINUTE)
    assert len(of(*without)) == 2


def test_a_late_event_makes_one_visit_of_two() -> None:
    kept = of(told("page_view", START), told("cart_add", START + HOUR))
    assert [one.visits for one in kept] == [1, 1]
    kept = visited(kept, told("category_view", START + 30 * MINUTE))
    assert kept == (Visit(START, HOUR, 2, 1),)


@pytest.mark.parametrize(
    ("event_type", "pages", "adds"),
    [
        *(
            (name, 1, 0)
            for name in ("page_view", "product_view", "category_view", "content_view", "search", "product_compare", "cart_view")
        ),
        *((name, 0, 0) for name in ("search_click", "filter_use", "content_download", "page_leave", "cart_remove", "purchase")),
        ("cart_add", 0, 1),
    ],
)
def test_what_is_a_page_and_what_an_addition(event_type: str, pages: int, adds: int) -> None:
    # cart interactions; A-055: page depth, cart additions
    her = Her()
    her.does(event_type, 0)
    assert shown(her.person.profile.visits) == [(START, START, pages, adds)]


@pytest.mark.parametrize(
    "event_type", ["order_shipped", "order_delivered", "refund", "email_click", "store_visit", "identify", "moon_phase"]
)
def test_what_is_no_visit(event_type: str) -> None:
    her = Her()
    her.does(event_type, 0)
    assert her.person.profile.visits == ()


def test_once_track_is_withdrawn_visits_are_not_kept() -> None:
    her = Her()
    her.does("page_view", 0)
    her.does("consent_withdraw", 1, purposes=["track"])
    her.does("page_view", 2)
    assert shown(her.person.profile.visits) == [(START, START, 1, 0)]


def test_a_page_leave_tells_the_time_before_it() -> None:
    kept = of(told("product_view", START), told("page_leave", START + 29 * MINUTE, dwell_seconds=29 * 60))
    assert kept == (Visit(START, 29 * MINUTE, 1),)
    assert of(told("page_leave", START + MINUTE, dwell_seconds=60)) == (Visit(START, MINUTE),)


@pytest.mark.parametrize(
    ("dwell", "ms"),
    [
        (1e300, 30 * MINUTE),
        (10**20, 30 * MINUTE),
        (float("inf"), 30 * MINUTE),
        (-5, 0),
        (float("nan"), 0),
        (True, 0),
        ("9", 0),
        (0.25, 250),
    ],
)
def test_absurd_dwell_is_capped_or_not_told(dwell: Any, ms: int) -> None:
    assert of(told("product_view", START, dwell_seconds=dwell)) == (Visit(START, ms, 1),)


def test_a_visit_counts_at_its_start_and_leaves_a_span_exactly() -> None:
    # A-055: the components' sums over 30 d
    kept = of(
        told("page_view", START, seconds=90),
        told("cart_add", START + MINUTE),
        told("product_view", START + 5 * DAY, dwell_seconds=30),
    )
    both = Totals(2, 90 * SECOND + 30 * SECOND, 2, 1)
    assert visits.totals(kept, 30 * DAY, START + 6 * DAY) == (both, START + 30 * DAY)
    assert visits.totals(kept, 30 * DAY, START + 30 * DAY - 1)[0] == both
    assert visits.totals(kept, 30 * DAY, START + 30 * DAY) == (Totals(1, 30 * SECOND, 1, 0), START + 35 * DAY)
    assert visits.totals(kept, 30 * DAY, START + 35 * DAY) == (Totals(), FOREVER)
    newest = visits.last(kept)
    assert newest is not None and newest.end == START + 5 * DAY + 30 * SECOND
    assert visits.last(()) is None and visits.totals((), DAY, START) == (Totals(), FOREVER)


def test_ninety_days_are_kept() -> None:
    kept = of(*(told("page_view", START + day * DAY) for day in range(120)))
    assert kept[0].start == START + 29 * DAY
    assert visits.totals(kept, 90 * DAY, START + 119 * DAY)[0].visits == 90
    assert visited(kept, told("page_view", START + 28 * DAY)) == kept


def test_a_thousand_visits_in_ninety_days_take_a_hundred_entries() -> None:
    events = [told("page_view", START + n * 2 * HOUR, seconds=60) for n in range(1_000)]
    kept = of(*events)
    assert len(kept) == visits.MAX_VISITS and kept[-1].visits == 1
    assert visits.totals(kept, 90 * DAY, events[-1].ts)[0] == Totals(1_000, 1_000 * MINUTE, 1_000, 0)
    most = max(one.visits for one in kept)
    assert most <= 20
    for days in (7, 30, 60):
        exact = days * 12
        assert abs(visits.totals(kept, days * DAY, events[-1].ts)[0].visits - exact) <= most, "one entry at most"
    assert len(msgspec.msgpack.encode(kept)) < 2_500
    late = visited(kept, told("search", events[3].ts))
    assert visits.totals(late, 90 * DAY, events[-1].ts)[0] == Totals(1_000, 1_000 * MINUTE, 1_001, 0)


def test_a_typical_person_costs_little() -> None:
    kept = of(*(told("page_view", START + n * DAY, seconds=60) for n in range(8)))
    assert len(msgspec.msgpack.encode(kept)) < 8 * 20


KINDS = ("page_view", "product_view", "page_leave", "cart_add", "search", "filter_use", "purchase")
EVENT = st.builds(
    lambda kind, minute, dwell: told(kind, START + minute * MINUTE, **({} if dwell is None else {"dwell_seconds": dwell})),
    st.sampled_from(KINDS),
    st.one_of(st.integers(0, 300), st.integers(0, 80 * 24 * 60)),
    st.one_of(st.none(), st.integers(0, 3_000)),
)


@given(st.lists(EVENT, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_visits_equal_a_recount_in_any_order_of_arrival(events: list[Event], chance: random.Random) -> None:
    exact = recount(events)
    for _ in range(3):
        kept = of(*events)
        assert shown(kept) == exact
        assert all(one.visits == 1 and one.idle == 0 for one in kept)
        chance.shuffle(events)


@given(st.lists(st.tuples(st.booleans(), EVENT), max_size=40))
@settings(max_examples=150, deadline=None)
def test_two_people_as_one_are_all_events_interleaved(dealt: list[tuple[bool, Event]]) -> None:
    mine, theirs = of(*(event for device, event in dealt if not device)), of(*(event for device, event in dealt if device))
    assert visits.union(mine, theirs) == visits.union(theirs, mine) == of(*(event for _, event in dealt))


@given(
    st.lists(EVENT, min_size=1, max_size=20), st.integers(0, 100 * DAY), st.sampled_from([DAY, 30 * DAY, 90 * DAY]), st.integers(0, 2**40)
)
@settings(max_examples=150, deadline=None)
def test_totals_hold_until_the_ms_they_say(events: list[Event], after: int, span: int, between: int) -> None:
    kept, now = of(*events), START + after
    found, until = visits.totals(kept, span, now)
    assert until > now
    assert found == Totals(
        sum(1 for one in kept if now - one.start < span),
        sum(one.lasted for one in kept if now - one.start < span),
        sum(one.pages for one in kept if now - one.start < span),
        sum(one.adds for one in kept if now - one.start < span),
    )
    if until == FOREVER:
        assert found == Totals()
    else:
        assert visits.totals(kept, span, now + between % (until - now)) == (found, until)
        assert visits.totals(kept, span, until)[0].visits < found.visits


def test_what_she_did_as_somebody_else_is_one_visit_of_hers() -> None:
    her, device = two()
    device.event("page_view", 0)
    her.event("cart_add", 20 * MINUTE, product_id="p1")
    device.event("page_view", 40 * MINUTE)
    become_one(her, device, HOUR)
    (one,) = her.group.person.profile.visits
    assert (one.lasted, one.pages, one.adds) == (40 * MINUTE, 2, 1)
