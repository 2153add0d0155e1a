"""How a pack sorts people: predicates with a name (segments, flags) and bands of a score (A-093–A-105, X-09, X-15).

A segment is entered and left the moment its predicate turns, by an event or by time alone. A band is a segment, too: of a scheme's bands
she is in the one that her score has reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

Judge = Callable[[Any], Any]
"""Asks facts (app/domain/facts.py): `get`, `compare`."""


class Predicate(Struct, frozen=True):
    """A condition over what is known of her. `judge`: True, False, or a text: why it could not be told, so that it does not hold."""

    text: str
    paths: tuple[str, ...]
    judge: Judge

    def holds(self, facts: Any) -> bool:
        """Whether it holds; what cannot be told does not."""
        return self.judge(facts) is True


class Segment(Struct, frozen=True):
    """A named group of people."""

    name: str
    why: str
    when: Predicate
    """Who is in it, from the moment this holds to the moment it no longer does: over `profile`, `intent`, `churn`."""
    each: str | None = None
    """A text that is known of her, such as `profile.primary_interest`: when it is another, she leaves the segment for the old one and
    enters it for the new one. Conditions read it as `event.of`."""


class Band(Struct, frozen=True):
    """One band of a scheme."""

    name: str
    least: float
    """The score from which on she is in it, up to the next."""
    above: bool = False
    """Begins above a score instead of at it; in a pack the score itself, instead of `least`."""


class BandScheme(Struct, frozen=True):
    """Bands of one score, from the highest down. Whoever is in one is in segment `<scheme>_<band>`."""

    name: str
    why: str
    by: str
    """The figure that is looked at, such as `profile.engagement.score`."""
    bands: tuple[Band, ...]
    """Each with the score it begins at, from the highest down."""
    when: str = "true"
    """Who is in one of the bands at all."""


class Verdicts(Struct, frozen=True):
    """All of a pack's predicates compiled as one: each figure is read once, and only if something turns on it."""

    ladders: Callable[[Any], tuple[tuple[str, ...], tuple[str | None, ...]]]
    """Flags that hold; the stage of each scheme, in order."""
    segments: Callable[[Any], tuple[str, ...]]
    """Segments she is in."""
    each: dict[str, str]
    """Segment → the figure for which it is entered."""
    rules: int
    """A fingerprint of all that stands here: under other rules she is looked at anew."""
