"""A person as outsiders and templates see her: the `profiles` record (interface.md section 4), as of an instant; and as conditions do.

Both are made of the same facts. The record is for reading: money with its currency, scores to four places. A condition gets the figures as
they are, money as a number, and only those that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from app.domain import answers, bounces, channels, churn, device, figures, intent, interest, mail, price, propensity, treatments
from app.domain.consent import evidence
from app.domain.facts import Facts
from app.domain.money import CENT, text
from app.domain.paths import BY_NAME, CONTINUOUS, STEP
from app.domain.scoring import DEFAULT, Scoring
from app.events import iso

if TYPE_CHECKING:
    from app.domain.person_row import Person
    from app.domain.population import Population
    from app.domain.treatments import Treating

PLACES = 4
Tree = dict[str, Any]
"""Name → its path, or a tree of further names."""


def view(
    person: Person, now: int, scoring: Scoring = DEFAULT, population: Population | None = None, pack: Treating | None = None
) -> dict[str, Any]:
    """The record as of `now` (ms). Scores have decayed and levels expired as far as `now` says."""
    return record(Facts(person, now, scoring, population, pack))


def record(facts: Facts) -> dict[str, Any]:
    """The record, keys in a fixed order. Written out, and what needs no figure read straight: it is made for nearly every event."""
    get, person, now = facts.get, facts.person, facts.now
    part, standing = person.profile, person.standing
    sent, currency, pack = part.mail, part.currency, facts.pack
    spent = _money(part.spent, currency)
    missing, _ = figures.missing(facts)
    liked = interest.decayed(part.interest, now)
    primary = interest.primary(liked)
    facts.note("profile.interest.decayed", liked)
    facts.note("profile.primary_interest", primary)
    return {
        "person_id": person.person_id,
        "customer_id": part.customer_id,
        "anonymous_ids": list(part.anonymous_ids),
        "traits": dict(sorted(part.traits.items())),
        "consent": dict(sorted(part.consent.items())),
        "consent_told": evidence(part, sorted(part.consent)) if part.consent else {},
        "first_seen": _instant(part.first_seen),
        "last_seen": _instant(part.last_seen),
        "orders": part.orders,
        "spent": spent,
        "average_order": _money(round(part.spent / part.orders / CENT) * CENT, currency) if part.orders else None,
        "first_purchase_at": _instant(part.purchases.first_at),
        "last_purchase_at": _instant(part.last_order_at),
        "favourite_categories": get("profile.favourite_categories"),
        "interest": {
            "decayed": _all(liked),
            "increment": interest.increments(part.interest, part.last_event, now),
            "points": get("profile.points"),
        },
        "primary_interest": primary,
        "engagement": {
            "score": round(get("profile.engagement.score"), PLACES),
            "email": round(get("profile.engagement.email"), PLACES),
            "website": round(get("profile.engagement.website"), PLACES),
            "purchase": round(get("profile.engagement.purchase"), PLACES),
            "band": get("profile.engagement.band"),
            "shift": _rounded(get("profile.engagement.shift")),
        },
        "rfm": facts.once(figures.rfm_fifths),
        "clv": {"value": spent, "tier": standing.tiers},
        "lifecycle": {scheme: stage for scheme, (stage, _) in standing.stages.items()},
        "segments": sorted(standing.segments),
        "treatment": {
            "stage": treatments.view(standing, pack, treatments.STAGE) or None,
            "tier": treatments.view(standing, pack, treatments.TIER) or None,
        },
        "intent": intent.view(person.intent, facts.now),
        "churn": churn.view(person.churn, facts.now),
        **(_buying(facts) if part.orders else _no_buying(facts)),
        **(_response(facts) if sent.kept else _no_response(facts)),
        "email": {
            "sent": sent.sent,
            "opened": sent.opened,
            "clicked": sent.clicked,
            "machine_opens": sent.machine_opens,
            "last_sent_at": _instant(sent.last_sent_at),
            "last_opened_at": _instant(sent.last_opened_at),
            "last_clicked_at": _instant(sent.last_clicked_at),
            "unsubscribed": part.unsubscribed,
            "suppressed": part.suppressed,
            "soft_bounces": bounces.run(part.bounces),
        },
        "surveys": answers.view(part.answers.surveys),
        "preferences": answers.view(part.answers.preferences),
        "tickets_open": channels.tickets_open(part.contacts),
        "device": part.device.kind,
        "timezone": part.device.timezone,
        "locale": part.device.locale,
        "region": device.region(part.device),
        "flags": get("profile.flags"),
        "complete": not missing,
        "missing": missing,
        "rejected": dict(sorted(part.rejected.items())),
        "unseen_orders": part.contacts.unseen_orders,
        "bot": part.bot,
    }


def some(facts: Facts, names: Collection[str] | None) -> dict[str, Any]:
    """Of the record the keys of these names; None: all of them. Those that most messages read are made without the rest."""
    if names is None or not _APART.keys() >= set(names):
        whole = record(facts)
        return whole if names is None else {name: told for name, told in whole.items() if name in names}
    return {name: _APART[name](facts) for name in sorted(names)}


def _treatment(facts: Facts) -> dict[str, Any]:
    standing, pack = facts.person.standing, facts.pack
    return {of: treatments.view(standing, pack, of) or None for of in (treatments.STAGE, treatments.TIER)}


_APART: dict[str, Callable[[Facts], Any]] = {
    "treatment": _treatment,
    "flags": lambda facts: facts.get("profile.flags"),
    "orders": lambda facts: facts.person.profile.orders,
    "last_purchase_at": lambda facts: _instant(facts.person.profile.last_order_at),
    "primary_interest": lambda facts: interest.primary(interest.decayed(facts.person.profile.interest, facts.now)),
}
"""Keys of the record that cost little by themselves."""


def _buying(facts: Facts) -> dict[str, Any]:
    """How she buys."""
    get = facts.get
    return {
        "price_sensitivity": _rounded(get("profile.price_sensitivity")),
        "deal_share": _rounded(get("profile.deal_share")),
        "sale_share": _rounded(get("profile.sale_share")),
        "receptivity": {"cross": _rounded(get("profile.receptivity.cross")), "up": _rounded(get("profile.receptivity.up"))},
        "peak_month": get("profile.peak_month"),
        "cycle_days": _all(get("profile.cycle_days")),
        "upsell": _rounded(get("profile.upsell")),
        "reactivation": _rounded(get("profile.reactivation")),
    }


def _no_buying(facts: Facts) -> dict[str, Any]:
    """The same of who never bought, which most people of a shop are."""
    get = facts.get
    return {
        "price_sensitivity": _rounded(price.sensitivity(0, 0, facts.scoring.price_sensitivity)),
        "deal_share": None,
        "sale_share": _rounded(get("profile.sale_share")),
        "receptivity": {"cross": 0.0, "up": None},
        "peak_month": None,
        "cycle_days": {},
        "upsell": 0.0 if facts.person.profile.recent else None,
        "reactivation": _rounded(get("profile.reactivation")),
    }


def _response(facts: Facts) -> dict[str, Any]:
    """How she takes mails, and will."""
    get, hers = facts.get, facts.person.profile.mail
    if not (hers.human_opens or hers.human_clicks):
        return _silence(facts)
    return {
        "relevance": _all(get("profile.relevance")),
        "personalisation": _rounded(get("profile.personalisation")),
        "propensity": {
            "engagement": _rounded(get("profile.propensity.engagement")),
            "content": get("profile.propensity.content"),
            "category": get("profile.propensity.category"),
            "hours": get("profile.propensity.hours"),
        },
    }


def _silence(facts: Facts) -> dict[str, Any]:
    """The same of who has opened none of her mails, and clicked in none: a mail that welcomes everybody makes them many."""
    sends, now = mail.sends(facts.person.profile.mail).values(), facts.now
    return {
        "relevance": dict.fromkeys(sorted({one.category for one in sends if one.category and now - one.at < mail.KEPT_MS}), 0.0),
        "personalisation": 0.0 if facts.once(figures.mail_30d).sent or facts.once(figures.mail_90d).sent else None,
        "propensity": {
            "engagement": _rounded(facts.get("profile.propensity.engagement")),
            "content": None,
            "category": facts.get("profile.primary_interest"),
            "hours": [],
        },
    }


def _no_response(facts: Facts) -> dict[str, Any]:
    """The same of who got no mail that is still remembered."""
    return {
        "relevance": {},
        "personalisation": None,
        "propensity": {
            "engagement": propensity.engagement(0, 0),
            "content": None,
            "category": facts.get("profile.primary_interest"),
            "hours": [],
        },
    }


def _instant(ms: int) -> str | None:
    return iso(ms) if ms else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, PLACES)


def _all(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, PLACES) for name, value in values.items()} if values else {}


def _money(amount: int, currency: str | None) -> dict[str, str | None]:
    return {"amount": text(amount), "currency": currency}


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
