"""A message as its pack carries it."""

from __future__ import annotations

from msgspec import Struct


class MessageSource(Struct, frozen=True):
    """Liquid sources of one message, MJML already built into `html`."""

    name: str
    subject: str
    preheader: str
    html: str
    text: str
