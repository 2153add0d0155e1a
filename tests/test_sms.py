"""Text messages and pushes: written, short, with a way out; and the one that follows a mail which nobody opened (A-124)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app.agents.renderer_program import RendererProgram
from app.domain.message import MessageSource
from app.domain.rendering import MOST, MissingContent, RenderFailed, render_short
from app.domain.trigger import Pack
from app.policy.messages import FULL, SHIPPED, build_messages
from app.policy.pack import build, compile_artifact
from tests.her import DAY, HOUR, Her
from tests.mails import SECRET, outputs, pack, plan
from tests.test_reach import PUSH, SMS, refused

SHOE = {"product_id": "p1", "product_name": "Trail shoe", "price": 89.0, "category": "shoes", "url": "https://shop.example/p/p1"}
ANN = {"email": "ann@shop.example", "first_name": "Ann", "phone": "+491712345678"}


@cache
def ungated() -> Pack:
    return compile_artifact(*build("tests/packs/ungated.toml"))


@cache
def shipped() -> Pack:
    return compile_artifact(*build("merged"))


def cart(consents: tuple[str, ...] = ("email", "personalise", "sms"), traits: dict[str, Any] = ANN) -> Her:
    """A cart is left behind at 10:00; its mail goes out at 12:00."""
    her = Her(ungated(), assume=frozenset())
    her.event("identify", 0, traits=traits)
    her.event("consent_give", 0, purposes=list(consents))
    her.event("cart_add", 10 * HOUR, **SHOE, quantity=1)
    her.until(13 * HOUR)
    assert her.sends()[-1] == ("cart-reminder", "0 12:00:00")
    return her


def texts(her: Her) -> list[tuple[str, str, str]]:
    return [(plan.trigger, plan.channel, plan.to_address) for plan in her.plans if plan.channel != "email"]


# --- sms_fallback -----------------------------------------------------------------------------------------------------------------


def test_a_mail_about_the_cart_that_nobody_opens_is_followed_by_a_text() -> None:
    # 24 h after the mail, by text message
    her = cart()
    mail = her.plans[-1]
    her.until(36 * HOUR)
    assert texts(her) == [("sms_fallback", "sms", "+491712345678")]
    text = next(one for one in her.plans if one.channel == "sms")
    assert (text.at - mail.at, text.message, text.cause) == (24 * HOUR, "sms-fallback", [mail.send_id])
    assert [line["product_name"] for line in text.view["window"]["products"]] == ["Trail shoe"], "it is about what the mail was about"
    (opened,) = [one for one in her.decided if (one.trigger, one.outcome) == ("sms_fallback", "opened")][:1]
    assert opened.cause == [mail.send_id]


@pytest.mark.parametrize(
    ("event", "told", "stays"),
    [
        ("email_open", {}, False),
        ("email_click", {}, False),
        ("email_open", {"machine": True}, True),
        ("purchase", {"order_id": "o1", **SHOE}, False),
        ("product_view", SHOE, True),
    ],
)
def test_what_ends_it(event: str, told: dict[str, Any], stays: bool) -> None:
    her = cart()
    about = {"send_id": her.plans[-1].send_id} if event.startswith("email") else {}
    her.event(event, 14 * HOUR, **about, **told)
    her.until(36 * HOUR)
    assert bool(texts(her)) is stays
    if not stays:
        assert ("sms_fallback", 0, "cancelled", "cancelled_by_event") in her.decisions("cancelled")


def test_an_open_of_another_mail_is_none_of_this_one() -> None:
    her = cart()
    her.event("email_open", 14 * HOUR, send_id="another")
    her.until(36 * HOUR)
    assert len(texts(her)) == 1


@pytest.mark.parametrize(
    ("consents", "traits", "reason"),
    [
        (("email", "personalise"), ANN, "no_consent"),
        (("email", "personalise", "sms"), {**ANN, "phone": None}, "no_address"),
    ],
)
def test_without_consent_or_number_there_is_no_text(consents: tuple[str, ...], traits: dict[str, Any], reason: str) -> None:
    her = cart(consents, traits)
    her.until(37 * HOUR)
    assert texts(her) == []
    assert ("sms_fallback", 0, "not_sent", reason) in her.decisions("not_sent")


def test_other_mails_are_not_followed_and_a_text_by_nothing() -> None:
    her = Her(ungated())
    her.event("product_view", 0, **SHOE, dwell_seconds=60)
    her.until(3 * DAY)
    mails = {"product_page_abandonment", "view_no_purchase_24h", "view_no_purchase_48h", "welcome", "lifecycle_programme"}
    assert {one.trigger for one in her.decided} == mails
    answered = cart()
    answered.until(5 * DAY)
    assert {one.values["trigger"] for one in answered.concluded if one.kind == "mail_sent" and "trigger" in one.values} == set()
    sent = [one.values["event"] for one in answered.concluded if one.kind == "mail_sent"]
    texted = {one.send_id for one in answered.plans if one.channel == "sms"}
    assert not texted & {one["send_id"] for one in sent}, "a text message is no mail"


def test_one_text_a_week_by_the_shipped_pack() -> None:
    # both mails of the cart would ask for one
    her = Her("merged", assume=frozenset())
    her.event("identify", -20 * DAY, traits=ANN)
    her.event("consent_give", -20 * DAY, purposes=["email", "personalise", "sms"])
    her.event("cart_add", 10 * HOUR, **SHOE, quantity=1)
    her.until(6 * DAY)
    of_the_cart = [message for message, _ in her.sends() if message.startswith(("cart", "sms"))]
    assert of_the_cart == ["cart-reminder", "cart-last-call", "sms-fallback"]
    assert len(texts(her)) == 1
    (cap,) = [one for one in her.pack.contact.caps if one.channel == "sms"]
    assert (cap.most, cap.per) == (1, 7 * DAY)


# --- the shipped pack by other channels -------------------------------------------------------------------------------------------

REACHED_BY = {
    "email": (("email", "personalise", "sms", "push"), {**ANN, "push_token": "token-1"}, None),
    "sms": (("personalise", "sms"), {"phone": ANN["phone"], "first_name": "Ann"}, None),
    "push": (("personalise", "push"), {"push_token": "token-1"}, None),
    "sms, as she prefers": (("email", "personalise", "sms", "push"), {**ANN, "push_token": "token-1"}, "sms"),
    "push, as she prefers": (("email", "personalise", "sms", "push"), {**ANN, "push_token": "token-1"}, ["push", "sms"]),
}


@pytest.mark.parametrize("how", REACHED_BY)
def test_a_cart_reaches_her_by_what_she_has_and_prefers(how: str) -> None:
    #
    consents, traits, prefers = REACHED_BY[how]
    her = Her("merged", assume=frozenset())
    her.event("identify", -20 * DAY, traits=traits)
    her.event("consent_give", -20 * DAY, purposes=list(consents))
    if prefers is not None:
        her.event("preference_set", -20 * DAY, preference="channel", value=prefers)
    her.event("cart_add", 10 * HOUR, **SHOE, quantity=1)
    her.until(3 * DAY)
    (first, *_) = [one for one in her.plans if one.trigger == "cart_abandonment"]
    assert (first.message, first.channel) == ("cart-reminder", how.split(",")[0])
    last = [one.channel for one in her.plans if one.message == "cart-last-call"]
    assert last == (["email"] if "email" in consents else []), "the last call has no text: it goes by mail or not at all"


@pytest.mark.parametrize(
    ("opening", "told", "message"),
    [
        ("price_drop", {"product_id": "p1", "price": 80.0, "drop": 0.1}, "price-drop"),
        ("back_in_stock", {"product_id": "p1", "stock": 3}, "back-in-stock"),
        ("low_stock", {"product_id": "p1", "stock": 3, "interest": "cart"}, "low-stock"),
        ("support_ticket", {"ticket_id": "t1", "status": "closed"}, "support-follow-up"),
    ],
)
def test_what_is_news_today_has_a_text_and_a_push(opening: str, told: dict[str, Any], message: str) -> None:
    #
    (row,) = [one for one in shipped().opens[opening] if one.steps[0].message == message]
    assert row.channels == ("email", "sms", "push")
    source = shipped().messages[message]
    view = {**FULL, "event": {**FULL["event"], **told, "product_name": "A very long name of a very plain thing " * 4}}
    for channel in ("sms", "push"):
        found = render_short(source, channel, {**view, "unsubscribe_url": "https://kairos.example/u/" + "x" * 120})
        assert len(found.text) <= MOST[channel] and "{" not in found.text + found.subject
        assert len(found.subject) <= 100
        bare = render_short(source, channel, {"event": {}, "unsubscribe_url": "https://kairos.example/u/" + "x" * 120})
        assert bare.text and "  " not in bare.text


# --- as often as she asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("says", "most"), [(None, 4), ("weekly", 1), ("monthly", 1), ("never", 0)])
def test_who_asks_for_fewer_messages_gets_fewer(says: str | None, most: int) -> None:
    # three weeks of things to write about, by the shipped pack
    her = Her("merged", assume=frozenset())
    her.event("identify", 0, traits=ANN)
    if says is not None:
        her.event("preference_set", 0, preference="frequency", value=says)
    her.event("consent_give", 0, purposes=["email", "personalise"])
    for day in range(21):
        her.event("product_view", day * DAY + 10 * HOUR, **{**SHOE, "product_id": f"p{day}"}, dwell_seconds=60)
        her.event("cart_add", day * DAY + 11 * HOUR, **{**SHOE, "product_id": f"p{day}"}, quantity=1)
    her.until(21 * DAY)
    sent = [plan.at for plan in her.plans]
    span = 30 * DAY if says == "monthly" else 7 * DAY
    assert max((sum(since <= at < since + span for at in sent) for since in sent), default=0) == most
    if says == "never":
        assert {one.reason for one in her.decided if one.outcome == "not_sent"} >= {"frequency_cap"}
        assert {one.values["cap"] for one in her.decided if one.reason == "frequency_cap" and one.outcome == "held"} == {"wish"}


def test_a_pack_without_it_draws_no_conclusions_for_it() -> None:
    her = Her("s1")
    her.event("cart_add", 0, **SHOE)
    her.until(DAY)
    assert her.plans and not [one for one in her.concluded if one.kind == "mail_sent"]


def test_it_opens_on_the_mail_and_on_nothing_wider(tmp_path: Path) -> None:
    row = '[[trigger]]\nname = "after"\nwhy = "a test"\nopen = { on = "mail_sent" }\nwait = "1h"\nsend = "note"\n'
    assert refused(tmp_path, row)[0] == "mine.toml:21: scope: mail_sent is about the mail: send_id"


# --- written ----------------------------------------------------------------------------------------------------------------------


def note(sms: str = "", push: str = "", title: str = "") -> MessageSource:
    return MessageSource("note", "", "", "", "", sms, push, title)


def test_a_text_has_no_subject_and_a_push_has_one() -> None:
    found = render_short(note("  Hello {{ customer.first_name }}\n\n\n\nBye \n"), "sms", FULL)
    assert (found.subject, found.html, found.text) == ("", "", "Hello Ada\n\nBye")
    found = render_short(note(push="Still there", title="Hello\n{{ customer.first_name }}"), "push", FULL)
    assert (found.subject, found.html, found.text) == ("Hello Ada", "", "Still there")
    with pytest.raises(MissingContent):
        render_short(note(push="x", title="{% if event.none %}a{% endif %}"), "push", FULL)
    with pytest.raises(MissingContent):
        render_short(note(sms="{% if event.none %}a{% endif %}"), "sms", FULL)


@pytest.mark.parametrize("channel", sorted(MOST))
def test_what_is_longer_than_its_channel_is_not_cut_but_not_sent(channel: str) -> None:
    told = {"sms": "{{ event.x }}", "push": "{{ event.x }}", "title": "Hello"}
    assert len(render_short(note(**told), channel, {"event": {"x": "y" * MOST[channel]}}).text) == MOST[channel]
    with pytest.raises(RenderFailed, match=f"{MOST[channel] + 1} characters; {channel} carries at most {MOST[channel]}"):
        render_short(note(**told), channel, {"event": {"x": "y" * (MOST[channel] + 1)}})


def test_recommendations_that_a_text_names_are_told() -> None:
    found = render_short(note("{% for one in recent limit: 2 %}{{ one.product_name }} {% endfor %}"), "sms", FULL)
    assert found.recommendations == ("r0", "r1")


def by(channel: str, address: str, sources: MessageSource) -> list[tuple[str, dict[str, Any]]]:
    from msgspec.structs import replace

    one = replace(pack(), messages={**pack().messages, "note": sources})
    renderer = RendererProgram(lambda ref: one, SECRET, "https://kairos.example")
    found = outputs(plan("note", channel=channel, to_address=address), renderer)
    return [(output.topic, json.loads(output.value)) for output in found if output.topic in ("message_sends", "decisions")]


def test_a_finished_text_is_complete() -> None:
    (topic, send), (_, decision) = by("sms", "+491712345678", note(SMS))
    assert topic == "message_sends"
    assert (send["channel"], send["to"]) == ("sms", {"phone": "+491712345678", "name": "Ada Example"})
    assert (send["subject"], send["preheader"], send["html"], send["headers"], send["reply_to"]) == ("", "", "", {}, None)
    assert send["from"] == "Shop Example" and "https://kairos.example/u/" in send["text"]
    assert (decision["outcome"], decision["send_id"]) == ("sent", send["send_id"])


def test_a_finished_push_is_complete() -> None:
    (_, send), _ = by("push", "token-1", note(push="Still there", title="Hello"))
    assert (send["channel"], send["to"]) == ("push", {"token": "token-1", "name": "Ada Example"})
    assert (send["subject"], send["text"], send["html"]) == ("Hello", "Still there", "")


def test_a_text_that_cannot_be_written_is_a_recorded_non_send() -> None:
    ((topic, decision),) = by("sms", "+491712345678", note("{{ event.nothing }}"))
    assert (topic, decision["outcome"], decision["reason"]) == ("decisions", "not_sent", "missing_content")


# --- saved ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sms", "push", "problem"),
    [
        ("Hello\n", PUSH, "note.sms.txt:1: no way out: a text message ends with unsubscribe_url, or with the word STOP"),
        ("\n", PUSH, "note.sms.txt:1: no text"),
        ("Hi {{ customer.frist_name }}\nSTOP", PUSH, "note.sms.txt:1: undefined variable customer.frist_name"),
        ("One\nTwo {% if event.x %}\nSTOP", PUSH, "note.sms.txt:2: "),
        ("x" * 481 + " STOP", PUSH, "note.sms.txt:0: cannot be rendered: 486 characters; sms carries at most 480"),
        (SMS, "Still there\n", "note.push.txt:1: no --- between subject and text"),
        (SMS, "preheader: x\n---\ny\n", "note.push.txt:1: unknown field 'preheader': only subject"),
        (SMS, "subject: x\n---\n" + "y" * 241, "note.push.txt:0: cannot be rendered: 241 characters; push carries at most 240"),
    ],
)
def test_texts_are_checked_when_they_are_saved(tmp_path: Path, sms: str, push: str, problem: str) -> None:
    (tmp_path / "note.sms.txt").write_text(sms, "utf-8")
    (tmp_path / "note.push.txt").write_text(push, "utf-8")
    built, problems = build_messages(["note"], [tmp_path])
    assert not built
    assert any(str(one).replace(f"{tmp_path}/", "").startswith(problem) for one in problems), problems


def test_stop_is_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "note.sms.txt").write_text("Hello. Reply STOP to end.", "utf-8")
    built, problems = build_messages(["note"], [tmp_path])
    assert problems == [] and built["note"].sms and not built["note"].html


def test_the_shipped_texts_stay_within_three_messages() -> None:
    for name in (file.name.removesuffix(".sms.txt") for file in SHIPPED.glob("*.sms.txt")):
        built, problems = build_messages([name], [SHIPPED])
        assert problems == []
        view = {**FULL, "unsubscribe_url": "https://kairos.example/u/" + "t" * 160}
        long = {**view["window"]["products"][0], "product_name": "Very long name " * 30, "url": "https://shop.example/" + "p" * 300}
        assert len(render_short(built[name], "sms", {**view, "window": {**view["window"], "products": [long]}}).text) <= MOST["sms"]
