"""What a template may read: its shape, and the plan's view brought into that shape.

Nothing a customer or shop sent reaches a template as anything but plain text, numbers, lists and maps; what is not told is not there
(an absent key is false in a condition and refuses to be printed), so a mail never shows a hole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.domain import catalogue, money
from app.domain.catalogue import Items, nothing
from app.domain.scope import PURCHASED

MAX_TEXT = 2_000
"""Characters of one value; a longer one is cut."""
MAX_ITEMS = 50
"""Items of one list; the first ones stay."""
MAX_KEYS = 200
MAX_DEPTH = 6


class Shape(Struct, frozen=True):
    """What stands at a place of the view. `keys`: a map's known keys, or a list's; `open`: it may have others; `items`: a list of these."""

    keys: Mapping[str, Shape] | None = None
    open: bool = False
    items: Shape | None = None


ANY = Shape(keys={}, open=True)
"""Nothing is known about it, so nothing can be wrong with it."""
VALUE = Shape()


def _map(*names: str, open: bool = False, **inner: Shape) -> Shape:
    return Shape(keys={**dict.fromkeys(names, VALUE), **inner}, open=open)


_PRODUCT_KEYS = (
    "product_id", "product_name", "price", "currency", "image", "url", "category",
    "brand", "text", "regular_price", "sale_price", "stock", "key_benefit", "review", "rating", "ratings", "bought_today",
)  # fmt: skip
_OF_NOW = frozenset(("price", "regular_price", "sale_price", "currency", "stock", "rating", "ratings", "bought_today"))
"""Of these the catalogue knows better than an event of yesterday."""
BOUGHT = frozenset((*PURCHASED, "purchase", "store_purchase"))
"""Openings by what she has bought."""
_PRICES = frozenset(("price", "regular_price", "sale_price", "currency"))
_AMOUNTS = ("price", "regular_price", "sale_price", "old_price")
_PRODUCT = _map(*_PRODUCT_KEYS, "name", "image_url")
_LINE = _map(*_PRODUCT_KEYS, "quantity")
_MONEY = _map("amount", "currency")
_CUSTOMER = _map("id", "first_name", "last_name", "email", "last_purchase_days_ago", "last_product", "segment", "region_offer", open=True)

SHAPE = _map(
    "trigger",
    "step",
    "subject",
    "preheader",
    "unsubscribe_url",
    "picture_url",
    shop=_map("name"),
    customer=_CUSTOMER,
    user=_CUSTOMER,  # the guides say both
    event=_map("event_type", *_PRODUCT_KEYS, "old_price", open=True),
    window=_map("views", "seconds", "value", products=Shape(items=_LINE)),
    recent=Shape(items=_PRODUCT),
    recommendations=Shape(keys={"primary_category": Shape(items=_PRODUCT)}, items=_PRODUCT),
    arms=ANY,
    creative=_map("image", "cta"),
    # interface.md section 4; a message without one has none
    offer=_map(
        "kind", "discount", "code", "expires_at", "up_to", "minimum", "currency", benefits=Shape(items=VALUE), emphasis=Shape(items=VALUE)
    ),
    order=_map("order_id", products=Shape(items=_map(*_PRODUCT_KEYS, "quantity", "item_group_id", "name"))),
    profile=_map(
        "person_id",
        "customer_id",
        "first_seen",
        "last_seen",
        "orders",
        "first_purchase_at",
        "last_purchase_at",
        "primary_interest",
        "price_sensitivity",
        "deal_share",
        "sale_share",
        "unseen_orders",
        "upsell",
        "reactivation",
        "personalisation",
        "peak_month",
        "tickets_open",
        "complete",
        "bot",
        "device",
        "timezone",
        "locale",
        "region",
        anonymous_ids=Shape(items=VALUE),
        traits=ANY,
        consent=ANY,
        consent_told=ANY,
        spent=_MONEY,
        average_order=_MONEY,
        favourite_categories=Shape(items=VALUE),
        interest=ANY,
        engagement=_map("score", "email", "website", "purchase", "band", "shift"),
        receptivity=_map("cross", "up"),
        propensity=_map("engagement", "content", "category", hours=Shape(items=VALUE)),
        relevance=ANY,
        cycle_days=ANY,
        surveys=ANY,
        preferences=ANY,
        missing=Shape(items=VALUE),
        rejected=ANY,
        rfm=ANY,
        clv=ANY,
        lifecycle=_map("s0", "s1", "merged"),
        segments=Shape(items=VALUE),
        intent=_map("level", "score"),
        churn=_map("probability", "horizon_days", "level", "next_purchase_at", "mean_gap_days", "spread_days", "days_since_last"),
        email=ANY,
        flags=_map("high_value", "price_sensitive", "mobile_preferred", open=True),
        treatment=_map(stage=ANY, tier=ANY),
    ),
)
"""The root of the view."""

ROOTS = frozenset(SHAPE.keys or ())
_OPEN = ("customer", "profile", "event", "window", "order", "offer", "shop", "arms", "creative")
"""Roots that are there whether or not anything is told of them."""
_WITH = {"user": "customer", "recommendations": "primary_category"}
"""Root → what of the plan's view stands in it besides."""

_WEB = re.compile(r"https?://[^\s/?#\\@<>\"'`]+(?:[/?#][^\s\\<>\"'`]*)?", re.ASCII | re.IGNORECASE)
# C0 and C1 controls, and the marks that turn the direction of text: in a name they only serve to deceive.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ue000\ue001]")


def web_address(value: object) -> str | None:
    """An http or https address that may stand in a mail, or None: no other scheme, no user part, no blanks or quotes."""
    return _address(value) if isinstance(value, str) else None


@lru_cache(maxsize=4_096)  # the same few products stand in many a view
def _address(value: str) -> str | None:
    text = value.strip()
    return text if len(text) <= MAX_TEXT and _WEB.fullmatch(text) else None


@lru_cache(maxsize=1_000)  # a view asks it of each of its keys
def is_link(name: str) -> bool:
    """Whether a key of this name holds a link, here and in templates: then only a web address gets through."""
    return name in ("url", "image") or name.endswith("_url")


class Recommended(list[dict[str, Any]]):
    """Recommended products, best first; `primary_category`: those of the category she likes most."""

    primary_category: list[dict[str, Any]]


def shaped(view: Mapping[str, Any], items: Items = nothing, at: int = 0, named: Collection[str] = ROOTS) -> dict[str, Any]:
    """The plan's view as a template gets it at `at` (ms): plain, every root there, products filled up from the catalogue.

    What the shop's own event says of a product (name, picture, link, category) wins: it is what the person saw. But a price, and whether
    there is any left, are the catalogue's of now, if it knows them: the shop asks that price when she comes, and a mail that names
    another one is wrong the moment it is read. What she has bought keeps the price she paid.

    `named`: the roots that anybody is going to read; of the others only what is no work is there.
    """
    wanted = {*named, "event", *(_WITH[root] for root in named if root in _WITH)}
    plain: dict[str, Any] = _plain({name: one for name, one in view.items() if name in wanted}, MAX_DEPTH)
    for root in _OPEN:
        if not isinstance(plain.get(root), dict):
            plain[root] = {}
    paid = plain["event"].get("event_type") in BOUGHT
    if "window" in named:
        plain["window"]["products"] = _products(plain["window"].get("products"), items, at, paid)
    if "order" in named:
        plain["order"]["products"] = _products(plain["order"].get("products"), items, at, True)
    plain["recent"] = [one for one in _products(plain.get("recent"), items, at) if "product_name" in one]
    recommended = Recommended([one for one in _products(plain.get("recommendations"), nothing, at) if "product_name" in one])
    recommended.primary_category = _products(plain.pop("primary_category", None), nothing, at)
    plain["recommendations"] = recommended
    if "event" in named:
        plain["event"] = _product(plain["event"], items, at, paid)
    plain["user"] = plain["customer"]
    return plain


def _products(value: object, items: Items, at: int, paid: bool = False) -> list[dict[str, Any]]:
    return [_product(one, items, at, paid) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _product(told: dict[str, Any], items: Items, at: int, paid: bool = False) -> dict[str, Any]:
    """`told` is of the plain view, a copy that nobody else holds."""
    item = items(str(told["product_id"])) if "product_id" in told else None
    if item is not None:
        known: dict[str, Any] = _plain(catalogue.view(item, at), 1)
        if "price" in told and (paid or "price" not in known):
            # The price is the event's, so its currency is, too: the catalogue's may be another.
            known = {name: value for name, value in known.items() if name not in _PRICES}
        elif "price" in known:
            told.pop("currency", None)
        own = {name: value for name, value in told.items() if name not in _OF_NOW or name not in known}
        told = {**{name: known[name] for name in _PRODUCT_KEYS if name in known}, **own}
    if "product_name" not in told and isinstance(told.get("name"), str):
        told["product_name"] = told["name"]
    for name in _AMOUNTS:
        if name in told:
            value = told.pop(name)
            amount = _price(value) if type(value) is str else _amount(value)
            if amount is not None:
                told[name] = amount
    return told


def _amount(value: Any) -> str | None:
    amount = money.units(value)
    return money.text(amount) if amount is not None and amount > 0 else None


_price: Callable[[str], str | None] = lru_cache(maxsize=4_096)(_amount)
"""Of a text: the catalogue's prices are, and the same few products stand in many a view."""


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = value if value.isprintable() else _UNPRINTABLE.sub(" ", value)
        return text.strip()[:MAX_TEXT] or None
    if isinstance(value, int):  # bool, too
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth <= 0:
        return None
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, one in value.items():
            if len(found) >= MAX_KEYS:
                break
            if not isinstance(name, str):
                continue
            kind = type(one)
            if is_link(name):
                one = web_address(one)
            elif kind is str and one.isprintable() and len(one) <= MAX_TEXT:  # nearly all there is: not worth a call
                one = one.strip() or None
            elif kind is not int:
                one = _plain(one, depth - 1)
            if one is not None:
                found[name] = one
        return found
    if isinstance(value, list | tuple):
        return [one for item in value[:MAX_ITEMS] if (one := _plain(item, depth - 1)) is not None]
    return None
