"""The other scores, each by a person reckoned by hand; and what a pack may say about all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain import price, propensity
from app.domain.facts import Facts, of
from app.domain.figures import POINTS
from app.domain.message_view import SHAPE
from app.domain.paths import STEP
from app.domain.person import Person
from app.domain.points import COUNTED
from app.domain.profile_view import record, tree
from app.domain.scoring import DEFAULT, PriceSensitivity, Scoring
from app.policy.pack import compile_artifact, load
from app.policy.schema import Source
from app.policy.scores import WEIGHTS
from tests.person_story import DAY, HOUR, MINUTE, START, Her
from tests.test_packs import GOOD, build_text, pack


def fact(her: Her, path: str, at: int, scoring: Scoring = DEFAULT) -> Any:
    return Facts(her.person, START + at, scoring).get(path)


# --- points, interest -------------------------------------------------------------------------------------------------------------


def test_points_of_thirty_days() -> None:
    # e-mail open = 2 points; cart addition = 5 points; X-07: three scorers side by side
    her = Her()
    for n in range(3):
        her.does("email_sent", n * HOUR, send_id=f"s-{n}")
    her.does("email_open", 5 * HOUR, send_id="s-0")
    her.does("email_open", 6 * HOUR, send_id="s-0")
    her.does("email_open", 7 * HOUR, send_id="s-1")
    her.does("cart_add", 8 * HOUR, product_id="p1", category="shoes")
    assert fact(her, "profile.points", DAY) == 2 * 2 + 5
    facts = Facts(her.person, START + DAY)
    facts.get("profile.points")
    assert facts.until == START + 30 * DAY  # the first mail leaves, though its opening counts on
    assert fact(her, "profile.points", 30 * DAY + 5 * HOUR) == 2 + 5
    assert fact(her, "profile.points", 31 * DAY) == 0
    seen = her.seen(DAY)["interest"]
    assert seen == {"decayed": {"shoes": 3.0}, "increment": {}, "points": 9.0}
    assert fact(her, "profile.points", DAY, Scoring(points=(("page_view", 1.0),))) == 0
    assert set(POINTS) == set(COUNTED)


# --- price ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deals", "orders", "score"), [(0, 0, 0.5), (0, 2, 0.25), (2, 2, 0.75), (1, 8, 0.2), (3, 3, 0.8)])
def test_price_sensitivity_is_a_shrunk_share(deals: int, orders: int, score: float) -> None:
    # 0-1, > 0.7 means price sensitive; X-16: a float
    assert price.sensitivity(deals, orders, PriceSensitivity()) == pytest.approx(score)


def test_price_sensitivity_of_a_person() -> None:
    # price-sensitivity indicators, discount response rate
    her = Her()
    assert her.seen(0)["price_sensitivity"] == 0.5
    her.does("purchase", 0, order_id="o-1", total=30, coupon="SPRING")
    her.does("purchase", DAY, order_id="o-2", product_id="p1", price=30, compare_at_price=50)
    her.does("purchase", 2 * DAY, order_id="o-3", total=30)
    seen = her.seen(3 * DAY)
    assert (seen["price_sensitivity"], seen["deal_share"]) == (0.6, round(2 / 3, 4))
    assert fact(her, "profile.price_sensitivity", 3 * DAY, Scoring(price_sensitivity=PriceSensitivity(0.0, 1.0))) == 0.5


def test_upsell_is_the_share_of_looks_at_dearer_things_of_a_category_bought_before() -> None:
    # cross-sell / upsell receptivity
    her = Her()
    assert her.seen(0)["upsell"] is None
    her.does("purchase", 0, order_id="o-1", product_id="p0", price=50, category="shoes")
    for n, (cost, category) in enumerate(((100, "shoes"), (61, "shoes"), (60, "shoes"), (20, "shoes"), (500, "hats"))):
        her.does("product_view", DAY + n * MINUTE, product_id=f"v{n}", price=cost, category=category)
    assert her.seen(2 * DAY)["upsell"] == 0.4
    assert her.seen(2 * DAY)["receptivity"] == {"cross": 0.0, "up": None}


# --- mails ------------------------------------------------------------------------------------------------------------------------


def mails() -> Her:
    """Four mails: two about shoes, of which she clicked in one; one about hats, not opened; one about bags, opened."""
    her = Her()
    for n, (category, kind) in enumerate((("shoes", "images"), ("shoes", "images"), ("hats", "text"), ("bags", "video"))):
        her.does("email_sent", n * HOUR, send_id=f"s-{n}", category=category, content_type=kind)
    her.does("email_open", 5 * HOUR, send_id="s-0", device="mobile")
    her.does("email_click", 5 * HOUR + MINUTE, send_id="s-0", link="https://shop.example/1", element="recommendations", device="mobile")
    her.does("email_open", 29 * HOUR, send_id="s-3", device="desktop")
    return her


def test_relevance_is_the_click_rate_of_a_category() -> None:
    # CTR by content category
    assert mails().seen(2 * DAY)["relevance"] == {"bags": 0.0, "hats": 0.0, "shoes": 0.5}
    assert fact(mails(), "profile.relevance.shoes", 2 * DAY) == 0.5
    assert fact(mails(), "profile.relevance.coats", 2 * DAY) is None


def test_personalisation_is_weighted_clicks_in_what_was_chosen_for_her() -> None:
    # weighted engagement across personalised elements
    assert mails().seen(2 * DAY)["personalisation"] == 0.25
    assert fact(mails(), "profile.personalisation", 2 * DAY, Scoring(elements=(("recommendations", 0.5), ("offer", 1.0)))) == 0.125
    assert Her().seen(0)["personalisation"] is None


def test_propensity() -> None:
    # engagement propensity; content-preference forecast; optimal hours
    assert mails().seen(2 * DAY)["propensity"] == {
        "engagement": 0.5,  # (2 + 1) / (4 + 2)
        "content": "images",
        "category": "shoes",
        "hours": [5, 29],  # Monday 5 h, twice; Tuesday 5 h
    }
    assert Her().seen(0)["propensity"] == {"engagement": 0.5, "content": None, "category": None, "hours": []}
    assert fact(mails(), "profile.mobile_share", 2 * DAY) == pytest.approx(2 / 3)


def test_which_opens_count_is_the_packs_word() -> None:
    # options all / human / ignore; clicks as fall-back
    her = Her()
    for n in range(2):
        her.does("email_sent", n * DAY, send_id=f"s-{n}")
    her.does("email_open", 1, send_id="s-0")  # with the send: a machine
    her.does("email_open", DAY + HOUR, send_id="s-1")
    rates = {opens: fact(her, "profile.mail.open_rate_30d", 2 * DAY, Scoring(opens=opens)) for opens in ("all", "human", "ignore")}
    assert rates == {"all": 1.0, "human": 0.5, "ignore": 0.0}
    assert (pack("s1").scoring.opens, pack("merged").scoring.opens) == ("all", "human")


@pytest.mark.parametrize(("email", "orders", "score"), [(0.0, 0, 0.0), (0.4, 5, 0.7), (0.4, 50, 0.7), (1.0, 1, 0.6)])
def test_reactivation(email: float, orders: int, score: float) -> None:
    # interface section 8: 0.5 × engagement.email + 0.5 × min(1, orders / 5)
    assert propensity.reactivation(email, orders) == pytest.approx(score)
    assert Her().seen(0)["reactivation"] is None


# --- who she is ---------------------------------------------------------------------------------------------------------------------


def test_a_profile_that_lacks_a_mandatory_trait_is_flagged() -> None:
    # mandatory fields; flag incomplete profiles
    her = Her()
    her.does("identify", 0, traits={"email": "ann@shop.example"})
    assert (her.seen(1)["complete"], her.seen(1)["missing"]) == (False, ["first_name"])
    her.does("identify", 2, traits={"first_name": "Ann"})
    assert (her.seen(3)["complete"], her.seen(3)["missing"]) == (True, [])
    assert fact(her, "profile.missing", 3, Scoring(mandatory=("phone",))) == ["phone"]


def test_favourites_are_what_she_buys_then_what_she_likes() -> None:
    her = Her()
    for n, category in enumerate(("shoes", "hats", "shoes")):
        her.does("purchase", n * DAY, order_id=f"o-{n}", total=10, category=category)
    her.does("product_view", 4 * DAY, product_id="p1", category="bags")
    her.does("product_view", 4 * DAY, product_id="p2", category="belts")
    seen = her.seen(5 * DAY)
    assert seen["favourite_categories"] == ["shoes", "hats", "bags"]
    assert seen["cycle_days"] == {"shoes": 2.0}


def test_the_record_has_every_field_in_the_same_order_and_templates_know_them() -> None:
    named = """person_id customer_id anonymous_ids traits consent first_seen last_seen orders spent average_order last_purchase_at
        favourite_categories interest primary_interest engagement rfm clv lifecycle segments intent churn price_sensitivity email
        device timezone locale region flags"""
    told = record(Facts(Person("p"), START))
    assert set(named.split()) <= set(told)
    assert list(Her().seen(0)) == list(told)
    assert SHAPE.keys is not None
    shape = SHAPE.keys["profile"].keys
    assert shape is not None and set(shape) == set(told)
    for name, one in shape.items():
        inner = told[name]
        if isinstance(inner, dict) and one.keys:
            assert set(inner) <= set(one.keys), name


def test_conditions_can_name_all_of_it() -> None:
    assert set(record(Facts(Person("p"), START))) <= set(tree()["profile"])
    assert {path for path in STEP if path.startswith("profile.intent.")} == {"profile.intent.level"}


# --- what a pack may say -----------------------------------------------------------------------------------------------------------

SCORES = """
[scores]
opens     = "all"
mandatory = ["phone"]
points    = { purchase = 10, email_click = 3 }

[scores.email]
open_rate  = 0.1
click_rate = 0.5

[scores.purchase]
recency_days = 90
"""


def scored(text: str) -> Source:
    return Source(GOOD + text, "p.toml")


def test_a_pack_says_what_differs() -> None:
    #
    source = scored(SCORES)
    assert source.problems == []
    assert source.scoring.opens == "all"
    assert source.scoring.mandatory == ("phone",)
    assert source.scoring.points == (("purchase", 10.0), ("email_click", 3.0))
    assert (source.scoring.email.open_rate, source.scoring.email.click_rate, source.scoring.email.bought) == (0.1, 0.5, 0.4)
    assert source.scoring.purchase.recency_days == 90
    assert source.scoring.website == DEFAULT.website
    compiled = compile_artifact("mine@1", build_text(GOOD + SCORES))
    her = Her(pack=compiled)
    assert of(her._see()).scoring == compiled.scoring == source.scoring


def test_a_pack_that_extends_another_has_its_figures_but_for_those_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('name = "mine"\nwhy = "x"\nextends = "s1"\n[scores]\nbands = 5\n')
    mine, _ = load(tmp_path / "p.toml")
    assert mine.problems == []
    assert (mine.scoring.opens, mine.scoring.bands) == ("all", 5)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('opens     = "all"', 'opens     = "some"', "opens: all or human or ignore, not 'some'"),
        ('mandatory = ["phone"]', 'mandatory = "phone"', "mandatory: a list of texts"),
        ('mandatory = ["phone"]', 'mandatory = ["phone", "phone"]', "mandatory: names of traits, each once"),
        ("purchase = 10", "purchase = -1", "purchase: a number, 0 to 1e+06, not -1"),
        ("purchase = 10", "refund = 10", "points of 'refund': counted are email_open"),
        ("open_rate  = 0.1", "open_rate  = 0.2", "open_rate, click_rate, bought are weights: they add to 1.1, not to 1"),
        ("open_rate  = 0.1", "open_rate  = true", "open_rate: a number, 0 to 1, not True"),
        ("open_rate  = 0.1", "opened  = 0.1", "unknown field 'opened'"),
        ("recency_days = 90", "recency_days = 0", "recency_days: a whole number, 1 to 1000000"),
        ("recency_days = 90", "frequency_full_at = 0", "frequency_full_at: a number, 0.001 to 1e+06, not 0"),
        ("[scores]", "[scores]\nbands = 1", "bands: a whole number, 2 to 100"),
    ],
)
def test_each_fault_of_it_has_its_line(old: str, new: str, said: str) -> None:
    assert old in SCORES
    text = GOOD + SCORES.replace(old, new, 1)
    found = [str(one) for one in Source(text, "p.toml").problems]
    wrong = next(n for n, line in enumerate(text.splitlines(), 1) if new.splitlines()[-1] in line)
    at = wrong - 1 if "weights" in said else wrong  # of a sum no field is to blame: the table's own line
    assert any(one.startswith(f"p.toml:{at}: ") and said in one for one in found), found


def test_interest_goes_by_the_packs_weights() -> None:
    #
    her = Her(pack=compile_artifact("mine@1", build_text(f"{GOOD}\n[scores.interest]\nproduct_view = 1.5\n")))
    for n, kind in enumerate(("product_view", "cart_add")):
        her.does(kind, n, product_id="p1", category="shoes")
    assert her.seen(1)["interest"]["decayed"] == {"shoes": 4.5}


def test_a_table_of_a_part_needs_no_table_above_it() -> None:
    text = f"{GOOD}\n[scores.email]\nopen_rate = 2\n"
    assert str(Source(text, "p.toml").problems[0]).startswith(f"p.toml:{len(text.splitlines())}: open_rate")


def test_weights_are_those_of_the_guide() -> None:
    #
    for part, names in WEIGHTS.items():
        assert sum(getattr(getattr(DEFAULT, part), name) for name in names) == pytest.approx(1)
    assert pack("merged").scoring == DEFAULT
    assert pack("s1").scoring == Scoring(opens="all")
