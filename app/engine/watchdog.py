"""The watchdog: a thread of its own, because what it watches may hang. It judges progress, not liveness.

An idempotent producer waits for its ack for ever, consumers are known to die slowly after an outage while still members of the group: from
inside the event loop neither shows. A broker that is away is no reason to exit; no progress while it answers is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from typing import Any, NoReturn

log = logging.getLogger("kairos.watchdog")

STUCK_S = 30
"""Seconds without a finished turn while there is lag and the broker answers, or without a beat of the event loop."""
JOIN_S = 180
"""Seconds a rebalance may take, restore apart (that has a deadline of its own)."""
BEAT_S = 1.0
ANSWER_S = 10.0
"""The broker is asked every two seconds; without an answer for so long it counts as away."""


def die(message: str, error: BaseException | None = None) -> NoReturn:
    """Ends the process at once: what cannot be resumed is recovered by the next start. Nothing more is sent or written."""
    log.critical("%s; exiting, the next start recovers", message, exc_info=error)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(3)


class Watchdog:
    """Counts its own seconds, not the clock's: a process that was stopped (SIGSTOP, a sleeping laptop) is not stuck."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.beats = 0
        self.broker_answered_at = 0.0
        self.lag = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def broker_answers(self) -> bool:
        """Whether it did lately."""
        return time.monotonic() - self.broker_answered_at < ANSWER_S

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    async def beat(self) -> None:
        """In the event loop: shows that it runs."""
        while True:
            self.beats += 1
            await asyncio.sleep(BEAT_S)
            self._engine.lanes.check_missing()

    async def ask(self) -> None:
        """In the event loop: asks the broker for the lag, which also shows whether it answers."""
        while True:
            await asyncio.sleep(2 * BEAT_S)
            try:
                self.lag = await asyncio.wait_for(self._engine.measure_lag(), 5.0)
                self.broker_answered_at = time.monotonic()
                await asyncio.wait_for(self._engine.assignment.check_changelogs(), 5.0)
            except Exception as error:  # whatever it is, the broker did not answer
                log.debug("lag: %r", error)

    def _watch(self) -> None:
        beats, hung, stuck, joining, turns = -1, 0, 0, 0, -1
        while not self._stop.wait(BEAT_S):
            engine = self._engine
            hung = hung + 1 if self.beats == beats else 0
            beats = self.beats
            if hung >= STUCK_S:
                engine.fatal(f"the event loop has not moved for {hung} s", None)
            answers = self.broker_answers()
            moved = engine.lanes.turns != turns
            turns = engine.lanes.turns
            if not engine.is_ready():
                stuck = 0
                joining = joining + 1 if answers and not engine.restoring() else 0
                if joining >= JOIN_S:
                    engine.fatal(f"not ready for {joining} s although the broker answers", None)
                continue
            joining = 0
            stuck = 0 if moved or not answers or not (self.lag or engine.lanes.waiting()) else stuck + 1
            if stuck >= STUCK_S:
                engine.fatal(f"no finished turn for {stuck} s, lag {self.lag}, although the broker answers", None)
