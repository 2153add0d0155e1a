"""A due step that must wait: why and until when, what wakes it before that, and the places that messages on their way have taken.

A held window wakes at the first moment at which nothing keeps it, as far as is known when it is held, at most when it expires. It is asked
again from the first gate on. Only the renderer's answers wake it earlier: a place given back may be its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.domain import contacts, groups
from app.domain.contact_policy import DROP
from app.domain.contacts import Contact
from app.domain.decision import decide
from app.domain.gate import Answer
from app.domain.moment import FREQUENCY_CAP, LOST
from app.domain.trigger import Trigger
from app.domain.window import HELD, Window
from app.events import Plan

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler

MERGING = "merging"
FOR_A_PLACE = (LOST, FREQUENCY_CAP, groups.REASON)
"""Holds that end when a place is given back."""


def hold(turn: Scheduler, one: Window, answer: Answer) -> None:
    """The window waits; a decision says so once for each reason."""
    assert answer.reason is not None
    if answer.reason != one.held:
        values = answer.values if answer.lost_to is None else {**answer.values, "lost_to": _winner(turn, answer.lost_to)}
        turn.effects.append(decide(one, turn.see, "held", one.step, answer.reason, due_at=one.due_at, values=values))
    first_at = one.first_at or turn.see.now
    turn.windows[turn.at(one.window_id)] = replace(one, held=answer.reason, first_at=first_at, wake_at=answer.wake_at)


def _winner(turn: Scheduler, contact: Contact) -> dict[str, str | None]:
    """The message that took the place, as far as its window is still open."""
    won = next((one for one in turn.windows if one.send_id and contacts.mark(one.send_id) == contact.send), None)
    told = {"window_id": None, "send_id": None} if won is None else {"window_id": won.window_id, "send_id": won.send_id}
    return {"trigger": contact.trigger, **told}


def merging(turn: Scheduler, due_now: Iterable[Window]) -> list[Window]:
    """While something of hers is on its way nothing goes out, and each due window is said to be held, once. Returns what sends nothing."""
    silent = []
    for one in due_now:
        if one.send_id or one.awaits:
            silent.append(one)
        else:
            turn.effects.append(decide(one, turn.see, "held", one.step, MERGING, due_at=one.due_at))
            turn.windows[turn.at(one.window_id)] = replace(one, held=MERGING, wake_at=HELD)
    return silent


def dropped(turn: Scheduler, one: Window, answer: Answer) -> bool:
    """Whether it has lost for good: the message that took its place has gone out, and the pack lets nobody wait for the next place."""
    return answer.reason == FREQUENCY_CAP and one.held == LOST and turn.pack.contact.arbitration.losers == DROP


def reserve(turn: Scheduler, row: Trigger, plan: Plan) -> None:
    """The message takes its place among hers from now on, whatever the renderer answers, and should it never answer."""
    if row.transactional or not turn.pack.remembers:
        return
    mine = Contact(plan.at, contacts.mark(plan.send_id), row.name, plan.channel, row.depth)
    turn.contacts, lost = contacts.reserved(turn.contacts, mine, turn.pack.remembers)
    turn.forgotten += lost


def settle(turn: Scheduler, send_id: str, rendered: bool) -> None:
    """The renderer has answered: the place is taken for good, or free. Whoever waits for it is asked again at the next tick."""
    before = turn.contacts
    turn.contacts = contacts.answered(before, send_id, rendered)
    if not rendered:
        wake(turn, (groups.REASON,) if turn.contacts is before else FOR_A_PLACE)
    elif turn.contacts is not before:
        wake(turn, (LOST,))


def wake(turn: Scheduler, reasons: Iterable[str]) -> None:
    """What is held for one of these reasons is due now."""
    for one in tuple(turn.windows):
        if one.held in reasons:
            again(turn, one)


def again(turn: Scheduler, one: Window) -> None:
    """What is held is asked again at the next tick."""
    if turn.see.now < one.wake_at < HELD:
        turn.windows[turn.at(one.window_id)] = replace(one, wake_at=turn.see.now)
