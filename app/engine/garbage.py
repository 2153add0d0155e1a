"""Memory nobody uses any more: collected and given back when no turn runs.

State is structs without cycles: collecting by allocation counts only walked live overlays, 14 % of all CPU, and in a backlog a walk takes
over half a second. And what a restore or a burst has taken, malloc keeps for the process in pieces: a worker that took over the other's
partitions six times in half an hour had grown by 200 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import time

from app.engine.lane import Lanes

EVERY_S = 10.0
AT_LEAST_S = 120.0
"""Also while turns run."""


async def collect(lanes: Lanes) -> None:
    """Collects from now on, Python's own way of doing it being off; ends only by cancellation. What is loaded by now stays."""
    gc.collect()
    gc.freeze()
    collected = time.monotonic()
    while True:
        await asyncio.sleep(EVERY_S)
        if not lanes.busy() or time.monotonic() - collected > AT_LEAST_S:
            gc.collect()
            give_back()
            collected = time.monotonic()


def give_back() -> None:
    """Free pages to the system; elsewhere than on glibc there is nothing to call."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
