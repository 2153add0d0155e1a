"""What she is likely to do with the next message, by rule until models exist (A-067, A-069; interface.md section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ORDERS = 5
"""Orders that count in full towards coming back."""
SENT = 2
"""Mails that the prior of a half counts for."""
HOURS = 3


def engagement(opened: int, sent: int) -> float:
    """How likely she is to open the next mail: (opened + 1) / (sent + 2) of 30 d; a half of somebody who got none."""
    return (min(opened, sent) + 1) / (sent + SENT)


def reactivation(email: float, orders: int) -> float:
    """How likely somebody churned is to come back: 0.5 × engagement.email + 0.5 × min(1, orders / 5)."""
    return 0.5 * email + 0.5 * min(1.0, orders / ORDERS)


def personalisation(clicks: Mapping[str, int], sent: int, worth: Iterable[tuple[str, float]]) -> float | None:
    """A-067: Σ weight × clicks in personalised parts of mails by the mails sent, both in 90 d, at most 1. None without mails."""
    return min(1.0, sum(weight * clicks.get(part, 0) for part, weight in worth) / sent) if sent else None


def preferred(counts: Mapping[str, float]) -> str | None:
    """What she takes up most; of equals the first by name. None where she takes up nothing."""
    best = max(sorted(counts), key=counts.__getitem__, default=None)
    return best if best is not None and counts[best] > 0 else None


def best_hours(counts: Mapping[int, int]) -> list[int]:
    """Those with the most opens and clicks, best first; a prior that is the same for every hour changes nothing in their order."""
    return sorted(counts, key=lambda hour: (-counts[hour], hour))[:HOURS]
