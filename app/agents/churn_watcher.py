"""Churn watcher: whether she is overdue by her own rhythm; wakes itself.

Reads journal, as the third of the person lane; sees `profile` as of the same record.
Keeps its part `churn` of the person's row.
Writes journal (conclusions).
Its decisions are in app/domain/churn.py; the lane steps it with the other four (person_program.py).
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "journal"), name="churn_watcher", concurrency=1)
    async def churn_watcher(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("churn_watcher", event)

    return churn_watcher
