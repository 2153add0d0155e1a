"""Variants of a pack's TOML: other subject lines, pictures and buttons of its messages (A-179, A-181)."""

from __future__ import annotations

from typing import Any

from app.domain.creative import AS_WRITTEN, FACTORS, SUBJECT
from app.domain.trigger import Variant
from app.policy import conditions
from app.policy.fields import SNAKE, Fields
from app.policy.place import Path

VARIANT = ("name", "why", "message", "factor", "text", "when")
MAX_TEXT = 500
"""Characters of a text."""
MAX_VARIANTS = 20
"""Of one factor of one message: more would take years to tell apart."""


def variants(read: Fields, told: list[dict[str, Any]]) -> dict[str, Variant]:
    """`MESSAGE/FACTOR/NAME` → variant, in the order of the file."""
    found: dict[str, Variant] = {}
    for n, one in enumerate(told):
        place: Path = ("variant", n)
        variant = _variant(read, one, place)
        if variant is None:
            continue
        key = f"{variant.message}/{variant.factor}"
        if f"{key}/{variant.name}" in found:
            read.wrong((*place, "name"), f"{variant.message} has a {variant.factor} {variant.name!r} already")
        elif sum(one.startswith(f"{key}/") for one in found) >= MAX_VARIANTS:
            read.wrong(place, f"{variant.message} has {MAX_VARIANTS} variants of its {variant.factor} already, more than can be told apart")
        else:
            found[f"{key}/{variant.name}"] = variant
    return found


def _variant(read: Fields, told: dict[str, Any], at: Path) -> Variant | None:
    before = len(read.problems)
    read.known(told, at, VARIANT, required=("name", "why", "message", "factor", "text"))
    name = read.text(told, at, "name", SNAKE, "snake_case")
    read.text(told, at, "why")
    message, factor, text = read.text(told, at, "message"), read.one_of(told, at, "factor", FACTORS, SUBJECT), read.text(told, at, "text")
    if name == AS_WRITTEN:
        read.wrong((*at, "name"), f"name: {AS_WRITTEN} is what the message's own files say")
    if text is not None and len(text) > MAX_TEXT:
        read.wrong((*at, "text"), f"text: {len(text)} characters; at most {MAX_TEXT}")
    if text is not None and factor != SUBJECT and ("{{" in text or "{%" in text):
        read.wrong((*at, "text"), f"text: of {factor} it is told to the template as it stands; only a {SUBJECT} is a template itself")
    when = conditions.told(read, told, at, conditions.STEP)
    if len(read.problems) > before or name is None or message is None or text is None:
        return None
    return Variant(name, message, factor, text, when)
