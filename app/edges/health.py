"""What a worker tells over HTTP, where asked to: health means progress, not that the process exists."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

STALE_S = 30.0
"""Ticks come several times a second; without a finished turn for so long something is wrong."""


class Health:
    """`GET /healthz`: 200 while the worker makes progress. `GET /readyz`: 200 once state is restored and events flow. Both say how far."""

    def __init__(self, core: Any, host: str, port: int) -> None:
        self._core, self._host, self._port = core, host, port
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Raises OSError if the address cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return self._answer(self._progress()["progressing"])

    async def _readyz(self, request: web.Request) -> web.Response:
        return self._answer(self._core.is_ready())

    def _answer(self, well: bool) -> web.Response:
        return web.json_response(self._progress(), status=200 if well else 503)

    def _progress(self) -> dict[str, Any]:
        core = self._core
        idle_s = time.monotonic() - core.lanes.finished_at
        ready = core.is_ready()
        clock = core.clock
        return {
            "ready": ready,
            "progressing": ready and idle_s < STALE_S and not core.stopped_partitions(),
            "idle_seconds": round(idle_s, 3),
            "events": core.events,
            "turns": core.turns,
            "woken": core.woken,
            "defects": core.defects,
            "lag": core.lag,
            "stopped_partitions": core.stopped_partitions(),
            "clock": {"owner": core.owns_control(), "ticks": clock.ticks, "low_water": clock.rounds.low_water, "skew_ms": clock.skew_ms},
        }
