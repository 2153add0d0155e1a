"""The model of recommendations, as it is published: each product's nearest neighbours, and what is popular (A-155–A-157).

Items are families (sizes and colours of one thing); each has its products, the most wanted first. Three kinds of neighbours: who liked
this liked that (`collaborative`), what is like it (`content`), what was bought with it (`together`). All of it is arrays in one piece of
bytes that are read where they lie: a model of 100,000 products costs its own size in memory, and nothing to open. The same model is the
same bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgspec
from msgspec import Struct

from app.domain.fingerprint import fingerprint

COLLABORATIVE, CONTENT, TOGETHER = "collaborative", "content", "together"
NEIGHBOURS = (COLLABORATIVE, CONTENT, TOGETHER)
FULL = 65_535
"""A similarity of 1."""
NO_CATEGORY = 65_535
MAX_CATEGORIES = 65_000
POPULAR = 200
"""Items of the list over everything; of a category half as many."""
NEXT = 5
"""Categories that follow on one."""
FORMAT = 1


class BadModel(ValueError):
    """Bytes that are no model of this version."""


class Near(Struct, frozen=True, array_like=True):
    """One kind of neighbours: of item i those at `starts[i]` to `starts[i + 1]`, the nearest first."""

    starts: memoryview
    items: memoryview
    weights: memoryview


class Wire(Struct, frozen=True, array_like=True):
    """The artifact. Arrays are little endian: Q 8 bytes, I 4, H 2, B 1."""

    format: int
    method: str
    """What the collaborative neighbours were found by: cosine, ease, als, ncf."""
    as_of: int
    """The newest interaction it knows (ms)."""
    people: int
    interactions: int
    keys: memoryview
    """Q: fingerprints of all products, sorted."""
    families: memoryview
    """I: the item of each key."""
    ids: memoryview
    """Product ids as one text, in the order of items and within."""
    id_starts: memoryview
    """I: where each begins."""
    members: memoryview
    """I: item → the first of its products."""
    categories: list[str]
    category: memoryview
    """H: item → category."""
    tier: memoryview
    """B: item → how dear it is within its category: 0, 1, 2 from the cheapest third to the dearest; 255 unknown."""
    popular: memoryview
    """I: items, the most popular first."""
    popular_starts: memoryview
    """I: category → where its own list begins."""
    popular_in: memoryview
    """I: items of the categories' lists."""
    next_starts: memoryview
    next_categories: memoryview
    """H: categories that people of a category go to next, the likeliest first."""
    near: list[Near]
    """In the order of NEIGHBOURS."""


class Item(Struct, frozen=True):
    """An item on its way into a model. `products`: ids, the most wanted first; `neighbours`: kind → (number, similarity 0–1)."""

    products: Sequence[str]
    category: str = ""
    tier: int | None = None
    neighbours: Mapping[str, Sequence[tuple[int, float]]] = {}


class Model:
    """A decoded model. Items are numbers from 0 on; an unknown product is None."""

    def __init__(self, wire: Wire) -> None:
        self.method, self.as_of, self.people, self.interactions = wire.method, wire.as_of, wire.people, wire.interactions
        self.categories = wire.categories
        self._keys, self._families = wire.keys.cast("Q"), wire.families.cast("I")
        self._ids, self._id_starts, self._members = wire.ids, wire.id_starts.cast("I"), wire.members.cast("I")
        self._category, self._tier = wire.category.cast("H"), wire.tier
        self._popular = wire.popular.cast("I")
        self._popular_starts, self._popular_in = wire.popular_starts.cast("I"), wire.popular_in.cast("I")
        self._next_starts, self._next = wire.next_starts.cast("I"), wire.next_categories.cast("H")
        self._near = {
            kind: (one.starts.cast("I"), one.items.cast("I"), one.weights.cast("H"))
            for kind, one in zip(NEIGHBOURS, wire.near, strict=True)
        }
        self._numbers = {name: number for number, name in enumerate(wire.categories)}

    @property
    def items(self) -> int:
        return len(self._members) - 1

    @property
    def products(self) -> int:
        return len(self._keys)

    def item(self, key: int) -> int | None:
        """The item of a product's fingerprint."""
        at = bisect_left(self._keys, key)
        return self._families[at] if at < len(self._keys) and self._keys[at] == key else None

    def members(self, item: int) -> list[str]:
        """Product ids of an item, the most wanted first."""
        starts = self._id_starts
        span = range(self._members[item], self._members[item + 1])
        return [bytes(self._ids[starts[n] : starts[n + 1]]).decode("utf-8", "replace") for n in span]

    def category(self, item: int) -> str:
        number = self._category[item]
        return "" if number == NO_CATEGORY else self.categories[number]

    def tier(self, item: int) -> int | None:
        tier = self._tier[item]
        return None if tier == 255 else int(tier)

    def near(self, kind: str, item: int) -> list[tuple[int, float]]:
        """(item, similarity) of its neighbours, the nearest first."""
        return [(one, weight / FULL) for one, weight in self.pairs(kind, item)]

    def pairs(self, kind: str, item: int) -> Iterator[tuple[int, int]]:
        """The same with similarities as they are kept, 0 to FULL."""
        starts, items, weights = self._near[kind]
        begin, end = starts[item], starts[item + 1]
        return zip(items[begin:end].tolist(), weights[begin:end].tolist(), strict=True)

    def popular(self, category: str | None = None) -> list[int]:
        """Items, the most popular first: of everything, or of a category."""
        if category is None:
            return self._popular.tolist()
        number = self._numbers.get(category)
        return [] if number is None else self._popular_in[self._popular_starts[number] : self._popular_starts[number + 1]].tolist()

    def next_categories(self, category: str) -> list[str]:
        """Where people of a category go next, the likeliest first (A-166)."""
        number = self._numbers.get(category)
        if number is None:
            return []
        return [self.categories[one] for one in self._next[self._next_starts[number] : self._next_starts[number + 1]].tolist()]


def decode(data: bytes) -> Model:
    """Raises `BadModel`."""
    try:
        wire = _decode(data)
        if wire.format != FORMAT:
            raise BadModel(f"a model of format {wire.format}, expected {FORMAT}")
        model = Model(wire)
        _check(model)
    except BadModel:
        raise
    except (msgspec.MsgspecError, TypeError, ValueError, IndexError, RecursionError) as error:
        raise BadModel(f"no model of recommendations: {error}") from error
    return model


def encode(
    items: Sequence[Item],
    popular: Sequence[int],
    next_categories: Mapping[str, Sequence[str]],
    method: str = "cosine",
    as_of: int = 0,
    people: int = 0,
    interactions: int = 0,
) -> bytes:
    """A model's bytes. `popular`: every item that anybody wanted, the most wanted first; `next_categories`: likeliest first."""
    names = sorted({one.category for one in items if one.category})[:MAX_CATEGORIES]
    numbers = {name: number for number, name in enumerate(names)}
    category = [numbers.get(one.category, NO_CATEGORY) for one in items]
    ids = [product.encode("utf-8", "replace") for one in items for product in one.products]
    keyed = sorted((fingerprint(product), number) for number, one in enumerate(items) for product in one.products)
    lists: list[list[int]] = [[] for _ in names]
    for item in popular:
        if category[item] != NO_CATEGORY and len(lists[category[item]]) < POPULAR // 2:
            lists[category[item]].append(item)
    after = [[numbers[one] for one in next_categories.get(name, ()) if one in numbers][:NEXT] for name in names]
    wire = Wire(
        FORMAT,
        method,
        as_of,
        people,
        interactions,
        _pack("Q", [key for key, _ in keyed]),
        _pack("I", [number for _, number in keyed]),
        memoryview(b"".join(ids)),
        _starts(map(len, ids)),
        _starts(len(one.products) for one in items),
        names,
        _pack("H", category),
        _pack("B", [255 if one.tier is None else one.tier for one in items]),
        _pack("I", popular[:POPULAR]),
        _starts(map(len, lists)),
        _pack("I", [item for one in lists for item in one]),
        _starts(map(len, after)),
        _pack("H", [number for one in after for number in one]),
        [_near([one.neighbours.get(kind, ()) for one in items]) for kind in NEIGHBOURS],
    )
    return _encode(wire)


def _near(lists: Sequence[Sequence[tuple[int, float]]]) -> Near:
    flat = [(item, round(min(1.0, weight) * FULL)) for one in lists for item, weight in one]
    return Near(_starts(map(len, lists)), _pack("I", [item for item, _ in flat]), _pack("H", [weight for _, weight in flat]))


def _pack(kind: str, values: Any) -> memoryview:
    return memoryview(array(kind, values).tobytes())


def _starts(lengths: Any) -> memoryview:
    return _pack("I", list(accumulate(lengths, initial=0)))


def _check(model: Model) -> None:
    """That no number points outside; a message must never stumble over a model."""
    items, products, categories = model.items, model.products, len(model.categories)
    _within(items, model._families, model._popular, model._popular_in, *(one for _, one, _ in model._near.values()))
    _within(categories, model._next)
    if any(number >= categories and number != NO_CATEGORY for number in set(model._category)):
        raise BadModel("a category that it does not name")
    _spans(model._members, products, items)
    _spans(model._id_starts, len(model._ids), products)
    _spans(model._popular_starts, len(model._popular_in), categories)
    _spans(model._next_starts, len(model._next), categories)
    for starts, near, weights in model._near.values():
        _spans(starts, len(near), items)
        if len(near) != len(weights):
            raise BadModel("neighbours without similarity")
    if len(model._category) != items or len(model._tier) != items or len(model._families) != products:
        raise BadModel("arrays of unequal lengths")


def _within(limit: int, *arrays: memoryview) -> None:
    if any(len(one) and max(one) >= limit for one in arrays):
        raise BadModel("a number that points outside")


def _spans(starts: memoryview, end: int, count: int) -> None:
    if len(starts) != count + 1 or starts[0] != 0 or starts[-1] != end or any(a > b for a, b in pairwise(starts)):
        raise BadModel("parts that do not lie one after the other")


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Wire).decode
