"""A person as outsiders and templates see her: the `profiles` record (interface.md section 4), as of an instant; and as conditions do.

Both are made of the same facts. The record is for reading: money with its currency, scores to four places. A condition gets the figures as
they are, money as a number, and only those that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from app.domain.facts import Facts
from app.domain.money import UNITS, text
from app.domain.paths import BY_NAME, CONTINUOUS, STEP
from app.domain.scoring import DEFAULT, Scoring

if TYPE_CHECKING:
    from app.domain.person_row import Person
    from app.domain.population import Population

CENT = UNITS // 100
PLACES = 4
PROBABLE = 6
"""Decimal places of a probability."""
Tree = dict[str, Any]
"""Name → its path, or a tree of further names."""


def view(person: Person, now: int, scoring: Scoring = DEFAULT, population: Population | None = None) -> dict[str, Any]:
    """The record as of `now` (ms). Scores have decayed and levels expired as far as `now` says."""
    return record(Facts(person, now, scoring, population))


def record(facts: Facts) -> dict[str, Any]:
    """The record, keys in a fixed order."""
    return {name: build(facts) for name, build in RECORD.items()}


def named(facts: Facts, root: str, names: Iterable[str] | None = None) -> dict[str, Any]:
    """What a condition sees of a root (`profile`): those of its keys that it names; None: all of them."""
    branches = tree()[root]
    return {name: _grown(facts, branches[name]) for name in (branches if names is None else names) if name in branches}


@cache
def tree() -> dict[str, Tree]:
    """Every path by its names, from the root on."""
    found: Tree = {}
    for path in (*STEP, *CONTINUOUS, *BY_NAME):
        *above, name = path.split(".")
        branch = found
        for one in above:
            branch = branch.setdefault(one, {})
        branch[name] = path
    return found


def _grown(facts: Facts, branch: Any) -> Any:
    if isinstance(branch, dict):
        return {name: _grown(facts, one) for name, one in branch.items()}
    if branch in BY_NAME:
        return {scheme: facts.peek(f"{branch}.{scheme}") for scheme in facts.person.standing.stages}
    return facts.peek(branch)


def _as_it_is(path: str) -> Callable[[Facts], Any]:
    return lambda facts: facts.peek(path)


def _rounded(path: str, places: int = PLACES) -> Callable[[Facts], Any]:
    def build(facts: Facts) -> Any:
        value = facts.peek(path)
        return None if value is None else round(value, places)

    return build


def _all_rounded(path: str) -> Callable[[Facts], Any]:
    return lambda facts: {name: round(value, PLACES) for name, value in facts.get(path).items()}


def _table(**builds: Callable[[Facts], Any]) -> Callable[[Facts], Any]:
    return lambda facts: {name: build(facts) for name, build in builds.items()}


def _money(amount: int | None, currency: str | None) -> dict[str, str | None] | None:
    return None if amount is None else {"amount": text(amount), "currency": currency}


def _spent(facts: Facts) -> Any:
    part = facts.person.profile
    return _money(part.spent, part.currency)


def _average(facts: Facts) -> Any:
    part = facts.person.profile
    return _money(round(part.spent / part.orders / CENT) * CENT, part.currency) if part.orders else None


RECORD: dict[str, Callable[[Facts], Any]] = {
    **{name: _as_it_is(f"profile.{name}") for name in ("person_id", "customer_id", "anonymous_ids", "traits", "consent")},
    **{name: _as_it_is(f"profile.{name}") for name in ("first_seen", "last_seen", "orders")},
    "spent": _spent,
    "average_order": _average,
    **{name: _as_it_is(f"profile.{name}") for name in ("first_purchase_at", "last_purchase_at", "favourite_categories")},
    "interest": _table(
        decayed=_all_rounded("profile.interest.decayed"),
        increment=_as_it_is("profile.interest.increment"),
        points=_as_it_is("profile.interest.points"),
    ),
    "primary_interest": _as_it_is("profile.primary_interest"),
    "engagement": _table(
        score=_rounded("profile.engagement.score"),
        email=_rounded("profile.engagement.email"),
        website=_rounded("profile.engagement.website"),
        purchase=_rounded("profile.engagement.purchase"),
        band=_as_it_is("profile.engagement.band"),
        shift=_rounded("profile.engagement.shift"),
    ),
    "rfm": _table(**{name: _as_it_is(f"profile.rfm.{name}") for name in ("recency", "frequency", "monetary")}),
    "clv": _table(value=_spent, tier=_as_it_is("profile.clv.tier")),
    "lifecycle": _as_it_is("profile.lifecycle"),
    "segments": _as_it_is("profile.segments"),
    "intent": _table(level=_as_it_is("intent.level"), score=_rounded("intent.score")),
    "churn": _table(
        probability=_rounded("churn.probability", PROBABLE),
        horizon_days=_as_it_is("churn.horizon_days"),
        level=_as_it_is("churn.level"),
        next_purchase_at=_as_it_is("churn.next_purchase_at"),
    ),
    "next_order": _table(
        at=_as_it_is("profile.next_order.at"),
        mean_gap_days=_rounded("churn.mean_gap_days"),
        spread_days=_rounded("profile.next_order.spread_days"),
    ),
    "price_sensitivity": _rounded("profile.price_sensitivity"),
    "deal_share": _rounded("profile.deal_share"),
    "receptivity": _table(cross=_rounded("profile.receptivity.cross"), up=_rounded("profile.receptivity.up")),
    "peak_month": _as_it_is("profile.peak_month"),
    "cycle_days": _all_rounded("profile.cycle_days"),
    "upsell": _rounded("profile.upsell"),
    "reactivation": _rounded("profile.reactivation"),
    "relevance": _all_rounded("profile.relevance"),
    "personalisation": _rounded("profile.personalisation"),
    "propensity": _table(
        engagement=_rounded("profile.propensity.engagement"),
        **{name: _as_it_is(f"profile.propensity.{name}") for name in ("content", "category", "hours")},
    ),
    "email": _table(
        **{
            name: _as_it_is(f"profile.email.{name}")
            for name in (
                *("sent", "opened", "clicked", "machine_opens", "last_sent_at", "last_opened_at", "last_clicked_at"),
                *("unsubscribed", "suppressed"),
            )
        }
    ),
    **{name: _as_it_is(f"profile.{name}") for name in ("surveys", "preferences", "tickets_open", "device", "timezone", "locale", "region")},
    **{name: _as_it_is(f"profile.{name}") for name in ("flags", "complete", "missing", "bot")},
}
"""Key of the record → how it is made."""
