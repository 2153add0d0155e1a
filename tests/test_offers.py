"""Offers: the guides' figures row by row, the hard cap on every path, and that waiting makes no offer better or worse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.domain import offering, offers
from app.domain.catalogue import Item, alone
from app.domain.given import Given, counted, first, union, used
from app.domain.granting import granted
from app.domain.offers import Offer, Offering
from app.domain.rendering import render
from app.edges import offer_words
from app.edges.verdict import gates
from app.policy.lint import lint
from app.policy.pack import BadPack, compile_artifact, find
from tests import mails
from tests.her import DAY, HOUR, pack
from tests.offered import HEAD, Shopper, quiz, shop
from tests.test_packs import build_text, problems

S0, S1, MERGED = pack("s0").offers, pack("s1").offers, pack("merged").offers
TIERS0 = {
    # (target, investment, kind, discount, benefits)
    "platinum": (0.40, 0.15, "exclusive_access", 0.0, ("free_shipping", "priority_support")),
    "gold": (0.25, 0.08, "early_access_discount", 0.15, ("free_shipping",)),
    "silver": (0.15, 0.04, "targeted_discount", 0.20, ()),
    "bronze": (0.10, 0.02, "targeted_discount", 0.20, ()),
}


# --- the guide's figures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS0)
def test_targets_and_strategy_by_tier(tier: str) -> None:
    #
    one = offers.strategy(S0, f"s0.{tier}")
    assert one is not None
    assert (one.target_increase, one.investment_ratio, one.kind, one.discount, one.benefits) == TIERS0[tier]


@pytest.mark.parametrize(("tier", "depth"), [("platinum", 3), ("gold", 2), ("silver", 1), ("bronze", 1)])
def test_a_campaign_optimised_for_revenue(tier: str, depth: int) -> None:
    # what the guide's function returns, key by key
    one = offers.strategy(S0, f"s0.{tier}")
    assert one is not None
    timing = {"day": "tuesday", "hour": 9, "by": "hers"}
    target, _, kind, discount, benefits = TIERS0[tier]
    assert offers.optimised(one, timing) == {
        "personalisation_depth": depth,
        "offer_strategy": {"type": kind, "discount_rate": discount, "additional_benefits": list(benefits)},
        "optimal_timing": timing,
        "expected_revenue_lift": target,
    }


@pytest.mark.parametrize(
    ("sensitivity", "margin", "clv", "discount"),
    [
        (1.0, 0.5, 0, 0.30),  # min(0.30, 0.40)
        (1.0, 0.5, 250, 0.22),  # 0.30 × 0.75 = 0.225, rounded half to even as Python does
        (1.0, 0.5, 500, 0.15),
        (1.0, 0.5, 5000, 0.15),  # the factor never falls below 0.5
        (0.5, 0.5, 0, 0.15),
        (0.7, 0.25, 100, 0.13),  # 0.20 × 0.7 × 0.9 = 0.126
        (0.0, 0.5, 0, 0.0),
        (1.0, 0.0, 0, 0.0),
        (1.0, 0.375, 0, 0.30),  # from here on the margin does not bind
    ],
)
def test_the_optimal_discount(sensitivity: float, margin: float, clv: float, discount: float) -> None:
    #
    assert offers.optimal_discount(S0, sensitivity, margin, clv) == discount
    clv_factor, cap = max(0.5, 1 - clv / 1000), min(0.30, margin * 0.8)
    assert discount == pytest.approx(round(cap * sensitivity * clv_factor, 2), abs=0.0101)


def test_expected_revenue_and_conversion() -> None:
    # price × (1 − discount) × conversion probability
    assert offers.expected_revenue(100.0, 0.2, 0.05) == pytest.approx(4.0)
    assert offers.expected_conversion(0.02, 5.0, 0.2) == pytest.approx(0.04)
    assert offers.expected_conversion(0.9, 5.0, 0.3) == 1.0


def test_the_discount_framework_by_persona() -> None:
    # price-sensitive, status-conscious, convenience, value-focused
    for of in (S0, S1, MERGED):
        assert [(one.name, one.kind, one.emphasis) for one in of.personas] == [
            ("price_sensitive", "targeted_discount", ("price_comparison",)),
            ("status_conscious", "exclusive_access", ("exclusive_access", "limited_edition")),
            ("convenience_seeker", "free_shipping", ("free_shipping", "fast_delivery")),
            ("value_focused", "bundle", ("bundle",)),
        ]
        slopes = {one.name: one.elasticity for one in of.personas}
        assert slopes["price_sensitive"] > slopes["value_focused"] > slopes["convenience_seeker"] > slopes["status_conscious"]


@pytest.mark.parametrize(("tier", "discount"), [("high", 0.05), ("medium", 0.10), ("growing", 0.15), ("low", 0.20)])
def test_s1_gives_less_the_more_somebody_is_worth(tier: str, discount: float) -> None:
    # minimal, moderate, of a category, strong
    for of in (S1, MERGED):
        one = offers.strategy(of, f"s1.{tier}")
        assert one is not None and one.discount == discount


def test_which_messages_carry_offers() -> None:
    #
    def carried(name: str) -> dict[str, str]:
        found = {}
        for row in pack(name).triggers:
            for step in row.steps:
                told = [(step.message, step.offer), *((one.message, one.offer) for one in step.choices)]
                found |= {message: one.name or one.kind for message, one in told if one is not None}
        return found

    churn = {kind.replace("_", "-"): kind for kind in ("vip_retention", "discount_retention", "value_retention")}
    welcome = {"welcome-offer": "welcome", "win-back-offer": "win-back"}
    late = {"limited-time-offer": "limited-time", "retargeting-incentive": "incentive", "reactivation-offer": "reactivation"}
    assert carried("s0") == {**churn, **welcome}
    assert carried("s1") == late
    assert carried("merged") == {**churn, **welcome, **late}


def test_precedence_row_before_tier_before_formula() -> None:
    # retention of a row > her tier's strategy > formula
    row, tier, formula = Offer("vip_retention", 0.25), Offer("win_back", by="tier"), Offer("win_back", by="formula")
    persona = S0.personas[0]

    def choose(offer: Offer, tier: str | None) -> tuple[str, float, list[str]]:
        one = offering.choose(offer, S0, tier, persona, 1.0, 0.0)
        return one.kind, one.discount, one.path

    assert choose(row, "s0.platinum") == ("vip_retention", 0.25, ["row"])
    assert choose(tier, "s0.platinum") == ("exclusive_access", 0.0, ["tier"])
    assert choose(tier, "s0.bronze") == ("targeted_discount", 0.20, ["tier"])
    assert choose(tier, None) == ("targeted_discount", 0.30, ["no_tier", "formula"])
    assert choose(formula, "s0.platinum") == ("targeted_discount", 0.30, ["formula"])


# --- the hard cap ------------------------------------------------------------------------------------------------------------------


def asked(path: list[str], discount: float, **more: object) -> dict[str, object]:
    return {
        "kind": "k",
        "discount": discount,
        "path": path,
        "sensitivity": 1.0,
        "clv": 0.0,
        "conversion": 0.02,
        "order_value": 60.0,
        "expires_at": "2026-03-09T00:00:00.000Z",
        **more,
    }


def grant(told: dict[str, object], margin: float | None, of: Offering = S0):  # type: ignore[no-untyped-def]
    view = {"event": {"product_id": "p1"}, "window": {"products": []}}
    one = mails.plan("win-back-offer", view, values={"offer": told})
    found = granted(replace(one, view=view), of, ({"p1": Item("p1", margin=margin, price=500_000)}.get, alone), "secret", None, None, 0)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("margin", "rate"),
    [(None, 0.25), (0.9, 0.25), (0.3125, 0.25), (0.30, 0.24), (0.25, 0.20), (0.1, 0.08), (0.011, None), (0.0, None)],
)
def test_without_the_cap_25_per_cent_would_break_the_rule_below_a_margin_of_3125(margin: float | None, rate: float | None) -> None:
    #
    found = grant(asked(["row"], 0.25), margin)
    assert (found.offer and found.offer["discount"]) == rate
    assert found.values["asked"] == 0.25
    assert found.values.get("margin_assumed", False) is (margin is None)
    if rate == 0.25:
        assert found.values["path"] == ["row"] and "withheld" not in found.values
    elif rate is None:
        assert found.values["withheld"] == "nothing_left"


@given(
    path=st.sampled_from([["row"], ["tier"], ["formula"], ["no_tier", "formula"], ["row", "kept"], ["tier", "held"]]),
    discount=st.floats(0.0, 0.99),
    margin=st.none() | st.floats(0.0, 1.0),
    sensitivity=st.floats(-1.0, 2.0),
    clv=st.floats(-1000.0, 100_000.0),
    of=st.builds(
        Offering,
        default_margin=st.floats(0.0, 1.0),
        cap=st.floats(0.0, 0.3),
        margin_share=st.floats(0.0, 0.8),
        clv_full=st.floats(1.0, 5_000.0),
        clv_least=st.floats(0.0, 1.0),
    ),
)
def test_no_offer_is_above_its_cap_on_any_path(
    path: list[str], discount: float, margin: float | None, sensitivity: float, clv: float, of: Offering
) -> None:
    # min(0.30, 0.8 × margin), whatever asked for it
    more = {"held": True, "code": "X"} if path[-1] == "held" else {}
    found = grant(asked(path, discount, sensitivity=sensitivity, clv=clv, **more), margin, of)
    known = of.default_margin if margin is None else min(margin, of.default_margin)
    rate = found.offer["discount"] if found.offer is not None else 0.0
    assert 0 <= rate <= min(0.30, 0.8 * known) + 1e-6
    assert rate <= of.cap and rate <= max(0.0, of.margin_share * known) + 1e-6


def test_the_least_margin_of_what_it_is_about_counts() -> None:
    # A code is good for the whole order: the rich margin of one thing must not pay for another
    view = {"window": {"products": [{"product_id": "rich"}, {"product_id": "poor"}]}}
    items = {"rich": Item("rich", margin=0.9), "poor": Item("poor", margin=0.2)}
    one = replace(mails.plan("win-back-offer", values={"offer": asked(["row"], 0.25)}), view=view)
    found = granted(one, S0, (items.get, alone), "secret", None, None, 0)
    assert found is not None and found.offer is not None
    assert (found.offer["discount"], found.values["margin"], found.values["cap"]) == (0.16, 0.2, 0.16)


COAT = Item("coat-m", group_id="coat", margin=0.1, price=500_000)


@pytest.mark.parametrize(
    "view",
    [
        {"event": {"product_id": "coat-m"}},
        {"event": {"product_id": "coat"}},
        {"event": {"product_id": "coat-xl", "item_group_id": "coat"}},
        {"event": {"item_group_id": "coat", "product_name": "Coat"}},
        {"event": {"product_ids": ["rich", "coat-m"]}},
        {"event": {"product_id": "rich"}, "window": {"products": [{"product_id": None, "item_group_id": "coat"}]}},
        {"order": {"products": [*({"product_id": f"rich{n}"} for n in range(50)), {"product_id": "coat"}]}},
    ],
)
def test_the_cap_knows_a_product_by_its_family_and_in_every_place(view: dict[str, Any]) -> None:
    # min(0.30, 0.8 × margin) on every path; shops send the parent in views and the size in orders
    def family(group_id: str) -> list[Item]:
        return [COAT, Item("coat-l", group_id="coat", margin=0.3)] if group_id == "coat" else []

    def item(product_id: str) -> Item | None:
        return COAT if product_id == "coat-m" else Item(product_id, margin=0.5) if product_id.startswith("rich") else None

    one = replace(mails.plan("win-back-offer", values={"offer": asked(["row"], 0.25)}), view=view)
    found = granted(one, S0, (item, family), "secret", None, None, 0)
    assert found is not None and found.offer is not None and found.offer["discount"] == 0.08


def test_the_formula_goes_by_the_margin_of_the_product_and_the_values_tell_everything() -> None:
    #
    found = grant(asked(["formula"], 0.30, sensitivity=0.8, clv=200.0, elasticity=5.0), 0.25)
    values = found.values
    assert values["discount"] == 0.13  # 0.20 × 0.8 × 0.8
    assert values["expected_conversion"] == pytest.approx(0.02 * (1 + 5 * 0.13))
    assert values["expected_revenue"] == pytest.approx(50.0 * 0.87 * 0.033, abs=1e-3)
    assert {"margin", "cap", "asked", "sensitivity", "clv", "path"} <= values.keys()


def test_a_plan_of_an_earlier_version_is_capped_like_any_other() -> None:
    found = grant({"kind": "vip_retention", "discount": 0.25}, 0.25)
    assert found.offer is not None and found.offer["discount"] == 0.20


def test_benefits_alone_need_no_margin() -> None:
    # platinum gets exclusivity and no discount
    found = grant(asked(["tier"], 0.0, benefits=["free_shipping", "priority_support"]), 0.0)
    assert found.offer is not None and found.offer["benefits"] == ["free_shipping", "priority_support"]
    text = render(mails.shipped()["win-back-offer"], {**mails.MINIMAL, "offer": found.offer, "unsubscribe_url": "https://x.example/u"}).text
    assert "Free shipping, priority support." in text and "% off" not in text


# --- waiting -----------------------------------------------------------------------------------------------------------------------

RISING = """
[[offer]]
name = "first"
why  = "10 %"
kind = "nudge"
discount = 0.10

[[offer]]
name = "second"
why  = "15 %, to the same person"
kind = "nudge"
discount = 0.15
"""
CHAIN = (
    'follow_up = [{ wait = "3d", send = "reactivation-offer", offer = "second" },'
    + ' { wait = "10d", send = "high-value-last", offer = "second" }]'
)
FIGURES = '\n[offers]\nwhy = "ours"\nvalid = "7d"\nkeeps = "30d"\n'


def test_she_gets_10_per_cent_waits_and_is_offered_neither_15_nor_less() -> None:
    her = Shopper(shop(FIGURES + RISING + quiz('"first"', CHAIN)))
    her.event("quiz_done", 0)
    her.until(20 * DAY)
    one, two, three = her.offers
    assert one is not None and two is not None and three is not None
    assert (one[1], two[1], three[1]) == (0.10, 0.10, 0.10)
    assert two[2] == one[2], "what she holds is told again, with its code"
    assert [mail.offer and mail.offer["expires_at"][:10] for mail in her.mails] == ["2026-03-09", "2026-03-09", "2026-03-22"]
    assert three[2] != one[2], "the first has run out: the same rate, under a code of its own"
    assert her.told[-1].values["offer"]["path"] == ["row", "kept"] and her.told[-1].values["offer"]["asked"] == 0.15
    assert her.told[1].values["offer"]["path"] == ["row", "kept", "held"]


def test_a_pack_may_let_an_offer_rise() -> None:
    her = Shopper(
        shop(
            FIGURES
            + RISING.replace('kind = "nudge"\ndiscount = 0.15', 'kind = "nudge"\ndiscount = 0.15\nrises = true')
            + quiz('"first"', CHAIN)
        )
    )
    her.event("quiz_done", 0)
    her.until(20 * DAY)
    assert her.rates == [0.10, 0.15, 0.15]


def test_a_later_message_never_offers_less_than_what_she_holds() -> None:
    # 20 % of one kind, then a row of another that would give 10 %
    less = RISING.replace('kind = "nudge"\ndiscount = 0.15', 'kind = "other"\ndiscount = 0.05')
    her = Shopper(shop(FIGURES + less + quiz('"first"') + quiz('"second"', name="later", on="search")))
    her.event("quiz_done", 0)
    her.event("search", DAY, query="boots")
    her.until(3 * DAY)
    assert her.rates == [0.10, 0.10] and her.offers[0] == her.offers[1]
    her.event("search", 20 * DAY, query="boots")
    her.until(21 * DAY)
    assert her.rates[2] == 0.05, "what she held has run out, and this is of another kind"


def test_more_of_another_kind_may_come_on_top() -> None:
    more = RISING.replace('kind = "nudge"\ndiscount = 0.15', 'kind = "other"\ndiscount = 0.15')
    her = Shopper(shop(FIGURES + more + quiz('"first"') + quiz('"second"', name="later", on="search")))
    her.event("quiz_done", 0)
    her.event("search", DAY, query="boots")
    her.until(3 * DAY)
    assert her.rates == [0.10, 0.15]


def test_what_she_goes_by_is_told_to_the_template_and_promised_to_nobody() -> None:
    # the kind and what comes first by persona; only benefits that a row or her tier names are printed
    persona = '[[offer_persona]]\nname = "keen"\nwhy = "y"\nkind = "bundle"\nemphasis = ["price_comparison"]\nelasticity = 3.0\n'
    her = Shopper(shop(FIGURES + persona + '[[offer]]\nname = "f"\nwhy = "y"\nkind = "k"\nby = "formula"\n' + quiz('"f"')))
    her.event("quiz_done", 0)
    her.until(DAY)
    (mail,) = her.mails
    assert mail.offer is not None and (mail.offer["kind"], mail.offer["discount"], mail.offer["emphasis"]) == (
        "bundle",
        0.15,
        ["price_comparison"],
    )
    assert "rice comparison" not in mail.text and "benefits" not in mail.offer


def test_the_same_kind_keeps_its_rate_for_as_long_as_the_pack_says() -> None:
    her = Shopper(shop(FIGURES + RISING + quiz('"first"') + quiz('"second"', name="later", on="search")))
    her.event("quiz_done", 0)
    her.event("search", 20 * DAY, query="boots")
    her.event("search", 70 * DAY, query="boots")
    her.until(80 * DAY)
    assert her.rates == [0.10, 0.10, 0.15], "after 30 days without an offer of the kind the row's own rate counts again"


def test_what_she_holds_is_not_told_again_where_the_cap_is_lower() -> None:
    # Rule 3 of given.py: the cap goes first, and she keeps what she holds
    items = {"thin": Item("thin", margin=0.1)}
    her = Shopper(shop(FIGURES + RISING + quiz('"first"') + quiz('"second"', name="later", on="product_view")), items)
    her.event("quiz_done", 0)
    her.event("product_view", DAY, product_id="thin", category="shoes")
    her.until(3 * DAY)
    assert her.rates == [0.10, None]
    assert her.told[-1].values["offer"]["withheld"] == "cap"


def test_who_has_used_her_offer_gets_a_new_code_at_the_same_rate() -> None:
    her = Shopper(shop(FIGURES + RISING + quiz('"first"')))
    her.event("quiz_done", 0)
    her.until(DAY)
    (one,) = her.offers
    assert one is not None
    her.event("purchase", DAY, order_id="o1", total=50.0, currency="EUR", coupon=one[2].lower().replace("-", ""))
    her.event("purchase", DAY + HOUR, order_id="o1", product_id="p2", price=5.0, coupon=one[2])
    assert [(told.kind, told.value, told.values) for told in her.concluded if told.kind.startswith("offer")] == [
        ("offer_redeemed", "nudge", {"code": one[2], "discount": 0.1, "order_id": "o1"})
    ], "another line of the order is no second use"
    her.event("purchase", 2 * DAY, order_id="o2", total=20.0, currency="EUR", coupon=one[2])
    assert [told.kind for told in her.concluded if told.kind.startswith("offer")] == ["offer_redeemed", "offer_reused"]
    her.event("quiz_done", 3 * DAY)
    her.until(5 * DAY)
    assert her.rates == [0.1, 0.1] and her.offers[1] != her.offers[0]


def test_offers_survive_a_crash_and_become_one_with_somebody_elses() -> None:
    her = Shopper(shop(FIGURES + RISING + quiz('"first"')))
    her.event("quiz_done", 0)
    her.until(DAY)
    before = her.group.person.windows.offers
    her.store_and_load()
    assert her.group.person.windows.offers == before and len(before) == 1
    (mine,) = before
    theirs = (replace(mine, code=""), Given(mine.at + 1, 7, 8, "nudge", 0.2, mine.expires_at, 0, "X"))
    assert union(before, theirs) == (mine, theirs[1]) == union(theirs, before)


def test_the_ledger_is_bounded_and_counts_what_may_still_cost() -> None:
    one = Given(1_000 * DAY, 1, 2, "k", 0.1, 1_007 * DAY, 50, "AAAA")
    assert counted((one,), 1_005 * DAY) == 50
    assert counted((one,), 1_011 * DAY) == 0, "nobody used it, and nobody can"
    spent, found = used((one,), ["AAAA"], "o1")
    assert [kind for kind, _ in found] == ["offer_redeemed"]
    assert counted(spent, 1_011 * DAY) == 50 and counted(spent, 1_093 * DAY) == 0
    assert first((one,), "k", "w", 1_089 * DAY, 90 * DAY) == one and first((one,), "k", "w", 1_090 * DAY, 90 * DAY) is None


# --- packs -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\n', "either a discount, or by = 'tier' or 'formula', or benefits alone"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\nby = "formula"\n', "either a discount, or by"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\nby = "guess"\n', "by: tier or formula, not 'guess'"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\nby = "tier"\n', "by: [goes_by] names no tier scheme"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 1.5\n', "discount: a share from 0 to 1, not 1.5"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\ncampaign = "c"\n', "campaign: up_to is missing"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\nvalid = "2h"\n', "valid: at least 1d"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\nup_to = 5\n', "[offers] has no currency"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\nsurprise = 5\n', "unknown field 'surprise'"),
        ('[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\nbenefits = ["Free Shipping"]\n', "benefits: snake_case such as free_shipping"),
        ('[offers]\nwhy = "x"\nbudget_per_person = 10\ncurrency = "EUR"\n', "budget_per_person: up_to is missing"),
        ('[offers]\nwhy = "x"\nup_to = 10\n', "currency is missing"),
        ('[offers]\nwhy = "x"\ndefault_margin = 2\n', "default_margin: a number, 0 to 1, not 2"),
        ('[[offer_tier]]\ntier = "s0.gold"\nwhy = "x"\nkind = "k"\ndiscount = 0.1\n', "tier: no tier 's0.gold'"),
        ('[[offer_persona]]\nname = "x"\nwhy = "y"\nkind = "k"\nwhen = "profile.wealth > 1"\n', "when: profile has no 'wealth'"),
        (quiz('"nobody"'), "offer: no [[offer]] named 'nobody'"),
    ],
)
def test_a_bad_offer_is_refused_with_its_line(text: str, why: str) -> None:
    found = problems(HEAD + text)
    assert any(why in one and one.startswith("p.toml:") for one in found), found
    assert all(int(one.split(":")[1]) > HEAD.count("\n") for one in found if why in one)


def linted(text: str) -> list[str]:
    artifact = build_text(HEAD + text)
    return [
        one.message
        for one in lint(compile_artifact("own@1", artifact), HEAD + text, "p.toml")
        if "offer" in one.message or "%" in one.message
    ]


def test_what_lint_says_of_offers() -> None:
    told = quiz(
        "{ kind = 'k', discount = 0.4 }", 'follow_up = [{ wait = "1d", send = "cart-reminder", offer = { kind = "k", discount = 0.1 } }]'
    )
    assert linted(told) == [
        "40 % is always cut: no offer takes more than 30 % off",
        "message 'cart-reminder' never prints its offer: nobody would hear of k",
    ]
    unused = '[[offer]]\nname = "x"\nwhy = "y"\nkind = "k"\ndiscount = 0.1\n'
    assert linted(unused + quiz("{ kind = 'k', discount = 0.1 }")) == ["offer 'x' is made by no trigger"]
    thin = '[offers]\nwhy = "x"\ndefault_margin = 0.1\n'
    assert linted(thin + quiz("{ kind = 'k', discount = 0.1 }")) == ["10 % is always cut: no offer takes more than 8 % off"]
    persona = '[[offer_persona]]\nname = "{0}"\nwhy = "y"\nkind = "k"\n'
    assert linted(persona.format("a") + persona.format("b") + quiz("{ kind = 'k', discount = 0.1 }")) == [
        "unreachable: an earlier offer persona has everybody, so nobody is 'b'"
    ]
    for name in ("s0", "s1", "merged"):
        text = find(name).read_text("utf-8")
        assert not [one for one in lint(pack(name), text, name) if "offer" in one.message and "print" in one.message]


# --- told ----------------------------------------------------------------------------------------------------------------------------


def test_explain_says_why_this_offer() -> None:
    her = Shopper(shop(FIGURES + RISING + quiz('"first"', CHAIN)), {"p1": Item("p1", margin=0.1)})
    her.event("quiz_done", 0, product_id="p1")
    her.until(20 * DAY)
    first, later = gates(her.told[0]), gates(her.told[1])
    code = her.mails[0].offer and her.mails[0].offer["code"]
    assert f"offer: nudge, 8 % off, code {code}, until 2026-03-09" in first
    assert "offer made: the trigger's row says so, which goes before tier and formula; cut to the cap (asked for was 10 %)" in first
    assert any(line.startswith("offer by: margin 0.1, cap 0.08, sensitivity 0.5") for line in first)
    assert any("the one she holds, with its code (asked for was 8 %)" in line or "the one she holds" in line for line in later)
    withheld = grant(asked(["row"], 0.25), 0.0)
    assert offer_words.lines(withheld.values)[0] == "offer: none; k was withheld: nothing is left of it"


def test_a_pack_that_extends_another_restates_an_offer_for_all_that_name_it() -> None:
    text = 'name = "own"\nwhy = "ours"\nextends = "s1"\n[[offer]]\nname = "incentive"\nwhy = "5 %"\nkind = "incentive"\ndiscount = 0.05\n'
    own = compile_artifact("own@1", build_text(text))
    offer = own.by_name["link_click_pattern"].steps[0].offer
    assert offer is not None and (offer.discount, offer.by) == (0.05, "")
    with pytest.raises(BadPack):
        compile_artifact("own@1", build_text(text.replace("0.05", "5")))
