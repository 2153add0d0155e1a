"""What a person takes an interest in, product by product: what recommendations start from (A-156, A-161, A-167).

Products go by fingerprint, since orders keep no more of what was bought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import recent, sensitive, window
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

    Nothing of categories that no pack may infer from (A-261); of what was bought only the renderer can tell the category.
    """
    person = see.person
    bought = [(key, BOUGHT, order.at) for order in see.orders.open.values() for key in order.lines] if person.profile.orders else []
    others: list[Liking] = []
    for one in person.profile.recent:
        category = recent.told(one).category
        if one.product.product_id and (category is None or sensitive.category(see.pack.sensitive, category) is None):
            others.append((fingerprint(one.product.product_id), VIEWED, one.at))
    for other in person.windows.open:
        kind = BOUGHT if other.kind in PURCHASED else KINDS.get(other.kind)
        if kind is not None and kind != VIEWED:
            for kept in window.lines(other):
                category = kept.category
                if kept.product.product_id and (not category or sensitive.category(see.pack.sensitive, category) is None):
                    others.append((fingerprint(kept.product.product_id), kind, other.event_at))
    for entry in see.lookback.entries if person.windows.newest_cancel else ():
        if entry.kind == "cart_add":
            others += [(fingerprint(one.product_id), CARTED, entry.ts) for one in entry.products if one.product_id]
    newest = [*_newest(bought, MAX_BOUGHT), *_newest(list(dict.fromkeys(others)), MAX_OTHERS)]
    return sorted(newest, key=lambda one: (-one[2], one[0], one[1]))


def _newest(found: list[Liking], most: int) -> list[Liking]:
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:most]
