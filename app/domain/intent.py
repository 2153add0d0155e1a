"""The intent scorer's part: how near a person is to buying (A-061–A-065 by interface.md section 8).

Levels expire by time alone, so they are computed when looked at; the score is one decayed sum, exact in constant space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.consent import tracked
from app.domain.days import DAY_MS, FOREVER, HOUR_MS
from app.domain.effects import NOTHING, Effects
from app.domain.fingerprint import fingerprint
from app.domain.product import Product
from app.domain.scope import Subject
from app.events import Event, JournalRecord

if TYPE_CHECKING:
    from app.domain.person import Meeting, See

NEVER = -1
HIGH, MEDIUM, LOW = 25.0, 8.0, 1.0
"""Weights of a signal (interface.md section 8)."""
HALF_LIFE_MS = 24 * HOUR_MS
HIGH_MS = 24 * HOUR_MS
MEDIUM_MS = 7 * DAY_MS
COMPARES = 2
PRODUCTS_OF_CATEGORY = 3
CAP = 100.0

MAX_CART = 50
MAX_VIEWED = 60
"""Products viewed in the last 24 h; beyond either limit the oldest go."""

HIGH_PAGES = frozenset(("pricing", "shipping", "returns", "size_guide"))
"""A-062: pricing-page visits, shipping and return-policy views, size-guide consultations."""
MEDIUM_PAGES = frozenset(("category", "product", "faq", "blog", "checkout"))
"""A-063: category browsing, blog engagement. Every other page is LOW (A-064: homepage only, no product interaction)."""
WEIGHTS = {
    # category browsing
    **dict.fromkeys(("category_view", "filter_use", "cart_view", "wishlist_add"), MEDIUM),
    # blog engagement
    **dict.fromkeys(("content_view", "content_download"), MEDIUM),
    # social interactions (a video watched to its end is one, A-024; so is a mail passed on, A-020), e-mail click-throughs and their like
    **dict.fromkeys(("social_engagement", "ad_video_complete", "email_forward"), MEDIUM),
    **dict.fromkeys(("ad_click", "email_click", "sms_click"), MEDIUM),
    # search query patterns
    **dict.fromkeys(("search", "search_click"), MEDIUM),
    # passive consumption
    **dict.fromkeys(("email_open", "push_open", "ad_view"), LOW),
}
"""Event types whose signal does not depend on what else she did."""
MAILS = frozenset(("email_open", "email_click"))
"""A machine may be behind them."""


class CartLine(Struct, frozen=True, array_like=True):
    """A product family in the cart; `at`: its last add (ms), `score`: what its adds were worth then. An unnamed one: a checkout."""

    product: Product
    at: int
    score: float


class Intent(Struct, frozen=True, array_like=True):
    """`score`: decayed sum of all signals but the open cart's, as of `at` (ms). Instants are those of the newest signal, 0: none."""

    score: float = 0.0
    at: int = 0
    high_at: int = 0
    medium_at: int = 0
    compared_at: int = 0
    bought_at: int = 0
    cart: tuple[CartLine, ...] = ()
    viewed: tuple[tuple[int, int, int], ...] = ()
    """(category, product family, newest view) of the last 24 h, the first two as fingerprints."""


def step(part: Intent, record: JournalRecord, see: See) -> tuple[Intent, Effects]:
    """Takes events. Without consent to `track` it takes only what ends a cart."""
    if type(record) is not Event:
        return part, NOTHING
    kind = record.event_type
    weight = WEIGHTS.get(kind)
    handler = HANDLERS.get(kind) if weight is None else None
    if weight is None and handler is None:
        return part, NOTHING
    if kind not in ENDS_CART and not tracked(see.person.profile, see):
        return part, NOTHING
    if kind in MAILS and see.about(record).machine:
        return part, NOTHING  # it tells nothing of her
    if handler is not None:
        return handler(part, see.about(record)), NOTHING
    return _signal(part, weight or LOW, record.ts), NOTHING


def wake(part: Intent, see: See) -> tuple[Intent, Effects]:
    """Waits for nothing: levels are computed when they are looked at."""
    return part, NOTHING


def merge(mine: Intent, theirs: Intent, meeting: Meeting, see: See) -> tuple[Intent, Effects]:
    """Both scores as one sum; a purchase of either ends the cart of both, as far as it was filled before it."""
    if theirs == Intent():
        return mine, NOTHING
    at, bought_at = max(mine.at, theirs.at), max(mine.bought_at, theirs.bought_at)
    newest = max((one[2] for one in (*mine.viewed, *theirs.viewed)), default=0)
    viewed: dict[int, tuple[int, int, int]] = {}
    for one in sorted((*mine.viewed, *theirs.viewed), key=_instant):
        if newest - one[2] < HIGH_MS:
            viewed.pop(one[1], None)
            viewed[one[1]] = one
    return Intent(
        mine.score * _fade(mine.at, at) + theirs.score * _fade(theirs.at, at),
        at,
        max(mine.high_at, theirs.high_at),
        max(mine.medium_at, theirs.medium_at),
        max(mine.compared_at, theirs.compared_at),
        bought_at,
        _one_cart(mine.cart, theirs.cart, bought_at),
        tuple(viewed.values())[-MAX_VIEWED:],
    ), NOTHING


def _one_cart(mine: tuple[CartLine, ...], theirs: tuple[CartLine, ...], bought_at: int) -> tuple[CartLine, ...]:
    cart: list[CartLine] = []
    for one in sorted((*mine, *theirs), key=lambda line: line.at):
        if one.at > bought_at:
            at = next((n for n, other in enumerate(cart) if other.product.same(one.product) or other.product == one.product), None)
            if at is None:
                cart.append(one)
            else:
                score = cart[at].score * _fade(cart[at].at, one.at) + one.score
                cart[at] = CartLine(cart[at].product, one.at, score)
    return tuple(cart[-MAX_CART:])


def due(part: Intent) -> int:
    """Never."""
    return NEVER


def view(part: Intent, now: int) -> dict[str, Any]:
    """`profiles.intent` as of `now`."""
    return {"level": level(part, now), "score": round(score(part, now), 4)}


def score(part: Intent, now: int) -> float:
    """0–100 as of `now`: Σ weight × 2^(−hours / 24), capped; it only falls while no event comes."""
    return min(CAP, part.score * _fade(part.at, now) + sum(line.score * _fade(line.at, now) for line in part.cart))


def level(part: Intent, now: int) -> str:
    """`high`, `medium` or `low` as of `now`."""
    if _within(part.high_at, now, HIGH_MS) or any(_within(line.at, now, HIGH_MS) for line in part.cart):
        return "high"
    return "medium" if _within(part.medium_at, now, MEDIUM_MS) else "low"


def level_until(part: Intent, now: int) -> tuple[str, int]:
    """The level as of `now`, and the ms at which time alone ends it; FOREVER of `low`."""
    found = level(part, now)
    if found == "high":
        return found, max(part.high_at, *(line.at for line in part.cart), 0) + HIGH_MS
    return found, part.medium_at + MEDIUM_MS if found == "medium" else FOREVER


def fades(part: Intent, since: int, until: int) -> list[tuple[int, str]]:
    """(instant, level) of every change of level that time alone brings between `since` and `until`."""
    ends = {part.high_at + HIGH_MS, part.medium_at + MEDIUM_MS, *(line.at + HIGH_MS for line in part.cart)}
    found, now = [], level(part, since)
    for at in sorted(one for one in ends if since < one <= until):
        if (then := level(part, at)) != now:
            found.append((at, then))
            now = then
    return found


def on_page_view(part: Intent, about: Subject) -> Intent:
    """By page type."""
    page = about.properties.get("page_type")
    return _signal(part, HIGH if page in HIGH_PAGES else MEDIUM if page in MEDIUM_PAGES else LOW, about.ts)


def on_product_view(part: Intent, about: Subject) -> Intent:
    """MEDIUM as browsing; HIGH once it is the third product of one category within 24 h (A-062: multiple product comparisons)."""
    ts, concerned, names = about.ts, about.product, about.categories
    viewed, deep_at = part.viewed, 0
    if concerned is not None and names:
        family, category = fingerprint(concerned.group_id or concerned.product_id or concerned.name), fingerprint(names[0])
        newest = max(ts, viewed[-1][2]) if viewed else ts
        others, instant, beside = [], ts, [ts]
        for one in viewed:
            if one[1] == family:
                instant = max(instant, one[2])
            elif newest - one[2] < HIGH_MS:
                others.append(one)
                if one[0] == category and abs(ts - one[2]) < HIGH_MS:
                    beside.append(one[2])
        if len(beside) >= PRODUCTS_OF_CATEGORY:
            deep_at = _third(sorted(beside), ts)
        others.append((category, family, instant))
        if instant < newest:
            others.sort(key=_instant)
        viewed = tuple(others[-MAX_VIEWED:])
    changes: dict[str, Any] = {"medium_at": max(part.medium_at, ts), "viewed": viewed}
    if not deep_at:
        return _signal(part, MEDIUM, ts, **changes)
    return _signal(part, HIGH, ts, high_at=max(part.high_at, deep_at), **changes)


def _third(instants: list[int], ts: int) -> int:
    """When the newest third product of a day came, that one which came at `ts` is among; 0: never three within a day."""
    for n in range(len(instants) - 1, PRODUCTS_OF_CATEGORY - 2, -1):
        newest = instants[n]
        if newest >= ts and newest - min(ts, instants[n - PRODUCTS_OF_CATEGORY + 1]) < HIGH_MS:
            return newest
    return 0


def on_product_compare(part: Intent, about: Subject) -> Intent:
    """HIGH from the second within 24 h."""
    ts, compared_at = about.ts, max(part.compared_at, about.ts)
    if not part.compared_at or abs(ts - part.compared_at) >= HIGH_MS:
        return _signal(part, MEDIUM, ts, compared_at=compared_at)
    # Of a pair the later is the second, whichever arrives first; a pair in which the first was late is as fresh as its second.
    return _signal(part, HIGH, ts, high_at=max(part.high_at, compared_at), compared_at=compared_at)


def on_cart_add(part: Intent, about: Subject) -> Intent:
    """HIGH while the cart is open: until she buys it or takes it out again."""
    ts = about.ts
    if ts <= part.bought_at:
        return part  # late: that cart is bought
    added = about.products if about.kind == "cart_add" else ()
    cart = part.cart
    for one in added or (Product(),):
        before = next((line for line in cart if line.product.same(one) or line.product == one), None)
        if before is None:
            cart = (*cart, CartLine(one, ts, HIGH))[-MAX_CART:]
        else:
            at = max(ts, before.at)
            line = CartLine(before.product, at, before.score * _fade(before.at, at) + HIGH * _fade(ts, at))
            cart = tuple(line if other is before else other for other in cart)
    return replace(part, cart=cart)


on_checkout_start = on_cart_add


def on_cart_remove(part: Intent, about: Subject) -> Intent:
    """Takes the product out; with the last named one the cart is closed."""
    left = tuple(line for line in part.cart if line.at > about.ts or not any(line.product.same(one) for one in about.products))
    if len(left) == len(part.cart):
        return part
    return replace(part, cart=left if any(line.product != Product() for line in left) else ())


def on_purchase(part: Intent, about: Subject) -> Intent:
    """Closes the cart. Lines put in after the purchase's own time stay."""
    if about.ts <= part.bought_at and not part.cart:
        return part
    return replace(
        part, bought_at=max(part.bought_at, about.ts), cart=tuple(line for line in part.cart if line.at > about.ts) if part.cart else ()
    )


on_store_purchase = on_purchase

ENDS_CART = frozenset(("cart_remove", "purchase", "store_purchase"))
HANDLERS: dict[str, Callable[[Intent, Subject], Intent]] = {
    "page_view": on_page_view,
    "product_view": on_product_view,
    "product_compare": on_product_compare,
    "cart_add": on_cart_add,
    "checkout_start": on_checkout_start,
    "cart_remove": on_cart_remove,
    "purchase": on_purchase,
    "store_purchase": on_store_purchase,
}


def _signal(part: Intent, weight: float, ts: int, **changes: Any) -> Intent:
    """Adds a signal; one that arrives late has faded by as much. `changes` may know better than `ts` since when she is near."""
    at = max(ts, part.at)
    changes["at"], changes["score"] = at, part.score * _fade(part.at, at) + weight * _fade(ts, at)
    if weight == HIGH:
        changes.setdefault("high_at", max(part.high_at, ts))
    elif weight == MEDIUM:
        changes.setdefault("medium_at", max(part.medium_at, ts))
    return replace(part, **changes)


def _fade(since: int, now: int) -> float:
    """2^(−hours/24)."""
    return 1.0 if now <= since else 0.5 ** ((now - since) / HALF_LIFE_MS)


def _within(at: int, now: int, span: int) -> bool:
    return at > 0 and now - at < span


def _instant(viewed: tuple[int, int, int]) -> int:
    return viewed[2]
