"""Logs people can read during an outage: libraries at WARNING, and each message at most a few times a minute, then counted.

aiokafka wrote 3,800 lines in the 80 s of a broker restart, and its DEBUG calls cost 7.5 % of all CPU under Faust's own set-up.
"""

from __future__ import annotations

import logging
import sys
import time

BURST = 5
WINDOW_S = 60.0
REMEMBERED = 1000
"""Templates remembered; beyond it the oldest are forgotten."""
LIBRARIES = ("aiokafka", "faust", "mode", "kafka", "asyncio")


class Sparing(logging.Filter):
    """Lets a message template through BURST times a window; the next window's first line tells how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key, now = (record.name, str(record.msg)), time.monotonic()
        state = self._seen.get(key)
        if state is None or now - state[0] > WINDOW_S:
            left_out = int(state[1]) - BURST if state else 0
            if state is None and len(self._seen) >= REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
            self._seen[key] = [now, 1]
            if left_out > 0:
                record.msg = f"{record.msg} (and {left_out} more like it)"
            return True
        state[1] += 1
        return state[1] <= BURST


def quiet() -> None:
    """Sets up the process's logging: one line each on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    hush()
    logging.getLogger("kairos").setLevel(logging.INFO)


def hush() -> None:
    """Only the libraries' levels: for a host that has its own handlers."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Its rebalance messages are errors by level and routine by meaning; what matters of them our own lines say.
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.CRITICAL)
    logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a commit that waits for an absent broker is no news
