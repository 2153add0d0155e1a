"""Campaign budgets: what an artifact says may be given away, split over partitions so that no two need ask each other.

Each partition counts what its own messages may cost and stops at its share: together they may leave something over, they never spend more.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

BUDGETS = "budgets"
"""Kind of the artifact."""
MAX_CAMPAIGNS = 1_000


class Budgets(Struct, frozen=True):
    """Campaign → units it may give away in all, over so many partitions."""

    partitions: int
    currency: str = ""
    campaigns: dict[str, int] = {}

    def share(self, campaign: str, partition: int) -> int:
        """Units of one partition: equal parts, since people are spread by a hash; what does not divide goes to the first ones."""
        if not 0 <= partition < self.partitions:
            return 0  # the cluster has grown since: what is new has no share before the budgets are published again
        whole, rest = divmod(self.campaigns.get(campaign, 0), self.partitions)
        return whole + (partition < rest)

    def left(self, partition: int, spent: Mapping[str, Spent]) -> Budgets:
        """What one partition may still give away, as the budgets of a cluster of it alone. Less than nothing where a budget was cut to
        below what had been given away: such a campaign grants not even what costs nothing.
        """
        given = {name: one.units for name, one in spent.items()}
        return Budgets(1, self.currency, {name: self.share(name, partition) - given.get(name, 0) for name in self.campaigns})


class Spent(Struct, frozen=True, array_like=True):
    """What the messages of one campaign may cost that went out in one partition. It only grows: what nobody used is not taken back."""

    units: int = 0
    offers: int = 0

    def plus(self, units: int) -> Spent:
        return Spent(self.units + units, self.offers + 1)
