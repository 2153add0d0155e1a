"""Guide S0 to the letter: PredictiveChurnTrigger and LifecyclePersonalization, row by row, and what its classes call but never define."""

from __future__ import annotations

import math

import pytest

from app.domain.standing import Standing
from app.domain.trigger import Trigger
from tests.her import DAY, HOUR, MONDAY, Her, clock, pack

S0 = pack("s0")
STAGES = {
    # (focus, hours between two messages)
    "prospect": ("education", 168),
    "new_customer": ("onboarding", 56),
    "active": ("engagement", 84),
    "loyal": ("retention", 168),
    "at_risk": ("winback", 24),
    "dormant": ("reactivation", 720),
}


def row(name: str) -> Trigger:
    return S0.by_name[name]


def mails(her: Her, trigger: str) -> list[tuple[str, str]]:
    return [(plan.message, clock(plan.at)) for plan in her.plans if plan.trigger == trigger]


def test_what_s0_holds() -> None:
    # interface.md section 6
    assert sorted(S0.by_name) == [
        "churn_watch",
        "lifecycle_programme",
        "lifecycle_transition",
        "primary_interest",
        "replenishment",
        "welcome",
        "win_back",
    ]
    assert (S0.goes_by.stage, S0.goes_by.tier) == ("s0", "s0")
    assert [(one.name, one.most, one.triggers) for one in S0.contact.caps] == [("week", 7, ())]


# --- PredictiveChurnTrigger -------------------------------------------------------------------------------------------------------


def test_the_intervention_threshold() -> None:
    # A-130; X-01: strictly above; A.25 fault 5: a cool-down, so that every scoring does not fire again
    (level,) = S0.churn_levels
    assert (level.name, level.threshold, level.cool_down, level.falls) == ("watch", 0.65, 30 * DAY, 0.5)
    assert row("churn_watch").opening.on == ("churn_level",)


def test_the_retention_campaign_by_value() -> None:
    # A-132, in the guide's order: value before sensitivity before the rest
    (step,) = row("churn_watch").steps
    told = [(one.when.text, one.message, one.offer.kind, one.offer.discount) for one in step.choices if one.offer is not None]
    assert told == [
        ("profile.clv.value > 500", "vip-retention", "vip_retention", 0.25),
        ("profile.price_sensitivity > 0.7", "discount-retention", "discount_retention", 0.20),
    ]
    assert step.offer is not None and (step.message, step.offer.kind, step.offer.discount) == ("value-retention", "value_retention", 0.10)


@pytest.mark.parametrize(
    ("spent", "sensitivity", "message"),
    [
        # A-132 at its borders: strictly above both
        (500.01, 0.9, "vip-retention"),
        (500.0, 0.71, "discount-retention"),
        (500.0, 0.7, "value-retention"),
        (0.0, 0.0, "value-retention"),
    ],
)
def test_the_borders_of_the_campaigns(spent: float, sensitivity: float, message: str) -> None:
    (step,) = row("churn_watch").steps
    facts = {"profile": {"clv": {"value": spent}, "price_sensitivity": sensitivity}}
    chosen = next((one.message for one in step.choices if one.when.evaluate(facts).holds), step.message)
    assert chosen == message


def regular(name: str = "s0", **more: object) -> Her:
    """Orders every ten days; more than 0.65 likely to be gone 10 × (1 − ln 0.35) days after the last."""
    her = Her(name, **more)  # type: ignore[arg-type]
    for n in range(4):
        her.event("purchase", n * 10 * DAY, order_id=f"o{n}", total=20.0, currency="EUR")
    return her


GONE = 30 * DAY + math.floor(10 * DAY * (1 - math.log(0.35))) + 1


def test_no_consent_no_campaign() -> None:
    # A.25 fault 6: the guide's class asks nobody
    her = regular(assume=frozenset(("address",)))
    her.until(60 * DAY)
    ended = [(one.outcome, one.reason) for one in her.decided if one.trigger == "churn_watch"]
    assert ("not_sent", "no_consent") in ended and mails(her, "churn_watch") == []


def test_the_cool_down_of_the_churn_trigger() -> None:
    # A.25 fault 5, X-01: above it again within 30 days is no second campaign
    her = regular()
    her.until(GONE + DAY)
    reached = [one for one in her.concluded if one.kind == "churn_level" and one.values["event"]["risen"]]
    assert [one.ts for one in reached] == [MONDAY + GONE]
    her.event("purchase", GONE + 2 * DAY, order_id="back", total=20.0, currency="EUR")
    her.until(GONE + 120 * DAY)
    reached = [one.ts - MONDAY for one in her.concluded if one.kind == "churn_level" and one.values["event"]["risen"]]
    mean = (GONE + 2 * DAY) / 4
    again = GONE + 2 * DAY + mean * (1 - math.log(0.35))
    assert reached[0] == GONE and reached[1] == pytest.approx(max(again, GONE + 30 * DAY), abs=2)


# --- LifecyclePersonalization -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_focus_and_frequency_of_each_stage(stage: str) -> None:
    # get_content_strategy(focus) is the message programme-<focus>, send_frequency the interval of its treatment
    focus, hours = STAGES[stage]
    treated = S0.treatment("stage", "s0", stage)
    assert treated is not None and (treated.focus, treated.every) == (focus, hours * HOUR)
    (step,) = row("lifecycle_programme").steps
    facts = {"profile": {"treatment": {"stage": {"focus": focus}}}}
    chosen = next((one.message for one in step.choices if one.when.evaluate(facts).holds), step.message)
    assert chosen == f"programme-{focus}"


def test_the_programme_while_the_stage_lasts() -> None:
    # weekly as a prospect, from the day she can be written to; three times a week as a new customer; then as active twice
    her = Her("s0")
    her.event("identify", 0, traits={"email": "ann@shop.example"})
    her.event("purchase", 15 * DAY, order_id="o1", total=20.0, currency="EUR")
    her.until(20 * DAY)
    programme = mails(her, "lifecycle_programme")
    assert programme[:3] == [("programme-education", f"{day} 00:00:00") for day in (0, 7, 14)]
    assert programme[3:] == [("programme-onboarding", clock(MONDAY + 15 * DAY + n * 56 * HOUR)) for n in range(3)]


def test_a_message_for_each_transition_but_those_that_others_speak_of() -> None:
    #
    (step,) = row("lifecycle_transition").steps
    when = row("lifecycle_transition").opening.when
    assert when is not None
    told = {}
    for before in (None, *STAGES):
        for stage in STAGES:
            event = {"scheme": "s0", "stage": stage, "before": before}
            if when.evaluate({"event": event}).holds:
                told[stage] = next((one.message for one in step.choices if one.when.evaluate({"event": event}).holds), step.message)
    assert told == {stage: f"stage-{stage.replace('_', '-')}" for stage in ("active", "loyal", "at_risk", "dormant")}
    assert not when.evaluate({"event": {"scheme": "s1", "stage": "at_risk", "before": "x"}}).holds
    assert not when.evaluate({"event": {"scheme": "s0", "stage": "active", "before": None}}).holds


@pytest.mark.parametrize(("stage", "grouped"), [("active", False), ("loyal", False), ("at_risk", True), ("dormant", True)])
def test_only_sad_transitions_are_retention(stage: str, grouped: bool) -> None:
    # Section 6: lifecycle_transition into at_risk or dormant
    only = row("lifecycle_transition").group_when
    assert only is not None and only.evaluate({"event": {"stage": stage}}).holds is grouped


def test_what_is_kept_of_a_standing_survives_its_bytes() -> None:
    import msgspec

    one = Standing({"s0": ("active", 1)}, {"in_stage": 1}, each={"in_stage": "active"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Standing) == one
