"""Ctrl-C and SIGTERM as the ordinary end of what runs until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

import click


def until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` to its end, or cancels it at the first signal and lets it clean up; a second signal ends the process as usual."""

    async def watched() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
        stopped = False

        def stop(number: int) -> None:
            nonlocal stopped
            stopped = True
            loop.remove_signal_handler(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        try:
            await task
        except asyncio.CancelledError:
            if not stopped:
                raise
            click.echo("stopped")

    asyncio.run(watched())
