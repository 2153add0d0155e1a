"""What ends a window before its time, and what arrived before a window opened and ends it at once (interface.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import concluded, lookback, repeats, scope, window
from app.domain.effects import Keep
from app.domain.lookback import LookBack
from app.domain.scope import PURCHASED, PURCHASES, Subject
from app.domain.trigger import Condition, Facts, Trigger
from app.domain.window import Latest, Window

if TYPE_CHECKING:
    from app.domain.scheduler import Scheduler

MAX_LATEST = 20
"""Kinds of events whose newest is kept; a pack that cancels on more forgets the one that came longest ago."""
SHRINKS = ("cart_remove", "refund")
"""Events that take something out of a window whether its row names them or not."""
DELIVERED = "order_delivered"
NOBODY: frozenset[str] = frozenset()


def cancel(turn: Scheduler, subject: Subject) -> None:
    """Cancels every open window whose row names the event; a cart that only shrinks goes on. What counts towards one starts anew."""
    if turn.counts:
        for row in turn.pack.cancels.get(subject.kind, ()):
            for rule in row.cancels:
                if row.opening.count > 1 and subject.kind in rule.on and row.hears(subject):
                    turn.counts = repeats.without(turn.counts, row.name, rule.scope, subject)
    ref, ended = turn.pack.ref, turn.pack.ended_by.get(subject.kind, NOBODY)
    shrinks = subject.kind in SHRINKS
    for one in [one for one in turn.windows if shrinks or one.trigger in ended or one.ref != ref]:
        if one.closing:
            continue
        row = turn.row(one)
        after = affected(one, subject)
        if holds(turn, after, row, subject):
            turn.stop(after, row, "cancelled", "cancelled_by_event", subject.cause)
        elif after is not one:
            moved = turn.restarted(after, row, subject.ts) if subject.kind == "cart_remove" else after
            turn.windows[turn.at(one.window_id)] = moved


def holds(turn: Scheduler, one: Window, row: Trigger, subject: Subject) -> bool:
    """Whether `subject` cancels the window as it stands after it."""
    rules = row.ends.get(subject.kind)
    if rules is None or not row.hears(subject):
        return False
    standing = subject.kind in concluded.STANDINGS
    for rule in rules:
        if scope.concerns(rule.scope, one.key, one.product, subject):
            if standing and not concluded.ends(one.kind, window.properties(one), subject.kind, subject.properties):
                continue
            if rule.when is None or _applies(turn, rule.when, one, subject):
                return True
    return False


def _applies(turn: Scheduler, when: Condition, one: Window, subject: Subject) -> bool:
    """Whether a cancel's condition holds: of the event that would cancel, and of the window as it stands after it."""
    told: Facts = {}
    if "event" in when.reads:
        told["event"] = subject.properties
    if "window" in when.reads:
        orders, names = turn.see.orders if one.scope == scope.ORDER else None, when.window_keys
        told["window"] = window.facts(one, orders, whole=names is None or window.PRODUCTS in names)
    return when.evaluate(told).holds


def past(turn: Scheduler, one: Window, row: Trigger) -> list[Subject]:
    """What arrived before the opening and may end it or set it going."""
    if not row.looks_past:
        return earlier(turn, one.event_at)
    return elsewhere(one, row, turn.see.lookback, turn.latest, turn.see.now)


def elsewhere(one: Window, row: Trigger, known: LookBack, latest: Latest, now: int) -> list[Subject]:
    """What is `known`, of her or of whom she turns out to be, that may end the window or set it going."""
    whatever = {kind for rule in row.cancels if rule.before for kind in rule.on} | ({DELIVERED} if row.delivery else set())
    since = now - lookback.WINDOW_MS
    told = lookback.after(known, since)
    return [past for past in told if past.ts > one.event_at or past.kind in whatever] + blunt(latest, max(one.event_at, since))


def earlier(turn: Scheduler, ts: int) -> list[Subject]:
    """Cancel-type events that arrived before, but happened after `ts`; looked back for 48 h."""
    oldest = turn.see.now - lookback.WINDOW_MS
    since = ts if ts > oldest else oldest
    newest = blunt(turn.latest, since) if turn.latest else []
    return lookback.after(turn.see.lookback, since) + newest if turn.part.newest_cancel > since else newest


def blunt(latest: Latest, since: int) -> list[Subject]:
    """The newest event of each kind that cancels whatever it is about, where that happened after `since`."""
    return [Subject(kind, cause, ts, {}, products=()) for kind, cause, ts in latest if ts > since]


def remember(turn: Scheduler, subject: Subject) -> None:
    """Keeps a cancel-type event for openings that arrive after it."""
    if subject.kind in concluded.TOLD or (subject.behaviour and not turn.tracked()):
        return  # what was true before that which opens a window now ends nothing
    if subject.kind in turn.pack.blunt:
        kind, latest = subject.kind, turn.latest
        if all([one[2] < subject.ts for one in latest if one[0] == kind]):
            turn.latest = (*[one for one in latest if one[0] != kind], (kind, subject.cause, subject.ts))[-MAX_LATEST:]
        return
    turn.newest_cancel = max(turn.newest_cancel, subject.ts)
    turn.effects.append(Keep("lookback", lookback.kept(turn.see.lookback, subject, turn.see.now, turn.pack.looks)))


def affected(one: Window, subject: Subject) -> Window:
    """The window after an event that takes something out of it; the same object if it does not."""
    if subject.kind == "cart_remove" and one.kind == "cart_add":
        return window.without(one, subject)
    if subject.kind == "refund" and one.scope == scope.ORDER and subject.order_id == one.key:
        return window.refunded(one, subject)
    return one


def would(row: Trigger, viewed: Subject, by: Subject) -> bool:
    """Whether `by`, the raw event that tells a view's dwell, is itself a cancel of the window that view would open."""
    kinds = PURCHASED if by.kind in PURCHASES else (by.kind,)
    for rule in [rule for kind in kinds for rule in row.ends.get(kind, ())]:
        if rule.when is None:
            about = viewed.products[0] if viewed.products else scope.NO_PRODUCT
            if scope.concerns(rule.scope, scope.key(row.opening.scope, viewed) or "", about, by):
                return True
    return False
