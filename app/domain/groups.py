"""Suppression groups: one conversation about one product, or with one person, at a time (X-11).

Who is sent holds the group until its window ends. While its first message is only planned the others wait: if that never goes out they
may, if it does they end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.domain import scope, window
from app.domain.gate import Answer, expires_at
from app.domain.trigger import Trigger
from app.domain.window import Window

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler

REASON = "suppression_group"


def ask(turn: Scheduler, one: Window, row: Trigger, answer: Answer) -> Answer:
    """The answer of a window that has passed all other gates, after its group."""
    if row.group is None or row.transactional:
        return answer
    planned: Window | None = None
    for other in turn.windows:
        if not (other.sent or other.send_id) or not shared(turn, one, other):
            continue
        if other.sent:
            return Answer(REASON, answer.values | seen(row, other))
        if planned is None or other.wake_at < planned.wake_at:
            planned = other
    if planned is None:
        return answer
    wake_at = min(planned.wake_at, expires_at(one, row, turn.see.now))
    return Answer(REASON, answer.values | seen(row, planned), answer.address, answer.channel, wake_at)


def shared(turn: Scheduler, one: Window, other: Window) -> bool:
    """Whether both windows speak for one group, and about the same."""
    name = turn.row(one).group
    group = turn.pack.groups.get(name or "")  # the pack now active may have no such group
    if group is None or other.window_id == one.window_id or other.silent or turn.row(other).group != name:
        return False
    return group.scope != scope.PRODUCT or any(a.same(b) for a in window.products(one) for b in window.products(other))


def seen(row: Trigger, holder: Window) -> dict[str, Any]:
    """Who holds the group, for a decision."""
    return {"group": row.group, "held_by": holder.trigger, "window_id": holder.window_id}
