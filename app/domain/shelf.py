"""A product's place in the table `catalogue`: what the shop says of it, and what people made of it (A-083, A-108, A-126, A-169).

Social proof comes record by record from the person lane. After a crash a lane repeats its last turn's records; each carries an id made
of its causes, and the newest ids are kept here, so that a repeat counts once. Ids and not origins: this topic has writers outside
Kairos, and one forged header would silence a partition for good, while a forged id hides one purchase.
"""

from __future__ import annotations

from msgspec import UNSET, Struct
from msgspec.structs import replace

from app.domain import money
from app.domain.catalog_change import BOUGHT, CatalogChange, Happened, merged
from app.domain.catalogue import Item, in_stock, price_now
from app.domain.concluded import BACK_IN_STOCK, LOW_STOCK, PRICE_DROP
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.watching import Watching
from app.events import Properties

MAX_SEEN = 512
"""Ids kept of a product: more than one turn brings of it unless half the shop buys it within a second. Beyond, a repeat counts again."""
TELL_MS = 60_000
"""A bestseller is bought several times a second, and every worker follows `products`: what people made of it is told once a minute."""


class Shelf(Struct, frozen=True, array_like=True):
    """`item` None: the catalogue does not have it, never had or does not any more."""

    item: Item | None = None
    stars: float = 0.0
    """Of all its ratings together."""
    seen: tuple[int, ...] = ()
    """Fingerprints of what was counted, newest last."""
    told_at: int = 0
    """When what people made of it was last published (ms)."""


EMPTY = Shelf()


def changed(shelf: Shelf, change: CatalogChange, at: int) -> Shelf:
    """After a change of the shop's own facts; the very same if nothing is new."""
    before = shelf.item
    if change.removed is True:
        return EMPTY if before is not None else shelf
    after = merged(before, change)
    if after is before or (before is None and change.happened is not UNSET and after == Item(change.product_id)):
        return shelf
    stars = shelf.stars if before is not None and after.rating == before.rating and after.ratings == before.ratings else _stars(after)
    return replace(shelf, item=replace(after, changed_at=at), stars=stars)


def happened(shelf: Shelf, one: Happened, at: int) -> Shelf:
    """After somebody bought or rated it at `at` (ms). Of what the catalogue does not have nothing is kept: nobody is shown it, and whoever
    may send an event could fill the table with products that do not exist.
    """
    item, mark = shelf.item, fingerprint(one.id)
    if item is None or mark in shelf.seen:
        return shelf
    stars = shelf.stars
    if one.kind == BOUGHT:
        day = at // DAY_MS
        if day < item.bought_day:
            return shelf
        item = replace(item, bought_day=day, bought_today=item.bought_today + 1 if day == item.bought_day else 1)
    elif one.rating is not None:
        stars, ratings = stars + one.rating, item.ratings + 1
        item = replace(item, rating=round(stars / ratings, 2), ratings=ratings)
    else:
        return shelf
    return replace(shelf, item=item, stars=stars, seen=(*shelf.seen, mark)[-MAX_SEEN:])


def tells(shelf: Shelf, at: int) -> bool:
    """Whether what people made of it is published now. The last ones of a rush wait for the next; a count is never too high for that."""
    return at - shelf.told_at >= TELL_MS


def watched(before: Item | None, after: Item, asked: frozenset[str], watching: Watching) -> list[tuple[str, Properties]]:
    """The changes that a pack asked for, each with its values. A product that is new has not changed."""
    if before is None or not asked or not in_stock(after):
        return []
    found: list[tuple[str, Properties]] = []
    old, new = price_now(before), price_now(after)
    if PRICE_DROP in asked and old is not None and new is not None and 0 < new < old and before.currency == after.currency:
        drop = round(1 - new / old, 6)
        if drop >= watching.price_drop:
            found.append((PRICE_DROP, values(after) | {"old_price": money.text(old), "drop": round(drop, 4)}))
    if BACK_IN_STOCK in asked and not in_stock(before):
        found.append((BACK_IN_STOCK, values(after)))
    if LOW_STOCK in asked and after.stock is not None and after.stock <= watching.low_stock and _plenty(before, watching):
        found.append((LOW_STOCK, values(after)))
    return found


def values(item: Item) -> Properties:
    """What a broadcast tells of a product, by the names that events and templates have for it."""
    price = price_now(item)
    told = {
        "product_id": item.product_id,
        "item_group_id": item.group_id,
        "product_name": item.name,
        "category": item.category,
        "price": None if price is None else money.text(price),
        "currency": item.currency,
        "stock": item.stock,
        "image": item.image,
        "url": item.url,
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _plenty(before: Item, watching: Watching) -> bool:
    """Whether there was more of it: what is back in a few pieces is back, and not running out."""
    return before.stock is None or before.stock > watching.low_stock


def _stars(item: Item) -> float:
    return (item.rating or 0.0) * item.ratings
