"""`kairos templates check|gallery`, and what the shipped messages say to whom (A-182, A-185, A-187, A-188, A-248)."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from app.__main__ import kairos
from app.commands.built import artifact
from app.domain.message import MessageSource
from app.domain.rendering import Rendered, render
from app.domain.trigger import Variant
from app.policy.messages import SHIPPED, build_messages
from app.policy.pack import compile_artifact
from app.policy.pack import shipped as packs
from app.policy.proof import WAY_OUT, problems, variant_problems
from app.policy.shown import page
from app.policy.tried_on import KNOWN, LONG, PEOPLE
from tests.mails import shipped

FOOT = '<mj-section><mj-column><mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text></mj-column></mj-section>'
TEXT = "subject: Hello\npreheader: There\n---\nText {{ unsubscribe_url }}\n"


def call(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(kairos, ["templates", *arguments])
    return found.exit_code, found.output


def written(name: str, **told: Any) -> Rendered:
    return render(shipped()[name], {**KNOWN, **told, "shop": {"name": "Shop"}, "unsubscribe_url": WAY_OUT})


def treated(tone: str = "", focus: str = "", content: tuple[str, ...] = (), **flags: bool) -> dict[str, Any]:
    return {
        "treatment": {"tier": {"tone": tone} if tone else {}, "stage": {"focus": focus, "content": list(content)}},
        "flags": flags,
        "orders": 6,
    }


# --- check ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", packs())
def test_what_comes_with_kairos_passes(policy: str) -> None:
    code, out = call("check", "--policy", policy)
    assert code == 0 and "messages for 10 kinds of people" in out, out


def test_every_message_in_the_folder_passes_whether_a_pack_sends_it_or_not() -> None:
    assert problems(shipped(), "Shop", lambda name: SHIPPED / name if (SHIPPED / name).is_file() else None) == []


def proofread(folder: Path, body: str, text: str = TEXT, head: str = "") -> list[str]:
    (folder / "note.mjml").write_text(
        f"<mjml>{head}<mj-body>\n<mj-section><mj-column><mj-text>{body}</mj-text></mj-column></mj-section>\n{FOOT}</mj-body></mjml>",
        "utf-8",
    )
    (folder / "note.txt").write_text(text, "utf-8")
    built, faults = build_messages(["note"], [folder])
    assert not faults, faults
    found = problems(built, "Shop", lambda name: folder / name if (folder / name).is_file() else None)
    return [str(one).replace(f"{folder}/", "") for one in found]


NIGHT = "<mj-head><mj-style>@media (prefers-color-scheme: dark) { .x div { color: #ffffff !important } }</mj-style></mj-head>"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="https://shop.example/"></a>', "note.mjml:2: a link with nothing to click on"),
        ('<a href="">Shop</a>', "a link without address: 'Shop'"),
        ('<a href="https://shop.example/a b">Shop</a>', "note.mjml:2: a link that is no web address"),
        ('<img src="https://shop.example/a.jpg" width="10" />', "note.mjml:2: a picture without alt text"),
        ('<img src="https://shop.example/a.jpg" alt="" />', "note.mjml:2: a picture without width"),
        ('<span style="color:#bbbbbb">Faint words</span>', "note.mjml:2: #bbbbbb on #ffffff in light: contrast 1.9, at least 4.5"),
        ("You have {{ profile.orders }} orders with us", "note.mjml:2: one of something, named as many: '1 orders'"),
        ("Dear %%FirstName%%", "note.mjml:2: an unresolved tag in the HTML: '%%FirstName%%"),
        ("Dear *|FNAME|*", "note.mjml:2: an unresolved tag in the HTML: '*|FNAME|*"),
        ("Dear ${name}", "note.mjml:2: an unresolved tag in the HTML: '${name}"),
        ("{% raw %}Dear {{ name }}{% endraw %}", "an unresolved tag in the HTML: '{{ name }}"),
        ("x" * 105_000, "bytes of HTML for 'known': Gmail cuts at 104,448"),
        (
            "{% if recent.size == 3 %}{{ customer.middle_name | upcase }}{% endif %}{% if customer.middle_name %}{% endif %}",
            "cannot be written for",
        ),
    ],
)
def test_a_fault_is_found_with_its_line(tmp_path: Path, body: str, problem: str) -> None:
    found = proofread(tmp_path, body) if len(body) < 100_000 else []
    if not found:  # too large even for the trial runs when it is saved
        source = MessageSource(
            "note",
            "s",
            "p",
            f"<html><body>{body}<a href='{WAY_OUT}'>x</a>{{{{ unsubscribe_url }}}}</body></html>",
            "t {{ unsubscribe_url }}",
        )
        found = [str(one) for one in problems({"note": source}, "Shop", lambda name: None)]
    assert any(problem in one for one in found), found


def test_other_subjects_are_read_by_everybody_too_also_for_a_cart_with_one_thing() -> None:
    """The shipped one said "1 things in it", and `check` never looked: it rendered each message as its files have it."""
    many = "Your cart is waiting, {{ window.products.size }} things in it"
    variant = Variant("worth", "cart-reminder", "subject", many, None)
    [problem] = variant_problems(shipped(), [(variant, "mine.toml", 7)], "Shop")
    assert str(problem) == "mine.toml:7: cart-reminder with the subject 'worth': one of something, named as many: '1 things'"
    ours = compile_artifact(*artifact("merged")).variants["cart-reminder/subject/worth"]
    assert variant_problems(shipped(), [(ours, "", 0)], "Shop") == []
    carts = {0: "Your cart is waiting", 1: "Your cart is waiting, one thing in it", 2: "Your cart is waiting, 2 things in it"}
    for things, subject in carts.items():
        source = replace(shipped()["cart-reminder"], subject=ours.text)
        products = KNOWN["window"]["products"][:things]
        view = {**KNOWN, "window": {"products": products}, "shop": {"name": "Shop"}, "unsubscribe_url": WAY_OUT}
        assert render(source, view).subject == subject


def test_another_button_is_looked_at_within_its_mail() -> None:
    html = '<body>{{ creative.cta | default: "Look" }}{{ unsubscribe_url }}</body>'
    messages = {"note": MessageSource("note", "s", "p", html, "t {{ unsubscribe_url }}")}
    left, gone = Variant("left", "note", "cta", "Look, %%FirstName%%", None), Variant("left", "gone", "cta", "%%FirstName%%", None)
    [problem] = variant_problems(messages, [(left, "mine.toml", 3), (gone, "mine.toml", 4)], "Shop")
    assert "mine.toml:3: note with the cta 'left': an unresolved tag in the HTML" in str(problem)


def test_a_mail_that_loads_a_style_sheet_is_a_fault() -> None:
    """Whatever put it there: MJML once did, for a font that has a well-known address."""
    html = "<style>@import url(https://fonts.example/a.css);</style><body>{{ unsubscribe_url }}</body>"
    source = MessageSource("note", "s", "p", html, "t {{ unsubscribe_url }}")
    assert any("@import makes the mail load from elsewhere" in str(one) for one in problems({"note": source}, "Shop", lambda name: None))


def test_words_are_held_against_what_lies_behind_them_in_both_lights(tmp_path: Path) -> None:
    assert proofread(tmp_path, "Plain words") == []
    (tmp_path / "note.mjml").unlink()
    words = '<mj-section><mj-column><mj-text css-class="x">White on white</mj-text></mj-column></mj-section>'
    (tmp_path / "note.mjml").write_text(f"<mjml>{NIGHT}<mj-body>{words}{FOOT}</mj-body></mjml>")
    built, _ = build_messages(["note"], [tmp_path])
    [fault] = problems(built, "Shop", lambda name: None)
    assert "#ffffff on #ffffff in dark: contrast 1.0" in fault.message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("subject: " + "word " * 20 + "\npreheader: p\n---\n{{ unsubscribe_url }}", "note.txt:1: a subject of 99 characters"),
        ("subject: a\npreheader: {% raw %}{{ x }}{% endraw %}\n---\n{{ unsubscribe_url }}", "an unresolved tag in the preheader"),
        ("subject: a\npreheader: p\n---\n%%name%% {{ unsubscribe_url }}", "note.txt:4: an unresolved tag in the text: '%%name%%"),
    ],
)
def test_a_fault_of_the_text_is_found_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    assert any(problem in one for one in proofread(tmp_path, "x", text)), proofread(tmp_path, "x", text)


PACK = """name = "mine"
why = "a test"
extends = "s1"
[[trigger]]
name = "note"
why = "w"
open = { on = "category_view" }
wait = "1h"
send = "note"
"""


def own(folder: Path, body: str) -> str:
    (folder / "messages").mkdir(exist_ok=True)
    proof = f"<mjml><mj-body><mj-section><mj-column><mj-text>\n{body}</mj-text></mj-column></mj-section>{FOOT}</mj-body></mjml>"
    (folder / "messages" / "note.mjml").write_text(proof, "utf-8")
    (folder / "messages" / "note.txt").write_text(TEXT, "utf-8")
    (folder / "mine.toml").write_text(PACK, "utf-8")
    return str(folder / "mine.toml")


def test_a_pack_of_ones_own_is_proofread_and_the_answer_can_be_scripted(tmp_path: Path) -> None:
    policy = own(tmp_path, '<img src="https://shop.example/a.jpg" width="10" />')
    code, out = call("check", "--policy", policy, "--json")
    told = orjson.loads(out.partition("\n}")[0] + "\n}")
    assert code == 1 and told["policy"] == "mine" and told["people"] == list(PEOPLE) and "note" in told["messages"]
    assert [(Path(one["file"]).name, one["line"]) for one in told["problems"]] == [("note.mjml", 2)]
    assert call("check", "--policy", own(tmp_path, "Fine"))[0] == 0
    assert call("check", "--policy", "nowhere")[0] == 2


# A template that loops for ever is refused before it is ever tried on anybody.
@pytest.mark.parametrize("body", ["{% for a in (1..100000000) %}x{% endfor %}", "{{ 'a' | append: nobody }}", "{% if x %}"])
def test_a_pack_that_cannot_be_saved_is_not_proofread(tmp_path: Path, body: str) -> None:
    code, out = call("check", "--policy", own(tmp_path, body))
    assert code == 1 and "note.mjml:" in out


def test_nobody_s_name_is_markup_or_template_and_no_length_breaks_a_mail() -> None:
    assert {"known", "unknown", "no catalogue", "long names", "HTML and Liquid", "tier low"} <= PEOPLE.keys()
    for source in shipped().values():
        for person in ("HTML and Liquid", "long names"):
            sent = render(source, {**PEOPLE[person], "shop": {"name": "Shop"}, "unsubscribe_url": WAY_OUT})
            assert "<script" not in sent.html and "<img src=x" not in sent.html and len(sent.html.encode()) < 102 * 1024
            assert "xxxxxxxxx" not in sent.text  # the loop in a name is no loop
    assert LONG.strip() in written("product-details", event={**KNOWN["event"], "product_name": LONG}).text


# --- the page as it is shown ------------------------------------------------------------------------------------------------------


def test_css_is_read_as_programs_read_it() -> None:
    html = """<head><style>a { color: #111111 } .ink div { color: #222222 } .card > p { color: #333333 !important }
      @media (max-width: 400px) { .ink div { color: #999999 } }
      @media (prefers-color-scheme: dark) {
        .ink div, .dim { color: #eeeeee !important } .card { background: #101010 !important } }</style></head>
      <body bgcolor="#fafafa"><div class="ink"><div style="font-size:20px">one</div></div>
      <div class="card" style="background:#ffffff"><p style="color:#444444">two</p><b><p>three</p></b></div>
      <a href="u" style="color:#555555">four</a><span style="display:none">not</span></body>"""
    light, dark = page(html), page(html, dark=True)
    assert [(one.text, one.colour, one.ground) for one in light.words] == [
        ("one", "#222222", "#fafafa"), ("two", "#333333", "#ffffff"), ("three", "#000000", "#ffffff"), ("four", "#555555", "#fafafa"),
    ]  # fmt: skip
    assert [(one.colour, one.ground) for one in dark.words[:2]] == [("#eeeeee", "#fafafa"), ("#333333", "#101010")]
    assert light.words[0].size == 20 and light.words[2].bold and light.links == [("u", "four")]


# --- gallery ------------------------------------------------------------------------------------------------------------------------


def test_the_gallery_is_one_page_that_loads_nothing(tmp_path: Path) -> None:
    code, out = call("gallery", "--policy", "s1", "--out", str(tmp_path / "g"))
    assert code == 0, out
    index = (tmp_path / "g" / "index.html").read_text("utf-8")
    files = sorted(one.name for one in (tmp_path / "g" / "messages").iterdir())
    names = re.findall(r'<section id="([a-z-]+)">', index)
    assert len(names) > 15 and files == sorted(f"{name}.{mode}.html" for name in names for mode in ("dark", "light"))
    assert all(index.count(f'src="messages/{name}.{mode}.html"') == 2 for name in names for mode in ("light", "dark"))
    assert "Harbour daypack: a second look" in index and "Plain text" in index and not re.search(r"src=\"http|<script|<link", index)
    for file in (tmp_path / "g" / "messages").iterdir():
        html = file.read_text("utf-8")
        assert not re.search(r'<img [^>]*src="http', html) and "prefers-color-scheme" not in html
        assert "default-src 'none'" in html and ("@media all {" if ".dark." in file.name else "@media not all {") in html
    (tmp_path / "file").write_text("x")
    assert call("gallery", "--policy", "s1", "--out", str(tmp_path / "file" / "under"))[0] == 2


# --- what is said to whom -----------------------------------------------------------------------------------------------------------

TONED = sorted(name for name, one in shipped().items() if "treatment.tier.tone" in one.html)


@pytest.mark.parametrize("name", TONED)
def test_a_tier_is_spoken_to_in_its_own_tone(name: str) -> None:
    tones = {
        "vip": "one of our best customers",
        "helpful_expert": "which one we would choose",
        "encouraging": "no silly questions",
        "direct": "Any questions?",
    }
    for tone, words in tones.items():
        sent = written(name, profile=treated(tone, "engagement"))
        assert words in sent.html and words in sent.text
        assert not any(other in sent.text for other in set(tones.values()) - {words})
    assert not any(words in written(name, profile={}).text for words in tones.values())


def test_enough_messages_have_a_tone() -> None:
    assert len(TONED) >= 12 and {"product-details", "cart-reminder", "price-drop", "purchase-window"} <= set(TONED)


@pytest.mark.parametrize("name", ["product-details", "price-drop", "back-in-stock", "low-stock"])
def test_a_new_customer_gets_the_short_version(name: str) -> None:
    new, loyal = (written(name, profile=treated("vip", focus)) for focus in ("onboarding", "retention"))
    assert len(new.html) < len(loyal.html) and new.recommendations == () and len(loyal.recommendations) == 3
    assert "Picked for you" in loyal.text and "Picked for you" not in new.text


@pytest.mark.parametrize("name", ["stage-loyal", "programme-retention", "referral"])
def test_loyal_customers_are_asked_in(name: str) -> None:
    everything = ("exclusive_content", "early_access", "loyalty_rewards", "community", "advocacy")
    ambassador = written(name, profile=treated("vip", "retention", everything, high_value=True))
    for part in (ambassador.html, ambassador.text):
        assert "first look" in part and "photo of how you use it" in part and "Speak for us." in part
    assert "Speak for us" not in written(name, profile=treated("vip", "retention", everything, high_value=False)).text
    assert "first look" not in written(name, profile=treated("direct", "engagement")).text


@pytest.mark.parametrize(
    ("customer", "recent", "words"),
    [
        ({"acquisition_source": "Referral"}, [], "A friend sent you our way"),
        ({"utm_source": "instagram"}, [], "You found us on social media"),
        ({"utm_source": "google"}, [], "You were looking for something and found us"),
        ({"acquisition_source": "store"}, [], "You know us from our store"),
        ({}, [], "What are you into?"),
        ({}, [{"product_id": "1", "product_name": "Shoe", "category": "Home/Shoes"}], "You started with Shoes"),
    ],
)
def test_a_welcome_goes_by_where_she_came_from_and_what_she_looked_at(
    customer: dict[str, str], recent: list[Any], words: str
) -> None:
    sent = written("welcome", customer=customer, recent=recent, profile={}, recommendations=[])
    assert words in sent.html and words in sent.text
    assert "A friend" not in written("welcome", customer={"utm_source": "somewhere"}, profile={}).text


def test_a_product_comes_with_what_others_make_of_it() -> None:
    sent = written("product-details")
    for part in (sent.text, sent.html):
        assert (
            "4.6 of 5 from 213 reviews" in part
            and "14 people bought it today" in part
            and "Keeps a laptop dry" in part
            and "Two winters" in part
        )
    few = written("product-details", event={**KNOWN["event"], "ratings": 2, "bought_today": 1})
    assert "of 5" not in few.text and "bought it today" not in few.text


def test_a_lower_price_stands_beside_the_one_before() -> None:
    sent = written("price-drop", event={**KNOWN["event"], "price": "99.00", "old_price": "129.00"})
    assert sent.subject == "Harbour daypack: now €99.00" and sent.preheader == "It was €129.00 when you looked at it."
    assert "from €129.00 to €99.00" in sent.text and re.search(r"€99.00</span>&nbsp; <s class=\"soft\">€129.00</s>", sent.html)
    assert "€" not in written("price-drop", event={"product_name": "Daypack"}, recent=[], recommendations=[]).text


@pytest.mark.parametrize(
    ("stock", "subject", "words"),
    [
        (1, "Harbour daypack: one left", "There is one piece left of"),
        (3, "Harbour daypack: 3 left", "There are 3 pieces left of"),
        (None, "Harbour daypack: nearly gone", "not much left of"),
    ],
)
def test_the_pieces_left_are_counted(stock: int | None, subject: str, words: str) -> None:
    sent = written("low-stock", event={**KNOWN["event"], "stock": stock})
    assert sent.subject == subject and words in sent.text and words in sent.html


def test_what_is_back_says_how_many_if_they_are_few() -> None:
    assert "There are 3 so far" in written("back-in-stock").text and written("back-in-stock").subject == "Harbour daypack is back"
    assert "so far" not in written("back-in-stock", event={**KNOWN["event"], "stock": 40}).text


def test_people_of_a_region_are_told_what_is_theirs() -> None:
    for name in ("welcome", "near-you", "programme-engagement"):
        assert "Free delivery within France." in written(name).text and "Free delivery within France." in written(name).html
        assert "Free delivery" not in written(name, customer={}).text


def test_an_offer_names_its_code_end_least_order_and_benefits() -> None:
    told = {**KNOWN["offer"], "benefits": ["free_shipping", "gift_wrap"], "minimum": "50.00", "currency": "EUR"}
    sent = written("vip-retention", offer=told)
    for part in (sent.text, sent.html):
        assert "15 % off your next order" in part and "ADA-7KQ2-M9XD" in part and "16 March 2026" in part and "€50.00" in part
        assert re.search(r"Free shipping( ·|,) gift wrap", part)
    only = written("vip-retention", offer={"kind": "gift", "benefits": ["free_shipping"]})
    assert "Free shipping" in only.text and "off your next order" not in only.text


@pytest.mark.parametrize("name", ["related-products", "complements", "search-alternatives", "welcome-recommendations", "category-interest"])
def test_what_is_recommended_goes_before_what_she_looked_at(name: str) -> None:
    picked, seen = KNOWN["recommendations"][:2], [{"product_id": "r", "product_name": "Seen before", "category": "hats"}]
    with_picks = written(name, recommendations=[{**one, "category": "bags"} for one in picked], recent=seen)
    without = written(name, recommendations=[], recent=seen)
    assert set(with_picks.recommendations) == {"p2", "p4"} and "Seen before" not in with_picks.text and "Ridge rolltop" in with_picks.text
    assert without.recommendations == ("r",) and "Picked for you" not in without.text


def test_a_mail_needs_no_pillow() -> None:
    """The picture of a mail that is opened is the gateway's; no worker loads what draws it."""
    code = (
        "import sys, app.agents.renderer_program, app.commands.worker; sys.exit(any(name.split('.')[0] == 'PIL' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0
