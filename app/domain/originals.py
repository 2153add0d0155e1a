"""Her last mails: what an open or a click is about, and which of them had their window (A-111, A-112)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from app.domain import creative
from app.domain.window import NO_LINES, NOTHING, Window
from app.events import Counted

MAX_ORIGINALS = 30
"""Mails kept; the one that was sent, or first heard of, longest ago gives way."""
MAX_BYTES = 48 * 1024
"""Of all of them, as encoded; the oldest give way."""
FRAME = 200


class Original(Struct, frozen=True, array_like=True):
    """A mail; of one that Kairos did not send nothing but its id is known."""

    send_id: str
    trigger: str = ""
    message: str = ""
    told: Raw = NOTHING
    """What its window was about (`window.properties`)."""
    gathered: Raw = NO_LINES
    """Its products (`window.lines`)."""
    opened: tuple[str, ...] = ()
    """Triggers that have had their window of it."""
    final: bool = False
    """Itself an answer to what she did with a mail: nothing answers it again."""
    creative: tuple[tuple[str, str], ...] = ()
    """Factors of which it is not known yet whether their variant worked."""


class Originals(Struct, frozen=True, array_like=True):
    """In the second row of a person; in order of sending."""

    mails: tuple[Original, ...] = ()


def properties(mail: Original) -> dict[str, Any]:
    """The plain properties of what its window was about."""
    return _decode(mail.told)


def find(originals: Originals, send_id: str) -> Original | None:
    """The mail of a send id, if it is remembered."""
    return next((one for one in originals.mails if one.send_id == send_id), None)


def kept(originals: Originals, one: Original) -> Originals:
    """The mails with one more among them."""
    mails = [*(other for other in originals.mails if other.send_id != one.send_id), one][-MAX_ORIGINALS:]
    room, first = MAX_BYTES, len(mails)
    while first and (room := room - _size(mails[first - 1])) >= 0:
        first -= 1
    return Originals(tuple(mails[first:]))


def union(mine: Originals, theirs: Originals) -> Originals:
    """Of two people as one; nobody knows any more which mails went out in between, so hers count as the newer."""
    if not theirs.mails:
        return mine
    found = theirs
    for one in mine.mails:
        other = find(theirs, one.send_id)
        if other is not None:
            known = one if one.trigger else other
            one = replace(known, opened=tuple(dict.fromkeys((*other.opened, *one.opened))))
        found = kept(found, one)
    return found


def of(window: Window, send_id: str, message: str, final: bool) -> Original:
    """The mail a window has just sent."""
    return Original(send_id, window.trigger, message, window.told, window.gathered, (), final, window.creative)


def heard(originals: Originals, send_id: str, at: int, clicked: bool) -> tuple[Originals, Counted | None]:
    """After a human's open or click of a mail: what that says for its variants, once."""
    before = find(originals, send_id)
    if before is None or not before.creative:
        return originals, None
    counted, left = creative.worked(at, before.message, before.creative, clicked)
    if counted is None:
        return originals, None
    after = replace(before, creative=left)
    return Originals(tuple([after if one is before else one for one in originals.mails])), counted


def had(originals: Originals, send_id: str, trigger: str) -> Originals:
    """The mails, one of which has had this trigger's window now; one nobody knew is known from now on."""
    before = find(originals, send_id) or Original(send_id)
    after = replace(before, opened=(*before.opened, trigger))
    if any(one is before for one in originals.mails):
        return Originals(tuple([after if one is before else one for one in originals.mails]))
    return kept(originals, after)


_decode = msgspec.msgpack.Decoder(dict[str, Any]).decode


def _size(one: Original) -> int:
    return FRAME + len(one.told) + len(one.gathered)
