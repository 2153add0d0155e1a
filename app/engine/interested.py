"""Who is found by any of some tags, in the order of keys, a slice at a time: a product may interest a million people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Tagged(Protocol):
    """A store with an index of tags."""

    def tagged(self, tag: bytes, after: bytes, limit: int) -> list[bytes]:
        """Group keys behind `after` that have this tag, sorted, at most `limit`."""


class Interested:
    """`reached`: the last group key that is done; whoever asks moves it on. Who has two of the tags is found once."""

    def __init__(self, store: Tagged, tags: Sequence[bytes]) -> None:
        self._store, self._tags = store, tags
        self.reached = b""

    def next(self, limit: int) -> list[bytes]:
        """The group keys behind `reached`, at most `limit`; none: that was all."""
        found: set[bytes] = set()
        for one in self._tags:
            found.update(self._store.tagged(one, self.reached, limit))
        # Of each tag the first ones were read, so the first ones of all are among them.
        return sorted(found)[:limit]
