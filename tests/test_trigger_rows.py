"""Rows of a pack over the general mechanics: waits until an instant, programmes by treatment, offers, groups of some openings only."""

from __future__ import annotations

from functools import cache

import pytest

from app.domain.examples import examples
from app.domain.occasion import fitting
from app.domain.trigger import Pack
from app.policy.expression import parsed
from app.policy.heard import named
from app.policy.pack import compile_artifact
from tests.gated import QUIET
from tests.her import DAY, HOUR, MONDAY, SECOND, Her, clock
from tests.test_packs import GOOD, build_text, problems

ROW = '\n[[trigger]]\nname = "third"\nwhy = "x"\nwait = "0s"\nsend = "referral"\n'
VISIT = """
[[trigger]]
name    = "visit"
why     = "a day before an appointment"
open    = { on = "quiz_done", scope = "person" }
restart = true
until   = "event.appointment_at"
before  = "1d"
wait    = "1h"
send    = "referral"
"""


@cache
def visit() -> Pack:
    text = GOOD.replace('open = { on = "quiz_done" }\nwait = "30min"', 'open = { on = "search" }\nwait = "30min"') + VISIT
    return compile_artifact("mine@1", build_text(text))


def sent(her: Her) -> list[str]:
    return [clock(plan.at) for plan in her.plans if plan.trigger == "visit"]


def test_a_wait_until_what_the_opening_tells() -> None:
    her = Her(visit())
    her.event("quiz_done", 0, appointment_at="2026-03-12T09:30:00Z")
    her.until(30 * DAY)
    assert sent(her) == ["9 09:30:00"]


def test_a_repeated_opening_moves_it_either_way() -> None:
    for moved, when in (("2026-03-08T09:00:00Z", "5 09:00:00"), ("2026-03-20T09:00:00+01:00", "17 08:00:00")):
        her = Her(visit())
        her.event("quiz_done", 0, appointment_at="2026-03-12T09:30:00Z")
        her.event("quiz_done", HOUR, appointment_at=moved)
        her.until(30 * DAY)
        assert sent(her) == [when]


def test_a_hold_ends_where_the_instant_moves_on() -> None:
    night = compile_artifact("mine@2", build_text(GOOD.replace('open = { on = "quiz_done" }', 'open = { on = "search" }') + QUIET + VISIT))
    her = Her(night)
    her.event("quiz_done", 0, appointment_at="2026-03-04T22:00:00Z")
    her.until(DAY + 23 * HOUR)
    her.event("quiz_done", DAY + 23 * HOUR, appointment_at="2026-03-07T23:00:00Z")
    her.until(30 * DAY)
    assert [(one.at[5:16], one.reason) for one in her.decided if (one.trigger, one.outcome) == ("visit", "held")] == [
        ("03-03T22:00", "quiet_hours"),
        ("03-06T23:00", "quiet_hours"),
    ]
    assert sent(her) == ["5 08:00:00"]


def test_what_tells_no_instant_opens_nothing_and_an_early_one_waits_at_least() -> None:
    her = Her(visit())
    her.event("quiz_done", 0, appointment_at="some day")
    her.event("quiz_done", 1)
    her.until(DAY)
    assert [one for one in her.decided if one.trigger == "visit"] == []
    her.event("quiz_done", 2 * DAY, appointment_at=(MONDAY + 2 * DAY) / 1000)
    her.until(5 * DAY)
    assert sent(her) == [clock(MONDAY + 2 * DAY + HOUR)]


def test_one_that_is_told_too_late_is_not_sent() -> None:
    her = Her(visit())
    her.event("quiz_done", 0, arrives=20 * DAY, appointment_at="2026-03-08T09:00:00Z")
    her.until(30 * DAY)
    (ended,) = [one for one in her.decided if one.trigger == "visit" and one.outcome == "not_sent"]
    assert (ended.reason, sent(her)) == ("late_event", [])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('until = "appointment_at"\nopen = { on = "quiz_done" }', "until: what the opening tells, such as event.appointment_at"),
        ('until = "event.day"\nopen = { on = "reorder", scope = "product" }', "until: reorder tells product_id"),
        ('before = "1d"\nopen = { on = "quiz_done" }', "before: until is missing"),
        ('after = "any"\nopen = { on = "quiz_done" }', "after: of the first message only a programme asks"),
        ('every = "treatment"\nopen = { on = "quiz_done" }', "every: only where a stage opens"),
        ('group_when = "event.a == 1"\nopen = { on = "quiz_done" }', "group_when: group is missing"),
        ('offer = { kind = "x", discount = 1.0 }\nopen = { on = "quiz_done" }', "discount: a share of the price above 0 and below 1"),
        ('offer = { discount = 0.1 }\nopen = { on = "quiz_done" }', "kind is missing"),
        ('open = { on = "reorder" }', "scope: reorder is about one product"),
        ('open = { on = "churn_level", scope = "product" }', "scope: churn_level is about the person"),
        ('open = { on = "quiz_done" }\ncancel = [{ on = "search", when = "size(event) > 1" }]', "what a cancel asks of its event it names"),
    ],
)
def test_a_row_that_cannot_be_meant(row: str, said: str) -> None:
    found = problems(f"{GOOD}{ROW}{row}\n")
    assert any(said in one for one in found), found
    assert all(one.startswith("p.toml:") for one in found)


@pytest.mark.parametrize(
    ("level", "said"),
    [("falls = 0.7", "falls: 0.7 lies above the threshold, 0.65"), ('cool_down = "soon"', "cool_down: a duration")],
)
def test_a_churn_level_that_cannot_be_meant(level: str, said: str) -> None:
    text = f"{GOOD}\n[[churn_level]]\nname = 'watch'\nwhy = 'x'\nthreshold = 0.65\nhorizon_days = 30\n{level}\n"
    assert any(said in one for one in problems(text)), problems(text)


def test_a_segment_entered_for_what_does_not_stand_still() -> None:
    text = f"{GOOD}\n[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders >= 1'\neach = 'profile.days_since_order'\n"
    assert any("each: a figure that changes at instants" in one for one in problems(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("event.segment == 'a'", {"a"}),
        ("event.segment in ['a', 'b'] && profile.orders > 2", {"a", "b"}),
        ("event.segment == 'a' || event.segment == 'b'", {"a", "b"}),
        ("event.segment == 'a' || profile.orders > 2", None),
        ("event.segment != 'a'", None),
        ("event.segment in ['a', 'b'] && event.segment == 'b'", {"b"}),
        ("profile.orders > 2", None),
    ],
)
def test_which_segments_a_condition_can_mean(text: str, found: set[str] | None) -> None:
    told = named(parsed(text), "event.segment")
    assert (None if told is None else set(told)) == found


def test_only_segments_that_open_something_are_handed_on() -> None:
    rows = """
[[segment]]
name = "a"
why  = "x"
when = "profile.orders >= 1"
[[segment]]
name = "b"
why  = "x"
when = "profile.orders >= 2"
[[trigger]]
name = "third"
why  = "x"
open = { on = "segment_entered", when = "event.segment == 'b'" }
cancel = [{ on = "segment_left" }]
wait = "1d"
send = "referral"
"""
    pack = compile_artifact("mine@1", build_text(GOOD + rows))
    assert pack.heard == {"segment_entered": frozenset(("b",))}
    her = Her(pack)
    her.event("purchase", 0, order_id="o1", total=1)
    her.event("purchase", SECOND, order_id="o2", total=1)
    her.until(2 * DAY)
    assert [plan.trigger for plan in her.plans] == ["third"]


# --- preview ----------------------------------------------------------------------------------------------------------------------

STANDING_ROWS = [
    "primary_interest",
    "lifecycle_transition",
    "lifecycle_programme",
    "win_back",
    "churn_watch",
    "churn_critical",
    "pre_purchase",
    "purchase_window",
    "upsell_opportunity",
    "reactivation_potential",
    "seasonal_anticipation",
    "replenishment",
]


@pytest.mark.parametrize("name", STANDING_ROWS)
def test_a_preview_makes_the_conclusion_that_would_open_it(name: str) -> None:
    """Of somebody of whom none was ever drawn: what would open it, played to her, gets to the message."""
    her = Her("tests/packs/ungated.toml")
    told = {"product_id": "pills", "product_name": "Pills", "price": 9.0, "currency": "EUR", "consumable": True, "cycle_days": 30}
    her.event("purchase", 0, order_id="o", **told)
    her.event("product_view", HOUR, product_id="p1", category="boots")
    her.until(DAY)
    trigger, now = her.pack.by_name[name], MONDAY + DAY

    def holds(condition, properties):  # type: ignore[no-untyped-def]
        return condition.evaluate({"event": properties}).holds

    found = fitting(trigger, [], her.group.person.person_id, now, holds, unseen=examples(trigger, her.pack, her.group.person, now))
    assert found is not None
    before = len(her.plans)
    for record in found.records:
        her.record(record)
    opened = [one for one in her.group.person.windows.open if one.opening in found.causes] or her.plans[before:]
    if name == "lifecycle_programme":  # she is in its stage already: it joins
        opened = [one for one in her.group.person.windows.open if one.trigger == name and one.views == 2]
    assert opened and {one.trigger for one in opened} == {name}


def test_nobody_without_a_consumable_has_an_example_of_one() -> None:
    her = Her("tests/packs/ungated.toml")
    her.event("page_view", 0, page_type="home")
    trigger = her.pack.by_name["replenishment"]
    assert fitting(trigger, [], "p", MONDAY, lambda *_: True, unseen=examples(trigger, her.pack, her.group.person, MONDAY)) is None
