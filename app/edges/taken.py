"""Which products a file has told so far, and where: a product that one file tells in two ways would change at every import of it."""

from __future__ import annotations

from array import array

FIRST_PLACES = 1_024


class Taken:
    """In 20 bytes a product, and 4 to 8 for its place in the index: a million take about 30 MB, where a dict would take 150."""

    def __init__(self) -> None:
        # Python's own hash is quick and 64 bits wide: two of a million ids share one with probability 3 × 10⁻⁸.
        self._ids, self._contents = array("q"), array("q")
        self._lines = array("I")
        self._places = array("I", bytes(4 * FIRST_PLACES))
        """Open addressing: the number of an entry from 1 on, 0 where there is none."""

    def before(self, product_id: str, content: bytes, line: int) -> tuple[int, bool] | None:
        """(line that told it first, whether in the same words); None: it is taken now."""
        mark, places, ids = hash(product_id), self._places, self._ids
        mask = len(places) - 1
        at = mark & mask
        while entry := places[at]:
            if ids[entry - 1] == mark:
                return self._lines[entry - 1], self._contents[entry - 1] == hash(content)
            at = (at + 1) & mask
        ids.append(mark)
        self._contents.append(hash(content))
        self._lines.append(line)
        places[at] = len(ids)
        if 3 * len(ids) > 2 * len(places):
            self._grow()
        return None

    def _grow(self) -> None:
        places = array("I", bytes(4 * 2 * len(self._places)))
        mask = len(places) - 1
        for entry, mark in enumerate(self._ids, 1):
            at = mark & mask
            while places[at]:
                at = (at + 1) & mask
            places[at] = entry
        self._places = places
