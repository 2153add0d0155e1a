"""A process of a run, as the bench that started it sees it."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

import msgspec

from app.commands.outcome import Outage

END_S = 60.0


class Child:
    """What it prints is JSON lines (worker.py); what it logs is shown if it ends early."""

    def __init__(self, name: str, started: Process, out: Path, log: Path) -> None:
        self.name, self._process, self._log = name, started, log
        self._out = out.open("rb")
        self._told: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def told(self) -> dict[str, Any]:
        """The last line it printed; empty before the first."""
        for line in self._out.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                self._told = msgspec.json.decode(line)
            else:
                self._out.seek(-len(line), os.SEEK_CUR)
        return self._told

    def check(self) -> None:
        """Raises `Outage` if it has ended."""
        if self._process.returncode is not None:
            said = self._log.read_text("utf-8", "replace").strip()[-500:]
            raise Outage(f"{self.name} ended with {self._process.returncode}: {said}")

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process.returncode is None:
            self._process.send_signal(how)
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
