"""The reader's programs: every decision and every message is one row, under a key that begins with its day.

Nothing is ever read to be written again: a row is the record as it came, so a person with a thousand decisions costs no more a decision
than one with two, and none outgrows what a row may have. A day's rows lie together: what is too old goes in one piece (engine/store.py),
a week of everybody is one scan, and a person's is a look at each of her days. The key of a decision has the person behind the day, that of
a message only its send_id: whose it is her decisions tell.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER, day_key, row_key
from app.events import derived_id
from app.flow import Stage

ROW = b"p"
END = b"\0"
"""Behind a person id in a key: no other id begins with all of it."""
PACKING = 1
"""zlib's quickest level: HTML shrinks to a fifth of itself and less, at a few tenths of a ms."""
_EPOCH = date(1970, 1, 1).toordinal()


class _Decided(Struct):
    decision_id: str
    person_id: str
    at: str


class _Sent(Struct):
    send_id: str
    decided_at: str


_decided = msgspec.json.Decoder(_Decided).decode
_sent = msgspec.json.Decoder(_Sent).decode


@lru_cache(maxsize=1_000)
def day_number(day: str) -> int:
    """Days since 1970 of `YYYY-MM-DD`. Raises ValueError."""
    return date.fromisoformat(day).toordinal() - _EPOCH


def decision_key(day: int, person_id: str, decision_id: str) -> bytes:
    """Group key of a decision."""
    return day_key(day) + person_id.encode() + END + decision_id.encode()


def decisions_of(day: int, person_id: str) -> tuple[bytes, bytes]:
    """Row keys between which a person's decisions of a day lie."""
    start = row_key(ROW, day_key(day) + person_id.encode())
    return start + END, start + b"\1"


def send_key(day: int, send_id: str) -> bytes:
    """Group key of a message."""
    return day_key(day) + send_id.encode()


def unpacked(body: bytes) -> bytes:
    """A message as it was on its topic."""
    return zlib.decompress(body)


class ReaderProgram:
    """`of`: (value) → (group key, row body), raises ValueError for what is no such record; `agent`, `topic`: in whose name letters go."""

    stage = Stage.READER
    row_kinds = (ROW,)
    checks_origin = True

    def __init__(self, agent: str, topic: str, of: Callable[[bytes], tuple[bytes, bytes]], counts: Counts | None = None) -> None:
        self._agent, self._topic, self._of, self._counts = agent, topic, of, counts or Counts()

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        try:
            return self._of(incoming.value or b"")
        except ValueError as error:  # msgspec's are ValueErrors, too
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error

    def now(self, record: bytes, marks: Marks) -> int:
        return marks.now

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> bytes | None:
        return bodies[0]

    def step(self, group: bytes | None, record: bytes, moment: Moment) -> tuple[bytes | None, list[Output]]:
        return (group if group == record else record), []

    def wake(self, group: bytes | None, moment: Moment) -> tuple[bytes | None, list[Output]]:
        return group, []

    def due(self, group: bytes | None) -> int:
        return NEVER

    def dump(self, group: bytes | None, loaded: bytes | None) -> list[tuple[bytes, bytes]]:
        return [] if group is None or group is loaded else [(ROW, group)]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried(self._agent, reason)
        letter_id = derived_id("dead", self._topic, str(moment.partition), str(incoming.offset))
        return dead_letter(letter_id, self._agent, self._topic, moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: bytes | None, incoming: Incoming) -> bytes | None:
        """It is not there to be asked for; its topic still has it."""
        return group


def decision_program(counts: Counts | None = None) -> ReaderProgram:
    """Of `decisions`."""

    def of(value: bytes) -> tuple[bytes, bytes]:
        one = _decided(value)
        return decision_key(day_number(one.at[:10]), one.person_id, one.decision_id), value

    return ReaderProgram("decision_reader", "decisions", of, counts)


def send_program(counts: Counts | None = None) -> ReaderProgram:
    """Of `message_sends`."""

    def of(value: bytes) -> tuple[bytes, bytes]:
        one = _sent(value)
        return send_key(day_number(one.decided_at[:10]), one.send_id), zlib.compress(value, PACKING)

    return ReaderProgram("send_reader", "message_sends", of, counts)
