"""The assertion that no record of a partition is skipped or turned around on its way into a lane.

Rows remember the highest offset applied, so a gap or an inversion would not look like an error but silently drop events
(engine-findings.md 0.2: 367 of 250,000 lost by a batch that came back late).
"""

from __future__ import annotations


class Gap(RuntimeError):
    """A batch does not begin where the last one ended: the worker exits and starts again from its committed position."""


class Contiguity:
    """One per partition and generation. `start`: the seek position. `exact` False (read committed): holes are right, not steps back."""

    def __init__(self, place: str, start: int, exact: bool = True) -> None:
        self.place, self.next, self.exact = place, start, exact

    def check(self, base: int, last: int) -> None:
        """Accepts a batch of offsets `base`..`last` (control batches included) or raises `Gap`."""
        if base < self.next or (self.exact and base != self.next) or last < base:
            raise Gap(f"{self.place}: batch {base}..{last} arrived, {self.next} was expected")
        self.next = last + 1
