"""Which products a message recommends (A-155–A-169): a hybrid of two models over the person's own taste, of what is in stock.

Of each model twice as many candidates as are wanted, combined by weight, the best of them (A-158, A-160); where that is not enough what is
popular in her categories, then what is popular at all; what is out of stock falls out last. Pure: the same plan, model and catalogue give
the same products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from app.domain.catalogue import Item, Items, in_stock
from app.domain.days import HOUR_MS
from app.domain.fingerprint import fingerprint
from app.domain.liking import BOUGHT, VIEWED, Liking, Weights
from app.domain.neighbours import COLLABORATIVE, CONTENT, FULL, TOGETHER, Model

SIMILAR, COMPLEMENTS, UPGRADES, EXPANSION = "similar", "complements", "upgrades", "expansion"
USES = (SIMILAR, COMPLEMENTS, UPGRADES, EXPANSION)
MAX_SEEDS = 20
"""Items of her taste that candidates come from, the newest."""
MAX_LOOKUPS = 100
"""Products that are looked up in the catalogue for one message: of a shop that has sold out nobody looks for the last thing."""
HER_CATEGORIES = 3
"""Categories of hers that popular products are taken from."""
AHEAD = 2
"""Candidates of each model per product wanted (A-160)."""


class Use(Struct, frozen=True):
    """What one message recommends."""

    message: str
    """The message it is of."""
    kind: str = SIMILAR
    """`similar` to what she likes; `complements` of what the message is about, else of what she bought: bought together (A-164);
    `upgrades`: dearer products of the same category (A-165); `expansion`: of the category that people go to next (A-166)."""
    n: int | None = None
    """How many; without it as many as `[recommendations]` says."""
    exclude_bought: bool = True
    """Leaves out what she has."""
    exclude_viewed: bool = True
    """Leaves out what she has just looked at: mails show that elsewhere."""


class Recommendations(Struct, frozen=True):
    """What a pack says about them."""

    n: int = 10
    """How many products a message recommends (A-160; X-20)."""
    collaborative: float = 0.6
    """Weight of who liked this liked that (A-158)."""
    content: float = 0.4
    """Weight of what is like it (A-158)."""
    k: int = 20
    """Neighbours of each product that a model keeps."""
    refresh: int = HOUR_MS
    """How often the recommender learns anew (A-162), by the journal's time; 0s: never, models are published by hand."""
    weights: Weights = Weights()
    """How much of an interest each thing shows that people did: in what is popular, and in what her recommendations start from."""
    uses: Mapping[str, Use] = {}
    """What single messages recommend; the others what is similar to what she likes."""

    def use(self, message: str) -> Use:
        return self.uses.get(message) or Use(message)

    def count(self, use: Use) -> int:
        return self.n if use.n is None else use.n


Private = Callable[[str], bool]
"""Whether a category tells what nobody may infer (A-261)."""


def nothing_private(category: str) -> bool:
    return False


class About(Struct, frozen=True):
    """Product ids of what the message is about, its opening first."""

    products: tuple[str, ...] = ()


def picked(
    taste: Sequence[Liking],
    about: About,
    model: Model,
    items: Items,
    said: Recommendations,
    use: Use,
    private: Private = nothing_private,
) -> tuple[Item, ...]:
    """At most as many products as the use says, one of a family, the best first; none out of stock or unknown to the catalogue."""
    return _Picking(taste, about, model, items, said, use, private).picked()


def in_primary_category(
    taste: Sequence[Liking], about: About, model: Model, items: Items, said: Recommendations, use: Use, private: Private = nothing_private
) -> tuple[Item, ...]:
    """The same, all of the category that she likes most (A-172)."""
    picking = _Picking(taste, about, model, items, said, use, private)
    return picking.primary()


class _Picking:
    """One person's recommendations for one message."""

    def __init__(
        self, taste: Sequence[Liking], about: About, model: Model, items: Items, said: Recommendations, use: Use, private: Private
    ) -> None:
        self._model, self._items, self._said, self._use, self._private = model, items, said, use, private
        self._n = said.count(use)
        self._about_ids = about.products
        mine = [(item, kind) for key, kind, _ in taste if (item := model.item(key)) is not None]
        self._about = [item for one in about.products if (item := model.item(fingerprint(one))) is not None]
        self._bought = list(dict.fromkeys(item for item, kind in mine if kind == BOUGHT))
        self._seeds = self._weighed(mine)
        self._out = set(self._about)
        if use.exclude_bought:
            self._out.update(self._bought)
        if use.exclude_viewed:
            self._out.update(item for item, kind in mine if kind == VIEWED)
        self._looked = 0

    def _weighed(self, mine: Iterable[tuple[int, str]]) -> dict[int, float]:
        """Item → weight: what the message is about, then her newest; of several likings of an item the strongest."""
        weights = self._said.weights
        found = dict.fromkeys(self._about, weights.about)
        for item, kind in mine:
            if item not in found and len(found) >= MAX_SEEDS:
                continue
            found[item] = max(found.get(item, 0.0), weights.of(kind))
        return {item: weight for item, weight in found.items() if weight > 0 and not self._private(self._model.category(item))}

    # --- candidates ---------------------------------------------------------------------------------------------------------------

    def picked(self) -> tuple[Item, ...]:
        return self._shown(self._candidates(), self._n)

    def primary(self) -> tuple[Item, ...]:
        first = self._categories()[:1]
        if not first:
            return ()
        liked = (item for item in self._hybrid(self._seeds) if self._model.category(item) == first[0])
        return self._shown(self._chained(liked, self._model.popular(first[0])), self._n)

    def _candidates(self) -> Iterator[int]:
        kind = self._use.kind
        if kind == COMPLEMENTS:
            return self._complements()
        if kind == UPGRADES:
            return self._upgrades()
        if kind == EXPANSION:
            return self._expansion()
        return self._chained(self._hybrid(self._seeds), self._popular(self._categories()), self._model.popular())

    def _complements(self) -> Iterator[int]:
        """Bought with what lies in the cart or the order, else with what she bought, else with what she likes; then of their categories."""
        seeds = dict.fromkeys(self._about or self._bought[:MAX_SEEDS] or self._seeds, 1.0)
        seeds = {item: weight for item, weight in seeds.items() if item in self._seeds}
        near = self._best(self._scores(TOGETHER, seeds))
        after = [other for one in self._categories(seeds) for other in self._model.next_categories(one)]
        return self._chained(near, self._popular(dict.fromkeys(after)), self._popular(self._categories()), self._model.popular())

    def _upgrades(self) -> Iterator[int]:
        """Dearer than the dearest that she likes of the category: no fallback beyond it, since anything else is no upgrade."""
        seeds = {item: self._seeds[item] for item in self._about if item in self._seeds} or self._seeds
        tiers: dict[str, int] = {}
        for item in seeds:
            tier = self._model.tier(item)
            if tier is not None:
                name = self._model.category(item)
                tiers[name] = max(tiers.get(name, tier), tier)

        def dearer(item: int) -> bool:
            tier = self._model.tier(item)
            return tier is not None and tier > tiers.get(self._model.category(item), 255)

        liked = self._hybrid(seeds)
        return filter(dearer, self._chained(liked, *(self._model.popular(one) for one in self._categories(seeds) if one in tiers)))

    def _expansion(self) -> Iterator[int]:
        """Of categories that people go to from hers and that are not hers."""
        hers = {self._model.category(item) for item in self._seeds}
        after = dict.fromkeys(one for name in self._categories() for one in self._model.next_categories(name) if one not in hers)
        liked = (item for item in self._hybrid(self._seeds) if self._model.category(item) in after)
        others = (item for item in self._model.popular() if self._model.category(item) not in hers)
        return self._chained(liked, self._popular(after), others)

    def _hybrid(self, seeds: Mapping[int, float]) -> list[int]:
        """2n candidates of each model, combined by weight (A-158, A-160).

        Of each model the best counts 1: two things are alike in words far sooner than people agree on them, and the weights would mean
        nothing.
        """
        combined: dict[int, float] = {}
        for kind, share in ((COLLABORATIVE, self._said.collaborative), (CONTENT, self._said.content)):
            scores = self._scores(kind, seeds) if share else {}
            best = self._best(scores)[: AHEAD * self._n]
            for item in best:
                combined[item] = combined.get(item, 0.0) + share * scores[item] / scores[best[0]]
        return self._best(combined)

    def _scores(self, kind: str, seeds: Mapping[int, float]) -> dict[int, float]:
        """Item → mean similarity to the seeds by their weights, 0–1; without what must not be shown."""
        found: dict[int, float] = {}
        total, get, pairs = FULL * sum(seeds.values()), found.get, self._model.pairs
        for seed, weight in seeds.items():
            share = weight / total
            for item, similarity in pairs(kind, seed):
                found[item] = get(item, 0.0) + share * similarity
        for item in self._out:
            found.pop(item, None)
        return found

    @staticmethod
    def _best(scores: Mapping[int, float]) -> list[int]:
        """Of equal ones that which came first: the nearer to what the message is about, then to her newest liking."""
        return sorted(scores, key=scores.__getitem__, reverse=True)

    def _categories(self, seeds: Mapping[int, float] | None = None) -> list[str]:
        """Of the seeds, by their weight."""
        found: dict[str, float] = {}
        for item, weight in (self._seeds if seeds is None else seeds).items():
            if name := self._model.category(item):
                found[name] = found.get(name, 0.0) + weight
        return sorted(found, key=lambda name: (-found[name], name))[:HER_CATEGORIES]

    def _popular(self, categories: Iterable[str]) -> Iterator[int]:
        """The most popular of each in turn, so that none takes all places."""
        lists = [self._model.popular(name) for name in categories]
        for place in range(max(map(len, lists), default=0)):
            for one in lists:
                if place < len(one):
                    yield one[place]

    @staticmethod
    def _chained(*sources: Iterable[int]) -> Iterator[int]:
        for source in sources:
            yield from source

    # --- what can be shown --------------------------------------------------------------------------------------------------------

    def _shown(self, candidates: Iterable[int], n: int) -> tuple[Item, ...]:
        """The first n that are in stock, one of a family."""
        found: list[Item] = []
        groups = {one.group_id for product in self._about_ids if (one := self._items(product)) is not None and one.group_id}
        seen = set(self._out)
        for item in candidates:
            if len(found) >= n or self._looked >= MAX_LOOKUPS:
                break
            if item in seen or self._private(self._model.category(item)):
                continue
            seen.add(item)
            one = self._available(item)
            if one is None or (one.group_id and one.group_id in groups):
                continue
            if one.group_id:
                groups.add(one.group_id)
            found.append(one)
        return tuple(found)

    def _available(self, item: int) -> Item | None:
        """The most wanted of a family that can be had."""
        for product in self._model.members(item):
            if self._looked >= MAX_LOOKUPS:
                return None
            self._looked += 1
            one = self._items(product)
            if one is not None and in_stock(one) and one.name and product not in self._about_ids and not self._hush(one):
                return one
        return None

    def _hush(self, item: Item) -> bool:
        return self._private(item.category) or self._private(item.name)
