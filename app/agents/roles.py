"""Roles of one process, each a worker of its own: started one after the other, stopped the other way round."""

from __future__ import annotations

from collections.abc import Sequence

from app.agents.core import Core
from app.agents.insight import Insight
from app.engine.clock import TimeMap
from app.engine.worker import Worker
from app.flow import ROLES
from app.settings import Settings

WORKERS: dict[str, type[Core] | type[Insight]] = {"core": Core, "insight": Insight}


class Roles:
    """`start()` returns once all have their state and their records flow (raises `Refusal`); `stop()` is clean."""

    def __init__(self, settings: Settings, names: Sequence[str] = tuple(ROLES), time_map: TimeMap | None = None) -> None:
        self.workers: list[Worker] = [WORKERS[name](settings, time_map) for name in ROLES if name in names]

    async def start(self) -> None:
        for worker in self.workers:
            await worker.start()

    async def stop(self) -> None:
        for worker in reversed(self.workers):
            await worker.stop()
