"""Methods of collaborative filtering behind one interface: fitted to a table, they score every item for every person (A-156, A-159).

All but popularity give neighbours, too: what is served is a list of neighbours per item, whatever the method. numpy and scipy are the
extra `models`; ALS needs `implicit`, NCF needs PyTorch, and both are imported when they are asked for.
"""

from __future__ import annotations

from typing import Any, Protocol

from app.agents.similarity import Lists, liked_alike
from app.agents.table import NotInstalled, Table, libraries

K = 20
"""Neighbours that cosine is judged by, as many as an artifact keeps by default: with 100 it was worse."""
EASE_ITEMS = 8_000
"""EASE inverts a matrix of items × items: 0.5 GB and a minute for so many; beyond it is left out."""
EASE_L2 = 500.0
"""Steck 2019 has 200–1,000 for catalogues of this size."""
FACTORS = 64
"""Also the embeddings of the guide's network (A-159)."""
SEED = 0


class Ranker(Protocol):
    """One method. `why_not`: why it cannot be fitted to this table, or empty."""

    name: str

    def why_not(self, table: Table) -> str: ...

    def fit(self, matrix: Any) -> None:
        """Learns from people × items (CSR, weights). Raises `NotInstalled`."""

    def scores(self, rows: Any) -> Any:
        """Row numbers of the matrix fitted → rows × items, the higher the better."""

    def neighbours(self, k: int) -> Lists | None:
        """What a model is made of; None: it has none."""


class Popularity:
    """The baseline: what most people like, for everybody."""

    name = "popularity"

    def why_not(self, table: Table) -> str:
        return ""

    def fit(self, matrix: Any) -> None:
        numpy, _ = libraries()
        self._numpy = numpy
        self._counts = numpy.asarray(matrix.astype(bool).sum(axis=0)).ravel().astype(float)

    def scores(self, rows: Any) -> Any:
        return self._numpy.broadcast_to(self._counts, (len(rows), len(self._counts)))

    def neighbours(self, k: int) -> Lists | None:
        return None


class Cosine:
    """Who liked this liked that, by the cosine of two columns: what the recommender keeps current."""

    name = "cosine"

    def why_not(self, table: Table) -> str:
        return ""

    def fit(self, matrix: Any) -> None:
        numpy, sparse = libraries()
        self._matrix = matrix.astype(bool).astype(float)
        self._lists = liked_alike(matrix, K)
        told = [(item, other, weight) for item, near in enumerate(self._lists) for other, weight in near]
        rows, cols, weights = zip(*told, strict=True) if told else ((), (), ())
        self._similar = sparse.csr_matrix((numpy.array(weights), (rows, cols)), shape=(matrix.shape[1], matrix.shape[1]))

    def scores(self, rows: Any) -> Any:
        return (self._matrix[rows] @ self._similar).toarray()

    def neighbours(self, k: int) -> Lists | None:
        return liked_alike(self._matrix, k)


class Ease:
    """Embarrassingly shallow autoencoder: item–item weights in closed form (Steck 2019)."""

    name = "ease"

    def why_not(self, table: Table) -> str:
        items = len(table.columns)
        return f"{items:,} items; it takes at most {EASE_ITEMS:,}" if items > EASE_ITEMS else ""

    def fit(self, matrix: Any) -> None:
        numpy, _ = libraries()
        self._numpy = numpy
        self._matrix = matrix.astype(bool).astype(float)
        gram = (self._matrix.T @ self._matrix).toarray()
        gram[numpy.diag_indices_from(gram)] += EASE_L2
        inverse = numpy.linalg.inv(gram)
        self._weights = inverse / -numpy.diag(inverse)
        numpy.fill_diagonal(self._weights, 0.0)

    def scores(self, rows: Any) -> Any:
        return self._matrix[rows] @ self._weights

    def neighbours(self, k: int) -> Lists | None:
        return _lists(self._numpy, self._weights / max(self._weights.max(), 1e-12), k)


class Als:
    """Matrix factorisation by alternating least squares (Hu, Koren, Volinsky 2008), by `implicit`."""

    name = "als"

    def why_not(self, table: Table) -> str:
        return ""

    def fit(self, matrix: Any) -> None:
        try:
            from implicit.als import AlternatingLeastSquares
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise NotInstalled("als needs implicit: pip install 'kairos[models]'") from error
        numpy, _ = libraries()
        self._numpy = numpy
        with threadpool_limits(limits=1):
            found = AlternatingLeastSquares(
                factors=FACTORS, regularization=0.1, alpha=1.0, iterations=15, random_state=SEED, num_threads=1, use_gpu=False
            )
            found.fit(matrix.astype("float32"), show_progress=False)
        self._people, self._items = numpy.asarray(found.user_factors), numpy.asarray(found.item_factors)

    def scores(self, rows: Any) -> Any:
        return self._people[rows] @ self._items.T

    def neighbours(self, k: int) -> Lists | None:
        return by_vectors(self._numpy, self._items, k)


def by_vectors(numpy: Any, vectors: Any, k: int) -> Lists:
    """Neighbours by the cosine of what a method learned of each item; a block at a time."""
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / numpy.maximum(lengths, 1e-12)
    found: Lists = []
    for begin in range(0, len(unit), 1_024):
        dots = unit[begin : begin + 1_024] @ unit.T
        for row in range(len(dots)):
            dots[row, begin + row] = 0.0
        found += _lists(numpy, dots, k)
    return found


def _lists(numpy: Any, dense: Any, k: int) -> Lists:
    found: Lists = []
    for row in dense:
        best = numpy.argsort(-row, kind="stable")[:k]
        found.append([(int(item), min(1.0, float(row[item]))) for item in best if row[item] > 0])
    return found


def every() -> list[Ranker]:
    """All there are, the baseline first."""
    from app.edges.ncf import Ncf

    return [Popularity(), Cosine(), Ease(), Als(), Ncf()]


NAMES = ("cosine", "ease", "als", "ncf", "popularity")
