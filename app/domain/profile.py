"""The profile updater's part of a person: who she is, what she allows, what she bought, read and looked at.

An event is taken by the handler of its type, spelled like it; types without one still move first and last seen. Once `track` is withdrawn
her browsing is counted, not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain import browsing, buying, channels, import_row, interest, mail, mailing, telling, traits
from app.domain.answers import Answers
from app.domain.bounces import Bounces
from app.domain.channels import Contacts
from app.domain.closed import Closed
from app.domain.consent import Words, permits, tracked
from app.domain.device import Device
from app.domain.effects import NOTHING, Conclude, Effects
from app.domain.interest import Interest
from app.domain.mail import Mail
from app.domain.profile_view import view
from app.domain.purchases import Purchases
from app.domain.recent import RecentProduct
from app.domain.rhythm import Rhythm
from app.domain.signals import Signal
from app.domain.supplies import Supplies
from app.domain.visits import OF_A_VISIT, Visit, visited
from app.events import Conclusion, Event, JournalRecord, Rendered

if TYPE_CHECKING:
    from app.domain.person import Person, See

__all__ = ["HANDLERS", "Profile", "address", "due", "step", "view", "wake"]

MAX_ANONYMOUS = 20
"""Anonymous ids of a person; beyond it the oldest go."""

NOT_HER = frozenset(
    ("email_sent", "email_delivered", "email_bounce", "sms_sent", "order_shipped", "order_delivered", "refund", "context_update")
)
"""Done to her, not by her: no sign that she was seen. They are events all the same, and keep the increment score from expiring (A-037)."""


class Profile(Struct, frozen=True, array_like=True):
    """Instants in ms (0: never), money in units. `consent`: purpose → given or withdrawn; absent: she did not say."""

    customer_id: str | None = None
    anonymous_ids: tuple[str, ...] = ()
    events: int = 0
    last_event: int = 0
    first_seen: int = 0
    last_seen: int = 0
    bot: bool = False
    traits: dict[str, Any] = {}
    email: str | None = None
    """The address last told in traits."""
    consent: dict[str, bool] = {}
    consent_at: dict[str, int] = {}
    unsubscribed: bool = False
    unsubscribed_at: int = 0
    suppressed: str | None = None
    """`complaint`, which is said of all mail; or `hard_bounce`: her present address is closed."""
    reachable: bool = False
    """The conclusion `reachable` was drawn; it is drawn once ever."""
    orders: int = 0
    spent: int = 0
    """Net of refunds, in `currency`; what an order in another currency cost is not added."""
    currency: str | None = None
    """The first one an order told."""
    last_order_at: int = 0
    mail: Mail = Mail()
    interest: Interest = Interest()
    recent: tuple[RecentProduct, ...] = ()
    visits: tuple[Visit, ...] = ()
    """Of the last 90 days, oldest first."""
    purchases: Purchases = Purchases()
    signals: dict[str, Signal] = {}
    """Event type → how often, when last, and which kinds of it: all that no other field counts."""
    device: Device = Device()
    rhythm: Rhythm = Rhythm()
    contacts: Contacts = Contacts()
    answers: Answers = Answers()
    rejected: dict[str, int] = {}
    """Traits that cannot be true, by name: how often they were told. None of them was kept (A-244)."""
    traits_at: dict[str, int] = {}
    """When each trait was last spoken of (s): an old word that arrives late undoes nothing."""
    consent_words: Words = {}
    """Where, and to which version of the text, she last spoke on a purpose."""
    bounces: Bounces = Bounces()
    """Soft ones of her address in a row."""
    supplies: Supplies = ()
    """What she uses up and buys again."""
    closed: Closed = ()
    """Addresses that take no mail, of those she has and had."""


Changes = dict[str, Any]
Handler = Callable[[Profile, Event, "See", Changes], Effects]
"""Puts what becomes of the profile's fields into the changes; returns the effects."""


def step(part: Profile, record: JournalRecord, see: See) -> tuple[Profile, Effects]:
    """One record. Takes events, and counts a rendered mail as sent."""
    if type(record) is Event:
        return _event(part, record, see)
    if type(record) is Rendered and record.channel == "email":
        return replace(part, mail=mail.rendered(part.mail, record.send_id, record.at)), NOTHING
    return part, NOTHING


def wake(part: Profile, see: See) -> tuple[Profile, Effects]:
    """Never asked for."""
    return part, NOTHING


def due(part: Profile) -> int:
    """Never: what fades is computed when it is looked at."""
    return -1


def _event(part: Profile, event: Event, see: See) -> tuple[Profile, Effects]:
    ts, kind = event.ts, event.event_type
    changes: Changes = {"events": part.events + 1}
    if ts > part.last_event:
        changes["last_event"] = ts
        if ts - part.last_event >= interest.EXPIRY_MS and part.interest.increment:
            changes["interest"] = Interest(part.interest.decayed)
    if kind not in NOT_HER and event.context.get("source") != import_row.SOURCE:
        if ts > part.last_seen:
            changes["last_seen"] = ts
        if ts < part.first_seen or not part.first_seen:
            changes["first_seen"] = ts
    if event.customer_id is not None and event.customer_id != part.customer_id:
        changes["customer_id"] = event.customer_id
    if event.anonymous_id is not None and event.anonymous_id not in part.anonymous_ids:
        changes["anonymous_ids"] = (*part.anonymous_ids, event.anonymous_id)[-MAX_ANONYMOUS:]
    if event.bot and not part.bot:
        changes["bot"] = True
    if kind in OF_A_VISIT and tracked(part, see):
        changes["visits"] = visited(part.visits, event)
    channels.heard(part, event, see, changes)
    handler = HANDLERS.get(kind)
    effects = handler(part, event, see, changes) if handler is not None else NOTHING
    after = replace(part, **changes)
    if not after.reachable and (after.email is not None or "address" in see.assume):
        return reached(after, event.at, event.ts, event.event_id, see, effects)
    return after, effects


def reached(part: Profile, at: int, ts: int, cause: str, see: See, effects: Effects) -> tuple[Profile, Effects]:
    """Draws `reachable`, if it was not yet, the moment a usable address and consent to e-mail are first both there."""
    if part.reachable:
        return part, effects
    if part.unsubscribed or part.suppressed or not permits(part, "email", see):
        return part, effects
    if address(part, see.person, see.assume) is None:
        return part, effects
    found = Conclusion(at, see.person_id, "reachable", "email", ts, cause)
    return replace(part, reachable=True), (*effects, Conclude(found))


def address(profile: Profile, person: Person, assume: frozenset[str]) -> tuple[str, str | None] | None:
    """Where to write and to whom, or None. Under `address` of `assume` an unknown one is `<id>@example.invalid`."""
    email = profile.email
    if email is None and "address" in assume:
        ids = (profile.customer_id, *profile.anonymous_ids[:1], person.person_id)
        email = next((found for one in ids if one and (found := traits.sane_address(f"{one}@example.invalid"))), None)
    return None if email is None else (email, traits.full_name(profile.traits))


HANDLERS: dict[str, Handler] = browsing.HANDLERS | buying.HANDLERS | mailing.HANDLERS | telling.HANDLERS
"""By event type."""
