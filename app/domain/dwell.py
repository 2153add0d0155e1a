"""How long she stayed on a product page: the view says it, else its page_leave, else the gap to her next event (interface.md section 3)."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from app.domain.event_types import is_web_or_shop
from app.domain.product import product
from app.domain.scope import Subject, plain
from app.events import Event

VIEW = "product_view"
SESSION_MS = 30 * 60_000
"""Without session ids, events further apart than this are two sessions."""
CAP_MS = 30 * 60_000
"""A longer gap is somebody who went away."""
MAX_PENDING = 8
MAX_TOLD = 2
"""Of them views told too short by a gap: a page_leave overtaken by the next view comes at once or never."""
KEPT_MS = 48 * 3_600_000
"""A view whose dwell nobody told for so long is forgotten: no look-back would reach it."""


class View(Struct, frozen=True, array_like=True):
    """A product_view that did not say how long it lasted. `told`: a gap said it, and it was too short; its page_leave may know better."""

    event_id: str
    ts: int
    session: str
    properties: dict[str, Any]
    told: bool = False


class Told(NamedTuple):
    """A view whose dwell is known now: `subject` is the view with `dwell_seconds` filled in; `opened_at`: when that was said (ms).

    `view` is the pending one; `by_leave`: its page_leave said it, nobody knows better.
    """

    subject: Subject
    opened_at: int
    view: View
    by_leave: bool


def seconds(properties: dict[str, Any]) -> int | float | None:
    """`dwell_seconds` as told, or None."""
    told = properties.get("dwell_seconds")
    return told if isinstance(told, int | float) and not isinstance(told, bool) and told >= 0 else None


def session(event: Event) -> str:
    """The session an event names, in its properties or its context, or an empty string."""
    told = event.properties.get("session_id") or event.context.get("session_id")
    return str(told)[:100] if isinstance(told, str | int) and not isinstance(told, bool) else ""


def waiting(pending: tuple[View, ...], event: Event, now: int) -> tuple[View, ...]:
    """`pending` with this product_view among it; the oldest arrivals give way."""
    kept = [one for one in pending if one.ts > now - KEPT_MS]
    return (*kept, View(event.event_id, event.ts, session(event), plain(event.properties)))[-MAX_PENDING:]


def tell(pending: tuple[View, ...], event: Event) -> tuple[tuple[View, ...], list[Told]]:
    """What `event` says of the views that wait: (still waiting, told now, in order of arrival).

    A page_leave with dwell_seconds tells that of the newest view of its product; any web or shop event tells the gap of the views of
    its session that came before it.
    """
    if not is_web_or_shop(event.event_type):
        return pending, []
    where = session(event)
    left = _left(pending, event, where)
    still: list[View] = []
    told: list[Told] = []
    for one in pending:
        if one is left:
            told.append(_told(one, event, seconds(event.properties) or 0, True))
        elif not one.told and _same_session(one, event, where):
            gap = min(event.ts - one.ts, CAP_MS)
            told.append(_told(one, event, gap // 1000 if gap % 1000 == 0 else gap / 1000, False))
        else:
            still.append(one)
    return tuple(still), told


def unconvincing(pending: tuple[View, ...], short: list[View]) -> tuple[View, ...]:
    """`pending` with views that a gap told but that opened nothing: a page_leave sent after the next view may know better."""
    known = [one for one in pending if one.told] + [replace(one, told=True) for one in short]
    return (*known[-MAX_TOLD:], *(one for one in pending if not one.told))[-MAX_PENDING:]


def _left(pending: tuple[View, ...], event: Event, where: str) -> View | None:
    if event.event_type != "page_leave" or seconds(event.properties) is None:
        return None
    about = product(event.properties)
    for one in reversed(pending):
        if one.ts <= event.ts and _plausible(one, event, where):
            viewed = product(one.properties)
            if (about is not None and viewed is not None and viewed.same(about)) or (about is None and one.session == where):
                return one
    return None


def _plausible(view: View, event: Event, where: str) -> bool:
    if view.session and where:
        return view.session == where
    return event.ts - view.ts <= (seconds(event.properties) or 0) * 1000 + SESSION_MS


def _same_session(view: View, event: Event, where: str) -> bool:
    if event.ts < view.ts:
        return False
    return view.session == where if view.session and where else event.ts - view.ts <= SESSION_MS


def _told(view: View, event: Event, dwell: float, by_leave: bool) -> Told:
    subject = Subject(VIEW, view.event_id, view.ts, {**view.properties, "dwell_seconds": dwell})
    return Told(subject, event.ts, view, by_leave)
