"""A story per trigger that waits for what she does not do, in the packs that ship (interface.md section 7)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.domain.contact_policy import ContactPolicy
from tests.her import DAY, HOUR, MINUTE, SECOND, UNGATED, Her, pack

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "category": "shoes"}
SOCK = {"product_id": "p2", "product_name": "Sock", "price": 9.5, "category": "socks"}
both = pytest.mark.parametrize("name", ["s1", UNGATED])


def mails(her: Her, trigger: str) -> list[tuple[str, str]]:
    """(message, when) of one trigger's mails."""
    return [sent for sent, plan in zip(her.sends(), her.plans, strict=True) if plan.trigger == trigger]


def reasons(her: Her, trigger: str) -> list[str | None]:
    """Why steps of a trigger ended without a mail."""
    return [reason for name, _, outcome, reason in her.decisions() if name == trigger and outcome in ("cancelled", "not_sent")]


@both
def test_she_searches_and_looks_at_nothing(name: str) -> None:
    # wait 30 min, follow-up 48 h
    her = Her(name)
    her.event("search", 0, query="trail shoes", results=12)
    her.until(5 * DAY)
    assert mails(her, "search_abandonment") == [("search-alternatives", "0 00:30:00"), ("category-exploration", "2 00:30:00")]
    assert [plan.view["event"].get("query") for plan in her.plans if plan.trigger == "search_abandonment"] == ["trail shoes"] * 2


@both
@pytest.mark.parametrize("look", ["search_click", "product_view"])
def test_any_look_at_a_result_cancels_the_search(name: str, look: str) -> None:
    her = Her(name)
    her.event("search", 0, query="trail shoes")
    her.event(look, 30 * MINUTE - SECOND, **SOCK)
    her.until(5 * DAY)
    assert mails(her, "search_abandonment") == [] and reasons(her, "search_abandonment") == ["cancelled_by_event"] * 2


@both
def test_a_look_that_arrives_before_its_search_cancels_it_too(name: str) -> None:
    her = Her(name)
    her.event("product_view", MINUTE, arrives=MINUTE, **SOCK)
    her.event("search", 0, arrives=2 * MINUTE, query="socks")
    her.until(5 * DAY)
    assert mails(her, "search_abandonment") == []


@both
def test_she_comes_back_to_the_prices(name: str) -> None:
    # multiple visits, 1 h, follow-up 72 h
    her = Her(name)
    her.event("page_view", 0, page_type="pricing")
    her.until(DAY)
    assert mails(her, "pricing_page_focus") == []
    her.event("page_view", 2 * DAY, page_type="pricing")
    her.until(9 * DAY)
    assert mails(her, "pricing_page_focus") == [("value-justification", "2 01:00:00"), ("limited-time-offer", "5 01:00:00")]


@both
def test_a_mail_opened_and_left(name: str) -> None:
    # wait 4 h, the follow-up has another subject; A-112 stays silent without a click
    her = Her(name)
    her.event("product_view", 0, **SHOE, dwell_seconds=40)
    her.until(2 * HOUR)
    first = next(plan for plan in her.plans if plan.message == "product-details")
    her.event("email_open", 3 * HOUR, send_id=first.send_id)
    her.until(6 * DAY)
    assert mails(her, "content_engagement") == [("simplified", "0 07:00:00"), ("simplified-retry", "2 03:00:00")]
    simplified = next(plan for plan in her.plans if plan.message == "simplified")
    assert simplified.view["window"]["products"][0]["product_name"] == "Trail shoe", "what the mail was about"
    assert mails(her, "link_click_pattern") == []


@both
def test_a_click_and_no_purchase(name: str) -> None:
    # 2 h, then answers to objections after 48 h
    her = Her(name)
    her.event("email_open", 0, send_id="theirs")
    her.event("email_click", MINUTE, send_id="theirs", link="https://shop.example/p1")
    her.until(6 * DAY)
    assert mails(her, "link_click_pattern") == [("retargeting-incentive", "0 02:01:00"), ("objections", "2 02:01:00")]
    assert mails(her, "content_engagement") == []
    bought = Her(name)
    bought.event("email_click", 0, send_id="theirs", link="https://shop.example/p1")
    bought.event("purchase", HOUR, order_id="o1", products=[SOCK])
    bought.until(2 * DAY)
    assert mails(bought, "link_click_pattern") == []


def test_a_machine_that_opens_and_clicks_is_not_her() -> None:
    # merged takes human opens and clicks; s1 is the guide's letter
    for name, sent in ((UNGATED, 0), ("s1", 2)):
        her = Her(name)
        her.event("email_open", 0, send_id="theirs", machine=True)
        her.event("email_click", HOUR, send_id="other", machine=True)
        her.until(DAY)
        assert len(mails(her, "content_engagement") + mails(her, "link_click_pattern")) == sent
    for told in ({}, {"machine": False}):
        her = Her(UNGATED)
        her.event("email_open", 0, send_id="theirs", **told)
        her.until(DAY)
        assert len(mails(her, "content_engagement")) == 1


def test_a_short_view_is_answered_after_a_day_and_not_again_after_two() -> None:
    # three triggers, one conversation
    her = Her(UNGATED)
    her.event("product_view", 0, **SHOE, dwell_seconds=5)
    her.until(10 * DAY)
    assert mails(her, "view_no_purchase_24h") == [("personal-follow-up", "1 00:00:00")]
    assert mails(her, "view_no_purchase_48h") == [("abandoned-product", "2 00:00:00")], "the first window ended with its mail"


def test_who_was_reminded_of_a_product_after_two_hours_is_not_asked_again_while_that_goes_on() -> None:
    her = Her(UNGATED)
    her.event("product_view", 0, **SHOE, dwell_seconds=40)
    her.until(10 * DAY)
    assert mails(her, "product_page_abandonment") == [("product-details", "0 02:00:00"), ("related-products", "1 02:00:00")]
    assert reasons(her, "view_no_purchase_24h") == ["suppression_group"]
    assert mails(her, "view_no_purchase_48h") == [("abandoned-product", "2 00:00:00")]


def test_any_purchase_ends_what_views_began_but_the_wish_list_waits_for_its_own() -> None:
    her = Her(UNGATED)
    her.event("product_view", 0, **SHOE, dwell_seconds=5)
    her.event("wishlist_add", 0, **SHOE)
    her.event("purchase", HOUR, order_id="o1", products=[SOCK])
    her.until(30 * DAY)
    assert reasons(her, "view_no_purchase_24h") == reasons(her, "view_no_purchase_48h") == ["cancelled_by_event"]
    assert mails(her, "wishlist") == [("wishlist-reminder", "3 00:00:00"), ("wishlist-last", "17 00:00:00")]
    hers = Her(UNGATED)
    hers.event("wishlist_add", 0, **SHOE)
    hers.event("purchase", DAY, order_id="o1", products=[SHOE])
    hers.until(30 * DAY)
    assert mails(hers, "wishlist") == []


def test_she_comes_back_to_one_product() -> None:
    # the 3rd view of one product in 7 d on another day, no cart_add
    her = Her(UNGATED)
    her.event("product_view", 0, **SHOE, dwell_seconds=5)
    her.event("product_view", HOUR, **SHOE, dwell_seconds=5)
    her.event("product_view", 20 * HOUR, **SHOE, dwell_seconds=5)
    assert "repeat_browsing" not in {name for name, *_ in her.decisions("opened")}
    her.event("product_view", 30 * HOUR, **SHOE, dwell_seconds=5)
    her.until(33 * HOUR)
    assert mails(her, "repeat_browsing") == [("still-interested", "1 09:00:00")]


@pytest.mark.parametrize("arm", [0, 1, 2])
def test_the_cart_is_answered_at_once_after_two_hours_or_after_a_day(arm: int) -> None:
    #
    waits = {"at_once": "0 00:00:00", "after_2h": "0 02:00:00", "after_24h": "1 00:00:00"}
    her = Her(replace(pack("cart-timing"), contact=ContactPolicy()))
    her.event("cart_add", 0, **SHOE)
    her.until(3 * DAY)
    drawn = next(dict(plan.arms)["cart_timing"] for plan in her.plans if plan.trigger == "cart_abandonment")
    first = mails(her, "cart_abandonment")[0]
    assert first == ("cart-reminder", waits[drawn])
    assert her.pack.experiments["cart_abandonment"][0].arms[arm].name == list(waits)[arm]
