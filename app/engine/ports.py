"""What a lane's commit touches on real Kafka: the fence, the producer, the changelog, the store. The order is commit.py's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from app.engine.commit import Abandon, commit_turn
from app.engine.origin import Marks
from app.engine.producer import Changelog
from app.engine.rows import MARKS, NEVER, read_header
from app.engine.store import TableStore, fingerprint
from app.engine.turn import Output, Program, Row, Segment, Turn, pack_batches

log = logging.getLogger("kairos.lane")

Batches = Sequence[Sequence[tuple[bytes, bytes]]]


class LanePorts:
    """Ports of one lane in one generation. `stale`: keys whose last changelog record restore found to be a zombie's."""

    def __init__(self, engine: Any, generation: int, store: TableStore, changelog: Changelog, partition: int, stale: list[bytes]) -> None:
        self._engine, self._generation, self._store, self._changelog = engine, generation, store, changelog
        self._partition, self._stale = partition, stale
        self._tail = b""

    def fence(self) -> None:
        self._engine.fence.check(self._generation)

    async def publish(self, outputs: Sequence[Output]) -> None:
        await self._engine.fence.fresh(self._generation)
        await self._engine.producer.publish(outputs, self._partition)

    async def log(self, batches: Batches) -> int:
        await self._engine.fence.fresh(self._generation)
        if self._stale:
            await self._write(self._again(dict.fromkeys(self._stale, -1), {}))
            self._stale = []
        await self._write(batches)
        return self._changelog.next

    async def _write(self, batches: Batches) -> None:
        """Until no foreign writer got in between: a zombie's record must not be the last of its key when the cleaner comes."""
        own = {key: value for batch in batches for key, value in batch}
        while foreign := await self._changelog.write(batches, self.fence):
            await self._engine.fence.renewed(self._generation)
            touched = await self._changelog.foreign_keys(foreign)
            batches = self._again(touched, own)
        self._tail = fingerprint(*batches[-1][-1])

    def _again(self, touched: dict[bytes, int], own: dict[bytes, bytes]) -> list[list[tuple[bytes, bytes]]]:
        """Own values of the touched rows that are newer than the foreign ones, and own marks. Newer foreign values stand: a row is a
        function of the journal, so they are what this lane is about to write."""
        keys = [key for key in touched if key not in own and key != MARKS]
        values = {**dict(zip(keys, self._store.get_many(keys), strict=True)), **{key: own[key] for key in touched if key in own}}
        rows: dict[bytes, list[Row]] = {}
        for key, value in values.items():
            if key != MARKS and value is not None and read_header(value)[0] >= touched[key]:
                rows.setdefault(key[1:], []).append(Row(key, value, NEVER, NEVER))
        marks = Marks.decode(own[MARKS]) if MARKS in own else self._store.marks()
        return pack_batches([(group, None) for group in rows.values()], marks)

    def keep(self, rows: Sequence[Row], marks: Marks, changelog_next: int) -> None:
        self._store.keep(rows, marks, changelog_next, self._tail)

    async def load(self, ref: str) -> None:
        await self._engine.artifacts.wait(ref)

    def count(self, segment: Segment) -> None:
        self._engine.count(segment)

    async def at(self, failpoint: str) -> None:
        if failpoint == "stepped" and self._engine.fence.stopping:
            raise Abandon("the worker stops")
        self._engine.failpoints.reach(failpoint)


class TableWork:
    """The work of a lane that keeps a table: one turn over a stretch, in commit.py's order."""

    def __init__(self, program: Program, partition: int, store: TableStore, ports: LanePorts) -> None:
        self._turn, self._store, self._ports = Turn(program, partition, store), store, ports

    async def __call__(self, records: list[Any], last: int) -> None:
        await commit_turn(self._turn, records, self._ports)
        marks = self._store.marks().copy()
        if marks.applied < last:
            # The stretch ends with control or aborted records: the marks cover them too, so that a commit is never ahead of the state.
            marks.applied, marks.cursor = last, 0
            self._ports.fence()
            after = await self._ports.log([[(MARKS, marks.encode())]])
            self._ports.fence()
            self._ports.keep([], marks, after)
