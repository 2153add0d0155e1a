"""From a table of likings to a model: cosine between items, TF-IDF of what describes them, what is bought together (A-156, A-157, A-164).

Everything is counted exactly and once, in one thread: the same table gives the same bytes. numpy, scipy and scikit-learn are the extra
`models`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.agents.table import Column, NothingToLearn, NotInstalled, Table, libraries
from app.domain import neighbours
from app.domain.neighbours import COLLABORATIVE, CONTENT, TOGETHER, Item
from app.domain.recommendation import Recommendations

BLOCK = 1_024
"""Rows whose similarities are held at once."""
SHRINK = 20.0
"""Added to the product of two lengths: two items that one person saw and nobody else would be as alike as bestsellers. Of 1, 5, 20, 50 and
100 it was the best on both real data sets."""
FEW_BOUGHT = 1.0
"""The same for what is bought together: baskets are few."""
COMMON = 0.1
"""A word in more of the descriptions than this tells nothing of what is like what, and costs most of the work."""
FEW = 50
"""Of fewer descriptions every word counts."""
MAX_WORDS = 50_000
MAX_PAIRS = 500
"""Items of one person that are paired; who looked at more is a machine or a wholesaler, and the strongest likings count."""
NEAR_IMAGES = 16
"""Bits of 64 by which two pictures may differ and still be of like things."""

Lists = list[list[tuple[int, float]]]
"""Item → (item, similarity 0–1), the nearest first."""


def liked_alike(matrix: Any, k: int) -> Lists:
    """Who liked this liked that (A-156): cosine over who liked an item at all, a person of n items counting 1 / ln(2 + n).

    How strongly somebody liked it would blur it: with the weights HR@10 was .257 instead of .343 on a real shop. That somebody who looks
    at everything tells little of what is alike is inverse user frequency (Breese, Heckerman, Kadie 1998): .362.
    """
    numpy, sparse = libraries()
    liked = matrix.astype(bool).astype(float)
    counts = numpy.diff(liked.indptr)
    return cosine((sparse.diags_array(1 / numpy.log(2.0 + counts)) @ liked).tocsr(), k, SHRINK)


def cosine(matrix: Any, k: int, shrink: float) -> Lists:
    """The k nearest columns of each column of a CSR matrix: x·y / (|x||y| + shrink)."""
    numpy, sparse = libraries()
    columns = _capped(numpy, sparse, matrix).T.tocsr()
    lengths = numpy.sqrt(numpy.asarray(columns.multiply(columns).sum(axis=1)).ravel())
    other = columns.T.tocsr()
    found: Lists = []
    for begin in range(0, columns.shape[0], BLOCK):
        dots = (columns[begin : begin + BLOCK] @ other).tocsr()
        rows = numpy.repeat(numpy.arange(dots.shape[0]), numpy.diff(dots.indptr)) + begin
        dots.data /= lengths[rows] * lengths[dots.indices] + shrink
        found += _nearest(numpy, dots, begin, k)
    return found


def _capped(numpy: Any, sparse: Any, matrix: Any) -> Any:
    """No row with more than MAX_PAIRS entries: what one of n entries costs is n squared."""
    counts = numpy.diff(matrix.indptr)
    if not len(counts) or counts.max() <= MAX_PAIRS:
        return matrix
    keep = numpy.ones(matrix.nnz, dtype=bool)
    for row in numpy.flatnonzero(counts > MAX_PAIRS):
        begin, end = matrix.indptr[row], matrix.indptr[row + 1]
        order = numpy.lexsort((matrix.indices[begin:end], -matrix.data[begin:end]))
        keep[begin + order[MAX_PAIRS:]] = False
    rows = numpy.repeat(numpy.arange(matrix.shape[0]), counts)
    return sparse.csr_matrix((matrix.data[keep], (rows[keep], matrix.indices[keep])), shape=matrix.shape)


def _nearest(numpy: Any, dots: Any, begin: int, k: int) -> Lists:
    """Of each row the k largest that are not itself, equal ones by number."""
    found: Lists = []
    for row in range(dots.shape[0]):
        first, last = dots.indptr[row], dots.indptr[row + 1]
        items, weights = dots.indices[first:last], dots.data[first:last]
        keep = (items != row + begin) & (weights > 0)
        items, weights = items[keep], weights[keep]
        if len(items) > 4 * k:  # sort those only that may be among them
            least = numpy.partition(weights, len(weights) - k)[len(weights) - k]
            items, weights = items[weights >= least], weights[weights >= least]
        order = numpy.lexsort((items, -weights))[:k]
        found.append([(int(items[n]), min(1.0, float(weights[n]))) for n in order])
    return found


def content(columns: Sequence[Column], k: int, images: Mapping[int, int] | None = None) -> Lists:
    """By cosine of TF-IDF over name, category, brand, text and attributes; pictures that look alike count half as much again (A-157).

    `images`: column → perceptual hash of its picture, where there is one.
    """
    _, sparse = libraries()
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise NotInstalled("content similarity needs the extra `models`: pip install 'kairos[models]'") from error
    texts = [one.text for one in columns]
    common = COMMON if sum(map(bool, texts)) > FEW else 1.0
    words = TfidfVectorizer(max_df=common, max_features=MAX_WORDS, sublinear_tf=True)
    try:
        matrix = words.fit_transform(texts)
    except ValueError:
        matrix = sparse.csr_matrix((len(columns), 1))  # nothing is told, or nothing that tells anything apart
    found = cosine(matrix.T.tocsr(), k, 0.0)
    return _with_images(found, images, k) if images else found


def _with_images(lists: Lists, images: Mapping[int, int], k: int) -> Lists:
    """2/3 text, 1/3 picture, for items that have one; pictures of at most NEAR_IMAGES different bits of 64 are alike."""
    numpy, _ = libraries()
    ones = numpy.array([bin(n).count("1") for n in range(1 << 16)], dtype=numpy.uint8)
    owners = numpy.array(list(images), dtype=numpy.int64)
    hashes = numpy.array(list(images.values()), dtype=numpy.uint64)
    shifts = numpy.array([0, 16, 32, 48], dtype=numpy.uint64)
    mixed: Lists = []
    for item, near in enumerate(lists):
        own = images.get(item)
        if own is None:
            mixed.append(near)
            continue
        differ = hashes ^ numpy.uint64(own)
        apart = ones[(differ[:, None] >> shifts) & numpy.uint64(0xFFFF)].sum(axis=1)
        alike = numpy.flatnonzero(apart <= NEAR_IMAGES)
        scores = {other: 2 / 3 * weight for other, weight in near}
        for other, bits in zip(owners[alike].tolist(), apart[alike].tolist(), strict=True):
            if other != item:
                scores[other] = min(1.0, scores.get(other, 0.0) + (1 - bits / NEAR_IMAGES) / 3)
        mixed.append(sorted(((other, weight) for other, weight in scores.items() if weight > 0), key=lambda one: (-one[1], one[0]))[:k])
    return mixed


def tiers(columns: Sequence[Column]) -> list[int | None]:
    """How dear each is within its category, by thirds of its prices (A-165); None: no price, or too few to part."""
    prices: dict[str, list[int]] = {}
    for one in columns:
        if one.price is not None and one.category:
            prices.setdefault(one.category, []).append(one.price)
    cuts = {}
    for name, told in prices.items():
        told.sort()
        if len(told) >= 3 and told[0] < told[-1]:
            cuts[name] = (told[len(told) // 3], told[2 * len(told) // 3])
    return [
        None if one.price is None or one.category not in cuts else sum(one.price >= cut for cut in cuts[one.category]) for one in columns
    ]


def next_categories(table: Table) -> dict[str, list[str]]:
    """Category → the categories that the same people like, the likeliest first (A-166)."""
    numpy, sparse = libraries()
    names = sorted({one.category for one in table.columns if one.category})
    if not names:
        return {}
    numbers = {name: number for number, name in enumerate(names)}
    told = [(place, numbers[one.category]) for place, one in enumerate(table.columns) if one.category]
    places, categories = zip(*told, strict=True)
    of = sparse.csr_matrix((numpy.ones(len(told)), (places, categories)), shape=(len(table.columns), len(names)))
    lists = cosine((table.matrix @ of).tocsr(), neighbours.NEXT, FEW_BOUGHT)
    return {name: [names[other] for other, _ in lists[number]] for name, number in numbers.items()}


def model(table: Table, said: Recommendations, collaborative: Lists | None = None, method: str = "cosine", images: Any = None) -> bytes:
    """The artifact. `collaborative`: by another method than cosine, if one was better. Raises `NothingToLearn`, `NotInstalled`."""
    if len(table.columns) < 2:
        raise NothingToLearn("one product: nothing can be recommended beside it")
    lists = {
        COLLABORATIVE: liked_alike(table.matrix, said.k) if collaborative is None else collaborative,
        CONTENT: content(table.columns, said.k, images),
        TOGETHER: cosine(table.baskets, said.k, FEW_BOUGHT),
    }
    dear = tiers(table.columns)
    items = [
        Item(one.products, one.category, dear[n], {kind: lists[kind][n] for kind in lists if lists[kind][n]})
        for n, one in enumerate(table.columns)
    ]
    popularity = table.popularity
    popular = sorted((n for n in range(len(items)) if popularity[n] > 0), key=lambda n: (-popularity[n], n))
    return neighbours.encode(items, popular, next_categories(table), method, table.newest, table.active, table.interactions)
