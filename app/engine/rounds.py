"""The low-water mark: up to which instant everything the broker had is in the journal (design.md 1.3). Pure.

A round is an instant T with the end offsets of `customer_events` noted after it; it is complete when intake's acked positions have passed
them all. The mark is the T of a complete round such that another one, begun after the first was seen complete, is complete too: what intake
of the first put back under its right key lies before the ends of the second. (The round before the last is not enough: when intake is
behind, both were noted before either was read, and a record put back meanwhile lies behind both. The fault simulation found it.) Rounds
and reports are facts: they hold across generations and from whichever worker they come.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

MAX_ROUNDS = 2000
"""Rounds kept, open or complete, while intake is behind; beyond it every second one is dropped, which only makes the mark coarser."""


class Round(Struct):
    """`ends`: partition → end offset at `at`."""

    at: int
    ends: Mapping[int, int]


class Rounds:
    """What the clock knows; starts empty with a new owner and has a mark again after two rounds."""

    def __init__(self) -> None:
        self.low_water = 0
        self.positions: dict[int, int] = {}
        self._open: list[Round] = []
        self._complete: list[tuple[int, int]] = []
        """(T, when it was seen complete) of the rounds that wait for a later one."""
        self._left_out: dict[int, int] = {}

    def note(self, at: int, ends: Mapping[int, int]) -> None:
        """A new round. `at` must have been read before the offsets were."""
        if self._open and at <= self._open[-1].at:
            return
        self._open.append(Round(at, ends))
        if len(self._open) > MAX_ROUNDS:
            self._open = self._open[::2]
        self._close(at)

    def report(self, positions: Mapping[int, int], now: int) -> None:
        """Intake's acked positions: next offset to read, by partition; `now` by the clock that rounds are noted with."""
        for partition, position in positions.items():
            self.positions[partition] = max(position, self.positions.get(partition, 0))
        self._close(now)

    def leave_out(self, partition: int, until: int) -> None:
        """An operator runs the clock without a partition until then (ms); 0 takes it back."""
        if until:
            self._left_out[partition] = until
        else:
            self._left_out.pop(partition, None)

    def _close(self, now: int) -> None:
        passed = 0
        for one in self._open:
            if not all(self.positions.get(p, 0) >= end or self._left_out.get(p, 0) > now for p, end in one.ends.items()):
                break
            self.low_water = max([self.low_water, *(at for at, seen in self._complete if seen < one.at)])
            self._complete.append((one.at, now))
            passed += 1
        if passed:
            del self._open[:passed]
            # Rounds seen complete together differ in nothing but T; the last of them speaks for all.
            latest = {seen: at for at, seen in self._complete if at > self.low_water}
            self._complete = [(at, seen) for seen, at in latest.items()]
            if len(self._complete) > MAX_ROUNDS:
                self._complete = self._complete[::2]

    def behind(self) -> dict[int, int]:
        """Partition → events still to pass for the oldest open round."""
        if not self._open:
            return {}
        return {p: end - self.positions.get(p, 0) for p, end in self._open[0].ends.items() if end > self.positions.get(p, 0)}
