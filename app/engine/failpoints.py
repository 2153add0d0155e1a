"""Named places where a test kills the process with SIGKILL: `KAIROS_FAILPOINT=name:nth`. In production the setting is empty.

Names: fetched, stepped, outputs_enqueued, outputs_acked, changelog_enqueued, changelog_batch_acked, changelog_acked, local_written,
slice_written, acked, committed, revoked, restoring, restored. `nth` counts from 1 (default 1).
"""

from __future__ import annotations

import os
import signal


class Failpoints:
    """Counts how often each place was reached; kills at the one that was asked for."""

    def __init__(self, spec: str) -> None:
        self._name, _, nth = spec.partition(":")
        self._left = int(nth) if nth else 1

    def reach(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
