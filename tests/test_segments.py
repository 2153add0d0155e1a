"""Bands, segments, flags and treatments: who is in them by the guides' words, what a pack may say, and triggers that open on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from app.domain.facts import Facts
from app.domain.person import Group, Person
from app.domain.profile_view import named, record
from app.domain.standing import Standing
from app.domain.treatments import By, view
from app.domain.trigger import Pack, Verdict
from app.policy.conditions import OPENING, condition
from app.policy.lint import lint
from app.policy.pack import INCLUDED, compile_artifact
from app.policy.schema import included
from app.policy.standing_lint import segments_of
from tests.her import DAY, HOUR, Her, pack
from tests.test_lifecycle import Somebody
from tests.test_packs import GOOD, build_text, problems

MERGED = pack("merged")


def groups(days: Mapping[str, float] | None = None, /, **figures: Any) -> set[str]:
    """Segments of somebody of whom these figures are told; `stages` and `tiers` as the segmenter has found them."""
    told = {f"profile.{name.replace('__', '.')}": value for name, value in figures.items()}
    told |= {path.replace("profile.churn.", "churn.").replace("profile.intent.", "intent."): value for path, value in told.items()}
    return set(MERGED.verdicts.segments(Somebody(told, dict(days or {}))))


Told = tuple[dict[str, float], dict[str, Any]]
"""Days since, and figures."""
LOOKS = {"email__opened": 1, "views_24h": 3, "orders": 1}


def told(**figures: Any) -> Told:
    return {}, figures


def reads(rate: float, sent: int = 4) -> Told:
    return told(email__sent=4, mail__sent_30d=sent, mail__open_rate_30d=rate)


def spends(average: float) -> Told:
    return told(orders=2, average_order=average, price_sensitivity=0.4)


def switches(share: float) -> Told:
    return staged("developing_customer", {}, category_switching=share)


def shifts(by: float) -> Told:
    return told(orders=1, mail__sent_before_30d=1, engagement__shift=by)


def staged(stage: str, days: dict[str, float], **figures: Any) -> Told:
    return days, {"lifecycle__s1": stage, **figures}


@pytest.mark.parametrize(
    ("segment", "inside", "outside"),
    [
        #
        ("high_frequency_buyers", ({}, {"orders": 3, "orders_90d": 3}), ({}, {"orders": 9, "orders_90d": 2})),
        ("seasonal_purchasers", ({}, {"orders": 4, "peak_month": 12}), ({}, {"orders": 4, "peak_month": None})),
        ("occasion_buyers", ({}, {"orders": 2, "churn__mean_gap_days": 120.0}), ({}, {"orders": 2, "churn__mean_gap_days": 119.9})),
        ("deal_seekers", ({}, {"orders": 2, "deal_share": 0.5}), ({}, {"orders": 2, "deal_share": 0.49})),
        #
        ("engagement_super", ({}, {"known": True, "engagement__score": 0.71}), ({}, {"known": True, "engagement__score": 0.7})),
        ("engagement_moderate", ({}, {"known": True, "engagement__score": 0.7}), ({}, {"known": True, "engagement__score": 0.5})),
        ("engagement_low", ({}, {"known": True, "engagement__score": 0.3}), ({}, {"known": True, "engagement__score": 0.29})),
        ("engagement_at_risk", ({}, {"known": True, "engagement__score": 0.0}), ({}, {"known": False, "engagement__score": 0.0})),
        # > 75 %, 25 to 75 %, < 25 %
        ("opens_high", reads(0.76), reads(0.75)),
        ("opens_medium", reads(0.75), reads(0.24)),
        ("opens_medium", reads(0.25), reads(0.25, sent=0)),
        ("opens_low", reads(0.24), reads(0.25)),
        # five carts are not six
        ("points_high", ({}, {"points": 30.0}), ({}, {"points": 29.0})),
        ("points_low", ({}, {"points": 1.0}), ({}, {"points": 0.0})),
        #
        ("purchaser", ({}, {"orders": 1}), ({}, {"orders": 0})),
        ("browsing", ({}, {"visits_30d": 1}), ({}, {"visits_30d": 1, "orders": 1})),
        ("highly_engaged", ({}, {"orders": 1, "engagement__score": 0.71}), ({}, {"orders": 1, "engagement__score": 0.7})),
        ("at_risk", ({}, {"lifecycle__merged": "at_risk"}), ({}, {"lifecycle__merged": "loyal"})),
        ("lapsed", ({"order": 90}, {"orders": 1}), ({"order": 89.99}, {"orders": 1})),
        ("high_spenders", ({}, {"spent": 500.01}), ({}, {"spent": 500.0})),
        #
        ("recent_buyers", ({"order": 7}, {"orders": 1}), ({"order": 7.01}, {"orders": 1})),
        # an open within 3 d, several views, no recent purchase
        ("warm_lookers", ({"opened": 3}, {"email__opened": 1, "views_24h": 3}), ({"opened": 3.01}, {"email__opened": 1, "views_24h": 3})),
        ("warm_lookers", ({"opened": 1}, {"email__opened": 1, "views_24h": 3}), ({"opened": 1}, {"email__opened": 1, "views_24h": 2})),
        ("warm_lookers", ({"opened": 1, "order": 8}, LOOKS), ({"opened": 1, "order": 7}, LOOKS)),
        #
        ("high_engagement", ({}, {"orders": 1, "engagement__score": 0.5}), ({}, {"orders": 1, "engagement__score": 0.49})),
        ("cart_abandoners", ({}, {"adds_30d": 1}), ({"order": 30}, {"adds_30d": 1, "orders": 1})),
        ("loyal_customers", ({}, {"lifecycle__merged": "loyal"}), ({}, {"lifecycle__merged": "developing"})),
        # > 500 in the last three months
        ("premium_offer", ({}, {"spent": 501.0, "spent_90d": 501.0}), ({}, {"spent": 9000.0, "spent_90d": 500.0})),
        # high engagement and a recent purchase
        ("loyalty_offer", ({"order": 7}, {"orders": 1, "engagement__score": 0.5}), ({"order": 8}, {"orders": 1, "engagement__score": 0.5})),
        #
        ("regional_high_spender", ({}, {"spent": 501.0, "region": "EU"}), ({}, {"spent": 501.0, "region": "US"})),
        #
        ("price_sensitive", told(orders=3, price_sensitivity=0.71), told(orders=3, price_sensitivity=0.7)),
        ("value_focused", told(orders=3, price_sensitivity=0.7), told(orders=3, price_sensitivity=0.4)),
        ("convenience_seekers", told(orders=4, orders_365d=4, price_sensitivity=0.4), told(orders=4, orders_365d=3, price_sensitivity=0.4)),
        ("status_conscious", spends(100.5), spends(100.0)),
        # A-073–A-079: flavours of S1's stages
        ("high_intent_visitors", staged("anonymous_visitor", {}, views_24h=3), staged("anonymous_visitor", {}, views_24h=2)),
        ("evaluating_leads", staged("lead_nurturing", {}, downloads=1, opens=2), staged("lead_nurturing", {}, downloads=1)),
        ("onboarding", staged("first_time_customer", {"order": 30}), staged("first_time_customer", {"order": 31})),
        ("expanding_customers", switches(0.5), switches(0.0)),
        ("advocates", staged("loyal_customer", {}, referrals=1), staged("loyal_customer", {})),
        ("declining", shifts(-0.2), shifts(-0.19)),
        ("win_back_candidates", staged("churned", {}, reactivation=0.41), staged("churned", {}, reactivation=0.4)),
    ],
)  # fmt: skip
def test_every_segment_of_the_guides_has_whom_they_say(segment: str, inside: Any, outside: Any) -> None:
    assert segment in groups(inside[0], **inside[1])
    assert segment not in groups(outside[0], **outside[1])


def test_no_segment_is_left_untested_and_each_names_its_row() -> None:
    mark = next(one for one in test_every_segment_of_the_guides_has_whom_they_say.pytestmark if one.name == "parametrize")
    tested = {row[0] for row in mark.args[1]} | {"points_medium"}
    opened_by = " ".join(one.opening.when.text for one in MERGED.triggers if one.opening.when is not None)
    told = {name for name in MERGED.segments if f"'{name}'" in opened_by}  # its trigger's story is in tests/test_more_triggers.py
    assert tested | told == set(segments_of(MERGED)) and len(told - tested) < 10
    assert all("A-" in one.why for one in (*MERGED.segments.values(), *MERGED.band_schemes.values()))


def test_of_bands_one_is_in_exactly_one() -> None:
    # schemes over the same score stand beside each other
    for score in (0.0, 0.299, 0.3, 0.5, 0.5001, 0.7, 0.7001, 1.0):
        found = groups(known=True, engagement__score=score)
        assert len([one for one in found if one.startswith("engagement_")]) == 1, score


def test_flags_are_named_predicates() -> None:
    #
    known = Somebody({"profile.spent": 500.01, "profile.orders": 1, "profile.price_sensitivity": 0.71}, {})
    assert MERGED.verdicts.ladders(known)[0] == ("high_value", "price_sensitive")
    shown = Facts(Person("p", standing=Standing(flags=("high_value",))), 1).get("profile.flags")
    assert shown == {"high_value": True, "price_sensitive": False, "mobile_preferred": False}


# --- what a pack may say ------------------------------------------------------------------------------------------------------------


def mine(rows: str) -> Pack:
    return compile_artifact("mine@1", build_text(f"{GOOD}\n{rows}\n"))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = \"'b' in profile.segments\"", "when: segment 'b' does not exist"),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = \"'a' in profile.segments\"", "when: segment 'a' itself"),
        (
            "[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = \"'b' in profile.segments\"\n"
            "[[segment]]\nname = 'b'\nwhy = 'x'\nwhen = \"'a' in profile.segments\"",
            "when: segment 'b' stands below",
        ),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'size(profile.segments) > 2'", "asked for one name at a time"),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.shoe_size > 2'", "nothing is known as 'profile.shoe_size'"),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.days_since_order == 2'", "can only be compared"),
        ("[[segment]]\nname = 'Big Spenders'\nwhy = 'x'\nwhen = 'profile.spent > 2'", "name: snake_case"),
        ("[[segment]]\nname = 'a'\nwhen = 'profile.spent > 2'", "why is missing"),
        ("[flags]\nrich = \"'a' in profile.segments\"", "profile.segments is not known where this is asked"),
        ("[flags]\nrich = 'profile.flags.poor'\npoor = 'profile.spent < 2'", "profile.flags.poor is not known where this is asked"),
        (
            "[[stage_scheme]]\nname = 's'\nwhy = 'x'\nstage = [{ name = 'a', why = 'x', when = \"profile.lifecycle.s == 'b'\" },"
            " { name = 'b', why = 'x' }]",
            "profile.lifecycle.s is not known where this is asked",
        ),
        ("[[stage_scheme]]\nname = 's'\nwhy = 'x'\nstage = [{ name = 'a', why = 'x' }, { name = 'b', why = 'x' }]", "when is missing"),
        (
            "[[band_scheme]]\nname = 's'\nwhy = 'x'\nby = 'profile.points'\nband = [{ name = 'a', least = 1 }, { name = 'b', least = 2 }]",
            "from the highest down",
        ),
        ("[[band_scheme]]\nname = 's'\nwhy = 'x'\nby = 'profile.points'\nband = [{ name = 'a' }]", "a band begins at a score"),
        ("[[treatment]]\nwhy = 'x'\ntier = 's1.high'", "tier: there is no s1.high: none is declared"),
        ("[[treatment]]\nwhy = 'x'", "a treatment is of one stage or of one tier"),
        ("[goes_by]\nstage = 's9'", "stage: there is no stage scheme 's9'"),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.spent > 2'\nevery = 3", "unknown field 'every'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(rows: str, fault: str) -> None:
    found = problems(f"{GOOD}\n{rows}\n")
    assert any(fault in one for one in found), found
    assert all(int(one.split(":")[1]) > len(GOOD.splitlines()) for one in found)


def test_a_row_of_the_same_name_takes_the_place_of_the_included_one() -> None:
    text = GOOD.replace("[sender]", 'include = "guides"\n[sender]', 1)
    own = compile_artifact(
        "mine@1",
        build_text(f"{text}\n[[segment]]\nname = 'lapsed'\nwhy = 'ours'\nwhen = 'profile.orders >= 1 && profile.days_since_order >= 30'\n"),
    )
    assert own.segments["lapsed"].why == "ours"
    rows, _ = included((INCLUDED / "guides.toml").read_text("utf-8"), "guides")
    assert list(own.segments) == list(rows.segments), "in its place, so that others may name it"
    assert own.verdicts.rules != pack("s1").verdicts.rules
    assert "lapsed" in own.verdicts.segments(Somebody({"profile.orders": 1}, {"order": 30}))


def test_the_included_file_is_sound() -> None:
    rows, wrong = included((INCLUDED / "guides.toml").read_text("utf-8"), "guides")
    assert wrong == []
    assert {one.of for one in rows.treatments.values()} == {"stage", "tier"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders > 2 && profile.orders < 2'",
            "always false, so nobody is in segment 'a'",
        ),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders >= 0'", "warning: always true, so everybody is in segment 'a'"),
        ("[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders > 2'", "warning: segment 'a': nothing in this pack asks for it"),
        (
            "[[stage_scheme]]\nname = 's'\nwhy = 'x'\n[[stage_scheme.stage]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders >= 1'\n"
            "[[stage_scheme.stage]]\nname = 'b'\nwhy = 'x'\nwhen = 'profile.orders >= 2'\n[[stage_scheme.stage]]\nname = 'c'\nwhy = 'x'",
            "unreachable: an earlier stage of 's' always has whoever could be in 'b'",
        ),
        (
            "[[segment]]\nname = 'a'\nwhy = 'x'\nwhen = 'profile.orders > 2'\n[[trigger]]\nname = 'third'\nwhy = 'x'\n"
            "open = { on = 'segment_entered', when = \"event.segment == 'b'\" }\nwait = '0s'\nsend = 'referral'",
            "always false, so nothing opens this trigger",
        ),
    ],
)
def test_lint_says_what_nobody_can_be_in(rows: str, said: str) -> None:
    text = f"{GOOD}\n{rows}\n"
    found = [str(one) for one in lint(compile_artifact("mine@1", build_text(text)), text, "p.toml")]
    assert any(said in one for one in found), found


# --- treatments ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "mails", "tone", "discount"),
    [
        #
        ("high", (5, 7), "vip", "minimal"),
        ("medium", (3, 4), "helpful_expert", "moderate"),
        ("growing", (2, 3), "encouraging", "category"),
        ("low", (1, 2), "direct", "strong"),
    ],
)
def test_tiers_of_s1_are_treated_as_it_says(tier: str, mails: tuple[int, int], tone: str, discount: str) -> None:
    found = MERGED.treatment("tier", "s1", tier)
    assert found is not None
    assert ((found.mails_low, found.mails_high), found.tone, found.discount) == (mails, tone, discount)


def test_stages_of_s0_are_written_to_as_often_as_it_says() -> None:
    #
    every = {name: MERGED.treatment("stage", "s0", name) for name in ("prospect", "new_customer", "active", "loyal", "at_risk", "dormant")}
    assert {name: (one.focus, one.every / HOUR) for name, one in every.items() if one and one.every} == {
        "prospect": ("education", 168),
        "new_customer": ("onboarding", 56),
        "active": ("engagement", 84),
        "loyal": ("retention", 168),
        "at_risk": ("winback", 24),
        "dormant": ("reactivation", 720),
    }
    loyal = MERGED.treatment("stage", "s0", "loyal")
    assert loyal is not None and "early_access" in loyal.content
    platinum = MERGED.treatment("tier", "s0", "platinum")
    assert platinum is not None and platinum.content[0] == "exclusive_experiences"


def test_a_template_reads_how_she_is_treated() -> None:
    standing = Standing(stages={"merged": ("loyal", 1), "s1": ("churned", 1)}, tiers={"s1": "high", "s0": "gold"})
    assert view(standing, MERGED, "tier") == {
        "name": "tier s1.high",
        "mails_per_week": {"low": 5, "high": 7},
        "content": ["exclusive_access", "premium_products", "exclusive_experiences"],
        "tone": "vip",
        "discount": "minimal",
    }
    assert view(standing, MERGED, "stage")["focus"] == "retention"
    assert view(Standing(), MERGED, "stage") == view(Standing(), MERGED, "tier") == view(standing, None, "tier") == {}


def test_conditions_and_the_record_read_how_she_is_treated() -> None:
    #
    standing = Standing(stages={"merged": ("at_risk", 1)}, tiers={"s1": "low"})
    known = Facts(Person("p", standing=standing), 1, pack=MERGED)
    assert known.get("profile.treatment.tier.discount") == "strong" and known.get("profile.treatment.tier.focus") is None
    assert record(known)["treatment"] == {"stage": known.get("profile.treatment.stage"), "tier": known.get("profile.treatment.tier")}
    seen = named(known, "profile", ["treatment"])
    ask = condition("profile.treatment.tier.discount == 'strong' && profile.treatment.tier.mails_per_week.high <= 2.0", OPENING)
    assert ask.profile_keys == ("treatment",) and ask.evaluate({"profile": seen}).holds
    nobody = Facts(Person("p"), 1, pack=MERGED)
    assert record(nobody)["treatment"] == {"stage": None, "tier": None}
    assert ask.evaluate({"profile": named(nobody, "profile", ["treatment"])}) == Verdict(False, "discount")
    winback = MERGED.treatment("stage", "s0", "at_risk")
    assert winback is not None and winback.every == DAY
    by_s0 = replace(MERGED, goes_by=By("s0", "s0"))
    nagged = Facts(Person("p", standing=Standing(stages={"s0": ("at_risk", 1)})), 1, pack=by_s0)
    assert nagged.get("profile.treatment.stage")["every_days"] == 1


GUIDED = f"include = 'guides'\n{GOOD}\n[goes_by]\nstage = 's0'\ntier = 's1'\n"


def test_a_trigger_asks_how_she_is_treated() -> None:
    #
    row = (
        "[[trigger]]\nname = 'strong'\nwhy = 'x'\nopen = { on = 'cart_add', when = \"profile.treatment.tier.discount == 'DISCOUNT'\" }\n"
        "wait = '1h'\nsend = 'referral'"
    )
    for discount, opens in (("strong", ["strong"]), ("moderate", [])):
        her = Her(compile_artifact("mine@1", build_text(f"{GUIDED}{row.replace('DISCOUNT', discount)}\n")))
        her.event("purchase", 0, order_id="o-1", total=1)
        her.group = Group(replace(her.group.person, standing=replace(her.group.person.standing, tiers={"s1": "low"})))
        her.event("cart_add", HOUR, product_id="p1")
        assert [one.trigger for one in her.decided if one.outcome == "opened" and one.trigger == "strong"] == opens


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("[flags]\nx = \"profile.treatment.tier.tone == 'vip'\"", "treatments follow from them"),
        ("[[segment]]\nname = 'x'\nwhy = 'x'\nwhen = \"profile.treatment.stage.focus == 'winback'\"", "treatments follow from them"),
    ],
)
def test_nobody_is_sorted_by_her_treatment(rows: str, said: str) -> None:
    assert any(said in one for one in problems(f"{GOOD}\n{rows}\n")), problems(f"{GOOD}\n{rows}\n")


@pytest.mark.parametrize(
    ("asked", "odd"),
    [
        ("tier.discount == 'stong'", True),
        ("tier.discount == 'strong'", False),
        ("stage.focus == 'vip'", True),
        ("tier.every_days < 0", True),
    ],
)
def test_lint_knows_how_anybody_is_treated(asked: str, odd: bool) -> None:
    row = f"name = 'x'\nwhy = 'x'\nopen = {{ on = 'cart_add', when = \"profile.treatment.{asked}\" }}\nwait = '1h'\nsend = 'referral'\n"
    text = f"{GUIDED}[[trigger]]\n{row}"
    found = [str(one) for one in lint(compile_artifact("mine@1", build_text(text)), text, "p.toml")]
    assert any("always false, so nothing opens this trigger" in one for one in found) is odd, found


# --- triggers on them -----------------------------------------------------------------------------------------------------------------


def test_time_alone_makes_her_lapsed_and_a_mail_goes_out_at_that_tick() -> None:
    #
    the = mine(
        "[[segment]]\nname = 'lapsed'\nwhy = 'x'\nwhen = 'profile.orders >= 1 && profile.days_since_order >= 90'\n"
        "[[trigger]]\nname = 'third'\nwhy = 'x'\nopen = { on = 'segment_entered', when = \"event.segment == 'lapsed'\" }\n"
        "cancel = [{ on = 'segment_left' }]\nwait = '0s'\nsend = 'referral'\nfollow_up = [{ wait = '1d', send = 'referral' }]"
    )
    her = Her(the)
    her.event("purchase", 0, order_id="o-1", total=20)
    her.until(90 * DAY - 1)
    assert her.sends() == []
    her.until(90 * DAY)
    assert [one.message for one in her.plans] == ["referral"]
    (plan,) = her.plans
    entered = next(one for one in her.concluded if one.kind == "segment_entered")
    assert (plan.opened_at, plan.cause) == (entered.ts, [entered.cause])
    her.event("purchase", 90 * DAY + HOUR, order_id="o-2", total=20)
    her.until(100 * DAY)
    assert len(her.plans) == 1, "she bought: leaving the segment cancels the rest"
    assert ("third", 1, "cancelled", "cancelled_by_event") in her.decisions()
