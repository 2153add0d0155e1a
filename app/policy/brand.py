"""A pack's `[brand]` and `[[region_offer]]`, checked field by field; and the brand put into the sources of its messages.

`{{ brand.accent }}` and `{% if brand.logo %}…{% else %}…{% endif %}` are settled when the pack is saved, and the guides' names of what
is the shop's or the person's become ours (X-25): a message that goes out has nothing of it left to look up.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any, get_type_hints

from msgspec.structs import asdict, replace

from app.domain.brand import AA, COLOURS, Brand, faint
from app.domain.message_view import web_address
from app.policy.fields import Fields
from app.policy.mjml import Source
from app.policy.place import Path
from app.policy.problem import Problem

FIELDS = ("why", *get_type_hints(Brand))
REGION_OFFER = ("region", "why", "text")
ALL = "all"
"""The region of whoever is in none that has an offer."""
LINKS = ("logo", "website", "app_link", "preferences")
PIXELS = {"logo_width": (16, 600), "logo_height": (8, 300), "headline": (18, 48), "text": (13, 22), "radius": (0, 40), "space": (12, 48)}
MAX_TEXT = 300
_REGION = re.compile(r"[A-Z]{2}|all")
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_FONT = re.compile(r"[A-Za-z0-9 ,'_-]+")
_PLAIN = re.compile(rf"(?:(?!\{{[{{%]|[%}}]\}}|\[\[).){{1,{MAX_TEXT}}}")
"""Without a tag of any kind: it becomes part of templates."""
_FORM = f"a text without tags, at most {MAX_TEXT} characters"

_TAG = re.compile(
    r"\{%-?\s*(?P<word>if|unless|elsif|else|endif|endunless)\b\s*(?P<rest>.*?)\s*-?%\}|\{\{-?\s*brand\.(?P<name>\w+)\s*-?\}\}", re.DOTALL
)
_BRAND = re.compile(r"brand\.(\w+)")
_IN_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_STRINGS = re.compile(r"(\"[^\"]*\"|'[^']*')")
_OURS = (
    (re.compile(r"\{\{-?\s*website_url\s*-?\}\}"), "{{ brand.website }}"),
    (re.compile(r"\{\{-?\s*mobile_app_deeplink\s*-?\}\}"), "{{ brand.app_link }}"),
)
_HERS = re.compile(r"(?<![\w.])(?:customer|user)\.(high_value|price_sensitive|mobile_preferred)\b")
"""A-170, A-173, A-174: flags of the pack, which the guides read from the customer."""


def brand(read: Fields, told: dict[str, Any], base: Brand) -> Brand:
    """The brand: what is not told is as in the pack that this one extends."""
    at: Path = ("brand",)
    read.known(told, at, FIELDS)
    read.text(told, at, "why")
    found: dict[str, Any] = {name: read.text(told, at, name, _PLAIN, _FORM) for name in ("name", "voice", "address")}
    for name in LINKS:
        found[name] = read.text(told, at, name)
        if found[name] is not None and web_address(found[name]) is None:
            read.wrong((*at, name), f"{name}: an http or https address, not {found[name]!r}")
            found[name] = None
    for name in ("font", "headline_font"):
        found[name] = read.text(told, at, name, _FONT, "typefaces, those of more than one word in single quotes")
    for name, (least, most) in PIXELS.items():
        found[name] = read.whole(told, at, name, least, most, getattr(base, name), f"px, {least} to {most}")
    for name in (*COLOURS, *(f"dark_{one}" for one in COLOURS)):
        found[name] = read.text(told, at, name, _COLOUR, "a colour such as #1f4b43")
    made = replace(base, **{name: value for name, value in found.items() if value is not None})
    for colour, ground, much in faint(made):
        place = (*at, colour) if colour in told or ground not in told else (*at, ground)
        read.wrong(
            place, f"{colour} {getattr(made, colour)} on {ground} {getattr(made, ground)}: contrast {much:.1f}, at least {AA} (WCAG AA)"
        )
    return made


def region_offer(read: Fields, told: dict[str, Any], at: Path) -> tuple[str, str] | None:
    """(region, what people of it are told)."""
    read.known(told, at, REGION_OFFER, required=REGION_OFFER)
    region = read.text(told, at, "region", _REGION, f"`{ALL}`, `EU` or a country's code such as US")
    read.text(told, at, "why")
    text = read.text(told, at, "text", _PLAIN, _FORM)
    return (region, text) if region and text else None


def settled(source: Source, shop: Brand, html: bool) -> tuple[Source, list[Problem]]:
    """The source with the brand in it and the guides' names made ours; the lines stay as they are."""
    known = asdict(shop)
    text, problems = source.text, list[Problem]()
    for pattern, name in _OURS:
        text = pattern.sub(name, text)
    text = _IN_TAG.sub(lambda tag: _ours(tag.group()), text)
    source = Source(text, source.places)
    out: list[str] = []
    open_blocks: list[tuple[bool, bool]] = []
    """(is the brand's, is written) of each block that is open."""
    at = 0
    for tag in _TAG.finditer(text):
        out.append(_shown(text[at : tag.start()], open_blocks))
        at = tag.end()
        word, name = tag["word"], tag["name"]
        if name is not None:
            if name not in known:
                problems.append(source.problem(tag.start(), f"unknown variable brand.{name} (there are: {', '.join(known)})"))
            elif all(shown for _, shown in open_blocks) and not known[name] and known[name] != 0:
                problems.append(source.problem(tag.start(), f"brand.{name} is not told: put it into [brand], or test it with if"))
            value = str(known.get(name, ""))
            out.append(_shown(escape(value, quote=True) if html else value, open_blocks))
            continue
        if word in ("if", "unless"):
            asked = _BRAND.fullmatch(tag["rest"])
            ours = asked is not None and asked[1] in known
            open_blocks.append((ours, not ours or bool(known[asked[1]]) is (word == "if") if asked is not None else True))
            if ours:
                continue
        elif open_blocks and open_blocks[-1][0]:
            was = open_blocks.pop()
            if word == "else":
                open_blocks.append((True, not was[1]))
            elif word == "elsif":
                problems.append(source.problem(tag.start(), "a test of the brand has no elsif: put another if inside its else"))
            continue
        elif open_blocks and word.startswith("end"):
            out.append(_shown(tag.group(), open_blocks[:-1]))
            open_blocks.pop()
            continue
        out.append(_shown(tag.group(), open_blocks))
    out.append(_shown(text[at:], open_blocks))
    return Source("".join(out), source.places), problems


def _shown(text: str, open_blocks: list[tuple[bool, bool]]) -> str:
    """The text, or of what is left out its line breaks: places stay what they are."""
    return text if all(shown for _, shown in open_blocks) else "\n" * text.count("\n")


def _ours(tag: str) -> str:
    parts = _STRINGS.split(tag)
    return "".join(part if n % 2 else _HERS.sub(r"profile.flags.\1", part) for n, part in enumerate(parts))
