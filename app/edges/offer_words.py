"""Why a message made the offer it made, or none: the values of its decision in words."""

from __future__ import annotations

from typing import Any

PATH = {
    "row": "the trigger's row says so, which goes before tier and formula",
    "tier": "as her tier is offered",
    "no_tier": "she has no tier",
    "formula": "by the formula",
    "kept": "at the rate of the first offer of its kind, since waiting makes none better or worse",
    "held": "the one she holds, with its code",
    "cap": "cut to the cap",
}
WITHHELD = {
    "budget_per_person": "what she may be given within a quarter is used up",
    "too_many_offers": "she holds as many as are remembered",
    "campaign_budget": "its campaign has nothing left here",
    "cap": "what she holds is above the cap of what this message is about; she keeps it",
    "nothing_left": "nothing is left of it",
}
FIGURES = (
    "margin",
    "cap",
    "sensitivity",
    "clv",
    "tier",
    "persona",
    "budget_left",
    "campaign",
    "campaign_left",
    "expected_conversion",
    "expected_revenue",
)


def lines(told: dict[str, Any]) -> list[str]:
    """What was offered, why, and the figures it went by."""
    withheld = told.get("withheld")
    rate = f"{100 * float(told.get('discount') or 0):g} % off"
    benefits = ", ".join(str(one).replace("_", " ") for one in told.get("benefits") or ())
    what = ", ".join(part for part in (rate if told.get("discount") else "", benefits) if part) or "nothing"
    head = f"offer: {told.get('kind')}, {what}"
    if withheld:
        head = f"offer: none; {told.get('kind')} was withheld: {WITHHELD.get(str(withheld), str(withheld))}"
    elif told.get("code"):
        head += f", code {told['code']}, until {str(told.get('expires_at'))[:10]}"
    why = "; ".join(PATH.get(str(one), str(one)) for one in told.get("path") or ())
    asked = told.get("asked")
    if isinstance(asked, int | float) and asked != told.get("discount"):
        why += f" (asked for was {100 * asked:g} %)"
    seen = [f"{name.replace('_', ' ')} {told[name]}" for name in FIGURES if told.get(name) is not None]
    if told.get("margin_assumed"):
        seen.append("the margin is assumed")
    return [head, *([f"offer made: {why}"] if why else []), *([f"offer by: {', '.join(seen)}"] if seen else [])]
