"""Caps: never exceeded, and what they hold goes out at the first moment that has room (A-199–A-201, X-17)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import caps
from app.domain.caps import Limit
from app.domain.contact_policy import Cap
from app.domain.contacts import Contact
from app.domain.standing import Standing
from app.policy import contact_phrases
from tests.gated import GAP, HEAD, QUIET, TRIGGERS, WEEK, gated, held
from tests.her import DAY, HOUR, MINUTE, MONDAY, Her

SLIDING = {"4h": 4 * HOUR, "16h": 16 * HOUR, "2d": 2 * DAY}


def cap(extra: str, name: str = "one") -> str:
    return f'[[cap]]\nname = "{name}"\nwhy = "a test"\n{extra}\n'


# --- against a count told a second time -------------------------------------------------------------------------------------------

KNOWN = st.lists(
    st.tuples(st.integers(-5 * 48, 0), st.integers(0, 3), st.sampled_from(["view", "cart"]), st.sampled_from(["email", "sms"])), max_size=8
)
ZONES = ("UTC", "Europe/Berlin", "Pacific/Auckland", "America/Havana")


def period(calendar: str, zone: str, at: int) -> Any:
    shown = datetime.fromtimestamp(at // 1000, UTC).astimezone(ZoneInfo(zone))
    return {"day": shown.date(), "week": shown.isocalendar()[:2], "month": (shown.year, shown.month)}[calendar]


@given(
    KNOWN,
    st.sampled_from([*SLIDING, "day", "week", "month"]),
    st.integers(1, 4),
    st.sampled_from(ZONES),
    st.sampled_from(["2026-03-28T22:30:00", "2026-10-25T00:30:00", "2026-03-01T05:00:00", "2026-12-31T23:00:00"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_first_moment_with_room_has_room_and_none_before_it(
    known: list[tuple[int, int, str, str]], per: str, most: int, zone: str, now: str, deep: bool, of_view: bool, of_mail: bool
) -> None:
    at = round(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp() * 1000)
    some = [Contact(at + half * HOUR // 2, n, trigger, channel, depth) for n, (half, depth, trigger, channel) in enumerate(known)]
    contacts = tuple(sorted(some, key=lambda one: one.at))
    calendar = "" if per in SLIDING else per
    span = SLIDING.get(per, 0)
    one = Cap(
        "c",
        "",
        most,
        span,
        calendar,
        "",
        (),
        (),
        ("view",) if of_view else (),
        "email" if of_mail else None,
        "depth" if deep else "messages",
    )
    row = gated("").by_name["view"]

    def total(then: int) -> int:
        counted = [
            x
            for x in contacts
            if (not of_view or x.trigger == "view")
            and (not of_mail or x.channel == "email")
            and (period(calendar, zone, x.at) == period(calendar, zone, then) if calendar else x.at > then - span)
        ]
        return sum(x.depth if deep else 1 for x in counted)

    full = caps.room([Limit(one, most, span)], row, contacts, zone, at)
    assert (full is None) is (total(at) + 1 <= most)
    if full is not None:
        assert full.total == total(at)
        assert total(full.until) + 1 <= most
        assert total(full.until - 1) + 1 > most
        assert all(total(then) + 1 > most for then in range(at, full.until, max(MINUTE, (full.until - at) // 20)))


EVENTS = st.lists(
    st.tuples(st.integers(1, 30 * 60), st.sampled_from(["cart_add", "product_view", "quiz_done", "receipt", "poll"])),
    min_size=1,
    max_size=25,
)


@given(EVENTS, st.sampled_from(ZONES), st.sampled_from(["", QUIET]))
@settings(max_examples=60, deadline=None)
def test_whatever_she_does_no_cap_is_exceeded_and_nothing_goes_out_at_night(events: list[tuple[int, str]], zone: str, quiet: str) -> None:
    policy = (
        quiet
        + WEEK
        + GAP
        + cap('most = 1\nper = "day"\ntriggers = ["view", "poll"]', "views")
        + cap('most = 4\nper = "7d"\ncounts = "depth"', "deep")
    )
    her = Her(gated(policy))
    her.event("page_view", 0, timezone=zone)
    at = 0
    for n, (minutes, kind) in enumerate(events):
        at += minutes * MINUTE
        her.event(kind, at, product_id=f"p{n}")
    her.until(at + 5 * DAY)
    assert her.group.person.windows.open == ()
    counted = [plan for plan in her.plans if plan.trigger != "receipt"]
    depth = {"quiz": 3, "poll": 0}
    for plan in counted:
        week = [one for one in counted if plan.at - 7 * DAY < one.at <= plan.at]
        assert len(week) <= 2
        assert len([one for one in week if one.at > plan.at - 16 * HOUR]) == 1
        assert sum(depth.get(one.trigger, 1) for one in week) <= 4
        shown = datetime.fromtimestamp(plan.at // 1000, UTC).astimezone(ZoneInfo(zone))
        assert not quiet or 8 <= shown.hour < 21
    ends = [(one.window_id, one.step) for one in her.decided if one.outcome in ("not_sent", "cancelled")] + [
        (one.window_id, one.step) for one in her.plans
    ]
    assert len(ends) == len(set(ends)), "every step ends once"
    known = her.group.person.windows.contacts
    assert [one.at for one in known] == [plan.at for plan in counted if plan.at > counted[-1].at - 7 * DAY], "no place leaks"


# --- stories ----------------------------------------------------------------------------------------------------------------------


def test_the_third_of_a_week_waits_until_the_first_is_seven_days_old() -> None:
    her = Her(gated(WEEK, TRIGGERS.replace('expires  = "3d"', 'expires  = "9d"')))
    for n in range(3):
        her.event("poll", n * DAY + 9 * HOUR)
    her.until(20 * DAY)
    assert her.sends() == [("usage-tips", "0 09:00:00"), ("usage-tips", "1 09:00:00"), ("usage-tips", "7 09:00:00")]
    assert held(her) == [("poll", "frequency_cap", "03-09 09:00:00")]
    [one] = [one for one in her.decided if one.outcome == "held"]
    assert (one.values["cap"], one.values["most"], one.values["counted"]) == ("week", 2, 2)


def test_a_gap_that_ends_at_night_ends_in_the_morning() -> None:
    her = Her(gated(QUIET + GAP))
    her.event("quiz_done", 9 * HOUR)
    her.event("poll", 10 * HOUR)
    her.until(3 * DAY)
    assert her.sends() == [("usage-tips", "0 09:00:00"), ("usage-tips", "1 08:00:00")]
    assert held(her) == [("poll", "frequency_cap", "03-03 08:00:00")], "the cap is what keeps it, the night only moves it"


def test_a_day_is_hers() -> None:
    # 22:30 and 23:30 in Berlin are one day, 00:10 is the next.
    policy = cap('most = 1\nper = "day"')
    her = Her(gated(policy))
    her.event("page_view", 0, timezone="Europe/Berlin")
    her.event("quiz_done", 21 * HOUR + 30 * MINUTE)
    her.event("poll", 22 * HOUR + 30 * MINUTE)
    her.until(3 * DAY)
    assert her.sends() == [("usage-tips", "0 21:30:00"), ("usage-tips", "0 23:00:00")]


@pytest.mark.parametrize(("per", "free"), [("week", "03-09"), ("month", "04-01")])
def test_weeks_begin_on_monday_and_months_on_the_first(per: str, free: str) -> None:
    her = Her(gated(cap(f'most = 1\nper = "{per}"'), TRIGGERS.replace('expires  = "3d"', 'expires  = "40d"')))
    her.event("quiz_done", 9 * HOUR)
    her.event("poll", 10 * HOUR)
    her.until(HOUR * 11)
    assert held(her) == [("poll", "frequency_cap", f"{free} 00:00:00")]


def test_a_cap_of_some_triggers_leaves_the_others_alone() -> None:
    her = Her(gated(cap('most = 1\nper = "7d"\ntriggers = ["quiz"]')))
    for n in range(3):
        her.event("quiz_done", (9 + n) * HOUR)
        her.event("poll", (9 + n) * HOUR + MINUTE)
    her.until(12 * HOUR)
    assert [plan.trigger for plan in her.plans] == ["quiz", "poll", "poll", "poll"]


def test_a_budget_of_how_much_is_shown() -> None:
    #
    her = Her(gated(cap('most = 4\nper = "month"\ncounts = "depth"')))
    her.event("quiz_done", HOUR)
    her.event("quiz_done", 2 * HOUR)
    her.event("poll", 3 * HOUR)
    her.event("product_view", 3 * HOUR, product_id="p")
    her.until(6 * HOUR)
    assert [plan.trigger for plan in her.plans] == ["quiz", "poll", "view"]


def standing(her: Her, stage: str | None = None, tier: str | None = None) -> Her:
    told = Standing({"s0": (stage, 0)} if stage else {}, {}, {"s1": tier} if tier else {})
    her.group = her.group.replaced(replace(her.group.person, standing=told), {})
    return her


def allowed(policy: str, head: str = HEAD, **where: str) -> int:
    """How many of ten messages in ten hours she gets."""
    return room(standing(Her(gated(policy, head=head)), **where))


def room(her: Her) -> int:
    """How many of ten messages in ten hours."""
    see, row = her._see(), her.pack.by_name["poll"]
    for n in range(10):
        contacts = tuple(Contact(see.now - MINUTE * (n - k), k, "poll", answered=True) for k in range(n))
        if caps.room(caps.limits(row, "email", her.pack, see), row, contacts, "UTC", see.now) is not None:
            return n
    return 10


TIER = cap('by = "tier"\nper = "7d"', "tier")
STAGE = cap('by = "stage"', "stage")
FOUR = cap('most = 4\nper = "7d"', "four")


@pytest.mark.parametrize(
    ("tier", "most"),
    [("high", 7), ("medium", 4), ("growing", 3), ("low", 2), (None, 10)],
)
def test_a_cap_by_tier_is_the_upper_number_of_its_range(tier: str | None, most: int) -> None:
    #
    assert allowed(TIER, **({"tier": tier} if tier else {})) == most


def test_caps_combine_as_the_pack_says() -> None:
    # a stage allows one, a tier seven; a cap that goes by nothing always counts
    where = {"stage": "at_risk", "tier": "high"}
    assert allowed(TIER + STAGE, **where) == 1
    assert allowed(TIER + STAGE + '[arbitration]\ncombine = "tier"\n', **where) == 7
    assert allowed(TIER + STAGE + '[arbitration]\ncombine = "stage"\n', **where) == 1
    assert allowed(TIER + STAGE + FOUR + '[arbitration]\ncombine = "tier"\n', **where) == 4
    assert allowed(TIER + STAGE + '[arbitration]\ncombine = "stage"\n', tier="low") == 2, "where no stage says anything the tier does"


@pytest.mark.parametrize(("stage", "every"), [("at_risk", "1d"), ("dormant", "30d")])
def test_a_cap_by_stage_is_one_message_per_interval(stage: str, every: str) -> None:
    #
    pack = gated(STAGE)
    see = standing(Her(pack), stage=stage)._see()
    [limit] = caps.limits(pack.by_name["poll"], "email", pack, see)
    assert (limit.most, limit.per) == (1, int(every[:-1]) * DAY)


def test_a_cap_by_engagement() -> None:
    # nobody knows her yet, so her score is 0
    steps = "steps = [{ above = 0.7, most = 5 }, { least = 0.2, most = 3 }, { least = 0, most = 1 }]"
    assert allowed(cap(f'by = "engagement"\nper = "7d"\n{steps}')) == 1
    assert allowed(cap('by = "engagement"\nper = "7d"\nsteps = [{ above = 0, most = 1 }]')) == 10, "where no step holds nothing is capped"


WORDS = """\
by = "preference"
words = [
  { says = ["never"], most = 0 },
  { says = ["weekly", "once a week"], most = 1, per = "7d" },
  { says = ["twice a week"], most = 2, per = "7d" },
]
"""


@pytest.mark.parametrize(
    ("told", "most"),
    [
        ("weekly", 1),
        (" Once_a-Week ", 1),
        ("twice a week", 2),
        ("never", 0),
        ("when the moon is full", 10),
        (7, 10),
        (["weekly"], 10),
        (None, 10),
    ],
)
def test_a_cap_by_preference(told: object, most: int) -> None:
    # her own word; one that the pack does not know says nothing
    her = Her(gated(cap(WORDS)))
    if told is not None:
        her.event("preference_set", -HOUR, preference="frequency", value=told)
    assert room(her) == most


def test_her_newest_word_counts_whatever_it_is_called() -> None:
    her = Her(gated(cap(WORDS)))
    her.event("preference_set", -HOUR, preference="email_frequency", value="weekly")
    her.event("preference_set", -2 * HOUR, arrives=-HOUR, preference="frequency", value="never")
    assert room(her) == 1, "what she said before and was told later"
    her.event("preference_set", -MINUTE, preference="frequency", value="as it was")
    assert room(her) == 10


def test_her_own_word_counts_whatever_the_pack_combines() -> None:
    her = Her(gated(TIER + cap(WORDS) + '[arbitration]\ncombine = "tier"\n'))
    standing(her, tier="high")
    her.event("preference_set", -HOUR, preference="frequency", value="weekly")
    assert room(her) == 1


def test_messages_are_kept_as_long_as_her_word_may_look_back() -> None:
    assert gated(cap(WORDS)).remembers == 7 * DAY


def test_a_picture_and_a_sentence_say_what_her_words_come_to() -> None:
    [one] = gated(cap(WORDS)).contact.caps
    assert contact_phrases.cap(one) == "as often as she asks"
    assert [*map(contact_phrases.wish, one.words)][:2] == ["none of who says never", "1 in 7d of who says weekly"]


def test_a_pack_without_caps_keeps_no_messages() -> None:
    her = Her(gated(QUIET))
    her.event("quiz_done", 9 * HOUR)
    assert her.group.person.windows.contacts == ()
    assert len(her.plans) == 1
    assert her.plans[0].at == MONDAY + 9 * HOUR
