"""Figures that move with every ms: each only rises or only falls while no event comes, so a comparison flips once at most."""

from __future__ import annotations

import math
from typing import Protocol

from app.domain.days import DAY_MS, FOREVER

LEAST = 1e-300
"""Less than it is too little to divide by."""


class Curve(Protocol):
    """`at`: its value at an instant (ms), never turning back. `when`: about the ms at which it has a value."""

    def at(self, ms: int) -> float: ...

    def when(self, value: float) -> int: ...


class DaysSince:
    """Fractional days since an instant; 0 before it."""

    __slots__ = ("since",)

    def __init__(self, since: int) -> None:
        self.since = since

    def at(self, ms: int) -> float:
        return (ms - self.since) / DAY_MS if ms > self.since else 0.0

    def when(self, value: float) -> int:
        return self.since + round(value * DAY_MS) if abs(value) < FOREVER // DAY_MS else FOREVER


class DaysUntil:
    """Fractional days until an instant; below 0 after it."""

    __slots__ = ("instant",)

    def __init__(self, instant: int) -> None:
        self.instant = instant

    def at(self, ms: int) -> float:
        return (self.instant - ms) / DAY_MS

    def when(self, value: float) -> int:
        return self.instant - round(value * DAY_MS) if abs(value) < FOREVER // DAY_MS else FOREVER


class Fading:
    """A sum of scores that each halve within `half_life` ms from their instant on, at most `cap`."""

    __slots__ = ("cap", "half_life", "scores")

    def __init__(self, scores: list[tuple[int, float]], half_life: int, cap: float) -> None:
        self.scores, self.half_life, self.cap = scores, half_life, cap

    def at(self, ms: int) -> float:
        total = 0.0
        for since, score in self.scores:
            total += score if ms <= since else score * 0.5 ** ((ms - since) / self.half_life)
        return min(self.cap, total)

    def when(self, value: float) -> int:
        newest = max((since for since, _ in self.scores), default=0)
        total = sum(score * 0.5 ** ((newest - since) / self.half_life) for since, score in self.scores)
        if total <= 0 or value < LEAST:
            return FOREVER
        return newest + round(self.half_life * math.log2(total / value))


class Lapse:
    """1 − e^(−max(0, time since `last` − `mean`) / `mean`), all in ms: how likely it is that something regular has ended."""

    __slots__ = ("last", "mean")

    def __init__(self, last: int, mean: float) -> None:
        self.last, self.mean = last, mean

    def at(self, ms: int) -> float:
        return -math.expm1(-max(0.0, ms - self.last - self.mean) / self.mean)

    def when(self, value: float) -> int:
        return self.last + round(self.mean * (1 - math.log1p(-value))) if 0 <= value < 1 else FOREVER
