"""Who goes first of several messages that are due together (X-17): priority, then what the message is expected to bring, then age.

Whoever is asked first takes the place; the others are held, and so wait no longer than until they expire: none starves beyond that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.domain import facts, window
from app.domain.scope import ORDER
from app.domain.trigger import Trigger
from app.domain.window import Window

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler


def ordered(turn: Scheduler, due: Iterable[Window]) -> list[Window]:
    """The order in which windows are taken through the gate."""
    several = list(due)
    if len(several) < 2:
        return several

    def place(one: Window) -> tuple[int, float, int, str]:
        row = turn.row(one)
        return row.priority, -worth(one, row, turn), one.due_at, one.window_id

    return sorted(several, key=place)


def worth(one: Window, row: Trigger, turn: Scheduler) -> float:
    """What its message is expected to bring: the share that ends in an order, times what is in the window, else her average order.

    The share is what its row says, else what the pack counts on for its offers; of a value of which nothing is known 0.
    """
    gathered = window.worth(one, turn.see.orders if one.scope == ORDER else None)
    value: float = gathered or facts.of(turn.see).get("profile.average_order") or 0.0
    return (row.converts or turn.pack.offers.conversion) * value
