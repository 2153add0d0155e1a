"""A message as its pack carries it."""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

_RECOMMENDS = re.compile(r"(?<![\w.])recommendations\b")
_PRIMARY = re.compile(r"(?<![\w.])recommendations\.primary_category\b")
_PROFILE = re.compile(r"(?<![\w.])profile\b(?:\.(\w+))?")


class MessageSource(Struct, frozen=True, omit_defaults=True):
    """Liquid sources of one message, MJML already built into `html`; of one that is no mail all of the first four are empty.

    `sms`, `push`: its texts in these channels, empty where it has none; `push_title` stands above the latter. `approved`: whether it may be
    sent (A-183); `approval`, `drafted`: who said so, and who or what wrote it, as its files tell (app/domain/approval.py).
    """

    name: str
    subject: str
    preheader: str
    html: str
    text: str
    sms: str = ""
    push: str = ""
    push_title: str = ""
    approved: bool = True
    approval: str = ""
    drafted: str = ""


def speaks(source: MessageSource, channel: str) -> bool:
    """Whether it can be written in a channel: email, sms or push."""
    return bool({"email": source.html, "sms": source.sms, "push": source.push}[channel])


def texts(source: MessageSource) -> tuple[str, ...]:
    """All of its templates."""
    return source.subject, source.preheader, source.html, source.text, source.sms, source.push, source.push_title


@lru_cache(maxsize=1_000)
def profile_keys(source: MessageSource) -> frozenset[str] | None:
    """Fields of `profile` that its templates name; None: any of them, since it is named as a whole or by an index."""
    found = [name for text in texts(source) for name in _PROFILE.findall(text)]
    return None if "" in found else frozenset(found)


@lru_cache(maxsize=1_000)
def recommends(source: MessageSource) -> bool:
    """Whether its templates read `recommendations`: only then does anybody work them out."""
    return any(_RECOMMENDS.search(text) for text in texts(source))


@lru_cache(maxsize=1_000)
def recommends_primary(source: MessageSource) -> bool:
    """Whether they read those of her primary category (A-172)."""
    return any(_PRIMARY.search(text) for text in texts(source))
