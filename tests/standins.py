"""What is known of a person, from a table instead of from her state: for tests of whatever asks `Facts`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

FOREVER = 2**62
OPERATORS: dict[str, Callable[[float, float], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
DAY = 86_400_000


class Known:
    """`steps`: path → value, or a list of (from ms, value). `since`: path → the ms from which its fractional days count."""

    def __init__(self, now: int, steps: Mapping[str, Any], since: Mapping[str, int | None] | None = None) -> None:
        self.now, self.until = now, FOREVER
        self._steps, self._since = steps, since or {}
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        told = self._steps[path]
        if not isinstance(told, Changes):
            return told
        value, until = told.at(self.now)
        self.until = min(self.until, until)
        return value

    def compare(self, path: str, op: str, value: float) -> bool | None:
        self.asked.append(path)
        since = self._since.get(path)
        if since is None:
            return None
        verdict = OPERATORS[op]((self.now - since) / DAY, value)
        flips = since + math.ceil(value * DAY) - 2
        while flips <= self.now or OPERATORS[op]((flips - since) / DAY, value) is verdict:
            flips += 1
            if flips > since + value * DAY + 3:
                return verdict
        self.until = min(self.until, flips)
        return verdict


class Changes:
    """A value that changes at instants: (from ms, value), ascending."""

    def __init__(self, *told: tuple[int, Any]) -> None:
        self._told = told

    def at(self, now: int) -> tuple[Any, int]:
        value = next(value for since, value in reversed(self._told) if since <= now)
        return value, next((since for since, _ in self._told if since > now), FOREVER)
