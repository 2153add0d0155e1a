"""One person's part of a journal partition, run again through the lane's own program and turns: what was known of her at each record.

Ticks pass time for everybody, two a second: only those are run that wake her, and the newest one before each record of hers. That is
what the lane made of them, too: any other tick moved nothing but the clock. The partition may be cut (retention): then what came before is
missing from the state, and what is derived may differ from what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from app import events
from app.engine.artifacts import POLICY, POPULATION
from app.engine.memory import MemoryStore
from app.engine.origin import read_origin
from app.engine.program import Incoming, Output, Program
from app.engine.turn import Turn
from app.events import Activation, Broadcast, Tick, Undecodable
from app.flow import Stage


class Step(Struct):
    """A record of hers, or (`record` None) a tick that woke her: the group before and after, what came out, and the time (ms) it was."""

    record: Any
    at: int
    before: Any
    after: Any
    outputs: list[Output]
    active: Mapping[str, str] = {}
    """Kind → ref of the artifacts that were active then."""


class Past:
    """Feed it a partition's records in order. `has(ref)`: whether the artifact is at hand; what decides and is not cannot be made active.

    `assumed`: the artifact that was active before the first record, where the journal no longer tells. `on_step` sees every step. `until`:
    the journal's time (ms) after which nothing is taken.
    """

    def __init__(
        self,
        program: Program,
        key: bytes,
        has: Callable[[str], bool],
        on_step: Callable[[Step], None],
        until: int | None = None,
        assumed: str | None = None,
    ) -> None:
        self.key, self._program, self._has, self._on_step, self._until = key, program, has, on_step, until
        self._store = MemoryStore()
        self._turn = Turn(program, 0, self._store)
        self._newest: Incoming | None = None
        self._group = program.load(key, [None] * len(program.row_kinds))
        self.now = 0
        """Time of the last record or tick seen (ms)."""
        self.records = self.faults = 0
        """Records of hers; those at which a step raised."""
        self.missing: list[str] = []
        """Artifacts that were made active but are not at hand."""
        self.over = False
        """A record after `until` was met: nothing more is taken."""
        if assumed is not None and has(assumed):
            self._assume(assumed)

    @property
    def group(self) -> Any:
        """As it stands."""
        return self._group

    @property
    def active(self) -> str | None:
        """Ref of the active policy."""
        return self.artifacts.get(POLICY)

    @property
    def artifacts(self) -> Mapping[str, str]:
        """Kind → ref of all that is active."""
        return self._store.marks().active

    @property
    def figures(self) -> str | None:
        """Ref of the active figures of everybody."""
        return self.artifacts.get(POPULATION)

    def take(self, line: Incoming) -> None:
        """The partition's next record, anybody's."""
        if self.over or (line.key is not None and line.key != self.key):
            return
        try:
            record = events.journal.decode(line.value)
        except Undecodable:
            return  # the lane buried it
        if isinstance(record, Tick):
            if self._ends(record.at):
                return
            self.now = max(self.now, record.at)
            due = self._store.next_due()
            if due is None or due > record.low_water:
                self._newest = line
                return
            self._newest = None
            self._run(line, None, record.at)
            return
        self._pass_time()
        at = self._program.now(record, self._store.marks())
        if self._ends(at):
            return
        if isinstance(record, Activation) and record.kind in (POLICY, POPULATION) and not self._has(record.ref):
            self.missing.append(record.ref)
        elif line.key is None:
            self._run(line, record if isinstance(record, Broadcast) else None, at)
        else:
            self.records += 1
            self.now = max(self.now, at)
            self._run(line, record, at)

    def _ends(self, at: int) -> bool:
        # By the journal's time, as decisions carry it: it may lag behind the broker's stamp of the record that led to them.
        self.over = self._until is not None and at > self._until
        return self.over

    def _pass_time(self) -> None:
        newest, self._newest = self._newest, None
        if newest is not None:
            self._apply(newest)

    def _assume(self, ref: str) -> None:
        marks = self._store.marks()
        marks.active = {POLICY: ref}
        self._store.keep([], marks, 0)

    def _apply(self, line: Incoming) -> list[Output]:
        outputs: list[Output] = []
        for segment in self._turn.segments([line]):
            self.faults += segment.defects
            outputs += segment.outputs
            self._store.keep(segment.rows, segment.marks, 0)
        return outputs

    def _run(self, line: Incoming, record: Any, at: int) -> None:
        before = self._group
        outputs = self._apply(line)
        if not handed(line):
            self._group = self._program.load(self.key, self._store.bodies(self.key, self._program.row_kinds))
        if outputs or line.key is not None:
            self._on_step(Step(record, at, before, self._group, outputs, self._store.marks().active))


def handed(line: Incoming) -> bool:
    """Whether the record is a conclusion that the lane handed to its agents when it drew it."""
    origin = read_origin(line.headers)
    return origin is not None and origin[0] == Stage.HANDED
