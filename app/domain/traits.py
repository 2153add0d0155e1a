"""What a shop says about a person, kept within limits; her address and name among it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

MAX_TRAITS = 50
MAX_NAME = 64
MAX_TEXT = 500
MAX_NESTED = 1_000
"""Encoded bytes of a list or object."""
MAX_WHOLE = 2**63

_encode = msgspec.msgpack.Encoder().encode
_ADDRESS = re.compile(
    # One @, a dot-atom before it (RFC 5322 3.2.3, also beyond ASCII: RFC 6531), a domain of at least two labels after it; no spaces,
    # controls, quotes, brackets or separators, which could end or split a header.
    r"""[^\s\x00-\x20\x7f-\xa0"(),:;<>@\[\\\]\u2028\u2029.]+(?:\.[^\s\x00-\x20\x7f-\xa0"(),:;<>@\[\\\]\u2028\u2029.]+)*"""
    r"""@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_](?:[\w-]{0,61}[^\W_])?"""
)


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
    """The mail address, trimmed, domain in lower case; None unless it can be written to and put into a header as it is."""
    if not isinstance(value, str):
        return None
    text = value.strip(" ")
    local, _, domain = text.rpartition("@")
    if len(text) > 254 or len(local.encode("utf-8", "replace")) > 64 or _ADDRESS.fullmatch(text) is None:
        return None
    return f"{local}@{domain.lower()}"


def full_name(traits: dict[str, Any]) -> str | None:
    """`first_name last_name` (Segment: `firstName lastName`), else `name`; without control characters. None if not told."""
    parts = (_text(traits, "first_name", "firstName"), _text(traits, "last_name", "lastName"))
    whole = " ".join(part for part in parts if part) or _text(traits, "name")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in whole).split()) or None


def _text(traits: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := traits.get(name), str)), "")
