"""Addresses of hers that take no mail any more, by fingerprint: coming back to one does not open it (A-257)."""

from __future__ import annotations

from app.domain.fingerprint import fingerprint

HARD_BOUNCE, COMPLAINT = "hard_bounce", "complaint"
MAX_CLOSED = 20
"""Addresses remembered, those closed last. Nobody has more; whoever seems to shares her identifier with others."""

Closed = tuple[tuple[int, int, str], ...]
"""(ms, fingerprint of the address, why), sorted, one per address: the first bounce, or the complaint, which is the graver word."""


def folded(address: str) -> str:
    """A mail address as one is told from another: mail providers tell no case."""
    return address.strip().casefold()


def mailbox(address: str) -> int:
    """Fingerprint of an address, however it is written."""
    return fingerprint(folded(address))


def why(closed: Closed, address: str | None) -> str | None:
    """Why this address takes no mail; None: nothing is known against it."""
    if not closed or address is None:
        return None
    box = mailbox(address)
    return next((told for _, one, told in closed if one == box), None)


def closing(closed: Closed, at: int, box: int, told: str) -> Closed:
    """After a word of `at` (ms) that closes a mailbox."""
    return union(closed, ((at, box, told),))


def union(mine: Closed, theirs: Closed) -> Closed:
    """Of two people as one, in whatever order it became known."""
    found: dict[int, tuple[str, int]] = {}
    for at, box, told in (*mine, *theirs):
        found[box] = min((told, at), found.get(box, (told, at)))  # `complaint` comes before `hard_bounce`
    return tuple(sorted([(at, box, told) for box, (told, at) in found.items()])[-MAX_CLOSED:])
