"""Intent scorer: how close she is to buying.

Reads journal, as the second of the person lane; sees `profile` as of the same record.
Keeps its part `intent` of the person's row.
Writes journal (conclusions).
Its decisions are in app/domain/intent.py; the lane steps it with the other four (person_program.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="intent_scorer", concurrency=1)
    async def intent_scorer(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("intent_scorer", event)

    return intent_scorer
