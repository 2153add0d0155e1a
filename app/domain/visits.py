"""Her visits of the shop: stretches of web and shop events no more than 30 minutes apart (A-009, A-011, A-055).

An event takes the time from its own instant on for as long as it says she stayed; a page_leave takes the time before it. Events belong to
one visit if no more than 30 minutes lie between the end of the earlier and the start of the later; so the visits are the same in whatever
order the events arrive, and a late one may make one visit of two. A visit counts as a whole, and at its start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import Struct

from app.domain.days import DAY_MS, FOREVER
from app.domain.dwell import CAP_MS, SESSION_MS
from app.domain.event_types import EVENT_TYPES, is_web_or_shop
from app.events import Event

KEPT_MS = 91 * DAY_MS
"""A day more than anybody looks back: what is forgotten would join nothing that counts."""
MAX_VISITS = 100
"""Entries kept. Beyond them two neighbours become one entry, of all pairs the one that stands for the fewest visits, of equal ones the
oldest: so somebody with 1,000 visits in 90 days has about ten in each, and a sum over part of that time errs by one entry at most."""

DONE_TO_HER = frozenset(("order_shipped", "order_delivered", "refund"))
OF_A_VISIT = frozenset(name for name in EVENT_TYPES if is_web_or_shop(name)) - DONE_TO_HER
"""What she does on the site; what the shop does with her order is no visit."""
PAGES = frozenset(("page_view", "product_view", "category_view", "content_view", "search", "product_compare", "cart_view"))
"""A look at something. Not what is done on a page (search_click, filter_use, content_download), nor page_leave, nor what changes a cart.
A shop that sends page_view and product_view for one page tells two looks."""


class Visit(Struct, frozen=True, array_like=True):
    """`start` in ms; `lasted`: ms from there to its end, which includes the dwell that an event of it told."""

    start: int
    lasted: int = 0
    pages: int = 0
    adds: int = 0
    visits: int = 1
    """How many this entry stands for."""
    idle: int = 0
    """ms between them."""

    @property
    def end(self) -> int:
        return self.start + self.lasted


class Totals(NamedTuple):
    """Of all visits of a span. `ms`: the time they lasted."""

    visits: int = 0
    ms: int = 0
    pages: int = 0
    adds: int = 0


Visits = tuple[Visit, ...]


def visited(visits: Visits, event: Event) -> Visits:
    """The visits after an event that is `OF_A_VISIT`."""
    kind, start = event.event_type, event.ts
    # In the usual case she is still at it: this runs for every event of a shop.
    told = event.properties.get("dwell_seconds")
    if told is None:
        told = event.properties.get("seconds")
    lasted = 0 if told is None else _ms(told)
    if lasted and kind == "page_leave":
        start -= lasted
    if visits:
        newest = visits[-1]
        since = start - newest.start
        if 0 <= since <= newest.lasted + SESSION_MS:
            end = since + lasted
            grown = Visit(
                newest.start,
                newest.lasted if end < newest.lasted else end,
                newest.pages + (kind in PAGES),
                newest.adds + (kind == "cart_add"),
                newest.visits,
                newest.idle,
            )
            return (grown,) if len(visits) == 1 else (*visits[:-1], grown)
    one = Visit(start, lasted, int(kind in PAGES), int(kind == "cart_add"))
    if not visits or start > visits[-1].end + SESSION_MS:
        return _bounded([*visits, one])
    return _bounded(_joined(sorted((*visits, one), key=_start)))


def totals(visits: Visits, span_ms: int, now: int) -> tuple[Totals, int]:
    """Of the visits that began less than `span_ms` (at most 90 days) before `now`; and until when that is so, while no event comes."""
    count = ms = pages = adds = 0
    until = FOREVER
    for one in reversed(visits):
        if now - one.start >= span_ms:
            break
        count, ms = count + one.visits, ms + one.lasted - one.idle
        pages, adds = pages + one.pages, adds + one.adds
        until = one.start + span_ms
    return Totals(count, ms, pages, adds), until


def last(visits: Visits) -> Visit | None:
    """The newest."""
    return visits[-1] if visits else None


def union(mine: Visits, theirs: Visits) -> Visits:
    """Of two people as one: as if all events of both had been one person's."""
    if not theirs:
        return mine
    return _bounded(_joined(sorted((*mine, *theirs), key=_start)))


def _joined(found: Iterable[Visit]) -> list[Visit]:
    """Visits in order of their start, those that touch as one."""
    kept: list[Visit] = []
    for one in found:
        before = kept[-1] if kept else None
        if before is None or one.start > before.end + SESSION_MS:
            kept.append(one)
            continue
        lasted = max(before.lasted, one.end - before.start)
        # Of an entry that stands for several visits nobody knows which of its gaps the other one fills; none, then.
        idle = min(before.idle + one.idle, lasted)
        count = before.visits + one.visits - 1
        kept[-1] = Visit(before.start, lasted, before.pages + one.pages, before.adds + one.adds, count, idle)
    return kept


def _bounded(found: list[Visit]) -> Visits:
    oldest = found[-1].start - KEPT_MS
    if found[0].start <= oldest:
        found = [one for one in found if one.start > oldest]
    while len(found) > MAX_VISITS:
        at = min(range(len(found) - 2), key=lambda n: found[n].visits + found[n + 1].visits)
        one, other = found[at : at + 2]
        idle = one.idle + other.idle + max(0, other.start - one.end)
        lasted = max(one.lasted, other.end - one.start)
        both = Visit(one.start, lasted, one.pages + other.pages, one.adds + other.adds, one.visits + other.visits, idle)
        found[at : at + 2] = [both]
    return tuple(found)


def _ms(told: Any) -> int:
    """Seconds as told, in ms: none below 0, at most 30 minutes."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not told > 0:
        return 0
    return int(min(told * 1000, CAP_MS))


def _start(one: Visit) -> int:
    return one.start
