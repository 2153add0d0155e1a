"""The messages a person got lately, or is about to: what her caps count (A-199–A-201)."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from app.domain.fingerprint import fingerprint

MAX_CONTACTS = 400
"""Of a person. The oldest gives way: a cap over all messages still closes at any number a pack may name."""
_BITS = 0xFFFF_FFFF_FFFF


class Contact(Struct, frozen=True, array_like=True):
    """One message. It is reserved when it passes the gate; what the renderer does not answer counts all the same, so no cap is exceeded."""

    at: int
    """When it passed the gate (ms, journal time)."""
    send: int
    """48 bits of its send_id."""
    trigger: str
    channel: str = "email"
    depth: int = 1
    """How much of her it shows she is known, 0–3 (A-261)."""
    answered: bool = False
    """The renderer has written it."""


Contacts = tuple[Contact, ...]
"""Of one person, the oldest first."""


def mark(send_id: str) -> int:
    """What a contact keeps of a send_id."""
    return fingerprint(send_id) & _BITS


def reserved(contacts: Contacts, one: Contact, span: int) -> tuple[Contacts, int]:
    """With a message that has just passed the gate, as far back as any cap looks (`span`, ms); and how many had to give way."""
    kept = [*(old for old in contacts if old.at > one.at - span), one]
    return tuple(kept[-MAX_CONTACTS:]), max(0, len(kept) - MAX_CONTACTS)


def answered(contacts: Contacts, send_id: str, rendered: bool) -> Contacts:
    """After the renderer's answer: the message went out, or its place is free again. The same tuple if it is not among them."""
    send = mark(send_id)
    place = next((n for n, one in enumerate(contacts) if one.send == send and not one.answered), None)
    if place is None:
        return contacts
    middle = (replace(contacts[place], answered=True),) if rendered else ()
    return (*contacts[:place], *middle, *contacts[place + 1 :])


def union(mine: Contacts, theirs: Contacts) -> Contacts:
    """Of two people as one, each message once; whoever knows its answer is believed."""
    if not theirs:
        return mine
    both: dict[int, Contact] = {}
    for one in (*theirs, *mine):
        known = both.get(one.send)
        if known is None or (one.answered and not known.answered):
            both[one.send] = one
    return tuple(sorted(both.values(), key=lambda one: (one.at, one.send))[-MAX_CONTACTS:])


def beyond(mine: Contacts, theirs: Contacts) -> int:
    """How many of two people's messages have no place in one ledger."""
    return max(0, len({one.send for one in (*mine, *theirs)}) - MAX_CONTACTS) if mine and theirs else 0
