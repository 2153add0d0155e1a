"""What work cost: wall time, CPU of workers and broker apart, memory."""

from __future__ import annotations

from msgspec import Struct


class Spent(Struct, frozen=True):
    """What was spent on `done` pieces of work: seconds of wall time and CPU, peak memory in bytes. `broker_cpu` None: not ours to see."""

    done: int
    wall: float
    cpu: float
    broker_cpu: float | None
    rss: int

    def row(self) -> dict[str, float]:
        """CPU in µs a piece, pieces per second, memory in MB."""
        found = {"cpu_us": round(self.cpu / self.done * 1e6, 1), "per_s": round(self.done / self.wall), "rss_mb": round(self.rss / 1e6)}
        if self.broker_cpu is not None:
            found["broker_us"] = round(self.broker_cpu / self.done * 1e6, 1)
        return found


class Sample(Struct, frozen=True):
    """One look: monotonic seconds, pieces done, CPU seconds so far."""

    at: float
    done: int
    cpu: float
    broker: float


def first(samples: list[Sample], end: Sample, warm: float) -> Sample:
    """Where measuring begins: when so many pieces are done; in a run too short for that, just before the first progress."""
    begun = next(one for one in samples if one.done >= warm)
    if begun.done < end.done:
        return begun
    return [one for one in samples if one.done == samples[0].done][-1]
