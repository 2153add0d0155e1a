"""Whether and how a person can be reached: what she allows, what has closed a channel, which she prefers, and her address in it (A-203).

A trigger names its channels in the pack's order; her own word (`preference_set` of `channel`) goes first among them. The first channel
that is allowed, open, has an address and for which the message has a text is taken. If none is, the first one's reason is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain import answers, bounces, plausible, profile, traits
from app.domain.consent import evidence, permits
from app.domain.device import region

if TYPE_CHECKING:
    from app.domain.person import Person, See
    from app.domain.profile import Profile
    from app.domain.trigger import Pack, Trigger

EMAIL, SMS, PUSH = "email", "sms", "push"
CHANNELS = (EMAIL, SMS, PUSH)
"""Each is a consent purpose of its own name, too."""
EMAIL_ONLY = (EMAIL,)
PREFERENCES = ("channel", "channels", "preferred_channel")
"""Preferences that say how she wants to be written to: one channel or a list, best first."""
PHONES = ("phone", "phone_number", "phoneNumber", "mobile", "mobile_phone", "telephone")
TOKENS = ("push_token", "pushToken")
MAX_TOKEN = 500
UNKNOWN = "unknown"
"""Her region, where the pack has rules by region and nobody told hers."""
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_TOKEN = re.compile(r"[!-~]+")

Address = tuple[str, str | None]
"""Where to write and to whom."""


class Reached(Struct, frozen=True):
    """`reason` None: by `channel`, to `address`; else why not (interface.md section 4)."""

    reason: str | None
    channel: str = EMAIL
    address: Address | None = None


def reached(trigger: Trigger, pack: Pack, see: See, has_text: Callable[[str], bool], values: dict[str, Any]) -> Reached:
    """The channel of a message of this trigger. `has_text`: whether it can be written in a channel. `values` tell what was seen."""
    her = see.person.profile
    listed = trigger.channels
    order = listed if listed == EMAIL_ONLY else preferred(her, listed)
    asked = {purpose: permits(her, purpose, see) for purpose in _asked(trigger.needs, order)}
    values["consent"] = asked
    if told := evidence(her, asked):
        values["consent_told"] = told
    if pack.consent_regions and ((where := region(her.device)) is None or where in pack.consent_regions):
        values["region"] = where or UNKNOWN
    first: Reached | None = None
    closed: dict[str, str] = {}
    for channel in order:
        found = _by(channel, trigger, pack, see, asked, has_text, values)
        if found.reason is None:
            if closed:
                values["channels"] = closed
            return found
        closed[channel] = found.reason
        first = first or found
    if listed != EMAIL_ONLY:
        values["channels"] = closed
    return first or Reached("no_address")


@lru_cache(maxsize=1_024)  # triggers need few different things
def _asked(needs: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """What messages that need this, by one of these channels, need of her, each once."""
    return tuple(dict.fromkeys([name for one in order for name in purposes(needs, one)]))


@lru_cache(maxsize=1_024)
def purposes(needs: tuple[str, ...], channel: str) -> tuple[str, ...]:
    """What a message by a channel needs. A text message or a push always needs its own; a mail what the trigger says (`needs`)."""
    named = tuple([purpose for purpose in needs if purpose == channel or purpose not in CHANNELS])
    return named if channel == EMAIL or channel in named else (*named, channel)


def preferred(her: Profile, channels: tuple[str, ...]) -> tuple[str, ...]:
    """The channels with those she asks for first."""
    told = answers.newest(her.answers.preferences, PREFERENCES)
    if told is None:
        return channels
    named = [str(one).strip().lower() for one in (told if isinstance(told, list) else [told])]
    wanted = [EMAIL if one in ("e-mail", "mail") else one for one in named]
    first = [one for one in dict.fromkeys(wanted) if one in channels]
    return (*first, *(one for one in channels if one not in first))


def _by(
    channel: str, trigger: Trigger, pack: Pack, see: See, asked: dict[str, bool], has_text: Callable[[str], bool], values: dict[str, Any]
) -> Reached:
    her = see.person.profile
    # An unsubscribe is named as such: it is the clearer word, and she may never have been asked for consent in this shop.
    if channel == EMAIL and her.unsubscribed:
        return Reached("unsubscribed")
    if not all([asked[purpose] for purpose in purposes(trigger.needs, channel)]):
        return Reached("no_consent")
    if channel == EMAIL and (why := suppressed(her, pack)) is not None:
        values["suppressed"] = why
        if why == SOFT:
            values["soft_bounces"] = bounces.run(her.bounces)
        return Reached("suppressed")
    found = address(channel, her, see.person, see.assume)
    if found is None or (trigger.channels != EMAIL_ONLY and not has_text(channel)):
        return Reached("no_address")
    return Reached(None, channel, found)


SOFT = "soft_bounces"


def suppressed(her: Profile, pack: Pack) -> str | None:
    """Why her address takes no mail: `hard_bounce`, `complaint`, or a run of soft bounces as long as the pack says."""
    if her.suppressed is not None:
        return her.suppressed
    return SOFT if pack.soft_bounces and bounces.run(her.bounces) >= pack.soft_bounces else None


def address(channel: str, her: Profile, person: Person, assume: frozenset[str]) -> Address | None:
    """Her address in a channel, or None."""
    if channel == EMAIL:
        return profile.address(her, person, assume)
    found = phone(her) if channel == SMS else token(her)
    return None if found is None else (found, traits.full_name(her.traits))


def phone(her: Profile) -> str | None:
    """Her telephone number, if it can be called from anywhere (E.164). Told before her country was, it is read anew with it."""
    for name in PHONES:
        told = her.traits.get(name)
        if isinstance(told, str) and (found := plausible.phone(told, her.device.country)) is not None and _E164.fullmatch(found):
            return found
    return None


def token(her: Profile) -> str | None:
    """What her app told to be notified under."""
    for name in TOKENS:
        told = her.traits.get(name)
        if isinstance(told, str) and len(told) <= MAX_TOKEN and _TOKEN.fullmatch(told):
            return told
    return None
