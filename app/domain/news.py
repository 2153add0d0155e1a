"""What is new of a product, and whom it concerns: who has it in her cart or on her wish list, or looked at it lately (A-126).

The lane finds people by tags: of each product she looks at or wants one, that of its family where a shop tells it. A broadcast asks for
the tags of its product, its family and its name; who is found is asked here whether it concerns her today.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from app.domain import money, recent, sensitive, shelf
from app.domain.concluded import LOW_STOCK, PRICE_DROP
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.product import Product, product
from app.domain.scope import Subject
from app.events import Broadcast, derived_id

if TYPE_CHECKING:
    from app.domain.catalogue import Item, Items
    from app.domain.person import See
    from app.domain.person_row import Person
    from app.domain.profile import Profile
    from app.domain.recent import RecentProduct
    from app.domain.watching import Watching

INTERESTED_MS = 30 * DAY_MS
"""How long a look, a wish and a place in the cart count (interface.md section 7)."""
CART, WISHLIST, VIEW = "cart", "wishlist", "view"


def tags(person: Person) -> bytes:
    """The tags she is found by, eight bytes each, sorted."""
    her = person.profile
    found = {fingerprint(one.product.group_id or one.product.product_id or one.product.name) for one in her.recent}
    found |= {key for wanted in (her.contacts.wishes, her.contacts.carted) for key, at in wanted.items() if at > 0}
    return b"".join([one.to_bytes(8, "big") for one in sorted(found)])


def moved(before: Person, after: Person) -> bool:
    """Whether her tags may be others than before."""
    if before.profile is after.profile:
        return False
    mine, theirs = before.profile, after.profile
    if mine.contacts is not theirs.contacts:
        return True
    if mine.recent is theirs.recent:
        return False
    return {one.product for one in mine.recent} != {one.product for one in theirs.recent}


def asked(news: Broadcast) -> list[bytes]:
    """The tags of those whom it may concern."""
    names = dict.fromkeys(_names(_about(news)))
    return [fingerprint(one).to_bytes(8, "big") for one in names]


def cause(news: Broadcast) -> str:
    """The id by which decisions name it."""
    return derived_id("news", news.change, news.product_id, str(news.at))


def subject(news: Broadcast, see: See) -> Subject | None:
    """What it is to her; None: nothing."""
    interest = _interest(_about(news), see)
    if interest is None:
        return None
    told = {**news.values, "product_id": news.product_id, "interest": interest}
    found = Subject(news.change, cause(news), news.at, told, behaviour=False, bot=see.person.profile.bot)
    return None if see.pack is None or sensitive.about(see.pack.sensitive, found) is not None else found


def unheard(kinds: Iterable[str], her: Profile, items: Items, watching: Watching, at: int) -> Iterator[Broadcast]:
    """News of these kinds that there might be at `at` (ms) of what she looked at, the newest first."""
    for kind in kinds:
        for seen in her.recent:
            if (found := _made(kind, seen, items(seen.product.product_id), watching, at)) is not None:
                yield found


def _made(kind: str, seen: RecentProduct, item: Item | None, watching: Watching, at: int) -> Broadcast | None:
    """By the catalogue, else as she saw it; None: nothing is known that could be told."""
    look, told = recent.told(seen), shelf.values(item) if item is not None else {}
    price = money.units(told.get("price")) if item is not None else look.price
    if kind == PRICE_DROP:
        if not price:
            return None
        # As she saw it where it costs less by now, else by the smallest fall that is one, of a price that a shop would write.
        made_up = math.ceil(price / (1 - watching.price_drop) / money.CENT) * money.CENT
        old = look.price if look.price and look.price > price else made_up
        told |= {"price": money.text(price), "old_price": money.text(old), "drop": round(1 - price / old, 4)}
    elif kind == LOW_STOCK:
        stock = told.get("stock")
        told["stock"] = stock if isinstance(stock, int) and 0 < stock <= watching.low_stock else watching.low_stock
    about = seen.product
    mine = {"product_id": about.product_id, "product_name": about.name, "item_group_id": about.group_id, "currency": look.currency}
    known = {name: value for name, value in mine.items() if value}
    return Broadcast(at, about.product_id or about.name, kind, {**known, **told})


def _about(news: Broadcast) -> Product:
    return product({**news.values, "product_id": news.product_id}) or Product(news.product_id)


def _names(about: Product) -> list[str]:
    return [name for name in (about.product_id, about.group_id, about.name) if name]


def _interest(about: Product, see: See) -> str | None:
    """The strongest that still holds: who has bought it since is not interested any more."""
    her, since = see.person.profile, see.now - INTERESTED_MS
    keys = [fingerprint(name) for name in _names(about)]
    bought = _bought(keys, see)
    for wanted, name in ((her.contacts.carted, CART), (her.contacts.wishes, WISHLIST)):
        if any(max(since, bought) < wanted.get(key, 0) for key in keys):
            return name
    # She may have looked at the parent of what the catalogue counts by size.
    looked = [one.at for one in her.recent if one.product.same(about) or one.product.product_id == about.group_id != ""]
    return VIEW if max(looked, default=0) > max(since, bought) else None


def _bought(keys: list[int], see: See) -> int:
    """When she last bought it (ms), or 0."""
    if not see.person.profile.orders:
        return 0
    return max((order.at for order in see.orders.open.values() if any(key in order.lines for key in keys)), default=0)
