"""The same programs and turns over an in-memory journal with virtual time: what is simulated is what runs.

One partition of everything, so that the partition count changes nothing. Order of records: a line, the journal event, whatever the lane
derives from it, and the answers of postmaster and renderer directly after the record that planned the messages. Who is one person is
settled before the event that told it is applied. Ticks fall on whole UTC seconds; a tick of T comes after all lines of T; a second in
which nothing is due is not run (interface.md section 2). Something is due, too, at a midnight before which a figure of everybody has
changed: after that tick, and all it woke, the figures of the day are published, and are the active ones from there on.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import events
from app.engine.artifacts import POLICY, POPULATION
from app.engine.memory import MemoryStore
from app.engine.program import Incoming, Output, Program
from app.engine.rows import NEVER, Row, pack_value, row_key
from app.engine.turn import Segment, Turn
from app.events import Activation, Artifact, Tick
from app.flow import DAY_MS, Stage

SECOND = 1000


class Logged(Struct, frozen=True):
    """A record of an in-memory topic: the fields that a turn reads of Kafka's."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class DefectInSimulation(RuntimeError):
    """A step raised: in a simulation that is a bug to show, not to bury."""


class _Lane:
    """One program over its own in-memory store; offsets count up from 0."""

    def __init__(self, program: Program) -> None:
        self.store = MemoryStore()
        self._turn = Turn(program, 0, self.store)
        self.offset = 0

    def run(self, *lines: Logged) -> Iterator[Segment]:
        for segment in self._turn.segments(lines):
            yield segment
            self.store.keep(segment.rows, segment.marks, 0)


class Simulation:
    """Drives intake, the person lane, the postmaster, the renderer, the analyst and the product watcher. `on_output(topic, output)` sees
    every record in publishing order.

    `on_line` sees every journal line that the lane steps, ticks and activations too. `on_figures(ref, data)`: an artifact of figures of
    everybody was published; the lane's `packs` must know it from then on.
    """

    def __init__(
        self,
        intake: Program,
        lane: Program,
        postmaster: Program,
        renderer: Program,
        on_output: Callable[[str, Output], None],
        on_line: Callable[[Incoming], None] | None = None,
        analyst: Program | None = None,
        on_figures: Callable[[str, bytes], None] = lambda ref, data: None,
        watcher: Program | None = None,
    ) -> None:
        self._intake, self._lane, self._postmaster, self._renderer = _Lane(intake), _Lane(lane), _Lane(postmaster), _Lane(renderer)
        self._program = lane
        self._on_output, self._on_line, self._on_figures = on_output, on_line, on_figures
        self._analyst = None if analyst is None else _Lane(analyst)
        self._watcher = None if watcher is None else _Lane(watcher)
        self.active: dict[str, str] = {}
        """Kind → ref of the artifacts that are active."""
        self._facts: list[Output] = []
        """Not counted yet: they are all at once, at the end of the day."""
        self._day_ends: int | None = None
        """The midnight after the first of them."""
        self._tick = 0
        self.now = 0
        """The clock so far (ms)."""

    def activate(self, at: int, ref: str, kind: str = POLICY) -> None:
        """Makes the loaded artifact `ref` the active one of its kind from here on."""
        self.active[kind] = ref
        self._append(None, events.encode(Activation(at, kind, ref)), at)

    def feed(self, at: int, key: bytes | None, value: bytes | None) -> None:
        """One record of customer_events that the broker stamped `at` (ms); time passes up to it first."""
        self.now = max(self.now, at)
        self._pass(self.now, inclusive=False)
        self._accept(Logged(self._intake.offset, self.now, key, value))

    def change(self, at: int, changes: Sequence[tuple[bytes, bytes]]) -> None:
        """Records (key, value) of catalog_changes that the broker stamped `at` (ms); time passes up to it first."""
        self.now = max(self.now, at)
        self._pass(self.now, inclusive=False)
        for output in self._change(self.now, changes):
            self._append(None, output.value, self.now)

    def run_until(self, at: int) -> None:
        """Lets time pass to `at`, inclusive."""
        self.now = max(self.now, at)
        self._pass(self.now, inclusive=True)

    def groups(self) -> Iterator[Any]:
        """The lane's groups as they stand, by key."""
        kinds = self._program.row_kinds
        for key in self._lane.store.keys(kinds[0]):
            yield self._program.load(key, self._lane.store.bodies(key, kinds))

    def adopt(self, at: int, group_key: bytes, group: Any) -> None:
        """Takes over a group as it stands at `at` (ms), as of another journal; before the first line."""
        self.now = max(self.now, at)
        self._run_tick(at // SECOND * SECOND)
        key, due = group_key, self._program.due(group)
        bodies = self._program.dump(group, None)
        main = self._program.row_kinds[0]
        rows = [
            Row(row_key(kind, key), pack_value(-1, due if kind == main else NEVER, body), due if kind == main else NEVER, NEVER)
            for kind, body in bodies
        ]
        self._lane.store.keep(rows, self._lane.store.marks(), 0)

    def append(self, key: bytes, value: bytes) -> None:
        """A journal record that intake has already seen, now."""
        self._append(key, value, self.now)

    def next_due(self) -> int | None:
        """When somebody wakes next (ms), or None."""
        return self._lane.store.next_due()

    def _next_tick(self) -> int | None:
        """When there is something to do next (ms), or None."""
        due, midnight = self._lane.store.next_due(), self._day_ends
        return due if midnight is None or (due is not None and due < midnight) else midnight

    def _pass(self, to: int, inclusive: bool) -> None:
        last = (to if inclusive else to - 1) // SECOND * SECOND
        while (due := self._next_tick()) is not None:
            second = max(-(-due // SECOND) * SECOND, self._tick + SECOND)
            if second > last:
                break
            self._run_tick(second)
        if last > self._tick:
            self._run_tick(last)

    def _run_tick(self, at: int) -> None:
        self._tick = at
        tick = events.encode(Tick(at, at, SECOND))
        self._append(None, tick, at)
        if self._day_ends is not None and at >= self._day_ends:
            self._sum_up(at, tick)

    def _sum_up(self, at: int, tick: bytes) -> None:
        """The day's facts go to the analyst, and behind them the tick at which it publishes."""
        assert self._analyst is not None
        facts, self._facts, self._day_ends = self._facts, [], None
        offset = self._analyst.offset
        lines = [Logged(offset + n, at, fact.key, fact.value, fact.headers) for n, fact in enumerate(facts)]
        lines.append(Logged(offset + len(lines), at, None, tick))
        self._analyst.offset += len(lines)
        outputs: list[Output] = []
        for segment in self._analyst.run(*lines):
            _no_defect(segment)
            outputs += segment.outputs
        for output in outputs:
            self._on_output(output.topic, output)
        told = [msgspec.json.decode(one.value, type=Artifact) for one in outputs if one.topic == "artifacts" and one.value]
        if told:
            self._on_figures(told[0].ref, b"".join(base64.b64decode(chunk.data) for chunk in told))
            self.activate(at, told[0].ref, POPULATION)

    def _accept(self, line: Logged) -> None:
        self._intake.offset += 1
        outputs: list[Output] = []
        for segment in self._intake.run(line):
            _no_defect(segment)
            outputs += segment.outputs
        for output in outputs:
            self._on_output(output.topic, output)
            if output.topic == "journal":
                self._append(output.key, output.value, self.now)
            elif output.topic == "customer_events":
                self._accept(Logged(self._intake.offset, self.now, output.key, output.value, output.headers))

    def _change(self, at: int, changes: Sequence[tuple[bytes | None, bytes]]) -> list[Output]:
        """The watcher's turn; returns what it puts onto the journal."""
        if self._watcher is None or not changes:
            return []
        offset = self._watcher.offset
        self._watcher.offset += len(changes)
        journal = []
        for segment in self._watcher.run(*[Logged(offset + n, at, key, value) for n, (key, value) in enumerate(changes)]):
            _no_defect(segment)
            for output in segment.outputs:
                self._on_output(output.topic, output)
                if output.topic == "journal":
                    journal.append(output)
        return journal

    def _append(self, key: bytes | None, value: bytes, at: int) -> None:
        waiting: deque[tuple[bytes | None, bytes]] = deque([(key, value)])
        while waiting:
            key, value = waiting.popleft()
            line = Logged(self._lane.offset, at, key, value)
            self._lane.offset += 1
            if self._on_line is not None:
                self._on_line(line)
            addressed: list[Output] = []
            noticed: list[tuple[bytes | None, bytes]] = []
            for segment in self._lane.run(line):
                _no_defect(segment)
                for output in segment.outputs:
                    self._on_output(output.topic, output)
                    if output.topic == "addressed_plans":
                        addressed.append(output)
                    elif output.topic == "catalog_changes":
                        noticed.append((output.key, output.value))
                    elif output.topic == "facts":
                        self._facts.append(output)
                        if self._day_ends is None and self._analyst is not None:
                            self._day_ends = (at // DAY_MS + 1) * DAY_MS
                    elif output.topic == "journal" and output.stage == Stage.HANDED:
                        self._lane.offset += 1  # stands in the journal; the lane would skip it
                    elif output.topic == "journal":
                        waiting.append((output.key, output.value))  # what one person hands over to another
            waiting.extend((None, output.value) for output in self._change(at, noticed))
            # The answers come before anything else that waits: a plan is answered directly after the record that made it.
            waiting.extendleft(reversed([answer for one in addressed for answer in self._deliver(self._postmaster, one)]))

    def _deliver(self, lane: _Lane, record: Output) -> list[tuple[bytes | None, bytes]]:
        """A plan, or what an address has to know, through the postmaster, the renderer and back; returns the answers."""
        line = Logged(lane.offset, 0, record.key, record.value)
        lane.offset += 1
        outputs: list[Output] = []
        for segment in lane.run(line):
            _no_defect(segment)
            outputs += segment.outputs
        answers: list[tuple[bytes | None, bytes]] = []
        for output in outputs:  # only now: its own turn is over, and what comes back to the lane finds its row
            self._on_output(output.topic, output)
            if output.topic == "journal":
                answers.append((output.key, output.value))
            elif output.topic in ("addressed_plans", "message_plans"):
                answers += self._deliver(self._postmaster if output.topic == "addressed_plans" else self._renderer, output)
        return answers


def _no_defect(segment: Segment) -> None:
    if segment.defects:
        letter = next(output for output in segment.outputs if output.topic == "dead_letters")
        detail = msgspec.json.decode(letter.value, type=events.DeadLetter)
        raise DefectInSimulation(f"{detail.stage}: " + "; ".join(one["message"] for one in detail.violations))
