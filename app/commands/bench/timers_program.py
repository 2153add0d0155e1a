"""The timers' work as a program of the lane: a wait per customer and product, begun by a view, ended by a purchase, fired when it is over.

A row is a customer with all her waits, as a person's row holds all her windows; the due index holds the earliest of each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import events
from app.commands.bench.silent import Silent
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER


class Event(Struct, frozen=True, gc=False):
    """What the work reads of an event."""

    customer_id: str
    event_type: str
    product_id: str
    ts: int

    @property
    def at(self) -> int:
        return self.ts


class Waits(Struct, frozen=True, array_like=True):
    """Product → when its wait is over (ms)."""

    customer_id: str
    due: dict[str, int] = {}


class Fired(Struct, frozen=True, gc=False):
    """The output: what was waited for, and until when (ms)."""

    customer_id: str
    product_id: str
    due: int


_event = msgspec.json.Decoder(Event).decode
_waits = msgspec.msgpack.Decoder(Waits).decode
_keep = msgspec.msgpack.Encoder().encode
_tell = msgspec.json.Encoder().encode


class TimersProgram(Silent):
    """Reads JSON events on journal, among the clock's ticks; keeps a row per customer; writes message_sends. `wait_ms`: of every wait."""

    row_kinds = (b"p",)

    def __init__(self, wait_ms: int) -> None:
        self._wait_ms = wait_ms
        self.counted = {"scheduled": 0, "cancelled": 0, "fired": 0}
        """What this process did; a turn done again counts again."""

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        value = incoming.value or b""
        if value[:1] == bytes([events.ENCODING]):
            return super().read(incoming)
        try:
            return incoming.key, _event(value)
        except msgspec.MsgspecError as error:
            raise Refused("contract", [{"path": "", "message": str(error)}]) from error

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Waits:
        body = bodies[0]
        return Waits(key.decode()) if body is None else _waits(body)

    def step(self, group: Waits, record: Event, moment: Moment) -> tuple[Waits, list[Output]]:
        if record.event_type == "product_view":
            self.counted["scheduled"] += 1
            return Waits(group.customer_id, {**group.due, record.product_id: record.ts + self._wait_ms}), []
        if record.product_id not in group.due:
            return group, []
        self.counted["cancelled"] += 1
        return Waits(group.customer_id, {name: due for name, due in group.due.items() if name != record.product_id}), []

    def wake(self, group: Waits, moment: Moment) -> tuple[Waits, list[Output]]:
        over = {name: due for name, due in group.due.items() if due <= moment.low_water}
        self.counted["fired"] += len(over)
        key = group.customer_id.encode()
        told = [Output("message_sends", key, _tell(Fired(group.customer_id, name, due))) for name, due in over.items()]
        return Waits(group.customer_id, {name: due for name, due in group.due.items() if name not in over}), told

    def due(self, group: Waits) -> int:
        return min(group.due.values(), default=NEVER)

    def dump(self, group: Waits, loaded: Waits | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(b"p", _keep(group))]
