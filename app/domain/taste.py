"""What a person takes an interest in, product by product: what recommendations start from (A-156, A-161, A-167).

Products go by fingerprint, since orders keep no more of what was bought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import consent, recent, sensitive, window
from app.domain.fingerprint import fingerprint
from app.domain.liking import BOUGHT, CARTED, KINDS, VIEWED, Liking
from app.domain.scope import PURCHASED

if TYPE_CHECKING:
    from app.domain.person import See

MAX_BOUGHT = 60
"""Lines of a plan, the newest: a wholesaler's orders have thousands."""
MAX_OTHERS = 40


def hers(see: See) -> list[Liking]:
    """What a plan tells of it, newest first: purchases of the orders that are kept, last views, what lies in cart and wishlist.

    Nothing of who has not consented to be known (`personalise`), nor of categories that no pack may infer from (A-261);
    of what was bought only the renderer can tell the category.
    """
    person = see.person
    if not consent.permits(person.profile, "personalise", see):
        return []
    told: list[Liking] = []
    if person.profile.orders:
        told += [(key, BOUGHT, order.at) for order in see.orders.open.values() for key in order.lines]
    for one in person.profile.recent:
        if one.product.product_id and not _private(see, recent.told(one).category, one.product.name):
            told.append((fingerprint(one.product.product_id), VIEWED, one.at))
    for other in person.windows.open:
        kind = BOUGHT if other.kind in PURCHASED else KINDS.get(other.kind)
        if kind is not None and kind != VIEWED:
            there = [kept for kept in window.lines(other) if kept.product.product_id]
            lines = [kept for kept in there if not _private(see, kept.category, kept.product.name)]
            told += [(fingerprint(kept.product.product_id), kind, other.event_at) for kept in lines]
    if person.windows.newest_cancel:
        carted = [(one, entry.ts) for entry in see.lookback.entries if entry.kind == "cart_add" for one in entry.products]
        told += [(fingerprint(one.product_id), CARTED, at) for one, at in carted if one.product_id and not _private(see, None, one.name)]
    newest: dict[tuple[int, str], int] = {}
    for key, kind, at in told:
        newest[key, kind] = max(at, newest.get((key, kind), 0))
    found = sorted([(key, kind, at) for (key, kind), at in newest.items()], key=lambda one: (-one[2], one[0], one[1]))
    if len(found) <= min(MAX_BOUGHT, MAX_OTHERS):
        return found
    bought = [one for one in found if one[1] == BOUGHT][:MAX_BOUGHT]
    others = [one for one in found if one[1] != BOUGHT][:MAX_OTHERS]
    return sorted([*bought, *others], key=lambda one: (-one[2], one[0], one[1]))


def _private(see: See, category: str | None, name: str) -> bool:
    return sensitive.among(see.pack.sensitive, (category or "", name)) is not None
