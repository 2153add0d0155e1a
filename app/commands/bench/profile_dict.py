"""The stage's work on dictionaries, as every Python system of the comparison ran it; decoding is the caller's."""

from __future__ import annotations

from typing import Any

POINTS = {"product_view": ("views", 1.0), "cart_add": ("carts", 5.0), "purchase": ("purchases", 10.0), "email_click": ("clicks", 2.0)}


def update(profile: dict[str, Any] | None, event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the profile, changed in place, and the output)."""
    kind = event["event_type"]
    if profile is None:
        profile = {"customer_id": event["customer_id"], "n": 0, "views": 0, "carts": 0, "purchases": 0, "clicks": 0, "spend": 0.0}
        profile |= {"last_seen": 0, "last_type": "", "last_product": "", "last_session": "", "interest": {}}
    counter, points = POINTS[kind]
    profile["n"] += 1
    profile[counter] += 1
    if kind == "purchase":
        profile["spend"] = round(profile["spend"] + event["price"], 2)
    if event["ts"] > profile["last_seen"]:
        profile["last_seen"] = event["ts"]
    profile["last_type"], profile["last_product"], profile["last_session"] = kind, event["product_id"], event["session"]
    interest, category = profile["interest"], event["category"]
    score = interest.get(category)
    if score is None:
        if len(interest) >= 100:
            del interest[min(interest, key=interest.get)]
        score = 0.0
    interest[category] = score = min(score + points, 100.0)
    return profile, {
        "customer_id": profile["customer_id"],
        "event_id": event["event_id"],
        "event_type": kind,
        "n": profile["n"],
        "views": profile["views"],
        "carts": profile["carts"],
        "purchases": profile["purchases"],
        "clicks": profile["clicks"],
        "spend": profile["spend"],
        "category": category,
        "interest": score,
        "ts": event["ts"],
    }
