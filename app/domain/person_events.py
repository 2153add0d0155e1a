"""What happens between shop and person: properties of mail, channel, person and context events, one struct each (interface.md section 3).

The rules of `shop_events` hold here too.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from app.domain.shop_events import Behaviour, Number, Order, Text
from app.events import Personal


class Mail(Behaviour, frozen=True):
    """An event of a message that was sent; `send_id` is that of `message_sends`."""

    send_id: Text = None


class Seen(Mail, frozen=True):
    """An event of a mail that was sent. `content_type` of the mail: images, video, text (A-018)."""

    content_type: Text = None


class Acted(Seen, frozen=True):
    """What was done with it, by her or by a machine: `machine`, `proxy`, `bot` are the provider's word (X-26); `device` as mobile."""

    machine: bool | None = None
    proxy: bool | str | None = None
    bot: bool | str | None = None
    user_agent: Text = None
    device: str | dict[str, Any] | None = None


class Campaign(Behaviour, frozen=True):
    """An event on somebody else's network."""

    network: Text = None
    campaign: Text = None


class Traits(Struct, frozen=True):
    """What a shop tells of a person; other traits are kept as they came."""

    email: Annotated[Text, Personal] = None
    first_name: Annotated[Text, Personal] = None
    last_name: Annotated[Text, Personal] = None


# --- mail ---------------------------------------------------------------------------------------------------------------------


class EmailSent(Seen, frozen=True):
    """Handed to the provider."""


class EmailDelivered(Seen, frozen=True):
    """Taken by the recipient's server."""


class EmailOpen(Acted, frozen=True):
    """Opened, by her or by a machine."""


class EmailClick(Acted, frozen=True):
    """`link`: where it led; `element` or `block`: the part of the mail it stood in (A-067)."""

    link: Text = None
    element: Text = None
    block: Text = None


class Returned(Mail, frozen=True):
    """An event that says something of a mailbox. `email`: which; without it the one that the send went to, else her present one."""

    email: Annotated[Text, Personal] = None


class EmailBounce(Returned, frozen=True):
    """`kind`: hard or permanent; soft, transient, temporary. Letter case is all one; any other word, or none, counts as soft."""

    kind: Text = None


class EmailComplaint(Returned, frozen=True):
    """Marked as spam."""


class EmailUnsubscribe(Mail, frozen=True):
    """No more mail, whatever consent says."""


class EmailForward(Mail, frozen=True):
    """Passed on to somebody, or shared on a `network` (A-020)."""

    network: Text = None


# --- channels -----------------------------------------------------------------------------------------------------------------


class SocialEngagement(Campaign, frozen=True):
    """`action`: story, like, share, comment (A-024)."""

    action: Text = None


class AdView(Campaign, frozen=True):
    """An advertisement shown."""


class AdClick(Campaign, frozen=True):
    """An advertisement clicked."""


class AdConversion(Campaign, frozen=True):
    """An advertisement that led to what it was for."""


class AdVideoComplete(Campaign, frozen=True):
    """A video advertisement seen to its end."""


class SupportTicket(Behaviour, frozen=True):
    """`status`: open, closed (or solved, resolved, done), or the help desk's own; without a `ticket_id` it is counted, never open."""

    ticket_id: Text = None
    status: Text = None


class SupportChat(Behaviour, frozen=True):
    """`quality`: the help desk's own mark, a number or a word."""

    quality: float | str | None = None


class SupportCall(Behaviour, frozen=True):
    """`seconds` on the telephone."""

    seconds: Number = None


class StoreVisit(Behaviour, frozen=True):
    """`store_id`: where."""

    store_id: Text = None


class StorePurchase(Order, frozen=True):
    """As a purchase, and counts as one."""

    store_id: Text = None


class Referral(Campaign, frozen=True):
    """She brought somebody; by a `network` or `campaign`, if told."""

    referred_id: Text = None


class SmsSent(Mail, frozen=True):
    """Handed to the carrier."""


class SmsClick(Mail, frozen=True):
    """`link`: where it led."""

    link: Text = None


class PushOpen(Mail, frozen=True):
    """A push message opened."""


# --- person -------------------------------------------------------------------------------------------------------------------


class Identify(Behaviour, frozen=True):
    """Who she is."""

    traits: Traits | None = None


class Alias(Behaviour, frozen=True):
    """`previous_id`: an identifier she had before."""

    previous_id: Text = None


class ProfileUpdate(Identify, frozen=True):
    """Traits that changed."""


class ConsentGive(Behaviour, frozen=True):
    """`purposes`: track, personalise, email, sms, push, profile_sale …, a list, or an object purpose → given."""

    purposes: list[str] | dict[str, bool] | None = None


class ConsentWithdraw(ConsentGive, frozen=True):
    """`purposes` taken back."""


class PreferenceSet(Behaviour, frozen=True):
    """What she asked for on the preference page."""

    preference: Text = None
    value: Any = None


class SurveyAnswer(Behaviour, frozen=True):
    """One answer of a survey."""

    survey_id: Text = None
    question: Text = None
    answer: Any = None


class EraseRequest(Behaviour, frozen=True):
    """Forget her."""


# --- context ------------------------------------------------------------------------------------------------------------------


class ContextUpdate(Behaviour, frozen=True):
    """Weather and place, a word or an object."""

    weather: str | dict[str, Any] | None = None
    location: str | dict[str, Any] | None = None
