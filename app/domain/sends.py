"""One mail a person got, in few bytes: when it was sent, and each time it was opened or a link of it clicked, by whom and on what."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

UNKNOWN, RENDERED, SENT = 0, 1, 2
"""How a send is known: from its opens and clicks alone, from our renderer, from the provider's `email_sent`."""
DEVICES = ("", "mobile", "tablet", "desktop")
CONTENT = ("", "images", "video", "text")
"""A-018."""
MAIL_S, OPEN_S, CLICK_S = 0, 1, 2
"""Whose word about the category counts first: the mail's own, an open's, a click's (whose category may be the link's)."""

_SAID, _JUDGED = 1, 2
_SHIFT = 4


class Click(Struct, frozen=True, array_like=True):
    """`code` as in `Send.opens`. `link`: 16 bits of its fingerprint, 0 not told. `element`: the part of the mail it stood in (A-067)."""

    code: int
    link: int = 0
    element: str = ""


class Send(Struct, frozen=True, array_like=True):
    """`at` in ms: when it was sent; of an UNKNOWN one the first instant anything was heard of it.

    `opens`: sorted; each an offset to `at` with four bits below: said to be a machine's, judged so, and two for the device.
    """

    at: int
    known: int = UNKNOWN
    delivered: int | None = None
    """Offset to `at`."""
    content: int = 0
    source: int = CLICK_S
    category: str = ""
    opens: tuple[int, ...] = ()
    clicks: tuple[Click, ...] = ()
    to: int = 0
    """Fingerprint of the address that it went to, once that is no longer hers; 0: to her present one."""


class Act(NamedTuple):
    """One open or click. `said`: it tells itself that a machine did it; `machine`: so it was judged."""

    at: int
    machine: bool
    said: bool
    device: int


def code(offset: int, said: bool, machine: bool, device: int) -> int:
    """An open or click in one number."""
    return offset << _SHIFT | device << 2 | machine << 1 | said


def act(send: Send, code: int) -> Act:
    """What a number of `opens` or `clicks` says."""
    return Act(send.at + (code >> _SHIFT), bool(code & _JUDGED), bool(code & _SAID), code >> 2 & 3)


def human(send: Send) -> Iterator[Act]:
    """Her own opens and clicks, as far as they are kept."""
    for one in send.opens:
        if not one & _JUDGED:
            yield act(send, one)
    for click in send.clicks:
        if not click.code & _JUDGED:
            yield act(send, click.code)


def first(send: Send, codes: tuple[int, ...], anybody: bool = False) -> int:
    """When the first of sorted codes was done by her, or by anybody; 0: never."""
    for one in codes:
        if anybody or not one & _JUDGED:
            return send.at + (one >> _SHIFT)
    return 0


def last(send: Send, codes: tuple[int, ...], until: int) -> int:
    """When the last of sorted codes, not after `until`, was done by her; 0: never."""
    for one in reversed(codes):
        if not one & _JUDGED and send.at + (one >> _SHIFT) <= until:
            return send.at + (one >> _SHIFT)
    return 0


def by_machine(codes: tuple[int, ...]) -> bool:
    """Whether a machine did one of them."""
    return any(one & _JUDGED for one in codes)


def codes(send: Send) -> tuple[int, ...]:
    """Its clicks' numbers."""
    return tuple([one.code for one in send.clicks])


def based(send: Send, at: int) -> Send:
    """The same send counted from another instant."""
    if at == send.at:
        return send
    by = (send.at - at) << _SHIFT
    return replace(
        send,
        at=at,
        delivered=None if send.delivered is None else send.delivered + send.at - at,
        opens=tuple([one + by for one in send.opens]),
        clicks=tuple([Click(one.code + by, one.link, one.element) for one in send.clicks]),
    )


def together(one: Send, other: Send) -> Send:
    """What two people knew of one send; not yet judged anew."""
    known = max(one.known, other.known)
    at = min(told.at for told in (one, other) if told.known == known)
    one, other = based(one, at), based(other, at)
    delivered = [told.delivered for told in (one, other) if told.delivered is not None]
    source, category = min([(told.source, told.category) for told in (one, other) if told.category], default=(CLICK_S, ""))
    return Send(
        at,
        known,
        min(delivered) if delivered else None,
        max(one.content, other.content),
        source,
        category,
        tuple(sorted({told & ~_JUDGED for told in (*one.opens, *other.opens)})),
        tuple(
            [Click(*told) for told in sorted({(told.code & ~_JUDGED, told.link, told.element) for told in (*one.clicks, *other.clicks)})]
        ),
        max(one.to, other.to),
    )


pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[int, Send]).decode


@lru_cache(maxsize=1_024)  # every score of a person asks for them
def unpacked(kept: bytes) -> dict[int, Send]:
    """32 bits of the send id's fingerprint → the send. Nobody may change what is handed out here."""
    return _unpack(kept) if kept else {}
