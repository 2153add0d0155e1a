"""The live view of a running Kairos: a panel on a terminal, a line each 10 s elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app import events
from app.domain.plural import count
from app.edges.spectator import Spectator
from app.edges.timeline import printable

EVERY_S = 10.0
"""Between two lines where nothing can be redrawn."""
REDRAW_S = 0.2
RATE_S = 2.0
"""Span over which events/s is measured."""


class View:
    """Shows what a spectator has seen. Call `show` as often as you like. Use as a context manager."""

    def __init__(self, spectator: Spectator, console: Console, title: str) -> None:
        self._spectator, self._console, self._title = spectator, console, title
        self._live = Live(console=console, refresh_per_second=5, transient=True) if console.is_terminal else None
        self._next = 0.0 if self._live else time.monotonic() + EVERY_S
        self._rate, self._since, self._events = 0.0, time.monotonic(), 0

    def show(self, at: int, share: float, phase: str) -> None:
        """`at`: virtual time (ms); `share` of the whole, 0–1; `phase`: what is going on."""
        now = time.monotonic()
        if now < self._next:
            return
        if now - self._since >= RATE_S:
            self._rate = (self._spectator.events - self._events) / (now - self._since)
            self._since, self._events = now, self._spectator.events
        if self._live is not None:
            self._next = now + REDRAW_S
            self._live.update(self._panel(at, share, phase))
            return
        self._next = now + EVERY_S
        seen = self._spectator
        sends = sum(seen.tally.sends.values())
        counts = f"{count(seen.events, 'event')}, {count(len(seen.people), 'person', 'people')}, "
        counts += f"{count(seen.open_windows, 'open window')}, {count(sends, 'send')}"
        self._console.print(f"{phase} {100 * share:.0f} %  {events.iso(at)[:16]}  {counts}", highlight=False, soft_wrap=True)

    def _panel(self, at: int, share: float, phase: str) -> Panel:
        seen = self._spectator
        facts = Table.grid(padding=(0, 3))
        facts.add_row("shop time", events.iso(at)[:16].replace("T", " "), "events/s", f"{self._rate:,.0f}")
        facts.add_row("events", f"{seen.events:,}", "people", f"{len(seen.people):,}")
        facts.add_row("open windows", f"{seen.open_windows:,}", "sends", f"{sum(seen.tally.sends.values()):,}")
        sends = Table.grid(padding=(0, 2))
        for trigger, steps in seen.tally.sends_by_trigger().items():
            sends.add_row(trigger, f"{sum(steps.values()):,}")
        subjects = Table.grid(padding=(0, 2))
        for trigger, subject in seen.newest:
            subjects.add_row(Text(trigger, style="dim"), Text(printable(subject), no_wrap=True, overflow="ellipsis"))
        head = Table.grid(padding=(0, 1))
        head.add_row(phase, ProgressBar(total=1.0, completed=share, width=40))
        by_trigger, newest = Text("\nsends by trigger", style="bold"), Text("\nnewest", style="bold")
        body = Group(head, Text(), facts, by_trigger, sends, newest, subjects)
        return Panel(body, title=self._title, border_style="cyan")

    def __enter__(self) -> View:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
