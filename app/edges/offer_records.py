"""What the topics hold of a code: the messages that told it, and the orders that named it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app import events
from app.domain.given import REDEEMED, REUSED
from app.domain.offer_code import is_of, normal
from app.edges.events_file import milliseconds
from app.edges.spectator import decode_decision
from app.edges.topic_scan import Scanner
from app.engine.partition import partition_of
from app.events import Conclusion, Decision, Undecodable, iso


class Found(Struct, frozen=True):
    """The message that made the code (or the first that is kept of those that told it), the ids of all that told it, and (at, order id,
    whether for the first time) of each order that named it.
    """

    decision: Decision
    told_in: tuple[str, ...]
    uses: tuple[tuple[str, str, bool], ...]

    @property
    def offer(self) -> dict[str, Any]:
        told: dict[str, Any] = self.decision.values["offer"]
        return told

    def expired(self, now: int) -> bool:
        """Whether it has run out by `now` (ms)."""
        end = milliseconds(self.offer.get("expires_at"))
        return end is not None and end <= now


async def found(scan: Scanner, code: str) -> Found | None:
    """None: nothing is kept of it (any more). Raises `ScanFailed`."""
    wanted = normal(code)
    text = "-".join(wanted[n : n + 4] for n in range(0, len(wanted), 4)).encode()
    tellings: dict[str, Decision] = {}
    async for record in scan.read("decisions"):
        if text in (record.value or b""):
            one = decode_decision(record.value)
            if one.outcome == "sent" and normal(str((one.values.get("offer") or {}).get("code") or "")) == wanted:
                tellings.setdefault(str(one.send_id), one)
    if not tellings:
        return None
    made = next((one for send_id, one in tellings.items() if is_of(code, send_id)), next(iter(tellings.values())))
    uses: dict[tuple[str, str], tuple[str, str, bool]] = {}
    async for record in scan.read("journal", [partition_of(made.person_id.encode(), scan.partitions("journal"))]):
        if text not in (record.value or b""):
            continue
        try:
            told = events.journal.decode(record.value)
        except Undecodable:
            continue
        if isinstance(told, Conclusion) and told.kind in (REDEEMED, REUSED) and normal(str(told.values.get("code"))) == wanted:
            uses[told.kind, told.cause] = iso(told.ts), str(told.values.get("order_id")), told.kind == REDEEMED
    return Found(made, tuple(tellings), tuple(uses.values()))
