"""Analyst: how everybody compares.

Reads facts (-old/+new changes of figures, a tick a day).
Keeps figures (a row per figure).
Writes artifacts (the figures of a day, and the end of old ones), control (that they become active), dead_letters.
Its sums are in app/domain/population.py, its turn in analyst_program.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "facts"), name="analyst", concurrency=1)
    async def analyst(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("analyst", event)

    return analyst
