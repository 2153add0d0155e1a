"""Intake: what gets into the journal, exactly once.

Reads customer_events (raw events, keyed by customer id, else anonymous id).
Keeps identifiers (event ids of the last 48 h per identifier, hourly count, links).
Writes journal (accepted events, merges), customer_events (once each: a wrongly keyed record, under its key; a link, under the identifier
it is of), dead_letters.
Its decisions are in app/domain/contract.py, identifier.py and links.py, its turn in intake_program.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "customer_events"), name="intake", concurrency=1)
    async def intake(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("intake", event)

    return intake
