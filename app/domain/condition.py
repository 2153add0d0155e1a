"""A condition of a pack, compiled: what it looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

Facts = dict[str, Any]
"""What a condition may look at: `event`, `window`, `profile`, `intent`, `churn`, those of them its row may use."""


class Verdict(Struct, frozen=True):
    """What a condition said. `fault`: why it could not be evaluated (a missing key, a type it cannot compare); then it does not hold."""

    holds: bool
    fault: str = ""


class Condition(Struct, frozen=True):
    """A compiled condition of a pack. `reads`: the roots its text names (`event`, `profile`, …), so that only those are built.

    `paths`: what it names of them (`profile.orders`), for the values of a decision.
    """

    text: str
    reads: frozenset[str]
    paths: tuple[str, ...]
    event_keys: tuple[str, ...] | None
    """All that it can look at of `event`; None: any of it."""
    evaluate: Callable[[Facts], Verdict]
    profile_keys: tuple[str, ...] | None = None
    """Likewise of `profile`."""
    window_keys: tuple[str, ...] | None = None
    """Likewise of `window`."""
    of_event: Callable[[dict[str, Any]], bool] | None = None
    """Whether it holds of an event, where it looks at nothing else."""
