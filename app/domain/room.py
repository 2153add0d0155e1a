"""Room for a person's windows: what gives way when it is used up.

A person who looks at seventy products has two hundred windows before she fills her cart: the cart must find room. Whose place is worst goes
first: the highest `priority`, then what the message is expected to bring (as arbitration.py has it), then the one opened last; a newcomer
has to be better in one of the first two. Transactional windows never give way, and of the limits know only `CEILING`. A window whose
message is with the renderer keeps its place: ending it would free nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop
from operator import attrgetter
from typing import TYPE_CHECKING

from app.domain import arbitration
from app.domain.trigger import Trigger
from app.domain.window import Window

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler

MAX_OPEN = 200
"""Open windows per person; beyond, the worst ends not_sent `window_limit`."""
MAX_BYTES = 96 * 1024
"""Of all open windows, as encoded; beyond, the worst end not_sent `window_limit`."""
CEILING = 128 * 1024
"""The same with transactional ones: a row may have 256 KiB, and one above fails its record, whatever that was about."""
REASON = "window_limit"
_SIZE = attrgetter("size")


def made(turn: Scheduler, one: Window, row: Trigger, others: Sequence[Window]) -> bool:
    """Whether there is room for a window beside the others: where there is none, those of them end that are worse, if that suffices."""
    size = sum(map(_SIZE, others)) + one.size
    if len(others) < MAX_OPEN and size <= MAX_BYTES:
        return True
    count, going = len(others) + 1, []
    worse = _worse(turn, one, row, others)
    while worse and (count > MAX_OPEN or size > MAX_BYTES):
        window = others[heappop(worse)[-1]]
        going.append(window)
        count, size = count - 1, size - window.size
    if size > CEILING or not (row.transactional or (count <= MAX_OPEN and size <= MAX_BYTES)):
        return False
    values = {"open": len(others), "gave_way_to": one.trigger, "window_id": one.window_id}
    for window in going:
        turn.stop(window, turn.row(window), "not_sent", REASON, values=values)
    return True


def _worse(turn: Scheduler, one: Window, row: Trigger, others: Sequence[Window]) -> list[tuple[int, float, int, int, str, int]]:
    """A heap of the windows that may give way to this one, the worst first; last of each is its place among the others."""
    mine: float | None = None
    found: list[tuple[int, float, int, int, str, int]] = []
    for place, other in enumerate(others):
        if other.send_id:
            continue
        its = turn.row(other)
        if its.transactional or (its.priority < row.priority and not row.transactional):
            continue
        worth = arbitration.worth(other, its, turn)
        if its.priority == row.priority and not row.transactional:
            if mine is None:
                mine = arbitration.worth(one, row, turn)
            if worth >= mine:
                continue
        found.append((-its.priority, worth, -other.opened_at, -other.event_at, other.window_id, place))
    heapify(found)
    return found
