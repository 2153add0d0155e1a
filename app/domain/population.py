"""Figures of everybody: how her value, her recency and her frequency compare with others' (A-059, A-086, A-088; X-02).

A figure is a histogram over fixed bins. It is kept current by -old/+new changes, so that nobody has to look at everybody.
"""

from __future__ import annotations

from msgspec import Struct


class Population(Struct, frozen=True):
    """As published. `figures`: name → bin → people in it."""

    as_of: int = 0
    """ms."""
    figures: dict[str, dict[int, int]] = {}
