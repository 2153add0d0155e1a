"""Models on the broker: put there, made active, and taken off again once newer ones are in use."""

from __future__ import annotations

from typing import Any

from app import events
from app.agents.kinds import compilers
from app.agents.refresh import superseded
from app.domain.recommended import RECOMMENDATIONS
from app.edges.producing import producing
from app.edges.topic_scan import scanner
from app.engine import artifacts
from app.engine.artifacts import Artifacts
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.events import Activate
from app.settings import Settings


async def active(settings: Settings) -> tuple[str, bytes] | None:
    """(ref, bytes) of the model that messages are made with. Raises `ScanFailed`."""
    found = await _read(settings)
    ref = found.active.get(RECOMMENDATIONS)
    data = None if ref is None else found.data(ref)
    return None if ref is None or data is None else (ref, data)


async def make_active(settings: Settings, ref: str, data: bytes) -> None:
    """Raises `KafkaError`, OSError, `ScanFailed`."""
    before = await _read(settings)
    async with producing(settings) as producer:
        await artifacts.publish(producer, RECOMMENDATIONS, ref, data)
        ask: Any = events.encode(Activate(wall_ms(), RECOMMENDATIONS, ref))
        await producer.publish([Output("control", None, ask, partition=0)])
        for old in superseded(before, ref):
            await producer.publish(old)


async def _read(settings: Settings) -> Artifacts:
    found = Artifacts(settings.topic("artifacts"), {}, compilers(settings.model_mb))
    async with scanner(settings) as scan:
        async for record in scan.read("artifacts"):
            found.take(record.key, record.value)
    return found
