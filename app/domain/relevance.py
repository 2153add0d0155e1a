"""How relevant content of a category is to her: its click-through rate (A-068)."""

from __future__ import annotations

from collections.abc import Mapping


def rates(sent: Mapping[str, int], clicked: Mapping[str, int]) -> dict[str, float]:
    """Category → clicks over mails, at most 1, sorted by name. Only of categories that mails were sent of."""
    return {name: min(1.0, clicked.get(name, 0) / count) for name, count in sorted(sent.items()) if count}
