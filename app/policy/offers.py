"""Offers of a pack's TOML, checked field by field: the figures of all, named offers, what tiers are offered, how people take discounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from app.domain import money
from app.domain.offers import BUDGET, FORMULA, SEND, TIER, DiscountPersona, Offer, Offering, Strategy
from app.domain.trigger import Choice, Step, Trigger
from app.policy import conditions
from app.policy.fields import DAY, NAME, SNAKE, Fields
from app.policy.place import Path
from app.policy.problem import meant
from app.policy.standing_rows import Rows

TABLES = ("offers", "offer", "offer_tier", "offer_persona")
"""Keys of a pack that are read here."""
OFFERS = (
    "why", "default_margin", "cap", "margin_share", "clv_full", "clv_least", "valid", "keeps", "currency", "up_to", "budget_per_person",
    "usual_order", "conversion",
)  # fmt: skip
OFFER = (
    "name", "why", "kind", "discount", "by", "benefits", "valid", "minimum_order", "up_to", "campaign", "without", "rises",
)  # fmt: skip
OFFER_TIER = ("tier", "why", "kind", "discount", "benefits", "target_increase", "investment_ratio")
PERSONA = ("name", "why", "kind", "when", "emphasis", "elasticity")
BY = (TIER, FORMULA)
WITHOUT = (SEND, BUDGET)
ROOTS = ("profile", "intent", "churn")
MOST_MONEY = 1_000_000.0
MOST_CLV = 1_000_000.0
MOST_ELASTICITY = 100.0
MAX_OFFERS = 200
MAX_BENEFITS = 10


class Offers:
    """Reads a pack's offers on top of those it has already; `rows`: its tiers."""

    def __init__(self, fields: Fields, base: Offering, named: Mapping[str, Offer], rows: Rows) -> None:
        self._fields, self._rows = fields, rows
        self.figures, self.named = base, dict(named)

    def read(self, told: dict[str, Any]) -> None:
        """All four tables; what is read stands in `figures` and `named`."""
        read = self._fields
        if "offers" in told:
            self.figures = self._figures(read.table(told, (), "offers"))
        tiers = {one.name: one for one in self.figures.strategies}
        for n, one in enumerate(read.list(told, (), "offer_tier", dict)):
            if (strategy := self._strategy(one, ("offer_tier", n))) is not None:
                tiers[strategy.name] = strategy
        personas = [self._persona(one, ("offer_persona", n)) for n, one in enumerate(read.list(told, (), "offer_persona", dict))]
        kept = tuple(one for one in personas if one is not None) or self.figures.personas
        self.figures = replace(self.figures, strategies=tuple(tiers.values()), personas=kept)
        rows = read.list(told, (), "offer", dict)
        for n, one in enumerate(rows):
            if (offer := self._offer(one, ("offer", n))) is not None:
                self.named[offer.name] = offer
        if len(rows) > MAX_OFFERS:
            read.wrong(("offer",), f"offer: more than {MAX_OFFERS}")
        for what, field in (("offer", "name"), ("offer_persona", "name"), ("offer_tier", "tier")):
            self._twice(told, what, field)

    def _twice(self, told: dict[str, Any], what: str, field: str) -> None:
        if field == "name":
            self._fields.twice([one.get(field) for one in self._fields.list(told, (), what, dict)], what)
            return
        seen: set[Any] = set()
        for n, one in enumerate(self._fields.list(told, (), what, dict)):
            if one.get(field) in seen:
                self._fields.wrong((what, n, field), f"{what}: {one.get(field)!r} a second time")
            seen.add(one.get(field))

    def _figures(self, told: dict[str, Any]) -> Offering:
        read, at, usual = self._fields, ("offers",), Offering()
        read.known(told, at, OFFERS, required=("why",))
        read.text(told, at, "why")
        currency = read.text(told, at, "currency")
        up_to = self._money(told, at, "up_to")
        budget = self._money(told, at, "budget_per_person")
        if budget and not up_to:
            read.wrong((*at, "budget_per_person"), "budget_per_person: up_to is missing, without which nobody knows what an offer may cost")
        if (up_to or budget) and not currency:
            read.wrong(at, "currency is missing: amounts are in one")
        return Offering(
            default_margin=read.number(told, at, "default_margin", 0, 1, usual.default_margin),
            cap=read.number(told, at, "cap", 0, 1, usual.cap),
            margin_share=read.number(told, at, "margin_share", 0, 1, usual.margin_share),
            clv_full=read.number(told, at, "clv_full", 1, MOST_CLV, usual.clv_full),
            clv_least=read.number(told, at, "clv_least", 0, 1, usual.clv_least),
            valid=self._span(told, at, "valid", usual.valid),
            keeps=read.duration(told, at, "keeps", usual.keeps),
            currency=currency or "",
            up_to=up_to,
            budget_per_person=budget,
            usual_order=self._money(told, at, "usual_order"),
            conversion=read.number(told, at, "conversion", 0, 1, usual.conversion),
        )

    def _strategy(self, told: dict[str, Any], at: Path) -> Strategy | None:
        read = self._fields
        read.known(told, at, OFFER_TIER, required=("tier", "why", "kind"))
        tier, why, kind = read.text(told, at, "tier"), read.text(told, at, "why"), read.text(told, at, "kind", SNAKE, "snake_case")
        known = [f"{name}.{one.name}" for name, scheme in self._rows.tier_schemes.items() for one in scheme.tiers]
        if tier is not None and tier not in known:
            read.wrong((*at, "tier"), f"tier: no tier {tier!r}: {', '.join(known) or 'the pack has none'}{meant(tier, known)}")
            return None
        discount = read.number(told, at, "discount", 0, 0.99, 0.0)
        benefits = self._benefits(told, at)
        target = read.number(told, at, "target_increase", 0, 10, 0.0)
        invests = read.number(told, at, "investment_ratio", 0, 1, 0.0)
        if tier is None or why is None or kind is None:
            return None
        if not discount and not benefits:
            read.wrong(at, "an offer of nothing: neither discount nor benefits")
        return Strategy(tier, why, kind, discount, benefits, target, invests)

    def _persona(self, told: dict[str, Any], at: Path) -> DiscountPersona | None:
        read = self._fields
        read.known(told, at, PERSONA, required=("name", "why", "kind"))
        name, why = read.text(told, at, "name", SNAKE, "snake_case"), read.text(told, at, "why")
        kind = read.text(told, at, "kind", SNAKE, "snake_case")
        when = conditions.told(self._fields, told, at, ROOTS)
        emphasis, elasticity = self._benefits(told, at, "emphasis"), read.number(told, at, "elasticity", 0, MOST_ELASTICITY, 1.0)
        return DiscountPersona(name, why, kind, when, emphasis, elasticity) if name and why and kind else None

    def _offer(self, told: dict[str, Any], at: Path) -> Offer | None:
        read = self._fields
        before = len(read.problems)
        read.known(told, at, OFFER, required=("name", "why", "kind"))
        name, why = read.text(told, at, "name", NAME, "lower case, digits and hyphens"), read.text(told, at, "why")
        kind, discount = read.text(told, at, "kind", SNAKE, "snake_case"), rate(read, told, at)
        by = read.one_of(told, at, "by", BY, TIER) if "by" in told else ""
        benefits = self._benefits(told, at)
        if (by and "discount" in told) or not (by or "discount" in told or benefits):
            read.wrong(at, "either a discount, or by = 'tier' or 'formula', or benefits alone")
        if by == TIER and self._rows.goes_by.tier is None:
            read.wrong((*at, "by"), "by: [goes_by] names no tier scheme")
        valid = self._span(told, at, "valid", 0)
        least, up_to = self._money(told, at, "minimum_order"), self._money(told, at, "up_to")
        campaign = read.text(told, at, "campaign", NAME, "lower case, digits and hyphens")
        without = read.one_of(told, at, "without", WITHOUT, SEND)
        rises = read.flag(told, at, "rises")
        if campaign is not None and not (up_to or self.figures.up_to):
            read.wrong((*at, "campaign"), "campaign: up_to is missing, here and in [offers], without which nobody knows what it may cost")
        if (least or up_to) and not self.figures.currency:
            read.wrong(at, "[offers] has no currency, and amounts are in one")
        if len(read.problems) > before or not (name and why and kind):
            return None
        return Offer(kind, discount or 0.0, name, why, by, benefits, valid, least, up_to, campaign or "", without, rises)

    def _money(self, told: dict[str, Any], at: Path, field: str) -> int:
        return round(self._fields.number(told, at, field, 0, MOST_MONEY, 0.0) * money.UNITS)

    def _span(self, told: dict[str, Any], at: Path, field: str, default: int) -> int:
        ms = self._fields.duration(told, at, field, default)
        if field in told and ms < DAY and ms != default:
            self._fields.wrong((*at, field), f"{field}: at least 1d: a code needs a day to be used")
        return ms

    def _benefits(self, told: dict[str, Any], at: Path, field: str = "benefits") -> tuple[str, ...]:
        read = self._fields
        listed = read.list(told, at, field, str)
        for one in listed:
            if not isinstance(one, str) or not SNAKE.fullmatch(one):
                read.wrong((*at, field), f"{field}: snake_case such as free_shipping, not {one!r}")
                return ()
        if len(listed) > MAX_BENEFITS:
            read.wrong((*at, field), f"{field}: at most {MAX_BENEFITS}")
        return tuple(listed)


def rate(read: Fields, told: dict[str, Any], at: Path) -> float | None:
    """A discount, above 0 and below 1."""
    discount = read.share(told, at, "discount")
    if discount in (0, 1):
        read.wrong((*at, "discount"), "discount: a share of the price above 0 and below 1, such as 0.25")
    return discount


def renewed(trigger: Trigger, named: Mapping[str, Offer]) -> Trigger:
    """An inherited trigger with the offers that its pack states anew under the names it uses."""

    def now(offer: Offer | None) -> Offer | None:
        return named.get(offer.name, offer) if offer is not None and offer.name else offer

    def step(one: Step) -> Step:
        choices: tuple[Choice, ...] = tuple(replace(choice, offer=now(choice.offer)) for choice in one.choices)
        return replace(one, offer=now(one.offer), choices=choices)

    return replace(trigger, steps=tuple(step(one) for one in trigger.steps))
