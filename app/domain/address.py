"""An address as several people may share it: its key, and what a person's lane tells its owner, the postmaster.

The key is a plain fingerprint. The record it stands on has the address itself, and so has the person's own row, so a keyed hash would
hide nothing; and the lane needs no secret.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from app import events
from app.domain import closed as shut
from app.domain import reach
from app.domain.effects import Address
from app.events import Addressed, Became, Closing, Plan

if TYPE_CHECKING:
    from app.domain.person import Person, See
    from app.domain.profile import Profile

UNSUBSCRIBED = "unsubscribed"


def key(channel: str, address: str) -> bytes:
    """Of an address, however it is spelled. 32 hex digits."""
    told = shut.folded(address) if channel == reach.EMAIL else address
    return blake2b(f"{channel} {told}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest().encode()


def addressed(plan: Plan, see: See) -> Addressed:
    """A plan as its address gets it: by what the pack now active says of addresses."""
    transactional = see.packs(plan.policy).by_name[plan.trigger].transactional
    span = 0 if see.pack is None else see.pack.one_address
    return Addressed(plan.at, plan.person_id, plan.send_id, plan.message, events.encode(plan), span, transactional)


def closed(her: Profile) -> str:
    """Why her address takes no mail, for good or until she says otherwise; empty: it does. What weighs more goes first."""
    return her.suppressed or (UNSUBSCRIBED if her.unsubscribed else "")


def word(before: Profile, see: See) -> Address | None:
    """What her mail address has to know after a record: that she closed it, or that it is open to her again.

    It is told where she has just been closed or opened, or has come to another address since. Of who never closed one there is nothing
    to tell.
    """
    her = see.person.profile
    was, now = closed(before), closed(her)
    if her.email is None or (was == now and before.email == her.email):
        return None
    if not (was or now or her.unsubscribed_at):
        return None
    return Address(key(reach.EMAIL, her.email), Closing(see.now, see.person_id, now))


def met(theirs: Person, source: str, see: See) -> list[Address]:
    """Somebody turned out to be her: what the other's addresses have to know, before anything is planned for the one they are now."""
    one = theirs.profile
    known = ((reach.EMAIL, one.email), (reach.SMS, reach.phone(one)), (reach.PUSH, reach.token(one)))
    became = Became(see.now, see.person_id, source)
    return [Address(key(channel, told), became) for channel, told in known if told is not None]
