"""Facts: whatever is read of a person stays so until the instant that the facts themselves tell, and a comparison flips at that very ms."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain.churn import Churn
from app.domain.curves import DaysSince, Fading, Lapse
from app.domain.facts import CONTINUOUS, FOREVER, OPERATORS, STEP, Facts, known
from app.domain.intent import HALF_LIFE_MS
from app.domain.person import Person
from app.domain.population import exact
from app.domain.profile_view import named, record, some, tree, view
from app.domain.standing import Standing
from tests.person_story import DAY, HOUR, MINUTE, START, Her

POPULATION = exact({"recency": [START, START + 9 * DAY], "frequency": [1, 2, 7], "monetary": [10_000, 900_000]})
NAMED = ("profile.lifecycle.s1", "profile.clv.tier.s0", "profile.flags.high_value", "profile.interest.decayed.shoes", "profile.traits.city")
STILL = (*STEP, *NAMED)
MOVING = (*CONTINUOUS, "profile.days_in_stage.s1", "profile.days_in_stage.nowhere")

# --- people ---------------------------------------------------------------------------------------------------------------------

INSTANT = st.one_of(
    st.integers(0, 120 * DAY),
    st.integers(0, 120).map(lambda day: day * DAY),
    st.builds(lambda day, minutes: day * DAY + minutes * MINUTE, st.integers(0, 120), st.integers(0, 90)),
)
SEND = st.sampled_from(("s-1", "s-2", "s-3", "s-4"))
PRICE = st.sampled_from((5, 19.99, 89, 250))
CATEGORY = st.sampled_from(("shoes", "hats", None))
ACT = st.one_of(
    st.fixed_dictionaries({"event_type": st.sampled_from(("email_sent", "email_open", "email_click")), "send_id": SEND, "link": SEND}),
    st.fixed_dictionaries(
        {
            "event_type": st.sampled_from(("product_view", "cart_add", "wishlist_add", "product_compare")),
            "product_id": st.sampled_from(("p1", "p2", "p3")),
            "category": CATEGORY,
            "price": PRICE,
        }
    ),
    st.fixed_dictionaries({"event_type": st.just("page_view"), "page_type": st.sampled_from(("home", "pricing", "blog"))}),
    st.fixed_dictionaries(
        {
            "event_type": st.just("purchase"),
            "order_id": st.sampled_from(("o-1", "o-2", "o-3", "o-4", "o-5")),
            "total": PRICE,
            "category": CATEGORY,
            "coupon": st.sampled_from((None, "SPRING")),
        }
    ),
    st.fixed_dictionaries({"event_type": st.just("support_ticket"), "ticket_id": SEND, "status": st.sampled_from(("open", "closed"))}),
    st.fixed_dictionaries({"event_type": st.sampled_from(("content_download", "social_engagement", "referral", "search"))}),
)


@st.composite
def people(draw: st.DrawFn) -> Person:
    """Somebody who did a dozen things within four months, told in any order, and stands somewhere."""
    her = Her()
    for at, act in draw(st.lists(st.tuples(INSTANT, ACT), max_size=12)):
        properties = dict(act)
        her.does(properties.pop("event_type"), at, **properties)
    since = START + draw(INSTANT)
    standing = Standing({"s1": (draw(st.sampled_from(("churned", "at_risk"))), since)}, {"high_value": since}, {"s0": "gold"})
    return replace(her.person, standing=standing)


NOW = st.one_of(INSTANT, INSTANT.map(lambda at: at + 30 * DAY), INSTANT.map(lambda at: at + 90 * DAY - 1)).map(lambda at: START + at)
QUESTION = st.tuples(
    st.sampled_from(MOVING), st.sampled_from(sorted(OPERATORS)), st.one_of(st.integers(0, 120), st.floats(0, 1), st.floats(0, 120))
)


def answers(facts: Facts, paths: list[str], questions: list[tuple[str, str, float]]) -> list[Any]:
    return [*map(facts.get, paths), *(facts.compare(*question) for question in questions)]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(people(), NOW, st.lists(st.sampled_from(STILL), max_size=6), st.lists(QUESTION, max_size=3), st.data())
def test_what_is_read_stays_so_until_then(
    person: Person, now: int, paths: list[str], questions: list[tuple[str, str, float]], data: st.DataObject
) -> None:
    # kept current by events and by its own wake-ups
    facts = Facts(person, now, population=POPULATION)
    read = answers(facts, paths, questions)
    assert facts.until > now
    if facts.until == FOREVER:
        later = [now + span * DAY for span in (1, 31, 91, 366, 4_000)]
    else:
        later = [now, facts.until - 1, *data.draw(st.lists(st.integers(now, facts.until - 1), max_size=5))]
    for at in later:
        again = Facts(person, at, population=POPULATION)
        assert answers(again, paths, questions) == read, f"{at - now} ms later"
        assert again.until >= facts.until


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(people(), NOW, QUESTION)
def test_a_comparison_flips_at_that_very_ms(person: Person, now: int, question: tuple[str, str, float]) -> None:
    facts = Facts(person, now)
    verdict = facts.compare(*question)
    if facts.until == FOREVER:
        assert Facts(person, now + 400_000 * DAY).compare(*question) in (verdict, None)
        return
    assert Facts(person, facts.until - 1).compare(*question) is verdict
    assert Facts(person, facts.until).compare(*question) is (not verdict)


@given(
    st.one_of(
        st.builds(DaysSince, st.integers(0, 2_000)),
        st.builds(lambda scores: Fading(scores, 700, 100.0), st.lists(st.tuples(st.integers(0, 900), st.floats(0.1, 60)), max_size=4)),
        st.builds(Lapse, st.integers(0, 900), st.floats(1, 2_000)),
    ),
    st.sampled_from(sorted(OPERATORS)),
    st.one_of(st.floats(0, 1e-5), st.floats(0, 1), st.floats(0, 100)),
    st.integers(0, 2_500),
)
def test_the_flip_is_what_a_scan_finds(curve: Any, op: str, value: float, now: int) -> None:
    from app.domain.facts import _flip

    holds = OPERATORS[op]
    verdict = holds(curve.at(now), value)
    found = next((at for at in range(now + 1, now + 4_000) if holds(curve.at(at), value) is not verdict), None)
    told = _flip(curve, holds, value, now, verdict)
    assert told == found if found is not None else told >= now + 4_000


APART = ("treatment", "flags", "orders", "last_purchase_at", "primary_interest")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(people(), NOW, st.sets(st.sampled_from((*APART, "spent", "churn"))))
def test_a_part_of_the_record_is_as_in_the_whole_of_it(person: Person, now: int, names: set[str]) -> None:
    """What templates read most is made without the rest (A-170)."""
    whole = record(Facts(person, now, population=POPULATION))
    assert some(Facts(person, now, population=POPULATION), names) == {name: whole[name] for name in names}
    assert some(Facts(person, now, population=POPULATION), None) == whole


# --- each kind of boundary, to the ms -----------------------------------------------------------------------------------------------


def test_days_pass_in_fractions() -> None:
    her = Her()
    her.does("purchase", 0, order_id="o-1", total=10)
    at = START + 10 * DAY
    facts = Facts(her.person, at)
    assert facts.peek("profile.days_since_order") == 10.0
    assert facts.compare("profile.days_since_order", ">=", 90) is False
    assert facts.until == START + 90 * DAY
    assert facts.compare("profile.days_since_order", ">", 30.5) is False
    assert facts.until == START + 30 * DAY + 12 * HOUR + 1
    assert Facts(her.person, at).compare("profile.days_since_first_order", "<", 365) is True


def test_a_day_boundary_a_window_and_a_decay() -> None:
    her = Her()
    her.does("purchase", 5 * HOUR, order_id="o-1", total=10, category="shoes")
    now = START + 3 * DAY
    for path, until in (
        ("profile.engagement.purchase", 3 * DAY + 5 * HOUR),
        ("profile.orders_90d", 90 * DAY + 5 * HOUR),
        ("profile.primary_interest", 3 * DAY + 5 * HOUR),
        ("profile.orders", FOREVER - START),
    ):
        facts = Facts(her.person, now)
        facts.get(path)
        assert facts.until == START + until, path


def test_an_intent_level_expires() -> None:
    her = Her()
    her.does("page_view", 0, page_type="pricing")
    facts = Facts(her.person, START + HOUR)
    assert facts.get("intent.level") == facts.get("profile.intent.level") == "high"
    assert facts.until == START + 24 * HOUR
    score = Facts(her.person, START + HOUR)
    assert score.compare("intent.score", ">", 12.5) is True
    assert score.until == START + HALF_LIFE_MS  # 25 halves in a day


def test_churn_crosses_its_thresholds_where_the_watcher_wakes() -> None:
    her = Her()
    for n in range(3):
        her.does("purchase", n * 10 * DAY, order_id=f"o-{n}", total=10)
    facts = Facts(her.person, START + 25 * DAY)
    assert facts.compare("churn.probability", ">", 0.65) is False
    assert facts.until == her.person.churn.due
    assert facts.get("churn.mean_gap_days") == 10


# --- paths ------------------------------------------------------------------------------------------------------------------------


def test_an_unknown_path_is_an_error_and_an_unknown_value_is_none() -> None:
    facts = Facts(Person("p"), START)
    for path in ("profile.nonsense", "profile", "nothing", "profile.days_since_order", "profile.orders.x", "profile.days_in_stage"):
        with pytest.raises(KeyError):
            facts.get(path)
    with pytest.raises(KeyError):
        facts.compare("profile.nonsense", "<", 1)
    assert facts.get("profile.lifecycle.s1") is None
    assert facts.compare("profile.days_since_order", "<", 3) is None
    assert facts.compare("profile.average_order", "<", 3) is None
    assert facts.compare("profile.orders", "<=", 0) is True
    assert facts.until == FOREVER


def test_which_paths_there_are() -> None:
    assert [known(path) and known(path).moves for path in ("profile.orders", "intent.score", "profile.lifecycle.s9", "profile.x")] == [  # type: ignore[union-attr]
        *(False, True, False),
        None,
    ]
    assert known("profile.days_in_stage.s1").moves and known("profile.lifecycle.") is None  # type: ignore[union-attr]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people(), NOW, st.sampled_from((0, 1, 2_000, HOUR, DAY)), st.sets(st.sampled_from(STILL)))
def test_what_is_taken_over_from_a_judgement_is_what_would_be_read_anew(person: Person, now: int, after: int, asked: set[str]) -> None:
    before = Facts(person, now, population=POPULATION)
    for path in sorted(asked):
        before.get(path)
    before.compare("profile.days_in_stage.s1", ">=", 3)
    elsewhere = Standing({"s1": ("developing", now), "s0": ("loyal", now)}, {"lapsed": now}, {"s1": "high"}, flags=("mobile_preferred",))
    her = replace(person, standing=elsewhere)
    taken, fresh = before.anew(her, now + after, POPULATION, None), Facts(her, now + after, population=POPULATION)
    assert {path: taken.get(path) for path in STILL} == {path: fresh.get(path) for path in STILL}
    for path in MOVING:
        assert taken.compare(path, ">=", 3) == fresh.compare(path, ">=", 3)
    assert taken.until <= fresh.until


def test_nothing_is_taken_over_of_somebody_who_has_changed_or_once_time_has_turned_it() -> None:
    her = Her()
    her.does("page_view", 0, page_type="pricing")
    before = Facts(her.person, START + HOUR)
    assert (before.get("intent.level"), before.until) == ("high", START + DAY)
    assert before.anew(her.person, START + DAY - 1, None, None).until == START + DAY
    assert before.anew(her.person, START + DAY, None, None).get("intent.level") == "low"
    churned = replace(her.person, churn=Churn())
    assert before.anew(churned, START + HOUR, None, None).until == FOREVER


def test_each_is_computed_once() -> None:
    facts = Facts(Person("p", churn=Churn()), START)
    assert facts.get("profile.lifecycle") is facts.get("profile.lifecycle")


# --- the record and what conditions see are the same facts ----------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=30)
@given(people(), NOW)
def test_record_conditions_and_facts_agree(person: Person, now: int) -> None:
    record, facts = view(person, now, population=POPULATION), Facts(person, now, population=POPULATION)
    seen = named(facts, "profile")
    for part in ("score", "email", "website", "purchase"):
        assert math.isclose(record["engagement"][part], seen["engagement"][part], abs_tol=1e-4)
        assert 0 <= record["engagement"][part] <= 1
    assert seen["engagement"]["score"] == facts.get("profile.engagement.score")
    assert record["rfm"] == seen["rfm"]
    assert record["intent"]["level"] == named(facts, "intent", ["level"])["level"]
    assert named(facts, "profile", ["orders", "nothing"]) == {"orders": record["orders"]}
    assert seen["days_in_stage"] == {"s1": facts.peek("profile.days_in_stage.s1")}
    assert set(tree()) == {"profile", "intent", "churn"}
