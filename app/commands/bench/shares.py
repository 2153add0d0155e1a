"""Where the time of the pipeline goes: the real turns and agents over RocksDB in this process, sampled while they run.

All that a worker does is there but network, Faust and the wait for acks: producer batches are built and thrown away. A sample is taken
each few ms of CPU; it counts for the innermost function of interest on the stack. So these are shares of the work, not a worker's CPU:
the difference to `kairos bench pipeline` is what transport costs.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.commands.bench.in_process import InProcess, no_collecting
from app.domain import person
from app.domain.profile_view import record
from app.edges import workload
from app.engine.producer import Changelog, Producer
from app.engine.store import TableStore
from app.engine.turn import Turn
from app.settings import Settings

EVERY_S = 0.001
"""CPU between two samples; the kernel rounds it up to its own tick."""
HOUR_MS = 3_600_000


def places() -> dict[CodeType, str]:
    """Functions of interest → what their time is called."""
    named: dict[Any, str] = {
        IntakeProgram.read: "contract",
        IntakeProgram.step: "intake",
        record: "profiles",
        PersonProgram.step: "lane",
        PersonProgram.wake: "lane",
        PostmasterProgram.step: "postmaster",
        RendererProgram.step: "renderer",
        IntakeProgram.load: "decode",
        PersonProgram.read: "decode",
        PersonProgram.load: "decode",
        RendererProgram.read: "decode",
        IntakeProgram.dump: "encode",
        PersonProgram.dump: "encode",
        TableStore.get_many: "store_read",
        TableStore.due: "store_read",
        TableStore.keep: "store_write",
        Changelog.write: "changelog",
        Producer.publish: "produce",
        Turn.segments: "turn",
    }
    for concern in person.LANE:
        named |= {concern.step: concern.name, concern.wake: concern.name}
    return {function.__code__: name for function, name in named.items()}


class Sampler:
    """Counts where the process is, each EVERY_S of its CPU, between `with` and its end."""

    def __init__(self) -> None:
        self._places = places()
        self.counts: Counter[str] = Counter()
        self.cpu = 0.0

    def __enter__(self) -> Sampler:
        self._before = signal.signal(signal.SIGPROF, self._look)
        self.cpu -= time.process_time()
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.cpu += time.process_time()
        signal.signal(signal.SIGPROF, self._before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if (name := self._places.get(frame.f_code)) is not None:
                self.counts[name] += 1
                return
            frame = frame.f_back
        self.counts["rest"] += 1

    def row(self, done: int) -> dict[str, float]:
        """CPU in µs of each place per piece of work, the most expensive first."""
        samples = sum(self.counts.values()) or 1
        each = {f"{name}_us": round(self.cpu / done * 1e6 * count / samples, 2) for name, count in self.counts.most_common()}
        return {"done": done, "cpu_us": round(self.cpu / done * 1e6, 1), **each, "samples": samples}


def shares(artifact: tuple[str, bytes], settings: Settings, events_: int, people: int, seed: int) -> dict[str, dict[str, float]]:
    """Rows `mix` (per input event) and `due` (per message), as `kairos bench pipeline` has them."""
    with tempfile.TemporaryDirectory(prefix="kairos-bench-") as folder, no_collecting():
        return asyncio.run(_shares(artifact, settings, events_, people, seed, Path(folder)))


async def _shares(
    artifact: tuple[str, bytes], settings: Settings, count: int, people: int, seed: int, folder: Path
) -> dict[str, dict[str, float]]:
    run = InProcess(artifact, settings, folder)
    await run.activate()
    await run.feed("shares: people", workload.everybody(people, workload.utc_hour(run.now)), 2 * people)
    mixed, due = Sampler(), Sampler()
    await run.feed("shares: mix", workload.mix(seed, people, count), count, mixed)
    run.sent = 0
    with due:
        await run.tick(run.now + 3 * HOUR_MS)
    run.store.close()
    return {"mix": mixed.row(count), **({"due": due.row(run.sent)} if run.sent else {})}
