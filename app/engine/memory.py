"""A partition's store in memory: what the simulation and the fault tests run the real turns over."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from app.engine.origin import Marks
from app.engine.rows import HEADER_SIZE, NEVER, Row, tags_of
from app.flow import TABLES


class MemoryStore:
    """One partition's rows, due index and marks, with the writes of the RocksDB store (`Reader` and `keep` of a lane's ports)."""

    def __init__(self, index: bytes = TABLES["people"].index.encode()) -> None:
        self._index = index
        self._tagged: dict[bytes, set[bytes]] = {}
        self.rows: dict[bytes, bytes] = {}
        self.changelog_next = 0
        self._marks = Marks()
        self._due: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []
        """Every (due, key) there is, and some that are no longer so: those are dropped when they come up."""

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.rows.get(key) for key in keys]

    def due(self, upto: int, limit: int) -> list[bytes]:
        found: list[tuple[int, bytes]] = []
        while self._heap and self._heap[0][0] <= upto and len(found) < limit:
            entry = heapq.heappop(self._heap)
            if self._due.get(entry[1]) == entry[0] and (not found or found[-1] != entry):
                found.append(entry)
        for entry in found:
            heapq.heappush(self._heap, entry)
        return [key for _, key in found]

    def tagged(self, tag: bytes, after: bytes, limit: int) -> list[bytes]:
        return sorted(key for key in self._tagged.get(tag, ()) if key > after)[:limit]

    def marks(self) -> Marks:
        return self._marks.copy()

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        """One atomic write."""
        for row in rows:
            if self._index and row.key[:1] == self._index:
                self._tag(row.key[1:], tags_of(self.rows.get(row.key)), tags_of(row.value))
            self.rows[row.key] = row.value
            if row.due != row.old_due:
                self._wait(row.key[1:], row.due)
        self._marks, self.changelog_next = marks.copy(), changelog_next

    def _tag(self, key: bytes, old: frozenset[bytes], new: frozenset[bytes]) -> None:
        for one in old - new:
            self._tagged[one].discard(key)
        for one in new - old:
            self._tagged.setdefault(one, set()).add(key)

    def tags(self) -> set[tuple[bytes, bytes]]:
        """The index of tags as it stands: (tag, group key)."""
        return {(tag, key) for tag, keys in self._tagged.items() for key in keys}

    def _wait(self, key: bytes, due: int) -> None:
        if due == NEVER:
            self._due.pop(key, None)
        else:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))

    def next_due(self) -> int | None:
        """The earliest due of all, or None."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def keys(self, kind: bytes) -> list[bytes]:
        """Group keys that have a row of this kind, sorted."""
        return sorted(key[1:] for key in self.rows if key[:1] == kind)

    def bodies(self, key: bytes, kinds: Sequence[bytes]) -> list[bytes | None]:
        """A group's rows without their headers, as `Program.load` takes them."""
        values = [self.rows.get(kind + key) for kind in kinds]
        return [None if value is None else value[HEADER_SIZE:] for value in values]

    def waiting(self) -> Iterator[tuple[int, bytes]]:
        """The due index as it stands: (due, group key), sorted."""
        return iter(sorted((due, key) for key, due in self._due.items()))
