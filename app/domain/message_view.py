"""What a template may read: its shape, and the plan's view brought into that shape.

Nothing a customer or shop sent reaches a template as anything but plain text, numbers, lists and maps; what is not told is not there
(an absent key is false in a condition and refuses to be printed), so a mail never shows a hole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.domain import money

Catalogue = Callable[[str], Mapping[str, Any] | None]
"""Product id → what the catalogue knows of it."""

MAX_TEXT = 2_000
"""Characters of one value; a longer one is cut."""
MAX_ITEMS = 50
"""Items of one list; the first ones stay."""
MAX_KEYS = 200
MAX_DEPTH = 6


class Shape(Struct, frozen=True):
    """What stands at a place of the view. `keys`: a map's known keys; `open`: it may have others; `items`: a list of these."""

    keys: Mapping[str, Shape] | None = None
    open: bool = False
    items: Shape | None = None


ANY = Shape(keys={}, open=True)
"""Nothing is known about it, so nothing can be wrong with it."""
VALUE = Shape()


def _map(*names: str, open: bool = False, **inner: Shape) -> Shape:
    return Shape(keys={**dict.fromkeys(names, VALUE), **inner}, open=open)


_PRODUCT_KEYS = ("product_id", "product_name", "price", "currency", "image", "url", "category")
_PRICES = ("regular_price", "sale_price")
_CATALOGUE_KEYS = (
    *(*_PRODUCT_KEYS, *_PRICES, "name", "image_url", "brand", "stock", "rating", "ratings", "bought_today", "key_benefit", "review"),
)
"""What the catalogue tells besides (app/domain/catalogue.py)."""
_AMOUNTS = ("price", *_PRICES, "old_price")
_PRODUCT = _map(*_CATALOGUE_KEYS)
_LINE = _map(*_CATALOGUE_KEYS, "quantity")
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
    event=_map("event_type", *_CATALOGUE_KEYS, "old_price", open=True),
    window=_map("views", "seconds", "value", products=Shape(items=_LINE)),
    recent=Shape(items=_PRODUCT),
    recommendations=Shape(items=_PRODUCT),
    arms=ANY,
    offer=_map(
        "kind", "discount", "code", "expires_at", "minimum", "currency", benefits=Shape(items=VALUE)
    ),  # interface.md section 4; a message without one has none
    order=_map("order_id", products=Shape(items=_map(*_CATALOGUE_KEYS, "quantity", "item_group_id"))),
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


def shaped(view: Mapping[str, Any], product: Catalogue | None = None) -> dict[str, Any]:
    """The plan's view as a template gets it: plain, every root there, products filled up from the catalogue where the event is silent."""
    plain: dict[str, Any] = _plain(dict(view), MAX_DEPTH)
    for root in ("customer", "profile", "event", "window", "order", "offer", "shop", "arms"):
        if not isinstance(plain.get(root), dict):
            plain[root] = {}
    for holder in (plain["window"], plain["order"]):
        holder["products"] = _products(holder.get("products"), product)
    for name in ("recent", "recommendations"):
        plain[name] = [one for one in _products(plain.get(name), product) if "product_name" in one]
    plain["event"] = _product(plain["event"], product)
    plain["user"] = plain["customer"]
    return plain


def _products(value: object, product: Catalogue | None) -> list[dict[str, Any]]:
    return [_product(one, product) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _product(told: dict[str, Any], product: Catalogue | None) -> dict[str, Any]:
    """`told` is of the plain view, a copy that nobody else holds."""
    known = product(str(told["product_id"])) if product is not None and "product_id" in told else None
    if known is not None:
        known = _plain(dict(known), 1)
        if "price" in told:
            if money.units(told["price"]) != money.units(known.get("price")):
                known = {name: one for name, one in known.items() if name not in _PRICES}  # reduced from what, is another price's story
            known.pop("currency", None)  # the price is the event's; the catalogue's currency may not be
        told = {**{name: known[name] for name in _CATALOGUE_KEYS if name in known}, **told}
    if "product_name" not in told and isinstance(told.get("name"), str):
        told["product_name"] = told["name"]
    for name in _AMOUNTS:
        if name in told:
            amount = money.units(told.pop(name))
            if amount is not None and amount > 0:
                told[name] = money.text(amount)
    return told


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
