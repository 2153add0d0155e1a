"""What an offer may be worth: guide S0's RevenueOptimizationEngine and PersonalizedOfferEngine as pure functions over a pack's figures.

Precedence (X-13, X-14): what the trigger's row says itself (retention) goes before the strategy of her tier, and that before the formula.
Whatever says it, the hard cap min(0.30, 0.8 × margin) has the last word.
"""

from __future__ import annotations

from math import floor
from typing import Any

from msgspec import Struct

from app.domain.condition import Condition

DAY_MS = 86_400_000
TIER, FORMULA = "tier", "formula"
SEND, BUDGET = "send", "budget"
MIN_DEPTH, MAX_DEPTH = 1, 3
DEPTH_SCALE = 5


class Strategy(Struct, frozen=True):
    """What a tier is offered, and what is expected of it (A-146, A-148)."""

    name: str
    """The tier, such as `s0.gold`."""
    why: str
    kind: str
    """Of its offer, in snake_case."""
    discount: float = 0.0
    """The share of the price that it takes off; 0: benefits alone."""
    benefits: tuple[str, ...] = ()
    """What comes with it, such as `free_shipping`."""
    target_increase: float = 0.0
    """By how much the revenue of the tier is meant to rise."""
    investment_ratio: float = 0.0
    """Share of that revenue that may be put into it."""


class DiscountPersona(Struct, frozen=True):
    """How somebody takes offers (A-105, A-149). Of several the first whose condition holds."""

    name: str
    why: str
    kind: str
    """Of the offer that the formula makes her, in snake_case (`offer_type` of A-150)."""
    when: Condition | None = None
    """Over `profile`, `intent`, `churn`; without one it is everybody's who is left."""
    emphasis: tuple[str, ...] = ()
    """What her offers put first, such as `price_comparison`: a template's to show, and no promise."""
    elasticity: float = 1.0
    """By which share of itself her conversion rises with the whole price off: conversion = base × (1 + elasticity × discount)."""


class Offering(Struct, frozen=True):
    """The figures that every offer of a pack goes by; amounts in units, instants and spans in ms."""

    default_margin: float = 0.5
    """The margin where the catalogue says none, and the most that is counted on: a code takes something off the whole order."""
    cap: float = 0.30
    """No offer takes off more, whatever says it (A-151)."""
    margin_share: float = 0.8
    """Nor more than this share of the margin (A-151)."""
    clv_full: float = 1000.0
    """Of the formula: the worth of a customer at which nothing would be left of a discount: 1 − clv / 1000 (A-151)."""
    clv_least: float = 0.5
    """Of the formula: the least that is left of a discount for what she is worth (A-151)."""
    valid: int = 7 * DAY_MS
    """How long an offer stands."""
    keeps: int = 90 * DAY_MS
    """For so long an offer of one kind keeps the rate it was first made at: waiting makes it neither better nor worse."""
    currency: str = ""
    """Of the amounts of this pack's offers."""
    up_to: int = 0
    """The most that one offer takes off an order; 0: no limit, and then nothing may be budgeted."""
    budget_per_person: int = 0
    """What one person's offers may cost within a quarter at most (92 sliding days); 0: no limit."""
    usual_order: int = 0
    """What an order comes to of somebody who has made none; 0: not known."""
    conversion: float = 0.02
    """Share of the messages that end in an order without any offer, where the trigger does not say (`converts`)."""
    strategies: tuple[Strategy, ...] = ()
    """By tier of the scheme that the pack goes by."""
    personas: tuple[DiscountPersona, ...] = ()


class Offer(Struct, frozen=True):
    """What a message offers. Templates read it as `offer`. Amounts are in units, spans in ms."""

    kind: str
    """Of the offer, in snake_case: what reports call it. With `by` where she has no tier, or no persona says another."""
    discount: float = 0.0
    """The share of the price that it takes off, above 0 and below 1 (A-132)."""
    name: str = ""
    """Of the offer: `offer = "NAME"` of a trigger, a follow-up or a choice."""
    why: str = ""
    by: str = ""
    """Instead of a discount: `tier` (her tier's strategy, else the formula) or `formula` (A-151)."""
    benefits: tuple[str, ...] = ()
    """What comes with it, such as `free_shipping`."""
    valid: int = 0
    """How long it stands; 0: as [offers] says."""
    minimum_order: int = 0
    """The order it is good for comes to at least so much."""
    up_to: int = 0
    """The most that it takes off an order; 0: as [offers] says."""
    campaign: str = ""
    """Whose budget it is paid from (`kairos budgets set`); a campaign that nobody gave a budget has none to give away."""
    without: str = SEND
    """If it cannot be granted: `send` the message without it, or end it not_sent `budget`."""
    rises: bool = False
    """It may be made at another rate than before within the span that [offers] keeps."""


NOBODYS = Offering()


def most(of: Offering, margin: float) -> float:
    """The hard cap of any offer: min(0.30, 0.8 × margin) (A-151, X-13)."""
    return max(0.0, min(of.cap, round(of.margin_share * margin, 6)))


def capped(rate: float, cap: float) -> float:
    """The rate, or the whole per cent below the cap: what a mail prints is what the code is good for, and never above the cap."""
    if rate <= cap:
        return max(0.0, rate)
    whole = floor(cap * 100 + 1e-6)
    return whole / 100 if whole / 100 <= cap else (whole - 1) / 100


def clv_factor(of: Offering, clv: float) -> float:
    """max(0.5, 1 − clv / 1000): customers who are worth much get less, they buy anyway (A-151)."""
    return max(of.clv_least, 1 - clv / of.clv_full)


def optimal_discount(of: Offering, sensitivity: float, margin: float, clv: float) -> float:
    """round(max_discount × price_sensitivity × clv_factor, 2), A-151; sensitivity 0–1, clv in the shop's currency."""
    return round(most(of, margin) * min(1.0, max(0.0, sensitivity)) * clv_factor(of, clv), 2)


def expected_conversion(base: float, elasticity: float, discount: float) -> float:
    """The persona's elasticity curve at a discount: base × (1 + elasticity × discount), at most 1 (A-150)."""
    return min(1.0, base * (1 + elasticity * discount))


def expected_revenue(price: float, discount: float, conversion: float) -> float:
    """price × (1 − discount) × conversion probability (A-152)."""
    return price * (1 - discount) * conversion


def strategy(of: Offering, tier: str | None) -> Strategy | None:
    """What a tier such as `s0.gold` is offered (A-148)."""
    return next((one for one in of.strategies if one.name == tier), None)


def personalisation_depth(target_increase: float, investment_ratio: float) -> int:
    """1–3, the depths of A-261: the more is expected of a tier and put into it, the more of what is known of her is shown.

    The guide names the function and leaves it open; this one gives platinum 3, gold 2, silver and bronze 1 (A-147, A.23).
    """
    return max(MIN_DEPTH, min(MAX_DEPTH, round(DEPTH_SCALE * (target_increase + investment_ratio))))


def optimised(one: Strategy, timing: dict[str, Any] | None) -> dict[str, Any]:
    """`optimize_campaign_for_revenue` (A-147) for a tier; `timing`: the hour of the week at which she is likeliest to answer, if known."""
    return {
        "personalisation_depth": personalisation_depth(one.target_increase, one.investment_ratio),
        "offer_strategy": {"type": one.kind, "discount_rate": one.discount, "additional_benefits": list(one.benefits)},
        "optimal_timing": timing,
        "expected_revenue_lift": one.target_increase,
    }
