"""How each figure of a person is read off her state as of an instant, and until when it stays so if no event comes.

A figure that is made of others says FOREVER: who asks for it has asked for those, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.domain import (
    engagement,
    habits,
    intent,
    interest,
    price,
    propensity,
    purchases,
    ranks,
    recent,
    relevance,
    response,
    rfm,
    rhythm,
    supplies,
    visits,
)
from app.domain.days import DAY_MS, FOREVER, whole_days
from app.domain.fingerprint import fingerprint
from app.domain.money import UNITS

if TYPE_CHECKING:
    from app.domain.facts import Facts

Found = tuple[Any, int]
"""A value, and the ms at which it changes by time alone."""
How = Callable[["Facts"], Found]

MONTH, QUARTER, YEAR = 30 * DAY_MS, 90 * DAY_MS, 365 * DAY_MS
EVER = FOREVER // 2
"""A span that nothing outlives."""
FAVOURITES = 3
NO_RECEPTIVITY = purchases.Receptivity(0.0, None)
CHURNED = ("churned", "dormant")
"""Stages of who has stopped buying, whatever the scheme."""


# --- sums over sliding windows ----------------------------------------------------------------------------------------------------


def visits_30d(facts: Facts) -> Found:
    return visits.totals(facts.person.profile.visits, MONTH, facts.now)


def _bought(span: int) -> How:
    return lambda facts: purchases.within(facts.person.profile.purchases, span, facts.now)


bought_30d, bought_90d, bought_365d, bought_ever = (_bought(span) for span in (MONTH, QUARTER, YEAR, EVER))


def mail_30d(facts: Facts) -> Found:
    return response.rates(facts.person.profile.mail, MONTH, 0, facts.now, facts.scoring.opens)


def mail_before(facts: Facts) -> Found:
    return response.rates(facts.person.profile.mail, 2 * MONTH, MONTH, facts.now, facts.scoring.opens)


def mail_90d(facts: Facts) -> Found:
    return response.rates(facts.person.profile.mail, QUARTER, 0, facts.now, facts.scoring.opens)


def _after_click(ago: int) -> How:
    """As of so many ms ago: orders of the 90 d before with a click before them that lay in those 90 d, too (A-054)."""

    def count(facts: Facts) -> Found:
        part, then = facts.person.profile, facts.now - ago
        found, until = 0, FOREVER
        for one in reversed(part.purchases.newest.values()) if part.mail.clicked else ():
            if then - one.at >= QUARTER:
                break
            click = response.last_click_before(part.mail, one.at)
            if not click or then - click >= QUARTER:
                continue  # the click is the older of the two, so it leaves first
            if ago and one.at > then:
                until = min(until, one.at + ago)
            else:
                found, until = found + 1, min(until, click + QUARTER + ago)
        return found, until

    return count


after_click, after_click_before = _after_click(0), _after_click(MONTH)


def views_24h(facts: Facts) -> Found:
    """Different products she looked at."""
    at = [one.at for one in facts.person.profile.recent if facts.now - one.at < DAY_MS]
    return len(at), min(at) + DAY_MS if at else FOREVER


# --- engagement -------------------------------------------------------------------------------------------------------------------


def email_part(rates: How, bought: How) -> How:
    def part(facts: Facts) -> Found:
        mail = facts.person.profile.mail
        if not (mail.opened or mail.clicked):  # which most people of a shop never do
            return 0.0, FOREVER
        seen = facts.once(rates)
        return engagement.email(seen.open_rate, seen.click_rate, facts.once(bought), facts.scoring.email), FOREVER

    return part


def website_part(facts: Facts) -> Found:
    seen = facts.once(visits_30d)
    return engagement.website(seen.visits, seen.ms, seen.pages, seen.adds, facts.scoring.website), FOREVER


def days_since_order(facts: Facts) -> Found:
    """Whole ones, as far as recency counts them; None without an order."""
    at, most = facts.person.profile.last_order_at, facts.scoring.purchase.recency_days
    if not at:
        return None, FOREVER
    days = whole_days(at, facts.now)
    return (days, at + (days + 1) * DAY_MS) if days < most else (most, FOREVER)


def purchase_part(facts: Facts) -> Found:
    if not facts.person.profile.orders:
        return 0.0, FOREVER
    days, orders = facts.once(days_since_order), facts.once(bought_365d).orders
    return engagement.purchase(days, orders, facts.get("profile.average_order") or 0.0, facts.scoring.purchase), FOREVER


def engagement_score(facts: Facts) -> Found:
    get = facts.get
    email, website, purchase = get("profile.engagement.email"), get("profile.engagement.website"), get("profile.engagement.purchase")
    return engagement.score(email, website, purchase, facts.scoring.engagement), FOREVER


def engagement_band(facts: Facts) -> Found:
    return engagement.band(facts.get("profile.engagement.score"), facts.scoring.bands), FOREVER


def engagement_shift(facts: Facts) -> Found:
    return engagement.shift(facts.get("profile.engagement.email"), facts.get("profile.engagement.email_before")), FOREVER


# --- other scores -----------------------------------------------------------------------------------------------------------------

POINTS: dict[str, Callable[[Facts], int]] = {
    "email_open": lambda facts: facts.once(mail_30d).opened,
    "email_click": lambda facts: facts.once(mail_30d).clicked,
    "page_view": lambda facts: facts.once(visits_30d).pages,
    "cart_add": lambda facts: facts.once(visits_30d).adds,
    "purchase": lambda facts: facts.once(bought_30d).orders,
}
"""Counts of points.py's COUNTED."""


def points_30d(facts: Facts) -> Found:
    """A-058: Σ points × count."""
    return sum([worth * POINTS[kind](facts) for kind, worth in facts.scoring.points]), FOREVER


def rfm_fifths(facts: Facts) -> Found:
    return rfm.scores(facts.population, {} if facts.population is None else ranks.figures_of(facts.person.profile)), FOREVER


def price_sensitivity(facts: Facts) -> Found:
    bought = facts.once(bought_ever)
    return price.sensitivity(bought.deals, bought.orders, facts.scoring.price_sensitivity), FOREVER


def deal_share(facts: Facts) -> Found:
    """A-014: discount response: of her orders those with a coupon or a sale price."""
    bought = facts.once(bought_ever)
    return bought.deals / bought.orders if bought.orders else None, FOREVER


def interest_decayed(facts: Facts) -> Found:
    """Fades at the time of day of each behaviour (A-050)."""
    kept, now = facts.person.profile.interest, facts.now
    until = FOREVER
    for behaviours in kept.decayed.values():
        for at, _ in behaviours:
            until = min(until, at + (whole_days(at, now) + 1) * DAY_MS)
    return interest.decayed(kept, now), until


def interest_increment(facts: Facts) -> Found:
    part = facts.person.profile
    found = interest.increments(part.interest, part.last_event, facts.now)
    return found, part.last_event + interest.EXPIRY_MS if found else FOREVER


def primary_interest(facts: Facts) -> Found:
    return interest.primary(facts.get("profile.interest.decayed")), FOREVER


def highest_interest(facts: Facts) -> Found:
    """Her interest in the category that interests her most, 0–100 (A-122); None without any."""
    liked = facts.get("profile.interest.decayed")
    return max(liked.values()) if liked else None, FOREVER


def favourite_categories(facts: Facts) -> Found:
    """Those she ordered from most often; of equally many, and where she has not ordered, what interests her most."""
    liked, cycles = facts.get("profile.interest.decayed"), facts.person.profile.rhythm.cycles
    if not cycles:
        return sorted(liked, key=lambda name: (-liked[name], name))[:FAVOURITES], FOREVER
    orders = {name: cycle.orders for name, cycle in cycles.items()}
    ranked = sorted({*orders, *liked}, key=lambda name: (-orders.get(name, 0), -liked.get(name, 0.0), name))
    return ranked[:FAVOURITES], FOREVER


def peak_month(facts: Facts) -> Found:
    """1 January … 12 December (A-142)."""
    part = facts.person.profile
    return rhythm.peak(part.rhythm, part.purchases.first_at, part.last_order_at), FOREVER


def next_peak(facts: Facts) -> Found:
    """When her next peak month begins (ms, UTC), if she has one (A-123)."""
    month = facts.get("profile.peak_month")
    if month is None:
        return None, FOREVER
    at = rhythm.next_month(month, facts.now)
    return at, at


def next_reorder(facts: Facts) -> Found:
    """When she will next need something again that she uses up (ms); None: nothing that is known lies ahead."""
    ahead = [at for one in facts.person.profile.supplies if (at := supplies.reorder_at(one)) is not None and at > facts.now]
    return (min(ahead), min(ahead)) if ahead else (None, FOREVER)


def cycle_days(facts: Facts) -> Found:
    """Category → mean days between her orders of it (A-141)."""
    cycles = facts.person.profile.rhythm.cycles
    return {name: gap / DAY_MS for name, cycle in sorted(cycles.items()) if (gap := cycle.mean_gap)}, FOREVER


def receptivity(facts: Facts) -> Found:
    return purchases.receptivity(facts.person.profile.purchases) or NO_RECEPTIVITY, FOREVER


def upsell(facts: Facts) -> Found:
    part = facts.person.profile
    paid: dict[int, list[int]] = {}
    for bought in part.purchases.newest.values():
        if bought.category and bought.dearest and bought.currency in (None, part.currency):
            paid.setdefault(bought.category, []).append(bought.dearest)
    views = []
    for one in part.recent[: price.LOOKED_AT]:
        told = recent.told(one)
        comparable = told.currency in (None, part.currency)
        views.append((fingerprint(told.category) if told.category else 0, told.price if comparable else None))
    return price.upsell(views, {category: sum(prices) / len(prices) for category, prices in paid.items()}), FOREVER


def relevance_by_category(facts: Facts) -> Found:
    found, until = habits.categories(facts.person.profile.mail, facts.now)
    return relevance.rates(found), until


def content_types(facts: Facts) -> Found:
    return habits.content_types(facts.person.profile.mail, facts.now)


def personalisation(facts: Facts) -> Found:
    clicks, until = habits.elements(facts.person.profile.mail, facts.now)
    return propensity.personalisation(clicks, facts.once(mail_90d).sent, facts.scoring.elements), until


def engagement_propensity(facts: Facts) -> Found:
    seen = facts.once(mail_30d)
    return propensity.engagement(seen.opened, seen.sent), FOREVER


def preferred_content(facts: Facts) -> Found:
    """A-018, A-069: the kind of content (images, video, text) she takes up most."""
    return propensity.preferred({name: seen.clicked or seen.opened for name, seen in facts.once(content_types).items()}), FOREVER


def preferred_category(facts: Facts) -> Found:
    """A-069: of the content she is likely to click in; where no mail tells, of what interests her."""
    return propensity.preferred(facts.get("profile.relevance")) or facts.get("profile.primary_interest"), FOREVER


def best_hours(facts: Facts) -> Found:
    """A-069: hours of the week in her zone, 0 is Monday 0–1 h, the best first."""
    part = facts.person.profile
    found, until = habits.hours(part.mail, part.device.timezone, facts.now)
    return propensity.best_hours(found), until


def mobile_share(facts: Facts) -> Found:
    """Of her opens and clicks in 90 d whose device is known those on a telephone; None where none is."""
    found, until = habits.devices(facts.person.profile.mail, facts.now)
    return found.get("mobile", 0) / sum(found.values()) if found else None, until


def reactivation(facts: Facts) -> Found:
    """Of who has stopped buying; None of anybody else."""
    if all(stage not in CHURNED for stage, _ in facts.person.standing.stages.values()):
        return None, FOREVER
    return propensity.reactivation(facts.get("profile.engagement.email"), facts.person.profile.orders), FOREVER


def intent_level(facts: Facts) -> Found:
    return intent.level_until(facts.person.intent, facts.now)


def average_order(facts: Facts) -> Found:
    part = facts.person.profile
    return part.spent / part.orders / UNITS if part.orders else None, FOREVER


def missing(facts: Facts) -> Found:
    """A-245: the mandatory traits that nobody told."""
    part = facts.person.profile
    told = part.traits if part.email is None else {**part.traits, "email": part.email}
    return [name for name in facts.scoring.mandatory if told.get(name) in (None, "")], FOREVER
