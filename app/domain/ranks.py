"""What people are compared by; and they ranked exactly among each other, without a histogram, as `kairos simulate --profiles` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.domain import population, tiers
from app.domain.population import FIGURES, Population
from app.domain.tiers import TierScheme

if TYPE_CHECKING:
    from app.domain.person_row import Person
    from app.domain.profile import Profile


def figures_of(part: Profile) -> dict[str, int]:
    """What she is compared by, as `population.bin_of` takes it; empty for who has not ordered, and for bots."""
    if not part.orders or part.bot:
        return {}
    spent = max(0, part.spent)
    return {"clv": spent, "frequency": part.orders, "recency": part.last_order_at, "monetary": spent}


def everybody(people: Iterable[Person], as_of: int) -> Population:
    """Exact figures of all of them."""
    told = [found for person in people if (found := figures_of(person.profile))]
    return population.exact({name: [one[name] for one in told] for name in FIGURES}, as_of)


def ranked(person: Person, schemes: Mapping[str, TierScheme], among: Population) -> Person:
    """With the tiers that she has among these people now, whatever the day's figures said when she was last judged."""
    mine = figures_of(person.profile)
    found = {
        name: tier
        for name, scheme in schemes.items()
        if mine and (tier := tiers.tier(scheme, among, population.placed(among, scheme.by, mine[scheme.by]))) is not None
    }
    return replace(person, standing=replace(person.standing, tiers=found))
