"""The figures of scores in a pack's TOML: `[scores]` and its tables, each field optional, each with the guides' figure for its default."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.domain.points import COUNTED
from app.domain.scoring import OPENS, Scoring
from app.policy.fields import Fields
from app.policy.place import Path

SCORES = ("opens", "bands", "mandatory", "points", "elements", "engagement", "email", "website", "purchase", "price_sensitivity")
WEIGHTS = {
    "engagement": ("email", "website", "purchase"),
    "email": ("open_rate", "click_rate", "bought"),
    "website": ("visits", "minutes", "pages", "adds"),
    "purchase": ("recency", "frequency", "average"),
}
"""Of each part the fields that are weights and add to 1; its others are figures at which a component is full."""
SHARES = ("prior",)
WEIGHTS_SUM = 1e-6
"""By so much weights may miss 1: 0.1 ten times over does."""
MOST = 1_000_000
MAX_MANDATORY = 50

Worth = tuple[tuple[str, float], ...]
P = TypeVar("P", bound=Struct)


class Scores:
    """Reads what a pack says about scores; what it does not say stays as in `base`."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def scoring(self, told: dict[str, Any], base: Scoring) -> Scoring:
        read, at = self._fields, ("scores",)
        read.known(told, at, SCORES)
        return Scoring(
            opens=read.one_of(told, at, "opens", OPENS, base.opens),
            bands=read.whole(told, at, "bands", 2, 100, base.bands),
            mandatory=self._mandatory(told, at, base.mandatory),
            points=self._worth(told, at, "points", COUNTED, base.points),
            elements=self._worth(told, at, "elements", None, base.elements),
            engagement=self._part(told, "engagement", base.engagement),
            email=self._part(told, "email", base.email),
            website=self._part(told, "website", base.website),
            purchase=self._part(told, "purchase", base.purchase),
            price_sensitivity=self._part(told, "price_sensitivity", base.price_sensitivity),
        )

    def _mandatory(self, told: dict[str, Any], at: Path, base: tuple[str, ...]) -> tuple[str, ...]:
        if "mandatory" not in told:
            return base
        named = self._fields.list(told, at, "mandatory", str)
        if len(set(named)) < len(named) or len(named) > MAX_MANDATORY or not all(named):
            self._fields.wrong((*at, "mandatory"), f"mandatory: names of traits, each once, at most {MAX_MANDATORY}")
        return tuple(named)

    def _worth(self, told: dict[str, Any], at: Path, field: str, names: tuple[str, ...] | None, base: Worth) -> Worth:
        """A table of names and what each is worth; `names`: those there are, None: any."""
        if field not in told:
            return base
        read, place = self._fields, (*at, field)
        table = read.table(told, at, field)
        for name in table:
            if names is not None and name not in names:
                read.wrong((*place, name), f"{field} of {name!r}: counted are {', '.join(names)}")
        return tuple((name, read.number(table, place, name, 0, MOST, 0.0)) for name in table if names is None or name in names)

    def _part(self, told: dict[str, Any], field: str, base: P) -> P:
        read, at = self._fields, ("scores", field)
        table = read.table(told, ("scores",), field)
        names, weights = [one.name for one in msgspec.structs.fields(base)], WEIGHTS.get(field, ())
        read.known(table, at, names)
        found: dict[str, Any] = {}
        for name in names:
            before = getattr(base, name)
            if isinstance(before, int):
                found[name] = read.whole(table, at, name, 1, MOST, before)
            else:
                share = name in weights or name in SHARES
                found[name] = read.number(table, at, name, 0 if share else 0.001, 1 if share else MOST, before)
        total = sum(found[name] for name in weights)
        if weights and abs(total - 1) > WEIGHTS_SUM:
            read.wrong(at, f"{', '.join(weights)} are weights: they add to {total:g}, not to 1")
        return replace(base, **found)
