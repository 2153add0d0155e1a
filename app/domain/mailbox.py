"""What an address got lately and who of those who share it has closed it: one address, one mail (C-22).

People who share an address are strangers to each other: several customer ids of one person, or of one household. The lane judges each of
them alone; here they meet. Only what somebody else got or said is asked: of what she herself did her own lane knows better.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.days import DAY_MS
from app.events import Addressed, AddressRecord, Became, Closing, Unwritten, iso

MAX_SENT = 20
"""Messages that are remembered. The oldest gives way: from then on it may come again for somebody else."""
MAX_WORDS = 20
"""People whose word is remembered. One that leaves the address open gives way first."""
MAX_BECAME = 20
KEPT_MS = 7 * DAY_MS
"""How long a message is remembered; a pack can ask for no longer span."""
FOR_ALL = frozenset(("hard_bounce", "complaint"))
"""What closes an address to transactional messages, too: they do not arrive, or harm. An unsubscribe was not meant for an order's."""


class Went(Struct, frozen=True, array_like=True):
    """A message that was let through, at a time of the journal (ms)."""

    at: int
    person_id: str
    send_id: str
    message: str


class Word(Struct, frozen=True, array_like=True):
    """A person's last word on the address; `why` empty: open."""

    at: int
    person_id: str
    why: str


class Joined(Struct, frozen=True, array_like=True):
    """Somebody became somebody else: what comes late under the old name is the new one's."""

    at: int
    was: str
    person_id: str


class Mailbox(Struct, frozen=True, array_like=True):
    """Oldest first, by their order on the topic. `version`: of this shape."""

    version: int = 1
    went: tuple[Went, ...] = ()
    words: tuple[Word, ...] = ()
    joined: tuple[Joined, ...] = ()


EMPTY = Mailbox()


def barred(box: Mailbox, one: Addressed) -> dict[str, Any] | None:
    """Why the plan may not go there, for its decision; None: it may. What went once goes again as it did, after a crash."""
    if any([told.send_id == one.send_id for told in box.went]):
        return None
    mine = _who(box, one.person_id)
    for word in reversed(box.words):
        if word.why and word.person_id != mine and (word.why in FOR_ALL or not one.transactional):
            return {"closed": word.why, "at": iso(word.at), "person_id": word.person_id}
    if one.transactional or not one.span:
        return None
    theirs = [told for told in box.went if told.message == one.message and told.person_id != mine and abs(one.at - told.at) < one.span]
    if not theirs:
        return None
    last = max(theirs, key=lambda told: told.at)
    return {"message": last.message, "at": iso(last.at), "person_id": last.person_id, "send_id": last.send_id}


def went(box: Mailbox, one: Addressed) -> Mailbox:
    """After a plan was let through."""
    mine = _who(box, one.person_id)
    if any([told.send_id == one.send_id for told in box.went]):
        return box
    newest = max([one.at, *[told.at for told in box.went]])
    others = [told for told in box.went if told.at > newest - KEPT_MS]
    return replace(box, went=tuple([*others, Went(one.at, mine, one.send_id, one.message)][-MAX_SENT:]))


def unwritten(box: Mailbox, record: Unwritten) -> Mailbox:
    """After the renderer could not write what was let through: it did not go there."""
    left = tuple([told for told in box.went if told.send_id != record.send_id])
    return box if len(left) == len(box.went) else replace(box, went=left)


def said(box: Mailbox, record: Closing) -> Mailbox:
    """After a person's word."""
    return _spoken(box, Word(record.at, _who(box, record.person_id), record.why))


def became(box: Mailbox, record: Became) -> Mailbox:
    """After `was` turned out to be the other: all that was the one's is the other's."""
    mine = _who(box, record.person_id)
    if mine == record.was:  # she was that one before: nothing leads back
        mine = record.person_id
    was, at = record.was, record.at
    pairs = [one if one.person_id != was else replace(one, person_id=mine) for one in box.joined if one.at > at - KEPT_MS]
    pairs = [*(one for one in pairs if one.was not in (was, mine)), Joined(at, was, mine)]
    after = replace(
        box,
        went=tuple([one if one.person_id != was else replace(one, person_id=mine) for one in box.went]),
        words=tuple([one for one in box.words if one.person_id != was]),
        joined=tuple(pairs[-MAX_BECAME:]),
    )
    for one in box.words:
        if one.person_id == was:
            after = _spoken(after, replace(one, person_id=mine))
    return after


def took(box: Mailbox, record: AddressRecord) -> Mailbox:
    """After a record. A plan that may not go there leaves nothing behind."""
    if isinstance(record, Closing):
        return said(box, record)
    if isinstance(record, Became):
        return became(box, record)
    if isinstance(record, Unwritten):
        return unwritten(box, record)
    return went(box, record) if barred(box, record) is None else box


def _who(box: Mailbox, person_id: str) -> str:
    return next((one.person_id for one in box.joined if one.was == person_id), person_id)


def _spoken(box: Mailbox, word: Word) -> Mailbox:
    """Of each person the later word counts, in whatever order they come."""
    before = next((one for one in box.words if one.person_id == word.person_id), None)
    if before is not None and before.at > word.at:
        return box
    words = [*(one for one in box.words if one is not before), word]
    if len(words) > MAX_WORDS:
        words.remove(next((one for one in words if not one.why), words[0]))
    return replace(box, words=tuple(words))
