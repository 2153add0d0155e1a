"""The offer of a message that is about to be planned: which kind and rate, by what she is, has been offered before, and may still be given.

The lane knows her and the pack; margin, price, code and campaign are the renderer's (granting.py). What both went by stands in
`values.offer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain import facts as known
from app.domain import gate as asking
from app.domain import given, habits, line, money, offers, window
from app.domain.contacts import mark
from app.domain.fingerprint import fingerprint
from app.domain.given import Given
from app.domain.offers import FORMULA, TIER, DiscountPersona, Offer, Offering
from app.domain.population import HOURS
from app.events import iso

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.scheduler import Scheduler
    from app.domain.trigger import Trigger
    from app.domain.window import Window

PLACES = 4
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Chosen(Struct):
    """What precedence comes to: the formula's `discount` holds for the pack's default margin, the renderer asks again with the real one."""

    kind: str
    discount: float
    benefits: tuple[str, ...]
    path: list[str]


def offered(turn: Scheduler, one: Window, row: Trigger, offer: Offer, values: dict[str, Any], send_id: str) -> None:
    """Adds `offer` to the values of a message that is planned, and reserves what it may cost.

    `send_id` empty: nothing is reserved, since nobody gets the message.
    """
    see, of = turn.see, turn.version(one).offers
    hers = known.of(see)
    sensitivity, clv = hers.get("profile.price_sensitivity"), hers.get("profile.clv.value")
    sensitivity, clv = 0.5 if sensitivity is None else sensitivity, clv or 0.0
    scheme = turn.version(one).goes_by.tier
    group = see.person.standing.tiers.get(scheme) if scheme is not None else None
    tier = f"{scheme}.{group}" if group is not None else None
    persona = _persona(of, one, see)
    chosen = choose(offer, of, tier, persona, sensitivity, clv)
    told: dict[str, Any] = {"kind": chosen.kind, "discount": chosen.discount, "path": chosen.path}
    if offer.name:
        told["name"] = offer.name
    told |= {"sensitivity": round(sensitivity, PLACES), "clv": round(clv, 2), "tier": tier}
    if persona is not None:
        told |= {"persona": persona.name, "elasticity": persona.elasticity, "emphasis": list(persona.emphasis)}
    told["conversion"] = row.converts or of.conversion
    told["order_value"] = _order_value(of, one, hers)
    if (strategy := offers.strategy(of, tier)) is not None:
        values |= offers.optimised(strategy, _timing(see))
    values["offer"] = told
    if chosen.benefits:
        told["benefits"] = list(chosen.benefits)
    before = None if offer.rises else given.first(turn.offers, chosen.kind, one.window_id, see.now, of.keeps)
    if before is not None and (before.discount != chosen.discount or chosen.path[-1] == FORMULA):
        told |= {"discount": before.discount, "path": [*chosen.path, "kept"], "asked": chosen.discount}
    if (mine := given.held(turn.offers, see.now)) is not None and mine.discount >= told["discount"]:
        _again(told, mine)
        return
    up_to = offer.up_to or of.up_to
    if up_to and told["discount"]:
        told["up_to"] = amount(up_to, of)
    if offer.minimum_order:
        told["minimum_order"] = amount(offer.minimum_order, of)
    told["expires_at"] = iso(see.now + (offer.valid or of.valid))
    if offer.campaign:
        told["campaign"] = offer.campaign
    if offer.without != offers.SEND:
        told["without"] = offer.without
    cost = up_to if told["discount"] else 0
    if of.budget_per_person:
        left = max(0, of.budget_per_person - given.counted(turn.offers, see.now))
        told["budget_left"] = money.text(left)
        if cost > left:
            told["withheld"] = "budget_per_person"
            return
    if not send_id:
        return
    until = see.now + (offer.valid or of.valid)
    mine = Given(see.now, mark(send_id), fingerprint(one.window_id), told["kind"], told["discount"], until, cost)
    after = given.reserved(turn.offers, mine, of.keeps)
    if after is None:
        told["withheld"] = "too_many_offers"
    else:
        turn.offers = after


def choose(offer: Offer, of: Offering, tier: str | None, persona: DiscountPersona | None, sensitivity: float, clv: float) -> Chosen:
    """Row > tier > formula (X-13, X-14): what the row says itself, else her tier's strategy where she has one, else the formula."""
    if not offer.by:
        return Chosen(offer.kind, offer.discount, offer.benefits, ["row"])
    path: list[str] = []
    if offer.by == TIER:
        strategy = offers.strategy(of, tier)
        if strategy is not None:
            benefits = (*offer.benefits, *(one for one in strategy.benefits if one not in offer.benefits))
            return Chosen(strategy.kind, strategy.discount, benefits, [TIER])
        path.append("no_tier")
    rate = offers.optimal_discount(of, sensitivity, of.default_margin, clv)
    kind = persona.kind if persona is not None else offer.kind
    return Chosen(kind, rate, offer.benefits, [*path, FORMULA])


def amount(units: int, of: Offering) -> dict[str, str]:
    """Money as outside records have it."""
    return {"amount": money.text(units), "currency": of.currency}


def _again(told: dict[str, Any], mine: Given) -> None:
    """The offer she holds, told once more: same code, same end."""
    told |= {"asked": told["discount"], "path": [*told["path"], "held"], "held": True}
    for name in ("benefits", "up_to", "minimum_order", "expires_at"):
        told.pop(name, None)
    told |= given.said(mine)


def _persona(of: Offering, one: Window, see: See) -> DiscountPersona | None:
    event: dict[str, Any] = {}
    for persona in of.personas:
        if persona.when is None or persona.when.evaluate(asking.gather(persona.when, event, see, one)).holds:
            return persona
    return None


def _order_value(of: Offering, one: Window, hers: known.Facts) -> float | None:
    """What the order is expected to come to: the cart's value, else her own mean order, else the pack's usual one."""
    value = line.value(window.lines(one)) / money.UNITS or hers.get("profile.average_order") or of.usual_order / money.UNITS
    return round(value, 2) or None


def _timing(see: See) -> dict[str, Any] | None:
    """The hour of the week at which she answers mails most, else at which everybody does (A-147)."""
    her = see.person.profile
    hour = habits.usual_hour(her.mail, her.device.timezone)
    by = "hers"
    if hour is None:
        everybody = see.population.figures.get(HOURS, {}) if see.population is not None else {}
        hour, by = max(everybody, key=lambda one: (everybody[one], -one), default=None), "everybody's"
    return None if hour is None else {"day": DAYS[hour // 24], "hour": hour % 24, "by": by}
