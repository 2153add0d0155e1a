"""Her visits of the shop: stretches of web and shop events no more than 30 minutes apart (A-009, A-055)."""

from __future__ import annotations

from msgspec import Struct


class Visit(Struct, frozen=True, array_like=True):
    """`start`, `end` in ms; the end includes the dwell that its last event told."""

    start: int
    end: int
    pages: int = 0
    adds: int = 0
    visits: int = 1
    """How many this entry stands for: beyond a limit the oldest become one."""
