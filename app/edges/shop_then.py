"""The shop as the topics hold it as of a time: what the catalogue said of products, and what campaigns had left to give away.

Those topics are compacted: they keep the newest of everything. Who looks back finds some of it overwritten; that counts as not there, and
`notes` says so. What the broker stamped from `Then.before` on had not happened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import Struct

from app.domain import money
from app.domain.budgets import BUDGETS, Budgets
from app.domain.catalogue import Families, Item, Items, alone, decode, id_of, in_stock, key_of, nothing, price_now
from app.domain.recommended import RECOMMENDATIONS, Unusable
from app.edges.campaigns import account
from app.edges.progress import Bar
from app.edges.topic_scan import Scanner
from app.engine.partition import partition_of

FEW, MANY = 5, 10
"""Products that a note names, that a line names; the rest are counted."""
NONE: Mapping[str, str] = {}


class Then(Struct, frozen=True):
    """An instant, and the artifacts that were active. `before`: the broker's stamp (ms) of the first record after it; None: it is now.

    `active`: kind → ref. `assumed`: kinds of which the journal no longer tells what was active: they stand in `active` as of now.
    """

    before: int | None = None
    active: Mapping[str, str] = NONE
    assumed: frozenset[str] = frozenset()


class ShopThen:
    """`items`, `families`: its catalogue; `budgets`: what the campaigns had left in her partition; `model`: the ref of what recommended."""

    def __init__(
        self,
        items: Items = nothing,
        budgets: Budgets | None = None,
        model: str | None = None,
        overwritten: Collection[str] = (),
        unknown: Mapping[str, str] = NONE,
        families: Families = alone,
    ) -> None:
        """`overwritten`: products of which only a later record is kept. `unknown`: campaign → what is not known of it; "": of any."""
        self._items, self.budgets, self.model, self.family = items, budgets, model, families
        self._overwritten, self._unknown = overwritten, unknown
        self._missed: dict[str, None] = {}

    def item(self, product_id: str) -> Item | None:
        found = self._items(product_id)
        if found is None and product_id in self._overwritten:
            self._missed[product_id] = None
        return found

    def words(self, product_id: str) -> str:
        """A product for a reader: its name, what it cost, whether it was there."""
        item = self.item(product_id)
        if item is None:
            return f"{product_id} (not in the catalogue)" if product_id not in self._missed else f"{product_id} (no longer known)"
        price = price_now(item)
        told = [product_id, *([f"{money.text(price)} {item.currency}".strip()] if price is not None else [])]
        told += [f"{item.stock} there" if in_stock(item) else "sold out"] if item.stock is not None else []
        return f"{item.name or product_id} ({', '.join(told)})"

    def line(self, what: str, ids: Sequence[str]) -> list[str]:
        """A line of products; none of none."""
        more = f" and {len(ids) - MANY} more" if len(ids) > MANY else ""
        return [f"{what}: {'; '.join(map(self.words, ids[:MANY]))}{more}"] if ids else []

    def notes(self, campaigns: Iterable[str] = (), models: Callable[[str], Any] | None = None) -> list[str]:
        """What could not be known of all that was asked for. `campaigns`: that may pay; `models`: by ref, where one was to recommend."""
        told = []
        if self._missed:
            named = ", ".join(list(self._missed)[:FEW]) + (f" and {len(self._missed) - FEW} more" if len(self._missed) > FEW else "")
            told.append(f"the catalogue no longer keeps what it had of {named} then, if anything: taken as not in it")
        paid = list(campaigns)
        told += [why for name, why in self._unknown.items() if name in paid or (paid and not name)]
        if models is not None and self.model is not None and (why := _unusable(models, self.model)):
            told.append(f"nothing is recommended: {why}")
        return told


def _unusable(models: Callable[[str], Any], ref: str) -> str:
    try:
        model = models(ref)
    except KeyError:
        return f"{ref} was active then, and has been taken off the artifacts topic since"
    return f"{ref} cannot be used: {model.why}" if isinstance(model, Unusable) else ""


async def shop_then(
    scan: Scanner, then: Then, person_id: str, artifacts: Callable[[str], Any], wanted: Collection[str] | None = None
) -> ShopThen:
    """`wanted`: the products that will be asked for; None: any. Raises `ScanFailed`."""
    known, overwritten = await _products(scan, then.before, wanted)

    def item(product_id: str) -> Item | None:
        value = known.get(product_id)
        return decode(value) if value else None

    @cache
    def families() -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for one in (decode(value) for value in known.values() if value):
            found.setdefault(one.group_id, []).append(one)
        return found

    def family(group_id: str) -> list[Item]:
        return families().get(group_id, [])

    budgets, unknown = await _budgets(scan, then, person_id, artifacts)
    return ShopThen(item, budgets, then.active.get(RECOMMENDATIONS), overwritten, unknown, family)


async def _products(scan: Scanner, before: int | None, wanted: Collection[str] | None) -> tuple[dict[str, bytes | None], set[str]]:
    """Product id → its newest record up to then, None where it had been taken off; and those of which there are later ones alone."""
    known: dict[str, bytes | None] = {}
    later: set[str] = set()
    partitions = None if wanted is None else sorted({partition_of(key_of(one), scan.partitions("products")) for one in wanted})
    if partitions == []:
        return known, later
    with Bar("reading products", 0) as bar:
        async for record in scan.read("products", partitions, lambda done, total: bar.at(done, f"{done} of {total}")):
            if record.key is None:
                continue
            name = id_of(record.key)
            if wanted is not None and name not in wanted:
                continue
            if before is not None and record.timestamp >= before:
                later.add(name)
            else:
                known[name] = record.value or None
    return known, later - known.keys()


async def _budgets(scan: Scanner, then: Then, person_id: str, artifacts: Callable[[str], Any]) -> tuple[Budgets | None, dict[str, str]]:
    """What campaigns had left where her messages are written, and what is not known of whom."""
    ref = then.active.get(BUDGETS)
    if ref is None:
        return None, {}
    unknown: dict[str, str] = {}
    if BUDGETS in then.assumed and then.before is not None:
        unknown[""] = f"the journal no longer tells which budgets were active then: {ref} is taken, which is now"
    budgets: Any = None
    with contextlib.suppress(KeyError, ValueError):
        budgets = artifacts(ref)
    if not isinstance(budgets, Budgets):
        return None, {**unknown, "": f"{ref} was active and cannot be read from the artifacts topic: campaigns are taken to have nothing"}
    partition = partition_of(person_id.encode(), scan.partitions("message_plans"))
    spent, later = await account(scan, partition, then.before)
    why = "what it had given away by then is no longer kept, and taken as nothing"
    unknown |= {name: f"campaign {name}: {why}" for name in sorted(later)}
    return budgets.left(partition, spent), unknown
