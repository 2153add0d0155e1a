"""How good recommendations are: what people turned to next, hidden from the methods, and where each would have put it (HR@10, NDCG@10)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.agents.similarity import Lists, content, liked_alike
from app.agents.table import Log, NothingToLearn, NotInstalled, Table, libraries, table
from app.domain.catalogue import Item
from app.domain.liking import Weights
from app.domain.recommendation import Recommendations
from app.edges.rankers import Popularity, Ranker

TOP = 10
FEWEST = 20
"""People to be judged by."""
ROWS = 512


class Trial(Struct, frozen=True):
    """Of one method. `hit_rate`: share of the people whose next item was among its ten; `ndcg`: the higher it stood the more it counts;
    `coverage`: share of all items that it recommended to anybody. `left_out`: why it was not tried.
    """

    name: str
    hit_rate: float = 0.0
    ndcg: float = 0.0
    coverage: float = 0.0
    seconds: float = 0.0
    left_out: str = ""


class Split(Struct, frozen=True):
    """`table`: what methods learn from. `rows`, `hidden`: people and the item that each turned to next, for the first time."""

    table: Table
    rows: Any
    hidden: Any
    how: str


def split(log: Log, known: dict[str, Item], weights: Weights, until: int | None) -> Split:
    """By time, else the last one out. Raises `NothingToLearn`, `NotInstalled`."""
    return last_out(log, known, weights) if until is None else after(log, known, weights, until)


def last_out(log: Log, known: dict[str, Item], weights: Weights) -> Split:
    """Of everybody with two items or more the last new one is hidden."""
    whole = table(log, known, weights)
    numpy, _ = libraries()
    rows, items, at = _firsts(numpy, log, whole)
    order = numpy.lexsort((at, rows))
    rows, items = rows[order], items[order]
    last = numpy.ones(len(rows), dtype=bool)
    last[:-1] = rows[1:] != rows[:-1]
    several = numpy.bincount(rows, minlength=len(whole.people))[rows] > 1
    return _split(whole, rows[last & several], items[last & several], "the last new item of everybody out")


def after(log: Log, known: dict[str, Item], weights: Weights, until: int) -> Split:
    """Learned up to `until` (ms); hidden is the first new item that each person who was known by then turned to after it."""
    learned = table(log, known, weights, until)
    numpy, _ = libraries()
    rows, items, at = _firsts(numpy, log, learned)
    new = (at > until) & (numpy.diff(learned.matrix.indptr)[rows] > 0)
    rows, items, at = rows[new], items[new], at[new]
    order = numpy.lexsort((at, rows))
    rows, items = rows[order], items[order]
    first = numpy.ones(len(rows), dtype=bool)
    first[1:] = rows[1:] != rows[:-1]
    return _split(learned, rows[first], items[first], "the first new item of everybody after the date")


def _firsts(numpy: Any, log: Log, whole: Table) -> tuple[Any, Any, Any]:
    """(person, item, when first) of everything that anybody liked."""
    column = {product: number for number, one in enumerate(whole.columns) for product in one.products}
    place = {name: number for number, name in enumerate(whole.people)}
    of_person = numpy.zeros(len(log.people), dtype=numpy.int64)
    of_product = numpy.zeros(len(log.products), dtype=numpy.int64)
    for name, number in log.people.items():
        of_person[number] = place[name]
    for product, number in log.products.items():
        of_product[number] = column[product]
    rows, items, at = of_person[numpy.array(log.person)], of_product[numpy.array(log.product)], numpy.array(log.at)
    order = numpy.lexsort((at, items, rows))
    rows, items, at = rows[order], items[order], at[order]
    first = numpy.ones(len(rows), dtype=bool)
    first[1:] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
    heard = order[first]
    back = numpy.argsort(heard, kind="stable")  # of one instant in the order in which they came: no item is favoured
    return rows[first][back], items[first][back], at[first][back]


def _split(whole: Table, rows: Any, hidden: Any, how: str) -> Split:
    """Takes the hidden items out of the table."""
    numpy, sparse = libraries()
    if len(rows) < FEWEST:
        raise NothingToLearn(f"{len(rows)} people turned to something new; it takes {FEWEST} to tell methods apart")
    width = whole.matrix.shape[1]
    told = whole.matrix.tocoo()
    out = numpy.isin(told.row.astype(numpy.int64) * width + told.col, rows.astype(numpy.int64) * width + hidden)
    matrix = sparse.csr_matrix((told.data[~out], (told.row[~out], told.col[~out])), shape=whole.matrix.shape)
    learned = Table(whole.people, whole.columns, matrix, whole.baskets, whole.newest, whole.interactions)
    return Split(learned, rows, hidden, how)


def tried(split: Split, rankers: Sequence[Ranker], on_ranker: Callable[[str], None] = lambda name: None) -> list[Trial]:
    """Each method in turn on the same split; one that cannot be tried says why."""
    found = []
    for ranker in rankers:
        on_ranker(ranker.name)
        if reason := ranker.why_not(split.table):
            found.append(Trial(ranker.name, left_out=reason))
            continue
        started = time.monotonic()
        try:
            ranker.fit(split.table.matrix)
        except NotInstalled as error:
            found.append(Trial(ranker.name, left_out=str(error)))
            continue
        found.append(replace(judged(split, ranker), seconds=time.monotonic() - started))
    return found


def judged(split: Split, ranker: Ranker) -> Trial:
    """Among all items but those that the person had: at which place the hidden one stands, equal ones by number."""
    numpy, _ = libraries()
    matrix, hits, gain = split.table.matrix, 0, 0.0
    shown = numpy.zeros(matrix.shape[1], dtype=bool)
    for begin in range(0, len(split.rows), ROWS):
        rows = split.rows[begin : begin + ROWS]
        scores = numpy.array(ranker.scores(rows), dtype=float)
        had = matrix[rows].nonzero()
        scores[had] = -numpy.inf
        best = numpy.argsort(-scores, axis=1, kind="stable")[:, :TOP]
        shown[numpy.unique(best)] = True
        for place, hidden in zip(best, split.hidden[begin : begin + ROWS], strict=True):
            at = numpy.flatnonzero(place == hidden)
            if len(at):
                hits += 1
                gain += 1 / math.log2(int(at[0]) + 2)
    people = len(split.rows)
    return Trial(ranker.name, hits / people, gain / people, float(shown.mean()))


class _Hybrid:
    """What messages show before any filter: both models by the pack's weights (A-158)."""

    name = "hybrid"

    def __init__(self, table: Table, said: Recommendations, collaborative: Lists | None) -> None:
        numpy, sparse = libraries()
        self._numpy, self._matrix, self._said = numpy, table.matrix, said
        lists = liked_alike(table.matrix, said.k) if collaborative is None else collaborative
        width = table.matrix.shape[1]

        def similar(told: Lists) -> Any:
            rows, cols, weights = (numpy.array(one) for one in zip(*_flat(told), strict=True)) if any(told) else ([], [], [])
            return sparse.csr_matrix((weights, (rows, cols)), shape=(width, width))

        self._models = (similar(lists), similar(content(table.columns, said.k)))

    def why_not(self, table: Table) -> str:
        return ""

    def fit(self, matrix: Any) -> None:
        """It was, to the table."""

    def scores(self, rows: Any) -> Any:
        mine = self._matrix[rows]
        shares = (self._said.collaborative, self._said.content)
        found = 0.0
        for share, one in zip(shares, self._models, strict=True):
            scores = (mine @ one).toarray()
            scores[mine.nonzero()] = 0.0
            found = found + share * scores / self._numpy.maximum(scores.max(axis=1, keepdims=True), 1e-12)
        return found

    def neighbours(self, k: int) -> Lists | None:
        return None


def _flat(lists: Lists) -> list[tuple[int, int, float]]:
    return [(item, other, weight) for item, near in enumerate(lists) for other, weight in near]


def served(split: Split, said: Recommendations, collaborative: Lists | None) -> Trial:
    """How good the hybrid is with these collaborative neighbours (None: cosine's)."""
    started = time.monotonic()
    found = judged(split, _Hybrid(split.table, said, collaborative))
    return replace(found, seconds=time.monotonic() - started)


def best(trials: Sequence[Trial]) -> str:
    """By NDCG among the methods that give neighbours; cosine where nothing else was tried or is better."""
    able = [one for one in trials if not one.left_out and one.name != Popularity.name]
    return max(able, key=lambda one: (one.ndcg, one.name == "cosine")).name if able else "cosine"
