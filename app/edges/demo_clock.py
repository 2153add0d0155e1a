"""The accelerated demo's clock: journal time as a function of the broker's time (design.md 1.2), moved forward frame by frame.

The player puts the events of a frame on `customer_events`, waits until the broker has acked them, and only then moves the clock to the end
of the frame. So a low-water mark never claims time whose events are still on their way, however fast the day is played: decisions fall as
they would at speed 1, to within a frame.
"""

from __future__ import annotations

from bisect import bisect_right

from app.engine.clock import wall_ms

INTERVAL_MS = 60_000
"""Between two ticks at the least, in the shop's time."""


class DemoClock:
    """Journal time at a broker time: a step function that `move` extends. Nothing before the last step ever changes."""

    interval = INTERVAL_MS

    def __init__(self, start: int) -> None:
        self._from = [0]
        self._at = [start]

    @property
    def now(self) -> int:
        """Journal time from now on, until it is moved again (ms)."""
        return self._at[-1]

    def __call__(self, broker_ms: int) -> int:
        return self._at[bisect_right(self._from, broker_ms) - 1]

    def move(self, to: int) -> None:
        """From the next millisecond on, journal time is `to`; never back."""
        edge = max(wall_ms() + 1, self._from[-1])
        to = max(to, self._at[-1])
        if edge == self._from[-1]:
            self._at[-1] = to
        else:
            self._from.append(edge)
            self._at.append(to)
