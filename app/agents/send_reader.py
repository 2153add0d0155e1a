"""Send reader: keeps the messages, as long as their topic does, to be asked for.

Reads message_sends.
Keeps sent (a row per message, 7 days).
Writes dead_letters.
Its turn is in reader_program.py; who asks is answered by app/edges/reader.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "message_sends"), name="send_reader", concurrency=1)
    async def send_reader(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("send_reader", event)

    return send_reader
