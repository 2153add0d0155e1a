"""What a lane's commit touches on real Kafka: the fence, the producer, the changelog, the store. The order is commit.py's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from app.engine.catchup import catch_up, changelog_reader
from app.engine.commit import Abandon, commit_turn
from app.engine.origin import Marks
from app.engine.producer import Changelog
from app.engine.program import Output, Program
from app.engine.restore import Overtaken
from app.engine.rows import MARKS, NEVER, Row, pack_batches
from app.engine.store import TableStore, fingerprint
from app.engine.turn import Segment, Turn

Batches = Sequence[Sequence[tuple[bytes, bytes]]]


class LanePorts:
    """Ports of one lane in one generation. `stale`: keys whose last changelog record restore found to be a zombie's."""

    def __init__(self, engine: Any, generation: int, store: TableStore, changelog: Changelog, partition: int, stale: list[bytes]) -> None:
        self._engine, self._generation, self._store, self._changelog = engine, generation, store, changelog
        self._partition, self._stale = partition, stale
        self._tail = b""
        self.overtaken = False
        """A foreign write was met and not yet restored; stays set if the lease runs out in between."""

    @property
    def changelog(self) -> TopicPartition:
        return TopicPartition(self._changelog.topic, self._partition)

    @property
    def changelog_next(self) -> int:
        return self._changelog.next

    def fence(self) -> None:
        self._engine.fence.check(self._generation)

    async def publish(self, outputs: Sequence[Output]) -> None:
        await self._engine.fence.fresh(self._generation)
        await self._engine.producer.publish(outputs, self._partition)

    @property
    def stale(self) -> bool:
        """Whether rows wait to be appended again."""
        return bool(self._stale)

    async def mend(self) -> None:
        """Appends again what a zombie's records shadow."""
        await self._engine.fence.fresh(self._generation)
        if self._stale and not await self._append_again():
            self.overtaken = True
            raise Overtaken

    async def log(self, batches: Batches) -> int:
        await self.mend()
        if not await self._changelog.write(batches, self.fence):
            self.overtaken = True
            raise Overtaken
        self._tail = fingerprint(*batches[-1][-1])
        return self._changelog.next

    async def restore(self) -> None:
        """After `Overtaken`: the store takes over what the other writer was ahead with, and what it was behind with is appended again."""
        place = self.changelog
        reader = changelog_reader(self._engine.client_options)
        await reader.start()
        try:
            reader.assign([place])
            while True:
                await self._engine.fence.renewed(self._generation)
                end = (await reader.end_offsets([place]))[place]
                self._stale = await catch_up(reader, place, self._store, 0, end, self.fence)
                self._changelog.next = end
                if not self._stale or await self._append_again():
                    self.overtaken = False
                    return
        finally:
            await reader.stop()

    async def _append_again(self) -> bool:
        """Own values of the rows whose last changelog record is a zombie's: it must not be what the cleaner leaves. False if overtaken."""
        keys = [key for key in self._stale if key != MARKS]
        rows: dict[bytes, list[Row]] = {}
        for key, value in zip(keys, self._store.get_many(keys), strict=True):
            if value is None:
                continue  # what is stale the store has a newer value of, unless the row's day has gone meanwhile
            rows.setdefault(key[1:], []).append(Row(key, value, NEVER, NEVER))
        marks = self._store.marks()
        batches = pack_batches([(group, None) for group in rows.values()], marks)
        if not await self._changelog.write(batches, self.fence):
            return False
        self.fence()
        self._store.keep([], marks, self._changelog.next, fingerprint(*batches[-1][-1]))
        self._stale = []
        return True

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        self._store.keep(rows, marks, changelog_next, self._tail)

    async def load(self, ref: str) -> None:
        await self._engine.artifacts.wait(ref)

    async def activated(self, kind: str) -> None:
        """Returns once the cluster has an active artifact of this kind."""
        await self._engine.artifacts.activated(kind, self.fence)

    def count(self, segment: Segment) -> None:
        self._engine.count(segment)

    async def at(self, failpoint: str) -> None:
        if failpoint == "stepped" and self._engine.fence.stopping:
            raise Abandon("the worker stops")
        self._engine.failpoints.reach(failpoint)


class TableWork:
    """The work of a lane that keeps a table: one turn over a stretch, in commit.py's order.

    `awaits`: kind of artifact that must be active before anything is done. Intake waits for a policy, so that on a fresh cluster what
    people did before the first activation is decided by a pack and not by none.
    """

    def __init__(self, program: Program, partition: int, store: TableStore, ports: LanePorts, awaits: str | None = None) -> None:
        self._turn, self._store, self._ports, self._awaits = Turn(program, partition, store), store, ports, awaits

    @property
    def changelog(self) -> TopicPartition:
        return self._ports.changelog

    @property
    def changelog_next(self) -> int:
        """Where our own next changelog record belongs."""
        return self._ports.changelog_next

    @property
    def stale(self) -> bool:
        """Whether rows wait to be appended again behind a zombie's."""
        return self._ports.stale

    def overtaken(self) -> None:
        """Somebody else has written there: the next turn restores before it does anything."""
        self._ports.overtaken = True

    async def __call__(self, records: list[Any], last: int) -> None:
        while True:
            try:
                if self._awaits is not None:
                    await self._ports.activated(self._awaits)
                if self._ports.overtaken:
                    await self._ports.restore()
                for ref in self._store.marks().active.values():
                    await self._ports.load(ref)  # restored marks may name what this worker has not loaded yet
                await self._run(records, last)
                return
            except Overtaken:
                continue

    async def _run(self, records: list[Any], last: int) -> None:
        await self._ports.mend()
        await commit_turn(self._turn, records, self._ports)
        marks = self._store.marks().copy()
        if marks.applied < last:
            # The stretch ends with control or aborted records: the marks cover them too, so that a commit is never ahead of the state.
            marks.applied, marks.cursor = last, 0
            self._ports.fence()
            after = await self._ports.log([[(MARKS, marks.encode())]])
            self._ports.fence()
            self._ports.keep([], marks, after)
