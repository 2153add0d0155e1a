"""Writes mails as `.eml` files in a process of its own, while the demo plays: folding and encoding a mail takes longer than deciding it."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType

from app.edges.eml import write_eml
from app.events import Send

BATCH = 100
"""Mails handed over at once."""


class MailWriter:
    """`take` the list of all sends so far, as often as you like; each is written once. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Spawned, not forked: the host has threads. It leaves Ctrl-C to the host.
        ignore = (signal.SIGINT, signal.SIG_IGN)
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), signal.signal, ignore)
        self._taken = 0
        self._written: list[Future[list[Path]]] = []

    def take(self, sends: Sequence[Send], all_of_them: bool = False) -> None:
        """Hands over what is new; with `all_of_them` returns once every mail lies in the folder. Raises `BadHeader`, OSError."""
        if all_of_them or len(sends) - self._taken >= BATCH:
            self._written.append(self._pool.submit(write_eml, self._folder, list(sends[self._taken :])))
            self._taken = len(sends)
        if all_of_them:
            for part in self._written:
                part.result()

    def __enter__(self) -> MailWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
