"""Counted signals of every other kind: searches, downloads, advertisements, social, support, surveys (A-010, A-012, A-023–A-026)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.domain.event_types import EVENT_TYPES
from app.events import Event

MAX_KINDS = 20
"""Of one type; the rarest give way."""
MAX_KIND = 60


class Signal(Struct, frozen=True, array_like=True):
    """Events of one type. `last` in ms. `kinds`: which of them, by network, content type, query …; the rarest give way."""

    count: int = 0
    last: int = 0
    kinds: dict[str, int] = {}


PAGES = frozenset(("pricing", "shipping", "returns", "size_guide", "faq", "blog", "checkout"))
"""Pages that say something by being looked at (FAQ: A-026); that she looked at pages at all her visits tell."""

SIGNALS: dict[str, tuple[str, ...]] = {
    "page_view": ("page_type",),
    "category_view": ("category", "product_category"),
    "search": ("query",),
    "search_click": (),
    "filter_use": ("filter",),
    "product_compare": (),
    "content_view": ("content_type",),
    "content_download": ("content_type",),
    "cart_remove": (),
    "cart_view": (),
    "checkout_start": (),
    "order_shipped": (),
    "order_delivered": (),
    "refund": (),
    "wishlist_add": (),
    "wishlist_remove": (),
    "review_write": ("rating",),
    "email_bounce": ("kind",),
    "email_forward": ("network",),
    "social_engagement": ("network",),
    "ad_view": ("network",),
    "ad_click": ("network",),
    "ad_conversion": ("network",),
    "ad_video_complete": ("network",),
    "support_ticket": ("status",),
    "support_chat": ("quality",),
    "support_call": (),
    "store_visit": ("store_id",),
    "referral": ("network",),
    "sms_sent": (),
    "sms_click": (),
    "push_open": (),
    "preference_set": ("preference",),
    "survey_answer": ("survey_id",),
    "context_update": (),
}
"""Event type → the properties whose value is its kind, the first that is told. Types that do not stand here another field counts."""
WITHIN = {
    "social_engagement": "action",
    **dict.fromkeys(("ad_view", "ad_click", "ad_conversion", "ad_video_complete", "referral"), "campaign"),
}
"""A second kind, `network/campaign` or, of what she does on a network, `network/action` (A-024: a story, a share)."""
NOT_BROWSING = frozenset(("order_shipped", "order_delivered", "refund"))
BROWSING = frozenset(
    name
    for name in SIGNALS
    if (EVENT_TYPES[name].group in ("web", "shop") and name not in NOT_BROWSING) or name.startswith(("ad_", "social_", "store_"))
)
"""What she does, as against what is done for her: not kept once she withdrew `track`."""


def heard(signals: dict[str, Signal], event: Event, tracked: bool) -> dict[str, Signal]:
    """After an event."""
    name = event.event_type
    if name not in SIGNALS or (not tracked and name in BROWSING):
        return signals
    kinds = _kinds(name, event.properties)
    if name == "page_view" and (not kinds or kinds[0] not in PAGES):
        return signals
    before = signals.get(name, _NONE)
    counted = before.kinds
    if kinds:
        counted = dict(counted)
        for kind in kinds:
            counted[kind] = counted.get(kind, 0) + 1
        counted = _bounded(counted)
    return {**signals, name: Signal(before.count + 1, max(before.last, event.ts), counted)}


def _kinds(name: str, properties: dict[str, Any]) -> list[str]:
    for told in SIGNALS[name]:
        kind = _word(properties.get(told))
        if kind:
            within = _word(properties.get(WITHIN.get(name, "")))
            return [kind, f"{kind}/{within}"] if within else [kind]
    return []


def _word(value: object) -> str:
    if isinstance(value, str):
        return "" if "${" in value else " ".join(value.split()).lower()[:MAX_KIND]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)[:MAX_KIND] if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _bounded(kinds: dict[str, int]) -> dict[str, int]:
    while len(kinds) > MAX_KINDS:
        del kinds[min(kinds, key=lambda kind: (kinds[kind], kind))]
    return kinds


def union(mine: dict[str, Signal], theirs: dict[str, Signal]) -> dict[str, Signal]:
    """Of two people as one."""
    found = dict(mine)
    for name, one in theirs.items():
        other = found.get(name, _NONE)
        kinds = dict(other.kinds)
        for kind, times in one.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + times
        found[name] = Signal(one.count + other.count, max(one.last, other.last), _bounded(kinds))
    return found


_NONE = Signal()


# --- what is asked --------------------------------------------------------------------------------------------------------------


def count(signals: dict[str, Signal], *names: str) -> int:
    """How many events of these types there were."""
    return sum([signals[name].count for name in names if name in signals])


def last(signals: dict[str, Signal], *names: str) -> int:
    """When the last of them was (ms; 0 never)."""
    return max([signals[name].last for name in names if name in signals], default=0)


def kinds(signals: dict[str, Signal], *names: str) -> dict[str, int]:
    """How many of each kind."""
    found: dict[str, int] = {}
    for name in names:
        for kind, times in signals.get(name, _NONE).kinds.items():
            found[kind] = found.get(kind, 0) + times
    return dict(sorted(found.items()))


SOCIAL = ("social_engagement",)
ADS = ("ad_view", "ad_click", "ad_conversion", "ad_video_complete")
SUPPORT = ("support_ticket", "support_chat", "support_call")


def networks(signals: dict[str, Signal], *names: str) -> dict[str, dict[str, int]]:
    """Network → type → how many: where she is met (A-024, A-025)."""
    found: dict[str, dict[str, int]] = {}
    for name in names:
        for kind, times in signals.get(name, _NONE).kinds.items():
            if "/" not in kind:
                found.setdefault(kind, {})[name] = times
    return dict(sorted(found.items()))


def completion(signals: dict[str, Signal], network: str) -> float | None:
    """Videos she saw to their end, of all advertisements she was shown there, at most 1; None: she was shown none (A-024, A-025)."""
    shown = kinds(signals, "ad_view").get(network, 0)
    return min(1.0, kinds(signals, "ad_video_complete").get(network, 0) / shown) if shown else None


def under_way(signals: dict[str, Signal]) -> bool:
    """Whether a parcel of hers was shipped that nobody has reported delivered (A-075)."""
    return count(signals, "order_shipped") > count(signals, "order_delivered")
