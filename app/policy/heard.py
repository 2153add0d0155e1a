"""Which of the many conclusions about where she stands may open anything in a pack, read off the conditions: the rest cost nothing."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.concluded import CHURN_LEVEL, ENTERED, LEFT, STAGE, TIER
from app.domain.lifecycle import StageScheme
from app.domain.tiers import TierScheme
from app.domain.trigger import Trigger
from app.policy.expression import Node, parsed

Texts = frozenset[str]


def heard(triggers: Iterable[Trigger], stages: dict[str, StageScheme], tiers: dict[str, TierScheme]) -> dict[str, Texts]:
    """Kind → the values of a conclusion that may open a row; a kind of which any may is not there."""
    places = {
        STAGE: [(scheme, one.name) for scheme, told in stages.items() for one in told.stages],
        TIER: [(scheme, one.name) for scheme, told in tiers.items() for one in told.tiers],
    }
    found: dict[str, Texts | None] = {}
    for row in triggers:
        node = None if row.opening.when is None else parsed(row.opening.when.text)
        for kind in row.opening.on:
            if kind in places:
                schemes, groups = named(node, "event.scheme"), named(node, f"event.{kind}")
                values: Texts | None = frozenset(
                    f"{scheme}.{group}"
                    for scheme, group in places[kind]
                    if (schemes is None or scheme in schemes) and (groups is None or group in groups)
                )
            elif kind in (ENTERED, LEFT, CHURN_LEVEL):
                values = named(node, "event.level" if kind == CHURN_LEVEL else "event.segment")
            else:
                continue
            before = found.get(kind, frozenset())
            found[kind] = None if before is None or values is None else before | values
    return {kind: values for kind, values in found.items() if values is not None}


def named(node: Node | None, path: str) -> Texts | None:
    """The texts that a path may be where a condition holds, as far as it says so plainly; None: any."""
    if node is None or node.kind != "call":
        return None
    if node.value == "_==_":
        told = [one.value for one in node.of if one.kind == "constant" and isinstance(one.value, str)]
        return frozenset(told) if Node("path", path) in node.of and told else None
    if node.value == "@in" and node.of[0] == Node("path", path):
        listed = node.of[1]
        texts = [one.value for one in listed.of if isinstance(one.value, str)]
        return frozenset(texts) if listed.kind == "call" and listed.value == "list" and len(texts) == len(listed.of) else None
    if node.value in ("_&&_", "_||_"):
        one, other = (named(side, path) for side in node.of)
        if node.value == "_||_":
            return None if one is None or other is None else one | other
        return one if other is None else other if one is None else one & other
    return None
