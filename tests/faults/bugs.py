"""Bugs planted on purpose: each is a protocol rule left out, and the fault simulation must notice every one of them.

A suite that misses one proves nothing about the others (test-plan 4.2, T6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from app import events
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.domain import address, mailbox, person
from app.domain.mailbox import EMPTY, Mailbox
from app.engine import commit, turn
from app.engine.commit import Ports
from app.engine.contiguity import Contiguity
from app.engine.memory import MemoryStore
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment
from app.engine.restore import Restore
from app.engine.rounds import Rounds
from app.engine.rows import HEADER_SIZE, MARKS, Row
from app.engine.turn import Turn
from app.events import Event, Tick
from tests.faults import cluster
from tests.faults.broker import Broker
from tests.faults.lane import Lane
from tests.faults.pipelines import Pipeline

Patch = Any
"""What `unittest.mock.patch` gives."""


def _commit(variant: Callable[[Turn, Sequence[Incoming], Ports], Any]) -> list[Patch]:
    return [patch.object(commit, "commit_turn", variant)]


def changelog_before_outputs(pipeline: Pipeline) -> list[Patch]:
    """Outputs go out after the changelog: a crash in between loses them."""

    async def variant(turn: Turn, records: Sequence[Incoming], ports: Ports) -> None:
        for segment in turn.segments(records):
            await ports.at("stepped")
            ports.fence()
            changelog_next = await ports.log(segment.changelog)
            await ports.at("changelog_acked")
            ports.fence()
            await ports.publish(segment.outputs)
            ports.fence()
            ports.keep(segment.rows, segment.marks, changelog_next)
            ports.count(segment)

    return _commit(variant)


def source_ack_before_changelog(pipeline: Pipeline) -> list[Patch]:
    """The source is acked when the outputs are: a crash before the changelog forgets the state."""
    right = commit.commit_turn

    async def variant(turn: Turn, records: Sequence[Incoming], ports: Any) -> None:
        ports.acked = records[-1].offset + 1
        await right(turn, records, ports)

    return _commit(variant)


def commit_one_too_far(pipeline: Pipeline) -> list[Patch]:
    """The committed offset is one beyond what was done."""
    right = Broker.commit

    def variant(self: Broker, place: Any, offset: int, generation: int) -> None:
        right(self, place, min(offset + 1, self.log(*place).end), generation)

    return [patch.object(Broker, "commit", variant)]


def origins_not_checked(pipeline: Pipeline) -> list[Patch]:
    """Repeats of other lanes' records after their crashes are applied again."""
    return [patch.object(Marks, "seen", lambda self, *origin: False)]


def origins_not_kept(pipeline: Pipeline) -> list[Patch]:
    """Origins are checked, but not written with the marks: a restart forgets them."""

    def encode(self: Marks) -> bytes:
        return right(msgspec.structs.replace(self, origins={}))

    right = Marks.encode
    return [patch.object(Marks, "encode", encode)]


def last_record_wins(pipeline: Pipeline) -> list[Patch]:
    """Restore takes a zombie's record because it lies last."""

    def merge(self: Any) -> Any:
        keys = list(dict.fromkeys(key for key, _, _ in self._fed if key != MARKS))
        kept = dict(zip(keys, self._read(keys), strict=True))
        for key, value, _ in self._fed:
            if key == MARKS:
                self._marks = Marks.decode(value)
        return {key: value for key, value, _ in self._fed if key != MARKS}, kept

    return [patch.object(Restore, "_merge", merge)]


def stale_rows_stay(pipeline: Pipeline) -> list[Patch]:
    """Nobody appends the right value behind a zombie's record: compaction keeps the zombie's."""

    def merge(self: Restore) -> Any:
        merged = right(self)
        self._stale.clear()
        return merged

    right = Restore._merge
    return [patch.object(Restore, "_merge", merge)]


def keeps_though_overtaken(pipeline: Pipeline) -> list[Patch]:
    """The owner puts its own values behind a zombie's and goes on, without the rows in which the zombie was ahead."""

    async def log(self: Lane, batches: Sequence[Sequence[tuple[bytes, bytes]]]) -> int:
        written: dict[bytes, bytes] = {}
        for batch in batches:
            while batch:
                self.fence()
                base = await self._append(batch)
                written.update(batch)
                expected, self.expected = self.expected, base + len(batch)
                records = self.cluster.broker.log(*self.changelog).records if base != expected else []
                touched = sorted({record.key for record in records if record.key is not None and expected <= record.offset < base})
                own = {MARKS: self.store.marks().encode(), **self.store.rows, **written}
                batch = [(key, own[key]) for key in touched if key in own]
        return self.expected

    return [patch.object(Lane, "log", log)]


def one_round_is_enough(pipeline: Pipeline) -> list[Patch]:
    """The mark is the round before the last complete one, whenever that was begun: a record put back under its key may be missing."""

    def close(self: Rounds, now: int) -> None:
        while self._open and all(self.positions.get(number, 0) >= end for number, end in self._open[0].ends.items()):
            self._complete = [*self._complete, (self._open.pop(0).at, now)][-2:]
        if len(self._complete) == 2:
            self.low_water = max(self.low_water, self._complete[0][0])

    return [patch.object(Rounds, "_close", close)]


def no_fence(pipeline: Pipeline) -> list[Patch]:
    """A worker whose session is over goes on with its turn."""
    return [patch.object(Lane, "fence", lambda self: None)]


def no_contiguity(pipeline: Pipeline) -> list[Patch]:
    """A batch that comes back late is dropped record by record, silently."""
    return [patch.object(Contiguity, "check", lambda self, base, last: None)]


def cursor_at_the_end_of_a_slice(pipeline: Pipeline) -> list[Patch]:
    """lane-findings.md run n2: 163 sends lost."""
    right = turn.pack_batches

    def variant(groups: Sequence[tuple[list[Row], int | None]], marks: Marks) -> Any:
        marks = marks.copy()
        marks.cursor = groups[-1][1] or 0 if groups else 0
        return right([(rows, None) for rows, _ in groups], marks)

    return [patch.object(turn, "pack_batches", variant)]


def rows_split(pipeline: Pipeline) -> list[Patch]:
    """Two rows of one person in two producer batches: lane-findings.md section 2, 1,199 of 1,600 rows wrong."""
    right = turn.pack_batches

    def variant(groups: Sequence[tuple[list[Row], int | None]], marks: Marks) -> Any:
        return right([([row], after) for rows, after in groups for row in rows], marks)

    return [patch.object(turn, "pack_batches", variant)]


def idle_tick_without_marks(pipeline: Pipeline) -> list[Patch]:
    """A tick that changes nobody is not logged: after a restart `now` is an older tick's."""

    async def variant(turn: Turn, records: Sequence[Incoming], ports: Any) -> None:
        for segment in turn.segments(records):
            await ports.at("stepped")
            if segment.outputs:
                ports.fence()
                await ports.publish(segment.outputs)
            changelog_next = ports.expected
            if segment.rows:
                ports.fence()
                changelog_next = await ports.log(segment.changelog)
            ports.fence()
            ports.keep(segment.rows, segment.marks, changelog_next)
            await ports.at("local_written")

    return _commit(variant)


def due_off_by_one(pipeline: Pipeline) -> list[Patch]:
    """`<` instead of `≤`: what is due exactly at the low-water mark waits for the next tick."""
    right = MemoryStore.due
    return [patch.object(MemoryStore, "due", lambda self, upto, limit: right(self, upto - 1, limit))]


def broadcast_read_before_it_is_done(pipeline: Pipeline) -> list[Patch]:
    """A broadcast's origin is noted with its first slice: after a crash the rest of those whom it concerns never hear of it."""
    right = Turn._slices

    def variant(self: Turn, item: Any, held: Any, named: Any, marks: Marks) -> Iterator[Any]:
        if item.origin is not None:
            marks.seen(*item.origin)
        yield from right(self, item, held, named, marks)

    return [patch.object(Turn, "_slices", variant)]


def tags_only_grow(pipeline: Pipeline) -> list[Patch]:
    """What somebody likes no more still finds her."""
    right = MemoryStore._tag
    return [patch.object(MemoryStore, "_tag", lambda self, key, old, new: right(self, key, frozenset(), new))]


def due_in_order_of_keys(pipeline: Pipeline) -> list[Patch]:
    """People are woken by key within a slice: what a crash leaves over gets other indices."""
    right = MemoryStore.due
    return [patch.object(MemoryStore, "due", lambda self, upto, limit: sorted(right(self, upto, 10**6))[:limit])]


def cancel_ignored_on_replay(pipeline: Pipeline) -> list[Patch]:
    """An event that should cancel does so only the first time a worker reads it."""
    program = pipeline.lane
    right, stepped = program.step, set[tuple[int, int]]()

    def variant(self: Any, group: Any, record: Any, moment: Any) -> Any:
        place = (moment.partition, moment.offset)
        if isinstance(record, Event) and record.event_type in pipeline.cancels and place in stepped:
            return group, []
        stepped.add(place)
        return right(self, group, record, moment)

    return [patch.object(program, "step", variant)]


def no_dedupe(pipeline: Pipeline) -> list[Patch]:
    """Intake takes every event id as new."""
    return [pipeline.without_dedupe()]


def low_water_ignored(pipeline: Pipeline) -> list[Patch]:
    """Timers run by the tick's time, while events that would cancel them may still wait in the input."""
    program = pipeline.lane
    right = program.read

    def variant(self: Any, incoming: Incoming) -> Any:
        key, record = right(self, incoming)
        return key, msgspec.structs.replace(record, low_water=record.at) if isinstance(record, Tick) else record

    return [patch.object(program, "read", variant)]


def clock_does_not_wait(pipeline: Pipeline) -> list[Patch]:
    """The clock takes a round as complete without hearing of intake."""
    right = cluster.Clock.tick

    def variant(self: Any, now: int, interval: int) -> None:
        self.cluster.reported = dict.fromkeys(range(self.cluster.broker.partitions), 10**9)
        right(self, now, interval)

    return [patch.object(cluster.Clock, "tick", variant)]


def agents_batch_by_batch(pipeline: Pipeline) -> list[Patch]:
    """The scheduler sees the profile as it is after the batch, not after the record: what it decides depends on batch sizes."""
    right = commit.commit_turn
    ahead: dict[str, Any] = {}

    async def variant(turn: Turn, records: Sequence[Incoming], ports: Any) -> None:
        people: dict[str, Any] = {}
        if isinstance(turn.program, PersonProgram):
            for incoming in records:
                record = events.journal.decode(incoming.value)
                if isinstance(record, Event):
                    key = record.person_id.encode()
                    rows = turn.store.get_many([kind + key for kind in turn.program.row_kinds])
                    bodies = [row and row[HEADER_SIZE:] for row in rows]
                    group = people.get(record.person_id) or turn.program.load(key, bodies)
                    moment = Moment(record.at, 0, 1, turn.store.marks().active, 0, incoming.offset)
                    people[record.person_id] = turn.program.step(group, record, moment)[0]
        ahead.update((who, group.person.profile) for who, group in people.items())
        try:
            await right(turn, records, ports)
        finally:
            for who in people:
                ahead.pop(who, None)

    def hasty(act: Callable[..., Any]) -> Callable[..., Any]:
        def hurried(*args: Any) -> Any:
            see = args[-1]
            see.person = msgspec.structs.replace(see.person, profile=ahead.get(see.person_id, see.person.profile))
            return act(*args)

        return hurried

    *others, scheduler = person.LANE
    lane = (*others, msgspec.structs.replace(scheduler, step=hasty(scheduler.step), wake=hasty(scheduler.wake)))
    return [*_commit(variant), patch.object(person, "LANE", lane)]


def addresses_by_their_spelling(pipeline: Pipeline) -> list[Patch]:
    """Who writes her address in capitals is told everything a second time."""
    return [patch.object(address, "key", lambda channel, told: f"{channel} {told}".encode())]


def mailboxes_not_kept(pipeline: Pipeline) -> list[Patch]:
    """What went to an address is known as long as the turn lasts."""
    right = PostmasterProgram.dump

    def dump(self: PostmasterProgram, group: Mailbox, loaded: Mailbox | None) -> list[tuple[bytes, bytes]]:
        return right(self, EMPTY, loaded)

    return [patch.object(PostmasterProgram, "dump", dump)]


def two_at_an_address_become_one_unheard(pipeline: Pipeline) -> list[Patch]:
    """A guest who logs in is somebody else to her own address."""
    return [patch.object(mailbox, "became", lambda box, record: box)]


ON_THE_SHOP = frozenset(
    {
        "one_round_is_enough",
        "agents_batch_by_batch",
        "addresses_by_their_spelling",
        "mailboxes_not_kept",
        "two_at_an_address_become_one_unheard",
    }
)
"""Bugs that need what only the shop has: records under a wrong key, agents that read each other's parts, addresses that are shared."""

BUGS: dict[str, Callable[[Pipeline], list[Patch]]] = {
    plant.__name__: plant
    for plant in (
        changelog_before_outputs,
        source_ack_before_changelog,
        commit_one_too_far,
        origins_not_checked,
        origins_not_kept,
        last_record_wins,
        stale_rows_stay,
        keeps_though_overtaken,
        one_round_is_enough,
        no_fence,
        no_contiguity,
        cursor_at_the_end_of_a_slice,
        rows_split,
        idle_tick_without_marks,
        due_off_by_one,
        due_in_order_of_keys,
        broadcast_read_before_it_is_done,
        tags_only_grow,
        cancel_ignored_on_replay,
        no_dedupe,
        low_water_ignored,
        clock_does_not_wait,
        agents_batch_by_batch,
        addresses_by_their_spelling,
        mailboxes_not_kept,
        two_at_an_address_become_one_unheard,
    )
}


@contextmanager
def planted(name: str, pipeline: Pipeline) -> Iterator[None]:
    """The bug is in the code as long as the context lasts."""
    with ExitStack() as stack:
        for one in BUGS[name](pipeline):
            stack.enter_context(one)
        yield
