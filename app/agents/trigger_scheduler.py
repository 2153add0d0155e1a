"""Trigger scheduler: which windows are open, which message is due, and whether it may go.

Reads journal, as the last of the person lane; sees `profile`, `intent`, `churn`, `standing` as of the same record, and the active pack.
Keeps its part `windows` of the person's row, and `lookback` of the second row.
Writes addressed_plans, decisions, journal (conclusions).
Its decisions are in app/domain/windows.py and gate.py; the lane steps it with the other four (person_program.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="trigger_scheduler", concurrency=1)
    async def trigger_scheduler(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("trigger_scheduler", event)

    return trigger_scheduler
