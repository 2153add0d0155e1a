"""The smallest programs that use everything a turn offers: rows, an index of tags, timers, conclusions, broadcasts, plans and answers,
defects, dead letters.

Intake accepts JSON `{"id", "who", "kind"}` once per id; the lane counts, `start` begins a wait that `stop` ends and that plans a message
when it is over, `long` grows the second row, `raise` raises, `see` makes `who` like a thing; `news` of a thing goes to every partition and
concerns who likes it; the renderer answers each plan. Every output names the state it was made from,
so that an output decided on a wrong history differs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import events
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused, journal_now
from app.events import Activation, Broadcast, Conclusion, Event, Plan, Rendered, Tick, derived_id
from app.flow import Stage

NEVER = -1
WAIT = 20 * 60_000
TOGETHER = 16 * 60_000
"""Waits end on multiples of it, so that many people are due at one tick."""
MAX_IDS = 1000
THINGS = 4
PARTITIONS = 3
"""Of the journal, in the fault simulation."""

_encode = msgspec.msgpack.encode


def letter(incoming: Incoming, stage: str, reason: str, moment: Moment) -> Output:
    place = f"{moment.partition}/{incoming.offset}/{(incoming.key or b'').decode()}"
    return Output("dead_letters", incoming.key, json.dumps([stage, reason, place]).encode())


class Ids(Struct, frozen=True, array_like=True):
    ids: tuple[str, ...] = ()


class ToyIntake:
    stage = Stage.INTAKE
    row_kinds = (b"p",)
    checks_origin = True

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            body = json.loads(incoming.value or b"")
            return body["who"].encode(), (body, incoming.timestamp)
        except ValueError as error:
            raise Refused("contract", []) from error

    def now(self, record: Any, marks: Marks) -> int:
        return int(record[1])

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Ids:
        return Ids() if bodies[0] is None else msgspec.msgpack.decode(bodies[0], type=Ids)

    def step(self, group: Ids, record: Any, moment: Moment) -> tuple[Ids, list[Output]]:
        body, at = record
        if body["id"] in group.ids:
            return group, []
        ids = Ids((*group.ids, body["id"])[-MAX_IDS:])
        if body["kind"] == "news":
            news = events.encode(Broadcast(at, thing(body["id"]), "news", {"id": body["id"]}))
            return ids, [Output("journal", None, news, partition=number) for number in range(PARTITIONS)]
        event = Event(at, body["id"], body["kind"], at, body["who"])
        return ids, [Output("journal", event.person_id.encode(), events.encode(event))]

    def wake(self, group: Ids, moment: Moment) -> tuple[Ids, list[Output]]:
        raise AssertionError("intake waits for nothing")

    def due(self, group: Ids) -> int:
        return NEVER

    def dump(self, group: Ids, loaded: Ids | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(b"p", _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        return letter(incoming, "intake", reason, moment)

    def fault(self, group: Ids, incoming: Incoming) -> Ids:
        return group


def tag(text: str) -> bytes:
    return text.encode().ljust(8, b".")[:8]


def thing(event_id: str) -> str:
    return f"q{sum(map(ord, event_id)) % THINGS}"


class Tally(Struct, frozen=True, array_like=True):
    """The lane's main row. `waits`: (due, event id)."""

    who: str
    count: int = 0
    last: int = 0
    waits: tuple[tuple[int, str], ...] = ()
    answered: int = 0
    fault: bool = False
    likes: str = ""
    heard: int = 0


class ToyGroup(Struct, frozen=True):
    tally: Tally
    long: tuple[str, ...] = ()


class ToyLane:
    stage = Stage.LANE
    row_kinds = (b"p", b"h")
    checks_origin = True

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            record = events.journal.decode(incoming.value)
        except events.Undecodable as error:
            raise Refused("undecodable", []) from error
        return (None if isinstance(record, Tick | Activation | Broadcast) else record.person_id.encode()), record

    def asked(self, record: Broadcast, moment: Moment) -> Sequence[bytes]:
        return [tag(record.product_id), tag("everything")]

    def now(self, record: Any, marks: Marks) -> int:
        return journal_now(record.at, marks)

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> ToyGroup:
        tally = Tally(key.decode()) if bodies[0] is None else msgspec.msgpack.decode(bodies[0], type=Tally)
        return ToyGroup(tally, () if bodies[1] is None else msgspec.msgpack.decode(bodies[1], type=tuple[str, ...]))

    def step(self, group: ToyGroup, record: Any, moment: Moment) -> tuple[ToyGroup, list[Output]]:
        return toy_step(group, record, moment.now, moment.low_water)

    def wake(self, group: ToyGroup, moment: Moment) -> tuple[ToyGroup, list[Output]]:
        return toy_wake(group, moment.now, moment.low_water)

    def due(self, group: ToyGroup) -> int:
        return toy_due(group)

    def dump(self, group: ToyGroup, loaded: ToyGroup | None) -> list[tuple[bytes, bytes]]:
        rows = [] if loaded is not None and group.tally is loaded.tally else [(b"p", _encode(group.tally))]
        if group.long is not loaded.long if loaded is not None else bool(group.long):
            rows.append((b"h", _encode(group.long)))
        if group.tally.likes != (loaded.tally.likes if loaded is not None else ""):
            rows.append((b"w", toy_tags(group)))
        return rows

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        return letter(incoming, "lane", reason, moment)

    def fault(self, group: ToyGroup, incoming: Incoming) -> ToyGroup:
        return faulted(group)


def toy_tags(group: ToyGroup) -> bytes:
    """Half of everybody has a second tag that every news asks for, too."""
    tags = [tag(group.tally.likes), *([tag("everything")] if len(group.tally.who) % 2 else [])]
    return b"".join(sorted(tags)) if group.tally.likes else b""


def faulted(group: ToyGroup) -> ToyGroup:
    return ToyGroup(msgspec.structs.replace(group.tally, fault=True, waits=()), group.long)


def toy_step(group: ToyGroup, record: Any, now: int, low_water: int) -> tuple[ToyGroup, list[Output]]:
    """Pure; the oracle folds with it."""
    tally, long = group.tally, group.long
    if isinstance(record, Rendered):
        return ToyGroup(msgspec.structs.replace(tally, answered=tally.answered + 1, last=now), long), []
    if isinstance(record, Broadcast):
        if tally.likes != record.product_id:
            return group, []
        heard = msgspec.structs.replace(tally, heard=tally.heard + 1)
        told = json.dumps(["news", record.values["id"], tally.who, heard.heard, tally.count, len(tally.waits)]).encode()
        return ToyGroup(heard, long), [Output("decisions", tally.who.encode(), told)]
    if not isinstance(record, Event):
        return group, []
    if record.event_type == "raise":
        raise RuntimeError("as told")
    outputs: list[Output] = []
    waits = tally.waits
    count = tally.count + 1
    if record.event_type == "start" and len(waits) < 5:
        waits = (*waits, (-(-(record.ts + WAIT) // TOGETHER) * TOGETHER, record.event_id))
        told = Conclusion(now, record.person_id, "started", str(count), record.ts, record.event_id)
        outputs.append(Output("journal", record.person_id.encode(), events.encode(told), stage=Stage.HANDED))
    elif record.event_type == "stop":
        waits = ()
    elif record.event_type == "long":
        long = (*long, record.event_id)[-50:]
    elif record.event_type == "see":
        tally = msgspec.structs.replace(tally, likes=thing(record.event_id))
    decision = json.dumps([record.event_id, record.event_type, count, now, len(waits), len(long)]).encode()
    outputs.append(Output("decisions", record.person_id.encode(), decision))
    return ToyGroup(msgspec.structs.replace(tally, count=count, last=now, waits=waits), long), outputs


def toy_wake(group: ToyGroup, now: int, low_water: int) -> tuple[ToyGroup, list[Output]]:
    """Pure; the oracle folds with it."""
    tally = group.tally
    over = sorted(wait for wait in tally.waits if wait[0] <= low_water)
    plans = [toy_plan(tally, due, event_id, now, len(group.long)) for due, event_id in over]
    left = tuple(wait for wait in tally.waits if wait[0] > low_water)
    outputs = [Output("message_plans", tally.who.encode(), events.encode(plan)) for plan in plans]
    return ToyGroup(msgspec.structs.replace(tally, waits=left), group.long), outputs


def toy_due(group: ToyGroup) -> int:
    return min((due for due, _ in group.tally.waits), default=NEVER)


def toy_plan(tally: Tally, due: int, event_id: str, now: int, long: int) -> Plan:
    send_id = derived_id(event_id, tally.who)
    values = {"count": tally.count, "answered": tally.answered, "last": tally.last, "long": long}
    return Plan(now, send_id, event_id, tally.who, None, "email", "toy", 1, "toy", "toy@1", due - WAIT, due, due, "", None, [], values, {})


class ToyRenderer:
    stage = Stage.RENDERER
    row_kinds = ()
    checks_origin = True

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        plan = events.plans.decode(incoming.value)
        return plan.person_id.encode(), plan

    def now(self, record: Any, marks: Marks) -> int:
        return int(record.at)

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> None:
        return None

    def step(self, group: None, record: Plan, moment: Moment) -> tuple[None, list[Output]]:
        return None, toy_render(record)

    def wake(self, group: None, moment: Moment) -> tuple[None, list[Output]]:
        raise AssertionError("the renderer waits for nothing")

    def due(self, group: None) -> int:
        return NEVER

    def dump(self, group: None, loaded: None) -> list[tuple[bytes, bytes]]:
        return []

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        return letter(incoming, "renderer", reason, moment)

    def fault(self, group: None, incoming: Incoming) -> None:
        return None


def toy_render(plan: Plan) -> list[Output]:
    """Pure; the oracle folds with it."""
    key = plan.person_id.encode()
    answer = Rendered(plan.at, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step)
    return [Output("message_sends", key, json.dumps([plan.send_id, plan.values]).encode()), Output("journal", key, events.encode(answer))]
