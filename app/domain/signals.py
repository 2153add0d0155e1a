"""Counted signals of every other kind: searches, downloads, advertisements, social, support, surveys (A-010, A-012, A-023–A-026)."""

from __future__ import annotations

from msgspec import Struct


class Signal(Struct, frozen=True, array_like=True):
    """Events of one type. `last` in ms. `kinds`: which of them, by network, content type, query …; the rarest give way."""

    count: int = 0
    last: int = 0
    kinds: dict[str, int] = {}
