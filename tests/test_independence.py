"""What somebody gets depends on what she does alone: not on who else is there (test-plan: independence of people)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shop import DAY, HOUR, MINUTE, SECOND, Shop

WHO = ("ann", "bob", "eve")
PRODUCTS = ("p1", "p2")
KINDS = (
    "product_view",
    "product_view",
    "cart_add",
    "cart_remove",
    "purchase",
    "search",
    "wishlist_add",
    "email_open",
    "email_click",
    "page_view",
)

happenings = st.lists(
    st.tuples(
        st.sampled_from(WHO),
        st.sampled_from(KINDS),
        st.sampled_from(PRODUCTS),
        st.sampled_from((0, SECOND, MINUTE, HOUR, 5 * HOUR, DAY)),
        st.sampled_from((0, 0, 0, MINUTE, 3 * HOUR)),
    ),
    max_size=25,
)


ALONE = str(Path(__file__).parent / "packs" / "alone.toml")


def told(kind: str, product: str, number: int) -> dict[str, Any]:
    """Properties of the event of this number."""
    if kind in ("email_open", "email_click"):
        return {"send_id": f"s{number % 3}"}
    if kind == "page_view":
        return {"page_type": "pricing"}
    if kind == "purchase":
        return {"order_id": f"o{number}", "products": [{"product_id": product, "price": 10, "quantity": 1}]}
    return {"query": "x"} if kind == "search" else {"product_id": product, "product_name": product, "price": 10, "dwell_seconds": 40}


def outcome(events: list[tuple[str, str, str, int, int]], only: str | None) -> dict[str, list[tuple[Any, ...]]]:
    """Decisions and messages by person, of everybody or of one who is alone in the shop.

    Without subjects: which variant does best is learnt from everybody (A-181), as tiers are.
    """
    shop = Shop(ALONE)
    t = 0
    for number, (who, kind, product, pause, late) in enumerate(events):
        t += pause
        if only in (None, who):
            shop.event(kind, t - late, who, arrives=t, event_id=f"e{number}", **told(kind, product, number))
    shop.until(t + 40 * DAY)
    found: dict[str, list[tuple[Any, ...]]] = {who: [] for who in WHO}
    for one in shop.records("decisions"):
        found[one["customer_id"]].append((one["decision_id"], one["outcome"], one["reason"], one["at"], tuple(one["cause"])))
    for one in shop.records("message_sends"):
        found[one["customer_id"]].append((one["send_id"], one["text"], one["decided_at"]))
    return found


@settings(
    max_examples=int(os.environ.get("KAIROS_T1_EXAMPLES", "60")),
    deadline=None,
    derandomize="KAIROS_T1_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(happenings)
def test_nobody_is_told_anything_because_of_somebody_else(events: list[tuple[str, str, str, int, int]]) -> None:
    together = outcome(events, None)
    for who in {one[0] for one in events}:
        assert together[who] == outcome(events, who)[who]
