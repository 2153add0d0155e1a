"""What must have come out: a naive fold of the logs as they lie, one record after the other, one partition after the other.

Shares no code with the engine: origins, marks, rows, due index and order of wake-ups are done again here, the slow and obvious way (a set
of origins instead of watermarks, a sorted list of everybody instead of an index). Records are decoded and people stepped by the domain.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from app import events
from app.domain import mailbox
from app.domain.mailbox import Mailbox
from app.events import Activation, Broadcast, Event, Tick
from app.flow import Stage
from tests.faults.broker import Stored
from tests.faults.cluster import Cluster

Origin = tuple[int, int, int, int]
Made = tuple[str, bytes]
"""(topic, value) of an output"""

SHOWN = 20


class Fault(Exception):
    """A step of the model raised, as the workload told it to."""


class Model(Protocol):
    """What the naive fold needs to know of a pipeline's programs; `now`, `low_water`, `active` as in a step."""

    tally: Counter[str]
    """What the run contained, as far as the model counts it."""

    def accept(self, record: Stored, partition: int, seen: dict[Any, Any]) -> list[Made]:
        """What intake makes of a record; `seen` is its memory, this partition's."""

    def fresh(self, person_id: str) -> Any: ...
    def step(self, state: Any, record: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Any, list[Made]]:
        """Raises `Fault`."""

    def wake(self, state: Any, now: int, low_water: int, interval: int, active: dict[str, str]) -> tuple[Any, list[Made]]: ...
    def faulted(self, state: Any, record: Stored) -> Any: ...
    def due(self, state: Any) -> int: ...
    def rows(self, state: Any) -> dict[bytes, bytes]:
        """Row kind → body."""

    def concerned(self, state: Any, record: Broadcast, active: dict[str, str]) -> bool:
        """Whether a broadcast concerns her."""

    def whole(self, cluster: Cluster, people: dict[str, Any]) -> Iterator[str]:
        """What is wrong with everybody together, once all is at rest."""

    def render(self, record: Any) -> list[Made]: ...
    def post(self, key: bytes, record: Any, boxes: dict[bytes, Any]) -> list[Made]:
        """What becomes of a record at its address; `boxes` is what is known of this partition's."""

    def letter(self, stage: str, reason: str, record: Stored, partition: int) -> bytes:
        """The dead letter, as `plain` reads it."""

    def plain(self, made: Made) -> Made:
        """An output without what the model does not foretell (the wording of a dead letter)."""


def differences(cluster: Cluster, model: Model) -> list[str]:
    """Every difference between the run and the fold; empty when all is right."""
    return list(_differences(cluster, model))


def report(seed: int, found: list[str]) -> str:
    lines = [f"seed {seed}: {len(found)} differences"] + [f"  {line[:400]}" for line in found[:SHOWN]]
    return "\n".join(lines)


def _differences(cluster: Cluster, model: Model) -> Iterator[str]:
    for member in cluster.members:
        for lane in member.lanes:
            if lane.acked != cluster.broker.log(*lane.place).end:
                yield f"I12 {lane.place}: stands at {lane.acked} of {cluster.broker.log(*lane.place).end}"
    arrived: dict[str, int] = {}
    for number in range(cluster.broker.partitions):
        yield from _intake(cluster, model, number)
        _arrivals(cluster, number, arrived)
    yield from _disks(cluster)
    everybody: dict[str, Any] = {}
    for number in range(cluster.broker.partitions):
        yield from _low_water(cluster, number, arrived)
        yield from _lane(cluster, model, number, everybody)
        yield from _postmaster(cluster, model, number)
        yield from _renderer(cluster, model, number)
    yield from model.whole(cluster, everybody)


# --- the three lanes --------------------------------------------------------------------------------------------------------------


def _intake(cluster: Cluster, model: Model, number: int) -> Iterator[str]:
    seen: dict[Any, Any] = {}
    made: list[Made] = []
    for record, _ in _fresh(cluster, "customer_events", number):
        made += model.accept(record, number, seen)
    yield from _compare(cluster, model, (Stage.INTAKE, Stage.REKEY, Stage.LINK), number, made)


def _lane(cluster: Cluster, model: Model, number: int, everybody: dict[str, Any]) -> Iterator[str]:
    people: dict[str, Any] = {}
    asleep: set[str] = set()
    made: list[Made] = []
    now = low_water = interval = 0
    active: dict[str, str] = {}
    for stored, origin in _fresh(cluster, "journal", number):
        if origin is not None and origin[0] == Stage.HANDED:
            continue
        try:
            record = events.journal.decode(stored.value)
        except events.Undecodable:
            made.append(("dead_letters", model.letter("lane", "undecodable", stored, number)))
            continue
        if isinstance(record, Tick):
            now, low_water, interval = max(now, record.at), max(low_water, record.low_water), record.interval
            waiting = sorted((model.due(state), who.encode(), who) for who, state in people.items() if who not in asleep)
            for due, _, who in waiting:
                if 0 <= due <= low_water:
                    people[who], more = model.wake(people[who], now, low_water, interval, active)
                    made += more
        elif isinstance(record, Broadcast):
            at = record.at if now == 0 else max(now, min(record.at, now + interval))
            for who in sorted(people, key=str.encode):
                if model.concerned(people[who], record, active):
                    people[who], more = model.step(people[who], record, at, low_water, interval, active)
                    made += more
        elif isinstance(record, Activation):
            active = {**active, record.kind: record.ref}
        else:
            at = record.at if now == 0 else max(now, min(record.at, now + interval))
            state = people.get(record.person_id) or model.fresh(record.person_id)
            try:
                people[record.person_id], more = model.step(state, record, at, low_water, interval, active)
                made += more
            except Fault:
                made.append(("dead_letters", model.letter("lane", "defect", stored, number)))
                people[record.person_id] = model.faulted(state, stored)
    everybody |= people
    yield from _compare(cluster, model, (Stage.LANE, Stage.HANDED), number, made)
    rows = {kind + who.encode(): body for who, state in people.items() for kind, body in model.rows(state).items()}
    index = sorted((model.due(state), who.encode()) for who, state in people.items() if model.due(state) >= 0)
    yield from _kept(cluster, "people", number, rows, index)


def _postmaster(cluster: Cluster, model: Model, number: int) -> Iterator[str]:
    """Answers by the naive rules, rows by the domain's: those forget, and a row has its bytes."""
    made: list[Made] = []
    boxes: dict[bytes, Any] = {}
    rows: dict[bytes, Mailbox] = {}
    for stored, _ in _fresh(cluster, "addressed_plans", number):
        assert stored.key is not None
        record = events.addressed.decode(stored.value)
        answer = model.post(stored.key, record, boxes)
        box, key = rows.get(b"p" + stored.key, mailbox.EMPTY), b"p" + stored.key
        after = mailbox.took(box, record)
        if after is not box or answer:
            rows[key] = after
        made += answer
    yield from _compare(cluster, model, (Stage.POSTMASTER,), number, made)
    yield from _kept(cluster, "mailboxes", number, {key: msgspec.msgpack.encode(box) for key, box in rows.items()}, [])


def _renderer(cluster: Cluster, model: Model, number: int) -> Iterator[str]:
    made: list[Made] = []
    for stored, _ in _fresh(cluster, "message_plans", number):
        made += model.render(events.plans.decode(stored.value))
    yield from _compare(cluster, model, (Stage.RENDERER,), number, made)


# --- reading ----------------------------------------------------------------------------------------------------------------------


def origin_of(record: Stored) -> Origin | None:
    for name, value in record.headers:
        if name == "o":
            stage, partition, offset, index = struct.unpack(">BHQI", value)
            return stage, partition, offset, index
    return None


def _fresh(cluster: Cluster, topic: str, number: int) -> Iterator[tuple[Stored, Origin | None]]:
    """The partition's records without repeats: of each origin the first."""
    seen: set[Origin] = set()
    for record in cluster.broker.log(topic, number).records:
        origin = origin_of(record)
        if origin is None or origin not in seen:
            yield record, origin
            if origin is not None:
                seen.add(origin)


def _arrivals(cluster: Cluster, number: int, arrived: dict[str, int]) -> None:
    """When the broker first had each event, by event id; a record without one cannot be told apart and is left out."""
    for record in cluster.broker.log("customer_events", number).records:
        event_id = event_id_of(record.value)
        if event_id is not None:
            arrived[event_id] = min(record.timestamp, arrived.get(event_id, record.timestamp))


def event_id_of(value: bytes | None) -> str | None:
    try:
        body = msgspec.json.decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    found = (body.get("event_id") or body.get("id")) if isinstance(body, dict) else None
    return found if isinstance(found, str) else None


# --- comparing --------------------------------------------------------------------------------------------------------------------


def _compare(cluster: Cluster, model: Model, stages: tuple[int, ...], number: int, expected: list[Made]) -> Iterator[str]:
    """Everything a lane made of its partition, in order, exactly; each repeat byte for byte the same."""
    found: dict[tuple[int, int], Made] = {}
    for (topic, _), log in cluster.broker.logs.items():
        for record in log.records if not topic.endswith("-changelog") else ():
            origin = origin_of(record)
            if origin is not None and origin[0] in stages and origin[1] == number:
                made = (topic, record.value or b"")
                if found.setdefault(origin[2:], made) != made:
                    yield f"I8 {topic}: origin {origin} came again with other bytes"
    actual = [model.plain(made) for _, made in sorted(found.items())]
    plain = [model.plain(made) for made in expected]
    if actual == plain:
        return
    lost, extra = _minus(plain, actual), _minus(actual, plain)
    for what, values in (("lost", lost), ("extra", extra)):
        for topic, value in values:
            yield f"I3 {what} {topic} of {Stage(stages[0]).name}/{number}: {value!r}"
    if not lost and not extra:
        yield f"{Stage(stages[0]).name}/{number}: the same outputs in another order"


def _minus(values: list[Made], others: list[Made]) -> list[Made]:
    left: dict[Made, int] = defaultdict(int)
    for value in others:
        left[value] += 1
    rest = []
    for value in values:
        left[value] -= 1
        if left[value] < 0:
            rest.append(value)
    return rest


def _low_water(cluster: Cluster, number: int, arrived: dict[str, int]) -> Iterator[str]:
    """A tick's promise: every event the broker had by its low-water mark stands before it."""
    promised = 0
    for record, origin in _fresh(cluster, "journal", number):
        if origin is not None and origin[0] == Stage.LANE:
            continue  # sent on by a stub to a person who was waiting for just that
        try:
            read = events.journal.decode(record.value)
        except events.Undecodable:
            continue
        if isinstance(read, Tick):
            promised = max(promised, read.low_water)
        elif isinstance(read, Event) and arrived.get(read.event_id, read.at) <= promised:
            yield f"low water {promised} in {number}, but {read.event_id} of {arrived.get(read.event_id)} came after it"


def _kept(cluster: Cluster, table: str, number: int, expected: dict[bytes, bytes], due: list[tuple[int, bytes]]) -> Iterator[str]:
    """I10: the changelog (highest applied wins; and its last records, which compaction leaves), the owner's store and due index."""
    best: dict[bytes, tuple[int, bytes]] = {}
    last: dict[bytes, bytes] = {}
    for record in cluster.broker.log(f"{table}-changelog", number).records:
        if record.key is not None and record.value is not None and record.key != b"m":
            applied = struct.unpack_from(">Bqq", record.value)[1]
            last[record.key] = record.value[17:]
            if record.key[:1] == b"w" and not record.value[17:]:
                expected.setdefault(record.key, b"")  # she had tags once
            if record.key not in best or applied >= best[record.key][0]:
                best[record.key] = (applied, record.value[17:])
    yield from _rows(f"I10 {table}-changelog/{number}", {key: body for key, (_, body) in best.items()}, expected)
    yield from _rows(f"I10 {table}-changelog/{number} after compaction", last, expected)
    for member in cluster.members:
        for lane in member.lanes:
            if lane.stage.table == table and lane.partition == number:
                yield from _rows(f"I10 store {table}/{number}", {key: value[17:] for key, value in lane.store.rows.items()}, expected)
                if (index := list(lane.store.waiting())) != due:
                    yield f"I10 due index {number}: {index[:5]} instead of {due[:5]}"
                tags = {(body[at : at + 8], key[1:]) for key, body in expected.items() if key[:1] == b"w" for at in range(0, len(body), 8)}
                if lane.store.tags() != tags:
                    yield f"I10 tags {number}: {sorted(lane.store.tags() ^ tags)[:5]} differ"


def _disks(cluster: Cluster) -> Iterator[str]:
    """Every store, its worker's or left behind, holds at least what its changelog says up to the offset that it claims to contain."""
    for member in cluster.members:
        for lane_name, number in sorted(member.disk):
            store = member.disk[lane_name, number]
            table = next(stage.table for stage in cluster.stages if stage.name == lane_name)
            merged: dict[bytes, bytes] = {}
            for record in cluster.broker.log(f"{table}-changelog", number).history[: store.changelog_next]:
                assert record.key is not None and record.value is not None
                if record.key != b"m":
                    applied = [struct.unpack_from(">Bqq", value)[1] for value in (record.value, merged.get(record.key, record.value))]
                    merged[record.key] = record.value if applied[0] >= applied[1] else merged[record.key]
            for key, value in merged.items():
                # A restore that died while a stale record waited for its repair has read further than it claims.
                found = store.rows.get(key)
                if found is None or struct.unpack_from(">Bqq", found)[1] < struct.unpack_from(">Bqq", value)[1]:
                    where = f"disk of {member.name} {table}/{number} up to {store.changelog_next}"
                    yield f"I10 {where}: row {key!r} is {found!r}, not {value!r}"


def _rows(what: str, found: dict[bytes, bytes], expected: dict[bytes, bytes]) -> Iterator[str]:
    for key in sorted(found.keys() | expected.keys()):
        if found.get(key) != expected.get(key):
            yield f"{what}: row {key!r} is {found.get(key)!r}, not {expected.get(key)!r}"
