"""What the guides' templates call by names of their own of the customer (X-25).

Names that only stand for something of the profile or the brand are settled when the pack is saved (app/policy/brand.py); these are not.
A message that names none of them costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.domain import window
from app.domain.countries import MEMBERS
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.message import MessageSource, texts
from app.domain.scope import ORDER, PURCHASED

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.product import Product

NAMES = ("last_purchase_days_ago", "last_product", "segment", "region_offer")
SEGMENTS = {
    "lapsed": "Lapsed",
    "at_risk": "At-Risk",
    "high_spenders": "High Spenders",
    "highly_engaged": "Highly Engaged",
    "purchaser": "Purchaser",
    "browsing": "Browsing",
}
"""Our segment → what S2 calls it (A-096). She is in several at a time; `user.segment` is the first of them in this order, the rarer before
the commoner."""
_NAMED = re.compile(rf"(?<![\w.])(?:customer|user)\.({'|'.join(NAMES)})\b")


@lru_cache(maxsize=1_000)
def named(source: MessageSource) -> frozenset[str]:
    """Those of `NAMES` that a message's templates name."""
    return frozenset(name for text in texts(source) for name in _NAMED.findall(text))


def told(names: Collection[str], see: See, offers: Mapping[str, str]) -> dict[str, Any]:
    """Those of them that are known of her. `offers`: the pack's, by region."""
    if not names:
        return {}
    her, found = see.person.profile, dict[str, Any]()
    if her.last_order_at:
        found["last_purchase_days_ago"] = max(0, see.now - her.last_order_at) // DAY_MS
        found["last_product"] = last_product(see)
    found["segment"] = next((label for name, label in SEGMENTS.items() if name in see.person.standing.segments), None)
    found["region_offer"] = region_offer(her.device.country, offers)
    return {name: value for name, value in found.items() if name in names and value is not None}


def region_offer(country: str | None, offers: Mapping[str, str]) -> str | None:
    """What people of a country are told: its own offer, else that of the EU if it is in it, else everybody's (A-186)."""
    own = offers.get(country) if country else None
    union = offers.get("EU") if country in MEMBERS else None
    return own or union or offers.get("all")


def last_product(see: See) -> str | None:
    """The name of a product of her last order, if anything that is kept of her still tells it (A-171)."""
    newest = max(see.orders.open.values(), key=lambda one: one.at, default=None)
    if newest is None:
        return None
    kept: list[Product] = [one.product for one in see.person.profile.recent]
    kept += [one.product for other in see.person.windows.open if other.scope == ORDER for one in window.lines(other)]
    kept += [one for entry in see.lookback.entries if entry.kind in PURCHASED for one in entry.products]
    for one in reversed(kept):
        if one.name and any(name and fingerprint(name) in newest.lines for name in (one.product_id, one.group_id, one.name)):
            return one.name
    return None
