"""What is wrong with a pack, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One fault of a pack or one of its messages. `line` counts from 1; 0: the file as a whole. A `warning` stops nobody."""

    file: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {'warning: ' if self.warning else ''}{self.message}"


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, where one of the known names is near; else nothing."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
