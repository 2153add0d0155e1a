"""The order of acks, in one place: outputs acked → changelog acked → local write → (caller) source ack.

The Kafka lane and the fault tests run this same code over different ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.engine.origin import Marks
from app.engine.program import Incoming, Output
from app.engine.rows import Row
from app.engine.turn import Segment, Turn


class Abandon(Exception):
    """The lane's generation is over: no further send, no local write, no ack; the partition's next owner repeats the turn."""


class Ports(Protocol):
    """What a commit touches. Any error but `Abandon` ends the worker: what cannot be resumed is recovered."""

    def fence(self) -> None:
        """Raises `Abandon` unless this lane's generation is current and its lease is fresh. Called before each send and local write."""

    async def publish(self, outputs: Sequence[Output]) -> None:
        """Returns when the broker has acked all of them."""

    async def log(self, batches: Sequence[Sequence[tuple[bytes, bytes]]]) -> int:
        """Writes changelog batches in order; returns the next changelog offset once all are acked. Repairs foreign writes it detects."""

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        """One atomic local write: rows, due index, marks, changelog offset."""

    async def load(self, ref: str) -> None:
        """Returns once artifact `ref` is loaded and checked."""

    def count(self, segment: Segment) -> None:
        """Told after the local write; raises to stop the worker when the budget of defects is used up."""

    async def at(self, failpoint: str) -> None:
        """A named place where tests kill or stall; nothing in production."""


async def commit_turn(turn: Turn, records: Sequence[Incoming], ports: Ports) -> None:
    """Runs one turn to the end. When it returns, every record of the batch may be acked."""
    await ports.at("fetched")
    for segment in turn.segments(records):
        await ports.at("stepped")
        if segment.outputs:
            ports.fence()
            await ports.publish(segment.outputs)
            await ports.at("outputs_acked")
        ports.fence()
        changelog_next = await ports.log(segment.changelog)
        await ports.at("changelog_acked")
        ports.fence()
        ports.keep(segment.rows, segment.marks, changelog_next)
        await ports.at("local_written")
        ports.count(segment)
        if segment.needs is not None:
            await ports.load(segment.needs)
