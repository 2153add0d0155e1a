"""What she is likely to do with the next message, by rule until models exist (A-067, A-069; interface.md section 8)."""

from __future__ import annotations

from collections.abc import Mapping

ORDERS = 5
"""Orders that count in full towards coming back."""
SENT = 2
"""Mails that the prior of a half counts for."""
CLICK = 2
"""A click counts as much as two opens."""


def engagement(engaged: int, sent: int) -> float:
    """How likely she is to open the next mail: (opened + 1) / (sent + 2) of 30 d; a half of somebody who got none."""
    return (min(engaged, sent) + 1) / (sent + SENT)


def reactivation(email: float, orders: int) -> float:
    """How likely somebody churned is to come back: 0.5 × engagement.email + 0.5 × min(1, orders / 5)."""
    return 0.5 * email + 0.5 * min(1.0, orders / ORDERS)


def personalisation(opened: int, clicked: int, sent: int) -> float | None:
    """A-067, of personalised messages in 30 d: opens count once, clicks twice, over three times the mails sent. None without one."""
    return min(1.0, (opened + CLICK * clicked) / ((1 + CLICK) * sent)) if sent else None


def preferred(counts: Mapping[str, int]) -> str | None:
    """The kind of content she takes up most (A-018, A-069); of equal ones the first by name."""
    return max(sorted(counts), key=counts.__getitem__, default=None)
