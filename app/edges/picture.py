"""The open-time picture as PNG (A-180): name, price and what it was, stock, time left. Needs the extra `pictures`; no worker imports it."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO

from fontpkg_noto_sans import ROOT
from PIL import Image, ImageDraw, ImageFont

from app.domain import money
from app.domain.brand import Brand
from app.domain.open_time import Offered, stock_left, time_left
from app.domain.rendering import SIGNS

WIDTH, HEIGHT, SCALE = 536, 132, 2
"""px as shown; drawn at twice that, for screens that have it."""
_MARGIN = 24
_TYPEFACE = ROOT / "files" / "NotoSans[wdth,wght].ttf"
"""Latin, Greek and Cyrillic; Pillow's own has no currency sign but $."""


def png(offered: Offered, now: int, brand: Brand | None = None) -> bytes:
    """The picture at an instant (ms). The same input gives the same bytes: the typeface comes with the extra."""
    shop = brand or Brand()
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), shop.tint)
    draw = ImageDraw.Draw(image)
    width = WIDTH - 2 * _MARGIN
    _line(draw, (_MARGIN, 14), [(_fitting(draw, offered.name, 20, width), shop.ink)], 20)
    parts: list[tuple[str, str]] = []
    if offered.price is not None:
        parts.append((_price(offered.price, offered.currency), shop.sale if offered.regular_price is not None else shop.ink))
    right = _line(draw, (_MARGIN, 40), parts, 30)
    if offered.price is not None and offered.regular_price is not None:
        was = _price(offered.regular_price, offered.currency)
        end = _line(draw, (right + 12, 51), [(was, shop.dim)], 20)
        draw.line([((right + 12) * SCALE, 66 * SCALE), (end * SCALE, 66 * SCALE)], fill=shop.dim, width=2 * SCALE)
    said = " · ".join(filter(None, (stock_left(offered.stock), time_left(offered.ends_at, now))))
    _line(draw, (_MARGIN, 90), [(said[:1].upper() + said[1:], shop.dim)], 17)
    out = BytesIO()
    image.quantize(64, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_TYPEFACE), size * SCALE)


def _line(draw: ImageDraw.ImageDraw, at: tuple[int, int], parts: list[tuple[str, str]], size: int) -> int:
    """Writes the parts one after the other; returns where they end (px as shown)."""
    x, y = at
    font = _font(size)
    for text, colour in parts:
        draw.text((x * SCALE, y * SCALE), text, fill=colour, font=font)
        x += round(draw.textlength(text, font=font) / SCALE)
    return x


def _fitting(draw: ImageDraw.ImageDraw, text: str, size: int, width: int) -> str:
    font = _font(size)
    if draw.textlength(text, font=font) <= width * SCALE:
        return text
    while text and draw.textlength(f"{text}…", font=font) > width * SCALE:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _price(units: int, currency: str) -> str:
    told = money.shown(money.text(units))
    return f"{SIGNS[currency]}{told}" if currency in SIGNS else f"{told} {currency}".rstrip()
