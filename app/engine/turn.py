"""A turn: one batch of a partition, strictly in offset order, over an in-memory overlay. Pure but for reads of the store.

`Turn.segments` yields what must be made durable, piece by piece; whoever drives it (the Kafka lane, the simulation, the fault tests)
commits each segment before it asks for the next, always in this order: outputs acked → changelog acked → local write → source ack.
A turn is cut at a tick that wakes somebody and at a record that concerns many: the records before it, then bounded slices of the people
who are due or concerned, then the rest; and wherever its outputs grow too big to be held at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, cast

from msgspec import Struct

from app.engine.interested import Interested, Tagged
from app.engine.origin import Marks, pack_origin, read_origin
from app.engine.program import Concerned, Incoming, Moment, Output, Program, Refused, TooLarge
from app.engine.rows import HEADER_SIZE, MARKS, NEVER, Row, pack_batches, pack_value, read_header, row_key
from app.events import Activation, Broadcast, Tick
from app.flow import Stage

SLICE = 500
"""People woken per slice at most."""
SEGMENT_BYTES = 4 * 1024 * 1024
"""Outputs after which a segment ends: 4,000 finished messages of one partition would hold 200 MB until the broker has them all."""
MAX_VALUE = 256 * 1024
MAX_OUTPUT = 512 * 1024


class Reader(Tagged, Protocol):
    """What a turn reads of the store of its partition."""

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """Values of row keys."""

    def due(self, upto: int, limit: int) -> list[bytes]:
        """Group keys with due ≤ `upto`, by (due, key), at most `limit`."""

    def marks(self) -> Marks:
        """As of the last commit; empty for a new partition."""


class Segment(Struct):
    """What one commit makes durable. `changelog`: producer batches in order; all rows of one group stand in one batch."""

    outputs: list[Output]
    changelog: list[list[tuple[bytes, bytes]]]
    rows: list[Row]
    marks: Marks
    needs: str | None = None
    """Ref of an artifact that must be loaded before the next segment is asked for."""
    defects: int = 0
    """Records buried here because a step raised: against the budget."""
    woken: int = 0
    weight: int = 0
    """Bytes of the outputs' values."""


class _Held:
    """A group in the overlay: as it stands, and as it was at the last commit (`kept`; None: no row yet)."""

    __slots__ = ("applied", "bodies", "due", "group", "kept", "kept_applied", "kept_due", "start", "touched")

    def __init__(self, group: Any, applied: int, due: int, new: bool) -> None:
        self.start = self.group = group
        self.kept = None if new else group
        self.applied = self.kept_applied = applied
        self.due = self.kept_due = due
        self.touched = False
        self.bodies: list[tuple[bytes, bytes]] | None = None
        """Its rows as it stands, where somebody has encoded them already."""

    def commit(self) -> None:
        self.kept, self.kept_applied, self.kept_due, self.touched = self.group, self.applied, self.due, False

    def rollback(self) -> None:
        self.group = self.start if self.kept is None else self.kept
        self.applied, self.due, self.touched = self.kept_applied, self.kept_due, False


class _Item(Struct):
    incoming: Any
    key: bytes | None
    record: Any
    origin: tuple[int, int, int, int] | None


class _Woken(Struct):
    """A wake-up that raised, as the record to bury: the tick's place and bytes under the person's key."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class _Handed:
    """A conclusion read back: the lane handed it to its agents when it made it."""


class Turn:
    """The turns of one lane; holds nothing between them but its program, source partition and store."""

    def __init__(self, program: Program, partition: int, store: Reader) -> None:
        self.program, self.partition, self.store = program, partition, store

    def segments(self, records: Sequence[Incoming]) -> Iterator[Segment]:
        """The segments of a batch in the order in which they must be committed; the store is read again after each commit."""
        marks = self.store.marks().copy()
        items = [item for item in map(self._read, records) if item.incoming.offset > marks.applied]
        held: dict[bytes, _Held] = {}
        self._load(dict.fromkeys(item.key for item in items if item.key is not None), held)
        named = frozenset(held)
        at, careful = 0, False
        while at < len(items):
            before = marks.copy()
            try:
                segment, upto = self._run(items, at, held, marks, careful)
            except TooLarge:
                # A group outgrew its limit: do it again, weighing the group after every record, to fail the one that did it.
                for one in held.values():
                    one.rollback()
                marks, careful = before, True
                continue
            if marks.applied > before.applied:
                yield segment
                for one in held.values():
                    if one.touched:
                        one.commit()
            at = upto
            if at < len(items) and (isinstance(items[at].record, Tick) or _concerns_many(items[at], marks)):
                yield from self._slices(items[at], held, named, marks)
                at += 1
                if at == len(items):
                    yield Segment([], [[(MARKS, marks.encode())]], [], marks.copy())

    def _read(self, incoming: Incoming) -> _Item:
        origin = read_origin(incoming.headers) if self.program.checks_origin else None
        if origin is not None and origin[0] == Stage.HANDED:
            return _Item(incoming, None, _Handed, origin)
        try:
            key, record = self.program.read(incoming)
        except Refused as refusal:
            return _Item(incoming, None, refusal, origin)
        return _Item(incoming, key, record, origin)

    def _load(self, keys: Iterable[bytes], held: dict[bytes, _Held]) -> None:
        kinds = self.program.row_kinds
        wanted = [key for key in keys if key not in held]
        if not wanted or not kinds:
            for key in wanted:
                held[key] = _Held(self.program.load(key, []), -1, NEVER, True)
            return
        values = self.store.get_many([row_key(kind, key) for key in wanted for kind in kinds])
        for n, key in enumerate(wanted):
            rows = values[n * len(kinds) : (n + 1) * len(kinds)]
            applied, due = -1, NEVER
            for m, value in enumerate(rows):
                if value is not None:
                    row_applied, row_due = read_header(value)
                    applied = max(applied, row_applied)  # right only because a person's rows share one producer batch
                    if m == 0:
                        due = row_due
            bodies = [None if value is None else value[HEADER_SIZE:] for value in rows]
            held[key] = _Held(self.program.load(key, bodies), applied, due, rows[0] is None)

    def _moment(self, now: int, marks: Marks, offset: int) -> Moment:
        return Moment(now, marks.low_water, marks.interval, marks.active, self.partition, offset)

    def _run(self, items: list[_Item], at: int, held: dict[bytes, _Held], marks: Marks, careful: bool) -> tuple[Segment, int]:
        """Steps items from `at` up to a tick that wakes somebody, a broadcast, an activation (included), SEGMENT_BYTES or the end."""
        program = self.program
        segment = Segment([], [], [], marks)
        soonest = None
        while at < len(items) and segment.needs is None and segment.weight < SEGMENT_BYTES:
            item = items[at]
            offset, record = item.incoming.offset, item.record
            if isinstance(record, Tick):
                low = max(marks.low_water, record.low_water)
                if (soonest is not None and soonest <= low) or self._due(low, offset, held):
                    break
                _pass_time(marks, record)
            elif _concerns_many(item, marks):
                break
            elif record is _Handed or (item.origin is not None and marks.seen(*item.origin)):
                pass
            elif isinstance(record, Activation):
                marks.active = {**marks.active, record.kind: record.ref}
                segment.needs = record.ref
            elif isinstance(record, Refused):
                moment = self._moment(marks.now, marks, offset)
                self._emit(segment, [program.bury(item.incoming, record.reason, record.violations, moment)], offset, 0)
            else:
                one = held[item.key] if item.key is not None else _Held(None, -1, NEVER, True)
                if one.applied < offset:
                    self._step(item, one, segment, self._moment(program.now(record, marks), marks, offset), careful)
                    if one.due != NEVER and (soonest is None or one.due < soonest):
                        soonest = one.due
            marks.applied, marks.cursor = offset, 0
            at += 1
        groups = [(self._rows(key, one), None) for key, one in held.items() if one.touched]
        segment.rows, segment.changelog = [row for rows, _ in groups for row in rows], pack_batches(groups, marks)
        segment.marks = marks.copy()
        return segment, at

    def _step(self, item: _Item, one: _Held, segment: Segment, moment: Moment, careful: bool) -> None:
        program = self.program
        try:
            group, outputs = program.step(one.group, item.record, moment)
            for output in outputs:
                if len(output.value) > MAX_OUTPUT:
                    raise TooLarge("an output over 512 KiB")
            if careful and any(len(body) > MAX_VALUE for _, body in program.dump(group, one.kept)):
                raise TooLarge("a state over 256 KiB")
        except Exception as error:
            reason = "too_large" if isinstance(error, TooLarge) else "defect"
            segment.defects += reason == "defect"
            detail = [{"path": "", "message": f"{type(error).__name__}: {error}"}]
            outputs = [program.bury(item.incoming, reason, detail, moment)]
            group = program.fault(one.group, item.incoming)
        if group is not one.group or outputs:
            one.group, one.applied, one.touched = group, item.incoming.offset, True
            one.due = program.due(group) if program.row_kinds else NEVER
        self._emit(segment, outputs, item.incoming.offset, 0)

    def _emit(self, segment: Segment, outputs: list[Output], offset: int, index: int) -> int:
        stage, partition = self.program.stage, self.partition
        for output in outputs:
            output.headers = pack_origin(output.stage or stage, partition, offset, index)
            segment.weight += len(output.value)
            index += 1
        segment.outputs += outputs
        return index

    def _rows(self, key: bytes, one: _Held) -> list[Row]:
        kinds = self.program.row_kinds
        if not kinds:
            return []
        main, bodies = kinds[0], self.program.dump(one.group, one.kept) if one.bodies is None else one.bodies
        one.bodies = None
        if not bodies or bodies[0][0] != main:
            # Outputs without a change, or only the second row changed: the main row still carries `applied` and `due`.
            bodies = [*((kind, body) for kind, body in self.program.dump(one.group, None) if kind == main), *bodies]
        rows = []
        for kind, body in bodies:
            if len(body) > MAX_VALUE:
                raise TooLarge("a state over 256 KiB")
            if kind == main:
                rows.append(Row(row_key(kind, key), pack_value(one.applied, one.due, body), one.due, one.kept_due))
            else:
                rows.append(Row(row_key(kind, key), pack_value(one.applied, NEVER, body), NEVER, NEVER))
        return rows

    def _slices(self, item: _Item, held: dict[bytes, _Held], named: frozenset[bytes], marks: Marks) -> Iterator[Segment]:
        """Wakes everybody due at this tick, in due order, or steps everybody whom this broadcast concerns, in the order of keys.

        SLICE people or SEGMENT_BYTES a commit. Leaves `marks` at the record, done. Who is not `named` by a record of the batch is let go
        with her slice: it may be everybody.
        """
        offset, record, index = item.incoming.offset, item.record, marks.cursor
        if isinstance(record, Tick):
            _pass_time(marks, record)
        now = marks.now if isinstance(record, Tick) else self.program.now(record, marks)
        moment = self._moment(now, marks, offset)
        concerned = Interested(self.store, self._asked(record, moment)) if isinstance(record, Broadcast) else None
        while keys := self._due(marks.low_water, offset, held) if concerned is None else self._concerned(concerned, offset, held):
            segment = Segment([], [], [], marks)
            groups: list[tuple[list[Row], int | None]] = []
            woken: list[bytes] = []
            for key in keys:
                if segment.weight >= SEGMENT_BYTES:
                    break  # still due: the next slice has them
                one = held[key]
                index = self._wake(key, one, item, segment, moment, index)
                if one.touched:
                    groups.append((self._rows(key, one), index))
                woken.append(key)
            if concerned is not None:
                concerned.reached = woken[-1]
            segment.woken = len(woken)
            segment.rows = [row for rows, _ in groups for row in rows]
            segment.changelog = pack_batches(groups, marks)
            marks.cursor = index
            segment.marks = marks.copy()
            if groups:
                yield segment
            for key in woken:
                if key in named:
                    held[key].commit()
                else:
                    del held[key]
        if item.origin is not None:
            marks.seen(*item.origin)  # only now: a crash in between must find the record new
        marks.applied, marks.cursor = offset, 0

    def _asked(self, record: Broadcast, moment: Moment) -> Sequence[bytes]:
        return cast(Concerned, self.program).asked(record, moment)

    def _concerned(self, concerned: Interested, offset: int, held: dict[bytes, _Held]) -> list[bytes]:
        """The next slice of those whom the broadcast at `offset` concerns and who are not beyond it already."""
        while keys := concerned.next(SLICE):
            self._load(keys, held)
            if found := [key for key in keys if held[key].applied < offset]:
                return found
            concerned.reached = keys[-1]
        return []

    def _due(self, upto: int, offset: int, held: dict[bytes, _Held]) -> list[bytes]:
        """Who wakes at the tick at `offset`, in due order, at most a slice: who is due and not beyond it already.

        A crash between two changelog batches of a segment leaves rows of records that stand after a tick in it. That tick woke nobody
        when it was passed, and must wake nobody when it is passed again, though what came after it has made somebody due.
        """
        limit = SLICE
        while keys := self.store.due(upto, limit):
            self._load(keys, held)
            if found := [key for key in keys if held[key].applied < offset][:SLICE]:
                return found
            if len(keys) < limit:
                break
            limit *= 2
        return []

    def _wake(self, key: bytes, one: _Held, item: _Item, segment: Segment, moment: Moment, index: int) -> int:
        program = self.program
        try:
            told = item.record if isinstance(item.record, Broadcast) else None
            group, outputs = program.wake(one.group, moment) if told is None else program.step(one.group, told, moment)
            if told is not None and group is one.group and not outputs:
                return index
            due = program.due(group)
            if told is None and due != NEVER and due <= moment.low_water:
                raise RuntimeError("a wake-up left something due")
            if any(len(output.value) > MAX_OUTPUT for output in outputs):
                raise TooLarge("an output over 512 KiB")
            one.bodies = program.dump(group, one.kept)
            if any(len(body) > MAX_VALUE for _, body in one.bodies):
                raise TooLarge("a state over 256 KiB")
        except Exception as error:
            one.bodies = None
            segment.defects += 1
            detail = [{"path": "", "message": f"{type(error).__name__}: {error}"}]
            woken = _Woken(item.incoming.offset, item.incoming.timestamp, key, item.incoming.value)
            outputs = [program.bury(woken, "defect", detail, moment)]
            group, due = program.fault(one.group, woken), NEVER
        one.group, one.applied, one.due, one.touched = group, item.incoming.offset, due, True
        return self._emit(segment, outputs, item.incoming.offset, index)


def _concerns_many(item: _Item, marks: Marks) -> bool:
    """Whether it is a broadcast that was not read before."""
    return isinstance(item.record, Broadcast) and not (item.origin is not None and marks.knows(*item.origin))


def _pass_time(marks: Marks, tick: Tick) -> None:
    marks.now, marks.low_water, marks.interval = max(marks.now, tick.at), max(marks.low_water, tick.low_water), tick.interval
