"""Whether this worker may still write: its group generation is current, and a heartbeat sent lately said so.

A worker that was stopped in mid-turn for longer than its session wakes up an owner of nothing; without this its late sends would race
the new owner's. What slips through between the check and the socket is made harmless elsewhere (restore.py, producer.py).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from app.engine.commit import Abandon

LEASE_PART = 2 / 3
"""A heartbeat older than this part of the session is no proof of membership."""
POLL_S = 0.02


class Fence:
    """One per app. `sent_at`: when the last successful heartbeat was sent (monotonic s), noted by the consumer thread."""

    def __init__(self, session_s: float) -> None:
        self._lease_s = session_s * LEASE_PART
        self.sent_at = 0.0
        self.app: Any = None
        self.stopping = False
        self._open = False
        """Ours, beside Faust's `rebalancing`: that flag is written by two threads, and the end of one rebalance can hide the next."""

    def watch(self, coordinator: Any) -> None:
        """Wraps the group coordinator's heartbeat, the one method of aiokafka that is patched: nothing else tells when it was sent."""
        beat = coordinator._do_heartbeat

        async def heartbeat() -> bool:
            sent = time.monotonic()
            alive = await beat()
            # A heartbeat answered "rebalancing" proves membership of a generation that is about to end.
            if alive and not coordinator._rejoin_needed_fut.done():
                self.sent_at = sent
            return bool(alive)

        coordinator._do_heartbeat = heartbeat

    def open(self) -> None:
        """Partitions are assigned, restored and positioned. A completed join is as good as a heartbeat."""
        self._open = True
        self.sent_at = time.monotonic()

    def close(self) -> None:
        """Partitions are being revoked: from here on nothing is sent."""
        self._open = False

    def current(self, generation: int) -> bool:
        """Whether `generation` is the app's and no rebalance has begun."""
        return self._open and not self.app.rebalancing and self.app.consumer_generation_id == generation

    def check(self, generation: int) -> None:
        """Raises `Abandon` unless the generation is current and its lease is fresh."""
        if not self.current(generation):
            raise Abandon(f"generation {generation} is over")
        if time.monotonic() - self.sent_at > self._lease_s:
            raise Abandon(f"no heartbeat of generation {generation} within {self._lease_s:.1f} s")

    async def fresh(self, generation: int) -> None:
        """Waits while the lease is stale and the generation still looks current; raises `Abandon` when it is over."""
        # The consumer thread writes `sent_at`; an asyncio.Event is not for threads.
        while self.current(generation) and time.monotonic() - self.sent_at > self._lease_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        self.check(generation)

    async def renewed(self, generation: int) -> None:
        """Waits for a heartbeat sent after this call to succeed within the same generation (engine-findings 0.4b)."""
        begun = time.monotonic()
        while self.current(generation) and self.sent_at < begun:  # noqa: ASYNC110 as above
            await asyncio.sleep(POLL_S)
        self.check(generation)
