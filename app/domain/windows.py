"""The trigger scheduler: which windows are open, which message is due, and whether it may go (interface.md section 6).

Pure: `step` takes one journal record, `wake` a tick that passed a due. A window lives from its opening until its last step has ended;
a step ends exactly once: sent (the renderer writes that), cancelled or not_sent.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.domain import cancels, chain, contacts, dwell, given, news, scope
from app.domain.cancels import DELIVERED, SHRINKS
from app.domain.concluded import TOLD
from app.domain.dwell import VIEW
from app.domain.effects import NOTHING, Effects
from app.domain.lookback import LookBack
from app.domain.scheduler import Scheduler
from app.domain.scope import PURCHASES
from app.domain.trigger import Pack
from app.domain.window import Windows
from app.events import Broadcast, Conclusion, Event, JournalRecord, NotRendered, Rendered

if TYPE_CHECKING:
    from app.domain.person import See

__all__ = ["LookBack", "Windows", "due", "step", "wake"]


_REF = attrgetter("ref")
ANSWERS = ("email_open", "email_click")
"""What tells whether a variant worked."""


def step(part: Windows, record: JournalRecord, see: See) -> tuple[Windows, Effects]:
    """One journal record of this person."""
    if isinstance(record, Event):
        return _event(part, record, see)
    if isinstance(record, Conclusion):
        return _conclusion(part, record, see)
    if isinstance(record, Rendered | NotRendered):
        return _answer(part, record, see)
    if isinstance(record, Broadcast):
        return _news(part, record, see)
    return part, NOTHING


def _answer(part: Windows, record: Rendered | NotRendered, see: See) -> tuple[Windows, Effects]:
    if not part.open:  # its window is over, but its place among her messages is not
        after = contacts.answered(part.contacts, record.send_id, isinstance(record, Rendered))
        offers = given.answered(part.offers, record.send_id, record.offer if isinstance(record, Rendered) else {})
        same = after is part.contacts and offers is part.offers
        return (part if same else replace(part, contacts=after, offers=offers)), NOTHING
    turn = Scheduler(part, see, _active(part, see))
    chain.answered(turn, record)
    return turn.done()


def wake(part: Windows, see: See) -> tuple[Windows, Effects]:
    """A tick's low-water mark has passed a due: every due step goes through the gate, one after the other."""
    turn = Scheduler(part, see, _active(part, see))
    chain.fire(turn, [one for one in part.open if one.wake_at <= see.low_water])
    return turn.done()


def due(part: Windows) -> int:
    """The next wake-up, or NEVER."""
    return part.next


def _active(part: Windows, see: See) -> Pack:
    """The active pack; a window exists only if there was one, and there always is one after the first."""
    pack: Pack = see.pack if see.pack is not None else see.packs(part.open[0].ref)
    return pack


def _event(part: Windows, record: Event, see: See) -> tuple[Windows, Effects]:
    pack, kind = see.pack, record.event_type
    if pack is None:
        return part, NOTHING
    pending, told = dwell.tell(part.pending, record) if part.pending else (part.pending, [])
    known = kind != VIEW or dwell.seconds(record.properties) is not None
    waits = not known and pack.dwells and not record.bot
    foreign = _elsewhere(part, pack)
    delivery = kind == DELIVERED and (pack.delivers or foreign)
    reaches = bool(part.goals) and (kind in pack.goals or foreign)
    idles = bool(part.open) and (pack.idles or foreign)
    codes = given.named(record.properties) if part.offers and kind in PURCHASES else []
    learns = kind in ANSWERS and bool(pack.variants)
    if not (told or waits or learns or kind in pack.opens or kind in pack.cancels or foreign or reaches or idles or delivery or codes):
        return part, NOTHING
    turn = Scheduler(part, see, pack)
    turn.pending = pending
    subject = see.about(record)
    if codes:
        turn.redeem(codes, str(record.properties.get("order_id") or record.event_id), record.ts, record.event_id)
    if reaches:
        turn.reach(subject)
    if learns and not subject.machine:
        turn.learn(subject)
    if idles:
        turn.active(subject)
    if (kind in pack.cancels or kind in SHRINKS or foreign) and kind not in PURCHASES:
        cancels.cancel(turn, subject)
    if told:
        turn.tell(told, subject)
    if kind in pack.opens:
        rows = pack.opens[kind]
        turn.open(subject, record.ts, rows if known else [one for one in rows if not one.opening.needs_dwell])
    if delivery:
        turn.delivered(subject)
    if waits and turn.tracked():
        turn.pending = dwell.waiting(turn.pending, record, see.now)
    if kind in pack.cancels or delivery:
        cancels.remember(turn, subject)
    return turn.done()


def _conclusion(part: Windows, record: Conclusion, see: See) -> tuple[Windows, Effects]:
    pack, kind = see.pack, record.kind
    if pack is None or not heeds(part, record, pack):
        return part, NOTHING
    turn = Scheduler(part, see, pack)
    subject = scope.of_conclusion(record, see.person.profile.bot)
    if part.goals:
        turn.reach(subject)
    cancels.cancel(turn, subject)
    turn.open(subject, record.ts, pack.opens.get(kind, ()))
    if kind in pack.cancels:
        cancels.remember(turn, subject)
    return turn.done()


def _news(part: Windows, record: Broadcast, see: See) -> tuple[Windows, Effects]:
    """Something is new of a product; whoever is asked may not be interested in it any more."""
    pack = see.pack
    if pack is None or record.change not in pack.opens or (about := news.subject(record, see)) is None:
        return part, NOTHING
    turn = Scheduler(part, see, pack)
    turn.open(about, record.at, pack.opens[record.change])
    return turn.done()


def heeds(part: Windows, found: Conclusion, pack: Pack | None) -> bool:
    """Whether a conclusion may do anything to her windows. Of where she stands there are many, and most packs ask for few."""
    if pack is None:
        return False
    kind = found.kind
    if kind in pack.opens and ((heard := pack.heard.get(kind)) is None or found.value in heard):
        return True
    if kind in pack.cancels and (part.open or part.counts or kind not in TOLD):
        return True
    return (bool(part.goals) and kind in pack.goals) or _elsewhere(part, pack)


def _elsewhere(part: Windows, pack: Pack) -> bool:
    """Whether a window was opened under another version, whose row may name other events."""
    return any(map(pack.ref.__ne__, map(_REF, part.open)))  # no generator: it is asked at every event
