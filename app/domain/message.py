"""A message as its pack carries it."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_PROFILE = re.compile(r"(?<![\w.])profile\b(?:\.(\w+))?")


class MessageSource(Struct, frozen=True):
    """Liquid sources of one message, MJML already built into `html`."""

    name: str
    subject: str
    preheader: str
    html: str
    text: str


@lru_cache(maxsize=1_000)
def profile_keys(source: MessageSource) -> frozenset[str] | None:
    """Fields of `profile` that its templates name; None: any of them, since it is named as a whole or by an index."""
    found = [name for text in (source.subject, source.preheader, source.html, source.text) for name in _PROFILE.findall(text)]
    return None if "" in found else frozenset(found)
