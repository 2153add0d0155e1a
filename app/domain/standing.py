"""The segmenter's part of a person: stages, tiers and segments she is in, entered and left by events and by time (A-070–A-107)."""

from __future__ import annotations

from msgspec import Struct

NEVER = -1


class Standing(Struct, frozen=True, array_like=True):
    """`stages`: scheme → (stage, since when in ms). `segments`: name → since when. `tiers`: scheme → tier.

    `counted`: figure → the bin that the population counts her in.
    """

    stages: dict[str, tuple[str, int]] = {}
    segments: dict[str, int] = {}
    tiers: dict[str, str] = {}
    counted: dict[str, int] = {}
    due: int = NEVER
    """When one of them changes by time alone, at the earliest."""
    flags: tuple[str, ...] = ()
    """Flags that hold."""
    rules: int = 0
    """Fingerprint of the pack's rows she was judged by."""
    each: dict[str, str] = {}
    """Segment → what she is in it for, of those that are entered for something."""
