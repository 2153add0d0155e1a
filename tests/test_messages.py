"""Messages when they are saved: built whole, or refused with file, line and reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.domain.message import MessageSource, profile_keys
from app.domain.rendering import render
from app.events import Send
from app.policy.messages import FULL, SHIPPED, build_messages
from tests.mails import EVIL, sent, shipped

NAMES = {
    "product-details",
    "related-products",
    "cart-reminder",
    "cart-last-call",
    "usage-tips",
    "complements",
    "review-request",
    "referral",
    "welcome",
    "welcome-recommendations",
    "welcome-offer",
    "search-alternatives",
    "category-exploration",
    "value-justification",
    "limited-time-offer",
    "simplified",
    "simplified-retry",
    "retargeting-incentive",
    "objections",
    "personal-follow-up",
    "abandoned-product",
    "still-interested",
    "wishlist-reminder",
    "wishlist-last",
    "replenishment",
    "replenishment-last",
    "pre-purchase",
    "purchase-window",
    "category-interest",
    "stage-new-customer",
    "stage-active",
    "stage-loyal",
    "stage-developing",
    "stage-one-time",
    "stage-at-risk",
    "stage-dormant",
    "programme-education",
    "programme-onboarding",
    "programme-engagement",
    "programme-retention",
    "programme-winback",
    "programme-reactivation",
    "win-back",
    "win-back-offer",
    "vip-retention",
    "discount-retention",
    "value-retention",
    "high-value-retention",
    "high-value-last",
    "upgrade-education",
    "reactivation",
    "reactivation-offer",
    "support-follow-up",
    "social-follow-up",
    "ad-follow-up",
    "store-follow-up",
    "season-ahead",
    "weather-picks",
    "near-you",
    "price-drop",
    "back-in-stock",
    "low-stock",
}
PROGRAMMES = sorted(name for name in NAMES if name.startswith("programme-"))
OFFERS = sorted(name for name in NAMES if "offer.discount" in shipped()[name].text)
TEXT = "subject: Hello\npreheader: There\n---\nText {{ unsubscribe_url }}\n"
MJML = """<mjml>
  <mj-body>
    <mj-section>
      <mj-column>
        <mj-text>{body} <a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a></mj-text>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""


def saved(folder: Path, body: str = "Hello", text: str = TEXT, mjml: str | None = None) -> tuple[str, list[str]]:
    """HTML of message `note` and its problems as lines without the folder."""
    (folder / "note.mjml").write_text(mjml if mjml is not None else MJML.format(body=body), "utf-8")
    (folder / "note.txt").write_text(text, "utf-8")
    built, problems = build_messages(["note"], [folder, SHIPPED])
    assert bool(built) is not bool(problems)
    return built["note"].html if built else "", [str(problem).replace(str(folder) + "/", "") for problem in problems]


def test_all_shipped_messages_build() -> None:
    assert set(shipped()) == NAMES
    assert all("<mj-" not in message.html for message in shipped().values())


def test_building_twice_gives_the_same_sources() -> None:
    assert build_messages(NAMES, [SHIPPED])[0] == shipped()


# broken dynamic tags are found before anybody gets a mail
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{{ customer.frist_name }}", "undefined variable customer.frist_name"),
        ("{{ event.prodct_name }}", "undefined variable event.prodct_name"),
        ("{{ nobody.name }}", "unknown variable nobody"),
        ("{{ brand.colour }}", "unknown variable brand.colour"),
        ("{{ brand.website }}", "brand.website is not told"),
        ("{% for p in recommendations %}{{ p.prize }}{% endfor %}", "unknown variable p.prize"),
        ("{{ profile.ordrs }}", "unknown variable profile.ordrs"),
        ("{{ window.products[0].prize }}", "unknown variable window.products"),
        ("{% for p in recent %}{{ p.prize }}{% endfor %}", "unknown variable p.prize"),
        ("{% assign q = window.products[0] %}{{ q.prize }}", "unknown variable q.prize"),
        ("{{ recent }}", "recent is a list"),
        ("{{ event }}", "event is a map"),
        ("{{ event.price | monney }}", "unknown filter monney"),
        ("{% if event.price %}x", "endif"),
        ("{{ event.price", "expected"),
        ("{% include 'x' %}", "include"),
        ("{{ event.price | safe }}", "unknown filter safe"),
        ("{{ 'now' | date: '%Y' }}", "cannot be rendered"),
        ('<a href="{{ event.product_name }}">x</a>', "href must be a variable that holds a link"),
        ('<a href="{{ event.url }}{{ event.product_name }}">x</a>', "href must be a variable that holds a link"),
        ('<a href="javascript:alert(1)">x</a>', "must be a http"),
        ('<b onclick="x">x</b>', "onclick has no place"),
        ('<b style="color:{{ event.category }}">x</b>', "no place in CSS"),
        ("<script>x</script>", "<script> has no place"),
        ("<mj-bogus>x</mj-bogus>", "unknown tag <mj-bogus>"),
    ],
)
def test_a_broken_tag_is_refused_with_its_line(tmp_path: Path, body: str, problem: str) -> None:
    html, problems = saved(tmp_path, body)
    assert html == ""
    assert problem in problems[0]
    assert problems[0].startswith(("note.mjml:5: ", "note.mjml:0: cannot be rendered"))


@pytest.mark.parametrize(
    "body",
    [
        "{% if customer.colour %}{{ customer.colour }}{% endif %}",  # a trait of the shop's own
        "{{ event.colour | default: 'any' }}",
        "{{ profile.traits.shoe_size | default: 38 }}",
        "{% if user.segment == “Lapsed” %}{{ user.first_name | default: “friend” }}{% endif %}",
        "{% if event.price and window.views > 1 %}a &lt; b{% endif %}",
        '{% for p in recent limit: 2 %}{% if p.url %}<a href="{{ p.url }}">{{ p.product_name }}</a>{% endif %}{% endfor %}',
    ],
)
def test_what_is_provided_for_is_accepted(tmp_path: Path, body: str) -> None:
    html, problems = saved(tmp_path, body)
    assert not problems and html


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("subject: Hello\n---\nText {{ unsubscribe_url }}", "note.txt:1: no preheader"),
        ("subject: Hello\npreheader: There\nText", "note.txt:1: no ---"),
        ("subject: a\nsubjct: b\npreheader: c\n---\nText {{ unsubscribe_url }}", "note.txt:2: unknown field 'subjct'"),
        ("subject: a\nsubject: b\npreheader: c\n---\nText {{ unsubscribe_url }}", "note.txt:2: subject a second time"),
        ("subject: {{ event.prce }}\npreheader: c\n---\nText {{ unsubscribe_url }}", "note.txt:1: undefined variable event.prce"),
        ("\nsubject: a\n\npreheader: {{ x }}\n---\nText {{ unsubscribe_url }}", "note.txt:4: unknown variable x"),
        ("subject: a\npreheader: c\n---\n\nText {{ unsubscribe_url }}\n{{ y }}\n", "note.txt:6: unknown variable y"),
        ("subject: a\npreheader: c\n---\n", "note.txt:3: no text"),
        ("subject: a\npreheader: c\n---\nText\n", "note.mjml:0: no unsubscribe_url"),
    ],
)
def test_a_broken_text_is_refused_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert saved(tmp_path, text=text)[1][0].startswith(problem)


@pytest.mark.parametrize(
    ("mjml", "problem"),
    [
        ("hello", "note.mjml:1: text outside a component"),
        ("<mjml>\n<mj-body>\n<mj-section>\n</mj-body></mjml>", "note.mjml:4: </mj-body> closes <mj-section>"),
        ("<mjml>\n<mj-body>\n<mj-sektion>\n</mj-sektion></mj-body></mjml>", "note.mjml:3: unknown tag <mj-sektion>"),
        ("<mjml><mj-body>\n<div>x</div></mj-body></mjml>", "note.mjml:2: <div> may stand only in mj-text"),
        ("<mjml><mj-body>\n{% if event.url %}\n{% endif %}</mj-body></mjml>", "note.mjml:2: put Liquid between components into <mj-raw>"),
        ('<mjml>\n<mj-body>\n<mj-include path="./_nowhere.mjml" />\n</mj-body></mjml>', "note.mjml:3: include ./_nowhere.mjml: not found"),
        ('<mjml>\n<mj-include path="./note.mjml" />\n</mjml>', "note.mjml:2: include ./note.mjml: includes itself"),
        ("", "note.mjml:"),
    ],
)
def test_broken_mjml_is_refused_with_its_line(tmp_path: Path, mjml: str, problem: str) -> None:
    assert saved(tmp_path, mjml=mjml)[1][0].startswith(problem)


def test_a_message_that_is_not_there(tmp_path: Path) -> None:
    built, problems = build_messages(["nothing", "Bad Name", "../etc/passwd"], [tmp_path])
    assert not built and len(problems) == 3
    (tmp_path / "nothing.mjml").write_text(MJML.format(body="x"), "utf-8")
    assert "needs its plain text" in str(build_messages(["nothing"], [tmp_path])[1][0])
    (tmp_path / "nothing.txt").write_bytes(b"subject: \xff\n")
    assert "not UTF-8" in str(build_messages(["nothing"], [tmp_path])[1][0])


# The text part has parts, too: a pack's own signature stands in both.
def test_a_text_is_made_of_parts_and_a_problem_in_one_names_it(tmp_path: Path) -> None:
    (tmp_path / "_sign.txt").write_text("Example Ltd, {{ unsubscribe_url }}\n", "utf-8")
    text = 'subject: a\npreheader: c\n---\nText\n<mj-include path="./_sign.txt" />\n'
    assert not saved(tmp_path, text=text)[1]
    built, _ = build_messages(["note"], [tmp_path])
    assert render(built["note"], {"unsubscribe_url": "https://k.example/u/1"}).text == "Text\nExample Ltd, https://k.example/u/1\n"
    (tmp_path / "_sign.txt").write_text("Example Ltd\n{{ wrong }} {{ unsubscribe_url }}\n", "utf-8")
    assert saved(tmp_path, text=text)[1][0].startswith("_sign.txt:2: unknown variable wrong")
    assert "note.txt:5: include ./_none.txt: not found" in saved(tmp_path, text=text.replace("_sign", "_none"))[1]


def test_a_problem_in_a_shared_part_names_that_part_once(tmp_path: Path) -> None:
    (tmp_path / "_part.mjml").write_text("<mj-section>\n<mj-column><mj-text>{{ wrong }}</mj-text></mj-column></mj-section>\n", "utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.mjml").write_text('<mjml><mj-body>\n<mj-include path="./_part.mjml" />\n</mj-body></mjml>', "utf-8")
        (tmp_path / f"{name}.txt").write_text(TEXT, "utf-8")
    _, problems = build_messages(["a", "b"], [tmp_path])
    assert [str(problem).split(": ")[0] for problem in problems] == [f"{tmp_path}/_part.mjml:2"]


def test_a_pack_may_put_its_own_footer_in_place_of_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "_footer.mjml").write_text(
        '<mj-section><mj-column><mj-text>Example Ltd <a href="{{ unsubscribe_url }}">Stop</a></mj-text></mj-column></mj-section>\n', "utf-8"
    )
    built, problems = build_messages(["welcome"], [tmp_path, SHIPPED])
    assert not problems and "Example Ltd" in built["welcome"].html


def test_liquid_comes_through_mjml_whole(tmp_path: Path) -> None:
    body = '{% if window.views < 5 and event.product_name != "a<b>&\'c" %}{{ event.product_name }}{% endif %}'
    (tmp_path / "note.mjml").write_text(MJML.format(body=body), "utf-8")
    (tmp_path / "note.txt").write_text(TEXT, "utf-8")
    built, problems = build_messages(["note"], [tmp_path])
    assert not problems and body in built["note"].html
    assert "Product" in render(built["note"], {**FULL, "unsubscribe_url": "https://k.example/u/1"}).html


# --- the shipped ones, for whoever gets them ------------------------------------------------------------------------------------------

SHOE = {
    "product_id": "17",
    "product_name": "Trail shoe",
    "price": "89.00",
    "currency": "EUR",
    "url": "https://shop.example/17",
    "category": "shoes",
}
SOCKS = {"product_id": "30", "product_name": "Wool socks", "url": "https://shop.example/30", "category": "socks"}
NOTHING: dict[str, Any] = {root: {} for root in ("customer", "profile", "event", "window", "order", "offer")} | {"recent": []}
OFFER = {"kind": "discount", "discount": 0.2, "code": "BACK20", "expires_at": "2026-03-09T12:00:00Z"}
MAIL = {**NOTHING, "event": {**SHOE, "event_type": "email_open"}, "window": {"products": [SHOE]}, "recent": [SOCKS]}
"""A mail of ours about a shoe, which she opened."""
UNFOUNDED = re.compile(
    r"\d ?%|discount|\bsave\b|in stock|sold out|only \d|hurry up|last chance|bestsell|rated|\bstars?\b|customers love", re.IGNORECASE
)


def said(send: Send) -> str:
    """What she reads, without the signed link below it, in which any letters may stand."""
    return "\n".join((send.subject, send.preheader, send.text.partition("\n--\n")[0]))


def hostile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    return [hostile(one) for one in value] if isinstance(value, list) else EVIL


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_mail_to_somebody_nothing_is_known_of_has_no_hole(name: str) -> None:
    send = sent(name, NOTHING)
    assert "<img" not in send.html and 'class="go"' not in send.html and "€" not in send.html
    assert "“”" not in said(send) and "Hello," in send.text
    assert not re.search(r" [.,:?]|\(\)|: *$", send.subject + "\n" + send.preheader)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_hostile_values_stay_text(name: str) -> None:
    told = hostile({"event": {**SHOE, "query": "", "message": "", "results": 0}, "window": {"products": [SHOE] * 3}, "recent": [SOCKS] * 3})
    send = sent(name, {**told, "customer": hostile(FULL["customer"]), "order": {"products": hostile([SHOE])}})
    assert "<script" not in send.html and "<img" not in send.html
    assert "42" not in said(send)  # nor is a template in a value run


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_longest_values_are_not_clipped(name: str) -> None:
    """Gmail cuts a mail at 102 kB, and the unsubscribe link with it."""
    link = "https://shop.example/"
    long = {**SHOE, "product_name": "n" * 300, "url": link.ljust(1_000, "u"), "image": link.ljust(1_000, "i"), "category": "c" * 1_000}
    view = {
        "event": {**long, "query": "q" * 1_000},
        "window": {"products": [long] * 50},
        "recent": [long] * 20,
        "order": {"products": [long] * 50},
    }
    assert len(sent(name, view).html.encode()) < 100_000


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("view", [NOTHING, MAIL, {"offer": {}}])
def test_a_mail_says_nothing_that_nobody_told(name: str, view: dict[str, Any]) -> None:
    send = sent(name, view)
    assert not UNFOUNDED.search(said(send))
    assert all(" alt=" in picture for picture in re.findall(r"<img [^>]*>", send.html))


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        ({"query": "trail shoes"}, "Still looking for “trail shoes”?"),
        ({"query": "x" * 500}, f"Still looking for “{'x' * 59}…”?"),
        ({}, "Did you find what you were looking for?"),
    ],
)
def test_a_search_is_answered_in_her_own_words(event: dict[str, Any], subject: str) -> None:
    send = sent("search-alternatives", {**NOTHING, "event": event, "recent": [SOCKS]})
    assert send.subject == subject and send.recommendations == ["30"]
    assert "came up empty" not in send.text
    assert "Our search came up empty" in sent("search-alternatives", {**NOTHING, "event": {**event, "results": 0}}).text


def test_a_search_is_followed_by_the_categories_she_has_been_in() -> None:
    send = sent("category-exploration", {**NOTHING, "recent": [SHOE, SOCKS, {**SHOE, "product_id": "18", "product_name": "Road shoe"}]})
    assert send.preheader == "Where you have been lately: shoes, socks." and send.recommendations == ["17", "18", "30"]
    assert send.text.index("shoes:") < send.text.index("Road shoe") < send.text.index("socks:") < send.text.index("Wool socks")
    bare = sent("category-exploration", {**NOTHING, "recent": [{"product_id": "9", "product_name": "Mug"}]})
    assert "Mug" in bare.text and bare.recommendations == ["9"] and "corners" not in bare.text


@pytest.mark.parametrize("name", ["simplified", "simplified-retry"])
def test_the_simplified_mail_is_one_thing_with_one_link(name: str) -> None:
    send = sent(name, MAIL)
    assert "Trail shoe" in send.subject and send.html.count('class="go"') == 1
    assert set(re.findall(r'href="(https://shop\.example/[^"]*)"', send.html)) == {"https://shop.example/17"} and not send.recommendations
    other = sent(name, {**MAIL, "event": {"event_type": "email_open"}, "window": {"products": []}})  # a mail that was not ours
    assert "Wool socks" in other.subject and "we wrote to you about" not in other.text and other.recommendations == ["30"]


def test_the_second_simplified_mail_tries_another_subject() -> None:
    for view in (MAIL, NOTHING):
        assert sent("simplified", view).subject != sent("simplified-retry", view).subject


@pytest.mark.parametrize("name", ["simplified", "simplified-retry", "retargeting-incentive", "objections"])
@pytest.mark.parametrize("told", [{"message": "usage-tips"}, {"order_id": "o-1", "message": "our-own"}])
def test_whoever_has_bought_is_not_asked_whether_she_wants_it(name: str, told: dict[str, str]) -> None:
    send = sent(name, {**MAIL, "event": {**MAIL["event"], **told}})
    assert "shoe" not in said(send) + send.html and not send.recommendations
    assert 'class="go"' not in send.html


def test_a_review_can_be_written_from_the_simplified_mail() -> None:
    review = {**MAIL, "event": {**MAIL["event"], "message": "review-request"}}
    assert "Write a review: https://shop.example/17" in sent("simplified", review).text
    nowhere = {**review, "window": {"products": [{"product_name": "Trail shoe"}]}}
    assert "simply reply to this email" in sent("simplified", nowhere).text


def test_a_product_left_behind_comes_with_what_else_she_looked_at() -> None:
    send = sent("abandoned-product", {**NOTHING, "event": SHOE, "recent": [SOCKS]})
    assert send.subject == "You left Trail shoe behind" and send.recommendations == ["30"] and "cart" not in send.text
    assert "here it is again" not in sent("abandoned-product", NOTHING).text


@pytest.mark.parametrize("name", ["wishlist-reminder", "wishlist-last"])
def test_a_wish_is_named_or_counted(name: str) -> None:
    assert "Trail shoe" in sent(name, {**NOTHING, "window": {"products": [SHOE]}}).subject
    both = sent(name, {**NOTHING, "window": {"products": [SHOE, SOCKS]}})
    assert "a few things" in both.text and "Trail shoe" in both.text and "Wool socks" in both.text and "shoe" not in both.subject


# a discount is shown where the plan carries one, with its code and its end; else nothing of the kind is said.
@pytest.mark.parametrize("name", OFFERS)
def test_an_offer_is_shown_only_if_there_is_one(name: str) -> None:
    send = sent(name, {**MAIL, "offer": OFFER})
    for part in (send.text, send.html):
        assert "20 % off your next order" in part and "BACK20" in part and "9 March 2026" in part
    bare = sent(name, {**MAIL, "offer": {"kind": "discount", "discount": 0.1}})
    assert "10 % off" in bare.text and "code" not in bare.text and "until" not in bare.text
    for none in ({}, {"kind": "free_shipping"}):
        assert "off your next order" not in sent(name, {**MAIL, "offer": none}).html


def test_those_that_may_carry_an_offer() -> None:
    wanted = {"win-back-offer", "vip-retention", "discount-retention", "value-retention", "high-value-retention", "reactivation-offer"}
    assert wanted < set(OFFERS) and "support-follow-up" not in OFFERS and "replenishment" not in OFFERS


# a programme goes on for weeks; the mail of last time is not sent again.
@pytest.mark.parametrize("name", PROGRAMMES)
@pytest.mark.parametrize("view", [NOTHING, MAIL])
def test_a_programme_has_four_mails_by_turns(name: str, view: dict[str, Any]) -> None:
    sends = [sent(name, {**view, "step": step}) for step in range(5)]
    assert len({send.subject for send in sends}) == len({send.text.partition("\n--\n")[0] for send in sends}) == 4
    assert all(send.text.count("Hello") == send.html.count("Hello") == 1 for send in sends)
    assert sends[0].subject == sends[4].subject


def test_what_runs_out_is_named_and_can_be_ordered_again() -> None:
    send = sent("replenishment", {**NOTHING, "window": {"products": [SHOE]}})
    assert send.subject == "Running low on Trail shoe?" and "Order it again: https://shop.example/17" in send.text
    both = sent("replenishment", {**NOTHING, "window": {"products": [SOCKS, SHOE]}})
    assert both.subject == "Time for a refill?" and "Wool socks" in both.text and "Trail shoe" in both.text


@pytest.mark.parametrize(("told", "named"), [("shoes", "shoes"), ("Home/Apparel/", "Apparel"), ("Home/Bags", "Bags")])
def test_a_category_is_called_by_its_last_name_and_shown_first(told: str, named: str) -> None:
    send = sent("category-interest", {**NOTHING, "event": {"category": told}, "recent": [SOCKS, {**SHOE, "category": told}]})
    assert send.subject == f"A closer look at {named}" and send.recommendations == ["17"] and "socks" not in said(send)
    other = sent("category-interest", {**NOTHING, "profile": {"primary_interest": told}, "recent": [SOCKS]})
    assert other.subject == f"A closer look at {named}" and other.recommendations == ["30"]


def test_a_season_is_called_by_its_month() -> None:
    assert [sent("season-ahead", {**NOTHING, "profile": {"peak_month": n}}).subject.split()[0] for n in (1, 12)] == ["January", "December"]


def test_the_weather_is_told_of_the_place_she_is_in() -> None:
    rain = {**NOTHING, "event": {"weather": "rain", "city": "Lyon"}}
    assert sent("weather-picks", rain).subject == "Rain in Lyon: all set?"
    assert "for Bern says snow" in sent("weather-picks", {**NOTHING, "event": {"weather": "snow"}, "customer": {"city": "Bern"}}).text


def test_after_a_complaint_nothing_is_sold() -> None:
    send = sent("support-follow-up", {**MAIL, "event": {"ticket_id": "t-7"}})
    assert "(t-7)" in send.text and not send.recommendations and "Trail shoe" not in send.html and 'class="go"' not in send.html


def test_a_plan_carries_what_its_message_reads_of_the_profile() -> None:
    def reads(text: str) -> frozenset[str] | None:
        return profile_keys(MessageSource("m", "s", "{{ event.profile.x }}", text, "my profile_id"))

    assert reads("Hello") == frozenset()
    assert reads("{% if profile.orders >= 1 %}{{ profile.clv.value.amount }}{% endif %}") == {"orders", "clv"}
    assert reads("{{ profile['orders'] }}") is None


# --- nothing is loaded from elsewhere ---------------------------------------------------------------------------------------------


def test_no_shipped_mail_loads_a_font_or_style_sheet() -> None:
    """MJML added a style sheet of Google's to every mail, since Roboto is among our typefaces: Google learned who opened which mail."""
    for message in shipped().values():
        assert "googleapis" not in message.html and "Roboto" in message.html
        assert not re.search(r"<link|@import|@font-face|src: *url", message.html), message.name


@pytest.mark.parametrize(
    "loads",
    [
        '<mj-head><mj-font name="Inter" href="https://fonts.example/inter.css" /></mj-head>',
        '<mj-head><mj-style>\n@import url("https://fonts.example/inter.css");</mj-style></mj-head>',
        "<mj-head><mj-style>@font-face { font-family: Inter; src: url(https://fonts.example/inter.woff2) }</mj-style></mj-head>",
        '<mj-body><mj-raw><!--[if !mso]><!--><link rel="stylesheet" href="https://fonts.example/inter.css" /><!--<![endif]--></mj-raw>',
    ],
)
def test_what_loads_a_font_or_style_sheet_is_refused_with_its_line(tmp_path: Path, loads: str) -> None:
    body = MJML.format(body="Hello").replace("<mj-body>", loads if loads.startswith("<mj-body>") else f"{loads}\n<mj-body>")
    _, problems = saved(tmp_path, mjml=body)
    assert re.search(r"note.mjml:[23]: \S+ makes a mail load from elsewhere", "\n".join(problems)), problems
