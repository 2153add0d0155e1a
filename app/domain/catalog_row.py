"""A product as a row of a shop's own file tells it: columns by the names that shops and feeds have for them, values as people write them.

What comes out is a change in the words of `catalog_changes`, and everything that speaks against the row. A column that is there and empty
clears the field: a sale that is over must end. A column that is not there leaves it as it is, so that a file of ids and stocks is enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.domain.catalog_change import MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_NAME, MAX_TEXT, instant
from app.domain.plain_text import plain
from app.domain.price_text import parse

SYNONYMS: dict[str, tuple[str, ...]] = {
    "product_id": ("product_id", "id", "sku", "item_id", "article_number"),
    "name": ("name", "title", "product_name"),
    "item_group_id": ("item_group_id", "group_id", "parent_id", "parent_sku"),
    "category": ("category", "product_category", "product_type", "google_product_category"),
    "brand": ("brand", "manufacturer", "vendor"),
    "price": ("price", "regular_price", "list_price"),
    "sale_price": ("sale_price", "special_price"),
    "currency": ("currency", "currency_code"),
    "stock": ("stock", "quantity", "inventory", "stock_quantity", "inventory_quantity", "qty"),
    "available": ("available", "availability", "in_stock"),
    "margin": ("margin",),
    "cost": ("cost_of_goods_sold", "cost", "cost_price", "purchase_price"),
    "image": ("image", "image_link", "image_url", "picture"),
    "url": ("url", "link", "product_url"),
    "text": ("text", "description", "summary", "content"),
    "cycle_days": ("cycle_days", "consumable_days"),
    "rating": ("rating", "average_rating"),
    "ratings": ("ratings", "rating_count", "review_count"),
    "removed": ("removed",),
    "timestamp": ("timestamp",),
    "attributes": ("attributes",),
}
"""Field → the names a column of it may have, the first that is there counts. `cost` is only there to tell the margin."""
FIELDS = tuple(SYNONYMS)
HIGHLIGHT = "product_highlight"
"""Google's short sentences on what is good about it; the first is what templates call `key_benefit`."""
SALE_DATES = "sale_price_effective_date"
"""Google's span of a sale, `2026-03-01T00:00+01:00/2026-03-08T00:00+01:00`. It is looked at when the row is read."""
LEVELS = ">"
THERE = frozenset(("in stock", "true", "yes", "1", "available", "preorder", "pre order", "backorder", "instock", "limited availability"))
GONE = frozenset(("out of stock", "false", "no", "0", "unavailable", "sold out", "discontinued", "outofstock"))
FREE, NO_SALE = "with a price of 0", "with a sale price above the price, which does not count"
NO_PRICE, NO_IMAGE, CUT, OVERSOLD = "without a price", "without an image", "with a text cut", "with a stock below 0, which counts as 0"
"""What is noted of a row that is taken all the same."""
_NAME = re.compile(r"[^a-z0-9]+")


class Told(Struct):
    """`change`: by the fields of `catalog_changes`; `faults`: why the row cannot be taken; `notes`: what the shop should know of it."""

    change: dict[str, Any] = {}
    faults: list[str] = []
    notes: list[str] = []


@lru_cache(maxsize=10_000)
def column(name: str) -> str:
    """A column's name as synonyms spell it: `g:Image Link` is `image_link`."""
    return _NAME.sub("_", name.strip().lower().removeprefix("g:")).strip("_")


class Columns:
    """Which column of a file tells which field. `chosen`: field → column, as the operator says; what is left over is an attribute."""

    def __init__(self, chosen: dict[str, str] | None = None) -> None:
        self._chosen = {field: column(name) for field, name in (chosen or {}).items()}
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    @property
    def chosen(self) -> dict[str, str]:
        """Field → column, by the operator's word."""
        return self._chosen

    def fields(self, names: Iterable[str]) -> dict[str, str]:
        """Column (as it is spelled) → field, of those columns that are one."""
        given = tuple(names)
        found = self._known.get(given)
        if found is None:
            spelled: dict[str, str] = {}
            for name in given:
                spelled.setdefault(column(name), name)
            found = {}
            for field, names_of in SYNONYMS.items():
                wanted = (self._chosen[field],) if field in self._chosen else names_of
                one = next((spelled[name] for name in wanted if name in spelled and spelled[name] not in found), None)
                if one is not None:
                    found[one] = field
            if len(self._known) < 1_000:  # objects of a JSON Lines file may all have other keys
                self._known[given] = found
        return found


def read(row: dict[str, Any], columns: Columns, now: int, whole: bool = False) -> Told:
    """What a row tells at `now` (ms); of a table, where everything is text, and of objects. `whole`: it is all of the product (a feed): a
    sale price that is not there is none.
    """
    told = Told({}, [], [])
    fields = columns.fields(row)
    raw: dict[str, Any] = {}
    extra: dict[str, str | None] = {}
    for name, value in row.items():
        if type(value) is str:
            value = value.strip()
        field = fields.get(name)
        if field is not None:
            raw[field] = None if value == "" else value
        elif name:
            key = column(name) or name
            if key not in extra:
                extra[key] = _attribute(value, told)
    if whole and "sale_price" not in raw and "price" in raw:
        raw["sale_price"] = None
    if raw.get("sale_price") is not None and not _on_sale(extra.get(SALE_DATES), now):
        raw["sale_price"] = None
    change, faults = told.change, told.faults
    _prices(raw, told)
    for field, value in raw.items():
        reader = _READERS.get(field)
        if reader is None:
            continue
        try:
            change[field] = None if value is None else reader(value)
        except ValueError as error:
            faults.append(f"{field}: {error}")
    _tidy(raw, told)
    if extra:
        _attributes(extra, change, told)
    if type(change.get("product_id")) is not str:
        faults.append("product_id: missing")
    return told


def _tidy(raw: dict[str, Any], told: Told) -> None:
    """Fields that depend on each other or are cut, and what is noted."""
    change = told.change
    for field in ("available", "removed", "ratings", "timestamp"):
        if field in change and change[field] is None:
            del change[field]  # nothing said; there is no such thing as none of it
    if change.get("available") and type(change.get("stock")) is int:
        del change["available"]  # the pieces say it
    elif "available" in change and change.get("stock", 0) is None:
        del change["stock"]
    stock = change.get("stock")
    if type(stock) is int and stock < 0:
        change["stock"] = 0
        told.notes.append(OVERSOLD)
    text, name = change.get("text"), change.get("name")
    if type(text) is str and len(text) > MAX_TEXT:
        change["text"] = text[: MAX_TEXT - 1].rstrip() + "…"
        told.notes.append(CUT)
    if type(name) is str and len(name) > MAX_NAME:
        told.faults.append(f"name: {len(name)} characters, more than {MAX_NAME}")
    if "price" in raw and change.get("price") is None:
        told.notes.append(NO_PRICE)
    if "image" in raw and change.get("image") is None:
        told.notes.append(NO_IMAGE)


def _prices(raw: dict[str, Any], told: Told) -> None:
    """Prices with the currency that stands beside one of them, and the margin that the cost tells."""
    change, faults = told.change, told.faults
    found: dict[str, float] = {}
    currencies: dict[str, str] = {}
    for field in ("price", "sale_price", "cost"):
        value = raw.get(field)
        if value is None:
            if field in raw and field != "cost":
                change[field] = None
            continue
        try:
            amount, currency = _money(value)
        except ValueError as error:
            faults.append(f"{field}: {error}")
            continue
        found[field] = float(amount)
        if currency:
            currencies[field] = currency
        if field != "cost":
            change[field] = amount
    price, sale = found.get("price"), found.get("sale_price")
    if 0 in (price, sale):
        told.notes.append(FREE)
    if price is not None and sale is not None and sale > price:
        told.notes.append(NO_SALE)
    named = raw.pop("currency", None)
    if type(named) is str:
        currencies["currency"] = named.upper()
    if len(set(currencies.values())) > 1:
        faults.append(f"currency: {' and '.join(dict.fromkeys(currencies.values()))} in one row")
    elif currencies:
        change["currency"] = next(iter(currencies.values()))
    if (cost := found.get("cost")) is not None and raw.get("margin") is None:
        price = min((found[field] for field in ("price", "sale_price") if field in found), default=0.0)
        if price > 0:
            # Of what it is sold for now: a margin of the regular price would let an offer on a sale cost more than there is.
            raw.pop("margin", None)
            change["margin"] = round(max(0.0, 1 - cost / price), 4)


def _on_sale(span: str | None, now: int) -> bool:
    """Whether a sale is on at `now`; of a span that cannot be read: it is, since the price is there."""
    try:
        start, _, end = (span or "").partition("/")
        return instant(start.strip()) <= now < instant(end.strip())
    except ValueError:
        return True


def _money(value: Any) -> tuple[str, str]:
    if type(value) is str:
        return parse(value)
    if type(value) in (int, float):
        return parse(f"{value:.4f}".rstrip("0").rstrip(".") if type(value) is float else str(value))
    raise ValueError(f"{str(value)[:40]!r} is no price")


def _attributes(extra: dict[str, str | None], change: dict[str, Any], told: Told) -> None:
    if HIGHLIGHT in extra and "key_benefit" not in extra:
        extra["key_benefit"] = extra.pop(HIGHLIGHT)
    own = change.get("attributes")
    found = {**extra, **own} if isinstance(own, dict) else extra
    if len(found) > MAX_ATTRIBUTES:
        told.notes.append(f"with more than {MAX_ATTRIBUTES} attributes, of which the first are kept")
        found = dict(list(found.items())[:MAX_ATTRIBUTES])
    change["attributes"] = found


def _attribute(value: Any, told: Told) -> str | None:
    if value is None or value == "":
        return None
    if type(value) is bool:
        return "true" if value else "false"
    text = plain(value) if type(value) is str else str(value)
    if len(text) > MAX_ATTRIBUTE:
        told.notes.append(CUT)
        text = text[: MAX_ATTRIBUTE - 1].rstrip() + "…"
    return text


# --- readers of single fields; each raises ValueError ---------------------------------------------------------------------------


def _id(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    raise ValueError(f"{str(value)[:40]!r} is no id")


def _text(value: Any) -> str:
    if type(value) is str:
        return plain(value)
    if type(value) in (int, float):
        return str(value)
    raise ValueError(f"{str(value)[:40]!r} is no text")


def _category(value: Any) -> str | None:
    """Of a path (`Home > Women > Coats`) the last step, as events name categories; a number of Google's taxonomy is no name."""
    text = _text(value)
    last = text.rpartition(LEVELS)[2].strip() or text
    return None if last.isdecimal() else last


def _link(value: Any) -> str:
    text = _id(value)
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"{text[:60]!r} is no http address")
    return text


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]!r} is no number") from None
    if type(value) is bool or number != number or abs(number) == float("inf"):
        raise ValueError(f"{str(value)[:40]!r} is no number")
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(f"{str(value)[:40]!r} is no whole number")
    return int(number)


def _share(value: Any) -> float:
    if type(value) is str and value.endswith("%"):
        number = _number(value[:-1].replace(",", ".")) / 100
    else:
        number = _number(value)
    if not 0 <= number <= 1:
        raise ValueError(f"{str(value)[:40]!r} is neither a share from 0 to 1 nor a percentage with %")
    return number


def _there(value: Any) -> bool:
    if type(value) is bool:
        return value
    word = str(value).lower().replace("_", " ").replace("-", " ").rpartition("/")[2].strip()
    if word in THERE or word in GONE:
        return word in THERE
    raise ValueError(f"{str(value)[:40]!r} is neither in stock nor out of stock")


def _named(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError("attributes: an object of texts")
    found = Told({}, [], [])
    return {str(name): _attribute(one, found) for name, one in value.items()}


_READERS: dict[str, Callable[[Any], Any]] = {
    "product_id": _id,
    "name": _text,
    "item_group_id": _id,
    "category": _category,
    "brand": _text,
    "stock": _whole,
    "available": _there,
    "margin": _share,
    "image": _link,
    "url": _link,
    "text": _text,
    "cycle_days": _number,
    "rating": _number,
    "ratings": _whole,
    "removed": _there,
    "timestamp": _id,
    "attributes": _named,
}
