"""Spans of time in milliseconds, the unit of every instant inside."""

from __future__ import annotations

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FOREVER = 2**62
"""Later than any instant: what is so until then never changes by the passing of time alone."""


def whole_days(since: int, now: int) -> int:
    """Elapsed whole days between two instants (ms); none if `since` still lies ahead."""
    return (now - since) // DAY_MS if now > since else 0
