"""What a profile takes from advertisements, social networks, support and stores (A-023–A-026, A-274), and whether it all fits (A-246)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from app.domain import answers, device, orders, signals
from app.domain.consent import tracked
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.scope import Subject
from app.events import Event

if TYPE_CHECKING:
    from app.domain.person import See
    from app.domain.profile import Changes, Profile

MAX_TICKETS = 20
"""Tickets remembered; solved ones give way first, then the oldest."""
MAX_WISHES = 50
"""Products of the wish list remembered, taken off again or not; those told of longest ago give way."""
MAX_CHATS = 10**9
LOOKED_MS = 90 * DAY_MS
SOLVED = frozenset(("closed", "solved", "resolved", "done"))
MAILS = frozenset(("email_open", "email_click", "email_forward"))
"""A machine may be behind them; where she reads her mails, her sends tell (`habits`)."""
TRAITS = frozenset(("identify", "profile_update"))
FROM_ELSEWHERE = frozenset(
    ("email_sent", "email_delivered", "email_bounce", "sms_sent", "order_shipped", "order_delivered", "refund", "store_purchase")
)
"""Told by servers and tills: where these stand says nothing of her."""


class Ticket(Struct, frozen=True, array_like=True):
    """A request to support. `opened`: first heard of (ms); `last`: the newest word about it, and whether that was that it is solved."""

    opened: int
    last: int
    solved: bool


class Contacts(Struct, frozen=True, array_like=True):
    """Tickets by fingerprint of their id. `chats`, `quality`: chats that were given a mark, and the sum of these in thousandths.

    `wishes`: fingerprint of a product → the instant she put it on her wish list, negative where she took it off (ms).
    `unseen_orders`: orders on the site of products she had not looked at there.
    """

    tickets: dict[int, Ticket] = {}
    chats: int = 0
    quality: int = 0
    wishes: dict[int, int] = {}
    unseen_orders: int = 0
    carted: dict[int, int] = {}
    """As `wishes`, of her cart; what she buys stays: her orders tell."""


def heard(part: Profile, event: Event, see: See, changes: Changes) -> None:
    """Takes from an event what no handler of its own takes: signals, device and place, tickets, wishes, answers."""
    kind, keeps = event.event_type, tracked(part, see)
    told = signals.heard(part.signals, event, keeps)
    if told is not part.signals:
        changes["signals"] = told
    if kind not in MAILS and kind not in FROM_ELSEWHERE:
        traits = event.properties.get("traits") if kind in TRAITS else None
        after = device.heard(part.device, traits if isinstance(traits, dict) else event.properties, event.context, event.ts)
        if after is not part.device:
            changes["device"] = after
    contacts = part.contacts
    if kind == "support_ticket":
        contacts = _ticket(contacts, event)
    elif kind == "support_chat":
        contacts = _chat(contacts, event.properties.get("quality"))
    elif kind in ("wishlist_add", "wishlist_remove") and keeps:
        contacts = replace(contacts, wishes=_wanted(contacts.wishes, see.about(event), kind == "wishlist_add"))
    elif kind in ("cart_add", "cart_remove") and keeps:
        contacts = replace(contacts, carted=_wanted(contacts.carted, see.about(event), kind == "cart_add"))
    elif kind == "purchase" and keeps and _unseen(part, event, see):
        contacts = replace(contacts, unseen_orders=contacts.unseen_orders + 1)
    elif kind in ("survey_answer", "preference_set"):
        changes["answers"] = answers.heard(part.answers, event)
    if contacts is not part.contacts:
        changes["contacts"] = contacts


def _ticket(contacts: Contacts, event: Event) -> Contacts:
    """Without an id nobody could ever say that it is solved: it is counted, not kept open."""
    ticket_id, status = event.properties.get("ticket_id"), event.properties.get("status")
    if not isinstance(ticket_id, str) or not ticket_id:
        return contacts
    solved = isinstance(status, str) and status.strip().lower() in SOLVED
    key, one = fingerprint(ticket_id), Ticket(event.ts, event.ts, solved)
    return replace(contacts, tickets=_tickets({**contacts.tickets, key: _both(contacts.tickets.get(key), one)}))


def _both(one: Ticket | None, other: Ticket) -> Ticket:
    if one is None:
        return other
    last, solved = max((one.last, one.solved), (other.last, other.solved))
    return Ticket(min(one.opened, other.opened), last, solved)


def _tickets(tickets: dict[int, Ticket]) -> dict[int, Ticket]:
    while len(tickets) > MAX_TICKETS:
        del tickets[min(tickets, key=lambda key: (not tickets[key].solved, tickets[key].last, key))]
    return tickets


def _chat(contacts: Contacts, quality: object) -> Contacts:
    if isinstance(quality, bool) or not isinstance(quality, int | float) or not abs(quality) <= MAX_CHATS:
        return contacts
    return replace(contacts, chats=contacts.chats + 1, quality=contacts.quality + round(quality * 1000))


def _wanted(wanted: dict[int, int], about: Subject, added: bool) -> dict[int, int]:
    product = about.product
    if product is None:
        return wanted
    key = fingerprint(product.product_id or product.group_id or product.name)
    at = about.ts if added else -about.ts
    return _wishes({**wanted, key: _newer(wanted.get(key, 0), at)})


def _both_wanted(mine: dict[int, int], theirs: dict[int, int]) -> dict[int, int]:
    return _wishes({**mine, **{key: _newer(mine.get(key, 0), at) for key, at in theirs.items()}})


def _newer(one: int, other: int) -> int:
    return max(one, other, key=lambda at: (abs(at), at < 0))


def _wishes(wishes: dict[int, int]) -> dict[int, int]:
    while len(wishes) > MAX_WISHES:
        del wishes[min(wishes, key=lambda key: (abs(wishes[key]), key))]
    return wishes


def _unseen(part: Profile, event: Event, see: See) -> bool:
    """Whether it is the first record of an order none of whose products she is known to have looked at in 90 days."""
    about = see.about(event)
    bought = about.products
    if not bought or orders.find(see.orders, orders.id_of(event.properties, event.event_id)) is not None:
        return False
    looked = [one.product for one in part.recent if abs(event.ts - one.at) < LOOKED_MS]
    return not any(seen.same(one) for seen in looked for one in bought)


def union(mine: Contacts, theirs: Contacts) -> Contacts:
    """Of two people as one."""
    tickets = dict(mine.tickets)
    for key, one in theirs.tickets.items():
        tickets[key] = _both(tickets.get(key), one)
    return Contacts(
        _tickets(tickets),
        mine.chats + theirs.chats,
        mine.quality + theirs.quality,
        _both_wanted(mine.wishes, theirs.wishes),
        mine.unseen_orders + theirs.unseen_orders,
        _both_wanted(mine.carted, theirs.carted),
    )


# --- what is asked --------------------------------------------------------------------------------------------------------------


def tickets_open(contacts: Contacts) -> int:
    """Requests to support that nobody has reported solved."""
    return sum([not one.solved for one in contacts.tickets.values()])


def oldest_ticket(contacts: Contacts) -> int:
    """When the oldest of them was opened (ms; 0: there is none)."""
    return min([one.opened for one in contacts.tickets.values() if not one.solved], default=0)


def chat_quality(contacts: Contacts) -> float | None:
    """The mean mark of her chats, on the help desk's own scale (A-026)."""
    return contacts.quality / contacts.chats / 1000 if contacts.chats else None


def wishes(contacts: Contacts) -> int:
    """Products on her wish list."""
    return sum([at > 0 for at in contacts.wishes.values()])
