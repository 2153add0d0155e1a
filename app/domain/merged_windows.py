"""Two people's windows as one person's (design.md 1.6): what either had open goes on, but nothing twice and nothing one of them has ended.

Windows keep their ids, versions and arms. Of two of one trigger and scope the earlier opening goes on, with what the later one gathered;
the other ends, reason `merged`. Each person's windows are checked against what the other did: her own she has met already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from app.domain import cancels, contacts, dwell, given, goals, lookback, originals, repeats, room, scope, window
from app.domain.cancels import MAX_LATEST
from app.domain.chain import MAX_SENT, same_scope
from app.domain.effects import Conclude, Effect, Effects, Keep
from app.domain.lookback import LookBack
from app.domain.room import MAX_BYTES
from app.domain.scheduler import MAX_ONCE, Scheduler, delivered, moved
from app.domain.window import HELD, NEVER, Latest, Sent, Window, Windows

if TYPE_CHECKING:
    from app.domain.person import Meeting, See
    from app.domain.trigger import Trigger


def released(part: Windows, now: int) -> Windows:
    """The windows once nothing is on its way any more: what was held is due at the next tick that knows all that has come."""
    if not any([one.wake_at == HELD for one in part.open]):
        return part
    opened = tuple([replace(one, wake_at=max(one.due_at, now)) if one.wake_at == HELD else one for one in part.open])
    return replace(part, open=opened, next=_next(opened))


def merge(mine: Windows, theirs: Windows, meeting: Meeting, see: See) -> tuple[Windows, Effects]:
    """Every open window of both that may go on, and every mark of both."""
    hers, other = meeting.mine, meeting.theirs
    effects: list[Effect] = []
    if (both := lookback.union(hers.lookback, other.lookback, see.now)) is not hers.lookback:
        effects.append(Keep("lookback", both))
    if (mails := originals.union(hers.originals, other.originals)) is not hers.originals:
        effects.append(Keep("originals", mails))
    opened = mine.open
    if mine.open or theirs.open:
        pack = see.pack if see.pack is not None else see.packs((mine.open or theirs.open)[0].ref)
        meet = _Meet(Scheduler(mine, see, pack))
        meet.check(mine, theirs, other.lookback)
        meet.welcome(theirs, mine, hers.lookback)
        opened, effects = tuple(meet.turn.windows), [*meet.turn.effects, *effects]
    reached: list[Effect] = []
    mine = _reached(mine, theirs.latest, other.lookback, see, reached)
    theirs = _reached(theirs, mine.latest, hers.lookback, see, reached)
    unions = {name: union(getattr(mine, name), getattr(theirs, name), see.now) for name, union in UNIONS.items()}
    unions["forgotten"] += contacts.beyond(mine.contacts, theirs.contacts)
    after = Windows(opened, next=_next(opened), **unions)
    return (mine if after == mine else after), (*effects, *reached)


class _Meet:
    """The open windows of both, coming together in one turn of the scheduler."""

    def __init__(self, turn: Scheduler) -> None:
        self.turn = turn

    def check(self, mine: Windows, theirs: Windows, past: LookBack) -> None:
        """Her windows against what the other did and was sent."""
        for one in mine.open:
            self.go_on(one, theirs, past)

    def welcome(self, theirs: Windows, mine: Windows, past: LookBack) -> None:
        """The other's windows: each against what she did and was sent, against her own of its scope, and against the limits."""
        turn = self.turn
        for one in sorted(theirs.open, key=_age):
            turn.windows.append(one)
            if not self.go_on(one, mine, past) or one.closing:
                continue
            row = turn.row(one)
            twin = next((w for w in turn.windows if w.window_id != one.window_id and not w.closing and _of_one_scope(w, one)), None)
            if twin is not None:
                earlier, later = sorted((twin, turn.windows[turn.at(one.window_id)]), key=_age)
                self.unite(earlier, later, row)
            else:
                self.find_room(one.window_id, row)

    def find_room(self, window_id: str, row: Trigger) -> None:
        """A window of the other's, as if it was opened now: it or what is worse ends where there is no room for both."""
        turn = self.turn
        one = turn.windows[turn.at(window_id)]
        others = [w for w in turn.windows if w.window_id != window_id]
        if not room.made(turn, one, row, others):
            turn.stop(one, row, "not_sent", room.REASON, values={"open": len(others)})

    def go_on(self, one: Window, other: Windows, past: LookBack) -> bool:
        """Whether a window outlives what the other person did after its opening, and was sent."""
        if one.closing:
            return True
        turn = self.turn
        row = turn.row(one)
        for subject in cancels.elsewhere(one, row, past, other.latest, turn.see.now):
            one = cancels.affected(one, subject)
            if cancels.holds(turn, one, row, subject):
                self.turn.stop(one, row, "cancelled", "cancelled_by_event", subject.cause)
                return False
            one = delivered(one, row, subject, turn.see.now)
        turn.windows[turn.at(one.window_id)] = one
        if one.step or one.send_id or not self.spoken(one, row, other):
            return True
        self.turn.stop(one, row, "not_sent", "merged")
        return False

    def spoken(self, one: Window, row: Trigger, other: Windows) -> bool:
        """Whether the other person has had this already: once ever, or less than `again` ago; as one they would not have opened it."""
        if row.once and one.trigger in other.once and not any(w.trigger == one.trigger for w in other.open):
            return True
        return any(mark.trigger == one.trigger and self.turn.see.now < mark.until and same_scope(mark, one) for mark in other.sent)

    def unite(self, earlier: Window, later: Window, row: Trigger) -> None:
        """Two windows of one scope: the earlier goes on with what the later gathered, and waits as long as that where its row restarts."""
        turn = self.turn
        one = window.absorbed(earlier, later)
        if one.size > earlier.size and sum([w.size for w in turn.windows]) - later.size + one.size - earlier.size > MAX_BYTES:
            one = replace(earlier, views=one.views, seconds=one.seconds, more=one.more, sent=one.sent)
        if not (one.step or one.send_id or later.step):
            due_at = one.due_at
            if one.awaits and not later.awaits:
                due_at = later.due_at
            elif row.restart or row.idle:
                due_at = max(due_at, later.due_at)
            if due_at != one.due_at:
                one = moved(one, due_at, turn.see.now)
            one = replace(one, awaits=one.awaits and later.awaits)
        turn.windows[turn.at(earlier.window_id)] = one
        self.turn.stop(later, row, "not_sent", "merged", values={"window_id": earlier.window_id})


def _reached(part: Windows, latest: Latest, past: LookBack, see: See, found: list[Effect]) -> Windows:
    """The part after what the other person did towards its goals."""
    left = part.goals
    if left:
        for subject in (*lookback.after(past, 0), *cancels.blunt(latest, 0)):
            left, conclusions = goals.reached(left, subject.kind, subject.cause, subject.ts, see.now, see.person_id)
            found += map(Conclude, conclusions)
    return part if left is part.goals else replace(part, goals=left)


def _age(one: Window) -> tuple[int, int, str]:
    return one.opened_at, one.event_at, one.window_id


def _of_one_scope(one: Window, other: Window) -> bool:
    if one.trigger != other.trigger or one.scope != other.scope:
        return False
    return one.product.same(other.product) if one.scope == scope.PRODUCT else one.key == other.key


def _next(opened: Iterable[Window]) -> int:
    return min([one.wake_at for one in opened], default=NEVER)


# --- marks --------------------------------------------------------------------------------------------------------------------


def _pending(mine: tuple[dwell.View, ...], theirs: tuple[dwell.View, ...], now: int) -> tuple[dwell.View, ...]:
    kept = sorted((*theirs, *mine), key=lambda view: view.ts)
    told = [view for view in kept if view.told][-dwell.MAX_TOLD :]
    return (*told, *(view for view in kept if not view.told))[-dwell.MAX_PENDING :] if theirs else mine


def _once(mine: tuple[str, ...], theirs: tuple[str, ...], now: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*theirs, *mine)))[-MAX_ONCE:]


def _sent(mine: tuple[Sent, ...], theirs: tuple[Sent, ...], now: int) -> tuple[Sent, ...]:
    """Every mark of both that still holds; the oldest give way."""
    kept = sorted([mark for mark in (*theirs, *mine) if mark.until > now], key=lambda mark: mark.until)
    return tuple(kept[-MAX_SENT:]) if theirs else mine


def _newest(mine: int, theirs: int, now: int) -> int:
    return max(mine, theirs)


def _latest(mine: Latest, theirs: Latest, now: int) -> Latest:
    """Of each kind the newest."""
    newest: dict[str, tuple[str, str, int]] = {}
    for one in sorted((*theirs, *mine), key=lambda one: one[2]):
        newest.pop(one[0], None)
        newest[one[0]] = one
    return tuple(newest.values())[-MAX_LATEST:] if theirs else mine


UNIONS: dict[str, Callable[[Any, Any, int], Any]] = {
    "pending": _pending,
    "once": _once,
    "sent": _sent,
    "newest_cancel": _newest,
    "counts": lambda mine, theirs, now: repeats.union(mine, theirs),
    "goals": lambda mine, theirs, now: goals.union(mine, theirs),
    "latest": _latest,
    "contacts": lambda mine, theirs, now: contacts.union(mine, theirs),
    "forgotten": lambda mine, theirs, now: mine + theirs,
    "offers": lambda mine, theirs, now: given.union(mine, theirs),
}
"""Field of `Windows` → its union, as of now; every field but `open` and `next` (a test keeps them in step)."""
