"""What a shop says about a person, kept within limits; her address and name among it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from email_validator import EmailNotValidError, validate_email

MAX_TRAITS = 50
MAX_NAME = 64
MAX_TEXT = 500
MAX_NESTED = 1_000
"""Encoded bytes of a list or object."""
MAX_WHOLE = 2**63
MAX_TAKEN = 10
"""Traits that were taken away, or gave way, of which it is kept when."""

Instants = dict[str, int]
"""Trait → when it was last spoken of, in s."""

_encode = msgspec.msgpack.Encoder().encode


def told(traits: dict[str, Any], news: object) -> dict[str, Any]:
    """Traits after `identify` or `profile_update`: null takes one away, what is too large is left out, beyond MAX_TRAITS the oldest go."""
    if not isinstance(news, dict):
        return traits
    traits = dict(traits)
    for name, value in news.items():
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            continue
        if value is None:
            traits.pop(name, None)
        elif (kept := _kept(value)) is not None:
            traits.pop(name, None)  # said again: the newest
            traits[name] = kept
    while len(traits) > MAX_TRAITS:
        del traits[next(iter(traits))]
    return traits


def newer(instants: Instants, news: dict[str, Any], at: int) -> dict[str, Any]:
    """Those of `news`, told at `at` (ms), that no later word speaks against; of one second the word that arrives last counts."""
    second = at // 1000
    return {name: value for name, value in news.items() if second >= instants.get(name, 0)}


def said(traits: dict[str, Any], instants: Instants, news: dict[str, Any], at: int) -> tuple[dict[str, Any], Instants]:
    """Traits, and when each was last spoken of, after news that are `newer`. Beyond MAX_TRAITS those told longest ago go."""
    traits, instants = dict(traits), dict(instants)
    for name, value in news.items():
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            continue
        if value is None:
            traits.pop(name, None)
        elif (kept := _kept(value)) is not None:
            traits[name] = kept
        else:
            continue
        instants[name] = at // 1000
    return bounded(traits, instants)


def union(mine: dict[str, Any], mine_at: Instants, theirs: dict[str, Any], theirs_at: Instants) -> tuple[dict[str, Any], Instants]:
    """Of two people as one the later word on each; where no time tells which that is, hers."""
    traits = dict(mine)
    for name in {**theirs, **theirs_at}:
        if theirs_at.get(name, 0) > mine_at.get(name, 0) or (name not in mine and name not in mine_at):
            traits.pop(name, None)
            if name in theirs:
                traits[name] = theirs[name]
    instants = {name: max(mine_at.get(name, 0), theirs_at.get(name, 0)) for name in {**mine_at, **theirs_at}}
    return bounded(traits, instants)


def bounded(traits: dict[str, Any], instants: Instants) -> tuple[dict[str, Any], Instants]:
    """Within the limits, of what is there and of what was taken away."""
    while len(traits) > MAX_TRAITS:
        del traits[min(traits, key=lambda name: (instants.get(name, 0), name))]
    if len(instants) > len(traits) + MAX_TAKEN:
        taken = sorted((name for name in instants if name not in traits), key=lambda name: (instants[name], name))
        for name in taken[: len(taken) - MAX_TAKEN]:
            del instants[name]
    return traits, instants


def _kept(value: object) -> object:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -MAX_WHOLE <= value < MAX_WHOLE else None
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list | dict):
        try:
            return value if len(_encode(value)) <= MAX_NESTED else None
        except (TypeError, OverflowError):  # a number beyond 64 bits inside
            return None
    return None


def sane_address(value: object) -> str | None:
    """The mail address, trimmed, domain in lower case; None unless it can be written to and put into a header as it is (A-244)."""
    return _address(value) if isinstance(value, str) and len(value) <= MAX_TEXT else None


@lru_cache(maxsize=4_096)  # it is asked at every message
def _address(value: str) -> str | None:
    text = value.strip(" ")
    local, _, domain = text.rpartition("@")
    # The checker lets nothing pass that could end or split a header; this does not depend on it.
    if len(local.encode("utf-8", "replace")) > 64 or any(
        letter in ' "(),:;<>@[]\\' or not letter.isprintable() for letter in local + domain
    ):
        return None
    # `.invalid` leads nowhere by design (RFC 6761), which is what simulations and demos want of it.
    checked = f"{local}@{domain.lower().removesuffix('.invalid')}.example" if domain.lower().endswith(".invalid") else text
    try:
        validate_email(checked, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError:
        return None
    return f"{local}@{domain.lower()}"


def full_name(traits: dict[str, Any]) -> str | None:
    """`first_name last_name` (Segment: `firstName lastName`), else `name`; without control characters. None if not told."""
    first, last = _text(traits, "first_name", "firstName"), _text(traits, "last_name", "lastName")
    whole = f"{first} {last}" if first or last else _text(traits, "name")
    if not whole.isprintable():
        whole = "".join(letter if letter.isprintable() else " " for letter in whole)
    return " ".join(whole.split()) or None


def _text(traits: dict[str, Any], *names: str) -> str:
    for name in names:
        if isinstance(value := traits.get(name), str):
            return value
    return ""
