"""Clock: passing time and the low-water mark; fans activations out.

Reads control (intake's progress, activations, operator's commands).
Keeps nothing: rounds and reports are facts it gathers anew.
Writes journal (ticks, activations), artifacts (the pointer to the active pack), dead_letters.
Its rounds are in app/engine/rounds.py; it ticks where `control` is owned (app/engine/clock.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "control"), name="clock", concurrency=1)
    async def clock(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("clock", event)

    return clock
