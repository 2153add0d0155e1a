"""What intake remembers of an identifier so that an event is accepted once, and a machine is told from a person."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from app.domain.links import Links

MAX_IDS = 512
"""Event ids kept; the oldest go first."""
KEPT_S = 48 * 3600
"""Seconds an event id is kept: repeats come from retries and replays, which are over by then."""
MAX_SOURCES = 64
"""Source partitions of re-keyed records kept; beyond it the one that stood still longest goes, and event ids alone tell a repeat."""
HOUR_MS = 3_600_000

_ID = 8
"""Bytes of a fingerprint: among 512 ids two differing ones meet once in 10^16 events."""
_TIME = 4
"""Bytes of an arrival time, whole seconds since 1970."""


class Identifier(Struct, frozen=True, array_like=True):
    """The row of one identifier. Fingerprints and times are packed, so that a busy row stays at 6 KiB and encodes in a microsecond."""

    ids: bytes = b""
    """8 bytes an event id, in order of arrival."""
    times: bytes = b""
    """4 bytes each, parallel to `ids`."""
    hour: int = 0
    """Hour of the last event (hours since 1970)."""
    count: int = 0
    """Events accepted in that hour."""
    rekeyed: dict[int, int] = {}
    """Source partition → offset of the last record intake there put back under this key; the last moved stands last."""
    links: Links | None = None
    """Whom it was linked to, and what was linked from here; None: nothing ever was."""


EMPTY = Identifier()


def admit(row: Identifier, event_id: str, at: int, limit: int) -> tuple[Identifier, Literal["new", "duplicate"], bool]:
    """The row with the event in it, and whether its sender is a bot: more than `limit` events in one hour of the clock.

    `at`: arrival (ms). An id of the last 48 h and of the last 512 is a duplicate; then the row stays as it is.
    """
    second = at // 1000
    ids, times = row.ids, row.times
    expired = 0
    while expired < len(times) and int.from_bytes(times[expired : expired + _TIME], "big") < second - KEPT_S:
        expired += _TIME
    if expired:
        ids, times = ids[expired * _ID // _TIME :], times[expired:]
    fingerprint = hashlib.blake2b(event_id.encode(), digest_size=_ID).digest()
    hour = at // HOUR_MS
    if _holds(ids, fingerprint):
        return row, "duplicate", row.hour == hour and row.count > limit
    if len(ids) >= MAX_IDS * _ID:
        ids, times = ids[_ID:], times[_TIME:]
    count = row.count + 1 if row.hour == hour else 1
    stamp = max(0, min(second, 2**32 - 1)).to_bytes(_TIME, "big")
    return Identifier(ids + fingerprint, times + stamp, hour, count, row.rekeyed, row.links), "new", count > limit


def rekeyed(row: Identifier, partition: int, offset: int) -> tuple[Identifier, bool]:
    """Whether the record that intake of `partition` put back, or the link it published, from `offset` is news, and the row that knows it.

    After a crash a partition's owner puts back again what it put back before; what comes again is never newer (app/engine/origin.py).
    """
    last = row.rekeyed.get(partition)
    if last is not None and offset <= last:
        return row, False
    sources = {source: seen for source, seen in row.rekeyed.items() if source != partition}
    if len(sources) >= MAX_SOURCES:
        del sources[next(iter(sources))]
    sources[partition] = offset
    return replace(row, rekeyed=sources), True


def _holds(ids: bytes, fingerprint: bytes) -> bool:
    found = ids.find(fingerprint)
    while found > 0 and found % _ID:
        found = ids.find(fingerprint, found + 1)
    return found >= 0
