"""Tier schemes: shares of the customers by what they are worth, to the guides' figures."""

from __future__ import annotations

from collections import Counter

import pytest

from app.domain.population import Population, bin_of, exact
from app.domain.tiers import Tier, TierScheme, tier
from tests.her import pack
from tests.test_packs import GOOD, problems


def people(*worth: int) -> Population:
    return exact({"clv": worth})


def tiers(scheme: str, *worth: int) -> list[str | None]:
    everybody = people(*worth)
    return [tier(pack("merged").tier_schemes[scheme], everybody, one) for one in worth]


@pytest.mark.parametrize(
    ("scheme", "shares"),
    [
        #
        ("s0", {"platinum": 5, "gold": 15, "silver": 30, "bronze": 50}),
        #
        ("s1", {"high": 10, "medium": 30, "growing": 40, "low": 20}),
    ],
)
@pytest.mark.parametrize("hundreds", [1, 3])
def test_the_shares_are_the_guides(scheme: str, shares: dict[str, int], hundreds: int) -> None:
    assert {one.name: one.share for one in pack("s1").tier_schemes[scheme].tiers} == shares
    assert Counter(tiers(scheme, *range(1, 100 * hundreds + 1))) == {name: share * hundreds for name, share in shares.items()}


def test_ties_share_the_best_rank() -> None:
    # interface.md section 8: the first tier whose cumulative share ≥ r / n
    assert tiers("s0", *[500] * 20) == ["platinum"] * 20
    assert tiers("s0", 9, *[5] * 18, 1) == ["platinum", *["gold"] * 18, "bronze"]
    assert tiers("s0", 7) == ["bronze"], "of one customer the best is in the last tier: 1/1 is more than any other share"


def test_who_comes_after_everybody_is_in_the_last_tier_and_without_figures_in_none() -> None:
    scheme = TierScheme("t", "", (Tier("top", 50), Tier("rest", 50)))
    assert tier(scheme, people(10, 20), 1) == "rest"
    assert tier(scheme, Population(), 1) is None
    assert tier(scheme, None, 1) is None


def test_bins_rank_as_values_do_but_for_those_a_hundredth_apart() -> None:
    worth = [10_000 * n for n in range(1, 101)]
    everybody = Population(figures={"clv": Counter(bin_of("clv", one) for one in worth)})
    scheme = pack("merged").tier_schemes["s1"]
    assert Counter(tier(scheme, everybody, bin_of("clv", one)) for one in worth) == {"high": 10, "medium": 30, "growing": 40, "low": 20}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("tier = [{ name = 'a', share = 60 }, { name = 'b', share = 30 }]", "p.toml:38: tier: the shares add to 90, not to 100"),
        ("tier = [{ name = 'a', share = 100 }, { name = 'b', share = 0 }]", "p.toml:38: share: nobody is in a tier of 0 %"),
        ("tier = [{ name = 'a', share = 50 }, { name = 'a', share = 50 }]", "p.toml:38: tier 'a' a second time"),
        ("tier = [{ name = 'a', share = 'all' }]", "p.toml:38: share: a number, of the customers, in per cent, not 'all'"),
        ("by = 'shoe size'\ntier = [{ name = 'a', share = 100 }]", "p.toml:38: by: clv or monetary, not 'shoe size'"),
    ],
)
def test_shares_that_do_not_add_to_100_are_refused(rows: str, fault: str) -> None:
    assert fault in problems(f"{GOOD}\n[[tier_scheme]]\nname = 'mine'\nwhy = 'x'\n{rows}\n")
