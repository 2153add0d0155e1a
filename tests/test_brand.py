"""A pack's brand: checked when the pack is, in every message from then on, and nothing to look up when one goes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.brand import AA, COLOURS, Brand, contrast, faint
from app.domain.rendering import render
from app.policy.brand import settled
from app.policy.messages import FULL, SHIPPED, build_messages
from app.policy.mjml import Source
from app.policy.pack import BadPack, build, compile_artifact
from tests.mails import shipped

VIEW = {**FULL, "unsubscribe_url": "https://k.example/u/1"}
BRAND = """
[brand]
why         = "ours"
name        = "Bread & <Butter>"
website     = "https://shop.example/"
preferences = "https://shop.example/you"
address     = "Example Ltd, 1 High Street, Leeds"
accent      = "#7a1f3d"
dark_accent = "#ffb3c8"
"""


def pack(folder: Path, more: str) -> Path:
    (folder / "mine.toml").write_text(f'name = "mine"\nwhy = "a test"\nextends = "s1"\n{more}', "utf-8")
    return folder / "mine.toml"


def problems(folder: Path, more: str) -> list[str]:
    with pytest.raises(BadPack) as bad:
        build(str(pack(folder, more)))
    return [str(one).replace(f"{folder}/", "") for one in bad.value.problems]


@pytest.mark.parametrize(
    ("one", "other", "much"), [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#0000ff", "#ffffff", 8.59)]
)
def test_contrast_is_that_of_the_standard(one: str, other: str, much: float) -> None:
    """WCAG 2.2, contrast ratio; the figures are those every checker gives."""
    assert contrast(one, other) == contrast(other, one) == pytest.approx(much, abs=0.01)
    assert contrast(one, one) == 1.0


def test_what_comes_with_kairos_can_be_read() -> None:
    assert not list(faint(Brand()))
    assert all(hasattr(Brand(), f"dark_{one}") for one in COLOURS)


def test_a_brand_is_in_every_mail_and_its_text(tmp_path: Path) -> None:
    made = compile_artifact(*build(str(pack(tmp_path, BRAND))))
    assert made.brand.accent == "#7a1f3d"
    for source in made.messages.values():
        sent = render(source, VIEW)
        assert "Bread &amp; &lt;Butter&gt;" in sent.html and "<Butter>" not in sent.html
        assert "#ffb3c8" in sent.html and "#1f4b43" not in sent.html and "brand." not in source.html + source.text
        assert '<a href="https://shop.example/you"' in sent.html and "Choose what you hear about: https://shop.example/you" in sent.text
        assert "1 High Street" in sent.html and sent.text.rstrip().endswith("Example Ltd, 1 High Street, Leeds")


def test_a_pack_without_a_brand_has_nothing_of_one() -> None:
    for source in shipped().values():
        assert "Choose what you hear about" not in source.html + source.text and "brand." not in source.html + source.text


def test_a_brand_costs_the_head_little() -> None:
    """Of the 102 kB at which Gmail cuts, what is the same in every mail takes less than a tenth."""
    for source in shipped().values():
        head = source.html.partition("</head>")[0]
        assert len(head) < 6_000 and "color-scheme" in head and "prefers-color-scheme: dark" in head


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('accent = "#9fd8c4"', "mine.toml:5: accent_ink #ffffff on accent #9fd8c4: contrast 1.6, at least 4.5 (WCAG AA)"),
        ('dark_dim = "#444444"', "mine.toml:5: dark_dim #444444 on dark_card #1c2124: contrast 1.7"),
        ('ink = "black"', "mine.toml:5: ink: a colour such as #1f4b43, not 'black'"),
        ('website = "javascript:alert(1)"', "mine.toml:5: website: an http or https address"),
        ('app_link = "shop://open"', "mine.toml:5: app_link: an http or https address"),
        ('name = "{{ customer.email }}"', "mine.toml:5: name: a text without tags"),
        ('font = "x; background: url(y)"', "mine.toml:5: font: typefaces"),
        ("radius = 99", "mine.toml:5: radius: px, 0 to 40"),
        ('colour = "#ffffff"', "mine.toml:5: unknown field 'colour'"),
    ],
)
def test_a_brand_that_cannot_be_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    assert any(one.startswith(problem) for one in problems(tmp_path, f"[brand]\n{line}\n"))


def test_region_offers_are_checked_and_inherited(tmp_path: Path) -> None:
    row = '[[region_offer]]\nregion = "{}"\nwhy = "w"\ntext = "{}"\n'
    made = compile_artifact(*build(str(pack(tmp_path, row.format("DE", "Free delivery") + row.format("all", "Hello")))))
    assert made.region_offers == {"DE": "Free delivery", "all": "Hello"}
    found = problems(tmp_path, row.format("Bavaria", "x") + row.format("DE", "{{ x }}") + row.format("DE", "y"))
    assert any("mine.toml:5: region: `all`, `EU` or a country's code" in one for one in found)
    assert any("text: a text without tags" in one for one in found) and any("region_offer 'DE' a second time" in one for one in found)


# --- what is settled when a pack is saved -----------------------------------------------------------------------------------------


def settle(text: str, shop: Brand | None = None, html: bool = True) -> tuple[str, list[str]]:
    lines = tuple(("m.mjml", n + 1) for n in range(text.count("\n") + 1))
    source, found = settled(Source(text, lines), shop or Brand(name="A & B"), html)
    assert source.text.count("\n") == text.count("\n")  # lines stay what they are
    return source.text, [str(one) for one in found]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{{ brand.name }}", "A &amp; B"),
        ("{{brand.radius}}px", "8px"),
        ("{% if brand.logo %}a{% else %}b{% endif %}", "b"),
        ("{% unless brand.logo %}a{% else %}b{% endunless %}", "a"),
        ("{% if brand.name %}{% if brand.logo %}a{% else %}b{% endif %}{% else %}c{% endif %}", "b"),
        ("{% if x %}{% if brand.logo %}a{% endif %}{% else %}{{ brand.name }}{% endif %}", "{% if x %}{% else %}A &amp; B{% endif %}"),
        ("{% if brand.logo %}\n{% if x %}a{% else %}b{% endif %}\n{% endif %}c", "\n\nc"),
        ("{% if brand.name %}{% if x %}a{% elsif y %}b{% endif %}{% endif %}", "{% if x %}a{% elsif y %}b{% endif %}"),
        ("{% if customer.high_value and user.mobile_preferred %}", "{% if profile.flags.high_value and profile.flags.mobile_preferred %}"),
        ("customer.high_value {{ 'customer.high_value' }}", "customer.high_value {{ 'customer.high_value' }}"),
        ("{{ customer.high_values }} {{ my.customer.high_value }}", "{{ customer.high_values }} {{ my.customer.high_value }}"),
    ],
)
def test_the_brand_and_the_guides_names_are_settled(text: str, becomes: str) -> None:
    assert settle(text) == (becomes, [])


def test_what_the_brand_does_not_tell_is_a_problem_with_its_line() -> None:
    assert settle("\n{{ website_url }}")[1] == ["m.mjml:2: brand.website is not told: put it into [brand], or test it with if"]
    assert settle("{{ website_url }}", Brand(website="https://x.example/"))[0] == "https://x.example/"
    assert "unknown variable brand.colour" in settle("{{ brand.colour }}")[1][0]
    assert "has no elsif" in settle("{% if brand.logo %}a{% elsif x %}b{% endif %}")[1][0]


def test_a_part_is_given_what_differs(tmp_path: Path) -> None:
    (tmp_path / "_note.mjml").write_text(
        "<mj-section><mj-column><mj-text>[[say]] [[more|and out]]</mj-text></mj-column></mj-section>", "utf-8"
    )
    (tmp_path / "a.txt").write_text("subject: s\npreheader: p\n---\nText {{ unsubscribe_url }}\n", "utf-8")

    def saved(include: str) -> tuple[str, list[str]]:
        foot = '<mj-section><mj-column><mj-text><a href="{{ unsubscribe_url }}">Out</a></mj-text></mj-column></mj-section>'
        (tmp_path / "a.mjml").write_text(f"<mjml><mj-body>\n{include}\n{foot}</mj-body></mjml>", "utf-8")
        built, found = build_messages(["a"], [tmp_path, SHIPPED])
        return built["a"].html if built else "", [str(one).replace(f"{tmp_path}/", "") for one in found]

    assert ">Over and out<" in saved('<mj-include path="./_note.mjml" say="Over" />')[0]
    assert (
        ">{% if window.views > 1 %}Dear{% endif %} now<"
        in saved('<mj-include path="./_note.mjml" say="{% if window.views > 1 %}Dear{% endif %}" more="now" />')[0]
    )
    assert saved('<mj-include path="./_note.mjml" />')[1][0].startswith("_note.mjml:1: [[say]] is not given")
    assert saved('<mj-include path="./_note.mjml" say="x" word="y" />')[1] == ["a.mjml:2: _note.mjml does not ask for 'word'"]


def test_every_pair_that_is_checked_meets_the_standard_in_the_shipped_brand() -> None:
    assert min(contrast(getattr(Brand(), f"{mode}ink"), getattr(Brand(), f"{mode}card")) for mode in ("", "dark_")) > AA
