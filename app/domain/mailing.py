"""What a profile takes from what became of her mails (A-017–A-020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import bounces, closed, device, mail, traits
from app.domain.browsing import behaved
from app.domain.consent import tracked
from app.domain.effects import NOTHING, Effects
from app.events import Event

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


def on_email_unsubscribe(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """No more mail, unless she said yes again after it."""
    lifted = part.consent.get("email") is True and part.consent_at.get("email", 0) > event.ts
    changes["unsubscribed"] = part.unsubscribed or not lifted
    changes["unsubscribed_at"] = max(part.unsubscribed_at, event.ts)
    return NOTHING


def on_email_bounce(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A hard bounce: the address takes no mail. Soft ones of hers are counted while nothing arrives in between."""
    box, hers = _addressed(part, event)
    if bounces.kind(event.properties.get("kind")) == bounces.HARD:
        if hers and part.suppressed is None:
            changes["suppressed"] = closed.HARD_BOUNCE
        if box:
            changes["closed"] = closed.closing(part.closed, event.ts, box, closed.HARD_BOUNCE)
    elif hers:
        changes["bounces"] = bounces.bounced(part.bounces, event.ts, mail.key_of(event))
    return NOTHING


def on_email_complaint(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """She called a mail spam: none ever again, at whatever address."""
    changes["suppressed"] = closed.COMPLAINT
    if box := _addressed(part, event)[0]:
        changes["closed"] = closed.closing(part.closed, event.ts, box, closed.COMPLAINT)
    return NOTHING


def _addressed(part: Profile, event: Event) -> tuple[int, bool]:
    """Which mailbox an event is about (0: she has told none), and whether it is her present one.

    That which the event names, else the one that its send went to, else her present one.
    """
    hers = closed.mailbox(part.email) if part.email is not None else 0
    named = traits.sane_address(event.properties.get("email"))
    box = closed.mailbox(named) if named is not None else mail.sent_to(part.mail, event) or hers
    return box, box == hers or not hers


def on_email_sent(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send, once."""
    changes["mail"] = mail.sent(part.mail, event)
    return NOTHING


def on_email_delivered(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """What is opened within seconds of it was opened by a machine."""
    changes["mail"] = mail.delivered(part.mail, event)
    _reached(part, event, changes)
    return NOTHING


def on_email_open(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send as opened, once; says whether a machine did it."""
    changes["mail"], machine = mail.opened(part.mail, event, device.kind(event.properties, event.context))
    if machine:
        see.note(event, machine=True)
    else:
        _reached(part, event, changes)
    return NOTHING


def on_email_click(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send as clicked, once; says whether a machine did it; if she did, raises interest in what the link was about."""
    changes["mail"], machine = mail.clicked(part.mail, event, device.kind(event.properties, event.context))
    if machine:
        see.note(event, machine=True)
        return NOTHING
    _reached(part, event, changes)
    if tracked(part, see):
        behaved(part, event, see, changes, see.about(event).categories, "email_click")
    return NOTHING


def _reached(part: Profile, event: Event, changes: Changes) -> None:
    """Her mailbox took a mail: a run of soft bounces is over."""
    if _addressed(part, event)[1]:
        changes["bounces"] = bounces.reached(part.bounces, event.ts)


HANDLERS: dict[str, Handler] = {
    "email_unsubscribe": on_email_unsubscribe,
    "email_bounce": on_email_bounce,
    "email_complaint": on_email_complaint,
    "email_sent": on_email_sent,
    "email_delivered": on_email_delivered,
    "email_open": on_email_open,
    "email_click": on_email_click,
}
