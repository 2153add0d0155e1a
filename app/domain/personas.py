"""Personas: groups of buyers that behave alike, what tells them apart, and the predicate by which a pack knows them (A-043–A-045, A-106).

Which people belong together is learned elsewhere (app/edges/training.py). Here: what is looked at, how a group is called, and how the
thresholds that were learned become one CEL condition over `profile`, so that deciding needs nothing that was used for learning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from msgspec import Struct

Record = dict[str, Any]
"""A `profiles` record."""

DAY_MS = 86_400_000
DISTINCT = 0.5
"""Standard deviations from the mean of all from which a feature tells a group apart (Cohen 1988: a medium effect)."""
WORDS = 2
"""Features in a name."""
AGE_TOLD = 0.5
"""Share of a group that must have told their age before it counts."""
BUYER = "profile.orders >= 1"
"""Who can have a persona: without an order there is no basket, no rhythm and no spend to go by."""
NOBODY = "false"
"""The condition of a group that the tree cannot tell from the others."""


class Feature(Struct, frozen=True):
    """`path`: how a predicate asks for it; None: it cannot, so it helps to find groups and not to tell who is in one.

    `skewed`: counts and sums are compared by their logarithm. `low`, `high`: the words for people below and above the others.
    """

    name: str
    why: str
    path: str | None
    low: str
    high: str
    read: Callable[[Record, int], float | None]
    skewed: bool = False
    whole: bool = False
    flag: bool = False

    def scaled(self, value: float) -> float:
        """On the scale on which people are compared."""
        return math.copysign(math.log1p(abs(value)), value) if self.skewed else value


class Question(Struct, frozen=True):
    """`value(feature) <= threshold`, or above it."""

    feature: str
    below: bool
    threshold: float


Branch = tuple[Question, ...]
"""Tests that all hold."""


class Persona(Struct, frozen=True):
    """`means`: of what its people have; `apart`: feature → standard deviations from everybody's mean. `when`: CEL."""

    name: str
    title: str
    size: int
    share: float
    means: dict[str, float]
    apart: dict[str, float]
    age: float | None
    when: str


class Pattern(Struct, frozen=True):
    """A group that has a name of its own. `high`, `low`: of each tuple one feature must tell it apart. `ages`: median, where it is told."""

    name: str
    title: str
    high: tuple[tuple[str, ...], ...]
    low: tuple[tuple[str, ...], ...]
    seen_within: float
    """Mean days since they were last seen, at most."""
    ages: tuple[float, float]


PATTERNS = (
    Pattern(
        "budget_conscious_millennials",
        "Budget-Conscious Millennials",
        high=(("sale_share", "price_sensitivity"), ("mobile",)),
        low=(("average_order",),),
        seen_within=30,
        ages=(25, 44),
    ),
)
"""A-045: recent browsing of sale items, low order value, high mobile engagement."""


# --- what is looked at ------------------------------------------------------------------------------------------------------------


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _plain(name: str) -> Callable[[Record, int], float | None]:
    return lambda record, now: _number(record.get(name))


def _money(name: str) -> Callable[[Record, int], float | None]:
    def read(record: Record, now: int) -> float | None:
        told = record.get(name)
        try:
            return float(told["amount"]) if isinstance(told, dict) else _number(told)
        except (KeyError, TypeError, ValueError):
            return None

    return read


def _categories(record: Record, now: int) -> float | None:
    interest = record.get("interest")
    decayed = interest.get("decayed") if isinstance(interest, dict) else None
    return float(len(decayed)) if isinstance(decayed, dict) else None


def _mobile(record: Record, now: int) -> float | None:
    flags = record.get("flags")
    told = flags.get("mobile_preferred") if isinstance(flags, dict) else None
    return float(told) if isinstance(told, bool) else None


def _engagement(record: Record, now: int) -> float | None:
    told = record.get("engagement")
    return _number(told.get("score")) if isinstance(told, dict) else None


def days_since_seen(record: Record, now: int) -> float | None:
    """Since the person's last sign of life."""
    try:
        return max(0.0, (now - datetime.fromisoformat(record["last_seen"]).timestamp() * 1000) / DAY_MS)
    except (KeyError, TypeError, ValueError):
        return None


FEATURES: tuple[Feature, ...] = (
    Feature("frequency", "orders", "profile.orders", "occasional", "frequent", _plain("orders"), skewed=True, whole=True),
    Feature("spend", "spent net of refunds", "profile.spent", "low_spend", "high_spend", _money("spent"), skewed=True),
    Feature("average_order", "of an order", "profile.average_order", "small_basket", "big_basket", _money("average_order"), skewed=True),
    Feature("categories", "categories with interest in them", None, "focused", "varied", _categories, skewed=True, whole=True),
    Feature("sale_share", "of looks at products, at those on sale", "profile.sale_share", "full_price", "sale", _plain("sale_share")),
    Feature(
        "price_sensitivity",
        "share of orders with a coupon or at a sale price",
        "profile.price_sensitivity",
        "full_price",
        "budget_conscious",
        _plain("price_sensitivity"),
    ),
    Feature("mobile", "prefers a mobile", "profile.flags.mobile_preferred", "desktop", "mobile", _mobile, flag=True),
    Feature("engagement", "engagement score", "profile.engagement.score", "quiet", "engaged", _engagement),
    Feature("recency", "days since last seen", "profile.days_since_seen", "recent", "lapsed", days_since_seen, skewed=True),
)
BY_NAME = {one.name: one for one in FEATURES}


def is_buyer(record: Record) -> bool:
    """Whether somebody can have a persona: a person, with an order, who was seen."""
    return record.get("bot") is not True and (_number(record.get("orders")) or 0) >= 1 and isinstance(record.get("last_seen"), str)


def age(record: Record) -> float | None:
    """As a trait tells it, a number or digits."""
    traits = record.get("traits")
    told = traits.get("age") if isinstance(traits, dict) else None
    if isinstance(told, str) and told.isascii() and told.isdecimal() and len(told) <= 3:
        told = int(told)
    years = _number(told)
    return years if years is not None and 0 < years <= 120 else None


# --- names ------------------------------------------------------------------------------------------------------------------------


def named(groups: Sequence[tuple[Mapping[str, float], Mapping[str, float], float | None]]) -> list[tuple[str, str]]:
    """(name, title) of each group of (means, apart, median age), all different.

    A pattern's name goes to the group that fits it best; the others are called by what tells them apart most.
    """
    found: list[tuple[str, str] | None] = [None] * len(groups)
    for pattern in PATTERNS:
        fits = [(fit, -n) for n, group in enumerate(groups) if found[n] is None and (fit := _fit(pattern, *group)) is not None]
        if fits:
            found[-max(fits)[1]] = (pattern.name, pattern.title)
    taken = {one[0] for one in found if one is not None}
    for n, (_, apart, _) in enumerate(groups):
        if found[n] is None:
            name = _name(apart, taken)
            taken.add(name)
            found[n] = (name, name.replace("_", " ").capitalize())
    return [one for one in found if one is not None]


def _name(apart: Mapping[str, float], taken: set[str]) -> str:
    most = sorted(apart, key=lambda name: (-abs(apart[name]), name))
    telling = [name for name in most if abs(apart[name]) >= DISTINCT] or most[:1]
    words = [BY_NAME[name].high if apart[name] > 0 else BY_NAME[name].low for name in telling]
    for count in range(min(WORDS, len(words)), len(words) + 1):
        if (name := "_".join(dict.fromkeys(words[:count]))) not in taken:
            return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _fit(pattern: Pattern, means: Mapping[str, float], apart: Mapping[str, float], years: float | None) -> float | None:
    """How clearly a group fits, or None."""
    if "recency" in means and means["recency"] > pattern.seen_within:
        return None
    if years is not None and not pattern.ages[0] <= years <= pattern.ages[1]:
        return None
    told = [max(apart.get(name, 0.0) for name in names) for names in pattern.high]
    told += [max(-apart.get(name, 0.0) for name in names) for names in pattern.low]
    return sum(told) if min(told) >= DISTINCT else None


# --- predicates -------------------------------------------------------------------------------------------------------------------


def narrowed(branch: Branch) -> Branch:
    """The branch with one test for each feature and direction: the narrowest."""
    keyed = sorted(branch, key=lambda test: (test.feature, test.below))
    found = []
    for (_, below), tests in groupby(keyed, key=lambda test: (test.feature, test.below)):
        found.append((min if below else max)(tests, key=lambda test: test.threshold))
    return tuple(found)


def holds(branch: Branch, values: Mapping[str, float]) -> bool:
    """Whether somebody of these values is on it."""
    return all((values[test.feature] <= test.threshold) is test.below for test in branch)


def condition(branches: Sequence[Branch]) -> str:
    """CEL that holds for a buyer who is on one of the branches; no branch: for nobody."""
    if not branches:
        return NOBODY
    if any(not branch for branch in branches):
        return BUYER
    ways = [" && ".join(map(_test, narrowed(branch))) for branch in branches]
    if len(ways) == 1:
        return f"{BUYER} && {ways[0]}"
    return f"{BUYER} && ({' || '.join(f'({way})' for way in ways)})"


def _test(test: Question) -> str:
    feature = BY_NAME[test.feature]
    if feature.flag:
        return f"!{feature.path}" if test.below else str(feature.path)
    bound = math.floor(test.threshold) if feature.whole else float(test.threshold)
    return f"{feature.path} {'<=' if test.below else '>'} {bound}"


def roundest(threshold: float, values: Sequence[float]) -> float:
    """The number with the fewest decimals that parts the values as the threshold does."""
    below = max((value for value in values if value <= threshold), default=None)
    above = min((value for value in values if value > threshold), default=None)
    for decimals in range(7):
        number = round(threshold, decimals)
        if (below is None or below <= number) and (above is None or number < above):
            return number
    return threshold
