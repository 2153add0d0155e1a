"""The occasion of a preview: an entry event that fits a trigger's opening, made after something the person really did.

Pure; nothing of it is ever published. Ids derive from what it is made after, so that the same preview is the same message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain import news
from app.domain.cancels import DELIVERED
from app.domain.days import DAY_MS
from app.domain.dwell import VIEW
from app.domain.event_types import EVENT_TYPES
from app.domain.examples import Example
from app.domain.originals import Originals
from app.domain.scope import ORDER, PURCHASED, PURCHASES, SEND, order_of
from app.domain.trigger import Condition, Opening, Trigger
from app.events import Broadcast, Conclusion, Event, JournalRecord, derived_id

Holds = Callable[[Condition, dict[str, Any]], bool]
"""Whether an opening's condition holds for an event of these properties, with the person as she stands."""
Concerns = Callable[[Broadcast], dict[str, Any] | None]
"""What news are to the person, as a condition on them reads it; None: nothing."""
LOOKED_AT = 200
"""Of the person's newest events that could open it; one of them should fit, or none does."""
DWELLS = (60, 300, 1_800)
"""Seconds tried where a view of hers was too short for the opening."""
MINUTE_MS = 60_000
UNSEEN = {"reachable": "email"}
"""Conclusions that need no example: kind → value."""


NO_MAILS = Originals()


class Occasion(Struct, frozen=True):
    """`records` in order; `opening`: the one that opens; `after`: what it is made after, if anything."""

    records: tuple[Event | Conclusion | Broadcast, ...]
    opening: Event | Conclusion | Broadcast
    after: Event | Conclusion | None = None

    counts: bool = False
    """The opening takes several: as many of the last ones as what the person did before leaves to be done."""

    @property
    def causes(self) -> frozenset[str]:
        """Ids one of which the window's `cause` will begin with."""
        return frozenset(map(_id, self.records))


def opens_on(trigger: Trigger) -> tuple[str, ...]:
    """Event types that open the trigger, as a shop sends them; conclusions that nothing sends by their own names."""
    kinds = [one for kind in trigger.opening.on for one in (PURCHASES if kind in PURCHASED else (kind,))]
    return tuple(dict.fromkeys(kinds))


def fitting(
    trigger: Trigger,
    records: Iterable[JournalRecord],
    person_id: str,
    at: int,
    holds: Holds,
    mails: Originals = NO_MAILS,
    unseen: Iterable[Example] = (),
) -> Occasion | None:
    """An occasion at `at` (ms) after the newest record of the person that fits; None: she has none. `mails`: the last she got.

    `unseen`: conclusions that might be drawn of her, where none that was drawn fits.
    """
    kinds = opens_on(trigger)
    if trigger.opening.scope == SEND and (send_id := _newest(mails, trigger.name)) is not None:
        return of(trigger, Event(at, send_id, kinds[0], at, person_id, properties={"send_id": send_id}), at)
    mine = [one for one in records if _kind(one) in kinds]
    newest = [one for one in reversed(mine[-LOOKED_AT:]) if isinstance(one, Event | Conclusion)]
    if not newest and (made := _made(trigger, person_id, at, holds, unseen)) is not None:
        return made
    if not newest:
        told = next((kind for kind in kinds if kind in UNSEEN), None)
        if told is None:
            return None
        return of(trigger, Conclusion(at, person_id, told, UNSEEN[told], at, "none"), at)
    if trigger.opening.scope == ORDER and isinstance(newest[0], Event):
        return _whole_order(trigger, newest, at)
    for one in newest:
        for properties in _tries(trigger.opening, one):
            if trigger.opening.when is None or holds(trigger.opening.when, properties):
                return of(trigger, _with(one, properties), at, one)
    return _made(trigger, person_id, at, holds, unseen) or of(trigger, newest[0], at, newest[0])


def _made(trigger: Trigger, person_id: str, at: int, holds: Holds, unseen: Iterable[Example]) -> Occasion | None:
    """An occasion after a conclusion that might be drawn of her."""
    when = trigger.opening.when
    for kind, value, values in unseen:
        if when is None or holds(when, values["event"]):
            return of(trigger, Conclusion(at, person_id, kind, value, at, "none", values), at)
    return None


def of(trigger: Trigger, record: Event | Conclusion, at: int, after: Event | Conclusion | None = None) -> Occasion:
    """The occasion of a record at `at`; where an opening counts, as many of it as it takes. `after`: what she really did."""
    opening, count = trigger.opening, trigger.opening.count
    # Days and minutes apart, the last one now: what the opening counts must lie within its span.
    apart = DAY_MS if opening.days > 1 else MINUTE_MS
    records = tuple(_again(record, trigger, number, at, at - (count - 1 - number) * apart) for number in range(count))
    return Occasion(_delivered(trigger, records), records[-1], after, count > 1)


def _whole_order(trigger: Trigger, newest: list[Event | Conclusion], at: int) -> Occasion:
    """Every record of the newest order: shops tell one line by line. The first opens, the others join."""
    order = order_of(newest[0].properties) if isinstance(newest[0], Event) else ""
    told = [one for one in newest if isinstance(one, Event) and order_of(one.properties) == order] if order else newest[:1]
    records = tuple(_again(one, trigger, number, at, at) for number, one in enumerate(reversed(told)))
    return Occasion(_delivered(trigger, records), records[0], told[-1])


def _delivered(trigger: Trigger, records: tuple[Event | Conclusion, ...]) -> tuple[Event | Conclusion, ...]:
    """With the delivery at once, where the trigger waits for one: what is asked for is the message, not the parcel."""
    first = records[0]
    if not trigger.delivery or not isinstance(first, Event):
        return records
    cause, told = derived_id("preview", DELIVERED, first.event_id), {"order_id": order_of(first.properties) or first.event_id}
    return (*records, replace(first, event_id=cause, event_type=DELIVERED, properties=told))


def _newest(mails: Originals, trigger: str) -> str | None:
    """The newest mail that may have a window of the trigger still; else the newest that might have had one."""
    fresh = [one.send_id for one in mails.mails if not one.final and trigger not in one.opened]
    return next(reversed(fresh or [one.send_id for one in mails.mails if not one.final]), None)


def _again(record: Event | Conclusion, trigger: Trigger, number: int, at: int, ts: int) -> Event | Conclusion:
    cause = derived_id("preview", trigger.name, _id(record), str(number), str(ts))
    if isinstance(record, Conclusion):
        return replace(record, at=at, ts=ts, cause=cause)
    properties = record.properties
    if trigger.opening.scope == ORDER and (order := properties.get("order_id")) is not None:
        properties = {**properties, "order_id": f"{order}-preview"}  # her own order has been told; another like it opens
    return replace(record, at=at, ts=ts, event_id=cause, properties=properties, future=False, bot=False)


def of_news(trigger: Trigger, unheard: Iterable[Broadcast], concerns: Concerns, holds: Holds) -> Occasion | None:
    """The first of some news that concerns her and fits; where none fits, that concerns her; None: none does."""
    first = None
    for one in unheard:
        about = concerns(one)
        if about is None:
            continue
        first = first or Occasion((one,), one)
        if trigger.opening.when is None or holds(trigger.opening.when, about):
            return Occasion((one,), one)
    return first


def _id(record: Event | Conclusion | Broadcast) -> str:
    if isinstance(record, Broadcast):
        return news.cause(record)
    return record.event_id if isinstance(record, Event) else record.cause


def _kind(record: JournalRecord) -> str | None:
    if isinstance(record, Event):
        return record.event_type
    return record.kind if isinstance(record, Conclusion) and record.kind not in EVENT_TYPES else None


def _tries(opening: Opening, record: Event | Conclusion) -> list[dict[str, Any]]:
    """The properties the occasion may have: the record's own, then with a longer look at the page."""
    if isinstance(record, Conclusion):
        told = record.values.get("event")
        return [told if isinstance(told, dict) else {}]
    if opening.needs_dwell and record.event_type == VIEW:
        return [record.properties, *({**record.properties, "dwell_seconds": seconds} for seconds in DWELLS)]
    return [record.properties]


def _with(record: Event | Conclusion, properties: dict[str, Any]) -> Event | Conclusion:
    return replace(record, properties=properties) if isinstance(record, Event) and properties is not record.properties else record
