"""The offers a person was made lately: so that waiting is neither punished nor rewarded, and nobody is given more than her budget.

The rule of waiting, in full:
1. While she holds an offer that stands and is not used, no message offers her less: the one she holds is told again, with the same code
   and the same end, unless what the message may offer is more.
2. For so long as the pack says (`keeps`, 90 days) an offer of one kind, and whatever the messages of one window offer, keeps the rate it
   was first made at: waiting makes it neither better nor worse. A pack may let an offer rise (`rises`).
3. The hard cap goes before both: what would be above it is not offered, and she keeps what she holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from app.domain.contacts import mark
from app.domain.days import DAY_MS
from app.domain.fingerprint import fingerprint
from app.domain.offer_code import normal
from app.domain.purchases import CODES

MAX_GIVEN = 20
"""Offers of a person that are remembered; who has so many that still count gets no other."""
QUARTER_MS = 92 * DAY_MS
"""The longest of the calendar's: within any quarter she is given no more than her budget."""
GRACE_MS = 3 * DAY_MS
"""An order may be told so long after its offer ran out."""
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(dict[str, Any]).decode
NOTHING = Raw(_encode({}))
REDEEMED, REUSED = "offer_redeemed", "offer_reused"
"""Conclusions: an order named a code of hers, for the first time; once more."""


class Given(Struct, frozen=True, array_like=True):
    """One offer, reserved when its message is planned. `code` empty: the renderer has not answered yet."""

    at: int
    """When it was planned (ms, journal time)."""
    send: int
    """48 bits of the send_id, as of contacts."""
    window: int
    """Fingerprint of the window: one chain of messages."""
    kind: str
    discount: float
    expires_at: int
    cost: int
    """Units: the most that it may cost."""
    code: str = ""
    """Of the offer, once the renderer has made it."""
    told: Raw = NOTHING
    """What the message says, `Send.offer`; it stays encoded: it is read seldom, and every record rewrites the row."""
    order: int = 0
    """Fingerprint of the order it was used for; 0: of none yet."""


def said(one: Given) -> dict[str, Any]:
    """What its message told of it."""
    return _decode(one.told)


Offers = tuple[Given, ...]
"""Of one person, the oldest first."""


def held(given: Offers, now: int) -> Given | None:
    """The best offer that stands, with its code, and is not used; of equals the one that stands longest."""
    open_now = [one for one in given if one.code and not one.order and one.expires_at > now]
    return max(open_now, key=lambda one: (one.discount, one.expires_at, one.send), default=None)


def first(given: Offers, kind: str, window_id: str, now: int, keeps: int) -> Given | None:
    """The first offer of this kind, or of this window, within so long (`keeps`, ms)."""
    window = fingerprint(window_id)
    return next((one for one in given if one.discount and one.at > now - keeps and (one.kind == kind or one.window == window)), None)


def counted(given: Offers, now: int) -> int:
    """Units that she was given within the quarter: of what was used, and of what may be used still."""
    return sum([one.cost for one in given if one.at > now - QUARTER_MS and (one.order or one.expires_at + GRACE_MS > now)])


def reserved(given: Offers, one: Given, keeps: int) -> Offers | None:
    """With an offer that is planned now, as far back as anything looks; None: there is no place for it."""
    since = one.at - max(keeps, QUARTER_MS)
    kept = [old for old in given if old.at > since or old.expires_at + GRACE_MS > one.at]
    return (*kept, one) if len(kept) < MAX_GIVEN else None


def answered(given: Offers, send_id: str, told: dict[str, Any]) -> Offers:
    """After the renderer's answer: what the message told, or (`told` empty) that it offers nothing.

    The same tuple if it is not among them.
    """
    send = mark(send_id)
    place = next((n for n, one in enumerate(given) if one.send == send and not one.code), None)
    if place is None:
        return given
    middle: Offers = ()
    if told:
        middle = (replace(given[place], code=told["code"], told=Raw(_encode(told)), discount=told["discount"]),)
    return (*given[:place], *middle, *given[place + 1 :])


def named(properties: dict[str, Any]) -> list[str]:
    """The codes that a record of an order names, as they are compared."""
    found: list[str] = []
    for name in CODES:
        told = properties.get(name)
        for one in told if isinstance(told, list) else (told,):
            text = one.get("code") if isinstance(one, dict) else one
            if isinstance(text, str) and (code := normal(text)):
                found.append(code)
    return found


def used(given: Offers, codes: Iterable[str], order_id: str) -> tuple[Offers, list[tuple[str, Given]]]:
    """After an order that names these codes: (`offer_redeemed` or `offer_reused`, the offer) for each of hers that it is news of."""
    order, found = fingerprint(order_id), []
    wanted = set(codes)
    after = list(given)
    for n, one in enumerate(given):
        if not one.code or normal(one.code) not in wanted:
            continue
        if not one.order:
            after[n] = replace(one, order=order)
            found.append((REDEEMED, after[n]))
        elif one.order != order:
            found.append((REUSED, one))
    return (tuple(after) if found else given), found


def union(mine: Offers, theirs: Offers) -> Offers:
    """Of two people as one, each offer once; whoever knows more of it is believed, and the oldest give way."""
    if not theirs:
        return mine
    both: dict[int, Given] = {}
    for one in (*theirs, *mine):
        before = both.get(one.send)
        if before is None or (bool(one.order), bool(one.code)) > (bool(before.order), bool(before.code)):
            both[one.send] = one
    return tuple(sorted(both.values(), key=lambda one: (one.at, one.send))[-MAX_GIVEN:])
