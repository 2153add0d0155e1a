"""Approval of a message: the state its text is in, and whether that counts for the text as it is now (A-183).

A text that a machine or another person drafted is `draft`, then `review`, then `approved`; an approval counts for exactly the content it
was given for. A message that says nothing about its state was written by the shop itself and needs no approval.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.domain.message import MessageSource, texts

DRAFT, REVIEW, APPROVED = "draft", "review", "approved"
_LINE = re.compile(r"(draft|review|approved)(?: ([0-9a-f]{12}))?(?: by (\S.*?))?(?: on (\d{4}-\d{2}-\d{2}))?")
_DRAFTED = re.compile(r"(?:by (\S.*?))?(?: ?with (\S+))? ?on (\d{4}-\d{2}-\d{2})")
FORM = "`draft`, `review HASH`, or `approved HASH by NAME on DATE`, which `kairos copy` writes"


class Approval(Struct, frozen=True):
    """What a line says. `of`: hash of the content it was given for; `by`, `on`: who, on which day (YYYY-MM-DD); each empty if not told."""

    state: str
    of: str = ""
    by: str = ""
    on: str = ""

    def __str__(self) -> str:
        return " ".join(
            [self.state, *([self.of] if self.of else []), *([f"by {self.by}"] if self.by else []), *([f"on {self.on}"] if self.on else [])]
        )


def parse(line: str) -> Approval:
    """What stands behind `approval:`. Raises ValueError where that says nothing we know."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"approval: {FORM}, not {line.strip()[:60]!r}")
    found = Approval(*(part or "" for part in match.groups()))
    if found.state == APPROVED and not (found.of and found.by and found.on):
        raise ValueError(f"approval: `approved` names what was approved, by whom and when: {FORM}")
    return found


def content(source: MessageSource) -> str:
    """12 hex digits of BLAKE2b over all that the message says in every channel, as it was built."""
    return hashlib.blake2b(msgspec.json.encode([source.name, *texts(source)]), digest_size=6).hexdigest()


def stated(source: MessageSource, lines: Sequence[str], drafted: str = "") -> MessageSource:
    """The message with what its files say of its approval, one line per file that says anything. Raises ValueError as `parse` does.

    A message of several files is approved if each of them is.
    """
    if not lines:
        return replace(source, drafted=drafted) if drafted else source
    now = content(source)
    told = [parse(line) for line in lines]
    lacking = [one for one in told if one.state != APPROVED or one.of != now]
    return replace(source, approved=not lacking, approval=str((lacking or told)[0]), drafted=drafted)


def standing(source: MessageSource) -> str:
    """Its state in words; of a message that needs no approval nothing."""
    if source.approved or not source.approval:
        return source.approval
    told = parse(source.approval)
    return f"{told}, but changed since" if told.state == APPROVED else str(told)


def drafter(source: MessageSource) -> str:
    """Who drafted it, or asked a model to; empty where that is not told."""
    match = _DRAFTED.fullmatch(source.drafted)
    return (match[1] or "") if match is not None else ""


def same_person(one: str, other: str) -> bool:
    """Whether two names are one, however they are spaced and capitalised."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
