"""People that messages are tried on before anybody gets them: known and unknown, with and without a catalogue, and out to harm."""

from __future__ import annotations

from typing import Any

SHOP = "https://shop.example"
"""Where everything that they look at lies; `templates gallery` puts pictures of its own in place of those there."""
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 | times: 6 }}{% for a in (1..9) %}x{% endfor %}"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 4


def product(number: int, name: str, price: str, category: str, **more: Any) -> dict[str, Any]:
    """As the catalogue tells one."""
    address = f"{SHOP}/p/{number}"
    told = {"product_id": f"p{number}", "product_name": name, "name": name, "price": price, "currency": "EUR", "category": category}
    picture = f"{SHOP}/pictures/{number}.jpg"
    return {**told, "url": address, "image": picture, "image_url": picture, "regular_price": price, "stock": 24, **more}


DAYPACK = product(
    1, "Harbour daypack", "129.00", "bags", rating=4.6, ratings=213, bought_today=14, stock=3, sale_price="129.00", regular_price="159.00",
    key_benefit="Keeps a laptop dry in a downpour: waxed cotton, taped seams and a roll top that needs no zip.",
    review="Two winters of cycling to work, and it looks better than on the first day.",
)  # fmt: skip
ROLLTOP = product(2, "Ridge rolltop, 24 litres", "149.00", "bags", rating=4.4, ratings=88)
TOTE = product(3, "Field tote", "79.00", "bags", rating=4.7, ratings=41)
BOTTLE = product(4, "Steel bottle, 0.7 litres", "34.00", "bottles", rating=4.8, ratings=512)
CARE = product(5, "Wax for canvas", "12.50", "care")
EVENT = {
    **DAYPACK,
    "event_type": "product_view",
    "dwell_seconds": 74,
    "old_price": "159.00",
    "query": "waterproof backpack",
    "results": 3,
    "weather": "rain until Thursday",
    "city": "Lyon",
    "store_name": "Rue Mercière",
    "network": "instagram",
    "ticket_id": "T-1042",
}
OFFER = {"kind": "retention", "discount": 0.15, "code": "ADA-7KQ2-M9XD", "expires_at": "2026-03-16T12:00:00Z"}
TONES = {"vip": "high", "helpful_expert": "medium", "encouraging": "growing", "direct": "low"}
"""How the tiers of S1 are spoken to (A-089–A-092)."""


def _person(tone: str, stage: str, content: tuple[str, ...] = (), **flags: bool) -> dict[str, Any]:
    return {
        "orders": 6,
        "spent": {"amount": "742.50", "currency": "EUR"},
        "average_order": {"amount": "123.75", "currency": "EUR"},
        "last_purchase_at": "2025-11-18T09:30:00Z",
        "primary_interest": "bags",
        "peak_month": 4,
        "flags": {"high_value": False, "price_sensitive": False, "mobile_preferred": False, **flags},
        "treatment": {"tier": {"tone": tone, "name": TONES.get(tone, tone)}, "stage": {"focus": stage, "content": list(content)}},
    }


KNOWN: dict[str, Any] = {
    "customer": {
        "id": "c-1",
        "first_name": "Ada",
        "last_name": "Example",
        "email": "ada@shop.example",
        "acquisition_source": "referral",
        "last_purchase_days_ago": 12,
        "last_product": "Field tote",
        "segment": "Purchaser",
        "region_offer": "Free delivery within France.",
    },
    "profile": _person("vip", "retention", ("early_access", "community", "advocacy"), high_value=True),
    "event": EVENT,
    "window": {"views": 2, "seconds": 90, "value": "163.00", "products": [{**DAYPACK, "quantity": 1}, {**BOTTLE, "quantity": 2}]},
    "recent": [ROLLTOP, TOTE, BOTTLE],
    "recommendations": [ROLLTOP, BOTTLE, CARE],
    "order": {"order_id": "o-1", "products": [{**DAYPACK, "quantity": 1}]},
    "offer": OFFER,
    "trigger": "preview",
    "step": 0,
}
"""Of whom all is known: what the gallery shows."""


def _without(keys: tuple[str, ...], value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(keys, one) for name, one in value.items() if name not in keys}
    return [_without(keys, one) for one in value] if isinstance(value, list) else value


def _said(word: str, value: Any) -> Any:
    """Every text that a customer or shop tells, made this one; addresses, figures and our own words stay."""
    if isinstance(value, dict):
        ours = ("url", "image", "image_url", "price", "regular_price", "sale_price", "old_price", "currency", "expires_at", "event_type")
        return {name: one if name in ours else _said(word, one) for name, one in value.items()}
    if isinstance(value, list):
        return [_said(word, one) for one in value]
    return word if isinstance(value, str) else value


def _tier(tone: str) -> dict[str, Any]:
    stage = {"helpful_expert": "engagement", "encouraging": "onboarding"}.get(tone, "winback")
    return {**KNOWN, "profile": _person(tone, stage, price_sensitive=tone == "direct"), "recommendations": [], "offer": {}}


def _ones(value: Any) -> Any:
    """Every count made 1, and of every list the first alone: what is said of many must be said of one, too."""
    if isinstance(value, dict):
        return {name: _ones(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_ones(one) for one in value[:1]]
    return 1 if type(value) is int else value


ONE = "one of each"
_CATALOGUE = (
    "image",
    "image_url",
    "url",
    "regular_price",
    "sale_price",
    "stock",
    "rating",
    "ratings",
    "bought_today",
    "key_benefit",
    "review",
)
PEOPLE: dict[str, dict[str, Any]] = {
    "known": KNOWN,
    **{f"tier {tier}": _tier(tone) for tone, tier in TONES.items() if tone != "vip"},
    ONE: {**_ones(KNOWN), "step": 0},
    "no catalogue": {**_without(_CATALOGUE, KNOWN), "recommendations": [], "offer": {}},
    "a click only": {
        **KNOWN,
        "profile": {},
        "recommendations": [],
        "recent": [],
        "offer": {},
        "order": {},
        "customer": {"first_name": "Ada"},
    },
    "unknown": {root: {} for root in ("customer", "profile", "event", "window", "order", "offer")} | {"recent": []},
    "long names": {
        **KNOWN,
        **{root: _said(LONG, KNOWN[root]) for root in ("customer", "event", "window", "recent", "recommendations", "order")},
    },
    "HTML and Liquid": {
        **KNOWN,
        **{root: _said(EVIL, KNOWN[root]) for root in ("customer", "event", "window", "recent", "recommendations", "order")},
    },
}
"""By what they are there for. Each is a view as plans carry one."""
