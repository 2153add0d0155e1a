"""Rendering: a plan becomes a whole mail or a recorded non-send; never a broken mail, never somebody else's markup."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import events
from app.agents.renderer_program import RendererProgram, mailbox
from app.domain import address
from app.domain.catalogue import Item
from app.domain.days import DAY_MS
from app.domain.message import MessageSource
from app.domain.message_view import MAX_ITEMS, MAX_TEXT, shaped, web_address
from app.domain.rendering import MAX_OUTPUT, MissingContent, RenderFailed, render, straight
from app.domain.signing import sign, verify
from app.engine.program import Moment, Refused
from app.events import Plan
from tests.mails import AT, EVIL, MINIMAL, SECRET, Arrived, outputs, pack, plan, sent, shipped


def source(html: str = "x", subject: str = "Subject", text: str = "text", preheader: str = "p") -> MessageSource:
    return MessageSource("m", subject, preheader, html, text)


def html(template: str, **view: Any) -> str:
    return render(source(template), view).html


# --- a value that is not told -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [{}, {"image": None}, {"image": ""}, {"image": "  "}])
def test_what_is_not_told_is_false_and_cannot_be_printed(absent: dict[str, Any]) -> None:
    #
    assert html("{% if event.image %}picture{% else %}none{% endif %}", event=absent) == "none"
    assert html('{{ event.image | default: "none" }}', event=absent) == "none"
    with pytest.raises(MissingContent) as missing:
        html("{{ event.image }}", event=absent)
    assert missing.value.variable == "event.image"


def test_an_undefined_root_and_a_loop_over_nothing() -> None:
    with pytest.raises(MissingContent):
        html("{{ nobody.knows }}")
    assert html("{% for product in window.products %}{{ product.product_name }}{% endfor %}-") == "-"
    with pytest.raises(MissingContent):
        html("{% for one in event.things %}x{% endfor %}")


def test_a_subject_of_nothing_is_missing_content() -> None:
    with pytest.raises(MissingContent):
        render(source(subject="{% if event.x %}a{% endif %}"), {})


def test_size_of_a_shirt_is_not_the_number_of_keys() -> None:
    assert html("{% if event.size %}{{ event.size }}{% else %}none{% endif %}", event={"a": 1, "b": 2}) == "none"
    assert html("{{ event.size }}", event={"size": 14}) == "14"
    assert html("{{ window.products.size }}", window={"products": [{}, {}]}) == "2"


# --- one context, two names; curly quotes -------------------------------------------------------------------------------------


def test_user_is_customer_and_curly_quotes_are_straight() -> None:
    # X-25, A-195: the guides' own samples
    view = {"customer": {"segment": "Lapsed", "first_name": "Ada"}}
    assert html("{% if user.segment == “Lapsed” %}Hello {{user.first_name}}{% endif %}", **view) == "Hello Ada"
    assert html("{% if customer.segment == ‘Lapsed’ %}yes{% endif %}", **view) == "yes"
    # a rule inside the content, both ways
    assert html("{% if user.segment == “VIP” %}offer{% else %}none{% endif %}", **view) == "none"


@pytest.mark.parametrize("text", ["“so”", '{{ "it’s" }}', "{{ 'a “b” c' }}", "don’t {{ x }} won’t"])
def test_curly_quotes_elsewhere_stay(text: str) -> None:
    assert straight(text) == text


@given(st.text(alphabet="{}%“”‘’\"' ab\n", max_size=60))
def test_straightening_keeps_every_place(text: str) -> None:
    assert len(straight(text)) == len(text)


# --- hostile values and templates ---------------------------------------------------------------------------------------------------


def test_values_are_never_markup_or_template() -> None:
    written = html('<p title="{{ event.x }}">{{ event.x }}</p>', event={"x": EVIL})
    assert "<script" not in written and "<img" not in written and "42" not in written
    assert written.count('"') == 2


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in (1..100000000) %}x{% endfor %}",
        "{% for a in (1..1000) %}{% for b in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'aaaaaaaaaa' %}{% for i in (1..900) %}{% assign a = a | append: a %}{% endfor %}",
        "{% for i in (1..1900) %}{{ event.long }}{% endfor %}",
        "{% if event.a %}" * 100 + "{% endif %}" * 100,
        "{{ 1 | divided_by: 0 }}",
        "{{ 'yesterday' | date: '%Y' }}",
        "{{ 'now' | date: '%Y' }}",
    ],
)
def test_bombs_and_clocks_are_stopped(template: str) -> None:
    began = time.perf_counter()
    with pytest.raises(Exception) as stopped:
        html(template, event={"a": True, "long": "x" * MAX_TEXT})
    assert isinstance(stopped.value, RenderFailed) or "nesting" in str(stopped.value)
    assert time.perf_counter() - began < 5


def test_the_limit_of_a_part_is_bytes_not_characters() -> None:
    """A record's limit is bytes: half as many two-byte letters fill it."""
    for letter, most in (("e", MAX_OUTPUT), ("é", MAX_OUTPUT // 2)):
        full = MessageSource("full", "s", "p", f"{letter * (most - 1)}{{{{ shop.name }}}}", "t")
        assert len(render(full, {"shop": {"name": letter}}).html) == most
        with pytest.raises(RenderFailed, match="output stream limit"):
            render(full, {"shop": {"name": letter * 2}})


@pytest.mark.parametrize("template", ["{% include 'x' %}", "{% render 'x' %}", "{{ event.x | safe }}"])
def test_what_reads_files_or_undoes_escaping_is_not_there(template: str) -> None:
    with pytest.raises(Exception, match=r"safe|include|render"):
        html(template, event={"x": "<b>"})


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://shop.example/p/1?a=b&c=d", True),
        ("http://shop.example", True),
        ("HTTPS://SHOP.EXAMPLE/", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("https:/\\evil", False),
        ("https://user@evil.example/", False),
        ("https://shop.example/ x", False),
        ('https://shop.example/"onload=x', False),
        ("https://shop.example/\nX", False),
        ("ftp://shop.example", False),
        (42, False),
        ("", False),
    ],
)
def test_only_web_addresses_become_links(address: object, good: bool) -> None:
    assert (web_address(address) is not None) is good
    assert html("{% if event.url %}link{% endif %}", event={"url": address}) == ("link" if good else "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
keys = st.sampled_from(["customer", "event", "window", "recent", "order", "profile", "shop"])
told = st.sampled_from(["product_name", "price", "currency", "url", "image", "products", "first_name", "name", "quantity", "product_id"])


@settings(max_examples=60, deadline=None)
@given(view=st.dictionaries(keys, json_values | st.dictionaries(told, json_values), max_size=7), name=st.sampled_from(sorted(shipped())))
def test_any_view_gives_a_whole_mail_or_a_named_reason(view: dict[str, Any], name: str) -> None:
    try:
        found = render(shipped()[name], {**view, "unsubscribe_url": "https://kairos.example/u/t"})
    except RenderFailed:
        return
    assert found.subject.isprintable() and 0 < len(found.subject) <= 200
    assert "https://kairos.example/u/t" in found.html and "https://kairos.example/u/t" in found.text
    assert "{{" not in shipped()[name].subject or "{{" not in found.subject.replace(str(view), "")


@given(json_values)
def test_a_view_is_plain_and_bounded(value: Any) -> None:
    def walk(one: Any) -> None:
        assert isinstance(one, str | int | float | list | dict)
        if isinstance(one, str):
            assert 0 < len(one) <= MAX_TEXT and "\n" not in one
        for inner in one.values() if isinstance(one, dict) else one if isinstance(one, list) else ():
            walk(inner)

    walk(shaped({"event": value, "recent": value, "customer": {"x": value}}))
    assert len(shaped({"window": {"products": [{}] * 1000}})["window"]["products"]) == MAX_ITEMS


# --- money, dates ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "written"),
    [
        ({"price": "89.00", "currency": "EUR"}, "€89.00"),
        ({"price": 11.99, "currency": "usd"}, "$11.99"),
        ({"price": 5, "currency": "SEK"}, "5.00 SEK"),
        ({"price": "5"}, "5.00"),
        ({"price": "10.9999", "currency": "EUR"}, "€11.00"),  # a shop that reckons in parts of a cent asks for cents
        ({"price": 10.994, "currency": "SEK"}, "10.99 SEK"),
        ({"price": "0.0049", "currency": "EUR"}, "€0.0049"),  # a price per gram is not nothing
    ],
)
def test_prices(event: dict[str, Any], written: str) -> None:
    assert html("{{ event.price | money: event.currency }}", event=event) == written


@pytest.mark.parametrize("price", [0, -1, "free", None, float("nan"), True, 10**30])
def test_a_price_that_is_none_is_left_out(price: object) -> None:
    assert html("{% if event.price %}x{% endif %}", event={"price": price}) == ""


def test_dates_are_utc_and_independent_of_the_machine() -> None:
    profile = {"last_purchase_at": "2026-03-02T23:30:00+02:00", "first_seen": "2026-03-02T23:30:00"}
    assert html("{{ profile.last_purchase_at | date: '%-d %B %H:%M' }}", profile=profile) == "2 March 21:30"
    assert html("{{ profile.first_seen | date }}", profile=profile) == "2 March 2026"


# --- the renderer -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_message_for_somebody_known_and_somebody_unknown(name: str) -> None:
    for view in ({}, MINIMAL):
        send = sent(name, view)
        assert send.subject and send.preheader and send.text.strip() and send.html.startswith("<!doctype html>")
        assert "None" not in send.text and "None" not in send.subject and "{" not in send.text + send.subject
        assert "{{" not in send.html and "{%" not in send.html
        assert "Hello ," not in send.text and "  ," not in send.subject
        assert "color-scheme" in send.html and "prefers-color-scheme: dark" in send.html
        assert send.preheader.replace("'", "&#39;") in send.html


def test_a_message_shows_the_product_with_picture_price_and_button() -> None:
    # product details
    send = sent("product-details")
    for piece in ('src="https://shop.example/p1.jpg"', "€89.00", 'href="https://shop.example/p1"', "Product", "See all the details"):
        assert piece in send.html
    bare = sent("product-details", {"event": {"product_name": "Mug"}, "recent": []})
    assert "Mug" in bare.subject and "<img" not in bare.html and "See all the details" not in bare.html and "€" not in bare.html


def test_recommendations_are_what_is_shown_or_the_block_is_left_out() -> None:
    # related products
    assert sent("related-products").recommendations == ["r0", "r1", "r2"]
    none = sent("related-products", {"recent": []})
    assert none.recommendations == [] and "you looked at" not in none.html.lower().split("other day you looked at")[-1]
    nameless = sent("related-products", {"recent": [{"product_id": "r9"}]})
    assert nameless.recommendations == []


def test_a_one_click_unsubscribe_that_only_we_can_sign() -> None:
    send = sent("cart-reminder")
    link = send.headers["List-Unsubscribe"]
    assert send.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith("<https://kairos.example/u/") and link.endswith(">")
    assert link[1:-1] in send.html and link[1:-1] in send.text
    token = link[1:-1].rpartition("/")[2]
    assert verify([SECRET], "unsubscribe", token) == [send.person_id, send.send_id, "c-1"]


def test_the_same_plan_gives_the_same_bytes() -> None:
    fresh = RendererProgram(lambda ref: pack(), SECRET, "https://kairos.example/")
    assert outputs(plan("cart-reminder")) == outputs(plan("cart-reminder"), fresh)


def test_a_send_says_everything_a_consumer_needs() -> None:
    [send, decision, answer] = outputs(plan("welcome", step=0))
    assert [one.topic for one in (send, decision, answer)] == ["message_sends", "decisions", "journal"]
    assert {one.key for one in (send, decision, answer)} == {b"0123456789abcdef"}
    raw = msgspec.json.decode(send.value)
    assert raw["from"] == '"Shop Example" <hello@shop.example>' and raw["reply_to"] == "help@shop.example"
    assert raw["to"] == {"email": "ada@shop.example", "name": "Ada Example"} and raw["policy"] == {"name": "s1", "version": "abc"}
    assert raw["due_at"] == raw["decided_at"] == "2026-03-02T12:00:00.000Z" and raw["opened_at"] == "2026-03-02T10:00:00.000Z"
    assert raw["arms"] == [] and raw["offer"] is None and raw["versions"]["models"] == {} and len(raw["versions"]["template"]) == 32
    decided = msgspec.json.decode(decision.value, type=events.Decision)
    assert (decided.outcome, decided.reason, decided.send_id, decided.values) == (
        "sent",
        None,
        raw["send_id"],
        {"consent": "email", "artifacts": {}},
    )
    told = events.Rendered(AT, "0123456789abcdef", raw["send_id"], "w1", "product_page_abandonment", 0, "welcome")
    assert events.journal.decode(answer.value) == told


def test_a_decision_names_every_artifact_that_its_message_came_from() -> None:
    # whoever has the same plan and the same artifacts writes the same message
    models = {"policy": "s1@new", "population": "population@1", "budgets": "budgets@1", "recommendations": "recommendations@1"}
    [send, decision, _] = outputs(plan("welcome", step=0, models=models))
    decided = msgspec.json.decode(decision.value, type=events.Decision)
    assert decided.values["artifacts"] == {"policy": "s1@new", "population": "population@1"}, "no campaign paid, nothing was recommended"
    assert msgspec.json.decode(send.value)["versions"]["models"] == {"population": "population@1"}


def test_a_missing_value_is_a_recorded_non_send() -> None:
    #
    broken = MessageSource("product-details", "{{ event.colour }}", "p", "h", "t")
    program = RendererProgram(
        lambda ref: msgspec.structs.replace(pack(), messages={"product-details": broken}), SECRET, "https://k.example"
    )
    [decision, answer, word] = outputs(plan("product-details"), program)
    assert (word.topic, word.key) == ("addressed_plans", address.key("email", "ADA@shop.example")), "for who shares it it is still to come"
    decided = msgspec.json.decode(decision.value, type=events.Decision)
    assert (decided.outcome, decided.reason) == ("not_sent", "missing_content")
    assert decided.values == {"consent": "email", "missing": "event.colour", "artifacts": {}}
    told = events.journal.decode(answer.value)
    assert isinstance(told, events.NotRendered) and told.reason == "missing_content" and told.at == AT


def test_the_catalogue_fills_what_the_event_did_not_tell_and_says_what_it_costs_now() -> None:
    #
    mug = Item("p9", name="Mug", price=75_000, currency="EUR", url="https://shop.example/mug", image="javascript:x")
    program = RendererProgram(lambda ref: pack(), SECRET, "https://kairos.example", {"p9": mug}.get)
    one = plan("product-details", {"event": {"product_id": "p9", "price": "8.00", "currency": "USD"}, "recent": []})
    send = msgspec.json.decode(outputs(one, program)[0].value)
    assert send["subject"] == "Mug: a second look" and "https://shop.example/mug" in send["html"]
    assert "€7.50" in send["text"] and "8.00" not in send["text"]  # what it cost when she looked is not what she would pay
    assert "javascript" not in send["html"]


def test_a_catalogue_without_a_price_leaves_the_events_own_and_its_currency() -> None:
    program = RendererProgram(lambda ref: pack(), SECRET, "https://kairos.example", {"p9": Item("p9", name="Mug", currency="EUR")}.get)
    one = plan("product-details", {"event": {"product_id": "p9", "price": "8.00"}, "recent": []})
    text = msgspec.json.decode(outputs(one, program)[0].value)["text"]
    assert "8.00" in text and "€" not in text


def test_what_she_bought_keeps_the_price_she_paid_and_yesterdays_sales_are_not_todays() -> None:
    #
    mug = Item("p9", name="Mug", price=75_000, currency="EUR", stock=3, bought_today=7, bought_day=AT // DAY_MS)
    paid = {"product_id": "p9", "price": "8.00", "currency": "USD"}
    shown = shaped({"event": {"event_type": "order_placed", **paid}, "order": {"products": [paid]}}, {"p9": mug}.get, AT)
    assert [(one["price"], one["currency"]) for one in (shown["event"], *shown["order"]["products"])] == [("8.00", "USD")] * 2
    looked = shaped({"event": {"event_type": "product_view", **paid}}, {"p9": mug}.get, AT)["event"]
    assert (looked["price"], looked["currency"], looked["stock"], looked["bought_today"]) == ("7.50", "EUR", 3, 7)
    assert "bought_today" not in shaped({"event": paid}, {"p9": mug}.get, AT + DAY_MS)["event"]


def test_bytes_that_are_no_plan_are_refused_and_buried() -> None:
    program = RendererProgram(lambda ref: pack(), SECRET, "https://kairos.example")
    for value in (None, b"", b"\x01\xff", b"\x09", events.encode(events.Tick(1, 2, 3))):
        with pytest.raises(Refused):
            program.read(Arrived(value))
    letter = msgspec.json.decode(program.bury(Arrived(b"\xff"), "undecodable", [], Moment(AT, AT, 500, {}, 3, 7)).value)
    assert (letter["stage"], letter["partition"], letter["offset"], letter["value"]) == ("renderer", 3, 7, "/w==")


def test_a_name_cannot_become_a_header() -> None:
    send = sent("product-details", {"event": {"product_name": "Mug\r\nBcc: all@example.com"}})
    assert "\n" not in send.subject and "\r" not in send.subject
    long = sent("product-details", {"event": {"product_name": "M" * 500}})
    assert len(long.subject) == 200 and long.subject.endswith("…")
    assert mailbox("a@b.example", 'The "Shop" \\ Co') == '"The \\"Shop\\" \\\\ Co" <a@b.example>'
    assert mailbox("a@b.example", "") == "a@b.example"


def test_render_speed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    one: Plan = plan("product-details")
    outputs(one)
    began = time.perf_counter()
    for _ in range(20):
        outputs(one)
    with capsys.disabled():
        print(f"\nrender: {(time.perf_counter() - began) / 20 * 1e6:.0f} µs a message (product-details, full view)")


# --- signed links -------------------------------------------------------------------------------------------------------------------------


def test_tokens_hold_for_one_purpose_one_secret_and_unchanged() -> None:
    token = sign("a", "unsubscribe", ["p", "s", ""])
    assert verify(["a"], "unsubscribe", token) == ["p", "s", ""] == verify(["new", "a"], "unsubscribe", token)
    assert verify(["a"], "preferences", token) is None
    assert verify(["b"], "unsubscribe", token) is None and verify([], "unsubscribe", token) is None
    assert sign("a", "unsubscribe", ["p", "s", ""]) == token


@given(st.text(max_size=80))
def test_no_other_text_is_a_token(text: str) -> None:
    assert verify(["a"], "unsubscribe", text) is None


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_a_changed_token_is_none(place: int, sign_: str) -> None:
    token = sign("a", "unsubscribe", ["person", "send", "customer"])
    place %= len(token)
    changed = token[:place] + sign_ + token[place + 1 :]
    assert (verify(["a"], "unsubscribe", changed) is None) == (changed != token)
