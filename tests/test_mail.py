"""What became of her mails: rates over sliding days, who opened them, and how she reads (A-017–A-020, A-054, A-067, A-068)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import habits, mail, response
from app.domain.days import DAY_MS, FOREVER, HOUR_MS
from app.domain.mail import MAX_CLICKS, MAX_OPENS, MAX_SENDS, Mail
from app.domain.response import Rates
from app.events import Event

START = 1_772_409_600_000
"""Monday 2026-03-02 00:00 UTC."""
MONTH = 30 * DAY_MS
NUMBER = itertools.count()


def event(kind: str, at: int, send: str = "s", **properties: Any) -> Event:
    return Event(START, f"e{next(NUMBER)}", kind, START + at, "p", "c", properties={"send_id": send, **properties})


def after(known: Mail, one: Event, device: str | None = None) -> Mail:
    if one.event_type == "rendered":
        return mail.rendered(known, one.properties["send_id"], one.ts)
    if one.event_type in ("email_open", "email_click"):
        return (mail.opened if one.event_type == "email_open" else mail.clicked)(known, one, device)[0]
    return (mail.sent if one.event_type == "email_sent" else mail.delivered)(known, one)


def story(*events: Event) -> Mail:
    known = Mail()
    for one in events:
        known = after(known, one)
    return known


def month(known: Mail, at: int, opens: str = "human") -> Rates:
    return response.rates(known, MONTH, 0, START + at, opens)[0]


def test_rates_of_thirty_days() -> None:
    # open rate 30 d, click rate 30 d; interface.md section 6: distinct sends opened or clicked over sent
    known = story(*(event("email_sent", n * DAY_MS, f"s{n}") for n in range(4)))
    known = after(known, event("email_open", DAY_MS, "s0"))
    known = after(known, event("email_open", 2 * DAY_MS, "s0"))
    known = after(known, event("email_click", 2 * DAY_MS, "s0"))
    known = after(known, event("email_open", 3 * DAY_MS, "s2"))
    rates = month(known, 4 * DAY_MS)
    assert rates == (4, 2, 1)
    assert (rates.open_rate, rates.click_rate) == (0.5, 0.25)
    assert month(Mail(), 0) == (0, 0, 0) and month(Mail(), 0).open_rate == 0.0


def test_a_rate_is_at_most_one() -> None:
    known = story(event("email_sent", 0), event("email_open", DAY_MS, "other"), event("email_open", DAY_MS))
    assert month(known, 2 * DAY_MS) == (1, 2, 0) and month(known, 2 * DAY_MS).open_rate == 1.0


def test_time_alone_moves_a_rate_at_the_exact_millisecond() -> None:
    known = story(event("email_sent", 0), event("email_open", HOUR_MS))
    now = START + DAY_MS
    rates, until = response.rates(known, MONTH, 0, now)
    assert (rates, until) == ((1, 1, 0), START + MONTH)
    assert response.rates(known, MONTH, 0, until - 1)[0] == (1, 1, 0)
    assert response.rates(known, MONTH, 0, until) == ((0, 1, 0), START + MONTH + HOUR_MS)
    before, until = response.rates(known, 2 * MONTH, MONTH, now)
    assert (before, until) == ((0, 0, 0), START + MONTH)
    assert response.rates(known, 2 * MONTH, MONTH, until) == ((1, 0, 0), START + MONTH + HOUR_MS)
    assert response.rates(known, 2 * MONTH, MONTH, START + 2 * MONTH) == ((0, 1, 0), START + 2 * MONTH + HOUR_MS)
    assert response.rates(known, 2 * MONTH, MONTH, START + 3 * MONTH) == ((0, 0, 0), FOREVER)


def test_who_opened_counts_as_the_pack_says() -> None:
    # opens: all / human / ignore; clicks as fall-back
    known = story(
        *(event("email_sent", 0, send) for send in ("a", "b", "c")),
        event("email_open", 1_000, "a"),
        event("email_open", DAY_MS, "b"),
        event("email_click", DAY_MS, "c"),
        event("email_click", DAY_MS, "a", machine=True),
    )
    assert month(known, DAY_MS + 1, "all") == (3, 2, 2)
    assert month(known, DAY_MS + 1, "human") == (3, 1, 1)
    assert month(known, DAY_MS + 1, "ignore") == (3, 1, 1)


def test_rendered_counts_as_sent_until_the_provider_says_when() -> None:
    known = story(event("rendered", 0))
    assert (known.sent, month(known, 1).sent) == (1, 1)
    known = after(known, event("email_sent", DAY_MS))
    assert known.sent == 1
    assert response.rates(known, MONTH, 0, START + 2 * DAY_MS)[1] == START + DAY_MS + MONTH


def test_her_last_open_and_click() -> None:
    known = story(event("email_sent", 0), event("email_open", 1_000), event("email_click", 2 * HOUR_MS), event("email_click", 9 * HOUR_MS))
    assert response.last_open(known) == 0, "a machine's"
    assert response.last_click(known) == START + 9 * HOUR_MS
    assert response.last_click_before(known, START + 9 * HOUR_MS - 1) == START + 2 * HOUR_MS
    assert response.last_click_before(known, START + HOUR_MS) == 0
    known = after(known, event("email_open", 3 * HOUR_MS))
    for n in range(MAX_SENDS):
        known = after(known, event("email_sent", 91 * DAY_MS, f"n{n}"))
    assert response.last_open(known) == START + 3 * HOUR_MS and response.last_click(known) == START + 9 * HOUR_MS, (
        "though the send is forgotten"
    )


def test_a_send_told_in_the_wrong_order() -> None:
    known = story(event("email_open", 2_000), event("email_click", HOUR_MS))
    assert (known.sent, known.opened, known.human_opens, known.human_clicks) == (0, 1, 1, 1)
    known = after(known, event("email_sent", 0))
    assert (known.sent, known.opened, known.human_opens, known.machine_opens) == (1, 1, 0, 1)


def test_what_is_kept_is_bounded() -> None:
    known = Mail()
    for n in range(3 * MAX_SENDS):
        known = after(known, event("email_sent", n * HOUR_MS, f"s{n}", category="shoes", content_type="images"))
        known = after(known, event("email_open", (n + 2) * HOUR_MS, f"s{n}"))
    assert (known.sent, known.human_opens, len(mail.sends(known))) == (600, 600, MAX_SENDS)
    assert len(known.kept) < 40 * MAX_SENDS
    for n in range(40):
        known = after(known, event("email_open", 600 * HOUR_MS + n * DAY_MS, "s599"))
        known = after(known, event("email_click", 600 * HOUR_MS + n * DAY_MS, "s599", link=f"https://shop.example/{n}"))
    (one,) = [send for send in mail.sends(known).values() if send.clicks]
    assert (len(one.opens), len(one.clicks)) == (MAX_OPENS, MAX_CLICKS)
    assert response.last_open(known) == response.last_click(known) == START + 600 * HOUR_MS + 39 * DAY_MS
    assert month(known, 640 * HOUR_MS).clicked == 1
    old = after(known, event("email_sent", -95 * DAY_MS, "old"))
    assert (old.sent, mail.sends(old)) == (601, mail.sends(known)), "counted, not kept"


def test_a_send_she_did_not_look_at_takes_few_bytes() -> None:
    fifty = story(*(event("email_sent", n * DAY_MS, f"s{n}") for n in range(50)))
    assert len(fifty.kept) <= 50 * 24


# --- how she reads ------------------------------------------------------------------------------------------------------------


def test_best_hours_are_in_her_zone() -> None:
    # A-017; interface.md section 8: counts per hour of week
    known = story(event("email_sent", 0), event("email_open", 23 * HOUR_MS), event("email_click", 23 * HOUR_MS), event("email_open", 1_000))
    now = START + 2 * DAY_MS
    assert habits.hours(known, None, now) == ({23: 2}, START + 23 * HOUR_MS + 90 * DAY_MS)
    assert habits.hours(known, "Europe/Berlin", now)[0] == {24: 2}, "an hour later it is Tuesday"
    assert habits.hours(known, "America/New_York", now)[0] == {18: 2}
    assert habits.hours(known, None, START + 23 * HOUR_MS + 90 * DAY_MS) == ({}, FOREVER)
    summer = story(event("email_open", 150 * DAY_MS))
    assert habits.hours(summer, "Europe/Berlin", START + 150 * DAY_MS)[0] == {150 * 24 % 168 + 2: 1}


def test_mobile_is_what_most_of_her_opens_and_clicks_are_on() -> None:
    #
    known = story(event("email_sent", 0), event("email_sent", 0, "t"))
    for n, device in enumerate(("mobile", "desktop", "mobile", None, "tablet")):
        known = after(known, event("email_open", (n + 1) * HOUR_MS, "st"[n % 2]), device)
    now = START + DAY_MS
    assert habits.devices(known, now)[0] == {"desktop": 1, "mobile": 2, "tablet": 1}
    assert habits.mobile_preferred(known, now)[0] is False
    known = after(known, event("email_click", DAY_MS), "mobile")
    assert habits.mobile_preferred(known, now)[0] is True
    assert habits.mobile_preferred(known, START + 2 * HOUR_MS + 90 * DAY_MS)[0] is True
    assert habits.mobile_preferred(Mail(), now) == (False, FOREVER)


def test_kinds_categories_and_parts_of_mails() -> None:
    #
    known = story(
        event("email_sent", 0, "a", content_type="video", category="shoes"),
        event("email_sent", 0, "b", content_type="text", category="shoes"),
        event("email_sent", 0, "c", content_type="hologram"),
        event("email_open", HOUR_MS, "a"),
        event("email_click", HOUR_MS, "a", element="recommendations", category="hats"),
        event("email_click", 2 * HOUR_MS, "a", block="offer"),
        event("email_click", HOUR_MS, "c", category="socks"),
        event("email_click", HOUR_MS, "b", element="footer", machine=True),
    )
    now = START + DAY_MS
    assert habits.content_types(known, now) == ({"text": (1, 0, 0), "video": (1, 1, 1)}, START + 90 * DAY_MS)
    assert habits.categories(known, now)[0] == {"shoes": (2, 1, 1), "socks": (1, 0, 1)}, (
        "the mail's own word first, a link's for want of it"
    )
    assert habits.elements(known, now) == ({"offer": 1, "recommendations": 1}, START + HOUR_MS + 90 * DAY_MS)
    assert habits.categories(known, START + 90 * DAY_MS) == ({}, FOREVER)


# --- whatever the order -------------------------------------------------------------------------------------------------------

things = st.tuples(
    st.sampled_from(("rendered", "email_sent", "email_delivered", "email_open", "email_click", "email_click")),
    st.sampled_from(("a", "b", "c")),
    st.sampled_from((0, 2_000, 4_000, 60_000, 63_000, 70_000, HOUR_MS, DAY_MS, 40 * DAY_MS)),
    st.sampled_from(
        ({}, {"machine": True}, {"link": "u1", "element": "x"}, {"link": "u2", "category": "hats"}, {"link": "u3", "content_type": "video"})
    ),
)


def few(listed: list[Any]) -> bool:
    """As many opens and clicks of each send as are kept."""
    counts: dict[tuple[str, str], int] = {}
    for kind, send, _, _ in listed:
        counts[kind, send] = counts.get((kind, send), 0) + 1
    return all(
        times <= (MAX_OPENS if kind == "email_open" else MAX_CLICKS if kind == "email_click" else times)
        for (kind, _), times in counts.items()
    )


stories = st.lists(things, max_size=14).filter(few)


def told(listed: list[Any]) -> list[Event]:
    return [event(kind, at, send, **properties) for kind, send, at, properties in listed]


def seen(known: Mail) -> Any:
    """All that anybody can ask."""
    now = START + 50 * DAY_MS
    asked = [response.rates(known, *span, now, opens) for span in ((MONTH, 0), (2 * MONTH, MONTH)) for opens in ("all", "human", "ignore")]
    reads = [habits.hours(known, None, now), habits.devices(known, now), habits.content_types(known, now)]
    totals = {name: getattr(known, name) for name in Mail.__struct_fields__ if name != "kept"}
    return (
        totals,
        asked,
        reads,
        habits.categories(known, now),
        habits.elements(known, now),
        response.last_open(known),
        response.last_click(known),
    )


@settings(max_examples=300, deadline=None)
@given(stories, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(listed: list[Any], random: Any) -> None:
    shuffled = list(listed)
    random.shuffle(shuffled)
    one, other = story(*told(listed)), story(*told(shuffled))
    assert mail.sends(one) == mail.sends(other)
    assert seen(one) == seen(other)


@settings(max_examples=300, deadline=None)
@given(stories, st.integers(0, 2**14))
def test_two_people_as_one_are_as_if_they_had_always_been(listed: list[Any], whose: int) -> None:
    events = told(listed)
    mine = story(*(one for n, one in enumerate(events) if whose >> n & 1))
    theirs = story(*(one for n, one in enumerate(events) if not whose >> n & 1))
    assert seen(mail.union(mine, theirs)) == seen(story(*events)) == seen(mail.union(theirs, mine))


@settings(max_examples=200, deadline=None)
@given(stories, st.integers(0, 120 * DAY_MS), st.sampled_from(("all", "human", "ignore")))
def test_until_then_a_rate_stays(listed: list[Any], later: int, opens: str) -> None:
    known, now = story(*told(listed)), START + 41 * DAY_MS
    for span in ((MONTH, 0), (2 * MONTH, MONTH)):
        rates, until = response.rates(known, *span, now, opens)
        assert until > now
        if now + later < until:
            assert response.rates(known, *span, now + later, opens) == (rates, until)


@pytest.mark.parametrize(
    "properties", [{"send_id": None}, {"send_id": 5}, {"content_type": ["images"], "category": 7, "element": {}, "link": []}]
)
def test_odd_mail_events_count_as_their_own_send(properties: dict[str, Any]) -> None:
    one = Event(START, "e", "email_click", START, "p", properties=properties)
    known, machine = mail.clicked(Mail(), one, None)
    assert (known.clicked, machine) == (1, False)
