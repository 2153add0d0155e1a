"""The guides' sample templates, letter by letter as S0 and S2 print them, filled as they mean it (X-25)."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest

from app import events
from app.__main__ import main
from app.domain import aliases
from app.domain.aliases import region_offer
from app.domain.message import MessageSource, profile_keys
from app.domain.recommended import primary_category
from app.domain.rendering import MissingContent, Rendered, render
from app.edges.events_file import encode_lines, milliseconds
from app.policy.pack import build, compile_artifact

PACK = str(Path(__file__).parent / "guide" / "guide.toml")
SHOE: dict[str, Any] = {
    "product_id": "17",
    "product_name": "Trail shoe",
    "name": "Trail shoe",
    "category": "shoes",
    "price": "89.00",
    "regular_price": "119.00",
    "sale_price": "89.00",
    "image": "https://shop.example/17.jpg",
    "image_url": "https://shop.example/17.jpg",
    "url": "https://shop.example/17",
    "key_benefit": "Grips on wet rock",
}
PLAIN = {**{key: value for key, value in SHOE.items() if key not in ("regular_price", "sale_price", "key_benefit")}, "product_id": "18"}
ADA = {"first_name": "Ada", "last_purchase_days_ago": 12, "last_product": "Wool socks"}


@cache
def messages() -> dict[str, MessageSource]:
    return compile_artifact(*build(PACK)).messages


def written(
    name: str = "guide-s0", customer: dict[str, Any] | None = None, picks: list[dict[str, Any]] | None = None, **flags: bool
) -> Rendered:
    view = {
        "customer": ADA if customer is None else customer,
        "profile": {"flags": flags},
        "recommendations": [SHOE] if picks is None else picks,
        "unsubscribe_url": "https://kairos.example/u/1",
    }
    return render(messages()[name], view)


def text(html: str) -> str:
    """With one blank between words and none between tags: what a reader's program makes of it."""
    return re.sub(r"> | <", lambda gap: gap.group().strip(), " ".join(unescape(html).split()))


# every condition of the sample, both ways
@pytest.mark.parametrize(
    ("told", "there", "not_there"),
    [
        ({"high_value": True}, '<div class="vip-header"> <h1>Exclusive for our VIP customers</h1>', "nothing"),
        ({"high_value": False}, "Hi Ada,", "vip-header"),
        ({}, "<p>Thanks for your recent purchase of Wool socks!</p>", "We miss you"),
        ({"customer": {**ADA, "last_purchase_days_ago": 29}}, "Thanks for your recent purchase", "We miss you"),
        ({"customer": {**ADA, "last_purchase_days_ago": 30}}, "We miss you! Here's what's new since your last visit.", "Thanks for"),
        ({"customer": {"first_name": "Ada"}}, "We miss you!", "Thanks for"),
        ({"price_sensitive": True}, '<p class="price-highlight">$89.00 <span class="original-price">$119.00</span>', "feature-highlight"),
        ({"price_sensitive": False}, '<p class="feature-highlight">Grips on wet rock</p>', "price-highlight"),
        ({"mobile_preferred": True}, '<a href="https://shop.example/app" class="cta-button"> Shop Now in App', 'https://shop.example/"'),
        ({"mobile_preferred": False}, '<a href="https://shop.example/" class="cta-button"> Shop Now', "in App"),
        ({"picks": []}, '<div class="personalized-recommendations">', "product-card"),
    ],
)
def test_each_condition_of_the_sample(told: dict[str, Any], there: str, not_there: str) -> None:
    html = text(written(**told).html)
    assert text(there) in html and not_there not in html
    assert "{" not in html.partition("<body")[2]


def test_the_loop_shows_the_category_that_leads() -> None:
    socks = {**SHOE, "product_id": "30", "category": "socks", "name": "Wool socks", "product_name": "Wool socks"}
    sent = written(picks=[SHOE, socks, PLAIN])
    assert sent.html.count('class="product-card"') == 2 and 'data-category="shoes"' in sent.html and "<h3>Wool socks" not in sent.html
    assert '<img src="https://shop.example/17.jpg" alt="Trail shoe"' in text(sent.html)
    assert sent.recommendations == ("17", "18")


# The sample prints prices and benefits without asking whether they are there.
def test_a_product_of_the_loop_never_leaves_a_hole() -> None:
    assert '$89.00<span class="original-price">$89.00' in text(written(picks=[PLAIN], price_sensitive=True).html)
    assert '<p class="feature-highlight">shoes</p>' in written(picks=[PLAIN]).html
    told = written(picks=[{**PLAIN, "text": "Made for mud. And more."}]).html
    assert '<p class="feature-highlight">Made for mud.</p>' in told
    assert primary_category([{"product_name": "No picture", "price": "1.00"}, {**PLAIN, "price": None}]) == []


def test_who_bought_what_nobody_can_tell_is_not_sent_a_hole() -> None:
    with pytest.raises(MissingContent) as missing:
        written(customer={"first_name": "Ada", "last_purchase_days_ago": 3})
    assert missing.value.variable == "customer.last_product"


#
def test_the_placeholders_and_the_condition_of_s2() -> None:
    lapsed = written("guide-s2", {**ADA, "segment": "Lapsed", "region_offer": "Free delivery within Germany"}, high_value=True)
    html = text(lapsed.html)
    assert "Hi Ada" in html and "a reason to come back" in html and "VIP offer" in html
    assert '<a href="https://shop.example/17"><img src="https://shop.example/17.jpg"' in html and "Free delivery within Germany" in html
    assert lapsed.subject == "For you, after a while" and "- Trail shoe, 89.00\n  https://shop.example/17" in lapsed.text
    other = text(written("guide-s2", {**ADA, "segment": "Purchaser", "region_offer": "x"}, []).html)
    assert "come back" not in other and "VIP" not in other and "<img" not in other


@pytest.mark.parametrize(
    ("country", "offer"), [("DE", "de"), ("FR", "eu"), ("US", "all"), (None, "all"), ("EU", "eu")]
)  # the narrowest that fits
def test_a_region_offer_is_that_of_the_narrowest_region(country: str | None, offer: str) -> None:
    assert region_offer(country, {"DE": "de", "EU": "eu", "all": "all"}) == offer
    assert region_offer(country, {}) is None


# The aliases cost nothing where nobody names them.
def test_only_what_is_named_is_looked_up() -> None:
    assert aliases.named(messages()["guide-s0"]) == {"last_purchase_days_ago", "last_product"}
    assert profile_keys(messages()["guide-s0"]) == {"flags"}
    assert aliases.named(messages()["guide-s2"]) == {"segment", "region_offer"}
    assert aliases.named(messages()["cart-reminder"]) == frozenset()
    assert aliases.told((), None, {}) == {}  # type: ignore[arg-type]  # she is not even looked at


# --- from her events to the mail ---------------------------------------------------------------------------------------------------

NOON, MINUTE, DAY = milliseconds("2026-03-02T12:00:00Z") or 0, 60_000, 86_400_000


def event(kind: str, at: int, who: str, **properties: Any) -> dict[str, Any]:
    told = {"event_type": kind, "customer_id": who, "timestamp": events.iso(at), "properties": properties}
    return {"event_id": f"{kind}-{who}-{at}", **told}


def test_the_samples_are_filled_from_what_people_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ada bought socks two weeks ago, Bob last winter; Cleo never did, and has told no name: her mail is not sent, and it is said why."""
    socks = {"product_id": "30", "product_name": "Wool socks", "price": 700}
    buy: dict[str, Any] = {"order_id": "o", "total": 700, "currency": "EUR", "products": [socks]}
    lines = [
        event("identify", NOON - 200 * DAY, "bob", traits={"first_name": "Bob", "country": "US"}),
        event("purchase", NOON - 199 * DAY, "bob", **{**buy, "order_id": "b"}),
        event("identify", NOON - 15 * DAY, "ada", traits={"first_name": "Ada", "country": "DE"}),
        event("product_view", NOON - 14 * DAY - 1, "ada", product_id="30", product_name="Wool socks", price=700.0),
        event("purchase", NOON - 14 * DAY, "ada", **buy),
        *(event("product_view", NOON, who, product_id="17", product_name="Trail shoe", price=89.0) for who in ("ada", "bob", "cleo")),
        *(event("category_view", NOON + MINUTE, who, category="shoes") for who in ("ada", "bob")),
    ]
    (tmp_path / "events.jsonl").write_bytes(encode_lines(lines))
    sends, decisions = tmp_path / "sends", tmp_path / "decisions"
    outputs = ["--sends", str(sends), "--decisions", str(decisions), "--assume-consent", "--assume-address"]
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(tmp_path / "events.jsonl"), "--policy", PACK, "--json", *outputs])
    assert ended.value.code == 0, capsys.readouterr().err
    mails = {(one["customer_id"], one["trigger"]): one for one in map(orjson.loads, sends.read_bytes().splitlines())}
    ada, bob = text(mails["ada", "guide_s0"]["html"]), text(mails["bob", "guide_s0"]["html"])
    assert "Exclusive for our VIP customers" in ada and "Thanks for your recent purchase of Wool socks!" in ada
    assert "We miss you!" in bob and "Hi Bob," in bob
    assert "Free delivery within Germany" in mails["ada", "guide_s2"]["html"] and "come back" not in mails["ada", "guide_s2"]["html"]
    assert "We ship worldwide" in mails["bob", "guide_s2"]["html"] and "a reason to come back" in mails["bob", "guide_s2"]["html"]
    kept = [one for one in map(orjson.loads, decisions.read_bytes().splitlines()) if one["reason"] == "missing_content"]
    assert [(one["customer_id"], one["trigger"], one["values"]["missing"]) for one in kept] == [("cleo", "guide_s0", "customer.first_name")]
