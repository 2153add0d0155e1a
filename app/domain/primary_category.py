"""`recommendations.primary_category`, as the guide's template reads it (A-172, A-173)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_SENTENCE = re.compile(r".+?[.!?](?=\s|$)|.+", re.DOTALL)


def primary_category(products: Sequence[Any]) -> list[dict[str, Any]]:
    """Of recommended products those of the category that leads among them, each with all that the guide's loop prints (A-172, A-173).

    It prints both prices and a benefit unasked: a price that is not reduced is both; a product without a benefit is told by the first
    sentence of its text, else by its category. One without name, picture or price is left out: a mail never shows a hole.
    """
    whole = [
        one for one in products if isinstance(one, dict) and all(one.get(name) for name in ("product_name", "price")) and _picture(one)
    ]
    counts = Counter(one.get("category") for one in whole)
    leading = counts.most_common(1)[0][0] if counts else None
    return [_printable(one) for one in whole if one.get("category") == leading]


def _picture(one: Mapping[str, Any]) -> Any:
    return one.get("image_url") or one.get("image")


def _printable(one: dict[str, Any]) -> dict[str, Any]:
    text = _SENTENCE.match(str(one.get("text", "")))
    name, category = str(one["product_name"]), one.get("category")
    return {
        "name": name,
        "category": name,
        "image_url": _picture(one),
        "sale_price": one["price"],
        "regular_price": one["price"],
        "key_benefit": text.group() if text is not None else category or name,
        **one,
    }
