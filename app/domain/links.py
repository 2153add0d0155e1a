"""Which identifiers are one person: what intake remembers of an identifier's links, and what it makes of a new one (design.md 1.6).

An identifier has at most one link, and the first one stays: of two customers on one device the first takes the anonymous past, the later
one gets what carries her own id. Where an identifier is linked while others are linked to its person, those are told to follow, so that
their events go straight to the person they are now, not through the stubs of all she was before.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from app.domain import signing
from app.domain.contract import Accepted
from app.domain.identity import identifier
from app.domain.schema import MAX_ID
from app.events import Link, Undecodable, derived_id, journal

MAX_KNOWN = 100
"""Identifiers linked from one that are remembered. Beyond it the oldest go, counted: they follow no more, stubs take their events on."""
OPERATOR = 0xFFFF
"""Source partition of an operator's links; their source offset is the wall clock, so that none counts twice and none comes back."""
PURPOSE = "link"

Verdict = Literal["linked", "follows", "same", "refused", "unlinked"]


class Links(Struct, frozen=True, array_like=True):
    """Of one identifier. `to`: the person it was linked to; `cut`: whom an operator parted it from; `known`: linked from here."""

    to: str = ""
    cut: str = ""
    known: tuple[str, ...] = ()


NONE = Links()


def others(event: Accepted) -> list[str]:
    """Identifiers that an event says are hers beside its own: the device's, and of an `alias` what she was called before."""
    found: list[str] = []
    if event.customer_id and event.anonymous_id:
        found.append(identifier(None, event.anonymous_id))
    if event.event_type == "alias":
        previous = event.properties.get("previous_id")
        if isinstance(previous, str) and 0 < len(previous) <= MAX_ID:
            # Nothing in it says which kind of id it is: Segment's clients send either.
            found += [identifier(None, previous), identifier(previous, None)]
    own = identifier(event.customer_id, event.anonymous_id)
    return [one for one in dict.fromkeys(found) if one != own]


def key(old: str) -> bytes:
    """Key of the partition of `customer_events` that owns the identifier."""
    return old[2:].encode()


def remembered(links: Links, fresh: Iterable[str]) -> tuple[Links, int]:
    """The links with more identifiers linked from here, and how many were forgotten for it."""
    known = (*links.known, *fresh)
    return replace(links, known=known[-MAX_KNOWN:]), max(0, len(known) - MAX_KNOWN)


def taken(links: Links, link: Link, own: str) -> tuple[Links, Verdict]:
    """The links after another one for this identifier, whose own person is `own`."""
    person_id = link.person_id
    if not person_id:
        return (replace(links, to="", cut=links.to), "unlinked") if links.to else (links, "refused")
    if person_id == links.to:
        return links, "same"
    if person_id == own or (links.cut and links.cut in (person_id, link.before)):
        return links, "refused"
    if not links.to:
        return replace(links, to=person_id), "linked"
    if links.to == link.before:
        return replace(links, to=person_id), "follows"
    return links, "refused"


def following(links: Links, link: Link, before: str) -> list[Link]:
    """What identifiers linked from here are told when it is linked on: they go to the same person, if they went to `before`."""
    person_id, cause = link.person_id, link.cause or str(link.at)
    return [Link(link.at, one, person_id, derived_id("link", one, person_id, link.identifier, cause), before) for one in links.known]


def sealed(secret: str, link: Link, partition: int, offset: int) -> Link:
    """The link as it goes onto `customer_events`, from where it comes."""
    return replace(link, seal=_seal(secret, link, partition, offset))


def opened(secret: str, value: bytes | None, partition: int, offset: int) -> Link | None:
    """The link in a record that says it comes from there; None if it is none, or not of our making: no outsider can merge people."""
    try:
        link = journal.decode(value)
    except Undecodable:
        return None
    if not isinstance(link, Link) or not hmac.compare_digest(link.seal.encode(), _seal(secret, link, partition, offset).encode()):
        return None
    return link


def _seal(secret: str, link: Link, partition: int, offset: int) -> str:
    place = (str(partition), str(offset))
    return signing.seal(secret, PURPOSE, (*place, str(link.at), link.identifier, link.person_id, link.cause, link.before))
