"""A window's chain of messages: what becomes of a due step, and which step comes next (interface.md section 6).

Every step that was armed ends exactly once: sent (the renderer writes that), cancelled or not_sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain import (
    arbitration,
    creative,
    experiments,
    foreseen,
    gate,
    given,
    goals,
    groups,
    holding,
    merging,
    offering,
    originals,
    plan,
    scope,
    window,
)
from app.domain.decision import decide
from app.domain.effects import Conclude, Tell
from app.domain.gate import Answer
from app.domain.message import speaks
from app.domain.moment import LOST
from app.domain.offers import Offer
from app.domain.reach import EMAIL
from app.domain.scope import SEND
from app.domain.trigger import Condition, Step, Trigger
from app.domain.window import MAX_ASKED, Sent, Window
from app.events import Conclusion, NotRendered, Rendered

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler

ENDS = frozenset(("condition_false", "no_consent", "unsubscribed", "suppressed", "no_address", "erased", "bot"))
"""Reasons that end a programme though its row goes on after any other."""
MAIL_SENT = "mail_sent"
"""A conclusion: a mail of ours has gone out. Drawn where the pack has a trigger that opens on it."""
MAX_SENT = 200
"""Marks of last sends kept for `again`; the oldest gives way, which can only make Kairos speak sooner."""


def step_of(row: Trigger, number: int) -> Step:
    """The step of a number; a programme repeats its last."""
    return row.steps[min(number, len(row.steps) - 1)]


def exists(row: Trigger, number: int) -> bool:
    """Whether the chain has a step of this number."""
    beyond = number - len(row.steps) + 1
    return beyond <= 0 or (row.programme is not None and (not row.programme.times or beyond < row.programme.times))


def wait_of(row: Trigger, number: int, every: int = 0) -> int:
    """Ms from the due_at of the step before to that of this one. `every`: the window's own interval, if it has one."""
    return every or row.programme.every if row.programme is not None and number >= len(row.steps) else row.steps[number].wait


def arm_wait(turn: Scheduler, one: Window) -> int | None:
    """The first wait of the arm that the window is in, if that has its own."""
    return next((arm.wait for _, arm in experiments.chosen(turn.version(one), one.trigger, one.arms) if arm.wait is not None), None)


def fire(turn: Scheduler, due_now: Iterable[Window]) -> None:
    """Takes due windows through the gate, one by one: first what has run out of time, which frees groups, then by arbitration."""
    if merging.waits(turn.see.person.merging):
        due_now = holding.merging(turn, due_now)
    asking: list[Window] = []
    for one in due_now:
        if one.send_id:  # nobody answered before its message expired; a later answer changes nothing any more
            _next(turn, one, turn.row(one), "expired", recorded=True)
        elif one.awaits:
            _next(turn, one, turn.row(one), "expired")
        else:
            asking.append(one)
    for one in arbitration.ordered(turn, asking):
        row = turn.row(one)
        _pass(turn, one, row, step_of(row, one.step))


def _pass(turn: Scheduler, one: Window, row: Trigger, step: Step) -> None:
    """One due step: it ends, it is held, or it goes."""
    answer = gate.ask(one, row, step, turn.pack, turn.see, turn.contacts, partial(_has_text, turn, one, step))
    if answer.reason is None:
        answer = groups.ask(turn, one, row, answer)
    # So that a digest can say what a place that was lost cost; to a group it is lost at once, or when the group's first message goes out.
    if (answer.wake_at or answer.reason == groups.REASON) and (worth := arbitration.worth(one, row, turn)):
        answer.values["expected_value"] = round(worth, 2)
    if answer.reason is not None:
        if holding.dropped(turn, one, answer):
            _next(turn, one, row, LOST, answer.values)
        elif answer.wake_at:
            holding.hold(turn, one, answer)
        else:
            _next(turn, one, row, answer.reason, answer.values)
        return
    message, offer = _message(turn, one, step, answer.values)
    send_id = plan.send_id(one)
    released = replace(one, held="", released_at=turn.see.now) if one.first_at else one
    if offer is not None:
        offering.offered(turn, one, row, offer, answer.values, "" if one.silent else send_id)
    if one.silent:
        _unspoken(turn, released, row, message, answer)
        return
    choice = _creative(turn, one, message, answer.values, send_id)
    answer.values.update(foreseen.noted(turn.see, one))
    if one.arms:  # as the decision on who gets none has them: each tells its arm by itself
        answer.values["arms"] = dict(one.arms)
    planned = plan.plan(one, row, message, answer, turn.see, send_id, choice)
    turn.effects.append(planned)
    holding.reserve(turn, row, planned.plan)
    turn.windows[turn.at(one.window_id)] = replace(released, send_id=planned.plan.send_id, wake_at=planned.plan.expires_at, creative=choice)


def answered(turn: Scheduler, record: Rendered | NotRendered) -> None:
    """The renderer's answer: the next step waits from the due_at of this one, or the rest ends with it."""
    rendered = isinstance(record, Rendered)
    holding.settle(turn, record.send_id, rendered)
    turn.offers = given.answered(turn.offers, record.send_id, record.offer if isinstance(record, Rendered) else {})
    one = next((one for one in turn.windows if one.send_id == record.send_id), None)
    if one is None:
        return
    row = turn.row(one)
    if isinstance(record, NotRendered):
        _next(turn, one, row, record.reason, recorded=True)
        return
    if record.channel == EMAIL and MAIL_SENT in turn.pack.opens:
        turn.effects.append(Conclude(_mailed(turn, one, record)))
    if one.creative:
        turn.effects.append(Tell(creative.sent(record.at, record.message, one.creative)))
    if turn.pack.answers or one.creative:
        turn.originals = originals.kept(turn.mails(), originals.of(one, one.send_id, record.message, row.opening.scope == SEND))
    for other in tuple(turn.windows):
        if other.held == groups.REASON and not other.closing and groups.shared(turn, other, one):
            if one.trigger in (theirs := turn.row(other)).takes_over:
                holding.again(turn, other)
            else:
                _next(turn, other, theirs, groups.REASON, groups.seen(row, one))
    groups.taken_over(turn, one, row)
    _went(turn, one, row)


def _mailed(turn: Scheduler, one: Window, record: Rendered) -> Conclusion:
    """That a mail of ours has gone out, so that another channel may follow where it is not opened (A-124). Its cause is the message."""
    told = {"send_id": one.send_id, "trigger": one.trigger, "message": record.message, "step": one.step}
    return Conclusion(record.at, turn.see.person_id, MAIL_SENT, one.trigger, record.at, one.send_id, {"event": told})


def _unspoken(turn: Scheduler, one: Window, row: Trigger, message: str, answer: Answer) -> None:
    """A message to somebody who gets none, so that the others' can be measured: recorded, and the chain goes on as if it was sent."""
    values = {**answer.values, "message": message, "arms": dict(one.arms)}
    turn.effects.append(decide(one, turn.see, "not_sent", one.step, one.silent, None, one.due_at, values))
    _went(turn, replace(one, send_id=plan.send_id(one)), row)


def _went(turn: Scheduler, one: Window, row: Trigger) -> None:
    """The present step has gone out, or would have: its marks, then the next step."""
    _mark(turn, one, row)
    if row.goal is not None:
        mine = goals.awaited(row, one.window_id, one.send_id, one.step, turn.see.now, one.arms, one.silent)
        turn.goals = goals.awaiting(turn.goals, mine)
    following = one.step + 1
    if one.closing or not exists(row, following):
        del turn.windows[turn.at(one.window_id)]
    else:
        asked = (*one.asked, turn.see.now)[-MAX_ASKED:] if row.programme is not None else ()
        _arm(turn, replace(one, sent=one.sent if one.silent else one.sent + 1, asked=asked), row, following)


def _next(turn: Scheduler, one: Window, row: Trigger, reason: str, values: dict[str, Any] | None = None, recorded: bool = False) -> None:
    """The present step did not go out: it ends so (`recorded`: somebody has said so already), and all up to one that comes regardless.

    A programme ends when its condition does, and when she cannot be written to, whatever its row says.
    """
    if one.closing:
        del turn.windows[turn.at(one.window_id)]
        return
    if not recorded:
        turn.effects.append(decide(one, turn.see, "not_sent", one.step, reason, None, one.due_at, values))
    number = one.step + 1
    while exists(row, number):
        repeats = number >= len(row.steps)
        if step_of(row, number).after == "any" and not (repeats and reason in ENDS):
            _arm(turn, one, row, number)
            return
        if repeats:
            break
        turn.effects.append(decide(one, turn.see, "not_sent", number, reason, None, None, values))
        number += 1
    del turn.windows[turn.at(one.window_id)]


def _arm(turn: Scheduler, one: Window, row: Trigger, number: int) -> None:
    """The step of this number waits from the due_at of the one before it, of one that was held from its release, whatever lies between."""
    # A hold that ran out is over now: counted from its due_at, what follows it would be late before it begins.
    since = one.released_at or (turn.see.now if one.first_at else one.due_at)
    due_at = since + sum(wait_of(row, step, one.every) for step in range(one.step + 1, number + 1))
    wake_at = max(due_at, turn.see.now + 1)
    armed = replace(one, step=number, send_id="", due_at=due_at, wake_at=wake_at, held="", first_at=0, released_at=0)
    turn.windows[turn.at(one.window_id)] = armed
    values = {"message": step_of(row, number).message}
    turn.effects.append(decide(armed, turn.see, "scheduled", number, due_at=due_at, values=values))


def _has_text(turn: Scheduler, one: Window, step: Step, channel: str) -> bool:
    """Whether the message of a due step can be written in a channel."""
    return speaks(turn.version(one).messages[_message(turn, one, step, {})[0]], channel)


def _message(turn: Scheduler, one: Window, step: Step, values: dict[str, Any]) -> tuple[str, Offer | None]:
    """The message of a due step and what it offers: its arm's, else of the first choice that holds, else the row's."""
    if not one.step:
        for name, arm in experiments.chosen(turn.version(one), one.trigger, one.arms):
            if arm.message is not None:
                values["chosen"] = f"{name}: {arm.name}"
                return arm.message, None
    chosen = gate.choose(step.choices, one, turn.see) if step.choices else None
    if chosen is not None:
        values["chosen"] = chosen.when.text
        return chosen.message, chosen.offer
    return step.message, step.offer


def _creative(turn: Scheduler, one: Window, message: str, values: dict[str, Any], send_id: str) -> creative.Chosen:
    """Which subject line, picture and button the message gets."""
    variants = turn.version(one).variants_of.get(message)
    if not variants:
        return ()
    population = turn.see.population

    def holds(when: Condition) -> bool:
        return when.evaluate(gate.gather(when, window.properties(one), turn.see, one)).holds

    choice = creative.chosen(variants, population.names if population is not None else {}, send_id, holds)
    values["creative"] = dict(choice)
    return choice


def _mark(turn: Scheduler, one: Window, row: Trigger) -> None:
    """Remembers that a message of this scope went out, for as long as `again` holds."""
    if not row.again:
        return
    now = turn.see.now
    others = [old for old in turn.sent if old.until > now and not (old.trigger == one.trigger and same_scope(old, one))]
    turn.sent = (*others, Sent(one.trigger, one.product, now + row.again))[-MAX_SENT:]


def same_scope(mark: Sent, one: Window) -> bool:
    """Whether a mark of the window's trigger is about what the window is about."""
    return one.scope == scope.PERSON or mark.product.same(one.product)
