"""A price as feeds and tables write it: `45.00 EUR` (Google's form), `EUR 45`, `1.299,00 €`, `$1,299.00`, `45`."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "zł": "PLN", "₺": "TRY", "₩": "KRW"}
_PRICE = re.compile(r"(?P<before>[A-Za-z]{3}|[€$£¥₹₺₩])?\s*(?P<number>\d[\d.,' \u00a0\u202f]*)\s*(?P<after>[A-Za-z]{3}|[€$£¥₹₺₩]|zł)?")
_PLACES = re.compile(r"\d{1,11}(\.\d{1,4})?")


@lru_cache(maxsize=20_000)
def parse(text: str) -> tuple[str, str]:
    """(decimal text, currency or empty), to four places. Raises ValueError for what is no price: negative, no number, beyond 100 billion.

    Of `1.234,50` and `1,234.50` the last sign is the decimal one; a single one with three digits behind it parts thousands if it is a
    comma (`1,234`), and is decimal if it is a point (`1.234`), as JSON and Google have it.
    """
    match = _PRICE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no price")
    before, after = match["before"], match["after"]
    if before and after and _code(before) != _code(after):
        raise ValueError(f"{text[:40]!r} names two currencies")
    number = match["number"].strip()
    if "," in number or " " in number or "'" in number or "\u00a0" in number or "\u202f" in number or number.count(".") > 1:
        number = _decimal(number)
    number = number.removesuffix(".")
    if "." in number:
        number = f"{Decimal(number):.4f}" if len(number) - number.index(".") > 5 else number
    if not _PLACES.fullmatch(number) or float(number) > 100_000_000_000:
        raise ValueError(f"{text[:40]!r} is no price")
    return number, _code(before or after or "")


def _code(sign: str) -> str:
    return SIGNS.get(sign) or SIGNS.get(sign.lower()) or sign.upper()


def _decimal(number: str) -> str:
    for blank in " '\u00a0\u202f":
        number = number.replace(blank, "")
    comma, point = number.rfind(","), number.rfind(".")
    if comma >= 0 and point >= 0:
        thousands, mark = (".", ",") if comma > point else (",", ".")
        return number.replace(thousands, "").replace(mark, ".")
    if comma >= 0:
        if number.count(",") > 1 or len(number) - comma == 4:
            return number.replace(",", "")
        return number.replace(",", ".")
    return number.replace(".", "") if number.count(".") > 1 else number
