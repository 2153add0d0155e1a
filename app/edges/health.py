"""What a worker tells over HTTP, where asked to: health means progress, not that the process exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from app.edges.metrics import Metrics
from app.edges.reader_http import ReaderHttp

READS = "insight"
"""The role that answers questions about people, too."""


class Health:
    """`GET /readyz`: 200 while state is restored and events flow. `GET /healthz`: 503 only where a restart may help. Both say how far.

    `GET /metrics`: for Prometheus; `GET /reader/…`: reader_http.py. A worker that restores, or waits for a broker, is alive and not ready:
    whoever restarts it for that only makes it begin again. Of several roles in the process all must be well; the first one's figures
    stand at the top, too.
    """

    def __init__(self, workers: Sequence[Any], host: str, port: int) -> None:
        self._workers, self._host, self._port = workers, host, port
        self._metrics = Metrics(workers)
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz), web.get("/metrics", self._scrape)])
        app.add_routes([route for worker in workers if worker.role == READS for route in ReaderHttp(worker, host).routes()])
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Raises OSError if the address cannot be had."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return self._answer(not any(worker.stuck() for worker in self._workers))

    async def _readyz(self, request: web.Request) -> web.Response:
        return self._answer(all(worker.trouble() is None for worker in self._workers))

    async def _scrape(self, request: web.Request) -> web.Response:
        page, content_type = await self._metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    def _answer(self, well: bool) -> web.Response:
        return web.json_response(self._progress(), status=200 if well else 503)

    def _progress(self) -> dict[str, Any]:
        roles = {worker.role: _told(worker) for worker in self._workers}
        first = next(iter(roles.values()))
        trouble = next((one["reason"] for one in roles.values() if one["reason"] is not None), None)
        return {**first, "ready": trouble is None, "progressing": trouble is None, "reason": trouble, "roles": roles}


def _told(worker: Any) -> dict[str, Any]:
    trouble, clock = worker.trouble(), worker.clock
    return {
        "ready": trouble is None,
        "progressing": trouble is None,
        "reason": trouble,
        "idle_seconds": round(worker.idle_s(), 3),
        "events": worker.events,
        "turns": worker.turns,
        "woken": worker.woken,
        "defects": worker.defects,
        "lag": worker.lag,
        "stopped_partitions": worker.stopped_partitions(),
        "clock": {"owner": worker.owns_control(), "ticks": clock.ticks, "low_water": clock.rounds.low_water, "skew_ms": clock.skew_ms},
    }
