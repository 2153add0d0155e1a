"""What people are compared by; and they ranked exactly among each other, without a histogram, as `kairos simulate --profiles` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.domain import habits, population, tiers
from app.domain.population import COUNTED, HOURS, Population
from app.domain.tiers import TierScheme

if TYPE_CHECKING:
    from app.domain.person_row import Person
    from app.domain.profile import Profile


def figures_of(part: Profile) -> dict[str, int]:
    """What she is counted by, as `population.bin_of` takes it: her best hour, and if she has ordered what she is ranked by; no bots."""
    if part.bot:
        return {}
    hour = habits.usual_hour(part.mail, part.device.timezone)
    found = {} if hour is None else {HOURS: hour}
    if part.orders:
        spent = max(0, part.spent)
        found |= {"clv": spent, "frequency": part.orders, "recency": part.last_order_at, "monetary": spent}
    return found


def everybody(people: Iterable[Person], as_of: int) -> Population:
    """Exact figures of all of them."""
    told = [found for person in people if (found := figures_of(person.profile))]
    return population.exact({name: [one[name] for one in told if name in one] for name in COUNTED}, as_of)


def ranked(person: Person, schemes: Mapping[str, TierScheme], among: Population) -> Person:
    """With the tiers that she has among these people now, whatever the day's figures said when she was last judged."""
    mine = figures_of(person.profile)
    found = {
        name: tier
        for name, scheme in schemes.items()
        if scheme.by in mine and (tier := tiers.tier(scheme, among, population.placed(among, scheme.by, mine[scheme.by]))) is not None
    }
    return replace(person, standing=replace(person.standing, tiers=found))
