"""What changes from one pack to another: a sentence for every field there is, and none forgotten when a type gets a new one."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from app.domain import trigger
from app.domain.brand import Brand
from app.domain.contact_policy import Arbitration, Cap, ContactPolicy, Holidays, Level, QuietHours, Wish
from app.domain.lifecycle import Stage, StageScheme
from app.domain.liking import Weights
from app.domain.message import MessageSource
from app.domain.offers import DiscountPersona, Offer, Offering, Strategy
from app.domain.recommendation import Recommendations, Use
from app.domain.segments import Band, BandScheme, Predicate, Segment, Verdicts
from app.domain.sensitive import Inference, Sensitive
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import By, Treatment
from app.domain.trigger import (
    Arm,
    Cancel,
    Choice,
    ChurnLevel,
    Condition,
    Experiment,
    Goal,
    Group,
    Opening,
    Pack,
    Programme,
    Sender,
    Step,
    Trigger,
    Variant,
)
from app.domain.watching import Watching
from app.policy import conditions, predicate
from app.policy.difference import DERIVED, Change, difference
from app.policy.offer_phrases import MONEY
from app.policy.pack import compile_artifact
from app.policy.phrases import DURATIONS, NUMBERS, PERCENT, PHRASES, SHARES, TIMES, duration
from app.policy.standing_rows import kind_of
from tests.test_packs import DAY, GOOD, HOUR, build_text

KINDS = (
    Pack, Variant, Sender, ChurnLevel, Group, Trigger, Opening, Cancel, Step, Choice, Offer, Goal, Programme, Experiment, Arm,
    MessageSource, Brand, StageScheme, Stage, TierScheme, Tier, BandScheme, Band, Segment, Treatment, By,
    Offering, Strategy, DiscountPersona, Recommendations, Use, Weights, Sensitive, Inference, Watching, ContactPolicy, QuietHours,
    Holidays, Level, Wish, Cap, Arbitration,
)  # fmt: skip
WISHES = (Wish(("weekly",), 1, 7 * DAY), Wish(("never",), 0))
PARTS = {
    "Use", "Weights", "Strategy", "DiscountPersona", "Inference", "Stage", "Tier", "Band", "QuietHours", "Holidays", "Level", "Wish", "Cap",
    "Arbitration",
}  # fmt: skip
"""Kinds that stand within others alone."""


def asks(text: str) -> Condition:
    return conditions.condition(text, conditions.STEP)


def full() -> Pack:
    """A pack that says everything that can be said."""
    opening = Opening(("product_view",), "product", asks("event.price > 3"), True, ("order_line",), 2, 7 * DAY, 2)
    choice = Choice(asks("event.price > 9"), "referral", Offer("vip", 0.1))
    step = Step(2 * HOUR, "product-details", asks("profile.orders > 1"), "sent", (choice,), Offer("retention", 0.25))
    row = Trigger(
        name="first",
        why="one",
        opening=opening,
        cancels=(Cancel(("cart_add",), "product", asks("window.quantity == 0")), Cancel(("purchase",), "person")),
        steps=(step, Step(DAY, "related-products")),
        needs=("email",),
        priority=100,
        restart=False,
        once=False,
        again=DAY,
        late=6 * HOUR,
        expires=DAY,
        group="views",
        goal=Goal(("purchase",), 5 * DAY),
        programme=Programme(7 * DAY, 4),
        converts=0.5,
    )
    arms = (Arm("now", 0.5, wait=0, message="referral", when=asks("profile.orders > 3"), factors=(("tone", "warm"),)), Arm("later", 0.5))
    experiment = Experiment("timing", ("first",), arms)
    pack = compile_artifact("mine@1", build_text(GOOD))
    return replace(
        pack,
        sender=Sender("a@shop.example", "Shop", "help@shop.example"),
        triggers=(row,),
        churn_levels=(ChurnLevel("watch", 0.65, 30),),
        groups={"views": Group("views", "person")},
        experiments={"first": (experiment,)},
        variants={"referral/subject/warm": Variant("warm", "referral", "subject", "A word", asks("profile.orders > 1"))},
        holdout=0.05,
        stage_schemes={"s": StageScheme("s", "one", (Stage("a", "one", judged("profile.orders > 1")), Stage("b", "one")), DAY)},
        tier_schemes={"s": TierScheme("s", "one", (Tier("a", 40), Tier("b", 60)))},
        band_schemes={"s": BandScheme("s", "one", "profile.points", (Band("a", 3), Band("b", 1, True)))},
        segments={"a": Segment("a", "one", judged("profile.orders > 1"))},
        flags={"a": judged("profile.orders > 1")},
        treatments={"tier s.a": Treatment("tier s.a", "one", "tier", "s", "a", 1, 2, DAY, "education", ("news",), "warm", "none")},
        goes_by=By("s", "s"),
        consent_regions={"EU": {"email": "opt_in"}},
        soft_bounces=5,
        sensitive=Sensitive((Inference("health", "one", ("diet",), ("diabetes",)),)),
        offers=Offering(
            currency="EUR",
            up_to=500_000,
            strategies=(Strategy("s.a", "one", "targeted", 0.2, ("free_shipping",), 0.1, 0.02),),
            personas=(DiscountPersona("keen", "one", "bundle", asks("profile.orders > 1"), ("bundle",), 2.0),),
        ),
        contact=ContactPolicy(
            QuietHours(21 * 60, 8 * 60, "Europe/Berlin", (Holidays("DE", ("10-03",)),)),
            (Cap("week", "one", 4, 7 * DAY, "day", "engagement", (Level(5, 0.7, True), Level(1, 0.25)), WISHES, ("first",), "sms"),),
            Arbitration(),
        ),
        recommendations=Recommendations(uses={"referral": Use("referral", "complements", 4)}),
    )


def judged(text: str) -> Predicate:
    return predicate.predicate(text, kind_of)


def other(value: Any, where: str) -> Any:
    """Something else of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value * 2 + 1 if isinstance(value, int) else value / 2
        case str():
            return value + "x"
        case Condition():
            return asks("profile.orders > 77")
        case Predicate():
            return judged("profile.orders > 77")
        case Verdicts():
            return replace(value, rules=value.rules + 1)
        case None:
            return {"idle": True}.get(where, "new")
        case tuple() if value and isinstance(value[0], Struct):
            return (changed(value[0], msgspec.structs.fields(value[0])[0].name), *value[1:])
        case tuple() if value and isinstance(value[0], tuple):
            return ((value[0][0], "cool"), *value[1:])
        case tuple():
            return (*value, "more")
        case frozenset():
            return value | {"more"}
        case dict():
            key = next(iter(value), "key")
            return {**value, key: other(value.get(key, "a"), where)}
        case Struct():
            return changed(value, msgspec.structs.fields(value)[0].name)
    raise AssertionError(where)


def changed(one: Struct, field: str) -> Any:
    return replace(one, **{field: other(getattr(one, field), field)})


def edited(pack: Pack, kind: type[Struct], field: str) -> Pack:
    """The pack with one field of one struct of a kind changed."""
    (first,), ((experiment,),) = pack.triggers, pack.experiments.values()

    def row(**changes: Any) -> Pack:
        return replace(pack, triggers=(replace(first, **changes),))

    match kind.__name__:
        case "Pack":
            return changed(pack, field)
        case "Variant":
            ((name, one),) = pack.variants.items()
            return replace(pack, variants={name: changed(one, field)})
        case "Sender":
            return replace(pack, sender=changed(pack.sender, field))
        case "ChurnLevel":
            return replace(pack, churn_levels=(changed(pack.churn_levels[0], field),))
        case "Group":
            return replace(pack, groups={"views": changed(pack.groups["views"], field)})
        case "Trigger":
            return replace(pack, triggers=(changed(first, field),))
        case "Opening":
            return row(opening=changed(first.opening, field))
        case "Cancel":
            return row(cancels=(changed(first.cancels[0], field), *first.cancels[1:]))
        case "Step":
            return row(steps=(changed(first.steps[0], field), *first.steps[1:]))
        case "Choice":
            step = first.steps[0]
            return row(steps=(replace(step, choices=(changed(step.choices[0], field),)), *first.steps[1:]))
        case "Offer":
            return row(steps=(replace(first.steps[0], offer=changed(first.steps[0].offer, field)), *first.steps[1:]))
        case "Goal":
            return row(goal=changed(first.goal, field))
        case "Programme":
            return row(programme=changed(first.programme, field))
        case "Experiment":
            return replace(pack, experiments={"first": (changed(experiment, field),)})
        case "Arm":
            arms = (changed(experiment.arms[0], field), *experiment.arms[1:])
            return replace(pack, experiments={"first": (replace(experiment, arms=arms),)})
        case "StageScheme" | "TierScheme" | "BandScheme" | "Segment" | "Treatment":
            table = {"StageScheme": "stage_schemes", "TierScheme": "tier_schemes", "BandScheme": "band_schemes"}.get(kind.__name__)
            table = table or f"{kind.__name__.lower()}s"
            ((name, one),) = getattr(pack, table).items()
            return replace(pack, **{table: {name: changed(one, field)}})
        case "Stage" | "Tier" | "Band":
            table, inner = f"{kind.__name__.lower()}_schemes", f"{kind.__name__.lower()}s"
            ((name, one),) = getattr(pack, table).items()
            first_, *rest = getattr(one, inner)
            return replace(pack, **{table: {name: replace(one, **{inner: (changed(first_, field), *rest)})}})
        case "ContactPolicy":
            return replace(pack, contact=changed(pack.contact, field))
        case "QuietHours" | "Arbitration":
            name = {"QuietHours": "quiet_hours"}.get(kind.__name__, "arbitration")
            return replace(pack, contact=replace(pack.contact, **{name: changed(getattr(pack.contact, name), field)}))
        case "Holidays":
            quiet = pack.contact.quiet_hours
            assert quiet is not None
            return replace(pack, contact=replace(pack.contact, quiet_hours=replace(quiet, holidays=(changed(quiet.holidays[0], field),))))
        case "Cap" | "Level" | "Wish":
            [cap] = pack.contact.caps
            if kind is not Cap:
                rows = "steps" if kind is Level else "words"
                first, *more = getattr(cap, rows)
                cap = replace(cap, **{rows: (changed(first, field), *more)})
            return replace(pack, contact=replace(pack.contact, caps=(cap if kind is not Cap else changed(cap, field),)))
        case "Recommendations":
            return replace(pack, recommendations=changed(pack.recommendations, field))
        case "Weights":
            said = pack.recommendations
            return replace(pack, recommendations=replace(said, weights=changed(said.weights, field)))
        case "Use":
            said = pack.recommendations
            return replace(pack, recommendations=replace(said, uses={"referral": changed(said.uses["referral"], field)}))
        case "Sensitive":
            return replace(pack, sensitive=changed(pack.sensitive, field))
        case "Watching":
            return replace(pack, catalogue=changed(pack.catalogue, field))
        case "Inference":
            return replace(pack, sensitive=Sensitive((changed(pack.sensitive.inferences[0], field),)))
        case "Brand":
            return replace(pack, brand=changed(pack.brand, field))
        case "Offering":
            return replace(pack, offers=changed(pack.offers, field))
        case "Strategy" | "DiscountPersona":
            inner = "strategies" if kind is Strategy else "personas"
            return replace(pack, offers=replace(pack.offers, **{inner: (changed(getattr(pack.offers, inner)[0], field),)}))
        case "By":
            return replace(pack, goes_by=changed(pack.goes_by, field))
        case "MessageSource":
            name = next(iter(pack.messages))
            return replace(pack, messages={**pack.messages, name: changed(pack.messages[name], field)})
    raise AssertionError(kind)


EVERY_FIELD = [(kind, field.name) for kind in KINDS for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD, ids=[f"{kind.__name__}.{field}" for kind, field in EVERY_FIELD])
def test_a_change_of_any_field_is_told_in_a_sentence(kind: type[Struct], field: str) -> None:
    pack = full()
    found = difference(pack, edited(pack, kind, field))
    if kind is Pack and field in DERIVED:
        assert found == []
        return
    assert found, f"{kind.__name__}.{field} can change without a word"
    assert (kind, field) in PHRASES, f"say in app/policy/phrases.py how a change of {kind.__name__}.{field} is told"
    for change in found:
        assert change.text and not re.search(r"\{(who|old|new|key|lines)\}|^\s|  ", change.text), change
        assert change.old != change.new
    assert difference(pack, pack) == []


def test_no_kind_and_no_number_of_a_pack_is_forgotten() -> None:
    structs = {name for name, one in vars(trigger).items() if isinstance(one, type) and issubclass(one, Struct)}
    assert structs - {"Struct", "Condition", "Verdict", "Scoring", "Predicate", "Verdicts"} | PARTS == {kind.__name__ for kind in KINDS}
    numbers = {
        (kind, field.name)
        for kind in KINDS
        for field in msgspec.structs.fields(kind)
        if field.type in (int, float, int | None)
        and (kind, field.name) != (ChurnLevel, "threshold")
        and not (kind is Pack and field.name in DERIVED)
    }
    assert numbers == DURATIONS | SHARES | NUMBERS | PERCENT | TIMES | MONEY
    assert set(PHRASES) == set(EVERY_FIELD) - {(Pack, name) for name in DERIVED}


def sentences(old: str, new: str) -> list[str]:
    edited_text = GOOD.replace(old, new, 1)
    assert edited_text != GOOD
    before, after = (compile_artifact("mine@1", build_text(text)) for text in (GOOD, edited_text))
    return [one.text for one in difference(before, after)]


# waits, chains and conditions are data, and a change of them is a sentence
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('wait = "2h"', 'wait = "3h"', "first now waits 3h instead of 2h"),
        ('{ wait = "1d", send', '{ wait = "36h", send', "message 3 of second now waits 36h instead of 1d"),
        ('  { on = "purchase" },\n', "", "first no longer cancels on purchase"),
        ('"purchase" }', '"purchase" }, { on = "search", when = "window.views > 2" }', "first now cancels on search if window.views > 2"),
        ('wait = "2h"', 'wait = "2h"\nrestart = true', "first now waits anew at each repeated opening"),
        ("event.dwell_seconds >= 30", "event.dwell_seconds >= 45", "first now opens only if event.dwell_seconds >= 45 instead of if"),
        (', when = "event.dwell_seconds >= 30"', "", "first no longer asks whether event.dwell_seconds >= 30 to open"),
        ('wait = "2h"', 'wait = "2h"\nagain = "7d"', "first now rests 7d after its last message"),
        ('send = "cart-reminder"', 'send = "cart-last-call"', "message 2 of second now sends cart-last-call instead of cart-reminder"),
        (', when = "profile.orders >= 5"', "", "message 3 of second no longer asks whether profile.orders >= 5 before it sends"),
        ('"opt_in"\n\n', '"opt_out"\n\n', "consent to personalise is now opt_out instead of opt_in"),
        ('name = "Shop"', 'name = "The Shop"', "mails now come in the name of The Shop instead of Shop"),
        ('name = "first"', 'name = "third"', "adds trigger third: one"),
        ('name = "first"', 'name = "third"', "removes trigger first: one"),
        ('  { wait = "1d", send = "referral", when = "profile.orders >= 5" },\n', "", "second no longer goes on with referral 1d after"),
    ],
)
def test_the_sentences(old: str, new: str, said: str) -> None:
    found = sentences(old, new)
    assert any(one.startswith(said) for one in found), found


def test_a_message_that_changes() -> None:
    pack = full()
    message = pack.messages["referral"]
    after = replace(message, subject="Hello", html=message.html + "\nmore\nand more")
    found = [one.text for one in difference(pack, replace(pack, messages={**pack.messages, "referral": after}))]
    assert found == [
        f"message referral: subject changes from “{message.subject}” to “Hello”",
        "message referral: its HTML changes (2 lines in, 0 out)",
    ]


def test_the_order_of_choices_is_a_rule_that_of_triggers_is_none() -> None:
    pack = full()
    step = pack.triggers[0].steps[0]
    one, two = Choice(asks("event.price > 1"), "referral"), Choice(asks("event.price > 2"), "complements")

    def with_choices(*choices: Choice) -> Pack:
        return replace(pack, triggers=(replace(pack.triggers[0], steps=(replace(step, choices=choices),)),))

    assert [change.text for change in difference(with_choices(one, two), with_choices(two, one))] == [
        "first now asks its choices in another order: event.price > 2 before event.price > 1"
    ]
    good = compile_artifact("mine@1", build_text(GOOD))
    assert difference(good, replace(good, triggers=good.triggers[::-1])) == []


def test_a_change_has_its_place_and_both_values() -> None:
    before, after = (compile_artifact("mine@1", build_text(text)) for text in (GOOD, GOOD.replace('"2h"', '"90min"')))
    assert difference(before, after) == [Change("triggers.first.steps.0.wait", "2h", "90min", "first now waits 90min instead of 2h")]


def test_the_same_pack_compiled_twice_does_not_differ() -> None:
    one, two = (compile_artifact("mine@1", build_text(GOOD)) for _ in range(2))
    assert difference(one, two) == []


def test_a_field_that_has_no_phrase_yet_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PHRASES, (Step, "wait"))
    assert sentences('wait = "2h"', 'wait = "3h"') == ["first: wait is now 3h instead of 2h"]


def test_durations_read_as_a_pack_writes_them() -> None:
    assert [duration(ms) for ms in (0, 30_000, 90_000, 30 * 60_000, 2 * HOUR, 36 * HOUR, 3 * DAY, 1_500)] == [
        "0s", "30s", "90s", "30min", "2h", "36h", "3d", "1.5s",
    ]  # fmt: skip
