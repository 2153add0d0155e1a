"""What a planned message may really offer: the hard cap by the margin of what it is about, the campaign's budget, the code (X-13, A-151).

The last word on every path. Pure: plan, pack and catalogue in, the same offer out, however often it is asked.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain import money, offer_code, offers
from app.domain.budgets import Budgets, Spent
from app.domain.catalogue import Families, Items, price_now
from app.domain.offers import BUDGET, FORMULA, Offering
from app.events import Plan

PLACES = 4
SHOWN = ("kind", "discount", "code", "expires_at", "benefits", "emphasis", "up_to", "minimum_order")
"""What of an offer the outside sees."""


class Grant(Struct, frozen=True):
    """`offer`: as `Send.offer` and templates have it, None: none. `spent`: its campaign's account with it. `refused`: ends `budget`."""

    offer: dict[str, Any] | None
    values: dict[str, Any]
    """For the decision."""
    new: bool = False
    """She did not hold it before."""
    spent: Spent | None = None
    refused: bool = False


def campaign(plan: Plan) -> str | None:
    """The campaign that pays for what the message offers, if one does."""
    told = plan.values.get("offer")
    return told.get("campaign") if isinstance(told, dict) and "withheld" not in told else None


def granted(
    plan: Plan, of: Offering, shop: tuple[Items, Families], secret: str, budgets: Budgets | None, spent: Spent | None, partition: int
) -> Grant | None:
    """What becomes of the offer that was planned; None: none was. `shop`: its catalogue. `spent`: of its campaign in this partition."""
    told = plan.values.get("offer")
    if not told:
        return None
    told = {"path": ["row"], "sensitivity": 0.5, "clv": 0.0, "conversion": of.conversion, **told}  # planned by an earlier version
    about = _about(plan.view)
    margin, assumed = _margin(of, [_margin_of(one, *shop) for one in about])
    cap = offers.most(of, margin)
    asked = told["discount"]
    if told["path"][-1] == FORMULA:
        asked = offers.optimal_discount(of, told["sensitivity"], margin, told["clv"])
    rate = offers.capped(asked, cap)
    values = {**told, "asked": told.get("asked", asked), "margin": round(margin, PLACES), "cap": round(cap, PLACES), "discount": rate}
    values["path"] = [*told["path"], *(("cap",) if rate < asked else ())]
    if assumed:
        values["margin_assumed"] = True
    if (price := _price(told, about, shop[0])) is not None:
        conversion = offers.expected_conversion(told["conversion"], told.get("elasticity", 1.0), rate)
        values["expected_conversion"] = round(conversion, PLACES)
        values["expected_revenue"] = round(offers.expected_revenue(price, rate, conversion), PLACES)
    why = told.get("withheld")
    after: Spent | None = None
    if why is None and told.get("held"):
        why = "cap" if rate < asked else None  # rule 3 of given.py: she keeps what she holds, and this message is silent about it
    elif why is None and not rate and not told.get("benefits"):
        why = "nothing_left"
    elif why is None and (name := told.get("campaign")) is not None:
        cost = _units(told.get("up_to")) if rate else 0
        before = spent or Spent()
        # Budgets in another currency than the pack's amounts say nothing about them.
        share = budgets.share(name, partition) if budgets is not None and budgets.currency == of.currency else 0
        values["campaign_left"] = money.text(max(0, share - before.units))
        if before.units + cost > share:
            why = "campaign_budget"
        else:
            after = before.plus(cost)
    if why is not None:
        values["withheld"] = why
        return Grant(None, values, refused=told.get("without") == BUDGET)
    if not told.get("held"):
        values["code"] = offer_code.code(secret, plan.send_id)
    shown = {name: values.get(name) for name in SHOWN if name in values}
    return Grant(shown, values, not told.get("held"), after)


def told_in(plan: Plan, grant: Grant) -> Plan:
    """The plan with the offer as it was granted: what templates read, and what the decision says of it."""
    return replace(plan, values={**plan.values, "offer": grant.values}, view={**plan.view, "offer": _view(grant.offer or {})})


def _view(offer: dict[str, Any]) -> dict[str, Any]:
    """The offer as templates read it: amounts as plain texts, `{{ offer.up_to | money: offer.currency }}`."""
    told = {name: value for name, value in offer.items() if name not in ("up_to", "minimum_order")}
    for name, field in (("up_to", "up_to"), ("minimum", "minimum_order")):
        if (one := offer.get(field)) is not None:
            told |= {name: one["amount"], "currency": one["currency"]}
    return told


def _about(view: dict[str, Any]) -> list[tuple[str, str]]:
    """(product id, family) of the products that the message is about, as far as they have either."""
    told = [one for holder in (view.get("window"), view.get("order")) for one in (holder or {}).get("products") or ()]
    event = view.get("event") or {}
    compared = event.get("product_ids")
    told += [event, *({"product_id": one} for one in (compared if isinstance(compared, list) else ()))]
    ids: dict[str, str] = {}
    families: dict[str, str] = {}
    for one in told:
        if isinstance(one, dict):
            product_id, group_id = str(one.get("product_id") or ""), str(one.get("item_group_id") or "")
            found = ids if product_id else families
            found[product_id or group_id] = group_id or found.get(product_id, "")
    return [*ids.items(), *(("", group_id) for group_id in families if group_id)]


def _margin_of(named: tuple[str, str], items: Items, families: Families) -> float | None:
    """Of one product; of one that the catalogue does not have, such as the parent of its sizes, the least of its family."""
    product_id, group_id = named
    item = items(product_id) if product_id else None
    if item is not None and item.margin is not None:
        return item.margin
    families_of = dict.fromkeys((group_id, item.group_id if item is not None else "", product_id))
    known = [one.margin for name in families_of if name for one in families(name) if one.margin is not None]
    return min(known, default=None)


def _margin(of: Offering, about: list[float | None]) -> tuple[float, bool]:
    """The least margin of what the message is about, at most the pack's default, and whether any of it was assumed.

    A code takes something off the whole order, so a rich margin of one thing must not pay for whatever else lies in the cart; the mean of
    a cart would be right only as long as she buys all of it. What is recommended beside it does not count: she has not asked for it.
    """
    known = [margin for margin in about if margin is not None]
    return max(0.0, min([of.default_margin, *known])), len(known) < len(about) or not about


def _price(told: dict[str, Any], about: list[tuple[str, str]], items: Items) -> float | None:
    """What A-152 calls the price: of the one product that the message is about, else what the order is expected to come to."""
    item = items(about[0][0]) if len(about) == 1 else None
    now = price_now(item) if item is not None else None
    if now is not None:
        return now / money.UNITS
    value = told.get("order_value")
    return float(value) if value else None


def _units(told: dict[str, Any] | None) -> int:
    return (money.units(told["amount"]) or 0) if told else 0
