"""What may open a window beside events: conclusions about where she stands, and what each tells a condition as `event` (A-080, X-01).

They become true by an event or by time alone; what is new of a product (app/domain/news.py) becomes true of everybody whom it interests.
One that stops being true ends the windows it opened: leaving a segment those that entering that very segment opened, leaving a stage, tier
or churn level those of that stage, tier or level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAGE, TIER, ENTERED, LEFT = "stage", "tier", "segment_entered", "segment_left"
CHURN_LEVEL = "churn_level"
REORDER = "reorder"
PRICE_DROP, BACK_IN_STOCK, LOW_STOCK = "price_drop", "back_in_stock", "low_stock"
NEWS = (PRICE_DROP, BACK_IN_STOCK, LOW_STOCK)
"""What a shop's catalogue may say of a product (A-126)."""
_ITEM = ("product_id", "item_group_id", "product_name", "category", "price", "old_price", "currency", "stock", "image", "url", "interest")
TOLD: dict[str, tuple[str, ...]] = {
    STAGE: ("scheme", "stage", "before"),
    TIER: ("scheme", "tier", "before"),
    ENTERED: ("segment", "of"),
    LEFT: ("segment", "of"),
    CHURN_LEVEL: ("level", "before", "risen", "probability"),
    REORDER: ("product_id", "product_name", "category", "price", "currency", "image", "url", "reorder_at", "cycle_days", "orders"),
    PRICE_DROP: (*_ITEM, "drop"),
    BACK_IN_STOCK: _ITEM,
    LOW_STOCK: _ITEM,
}
"""Kind → the keys of its `event`. `of`: what a segment with `each` was entered or left for; `interest`: `cart`, `wishlist` or `view`."""
STANDINGS = frozenset((STAGE, TIER, ENTERED, LEFT, CHURN_LEVEL))
"""Those about her as a whole."""
_PLACE = {STAGE: ("scheme", "stage"), TIER: ("scheme", "tier"), CHURN_LEVEL: ("", "level")}
"""Kind → what its `event` calls the scheme and the group; who rises to a higher churn level has not left the lower one."""
_TURNED = {ENTERED: LEFT, LEFT: ENTERED}


def ends(kind: str, opened: Mapping[str, Any], later: str, told: Mapping[str, Any]) -> bool:
    """Whether a later conclusion says that the one which opened a window is true no more; of anything else: True, it is not its to say.

    `opened`, `told`: the `event` of either.
    """
    if _TURNED.get(kind) == later:
        return opened.get("segment") == told.get("segment") and opened.get("of") == told.get("of")
    if kind == later and kind in _PLACE:
        scheme, group = _PLACE[kind]
        return opened.get(scheme) == told.get(scheme) and opened.get(group) != told.get(group) and told.get("risen") is not True
    return True
