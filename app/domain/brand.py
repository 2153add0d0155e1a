"""A shop's brand: what its messages look like, and whom and where they say they come from."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

AA = 4.5
"""WCAG 2.2, success criterion 1.4.3: the least contrast of text (level AA)."""


class Brand(Struct, frozen=True, omit_defaults=True):
    """Colours are `#rrggbb`; those with `dark_` are for who reads in dark. Templates read all of it as `brand`, when the pack is saved."""

    name: str = ""
    """What the shop calls itself in its mails; without it the sender's name."""
    logo: str = ""
    """Address of its logo, on any ground; without it the name is set in type."""
    logo_width: int = 132
    """Of the logo, in px."""
    logo_height: int = 32
    """Of the logo, in px."""
    website: str = ""
    """Address of the shop: where the logo leads, and what templates call `website_url` (A-174)."""
    app_link: str = ""
    """Address that opens the shop's app where it is installed: what templates call `mobile_app_deeplink` (A-174)."""
    preferences: str = ""
    """Address at which people choose what they hear about; it stands in the foot beside the way out."""
    voice: str = ""
    """How the shop speaks, in a sentence or two: what whoever drafts a message is told (A-184)."""
    address: str = ""
    """Postal address; in many countries every mail must name it."""
    font: str = "-apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    """Typefaces, the first one that a reader has."""
    headline_font: str = "Georgia, 'Times New Roman', serif"
    """The same of headlines."""
    headline: int = 30
    """Size of headlines, in px."""
    text: int = 16
    """Size of text, in px."""
    radius: int = 8
    """Of the corners of buttons, cards and pictures, in px."""
    space: int = 32
    """Between text and the edge of the mail, in px."""
    accent: str = "#1f4b43"
    """Of buttons and links."""
    accent_ink: str = "#ffffff"
    """Of text on the accent."""
    ink: str = "#20262a"
    """Of the text itself."""
    dim: str = "#5d666c"
    """Of what is said by the way."""
    sale: str = "#a3341f"
    """Of a lower price and of what an offer takes off."""
    ground: str = "#f3f1ec"
    """Behind the mail."""
    card: str = "#ffffff"
    """Behind its text."""
    tint: str = "#f0f4f1"
    """Behind what is set apart: an offer, a quote."""
    line: str = "#e2e1da"
    """Of rules and borders."""
    dark_accent: str = "#9fd8c4"
    """The accent, for who reads in dark."""
    dark_accent_ink: str = "#10211c"
    """Text on the accent, for who reads in dark."""
    dark_ink: str = "#eceae5"
    """Text, for who reads in dark."""
    dark_dim: str = "#aab2b7"
    """What is said by the way, for who reads in dark."""
    dark_sale: str = "#ff9d85"
    """A lower price, for who reads in dark."""
    dark_ground: str = "#121517"
    """Behind the mail, for who reads in dark."""
    dark_card: str = "#1c2124"
    """Behind its text, for who reads in dark."""
    dark_tint: str = "#232b2c"
    """Behind what is set apart, for who reads in dark."""
    dark_line: str = "#363e42"
    """Rules and borders, for who reads in dark."""


COLOURS = ("accent", "accent_ink", "ink", "dim", "sale", "ground", "card", "tint", "line")
"""Each has its `dark_` pair."""
_TEXT_ON = (
    ("ink", "card"), ("ink", "tint"), ("ink", "ground"), ("dim", "card"), ("dim", "ground"), ("dim", "tint"), ("accent_ink", "accent"),
    ("accent", "card"), ("accent", "tint"), ("accent", "ground"), ("sale", "card"), ("sale", "tint"),
)  # fmt: skip
"""(text, ground) pairs that our parts set."""


def faint(brand: Brand) -> Iterator[tuple[str, str, float]]:
    """(colour, ground, contrast) of every pair that is too faint to read, light and dark."""
    for mode in ("", "dark_"):
        for text, ground in _TEXT_ON:
            found = contrast(getattr(brand, mode + text), getattr(brand, mode + ground))
            if found < AA:
                yield mode + text, mode + ground, found


def contrast(one: str, other: str) -> float:
    """Of two colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
