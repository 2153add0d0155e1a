"""How relevant content of a category is to her: its click-through rate (A-068)."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.response import Rates


def rates(mails: Mapping[str, Rates]) -> dict[str, float]:
    """Category → share of the mails about it that she clicked in."""
    return {name: seen.click_rate for name, seen in mails.items()}
