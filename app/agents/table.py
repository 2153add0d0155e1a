"""What people did with products, as a table to learn from: a row a person, a column an item (a family of products), the strongest liking.

numpy and scipy (extra `models`) are imported when something is to be learned: no worker needs them to serve.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from app.domain.catalogue import Item, price_now
from app.domain.days import DAY_MS
from app.domain.liking import BOUGHT, Weights

MAX_PRODUCTS = 2_000_000
"""A table of more products is refused: fingerprints and neighbours of all of them are held at once."""


class NothingToLearn(ValueError):
    """Too few people, products or interactions; the message says which."""


class NotInstalled(RuntimeError):
    """The extra `models` is missing, or a library beyond it; the message says what to install."""


class Liked(NamedTuple):
    """Somebody did something with a product. `at` in ms."""

    person: str
    product_id: str
    kind: str
    at: int


class Column(Struct, frozen=True):
    """An item: its products, the most wanted first, and what is known of the first of them that tells it."""

    products: tuple[str, ...]
    category: str
    price: int | None
    text: str
    image: str


class Table:
    """`matrix`: scipy CSR, people × columns, weights. `baskets`: days of people × columns, 1 where it was bought that day."""

    def __init__(self, people: list[str], columns: list[Column], matrix: Any, baskets: Any, newest: int, interactions: int) -> None:
        self.people, self.columns, self.matrix, self.baskets = people, columns, matrix, baskets
        self.newest, self.interactions = newest, interactions

    @property
    def active(self) -> int:
        """People who like anything."""
        numpy, _ = libraries()
        return int((numpy.diff(self.matrix.indptr) > 0).sum())

    @property
    def popularity(self) -> Any:
        """Column → sum of weights."""
        numpy, _ = libraries()
        return numpy.asarray(self.matrix.sum(axis=0)).ravel()


class Log:
    """Interactions as numbers, so that tens of millions fit: feed it with `add`, in any order."""

    def __init__(self) -> None:
        self.people: dict[str, int] = {}
        self.products: dict[str, int] = {}
        self.kinds: dict[str, int] = {}
        self.person, self.product, self.kind, self.at = array("I"), array("I"), array("B"), array("q")

    def add(self, one: Liked) -> None:
        self.person.append(self.people.setdefault(one.person, len(self.people)))
        self.product.append(self.products.setdefault(one.product_id, len(self.products)))
        self.kind.append(self.kinds.setdefault(one.kind, len(self.kinds)))
        self.at.append(one.at)

    def leave_out(self, names: Collection[str]) -> None:
        """Takes out all that these people did."""
        if not names:
            return
        out = {self.people[name] for name in names}
        keep = [place for place, number in enumerate(self.person) if number not in out]
        for field in ("person", "product", "kind", "at"):
            told = getattr(self, field)
            setattr(self, field, array(told.typecode, [told[place] for place in keep]))

    def join(self, into: Mapping[str, str]) -> None:
        """Makes one person of who has become one: person → whom she has become."""
        to = list(range(len(self.people)))
        for name, number in list(self.people.items()):
            final, passed = name, {name}
            while (after := into.get(final)) is not None and after not in passed:
                final = after
                passed.add(final)
            to[number] = number if final == name else self.people.setdefault(final, len(self.people))
        self.person = array("I", [to[number] for number in self.person])

    def __len__(self) -> int:
        return len(self.at)


def libraries() -> tuple[Any, Any]:
    """numpy and scipy.sparse. Raises `NotInstalled`."""
    try:
        import numpy
        import scipy.sparse
    except ImportError as error:
        raise NotInstalled("learning needs the extra `models`: pip install 'kairos[models]'") from error
    return numpy, scipy.sparse


def log_of(liked: Iterable[Liked]) -> Log:
    log = Log()
    for one in liked:
        log.add(one)
    return log


def table(log: Log, known: Mapping[str, Item], weights: Weights, until: int | None = None) -> Table:
    """The table of what happened up to `until` (ms). `known`: what is known of products; all of them get a column.

    The same interactions, in any order, give the same table. Raises `NothingToLearn`, `NotInstalled`.
    """
    numpy, sparse = libraries()
    products = sorted({*log.products, *known})
    if len(products) > MAX_PRODUCTS:
        raise NothingToLearn(f"{len(products):,} products; at most {MAX_PRODUCTS:,}")
    if not products:
        raise NothingToLearn("no product with a product_id was looked at or bought")
    family = {product: _family(product, known.get(product)) for product in products}
    numbers = {name: number for number, name in enumerate(sorted(set(family.values())))}
    people = sorted(log.people)
    # Numbers as they came → in the order of their names: the same whatever the order in which they were heard of.
    of_person, of_product = _ranks(numpy, log.people, people), numpy.zeros(len(log.products), dtype=numpy.int64)
    of_family = numpy.zeros(len(log.products), dtype=numpy.int64)
    places = {product: place for place, product in enumerate(products)}
    for product, number in log.products.items():
        of_product[number], of_family[number] = places[product], numbers[family[product]]
    strength = numpy.array([weights.of(kind) for kind in log.kinds], dtype=numpy.float64)
    rows, cols = of_person[numpy.array(log.person)], numpy.array(log.product)
    kinds, at = numpy.array(log.kind), numpy.array(log.at)
    keep = numpy.ones(len(at), dtype=bool) if until is None else at <= until
    rows, cols, kinds, at = rows[keep], cols[keep], kinds[keep], at[keep]
    if not len(at):
        raise NothingToLearn("nobody did anything with a product in that time")
    values = strength[kinds]
    matrix = _strongest(numpy, sparse, rows, of_family[cols], values, (len(people), len(numbers)))
    bought = kinds == log.kinds.get(BOUGHT, 255)
    baskets = _baskets(numpy, sparse, rows[bought], of_family[cols[bought]], at[bought], len(numbers))
    wanted = numpy.bincount(of_product[cols], weights=values, minlength=len(products))
    columns = _columns(products, family, numbers, known, wanted)
    return Table(people, columns, matrix, baskets, int(at.max()), len(at))


def _ranks(numpy: Any, found: Mapping[str, int], ordered: Sequence[str]) -> Any:
    ranks = numpy.zeros(len(found), dtype=numpy.int64)
    for rank, name in enumerate(ordered):
        ranks[found[name]] = rank
    return ranks


def _family(product: str, known: Item | None) -> str:
    """What sizes and colours of one thing have in common, as `Product.same` has it; without either the product is alone."""
    if known is None:
        return f"p{product}"
    return f"g{known.group_id}" if known.group_id else f"n{known.name}" if known.name else f"p{product}"


def _strongest(numpy: Any, sparse: Any, rows: Any, cols: Any, values: Any, shape: tuple[int, int]) -> Any:
    """Of several interactions with one item the strongest: shops log views twice, and orders."""
    order = numpy.lexsort((values, cols, rows))
    rows, cols, values = rows[order], cols[order], values[order]
    last = numpy.ones(len(rows), dtype=bool)
    last[:-1] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    keep = last & (values > 0)
    return sparse.csr_matrix((values[keep], (rows[keep], cols[keep])), shape=shape)


def _baskets(numpy: Any, sparse: Any, rows: Any, cols: Any, at: Any, width: int) -> Any:
    """A row for each day on which somebody bought: an order told line by line is one basket."""
    days = at // DAY_MS
    if not len(days):
        return sparse.csr_matrix((0, width))
    keys = rows.astype(numpy.int64) * (int(days.max()) + 1) + days
    _, basket = numpy.unique(keys, return_inverse=True)
    ones = numpy.ones(len(basket))
    matrix = sparse.csr_matrix((ones, (basket, cols)), shape=(int(basket.max()) + 1, width))
    matrix.data[:] = 1.0
    return matrix


def _columns(
    products: Sequence[str], family: Mapping[str, str], numbers: Mapping[str, int], known: Mapping[str, Item], wanted: Any
) -> list[Column]:
    members: list[list[tuple[float, str]]] = [[] for _ in numbers]
    for place, product in enumerate(products):
        members[numbers[family[product]]].append((-float(wanted[place]), product))
    columns = []
    for one in members:
        ids = tuple(product for _, product in sorted(one))
        told = [item for product in ids if (item := known.get(product)) is not None]
        columns.append(
            Column(
                ids,
                next((item.category for item in told if item.category), ""),
                next((price for item in told if (price := price_now(item)) is not None), None),
                next((text for item in told if (text := _text(item))), ""),
                next((item.image for item in told if item.image), ""),
            )
        )
    return columns


def _text(item: Item) -> str:
    """All that describes it, for TF-IDF (A-157)."""
    attributes = [f"{name} {value}" for name, value in sorted(item.attributes.items())]
    return " ".join(part for part in (item.name, item.category, item.brand, item.text, *attributes) if part)
