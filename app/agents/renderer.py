"""Renderer: writes the planned message and answers the plan.

Reads message_plans; looks templates up in the artifacts.
Keeps renders: what the offers of each campaign may cost, in this partition.
Writes message_sends, decisions, journal (rendered, not_rendered), dead_letters.
Its decisions are in app/domain/rendering.py, its turn in renderer_program.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "message_plans"), name="renderer", concurrency=1)
    async def renderer(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("renderer", event)

    return renderer
