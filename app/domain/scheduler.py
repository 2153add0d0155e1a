"""One step of a person's windows: openings and joins, as the rules of interface.md section 6 have them.

What ends a window before its time is in cancels.py, what becomes of a due step in chain.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from app.domain import cancels, chain, dwell, experiments, gate, given, goals, originals, repeats, room, scope, sensitive, waits, window
from app.domain.consent import tracked
from app.domain.decision import decide
from app.domain.dwell import VIEW, Told, View
from app.domain.effects import NOTHING, Conclude, Effect, Effects, Keep, Tell, Unopened
from app.domain.event_types import is_web_or_shop
from app.domain.originals import Originals
from app.domain.room import MAX_BYTES
from app.domain.scope import SEND, Subject
from app.domain.trigger import Condition, Pack, Trigger
from app.domain.window import HELD, NEVER, Window, Windows
from app.events import Conclusion, iso

if TYPE_CHECKING:
    from app.domain.person import See

PERSONALISE = "personalise"
"""The consent purpose of a message that answers what she does."""
MAX_ONCE = 50
"""Triggers with `once`; a pack has fewer (the loader refuses more)."""
_TRIGGER, _WAKE_AT = attrgetter("trigger"), attrgetter("wake_at")
_encode = msgspec.msgpack.Encoder().encode


class Scheduler:
    """One step or wake: the part as it changes, and what it asks for. Lives within one call."""

    __slots__ = (
        "_tracked",
        "contacts",
        "counts",
        "effects",
        "forgotten",
        "goals",
        "latest",
        "newest_cancel",
        "offers",
        "once",
        "originals",
        "pack",
        "part",
        "pending",
        "see",
        "sent",
        "windows",
    )

    def __init__(self, part: Windows, see: See, pack: Pack) -> None:
        self.part, self.see, self.pack = part, see, pack
        self.windows, self.pending, self.once, self.sent = list(part.open), part.pending, part.once, part.sent
        self.counts, self.goals, self.latest = part.counts, part.goals, part.latest
        self.newest_cancel = part.newest_cancel
        self.contacts, self.forgotten, self.offers = part.contacts, part.forgotten, part.offers
        self.effects: list[Effect] = []
        self.originals: Originals | None = None
        """Her last mails, where they changed."""
        self._tracked: bool | None = None

    def done(self) -> tuple[Windows, Effects]:
        if self.originals is not None:
            self.effects.append(Keep("originals", self.originals))
        part, effects, open_now = self.part, tuple(self.effects), _unchanged(self.part.open, self.windows)
        if (
            not effects
            and open_now is part.open
            and self.pending is part.pending
            and self.sent is part.sent
            and self.counts is part.counts
            and self.latest is part.latest
            and self.contacts is part.contacts
            and self.offers is part.offers
        ):
            return part, NOTHING
        upcoming = min(map(_WAKE_AT, open_now), default=NEVER)
        marks = self.pending, self.once, self.sent, self.newest_cancel, upcoming, self.counts, self.goals, self.latest
        return Windows(open_now, *marks, self.contacts, self.forgotten, self.offers), effects

    def row(self, one: Window) -> Trigger:
        """The window's trigger in its own pack version."""
        pack: Pack = self.pack if one.ref == self.pack.ref else self.see.packs(one.ref)
        return pack.by_name[one.trigger]

    def version(self, one: Window) -> Pack:
        """The pack version it was opened under."""
        pack: Pack = self.pack if one.ref == self.pack.ref else self.see.packs(one.ref)
        return pack

    def mails(self) -> Originals:
        """Her last mails as they stand now."""
        return self.originals or self.see.originals

    def tracked(self) -> bool:
        """Whether her behaviour may be kept at all (purpose `track`)."""
        if self._tracked is None:
            self._tracked = tracked(self.see.person.profile, self.see)
        return self._tracked

    # --- openings -------------------------------------------------------------------------------------------------------------

    def open(self, subject: Subject, opened_at: int, rows: Sequence[Trigger]) -> bool:
        """Opens, or joins to, a window of each row whose condition holds; whether any held."""
        if not rows or subject.bot or (subject.behaviour and not self.tracked()):
            return False
        held, delicate = False, None
        pack, see = self.pack, self.see
        keys: dict[str, str | None] = {}
        for row in rows:
            opening = row.opening
            if not row.hears(subject) or (opening.when is not None and not self._holds(subject, opening.when)):
                continue
            if not held:
                held, delicate = True, sensitive.about(pack.sensitive, subject)
            scoped = opening.scope
            if scoped not in keys:
                keys[scoped] = scope.key(scoped, subject)
            scope_key = keys[scoped]
            if scope_key is None or (row.until is not None and not waits.told(row, subject)):
                continue
            there = row.name in map(_TRIGGER, self.windows)
            place = self.place(row, subject) if there else None
            barred = delicate is not None and PERSONALISE in row.needs
            if place is not None and barred:  # it gathers nothing of it, but she has touched her cart
                self.windows[place] = self.restarted(self.windows[place], self.row(self.windows[place]), opened_at)
            elif place is not None:
                self.join(place, subject, opened_at)
            elif subject.kind in opening.on and not self.spent(row, subject, there) and self.enough(row, scope_key, subject):
                if barred:
                    self.effects.append(Unopened(row.name, "sensitive"))  # what it tells of her is not written down
                    continue
                every = waits.interval(subject, pack) if row.treated else 0
                if every is None:
                    continue
                drawn = experiments.draw(pack, row.name, see.person_id, partial(self._holds, subject))
                one = window.opened(row, pack.ref, scope_key, subject, opened_at, see.now, see.person_id, drawn, every)
                self.begin(self.answering(one) if scoped == SEND else one, row)
        return held

    def _holds(self, subject: Subject, when: Condition) -> bool:
        if when.of_event is not None:
            return when.of_event(subject.properties)
        return when.evaluate(gate.gather(when, subject.properties, self.see)).holds

    def enough(self, row: Trigger, scope_key: str, subject: Subject) -> bool:
        """Whether it is the one of several events that opens."""
        if row.opening.count == 1:
            return True
        self.counts, reached = repeats.counted(self.counts, row.name, row.opening, scope_key, subject)
        return reached

    def answering(self, one: Window) -> Window:
        """A window about a mail of ours with what that mail was about; from now on the mail has had its window."""
        mail = originals.find(self.mails(), one.key)
        self.originals = originals.had(self.mails(), one.key, one.trigger)
        if mail is None or not mail.trigger:
            return one
        told = Raw(_encode({**originals.properties(mail), **window.properties(one), "message": mail.message}))
        size = one.size + len(told) + len(mail.gathered) - len(one.told) - len(one.gathered)
        return replace(one, told=told, gathered=mail.gathered, size=size)

    def place(self, row: Trigger, subject: Subject) -> int | None:
        """Where the open window of this trigger is that the subject concerns."""
        name = row.name
        for n, one in enumerate(self.windows):
            if one.trigger == name and not one.closing and scope.concerns(one.scope, one.key, one.product, subject):
                return n
        return None

    def spent(self, row: Trigger, subject: Subject, there: bool) -> bool:
        """Whether the row has had its window: once ever, or a message of this scope went out less than `again` before.

        `there`: whether she has a window of the row.
        """
        if row.once and row.name in self.once:
            return True
        if row.opening.scope == SEND:
            mail = originals.find(self.mails(), scope.send_of(subject.properties))
            return mail is not None and (mail.final or row.name in mail.opened)
        if not row.again:
            return False
        name, now = row.name, self.see.now
        about = [one.product for one in self.sent if one.trigger == name and now < one.until] if self.sent else []
        if there:
            about += [one.product for one in self.windows if one.closing and one.trigger == name]
        if not about:
            return False
        return row.opening.scope == scope.PERSON or any(one.same(other) for one in about for other in subject.products[:1])

    def begin(self, one: Window, row: Trigger) -> None:
        """A new window, checked against what arrived before its opening, and whether there is room for it (`room.made`)."""
        values: dict[str, Any] = {"opened_at": iso(one.opened_at), "message": row.steps[0].message}
        if one.arms or one.silent:
            values["arms"] = {**dict(one.arms), **({one.silent: "silent"} if one.silent == experiments.HOLDOUT else {})}
        self.effects.append(decide(one, self.see, "opened", 0, None, None, None if one.awaits else one.due_at, values))
        ended_by = None
        for earlier in cancels.past(self, one, row):
            one = cancels.affected(one, earlier)
            if cancels.holds(self, one, row, earlier):
                ended_by = earlier
                break
            one = delivered(one, row, earlier, self.see.now)
        if ended_by is None and not room.made(self, one, row, self.windows):  # nobody gives way to what is over already
            self.end(one, row, 0, "not_sent", room.REASON, values={"open": len(self.windows)})
            return
        if row.once:
            self.once = (*self.once, row.name)[-MAX_ONCE:]
        if ended_by is not None:
            self.end(one, row, 0, "cancelled", "cancelled_by_event", ended_by.cause)
            return
        self.windows.append(one)
        if one.due_at <= one.opened_at and not one.awaits:
            chain.fire(self, [one])

    def join(self, place: int, subject: Subject, opened_at: int) -> None:
        """A repeated opening: the window gathers it, and waits anew where its row says so."""
        one = self.windows[place]
        row = self.row(one)
        after = window.joined(one, subject) if subject.kind in row.opening.on else window.gathered(one, subject)
        if after.size > one.size and sum(other.size for other in self.windows) + after.size - one.size > MAX_BYTES:
            after = replace(one, views=after.views, seconds=after.seconds, more=one.more + 1)
        if subject.kind == "cart_add" and (past := cancels.earlier(self, subject.ts)) and len(window.lines(after)) > len(window.lines(one)):
            for earlier in past:  # taken out again before its addition arrived
                if any(mine.same(other) for mine in subject.products for other in earlier.products):
                    after = cancels.affected(after, earlier)
        if row.until is not None:
            self.windows[place] = self.postponed(after, row, subject, opened_at) if row.restart else after
        else:
            self.windows[place] = self.restarted(after, row, opened_at)

    def postponed(self, one: Window, row: Trigger, subject: Subject, at: int) -> Window:
        """The window waiting for the instant that a repeated opening tells, sooner or later than before."""
        if one.step or one.send_id or one.awaits or at < one.opened_at:
            return one
        return moved(one, waits.first_due(row, subject, at, chain.arm_wait(self, one), one.every), self.see.now)

    def restarted(self, one: Window, row: Trigger, at: int) -> Window:
        """The window waiting anew for its first message, from `at`, where its row says so."""
        return self.later(one, row, at) if row.restart else one

    def later(self, one: Window, row: Trigger, at: int) -> Window:
        """The window's first wait beginning again at `at`."""
        if one.step or one.send_id or one.awaits or at <= one.opened_at:
            return one
        due_at = max(one.due_at, at + waits.first_wait(row, chain.arm_wait(self, one), one.every))
        return one if due_at == one.due_at else moved(one, due_at, self.see.now)

    def active(self, subject: Subject) -> None:
        """She is doing something: windows that wait for her silence go on waiting."""
        if is_web_or_shop(subject.kind):
            for place, one in enumerate(self.windows):
                if (row := self.row(one)).idle and not one.closing:
                    self.windows[place] = self.later(one, row, subject.ts)

    def delivered(self, subject: Subject) -> None:
        """An order has arrived: the window that waited for it counts from now."""
        for place, one in enumerate(self.windows):
            self.windows[place] = delivered(one, self.row(one), subject, self.see.now)

    def tell(self, told: list[Told], by: Subject) -> None:
        """Views whose dwell `by` told open now; what it cancels itself, it does not open."""
        rows = [row for row in self.pack.opens.get(VIEW, ()) if row.opening.needs_dwell]
        short: list[View] = []
        for one in told:
            free = [row for row in rows if not cancels.would(row, one.subject, by)]
            if not self.open(one.subject, one.opened_at, free) and len(free) == len(rows) and not one.by_leave:
                short.append(one.view)
        if short:
            self.pending = dwell.unconvincing(self.pending, short)

    def reach(self, subject: Subject) -> None:
        """Goals that the event reaches; a conclusion each."""
        deaf = tuple([one for one in self.goals if not self._hears(one.trigger, subject)]) if subject.machine else ()
        asked = tuple([one for one in self.goals if one not in deaf]) if deaf else self.goals
        left, found = goals.reached(asked, subject.kind, subject.cause, subject.ts, self.see.now, self.see.person_id)
        if found:
            self.goals = (*deaf, *left)
        self.effects += [Conclude(one) for one in found]

    def learn(self, subject: Subject) -> None:
        """She opened or clicked a mail: that speaks for its subject line, its picture, its button."""
        mails, counted = originals.heard(self.mails(), scope.send_of(subject.properties), self.see.now, subject.kind == "email_click")
        if counted is not None:
            self.originals = mails
            self.effects.append(Tell(counted))

    def _hears(self, trigger: str, subject: Subject) -> bool:
        row = self.pack.by_name.get(trigger)
        return row is None or row.hears(subject)

    def redeem(self, codes: list[str], order_id: str, ts: int, cause: str) -> None:
        """An order names codes: those of hers are used now, or were used before."""
        self.offers, found = given.used(self.offers, codes, order_id)
        for kind, one in found:
            values = {"code": one.code, "discount": one.discount, "order_id": order_id}
            self.effects.append(Conclude(Conclusion(self.see.now, self.see.person_id, kind, one.kind, ts, cause, values)))

    def end(
        self,
        one: Window,
        row: Trigger,
        first: int,
        outcome: str,
        reason: str,
        cause: str | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        """One decision for each step from `first` on: the whole chain ends with the same reason.

        Of a programme only what was armed exists.
        """
        for number in range(first, max(len(row.steps), one.step + 1)):
            due_at = one.due_at if number == one.step else None
            self.effects.append(decide(one, self.see, outcome, number, reason, cause, due_at, values))

    def stop(
        self, one: Window, row: Trigger, outcome: str, reason: str, cause: str | None = None, values: dict[str, Any] | None = None
    ) -> None:
        """Ends what is left of an open window; a planned message is the renderer's to end."""
        place = self.at(one.window_id)
        self.end(one, row, one.step + 1 if one.send_id else one.step, outcome, reason, cause, values)
        if one.send_id:
            self.windows[place] = replace(one, closing=True)
        else:
            del self.windows[place]

    def at(self, window_id: str) -> int:
        return next(n for n, one in enumerate(self.windows) if one.window_id == window_id)


def _unchanged(before: tuple[Window, ...], after: list[Window]) -> tuple[Window, ...]:
    """The very same tuple if nothing in it changed."""
    if len(before) == len(after) and all(map(is_, before, after)):
        return before
    return tuple(after)


def moved(one: Window, due_at: int, now: int) -> Window:
    """The window with its first wait ending at another time: what held it before has no say in that."""
    if one.wake_at == HELD:
        return replace(one, due_at=due_at, first_at=0)
    return replace(one, due_at=due_at, wake_at=max(due_at, now), held="", first_at=0)


def delivered(one: Window, row: Trigger, subject: Subject, now: int) -> Window:
    """The window of an order after its delivery, from which its first message waits."""
    if subject.kind != cancels.DELIVERED or not one.awaits or subject.order_id != one.key:
        return one
    due_at = max(subject.ts, one.opened_at) + row.steps[0].wait
    return replace(one, awaits=False, due_at=due_at, wake_at=max(due_at, now))
