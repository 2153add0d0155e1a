"""The open-time picture (A-180): what a mail shows when it is opened, not when it was sent."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from app.agents.renderer_program import RendererProgram
from app.domain import money
from app.domain.catalogue import Item
from app.domain.message import MessageSource
from app.domain.open_time import Offered, now_offered, read, stock_left, time_left, token, told
from app.domain.signing import sign
from app.edges.picture import HEIGHT, SCALE, WIDTH, png
from app.policy.messages import build_messages
from tests.mails import AT, MINIMAL, SECRET, outputs, pack, plan

HOUR = 3_600_000
EURO = money.UNITS
SENT = Offered("17", "Trail shoe", 89 * EURO, 119 * EURO, "EUR", 4, AT + 50 * HOUR)
PLAIN = MessageSource("m", "s", "p", "<p>x</p>", "t")
WITH = MessageSource("m", "s", "p", '{% if picture_url %}<img src="{{ picture_url }}" alt="" />{% endif %}', "t")


def test_a_token_carries_what_was_true_and_nobody_can_change_it() -> None:
    text = token(SECRET, SENT)
    assert read([SECRET], text) == SENT and read(["other", SECRET], text) == SENT
    assert read(["other"], text) is None and read([SECRET], text[:-2] + "xx") is None and read([SECRET], "") is None
    assert read([SECRET], sign(SECRET, "unsubscribe", ["17", "Trail shoe", "", "", "EUR", "4", "0"])) is None  # of another purpose
    bare = Offered("17")
    assert read([SECRET], token(SECRET, bare)) == bare


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (None, SENT),  # gone from the catalogue: as it was sent
        (Item("17"), SENT),  # there, but it tells nothing
        (
            Item("17", price=119 * EURO, sale_price=79 * EURO, currency="EUR", stock=0),
            Offered("17", "Trail shoe", 79 * EURO, 119 * EURO, "EUR", 0, SENT.ends_at),
        ),
        (
            Item("17", name="Trail shoe 2", price=99 * EURO, currency="EUR"),
            Offered("17", "Trail shoe 2", 99 * EURO, None, "EUR", 4, SENT.ends_at),
        ),
    ],
)
def test_it_shows_the_catalogue_of_now_else_that_of_then(item: Item | None, shown: Offered) -> None:
    assert now_offered(SENT, item) == shown


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (50 * HOUR, "2 d 2 h left"),
        (24 * HOUR, "1 d 0 h left"),
        (2 * HOUR + 300_000, "2 h 5 min left"),
        (90_000, "1 min left"),
        (1, "1 min left"),
        (0, "ended"),
        (-5, "ended"),
    ],
)
def test_the_time_left_is_told_in_words(left: int, text: str) -> None:
    assert time_left(AT + left, AT) == text
    assert time_left(0, AT) == ""


def test_the_stock_is_told_in_words() -> None:
    assert [stock_left(one) for one in (None, 0, 1, 5, 6)] == ["", "sold out", "1 left", "5 left", "in stock"]


def test_the_picture_is_a_small_png_that_changes_with_price_stock_and_time() -> None:
    first = png(SENT, AT)
    image = Image.open(BytesIO(first))
    assert image.format == "PNG" and image.size == (WIDTH * SCALE, HEIGHT * SCALE) and len(first) < 60_000
    assert first == png(SENT, AT)
    others = [png(SENT, AT + 3 * HOUR), png(now_offered(SENT, Item("17", price=80 * EURO, currency="EUR")), AT), png(Offered("17"), AT)]
    assert len({first, *others}) == 4
    assert png(Offered("17", "n" * 500, 1, currency="SEK"), AT)  # too long a name is cut, an unknown currency is spelled out


def test_a_message_gets_the_address_only_if_it_asks_for_it() -> None:
    view: dict[str, Any] = {
        "event": {"product_id": "17", "product_name": "Trail shoe", "price": "89.00", "currency": "EUR"},
        "offer": {"expires_at": "2026-03-09T12:00:00Z"},
    }
    known = {"regular_price": "119.00", "stock": 4, "price": "95.00"}
    found = told(WITH, view, lambda one: known, SECRET, "https://k.example")
    offered = read([SECRET], found["picture_url"].removeprefix("https://k.example/r/").removesuffix(".png"))
    assert offered == Offered("17", "Trail shoe", 89 * EURO, 119 * EURO, "EUR", 4, AT + 7 * 24 * HOUR)
    assert (
        told(PLAIN, view, lambda one: known, SECRET, "https://k.example") == {} == told(WITH, {"event": {}}, lambda one: None, SECRET, "x")
    )


def test_a_mail_of_the_renderer_carries_the_picture(tmp_path: Path) -> None:
    body = '<mj-image src="{{ picture_url }}" alt="Price and stock as of now" width="536px" />'
    guarded = f"<mj-raw>{{% if picture_url %}}</mj-raw>{body}<mj-raw>{{% endif %}}</mj-raw>"
    stop = '<mj-text><a href="{{ unsubscribe_url }}">Stop</a></mj-text>'
    (tmp_path / "live.mjml").write_text(f"<mjml><mj-body><mj-section><mj-column>{guarded}{stop}</mj-column></mj-section></mj-body></mjml>")
    (tmp_path / "live.txt").write_text("subject: Live\npreheader: p\n---\nText {{ unsubscribe_url }}\n")
    built, problems = build_messages(["live"], [tmp_path])
    assert not problems
    program = RendererProgram(lambda ref: replace(pack(), messages=built), SECRET, "https://kairos.example")
    shoe = {**MINIMAL["event"], "product_id": "17", "product_name": "Trail shoe", "price": "89.00"}
    [send] = [one for one in outputs(plan("live", {"event": shoe}), program) if one.topic == "message_sends"]
    assert b"https://kairos.example/r/1." in send.value
    [bare] = [one for one in outputs(plan("live", {"event": {}}), program) if one.topic == "message_sends"]
    assert b"/r/" not in bare.value
