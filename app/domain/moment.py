"""The first moment at which a message that may go at all may go out: not at night, not too soon after others.

Quiet hours and send time only move the instant; caps are asked at the instant they come to. What they say moves it again, until all agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain import caps, quiet_hours
from app.domain.caps import Full
from app.domain.contacts import Contact, Contacts
from app.domain.trigger import Pack, Trigger
from app.events import iso

if TYPE_CHECKING:
    from app.domain.person import See

QUIET_HOURS, SEND_TIME, FREQUENCY_CAP, LOST = "quiet_hours", "send_time", "frequency_cap", "lost_to_trigger"


class Hold(NamedTuple):
    """`reason`: what keeps the message from going now. `at`: the first moment at which nothing does, as far as is known."""

    reason: str
    at: int
    values: dict[str, Any]
    lost_to: Contact | None = None
    """The message whose place it lost to, while that is not answered."""


def hold(row: Trigger, channel: str, pack: Pack, see: See, known: Contacts, until: int) -> Hold | None:
    """None: it may go now. `known`: her messages so far, those of this very turn among them. `until`: when it expires."""
    now, policy = see.now, pack.contact
    if row.transactional or not (policy.quiet_hours is not None or policy.caps):
        return None
    at, reason = _moved(row, pack, see, now, until)
    asked = caps.limits(row, channel, pack, see) if policy.caps else []
    if not asked:
        return None if at == now else _told(reason, at, until, {})
    zone = quiet_hours.zone_of(see.person.profile.device, policy.quiet_hours)
    full = caps.room(asked, row, known, zone, at)
    if full is None:
        return None if at == now else _told(reason, at, until, {})
    # A place that an unanswered message holds may still come free; without that there would be room.
    sure = tuple([one for one in known if one.answered])
    lost_to = None
    if len(sure) < len(known) and caps.room(asked, row, sure, zone, at) is None:
        lost_to = next(one for one in reversed(full.counted) if not one.answered)
    free, _ = _moved(row, pack, see, full.until, until) if full.until < until else (until, "")
    return _told(FREQUENCY_CAP if lost_to is None else LOST, free, until, _seen(full), lost_to)


def _moved(row: Trigger, pack: Pack, see: See, at: int, until: int) -> tuple[int, str]:
    """The first instant from `at` on that is no quiet one, and what moved it there."""
    quiet = pack.contact.quiet_hours
    if quiet is None:
        return at, ""
    free = quiet_hours.free(quiet, see.person.profile.device, at, max(at, until))
    return free, QUIET_HOURS if free > at else ""


def _told(reason: str, at: int, until: int, values: dict[str, Any], lost_to: Contact | None = None) -> Hold:
    """At the latest it wakes to expire."""
    at = min(at, until)
    return Hold(reason, at, {**values, "until": iso(at)}, lost_to)


def _seen(full: Full) -> dict[str, Any]:
    return {"cap": full.limit.cap.name, "most": full.limit.most, "counted": full.total}
