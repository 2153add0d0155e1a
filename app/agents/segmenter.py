"""Segmenter: which stage, tier and segments she is in, entered and left by what she does and by time; wakes itself.

Reads journal, as the fourth of the person lane; sees `profile`, `intent`, `churn` as of the same record, the active pack, and the day's
figures of everybody. Keeps its part `standing` of the person's row.
Writes journal (conclusions), facts (where she is counted).
Its decisions are in app/domain/segmenter.py; the lane steps it with the other four (person_program.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="segmenter", concurrency=1)
    async def segmenter(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("segmenter", event)

    return segmenter
