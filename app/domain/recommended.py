"""Products that a message recommends: which of them it shows, and those the guide's template calls `primary_category` (A-172, A-173)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_SENTENCE = re.compile(r".+?[.!?](?=\s|$)|.+", re.DOTALL)
LISTS = ("recent", "recommendations")
"""Of a view: their products count as recommended once a message shows them."""


class Recommended(dict[str, Any]):
    """A product of `recent` or `recommendations` that notes when a template prints its name: what was shown counts as recommended."""

    __slots__ = ("shown",)

    def __init__(self, product: Mapping[str, Any], shown: dict[str, None]) -> None:
        super().__init__(product)
        self.shown = shown

    def __getitem__(self, name: str) -> Any:
        value = dict.__getitem__(self, name)
        if name in ("product_name", "name") and "product_id" in self:
            self.shown[str(self["product_id"])] = None
        return value


def noting(values: Mapping[str, Any], shown: dict[str, None]) -> dict[str, list[Recommended]]:
    """Both lists of a view, with products that note in `shown` that they are."""
    return {name: [Recommended(one, shown) for one in values[name]] for name in LISTS}


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
    name, category = str(one.get("product_name")), one.get("category")
    whole = {
        "name": name,
        "category": name,
        "image_url": _picture(one),
        "sale_price": one["price"],
        "regular_price": one["price"],
        "key_benefit": text.group() if text is not None else category or name,
        **one,
    }
    return Recommended(whole, one.shown) if isinstance(one, Recommended) else whole
