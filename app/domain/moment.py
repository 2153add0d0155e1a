"""The first moment at which a message that may go at all may go out: not at night, not too soon after others.

Quiet hours and send time only move the instant; caps are asked at the instant they come to. What they say moves it again, until all agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from app.domain import caps, habits, quiet_hours, send_time
from app.domain.caps import Full
from app.domain.contacts import Contact, Contacts
from app.domain.population import HOURS
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
    if row.transactional or not (policy.quiet_hours is not None or policy.caps or row.best_hour):
        return None
    at, reason, seen = _moved(row, pack, see, now, until)
    asked = caps.limits(row, channel, pack, see) if policy.caps else []
    if not asked:
        return None if at == now else _told(reason, at, until, seen)
    zone = quiet_hours.zone_of(see.person.profile.device, policy.quiet_hours)
    full = caps.room(asked, row, known, zone, at)
    if full is None:
        return None if at == now else _told(reason, at, until, seen)
    # A place that an unanswered message holds may still come free; without that there would be room.
    sure = tuple([one for one in known if one.answered])
    lost_to = None
    if len(sure) < len(known) and caps.room(asked, row, sure, zone, at) is None:
        lost_to = next(one for one in reversed(full.counted) if not one.answered)
    free = _moved(row, pack, see, full.until, until)[0] if full.until < until else until
    return _told(FREQUENCY_CAP if lost_to is None else LOST, free, until, _seen(full), lost_to)


def _moved(row: Trigger, pack: Pack, see: See, at: int, until: int) -> tuple[int, str, dict[str, Any]]:
    """The first instant from `at` on that is no quiet one, or the best of them; what moved it there, and what was seen of it."""
    quiet, device = pack.contact.quiet_hours, see.person.profile.device
    free = at if quiet is None else quiet_hours.free(quiet, device, at, max(at, until))
    if row.best_hour and free < (last := until - row.expires + row.best_hour):  # looked for from its first possible fire on

        def open_at(moment: int) -> int:
            return moment if quiet is None else quiet_hours.free(quiet, device, moment, max(moment, until))

        zone = quiet_hours.zone_of(device, quiet)
        own, _ = habits.hours(see.person.profile.mail, zone, see.now)
        everybody = send_time.NOBODY if see.population is None else see.population.figures.get(HOURS, send_time.NOBODY)
        best = send_time.best(send_time.weights(own, everybody, pack.hour_prior), zone, at, last, open_at)
        if best is not None and best.at > free:
            told = {"hour": best.hour, "share": round(best.share, 4), "own_acts": sum(own.values()), "zone": zone}
            return best.at, SEND_TIME, {"send_time": told}
    return free, QUIET_HOURS if free > at else "", {}


def _told(reason: str, at: int, until: int, values: dict[str, Any], lost_to: Contact | None = None) -> Hold:
    """At the latest it wakes to expire."""
    at = min(at, until)
    return Hold(reason, at, {**values, "until": iso(at)}, lost_to)


def _seen(full: Full) -> dict[str, Any]:
    return {"cap": full.limit.cap.name, "most": full.limit.most, "counted": full.total}
