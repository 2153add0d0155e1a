"""What became of the mails a person got: each send counted once, however often it is reported."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.domain.fingerprint import fingerprint

MAX_SENDS = 200
"""Sends remembered by id; a report about an older one counts anew."""

SENT, OPENED, CLICKED = 1, 2, 4


class Mail(Struct, frozen=True, array_like=True):
    """Counts of distinct sends, when each last happened (ms; 0 never), and what is known of the newest sends (id → bits)."""

    sent: int = 0
    opened: int = 0
    clicked: int = 0
    last_sent_at: int = 0
    last_opened_at: int = 0
    last_clicked_at: int = 0
    sends: dict[int, int] = {}


def send_id(properties: dict[str, Any], event_id: str) -> str:
    """The send a mail event is about; without an id the event stands for its own."""
    value = properties.get("send_id")
    return value if isinstance(value, str) and value else event_id


def sent(mail: Mail, send: str, at: int) -> Mail:
    """After a mail went out: our renderer's answer and the provider's `email_sent` are the same send."""
    sends, first = _mark(mail.sends, send, SENT)
    return replace(mail, sends=sends, sent=mail.sent + first, last_sent_at=max(mail.last_sent_at, at))


def opened(mail: Mail, send: str, at: int) -> Mail:
    """After an `email_open`."""
    sends, first = _mark(mail.sends, send, OPENED)
    return replace(mail, sends=sends, opened=mail.opened + first, last_opened_at=max(mail.last_opened_at, at))


def clicked(mail: Mail, send: str, at: int) -> Mail:
    """After an `email_click`."""
    sends, first = _mark(mail.sends, send, CLICKED)
    return replace(mail, sends=sends, clicked=mail.clicked + first, last_clicked_at=max(mail.last_clicked_at, at))


def union(mine: Mail, theirs: Mail) -> Mail:
    """Of two people as one: each send once, however many of them heard of it."""
    if theirs == Mail():
        return mine
    sends = dict(theirs.sends)
    both = dict.fromkeys((SENT, OPENED, CLICKED), 0)
    for key, bits in mine.sends.items():
        other = sends.pop(key, 0)
        for bit in both:
            both[bit] += bool(bits & other & bit)
        sends[key] = bits | other
    for oldest in list(sends)[: max(0, len(sends) - MAX_SENDS)]:
        del sends[oldest]
    return Mail(
        mine.sent + theirs.sent - both[SENT],
        mine.opened + theirs.opened - both[OPENED],
        mine.clicked + theirs.clicked - both[CLICKED],
        max(mine.last_sent_at, theirs.last_sent_at),
        max(mine.last_opened_at, theirs.last_opened_at),
        max(mine.last_clicked_at, theirs.last_clicked_at),
        sends,
    )


def _mark(sends: dict[int, int], send: str, bit: int) -> tuple[dict[int, int], int]:
    key = fingerprint(send)
    known = sends.get(key, 0)
    if known & bit:
        return sends, 0
    sends = {**sends, key: known | bit}
    if len(sends) > MAX_SENDS:
        del sends[next(iter(sends))]
    return sends, 1
