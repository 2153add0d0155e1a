"""The accelerated demo's clock: journal time as a function of the broker's time (design.md 1.2), moved forward frame by frame.

The player puts the events of a frame on `customer_events`, waits until the broker has acked them, and only then moves the clock to the end
of the frame. So a low-water mark never claims time whose events are still on their way, however fast the day is played. Between two moves
time flows at its own pace: a round of the low-water clock is told from the one before by its instant.
"""

from __future__ import annotations

from bisect import bisect_right

from app.engine.clock import wall_ms

INTERVAL_MS = 60_000
"""Between two ticks at the least, in the shop's time."""


class DemoClock:
    """Journal time at a broker time. What it has said of a broker time it says for ever; `move` only speaks of times to come."""

    interval = INTERVAL_MS

    def __init__(self, start: int) -> None:
        self._from = [wall_ms()]
        self._at = [start]

    @property
    def reached(self) -> int:
        """Where the last move led (ms)."""
        return self._at[-1]

    def __call__(self, broker_ms: int) -> int:
        last = max(0, bisect_right(self._from, broker_ms) - 1)
        return self._at[last] + max(0, broker_ms - self._from[last])

    def move(self, to: int) -> None:
        """From the next millisecond on, journal time goes on at `to`; never back."""
        edge = max(wall_ms(), self._from[-1]) + 1
        to = max(to, self(edge))
        self._from.append(edge)
        self._at.append(to)
