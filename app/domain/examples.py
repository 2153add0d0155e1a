"""What conclusions about a person might say, for the preview of a trigger that opens on one which was never drawn of her."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.domain import supplies
from app.domain.concluded import CHURN_LEVEL, ENTERED, LEFT, REORDER, STAGE, TIER
from app.domain.days import DAY_MS
from app.domain.facts import Facts
from app.domain.lookback import named
from app.domain.orders import key_of
from app.domain.trigger import Pack, Trigger
from app.events import iso

if TYPE_CHECKING:
    from app.domain.person_row import Person

Example = tuple[str, str, dict[str, Any]]
"""(kind, value, values) of a conclusion."""


def examples(trigger: Trigger, pack: Pack, her: Person, at: int) -> Iterator[Example]:
    """Every conclusion of the kinds that open the trigger, as it would be drawn of her at `at` (ms)."""
    for kind in trigger.opening.on:
        for value, event in _said(kind, pack, her, at):
            yield kind, value, {"event": event} if kind != REORDER else {"event": event, "products": [event], "order_id": value}


def _said(kind: str, pack: Pack, her: Person, at: int) -> Iterator[tuple[str, dict[str, Any]]]:
    known = Facts(her, at, pack.scoring, None, pack)
    if kind == STAGE:
        for scheme in pack.stage_schemes.values():
            now = her.standing.stages.get(scheme.name, (None, 0))[0]
            for one in scheme.stages:
                yield f"{scheme.name}.{one.name}", {"scheme": scheme.name, "stage": one.name, "before": now}
    elif kind == TIER:
        for scheme_of_tiers in pack.tier_schemes.values():
            before = her.standing.tiers.get(scheme_of_tiers.name)
            for tier in scheme_of_tiers.tiers:
                yield f"{scheme_of_tiers.name}.{tier.name}", {"scheme": scheme_of_tiers.name, "tier": tier.name, "before": before}
    elif kind in (ENTERED, LEFT):
        for name in pack.segments:
            path = pack.verdicts.each.get(name)
            yield name, {"segment": name} if path is None else {"segment": name, "of": str(known.get(path) or "")}
    elif kind == CHURN_LEVEL:
        for level in pack.churn_levels:
            # Just above it: what she will be the moment she reaches it.
            yield level.name, {"level": level.name, "before": None, "risen": True, "probability": level.threshold}
    elif kind == REORDER:
        for supply in her.profile.supplies:
            due, every = supplies.reorder_at(supply), supplies.cycle(supply)
            if due is not None and every is not None:
                when = {"reorder_at": iso(due), "cycle_days": every / DAY_MS, "orders": len(supply.orders)}
                yield key_of(supply.product), {**named(supply.product), **when}
