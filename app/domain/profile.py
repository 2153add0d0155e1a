"""The profile updater's part of a person: who she is, what she allows, what she bought, read and looked at.

An event is taken by the handler of its type, spelled like it; types without one still move first and last seen. Once `track` is withdrawn
her browsing is counted, not kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain import interest, mail, orders, traits
from app.domain.consent import allows, given, said, withdrawn
from app.domain.effects import NOTHING, Conclude, Effects, Keep
from app.domain.interest import Interest
from app.domain.mail import Mail
from app.domain.money import LIMIT
from app.domain.orders import Order
from app.domain.profile_view import view
from app.domain.recent import RecentProduct, viewed
from app.events import Conclusion, Event, JournalRecord, Rendered

if TYPE_CHECKING:
    from app.domain.person import Person, See

__all__ = ["HANDLERS", "Profile", "address", "due", "step", "view", "wake"]

NEVER = -1
MAX_ANONYMOUS = 20
"""Anonymous ids of a person; beyond it the oldest go."""
MAX_SPENT = LIMIT * 1_000

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
    """`hard_bounce` or `complaint`."""
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


Changes = dict[str, Any]
Handler = Callable[[Profile, Event, "See", Changes], Effects]
"""Puts what becomes of the profile's fields into the changes; returns the effects."""


def step(part: Profile, record: JournalRecord, see: See) -> tuple[Profile, Effects]:
    """One record. Takes events, and counts a rendered mail as sent."""
    if type(record) is Event:
        return _event(part, record, see)
    if type(record) is Rendered:
        return replace(part, mail=mail.sent(part.mail, record.send_id, record.at)), NOTHING
    return part, NOTHING


def wake(part: Profile, see: See) -> tuple[Profile, Effects]:
    """Waits for nothing: what fades is computed when it is looked at."""
    return part, NOTHING


def due(part: Profile) -> int:
    """Never."""
    return NEVER


def _event(part: Profile, event: Event, see: See) -> tuple[Profile, Effects]:
    ts, kind = event.ts, event.event_type
    changes: Changes = {"events": part.events + 1}
    if ts > part.last_event:
        changes["last_event"] = ts
        if ts - part.last_event >= interest.EXPIRY_MS and part.interest.increment:
            changes["interest"] = Interest(part.interest.decayed)
    if kind not in NOT_HER:
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
    regime = see.pack.consent.get("email", "opt_in") if see.pack is not None else "opt_in"
    if part.unsubscribed or part.suppressed or not allows(part.consent, "email", regime, "consent" in see.assume):
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


def _untracked(part: Profile) -> bool:
    return part.consent.get("track") is False


def _behaved(part: Profile, event: Event, changes: Changes, names: tuple[str, ...], kind: str) -> None:
    """Interest after a behaviour of a type of A-049."""
    if names:
        weight = interest.WEIGHTS[kind] * interest.intensity(event.properties)
        before = changes.get("interest", part.interest)
        changes["interest"] = interest.behaved(before, names, weight, event.ts, kind == "product_view")


def on_product_view(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Raises interest, and remembers the product."""
    if not _untracked(part):
        about = see.about(event)
        _behaved(part, event, changes, about.categories, "product_view")
        changes["recent"] = viewed(part.recent, about)
    return NOTHING


def on_cart_add(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Raises interest."""
    if not _untracked(part):
        _behaved(part, event, changes, see.about(event).categories, event.event_type)
    return NOTHING


on_review_write = on_cart_add


def on_purchase(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Adds an order or a line of one, once; says so as `order_placed` or `order_line`."""
    names = see.about(event).categories
    bought = orders.purchase(see.orders, event.properties, event.event_id, event.ts, names)
    order = bought.after
    if order is None or bought.orders is see.orders:
        return NOTHING
    if part.currency is None and order.currency is not None:
        changes["currency"] = order.currency
    currency = part.currency or order.currency
    changes["spent"] = within_limit(part.spent + _cost(order, currency) - _cost(bought.before, currency))
    if order.at > part.last_order_at:
        changes["last_order_at"] = order.at
    elif bought.before is not None and order.at < bought.before.at == part.last_order_at:
        changes["last_order_at"] = max(one.at for one in bought.orders.open.values())
    if bought.kind == "order_placed":
        changes["orders"] = part.orders + 1
    if bought.categories and not _untracked(part):
        _behaved(part, event, changes, bought.categories, "purchase")
    keep = Keep("orders", bought.orders)
    if bought.kind is None:
        return (keep,)
    values: dict[str, Any] = {"order_id": bought.order_id, "products": bought.products}
    if bought.kind == "order_placed":
        values["category"] = names[0] if names else None
        values["orders"] = part.orders + 1
        values["event"] = event.properties
    found = Conclusion(event.at, see.person_id, bought.kind, bought.order_id, event.ts, event.event_id, values)
    return keep, Conclude(found)


on_store_purchase = on_purchase


def on_refund(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Lowers what she spent, once per event."""
    before = see.orders
    after, amount, currency = orders.refund(before, event.properties, event.event_id)
    if after is before:
        return NOTHING
    if currency is None or part.currency is None or currency == part.currency:
        changes["spent"] = within_limit(part.spent - amount)
    return (Keep("orders", after),)


def _cost(order: Order | None, currency: str | None) -> int:
    return order.amount if order is not None and order.currency in (None, currency) else 0


def within_limit(amount: int) -> int:
    """What she spent, bounded, whatever a shop may send."""
    return max(-MAX_SPENT, min(MAX_SPENT, amount))


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


def on_email_unsubscribe(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """No more mail, unless she said yes again after it."""
    lifted = part.consent.get("email") is True and part.consent_at.get("email", 0) > event.ts
    changes["unsubscribed"] = part.unsubscribed or not lifted
    changes["unsubscribed_at"] = max(part.unsubscribed_at, event.ts)
    return NOTHING


def on_email_bounce(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """A hard bounce: the address takes no mail."""
    if event.properties.get("kind") == "hard" and part.suppressed is None:
        changes["suppressed"] = "hard_bounce"
    return NOTHING


def on_email_complaint(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """She called a mail spam: none ever again."""
    changes["suppressed"] = "complaint"
    return NOTHING


def on_email_sent(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send, once."""
    changes["mail"] = mail.sent(part.mail, mail.send_id(event.properties, event.event_id), event.ts)
    return NOTHING


def on_email_open(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send as opened, once."""
    changes["mail"] = mail.opened(part.mail, mail.send_id(event.properties, event.event_id), event.ts)
    return NOTHING


def on_email_click(part: Profile, event: Event, see: See, changes: Changes) -> Effects:
    """Counts the send as clicked, once; raises interest in what the link was about."""
    changes["mail"] = mail.clicked(part.mail, mail.send_id(event.properties, event.event_id), event.ts)
    if not _untracked(part):
        _behaved(part, event, changes, see.about(event).categories, "email_click")
    return NOTHING


HANDLERS: dict[str, Handler] = {
    "product_view": on_product_view,
    "cart_add": on_cart_add,
    "review_write": on_review_write,
    "purchase": on_purchase,
    "store_purchase": on_store_purchase,
    "refund": on_refund,
    "identify": on_identify,
    "profile_update": on_profile_update,
    "consent_give": on_consent_give,
    "consent_withdraw": on_consent_withdraw,
    "email_unsubscribe": on_email_unsubscribe,
    "email_bounce": on_email_bounce,
    "email_complaint": on_email_complaint,
    "email_sent": on_email_sent,
    "email_open": on_email_open,
    "email_click": on_email_click,
}
