"""How changes of a pack's offers are told."""

from __future__ import annotations

from msgspec import Struct

from app.domain.offers import DiscountPersona, Offer, Offering, Strategy
from app.policy.phrase import WHY, Phrase, flag

PHRASES: dict[tuple[type[Struct], str], Phrase] = {
    (Offer, "kind"): Phrase("{who} now offers {new} instead of {old}"),
    (Offer, "discount"): Phrase("{who} now takes {new} off instead of {old}"),
    (Offer, "name"): Phrase(
        "{who} now makes offer {new} instead of {old}", "{who} now makes offer {new}", "{who} no longer makes offer {old}"
    ),
    (Offer, "why"): WHY,
    (Offer, "by"): Phrase(
        "{who} now offers by {new} instead of by {old}", "{who} now offers by {new}", "{who} now offers what it says itself, not by {old}"
    ),
    (Offer, "benefits"): Phrase("{who} now comes with {new} instead of {old}", "{who} now comes with {new}", "{who} comes without {old}"),
    (Offer, "valid"): Phrase(
        "{who} now stands for {new} instead of {old}", "{who} now stands for {new}", "{who} no longer stands for {old}"
    ),
    (Offer, "minimum_order"): Phrase(
        "{who} is now good for orders from {new} on instead of {old}",
        "{who} is now good for orders from {new} on only",
        "{who} is now good for any order, not only from {old} on",
    ),
    (Offer, "up_to"): Phrase(
        "{who} now takes at most {new} off an order instead of {old}",
        "{who} now takes at most {new} off an order",
        "{who} no longer has a most of its own ({old})",
    ),
    (Offer, "campaign"): Phrase(
        "{who} is now paid from campaign {new} instead of {old}",
        "{who} is now paid from campaign {new}",
        "{who} is no longer paid from campaign {old}",
    ),
    (Offer, "without"): Phrase("{who}: what cannot be granted now ends in {new} instead of {old}"),
    (Offer, "rises"): flag("{who} may now change its rate for who waits", "{who} now keeps its rate for who waits"),
    (Offering, "default_margin"): Phrase("where the catalogue says no margin {new} is now counted on instead of {old}"),
    (Offering, "cap"): Phrase("no offer now takes more than {new} off, instead of {old}"),
    (Offering, "margin_share"): Phrase("no offer now takes more than {new} of the margin, instead of {old}"),
    (Offering, "clv_full"): Phrase("the formula now takes discounts down to nothing at a worth of {new} instead of {old}"),
    (Offering, "clv_least"): Phrase("the formula now leaves customers who are worth much {new} of a discount instead of {old}"),
    (Offering, "valid"): Phrase("offers now stand for {new} instead of {old}"),
    (Offering, "keeps"): Phrase("an offer of one kind now keeps its rate for {new} instead of {old}"),
    (Offering, "currency"): Phrase(
        "amounts of offers are now in {new} instead of {old}",
        "amounts of offers are now in {new}",
        "offers have no currency any more ({old})",
    ),
    (Offering, "up_to"): Phrase(
        "an offer now takes at most {new} off an order instead of {old}",
        "an offer now takes at most {new} off an order",
        "what an offer takes off an order has no limit any more (it was {old})",
    ),
    (Offering, "budget_per_person"): Phrase(
        "a person is now given at most {new} within a quarter instead of {old}",
        "a person is now given at most {new} within a quarter",
        "what a person is given within a quarter has no limit any more (it was {old})",
    ),
    (Offering, "usual_order"): Phrase(
        "an order is now expected to come to {new} instead of {old}",
        "an order is now expected to come to {new}",
        "what an order comes to is no longer taken for {old}",
    ),
    (Offering, "conversion"): Phrase("{new} of the messages instead of {old} are now expected to end in an order without any offer"),
    (Offering, "strategies"): Phrase("", "now offers by tier: {new}", "no longer offers by tier: {old}"),
    (Offering, "personas"): Phrase("", "adds offer persona {new}", "removes offer persona {old}"),
    (Strategy, "name"): Phrase("what was offered to tier {old} is now offered to {new}"),
    (Strategy, "why"): WHY,
    (Strategy, "kind"): Phrase("{who} is now {new} instead of {old}"),
    (Strategy, "discount"): Phrase(
        "{who} now takes {new} off instead of {old}", "{who} now takes {new} off", "{who} no longer takes {old} off"
    ),
    (Strategy, "benefits"): Phrase(
        "{who} now comes with {new} instead of {old}", "{who} now comes with {new}", "{who} comes without {old}"
    ),
    (Strategy, "target_increase"): Phrase("{who} is now meant to bring {new} more revenue instead of {old}"),
    (Strategy, "investment_ratio"): Phrase("{who} may now cost {new} of the revenue instead of {old}"),
    (DiscountPersona, "name"): Phrase("offer persona {old} is now named {new}"),
    (DiscountPersona, "why"): WHY,
    (DiscountPersona, "kind"): Phrase("{who} is now offered {new} instead of {old}"),
    (DiscountPersona, "when"): Phrase(
        "{who} is now whoever {new} instead of whoever {old}", "{who} is now whoever {new}", "{who} is now anybody, not who {old}"
    ),
    (DiscountPersona, "emphasis"): Phrase("{who} now gets {new} instead of {old}", "{who} now gets {new}", "{who} no longer gets {old}"),
    (DiscountPersona, "elasticity"): Phrase("{who} now has an elasticity of {new} instead of {old}"),
}
DURATIONS = {(Offer, "valid"), (Offering, "valid"), (Offering, "keeps")}
SHARES = {
    (Offer, "discount"),
    (Offering, "default_margin"),
    (Offering, "cap"),
    (Offering, "margin_share"),
    (Offering, "clv_least"),
    (Offering, "conversion"),
    (Strategy, "discount"),
    (Strategy, "target_increase"),
    (Strategy, "investment_ratio"),
}
NUMBERS = {(Offering, "clv_full"), (DiscountPersona, "elasticity")}
MONEY = {
    (Offer, "minimum_order"),
    (Offer, "up_to"),
    (Offering, "up_to"),
    (Offering, "budget_per_person"),
    (Offering, "usual_order"),
}
"""Amounts in units."""


def offer(told: Offer) -> str:
    """An offer in words."""
    rate = f" of {100 * told.discount:g} %" if told.discount else f" by {told.by}" if told.by else ""
    return f"{told.kind}{rate}" + (f" with {' and '.join(told.benefits)}" if told.benefits else "")


def strategy(told: Strategy) -> str:
    """What a tier is offered, in words."""
    return f"{told.name}: {offer(Offer(told.kind, told.discount, benefits=told.benefits))}"
