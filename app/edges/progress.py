"""Progress of long work on stderr: a bar on a terminal, a line each 10 s elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

EVERY_S = 10.0
"""Between two lines where no bar can be drawn."""
REDRAW_S = 0.1


class Bar:
    """`total` in any unit; 0: unknown. Call `at(done, note)` as often as you like, it is cheap. Use as a context manager."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._bar: Progress | None = None
        self._next = time.monotonic() + EVERY_S
        self._step = EVERY_S
        if sys.stderr.isatty():
            title, note_column = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
            columns = (title, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), note_column)
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=total or None, note="")
            self._next, self._step = 0.0, REDRAW_S

    def at(self, done: int, note: str = "") -> None:
        if (now := time.monotonic()) < self._next:
            return
        self._next = now + self._step
        if self._bar is not None:
            self._bar.update(self._task, completed=min(done, self._total), note=note)
            return
        share = f" {100 * done // self._total} %" if self._total else ""
        print(f"{self._what}{share} {note}".rstrip(), file=sys.stderr, flush=True)

    def __enter__(self) -> Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
