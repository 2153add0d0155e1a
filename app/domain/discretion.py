"""What a finished message keeps to itself: products and words that tell what nobody may infer (A-260, A-261).

An opening asks only what the event tells. Here the catalogue is asked as well, which may be the only one to know that p7 is maternity wear.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from app.domain.catalogue import Items
from app.domain.scheduler import PERSONALISE
from app.domain.sensitive import CATEGORY, NAME, QUERY, Sensitive, among, texts
from app.domain.trigger import Trigger
from app.events import Plan

REASON = "condition_false"
"""No pack could ask for it otherwise: it is a condition of every message that answers behaviour."""
TELLS = "sensitive"
"""In a decision's values: that it was for this. Which inference it would have told is written nowhere beside her."""
_EVENT = (*CATEGORY, *NAME, *QUERY)
_PROFILE = ("primary_interest", "favourite_categories")


def over(plan: Plan, row: Trigger | None, listed: Sensitive, items: Items) -> tuple[str, dict[str, Any]] | None:
    """(reason, values) of a message that must not go out; None: it may. Like an opening, service is free.

    It is about the product and the words of its opening, every line of an order, and what is in the window: of that it is silent, and
    only where nothing else is left there is no message.
    """
    if not listed.inferences or not _answers_her(row):
        return None
    event = plan.view.get("event") or {}
    found = among(listed, texts(event, _EVENT)) or _told(event, listed, items)
    lines = _lines(plan.view, "window")
    for line in _lines(plan.view, "order"):
        found = found or _told(line, listed, items)
    if found is None and lines:
        told = [_told(line, listed, items) for line in lines]
        found = told[0] if all(told) else None
    return None if found is None else (REASON, {TELLS: True})


def kept(view: Mapping[str, Any], row: Trigger | None, listed: Sensitive, items: Items, named: Collection[str]) -> dict[str, Any]:
    """The view without what the message had better not show. `named`: roots that its templates read; the others are not looked at."""
    after = dict(view)
    if not listed.inferences:
        return after
    if "recent" in named and (recent := after.get("recent")):
        after["recent"] = [one for one in recent if _told(one, listed, items) is None]
    if "window" in named and _answers_her(row) and (lines := _lines(view, "window")):
        after["window"] = {**after["window"], "products": [one for one in lines if _told(one, listed, items) is None]}
    her = after.get("profile")
    if her and "profile" in named and any(name in her for name in _PROFILE):
        after["profile"] = {name: _silent(one, listed) if name in _PROFILE else one for name, one in her.items()}
    return after


def _answers_her(row: Trigger | None) -> bool:
    return row is None or PERSONALISE in row.needs


def _lines(view: Mapping[str, Any], root: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (view.get(root) or {}).get("products") or []
    return found


def _told(one: Mapping[str, Any], listed: Sensitive, items: Items) -> str | None:
    """What a product tells, by the event's words or the catalogue's."""
    own = texts(one)
    found = among(listed, own)
    if found is None and (product_id := one.get("product_id")) and (item := items(str(product_id))) is not None:
        found = among(listed, [text for text in (item.category, item.name) if text not in own])
    return found


def _silent(value: Any, listed: Sensitive) -> Any:
    """A category, or several, without those that tell something."""
    if isinstance(value, list):
        return [one for one in value if among(listed, (str(one),)) is None]
    return None if isinstance(value, str) and among(listed, (value,)) is not None else value
