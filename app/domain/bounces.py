"""What a bounce comes to: a hard one closes an address (`closed`), soft ones in a row do as the pack says (A-257).

In a row: a mailbox that is full, or gone without saying so.
"""

from __future__ import annotations

from msgspec import Struct

HARD, SOFT = "hard", "soft"
_HARD = frozenset(("hard", "hardbounce", "permanent", "permanentfailure", "permanentbounce"))
"""Words of providers, without case and signs: Amazon SES `Permanent`, Mailgun `permanent`, Postmark `HardBounce`, Brevo `hard_bounce`."""
MAX_BOUNCES = 20
"""Kept; a pack cannot ask for more in a row."""


class Bounces(Struct, frozen=True, array_like=True):
    """`soft`: (ms, short id of the send) of the last soft bounces, sorted, one per send. `reached`: when the address last took a mail
    (ms): a delivery, or her own open or click."""

    soft: tuple[tuple[int, int], ...] = ()
    reached: int = 0


NONE = Bounces()


def kind(told: object) -> str:
    """Hard by any provider's word for it. Every other word, and none, is soft: it came back, and only a run of them closes an address."""
    word = "".join([sign for sign in told.casefold() if sign.isalpha()]) if isinstance(told, str) else ""
    return HARD if word in _HARD else SOFT


def bounced(bounces: Bounces, at: int, send: int) -> Bounces:
    """After a soft bounce. A provider that tries again tells of one send several times: it is one bounce, the last."""
    if at <= bounces.reached:
        return bounces
    others = [one for one in bounces.soft if one[1] != send]
    last = max([told for told, one in bounces.soft if one == send], default=at)
    return _kept([*others, (max(at, last), send)], bounces.reached)


def reached(bounces: Bounces, at: int) -> Bounces:
    """After a sign that a mail arrived at `at`: bounces before it say nothing any more."""
    return bounces if at <= bounces.reached else _kept(list(bounces.soft), at)


def run(bounces: Bounces) -> int:
    """How many sends in a row bounced softly, up to now."""
    return len(bounces.soft)


def union(mine: Bounces, theirs: Bounces) -> Bounces:
    """Of two people as one, who had one address."""
    sends: dict[int, int] = {}
    for at, send in (*mine.soft, *theirs.soft):
        sends[send] = max(at, sends.get(send, 0))
    return _kept([(at, send) for send, at in sends.items()], max(mine.reached, theirs.reached))


def _kept(soft: list[tuple[int, int]], since: int) -> Bounces:
    return Bounces(tuple(sorted(one for one in soft if one[0] > since)[-MAX_BOUNCES:]), since)
