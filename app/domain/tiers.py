"""Tier schemes: where she stands among all customers by what she is worth (A-086, A-088, X-02)."""

from __future__ import annotations

from msgspec import Struct

from app.domain import population as ranking
from app.domain.population import Population


class Tier(Struct, frozen=True):
    """One tier of a scheme."""

    name: str
    share: float
    """Of the people with at least one order, in per cent."""


class TierScheme(Struct, frozen=True):
    """Ordered shares of the customers, the best first; together they are 100 %."""

    name: str
    why: str
    tiers: tuple[Tier, ...]
    """The best first."""
    by: str = "clv"
    """The figure by which people are ranked."""


def tier(scheme: TierScheme, population: Population | None, bin: int) -> str | None:
    """The tier of whoever stands in this bin: the first whose cumulative share ≥ r / n; ties share the best. None: nobody is counted."""
    if population is None:
        return None
    r, n = ranking.rank(population, scheme.by, bin)
    if not n:
        return None
    return scheme.tiers[ranking.tier([one.share for one in scheme.tiers], r, n)].name
