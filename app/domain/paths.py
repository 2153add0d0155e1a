"""Every figure that a pack may name, by its path, in the shape of the `profiles` record (interface.md section 4).

STEP figures change at instants. CONTINUOUS ones change with every ms and can only be compared. Of those in OPEN and BY_NAME the last
name of the path is free (`profile.lifecycle.s1`, `profile.days_in_stage.merged`).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from app.domain import (
    answers,
    bounces,
    channels,
    churn,
    device,
    figures,
    intent,
    interest,
    recent,
    response,
    rhythm,
    signals,
    treatments,
    visits,
)
from app.domain.consent import evidence
from app.domain.curves import Curve, DaysSince, DaysUntil, Fading, Lapse
from app.domain.days import DAY_MS, FOREVER
from app.domain.figures import Found, How, after_click, after_click_before, mail_30d, mail_before
from app.domain.money import UNITS
from app.events import iso

if TYPE_CHECKING:
    from app.domain.facts import Facts
    from app.domain.profile import Profile

MINUTE_MS = 60_000
FLAGS = ("high_value", "price_sensitive", "mobile_preferred")


def _of(how: How, read: Callable[[Any], Any]) -> How:
    return lambda facts: (read(facts.once(how)), FOREVER)


class Still:
    """A figure that stands in her row as it is, `where` of a person: `Facts.get` reads it straight, it is asked so often."""

    __slots__ = ("read",)

    def __init__(self, where: str) -> None:
        self.read: Callable[[Any], Any] = attrgetter(where)

    def __call__(self, facts: Facts) -> Found:
        return self.read(facts.person), FOREVER


def _plain(read: Callable[[Any], Any]) -> How:
    """Of the profile alone; time changes nothing."""
    return lambda facts: (read(facts.person.profile), FOREVER)


def _reachable(part: Profile) -> bool:
    """She could be written to once, and nothing has been said against it since."""
    return part.reachable and not part.unsubscribed and part.suppressed is None and part.consent.get("email") is not False


def _counted(*kinds: str) -> How:
    """How many events of these types there were."""
    return lambda facts: (signals.count(facts.person.profile.signals, *kinds), FOREVER)


def _hers(read: Callable[[Any], Any]) -> How:
    """Of all her parts; time changes nothing."""
    return lambda facts: (read(facts.person), FOREVER)


def _treated(of: str) -> How:
    return lambda facts: (treatments.view(facts.person.standing, facts.pack, of), FOREVER)


def _instant(ms: int | None) -> str | None:
    return iso(ms) if ms else None


def _days(ms: float | None) -> float | None:
    return None if ms is None else ms / DAY_MS


def _complete(facts: Facts) -> Found:
    return not facts.get("profile.missing"), FOREVER


STEP: dict[str, How] = {
    # Who she is
    "profile.person_id": Still("person_id"),
    "profile.customer_id": Still("profile.customer_id"),
    "profile.known": _plain(lambda part: part.customer_id is not None),
    "profile.anonymous_ids": _plain(lambda part: list(part.anonymous_ids)),
    "profile.traits": _plain(lambda part: dict(sorted(part.traits.items()))),
    "profile.consent": _plain(lambda part: dict(sorted(part.consent.items()))),
    "profile.consent_told": _plain(lambda part: evidence(part, sorted(part.consent))),
    "profile.first_seen": _plain(lambda part: _instant(part.first_seen)),
    "profile.last_seen": _plain(lambda part: _instant(part.last_seen)),
    "profile.reachable": _plain(_reachable),
    "profile.bot": Still("profile.bot"),
    # what she bought
    "profile.orders": Still("profile.orders"),
    "profile.spent": _plain(lambda part: part.spent / UNITS),
    "profile.average_order": figures.average_order,
    "profile.first_purchase_at": _plain(lambda part: _instant(part.purchases.first_at)),
    "profile.last_purchase_at": _plain(lambda part: _instant(part.last_order_at)),
    "profile.orders_30d": _of(figures.bought_30d, lambda bought: bought.orders),
    "profile.orders_90d": _of(figures.bought_90d, lambda bought: bought.orders),
    "profile.orders_365d": _of(figures.bought_365d, lambda bought: bought.orders),
    "profile.spent_30d": _of(figures.bought_30d, lambda bought: bought.amount / UNITS),
    "profile.spent_90d": _of(figures.bought_90d, lambda bought: bought.amount / UNITS),
    "profile.deal_share": figures.deal_share,
    "profile.sale_share": _plain(lambda part: recent.sale_share(part.recent)),
    # what she does in the shop
    "profile.visits_30d": _of(figures.visits_30d, lambda seen: seen.visits),
    "profile.minutes_30d": _of(figures.visits_30d, lambda seen: seen.ms / MINUTE_MS),
    "profile.pages_per_visit_30d": _of(figures.visits_30d, lambda seen: seen.pages / seen.visits if seen.visits else 0.0),
    "profile.adds_30d": _of(figures.visits_30d, lambda seen: seen.adds),
    "profile.views_24h": figures.views_24h,
    # interest by three scorers
    "profile.interest.decayed": figures.interest_decayed,
    "profile.interest.increment": figures.interest_increment,
    "profile.interest.points": figures.points_30d,
    "profile.interest.unfaded": _plain(lambda part: interest.unfaded(part.interest)),
    "profile.interest.highest": figures.highest_interest,
    "profile.points": figures.points_30d,
    "profile.favourite_categories": figures.favourite_categories,
    "profile.primary_interest": figures.primary_interest,
    #
    "profile.engagement.score": figures.engagement_score,
    "profile.engagement.email": figures.email_part(mail_30d, after_click),
    "profile.engagement.website": figures.website_part,
    "profile.engagement.purchase": figures.purchase_part,
    "profile.engagement.band": figures.engagement_band,
    "profile.engagement.email_before": figures.email_part(mail_before, after_click_before),
    "profile.engagement.shift": figures.engagement_shift,
    #
    "profile.rfm.recency": _of(figures.rfm_fifths, lambda fifths: fifths["recency"]),
    "profile.rfm.frequency": _of(figures.rfm_fifths, lambda fifths: fifths["frequency"]),
    "profile.rfm.monetary": _of(figures.rfm_fifths, lambda fifths: fifths["monetary"]),
    # what the segmenter found
    "profile.clv.value": _plain(lambda part: part.spent / UNITS),
    "profile.clv.tier": Still("standing.tiers"),
    "profile.lifecycle": _hers(lambda person: {scheme: stage for scheme, (stage, _) in person.standing.stages.items()}),
    "profile.segments": _hers(lambda person: sorted(person.standing.segments)),
    "profile.flags": _hers(lambda person: {**dict.fromkeys(FLAGS, False), **dict.fromkeys(person.standing.flags, True)}),
    # how the pack treats whoever stands where she does
    "profile.treatment.stage": _treated(treatments.STAGE),
    "profile.treatment.tier": _treated(treatments.TIER),
    #
    "intent.level": figures.intent_level,
    "churn.level": Still("churn.level"),
    "churn.horizon_days": Still("churn.horizon_days"),
    "churn.next_purchase_at": _hers(lambda person: _instant(churn.next_purchase_at(person.churn))),
    #
    "churn.mean_gap_days": _hers(lambda person: _days(churn.mean_gap(person.churn))),
    "churn.spread_days": _hers(lambda person: _days(churn.spread(person.churn))),
    "profile.next_order.at": _hers(lambda person: _instant(churn.next_purchase_at(person.churn))),
    "profile.next_order.spread_days": _hers(lambda person: _days(churn.spread(person.churn))),
    # of what she uses up
    "profile.next_reorder.at": _of(figures.next_reorder, _instant),
    #
    "profile.cycle_days": figures.cycle_days,
    "profile.peak_month": figures.peak_month,
    "profile.peak_at": _of(figures.next_peak, _instant),
    "profile.category_switching": _plain(lambda part: rhythm.switching(part.purchases)),
    "profile.value_progression": _plain(lambda part: rhythm.progression(part.purchases)),
    #
    "profile.price_sensitivity": figures.price_sensitivity,
    "profile.receptivity.cross": _of(figures.receptivity, lambda found: found.cross),
    "profile.receptivity.up": _of(figures.receptivity, lambda found: found.up),
    "profile.upsell": figures.upsell,
    "profile.reactivation": figures.reactivation,
    # What became of her mails
    "profile.email.sent": Still("profile.mail.sent"),
    "profile.email.opened": Still("profile.mail.opened"),
    "profile.email.clicked": Still("profile.mail.clicked"),
    "profile.email.machine_opens": Still("profile.mail.machine_opens"),
    "profile.email.last_sent_at": _plain(lambda part: _instant(part.mail.last_sent_at)),
    "profile.email.last_opened_at": _plain(lambda part: _instant(part.mail.last_opened_at)),
    "profile.email.last_clicked_at": _plain(lambda part: _instant(part.mail.last_clicked_at)),
    "profile.email.unsubscribed": Still("profile.unsubscribed"),
    "profile.email.suppressed": Still("profile.suppressed"),
    "profile.email.soft_bounces": _plain(lambda part: bounces.run(part.bounces)),
    "profile.mail.sent_30d": _of(mail_30d, lambda seen: seen.sent),
    "profile.mail.opened_30d": _of(mail_30d, lambda seen: seen.opened),
    "profile.mail.clicked_30d": _of(mail_30d, lambda seen: seen.clicked),
    "profile.mail.open_rate_30d": _of(mail_30d, lambda seen: seen.open_rate),
    "profile.mail.click_rate_30d": _of(mail_30d, lambda seen: seen.click_rate),
    "profile.opens": Still("profile.mail.human_opens"),
    "profile.clicks": Still("profile.mail.human_clicks"),
    "profile.forwards": _counted("email_forward"),
    "profile.mail.sent_before_30d": _of(mail_before, lambda seen: seen.sent),
    # how she takes them
    "profile.relevance": figures.relevance_by_category,
    "profile.personalisation": figures.personalisation,
    "profile.propensity.engagement": figures.engagement_propensity,
    "profile.propensity.content": figures.preferred_content,
    "profile.propensity.category": figures.preferred_category,
    "profile.propensity.hours": figures.best_hours,
    "profile.mobile_share": figures.mobile_share,
    # what else she does
    "profile.searches": _counted("search"),
    "profile.downloads": _counted("content_download"),
    "profile.contents": _counted("content_view"),
    "profile.social": _counted(*signals.SOCIAL),
    "profile.networks": _plain(lambda part: signals.kinds(part.signals, *signals.SOCIAL, *signals.ADS)),
    "profile.ads": _counted(*signals.ADS),
    "profile.referrals": _counted("referral"),
    "profile.reviews": _counted("review_write"),
    "profile.store_visits": _counted("store_visit"),
    "profile.support": _counted(*signals.SUPPORT),
    "profile.tickets_open": _plain(lambda part: channels.tickets_open(part.contacts)),
    "profile.chat_quality": _plain(lambda part: channels.chat_quality(part.contacts)),
    "profile.wishes": _plain(lambda part: channels.wishes(part.contacts)),
    "profile.parcel_under_way": _plain(lambda part: signals.under_way(part.signals)),
    "profile.unseen_orders": Still("profile.contacts.unseen_orders"),
    #
    "profile.surveys": _plain(lambda part: answers.view(part.answers.surveys)),
    "profile.preferences": _plain(lambda part: answers.view(part.answers.preferences)),
    #
    "profile.device": Still("profile.device.kind"),
    "profile.timezone": Still("profile.device.timezone"),
    "profile.locale": Still("profile.device.locale"),
    "profile.region": _plain(lambda part: device.region(part.device)),
    #
    "profile.missing": figures.missing,
    "profile.complete": _complete,
    "profile.rejected": _plain(lambda part: dict(sorted(part.rejected.items()))),
}
OPEN = (
    "profile.relevance",
    "profile.networks",
    "profile.cycle_days",
    "profile.surveys",
    "profile.preferences",
    "profile.traits",
    "profile.consent",
    "profile.consent_told",
    "profile.interest.decayed",
    "profile.interest.increment",
    "profile.clv.tier",
    "profile.lifecycle",
    "profile.flags",
    "profile.treatment.stage",
    "profile.treatment.tier",
)
"""Step figures that are maps of free names."""


def _since(read: Callable[[Any], int]) -> Callable[[Facts], Curve | None]:
    """Days since an instant of the profile; 0 is never."""
    return lambda facts: DaysSince(at) if (at := read(facts.person.profile)) else None


def _since_web(facts: Facts) -> Curve | None:
    newest = visits.last(facts.person.profile.visits)
    return None if newest is None else DaysSince(newest.end)


def _intent(facts: Facts) -> Curve:
    part = facts.person.intent
    return Fading([(part.at, part.score), *((line.at, line.score) for line in part.cart)], intent.HALF_LIFE_MS, intent.CAP)


def _churn(facts: Facts) -> Curve | None:
    part = facts.person.churn
    mean = churn.mean_gap(part)
    return Lapse(part.instants[-1], mean) if mean and part.orders >= churn.MIN_ORDERS else None


def _since_last(facts: Facts) -> Curve | None:
    last = churn.last_at(facts.person.churn)
    return None if last is None else DaysSince(last)


def _to_order(facts: Facts) -> Curve | None:
    at = churn.next_purchase_at(facts.person.churn)
    return None if at is None else DaysUntil(at)


def _to_peak(facts: Facts) -> Curve | None:
    at = facts.once(figures.next_peak)
    return None if at is None else DaysUntil(at)


def _to_reorder(facts: Facts) -> Curve | None:
    at = facts.once(figures.next_reorder)
    return None if at is None else DaysUntil(at)


def _in_stage(facts: Facts, scheme: str) -> Curve | None:
    known = facts.person.standing.stages.get(scheme)
    return None if known is None else DaysSince(known[1])


CONTINUOUS: dict[str, Callable[[Facts], Curve | None]] = {
    "profile.days_since_order": _since(lambda part: part.last_order_at),
    "profile.days_since_first_order": _since(lambda part: part.purchases.first_at),
    "profile.days_since_web": _since_web,
    "profile.days_since_open": _since(lambda part: response.last_open(part.mail)),
    "profile.days_since_click": _since(lambda part: response.last_click(part.mail)),
    "profile.oldest_ticket_days": _since(lambda part: channels.oldest_ticket(part.contacts)),
    "profile.days_since_seen": _since(lambda part: part.last_seen),
    # how far ahead, and below 0 how far behind
    "profile.next_order.in_days": _to_order,
    "profile.days_to_peak": _to_peak,
    "profile.next_reorder.in_days": _to_reorder,
    "intent.score": _intent,
    "churn.probability": _churn,
    "churn.days_since_last": _since_last,
}
BY_NAME: dict[str, Callable[[Facts, str], Curve | None]] = {"profile.days_in_stage": _in_stage}

# The record has both parts of the lane in it; conditions may name them without it.
STEP |= {f"profile.{path}": how for path, how in STEP.items() if not path.startswith("profile.")}
CONTINUOUS |= {f"profile.{path}": how for path, how in CONTINUOUS.items() if not path.startswith("profile.")}
OF_STANDING = frozenset(
    path
    for path in STEP
    if path.removeprefix("profile.").startswith(("clv.tier", "lifecycle", "segments", "flags", "treatment", "reactivation"))
)
"""Step figures made of where she stands; all others are of her other parts alone."""
STILL: dict[str, Callable[[Any], Any]] = {path: how.read for path, how in STEP.items() if isinstance(how, Still)}
"""Path → what reads it off a person."""
