"""How many messages a person may get: when there is room for one more (A-199–A-201, X-17).

A message may go at an instant if with it no cap counts more than it allows: in the sliding span that ends there, or in the calendar day,
week or month of hers that the instant lies in. Without further messages a cap that has room keeps it, so the first moment at which all
have room is the latest of their first moments.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct

from app.domain import answers, facts, treatments, wall_clock
from app.domain.contact_policy import DAY, DEPTH, ENGAGEMENT, MIN, MONTH, PREFERENCE, STAGE, TIER, WEEK, Cap
from app.domain.contacts import Contact, Contacts
from app.domain.days import DAY_MS, FOREVER
from app.domain.trigger import Pack, Trigger

if TYPE_CHECKING:
    from app.domain.person import See

SPANS = {DAY: 2 * DAY_MS, WEEK: 8 * DAY_MS, MONTH: 32 * DAY_MS}
"""How far back a calendar cap may have to look: its days, and one for clocks and zones."""
FREQUENCIES = ("frequency", "email_frequency", "mail_frequency")
"""Preferences that say how often she wants to be written to."""
_EPOCH = date(1970, 1, 1).toordinal()
_THURSDAY = 3  # 1970 began on one


class Limit(Struct, frozen=True, gc=False):
    """What a cap comes to for her: at most `most` within `per` (ms), or within the calendar period."""

    cap: Cap
    most: float
    per: int


class Full(Struct, frozen=True):
    """The cap that leaves no room the longest, what it counted (`total` of them), and when there is room again."""

    limit: Limit
    counted: list[Contact]
    total: int
    until: int


def limits(row: Trigger, channel: str, pack: Pack, see: See) -> list[Limit]:
    """The caps that a message of this trigger on this channel falls under, as they stand for her now."""
    found = []
    said = ""
    policy = pack.contact
    for cap in policy.caps:
        if (cap.triggers and row.name not in cap.triggers) or (cap.channel is not None and cap.channel != channel):
            continue
        limit = _limit(cap, pack, see)
        if limit is not None:
            found.append(limit)
            if cap.by and cap.by == policy.arbitration.combine:
                said = cap.by
    if said and policy.arbitration.combine != MIN:
        found = [one for one in found if one.cap.by in ("", PREFERENCE, said)]  # her own word counts whatever is combined
    return found


def _limit(cap: Cap, pack: Pack, see: See) -> Limit | None:
    """None: the cap says nothing of her."""
    if not cap.by:
        return Limit(cap, cap.most or 0, cap.per)
    if cap.by == PREFERENCE:
        word = plain(answers.newest(see.person.profile.answers.preferences, FREQUENCIES))
        wish = next((one for one in cap.words if word in map(plain, one.says)), None) if word else None
        return None if wish is None else Limit(cap, wish.most, wish.per)
    if cap.by == ENGAGEMENT:
        score = facts.of(see).get("profile.engagement.score")
        for step in cap.steps if score is not None else ():
            if score > step.least or (score == step.least and not step.above):
                return Limit(cap, step.most, cap.per)
        return None
    treated = treatments.hers(see.person.standing, pack, cap.by)
    if treated is None:
        return None
    if cap.by == TIER:
        return None if treated.mails_high is None else Limit(cap, treated.mails_high, cap.per)
    return None if treated.every is None else Limit(cap, 1, treated.every)


def plain(word: object) -> str:
    """A word for how often as it is compared."""
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split()) if isinstance(word, str) else ""


def room(asked: list[Limit], row: Trigger, contacts: Contacts, zone: str, at: int) -> Full | None:
    """None: there is room for a message at `at`. Else the cap under which there is none the longest."""
    longest: Full | None = None
    for limit in asked:
        full = _full(limit, row, contacts, zone, at)
        if full is not None and (longest is None or full.until > longest.until):
            longest = full
    return longest


def _full(limit: Limit, row: Trigger, contacts: Contacts, zone: str, at: int) -> Full | None:
    cap, most, per = limit.cap, limit.most, limit.per
    deep = cap.counts == DEPTH
    if not deep and most >= 1:
        # Nearly always there is room, and it shows at once: the last message that could be in the way is too old to be.
        last = len(contacts) - int(most)
        if last < 0 or contacts[last].at <= at - (per or SPANS[cap.calendar]):
            return None
    mine = row.depth if deep else 1
    if not mine:
        return None
    since = -1 if cap.calendar else at - per
    period = _period(cap.calendar, zone, at) if cap.calendar else 0
    counted = [
        one
        for one in contacts
        if one.at > since
        and (not cap.triggers or one.trigger in cap.triggers)
        and (cap.channel is None or one.channel == cap.channel)
        and (not cap.calendar or _period(cap.calendar, zone, one.at) >= period)
    ]
    total = sum([one.depth for one in counted]) if deep else len(counted)
    if total + mine <= most:
        return None
    if mine > most:
        return Full(limit, counted, total, FOREVER)
    if cap.calendar:
        return Full(limit, counted, total, _next(cap.calendar, zone, at))
    left = total
    for one in counted:  # the oldest first: when it leaves the span there is so much more room
        left -= one.depth if deep else 1
        if left + mine <= most:
            return Full(limit, counted, total, one.at + per)
    raise AssertionError("an empty span has room")


def _period(calendar: str, zone: str, at: int) -> int:
    """Number of the calendar period that an instant lies in, by her wall."""
    day = wall_clock.wall(zone, at) // DAY_MS
    return day if calendar == DAY else (day + _THURSDAY) // 7 if calendar == WEEK else _month(day)


@lru_cache(maxsize=4_096)
def _month(day: int) -> int:
    told = date.fromordinal(_EPOCH + day)
    return told.year * 12 + told.month


def _next(calendar: str, zone: str, at: int) -> int:
    """The first instant of the period after the one that `at` lies in."""
    period = _period(calendar, zone, at)
    while _period(calendar, zone, at) == period:
        at = wall_clock.reached(zone, at, (wall_clock.wall(zone, at) // DAY_MS + 1) * DAY_MS)
    return at


def span(pack_caps: tuple[Cap, ...], intervals: tuple[int, ...]) -> int:
    """How far back the caps of a pack look at most (ms); `intervals`: of the stages it goes by."""
    found = [SPANS[cap.calendar] if cap.calendar else max([cap.per, *(one.per for one in cap.words)]) for cap in pack_caps]
    if any(cap.by == STAGE for cap in pack_caps):
        found += intervals
    return max(found, default=0)
