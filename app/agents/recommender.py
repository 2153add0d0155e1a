"""Recommender: what people like, kept current, and the model that messages recommend by.

Reads journal (events that show an interest in a product; who becomes one with whom).
Keeps tastes (a row per person).
Writes artifacts (a model each hour, and the end of old ones), control (that it becomes active), dead_letters.
Its turn is in recommender_program.py, its learning in refresh.py, table.py and similarity.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="recommender", concurrency=1)
    async def recommender(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("recommender", event)

    return recommender
