"""What to recommend to each person, for other systems: a line a person (A-161, A-162, A-178)."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
from msgspec import Struct

from app.domain import sensitive
from app.domain.catalogue import Item, Items, view
from app.domain.fingerprint import fingerprint
from app.domain.liking import Liking
from app.domain.neighbours import Model
from app.domain.recommendation import SIMILAR, About, Use, picked
from app.domain.trigger import Pack

COLUMNS = ("id", "name", "category", "price", "currency", "image", "url")
"""Of each product in a CSV, as `product_1_name`: what a dynamic block or a merge tag prints."""
_KEYS = {"id": "product_id", "name": "product_name"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
MAX_LIKINGS = 100


class Liker(Struct, frozen=True):
    """A person of the feed. `likings`: newest first."""

    person_id: str
    customer_id: str | None
    likings: list[Liking]


class Fed(Struct, frozen=True):
    """A person's line."""

    person_id: str
    customer_id: str | None
    products: tuple[Item, ...]


def fed(people: Iterable[Liker], model: Model, items: Items, pack: Pack, n: int) -> Iterator[Fed]:
    """Everybody for whom there is something; at most n products each."""
    use = Use("", SIMILAR, n)

    def private(text: str) -> bool:
        return bool(text) and sensitive.tells(pack.sensitive, text) is not None

    for one in people:
        chosen = picked(one.likings[:MAX_LIKINGS], About(), model, items, pack.recommendations, use, private)
        if chosen:
            yield Fed(one.person_id, one.customer_id, chosen)


def liked(told: Iterable[tuple[str, str, int]]) -> list[Liking]:
    """(product id, kind, at) → likings, newest first."""
    return sorted(((fingerprint(product), kind, at) for product, kind, at in told), key=lambda one: (-one[2], one[0], one[1]))


def writer(form: str, n: int) -> Callable[[Fed | None], bytes]:
    """Lines of a form, `csv` or `jsonl`; of None the head."""
    return _json if form == "jsonl" else _csv(n)


def _json(one: Fed | None) -> bytes:
    if one is None:
        return b""
    told = {"person_id": one.person_id, "customer_id": one.customer_id, "recommendations": [_told(item) for item in one.products]}
    return orjson.dumps(told) + b"\n"


def _told(item: Item) -> dict[str, Any]:
    """Of the product what it is and costs; nothing that is only true now, such as what is left of it."""
    told = view(item)
    return {name: told[name] for name in ("product_id", "name", "category", "brand", "price", "currency", "image", "url") if name in told}


def _csv(n: int) -> Callable[[Fed | None], bytes]:
    head = ["person_id", "customer_id", *(f"product_{number}_{name}" for number in range(1, n + 1) for name in COLUMNS)]

    def write(one: Fed | None) -> bytes:
        if one is None:
            return _row(head)
        told = [view(item) for item in one.products]
        cells = [str(product.get(_KEYS.get(name, name)) or "") for product in told for name in COLUMNS]
        return _row([one.person_id, one.customer_id or "", *cells, *[""] * (n - len(told)) * len(COLUMNS)])

    return write


def _row(cells: list[str]) -> bytes:
    """A cell that a spreadsheet would run is given an apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue().encode()
