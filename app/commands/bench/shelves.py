"""A made-up shop for `kairos bench render`: products, what goes with which, and what a person likes."""

from __future__ import annotations

from random import Random

from app.domain import money, neighbours
from app.domain.catalogue import Item, Items, decode, encode
from app.domain.fingerprint import fingerprint
from app.domain.liking import BOUGHT, VIEWED, Liking
from app.domain.neighbours import NEIGHBOURS, Model

CATEGORIES = 50
LIKED = 30
"""Products that a person looked at or bought lately: a regular's."""
SOLD_OUT = 10
"""Every tenth is."""
SEED = 11


def catalogue(products: int) -> Items:
    """Products `p0` to `p(products - 1)`, a tenth of them sold out. As bytes, which a worker has and decodes as it needs them."""
    held = {f"p{number}": encode(_item(number)) for number in range(products)}

    def item(product_id: str) -> Item | None:
        value = held.get(product_id)
        return None if value is None else decode(value)

    return item


def _item(number: int) -> Item:
    page = f"https://shop.example/p{number}"
    return Item(
        *(f"p{number}", f"Product {number}", "", f"category {number % CATEGORIES}", "Alpin"),
        price=(10 + number % 190) * money.UNITS,
        currency="EUR",
        stock=0 if number % SOLD_OUT == 7 else 20,
        margin=0.4,
        image=f"{page}.jpg",
        url=page,
    )


def model(products: int, k: int) -> Model:
    """Who liked this liked that, drawn: `k` neighbours of each kind and product. The same at each call."""
    drawn = Random(SEED)

    def near() -> list[tuple[int, float]]:
        return [(drawn.randrange(products), 1 - n / k) for n in range(min(k, products))]

    names = [f"category {number}" for number in range(CATEGORIES)]
    items = [neighbours.Item((f"p{n}",), names[n % CATEGORIES], n % 3, {kind: near() for kind in NEIGHBOURS}) for n in range(products)]
    following = {name: [names[(n + 1) % CATEGORIES]] for n, name in enumerate(names)}
    return neighbours.decode(neighbours.encode(items, range(min(products, neighbours.POPULAR)), following))


def taste(number: int, products: int, at: int) -> list[Liking]:
    """What a person likes, the newest first."""
    drawn = Random(number)
    return [(fingerprint(f"p{drawn.randrange(products)}"), BOUGHT if n % 5 == 0 else VIEWED, at - n * 3_600_000) for n in range(LIKED)]
