"""Suppression groups: one conversation about one product, or with one person, at a time (X-11).

Who is sent holds the group until its window ends, but for those rows that take the group over from it. While its first message is only
planned the others wait: if that never goes out they may, if it does they end.
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
        spoken = other.sent and turn.row(other).programme is None
        if not (spoken or other.send_id) or not shared(turn, one, other):
            continue  # a programme has no end: it is silent while others of the group speak, and keeps nobody else from speaking
        if spoken and other.trigger in row.takes_over:
            if not other.send_id:
                continue  # it ends once this one has been written
        elif spoken:
            return Answer(REASON, answer.values | seen(row, other))
        if planned is None or other.wake_at < planned.wake_at:
            planned = other
    if planned is None:
        return answer
    wake_at = min(planned.wake_at, expires_at(one, row, turn.see.now))
    return Answer(REASON, answer.values | seen(row, planned), answer.address, answer.channel, wake_at)


def taken_over(turn: Scheduler, one: Window, row: Trigger) -> None:
    """A message of `one` went out: those from which its row takes the group over end, as if it had been theirs all along."""
    if row.takes_over:
        for other in tuple(turn.windows):
            if other.trigger in row.takes_over and not other.closing and shared(turn, one, other):
                turn.stop(other, turn.row(other), "not_sent", REASON, None, seen(row, one))


def shared(turn: Scheduler, one: Window, other: Window) -> bool:
    """Whether both windows speak for one group, and about the same."""
    name = group_of(turn, one)
    group = turn.pack.groups.get(name or "")  # the pack now active may have no such group
    if group is None or other.window_id == one.window_id or other.silent or group_of(turn, other) != name:
        return False
    return group.scope != scope.PRODUCT or any(a.same(b) for a in window.products(one) for b in window.products(other))


def group_of(turn: Scheduler, one: Window) -> str | None:
    """The group that a window is in: its row's, unless that is said of certain openings alone."""
    row = turn.row(one)
    if row.group is None or row.group_when is None:
        return row.group
    return row.group if row.group_when.evaluate({"event": window.properties(one)}).holds else None


def seen(row: Trigger, holder: Window) -> dict[str, Any]:
    """Who holds the group, for a decision."""
    return {"group": row.group, "held_by": holder.trigger, "window_id": holder.window_id}
