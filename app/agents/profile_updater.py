"""Profile updater: who she is.

Reads journal, as the first of the person lane.
Keeps its part `profile` of the person's row, and `orders` of the second row.
Writes journal (conclusions: order_placed, order_line, reachable), profiles, dead_letters.
Its decisions are in app/domain/profile.py; the lane steps it with the other four (person_program.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="profile_updater", concurrency=1)
    async def profile_updater(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("profile_updater", event)

    return profile_updater
