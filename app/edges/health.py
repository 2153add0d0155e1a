"""What a worker tells over HTTP, where asked to: health means progress, not that the process exists."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from app.edges.metrics import Metrics


class Health:
    """`GET /readyz`: 200 while state is restored and events flow. `GET /healthz`: 503 only where a restart may help. Both say how far.

    `GET /metrics`: for Prometheus. A worker that restores, or waits for a broker, is alive and not ready: whoever restarts it for that
    only makes it begin again.
    """

    def __init__(self, core: Any, host: str, port: int) -> None:
        self._core, self._host, self._port = core, host, port
        self._metrics = Metrics(core)
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._scrape)])
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Raises OSError if the address cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return self._answer(not self._core.stuck())

    async def _readyz(self, request: web.Request) -> web.Response:
        return self._answer(self._core.trouble() is None)

    async def _scrape(self, request: web.Request) -> web.Response:
        page, content_type = await self._metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    def _answer(self, well: bool) -> web.Response:
        return web.json_response(self._progress(), status=200 if well else 503)

    def _progress(self) -> dict[str, Any]:
        core = self._core
        trouble = core.trouble()
        clock = core.clock
        return {
            "ready": trouble is None,
            "progressing": trouble is None,
            "reason": trouble,
            "idle_seconds": round(core.idle_s(), 3),
            "events": core.events,
            "turns": core.turns,
            "woken": core.woken,
            "defects": core.defects,
            "lag": core.lag,
            "stopped_partitions": core.stopped_partitions(),
            "clock": {"owner": core.owns_control(), "ticks": clock.ticks, "low_water": clock.rounds.low_water, "skew_ms": clock.skew_ms},
        }
