"""What a profile takes from what she and her shop tell of her: traits, address, consent; and what is still missing (A-244, A-245)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain import closed, consent, mail, plausible, traits
from app.domain.bounces import NONE
from app.domain.effects import NOTHING, Effects
from app.events import Event

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Handler, Profile


MANDATORY = ("email", "first_name")
"""Traits without which a profile is incomplete, unless a pack names others."""
MAX_REJECTED = 20


def on_identify(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Traits, and among them the address. A new address has not bounced, one that she had before may have; one that cannot be written to
    does not replace one that can.

    Of each trait the latest word counts, in whatever order they arrive.
    """
    told = event.properties.get("traits")
    if not isinstance(told, dict):
        return NOTHING
    country = changes.get("device", part.device).country
    kept, impossible = plausible.sorted_out(told, event.ts, country)
    news = traits.newer(part.traits_at, kept, event.ts)
    changes["traits"], changes["traits_at"] = traits.said(part.traits, part.traits_at, news, event.ts)
    if impossible:
        changes["rejected"] = rejected(part.rejected, dict.fromkeys(impossible, 1))
    if "email" in news:
        email = changes["email"] = None if news["email"] is None else traits.sane_address(news["email"])
        if email != part.email and (email is None or part.email is None or closed.mailbox(email) != closed.mailbox(part.email)):
            _moved(part, event, email, changes)
    return NOTHING


def _moved(part: Profile, event: Event, email: str | None, changes: Changes) -> None:
    """To another mailbox: open, unless it is one that is known to be closed."""
    shut = part.closed
    if part.email is not None:
        left = closed.mailbox(part.email)
        changes["mail"] = mail.moved(part.mail, left)
        if part.suppressed == closed.HARD_BOUNCE:  # also one that was suppressed before addresses were kept
            shut = changes["closed"] = closed.closing(shut, event.ts, left, closed.HARD_BOUNCE)
    changes["bounces"] = NONE
    if part.suppressed != closed.COMPLAINT:
        changes["suppressed"] = closed.HARD_BOUNCE if closed.why(shut, email) is not None else None


on_profile_update = on_identify


def on_consent_give(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A yes per purpose; one to `email` after an unsubscribe lifts it."""
    news = consent.given(event.properties)
    _consented(part, event, news, changes)
    if part.unsubscribed and news.get("email") and event.ts > part.unsubscribed_at:
        changes["unsubscribed"] = False
    return NOTHING


def on_consent_withdraw(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A no per purpose."""
    _consented(part, event, consent.withdrawn(event.properties), changes)
    return NOTHING


def _consented(part: Profile, event: Event, news: dict[str, bool], changes: Changes) -> None:
    changes["consent"], changes["consent_at"] = consent.said(part.consent, part.consent_at, news, event.ts)
    words = consent.words(event.properties, news, event.ts)
    if words or part.consent_words:
        changes["consent_words"] = consent.recorded(part.consent_words, words, changes["consent"])


def rejected(before: dict[str, int], news: dict[str, int]) -> dict[str, int]:
    """How often each trait was told that cannot be true; beyond MAX_REJECTED names the rarest go."""
    found = dict(before)
    for name, times in news.items():
        found[name] = found.get(name, 0) + times
    while len(found) > MAX_REJECTED:
        del found[min(found, key=lambda name: (found[name], name))]
    return found


def missing(part: Profile, mandatory: tuple[str, ...] = MANDATORY) -> tuple[str, ...]:
    """What every profile should have and hers has not, neither as a trait nor as an answer or preference (A-245, A-029)."""
    return tuple([name for name in mandatory if not _known(part, name)])


def _known(part: Profile, name: str) -> bool:
    if name == "email":
        return part.email is not None
    names = (name, _camel(name))
    if any(part.traits.get(one) not in (None, "") for one in names):
        return True
    return any(one in told for one in names for told in (part.answers.surveys, part.answers.preferences))


def _camel(name: str) -> str:
    """As Segment spells it: `firstName`."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


HANDLERS: dict[str, Handler] = {
    "identify": on_identify,
    "profile_update": on_profile_update,
    "consent_give": on_consent_give,
    "consent_withdraw": on_consent_withdraw,
}
