"""What a changelog means: pure merge of its records into what the local store holds. Recovery and the fault tests run this same code.

The last record of a key need not be its value: a worker that lost its partition may have had changelog batches in flight, which land
after the new owner's (engine-findings.md 0.4: 373 such records in one run, despite a lease check before each send). So a row's highest
applied source offset wins, marks win by (applied, cursor), and what a stale record shadows is named, to be appended again before
compaction keeps the stale record alone.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from app.engine.origin import Marks
from app.engine.rows import MARKS, NEVER, Row, read_header


class Overtaken(Exception):
    """Records of another writer lie in the changelog before those just acked: the lane must restore again before it keeps anything.

    Putting own values behind theirs is not enough. A zombie may have been ahead: the store would go on without its rows and yet claim,
    by its changelog offset, to contain them; the next owner builds on them, and a row it does not change is missing here for good (found
    by the fault simulation: the second row of a person lost). So: no local write, restore from the store's changelog offset, then the
    same turn again; what it finds applied it skips.
    """


class Restored(Struct, frozen=True):
    """One local write of a restore: rows with their due index entries, marks, and where the next restore has to begin if this one dies."""

    rows: list[Row]
    marks: Marks
    changelog_next: int


class Restore:
    """Merges a changelog, read in pieces, into what the local store holds.

    `read`: multi-get of the store. `marks`: the store's (empty Marks for a new one). `changelog_next`: the store's, where reading starts.
    At the end: append the rows of `stale()` again, then keep once more with the changelog's new end.
    """

    def __init__(self, read: Callable[[list[bytes]], list[bytes | None]], marks: Marks, changelog_next: int) -> None:
        self._read, self._marks, self._next = read, marks, changelog_next
        self._fed: list[tuple[bytes, bytes, int]] = []
        self._stale: dict[bytes, int] = {}

    def feed(self, key: bytes, value: bytes | None, offset: int) -> None:
        """One changelog record, in offset order. Raises ValueError for a tombstone: Kairos deletes no rows, so it is not ours."""
        if value is None:
            raise ValueError(f"changelog offset {offset}: a tombstone for row {key[:1]!r}")
        self._fed.append((key, value, offset))
        self._next = offset + 1

    def result(self, position: int = 0) -> Restored:
        """What everything fed since the last call changes, to be written before the next call. `position`: the reader's own.

        While a stale record waits for its repair, `changelog_next` stays before it: a crash in between must not forget the repair.
        Raises ValueError for a row of another version.
        """
        self._next = max(self._next, position)
        values, kept = self._merge()
        rows = []
        for key, value in values.items():
            old = kept[key]
            if value is not old:
                rows.append(Row(key, value, read_header(value)[1], NEVER if old is None else read_header(old)[1]))
        self._fed = []
        return Restored(rows, self._marks.copy(), min(self._stale.values(), default=self._next))

    def stale(self) -> list[bytes]:
        """Keys (MARKS among them) whose last changelog record so far is a zombie's: to be appended again. Sorted, marks last."""
        return sorted(self._stale, key=lambda key: (key == MARKS, key))

    def _merge(self) -> tuple[dict[bytes, bytes], dict[bytes, bytes | None]]:
        keys = list(dict.fromkeys(key for key, _, _ in self._fed if key != MARKS))
        kept = dict(zip(keys, self._read(keys), strict=True)) if keys else {}
        values = {key: value for key, value in kept.items() if value is not None}
        for key, value, offset in self._fed:
            if key == MARKS:
                stale = self._merge_marks(Marks.decode(value))
            else:
                best = values.get(key)
                # Equal offsets are equal states: a row is a function of the journal up to its offset.
                stale = best is not None and read_header(value)[0] < read_header(best)[0]
                if not stale and value != best:
                    values[key] = value
            if stale:
                self._stale.setdefault(key, offset)
            else:
                self._stale.pop(key, None)
        return values, kept

    def _merge_marks(self, marks: Marks) -> bool:
        if marks.newer_than(self._marks):
            self._marks = marks
            return False
        return self._marks.newer_than(marks)
