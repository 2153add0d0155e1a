"""Postmaster: whether an address takes a message, whoever of those who share it the message is for.

Reads addressed_plans (plans; what people's lanes and the renderer tell of addresses).
Keeps mailboxes: what went to each address lately, and who has closed it.
Writes message_plans, decisions, journal (not_rendered), dead_letters.
Its decisions are in app/domain/mailbox.py, its turn in postmaster_program.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "addressed_plans"), name="postmaster", concurrency=1)
    async def postmaster(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("postmaster", event)

    return postmaster
