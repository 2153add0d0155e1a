"""Rows of a pack about people's standing, compiled: the segments that bands make, and all predicates as one (A-070–A-107)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import facts
from app.domain.lifecycle import StageScheme
from app.domain.segments import BandScheme, Predicate, Segment, Verdicts
from app.domain.tiers import TierScheme
from app.domain.treatments import By, Treatment
from app.policy import predicate
from app.policy.conditions import BadCondition
from app.policy.expression import Node, parsed
from app.policy.predicate import FLAGS, MOVES, OPEN, STILL


class Rows(Struct):
    """What a pack says of people's standing, by name; rows of what it extends or includes come first, and its own take their place."""

    stage_schemes: dict[str, StageScheme] = {}
    tier_schemes: dict[str, TierScheme] = {}
    band_schemes: dict[str, BandScheme] = {}
    segments: dict[str, Segment] = {}
    flags: dict[str, Predicate] = {}
    treatments: dict[str, Treatment] = {}
    goes_by: By = By()


def kind_of(path: str) -> str | None:
    """Of a fact, as predicates ask for it."""
    if path in facts.STEP:
        return STILL
    known = facts.known(path)
    return None if known is None else MOVES if known.moves else OPEN


def band_segments(rows: Rows) -> dict[str, Segment]:
    """The segments that the band schemes make, by name."""
    kind = _kind_with(rows)
    return {one.name: one for scheme in rows.band_schemes.values() for one in banded(scheme, kind) if isinstance(one, Segment)}


def banded(scheme: BandScheme, kind: predicate.Kind) -> list[Segment | BadCondition]:
    """The segments of one scheme; of a score that cannot be compared, why."""
    found: list[Segment | BadCondition] = []
    above: str | None = None
    for band in scheme.bands:
        # A score may be a number of either kind: CEL compares both with either.
        asked = [f"({scheme.when})"] if scheme.when != "true" else []
        asked += [f"{scheme.by} {'>' if band.above else '>='} {band.least!r}", *([above] if above is not None else [])]
        above = f"{scheme.by} {'<=' if band.above else '<'} {band.least!r}"
        try:
            found.append(Segment(f"{scheme.name}_{band.name}", scheme.why, predicate.predicate(" && ".join(asked), kind)))
        except BadCondition as error:
            found.append(error)
    return found


def verdicts(rows: Rows) -> Verdicts:
    """All predicates as one."""
    kind = _kind_with(rows)
    flags = [(name, _tree(one)) for name, one in rows.flags.items()]
    schemes = [
        [(one.name, None if one.when is None else _tree(one.when)) for one in scheme.stages] for scheme in rows.stage_schemes.values()
    ]
    segments = [(one.name, _tree(one.when)) for one in (*band_segments(rows).values(), *rows.segments.values())]
    each = {name: one.each for name, one in rows.segments.items() if one.each is not None}
    told = msgspec.json.encode([told_of(one) for one in (rows.stage_schemes, rows.tier_schemes, rows.flags, each)] + [told_of(segments)])
    rules = int.from_bytes(hashlib.blake2b(told, digest_size=7).digest(), "big")
    return Verdicts(predicate.ladders(flags, schemes, kind), predicate.segments(segments, kind, flags), each, rules)


def told_of(told: Any) -> Any:
    """Rows as plain data, predicates by their text."""
    if isinstance(told, Predicate):
        return told.text
    if isinstance(told, Struct):
        return {field: told_of(getattr(told, field)) for field in told.__struct_fields__}
    if isinstance(told, Mapping):
        return [[name, told_of(one)] for name, one in told.items()]
    return [told_of(one) for one in told] if isinstance(told, list | tuple) else told


def _tree(one: Predicate) -> Node:
    return parsed(one.text)


def _kind_with(rows: Rows) -> predicate.Kind:
    return lambda path: STILL if path.startswith(FLAGS) and path.removeprefix(FLAGS) in rows.flags else kind_of(path)
