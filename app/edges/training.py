"""Learns personas from `profiles` records: k-means finds the groups, a shallow decision tree finds out how to tell them (A-043, A-044).

The only code that uses scikit-learn (extra `models`); it is imported when something is to be learned.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from app.domain import personas
from app.domain.personas import FEATURES, Branch, Feature, Persona, Question, Record

FEWEST, MOST = 2, 8
"""Personas that are tried; more nobody can keep apart."""
MIN_PEOPLE = 50
MIN_SHARE = 0.02
"""Of the buyers in the smallest persona: fewer are outliers."""
TOLD = 0.8
"""Share of buyers who must have a feature for it to be used; who lacks one that is used is left out."""
CLIP = 3.0
"""Standard deviations beyond which somebody is as far out as anybody: else one wholesaler is a persona."""
DEPTH = 4
"""Of the tree: more questions nobody reads in a condition."""
MAX_CONDITION = 2_000
"""Characters that a pack takes."""
SILHOUETTE_SAMPLE = 2_000


class NothingToLearn(ValueError):
    """Too few people, or nothing that they differ in; the message says which."""


class NotInstalled(RuntimeError):
    """The extra is missing."""


class Trained(Struct, frozen=True):
    """`silhouettes`: k → how well apart the groups are (−1 to 1). `stability`: how far two halves of the people agree on who belongs
    together (adjusted Rand index, 1: wholly). `accuracy`: share of people whom the predicates put where the groups have them;
    `accuracy_unseen`: of people the tree had not seen.
    """

    personas: tuple[Persona, ...]
    people: int
    left_out: dict[str, int]
    features: tuple[str, ...]
    not_used: dict[str, str]
    silhouettes: dict[int, float]
    stability: float
    accuracy: float
    accuracy_unseen: float


def train(records: Iterable[Record], now: int, k: int | None = None, seed: int = 0) -> Trained:
    """The same records, in any order, give the same personas. Raises `NothingToLearn`, `NotInstalled`."""
    learn = _Learn(seed)
    buyers, left_out = _buyers(records)
    used, not_used, rows = _table(buyers, now, left_out)
    ages = [personas.age(record) for record, _ in rows]
    values = [found for _, found in rows]
    columns = [[one.scaled(row[one.name]) for row in values] for one in used]
    scaled = learn.scaled(columns)
    silhouettes, labels = learn.groups(scaled, k)
    order = sorted(set(labels), key=lambda label: (-labels.count(label), label))
    labels = [order.index(label) for label in labels]
    groups = [_described(used, columns, values, ages, [label == n for label in labels]) for n in range(len(order))]
    asked = [one for one in used if one.path is not None]
    if not asked:
        raise NothingToLearn("nothing that a pack can ask for tells the buyers apart")
    branches = learn.branches(asked, values, labels)
    names = personas.named([(means, apart, age) for means, apart, age in groups])
    found = tuple(
        Persona(name, title, labels.count(n), labels.count(n) / len(labels), means, apart, age, personas.condition(branches[n]))
        for n, ((name, title), (means, apart, age)) in enumerate(zip(names, groups, strict=True))
    )
    return Trained(
        found,
        len(rows),
        left_out,
        tuple(one.name for one in used),
        not_used,
        silhouettes,
        learn.stability(scaled, len(order)),
        _accuracy(branches, values, labels),
        learn.unseen(asked, values, labels),
    )


def _buyers(records: Iterable[Record]) -> tuple[list[Record], dict[str, int]]:
    buyers, others = [], 0
    for record in records:
        if personas.is_buyer(record):
            buyers.append(record)
        else:
            others += 1
    return sorted(buyers, key=lambda record: str(record.get("person_id"))), {"no order, or nobody": others} if others else {}


def _table(
    buyers: list[Record], now: int, left_out: dict[str, int]
) -> tuple[list[Feature], dict[str, str], list[tuple[Record, dict[str, float]]]]:
    """Features that are used, why others are not, and the people with their values."""
    told = {one.name: [one.read(record, now) for record in buyers] for one in FEATURES}
    used, not_used = [], {}
    for one in FEATURES:
        there = [value for value in told[one.name] if value is not None]
        if len(there) < TOLD * max(1, len(buyers)):
            not_used[one.name] = "too few have it"
        elif max(there) == min(there):
            not_used[one.name] = "everybody has the same"
        else:
            used.append(one)
    rows = []
    for n, record in enumerate(buyers):
        row = {one.name: told[one.name][n] for one in used}
        if any(value is None for value in row.values()):
            left_out["a feature is not told"] = left_out.get("a feature is not told", 0) + 1
        else:
            rows.append((record, {name: value for name, value in row.items() if value is not None}))
    if len(rows) < MIN_PEOPLE:
        raise NothingToLearn(f"{len(rows)} buyers to learn from; it takes {MIN_PEOPLE}")
    if not used:
        raise NothingToLearn("the buyers differ in nothing that is looked at")
    return used, not_used, rows


def _described(
    used: Sequence[Feature],
    columns: Sequence[Sequence[float]],
    values: Sequence[Mapping[str, float]],
    ages: Sequence[float | None],
    inside: Sequence[bool],
) -> tuple[dict[str, float], dict[str, float], float | None]:
    means, apart = {}, {}
    for feature, column in zip(used, columns, strict=True):
        mine = [value for value, one in zip(column, inside, strict=True) if one]
        spread = statistics.pstdev(column)
        apart[feature.name] = (statistics.fmean(mine) - statistics.fmean(column)) / spread if spread else 0.0
        means[feature.name] = statistics.fmean([row[feature.name] for row, one in zip(values, inside, strict=True) if one])
    told = [age for age, one in zip(ages, inside, strict=True) if one and age is not None]
    return means, apart, statistics.median(told) if len(told) >= personas.AGE_TOLD * sum(inside) else None


def _accuracy(branches: Sequence[Sequence[Branch]], values: Sequence[Mapping[str, float]], labels: Sequence[int]) -> float:
    """As the conditions decide, not as the tree does."""
    right = [any(personas.holds(branch, row) for branch in branches[label]) for row, label in zip(values, labels, strict=True)]
    return sum(right) / len(right)


class _Learn:
    """scikit-learn, one thread, one seed: the same numbers on every run."""

    def __init__(self, seed: int) -> None:
        try:
            import numpy
            from sklearn.cluster import KMeans
            from sklearn.metrics import adjusted_rand_score, silhouette_score
            from sklearn.tree import DecisionTreeClassifier
            from threadpoolctl import threadpool_limits
        except ImportError as error:
            raise NotInstalled("learning needs the extra `models`: pip install 'kairos[models]'") from error
        self._np, self._seed, self._one_thread = numpy, seed, threadpool_limits
        self._means, self._tree = KMeans, DecisionTreeClassifier
        self._alike, self._silhouette = adjusted_rand_score, silhouette_score

    def scaled(self, columns: Sequence[Sequence[float]]) -> Any:
        """A row a person, a column a feature: mean 0, deviation 1, clipped."""
        table = self._np.array(columns, dtype=float).T
        spread = table.std(axis=0)
        spread[spread == 0] = 1.0
        return self._np.clip((table - table.mean(axis=0)) / spread, -CLIP, CLIP)

    def _grouped(self, table: Any, k: int) -> Any:
        with self._one_thread(limits=1):
            return self._means(n_clusters=k, n_init=10, random_state=self._seed).fit(table)

    def groups(self, table: Any, k: int | None) -> tuple[dict[int, float], list[int]]:
        """How well apart groups are for each k that was tried, and the group of each row for the best."""
        found: dict[int, tuple[bool, float, list[int]]] = {}
        different = len(self._np.unique(table, axis=0))
        for count in range(FEWEST, MOST + 1) if k is None else (k,):
            if count >= different:
                break
            labels = [int(label) for label in self._grouped(table, count).labels_]
            whole = min(labels.count(n) for n in range(count)) >= MIN_SHARE * len(labels)
            found[count] = (whole, self._apart(table, labels), labels)
        if not found:
            raise NothingToLearn(f"only {different} of the buyers differ from each other")
        best = max(found, key=lambda count: (*found[count][:2], -count))
        return {count: score for count, (_, score, _) in found.items()}, found[best][2]

    def _apart(self, table: Any, labels: Sequence[int]) -> float:
        """The silhouette of a sample; 0 where all of that are in one group."""
        some = self._np.random.RandomState(self._seed).permutation(len(labels))[:SILHOUETTE_SAMPLE]
        theirs = [labels[n] for n in some]
        return float(self._silhouette(table[some], theirs)) if 1 < len(set(theirs)) < len(theirs) else 0.0

    def stability(self, table: Any, k: int) -> float:
        """Groups learned from every other person, and from the rest: do both put the rest together alike?"""
        half, rest = table[::2], table[1::2]
        return float(self._alike(self._grouped(half, k).predict(rest), self._grouped(rest, k).labels_))

    def branches(self, asked: Sequence[Feature], values: Sequence[Mapping[str, float]], labels: Sequence[int]) -> list[list[Branch]]:
        """For each group the ways down the tree that end in it, as short as the pack's limit on a condition wants."""
        columns = {one.name: [row[one.name] for row in values] for one in asked}
        for depth in range(DEPTH, 0, -1):
            tree = self._fitted(asked, values, labels, depth).tree_
            found: list[list[Branch]] = [[] for _ in range(max(labels) + 1)]
            for label, branch in self._ways(tree, asked, columns, 0, ()):
                found[label].append(branch)
            if all(len(personas.condition(one)) <= MAX_CONDITION for one in found):
                break
        return found

    def _ways(
        self, tree: Any, asked: Sequence[Feature], columns: Mapping[str, Sequence[float]], node: int, so_far: Branch
    ) -> list[tuple[int, Branch]]:
        if tree.children_left[node] < 0:
            return [(int(tree.value[node][0].argmax()), so_far)]
        feature = asked[tree.feature[node]]
        threshold = personas.roundest(float(tree.threshold[node]), columns[feature.name])
        ways = []
        for below, child in ((True, tree.children_left[node]), (False, tree.children_right[node])):
            ways += self._ways(tree, asked, columns, child, (*so_far, Question(feature.name, below, threshold)))
        ends = {label for label, _ in ways}
        return [(ends.pop(), so_far)] if len(ends) == 1 else ways  # both sides say the same

    def unseen(self, asked: Sequence[Feature], values: Sequence[Mapping[str, float]], labels: Sequence[int]) -> float:
        """A tree of every other person, asked about the rest."""
        tree = self._fitted(asked, values[::2], labels[::2], DEPTH)
        return float(tree.score(self._raw(asked, values[1::2]), labels[1::2]))

    def _fitted(self, asked: Sequence[Feature], values: Sequence[Mapping[str, float]], labels: Sequence[int], depth: int) -> Any:
        leaf = max(5, len(labels) // 100)
        return self._tree(max_depth=depth, min_samples_leaf=leaf, random_state=self._seed).fit(self._raw(asked, values), labels)

    def _raw(self, asked: Sequence[Feature], values: Sequence[Mapping[str, float]]) -> Any:
        return self._np.array([[row[one.name] for one in asked] for row in values])
