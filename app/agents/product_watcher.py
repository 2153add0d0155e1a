"""Product watcher: what the catalogue has of each product, and which of its changes people are to be told of.

Reads catalog_changes (a product or a part of it, from the shop's own systems and `kairos catalog import`; what people bought and rated,
from the person lane).
Keeps catalogue (a row per product).
Writes products (a product as it stands), journal (changes that the active pack asks for, one to each partition), dead_letters.
Its decisions are in app/domain/catalog_change.py and shelf.py, its turn in product_watcher_program.py.
"""

from __future__ import annotations

from typing import Any

from app.engine.source import source


def attach(app: Any, arrive: Any) -> Any:
    """Registers the Faust agent; every stretch it is handed goes to its topic's lane."""

    @app.agent(source(app, "catalog_changes"), name="product_watcher", concurrency=1)
    async def product_watcher(stream: Any) -> None:
        async for event in stream.noack().events():
            await arrive("product_watcher", event)

    return product_watcher
