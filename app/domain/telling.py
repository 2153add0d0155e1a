"""What a profile takes from what she and her shop tell of her: traits, address, consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import traits
from app.domain.consent import given, said, withdrawn
from app.domain.effects import NOTHING, Effects
from app.events import Event

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


def on_identify(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Traits, and among them the address. A new address has not bounced; one that cannot be written to does not replace one that can."""
    news = event.properties.get("traits")
    changes["traits"] = traits.told(part.traits, news)
    if isinstance(news, dict) and "email" in news:
        told = news["email"]
        email = changes["email"] = None if told is None else traits.sane_address(told) or part.email
        if email != part.email and part.suppressed == "hard_bounce":
            changes["suppressed"] = None
    return NOTHING


on_profile_update = on_identify


def on_consent_give(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A yes per purpose; one to `email` after an unsubscribe lifts it."""
    news = given(event.properties)
    changes["consent"], changes["consent_at"] = said(part.consent, part.consent_at, news, event.ts)
    if part.unsubscribed and news.get("email") and event.ts > part.unsubscribed_at:
        changes["unsubscribed"] = False
    return NOTHING


def on_consent_withdraw(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A no per purpose."""
    changes["consent"], changes["consent_at"] = said(part.consent, part.consent_at, withdrawn(event.properties), event.ts)
    return NOTHING


HANDLERS: dict[str, Handler] = {
    "identify": on_identify,
    "profile_update": on_profile_update,
    "consent_give": on_consent_give,
    "consent_withdraw": on_consent_withdraw,
}
