"""Decision reader: keeps what was decided on whom and why, to be asked for.

Reads decisions.
Keeps decided (a row per decision, 90 days).
Writes dead_letters.
Its turn is in reader_program.py; who asks is answered by app/edges/reader.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "decisions"), name="decision_reader", concurrency=1)
    async def decision_reader(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("decision_reader", event)

    return decision_reader
