"""What an insight worker knows of people: decisions and messages of its own partitions, everybody's profile. Looked up in its RocksDB."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from app.agents.reader_program import ROW, day_number, decisions_of, send_key, unpacked
from app.domain.sought import Sought
from app.engine.partition import partition_of
from app.engine.rows import HEADER_SIZE, day_key, read_header, row_key
from app.engine.store import TableStore
from app.flow import DECISIONS_DAYS, SENDS_DAYS, TABLES

DECIDED, SENT, PROFILES = TABLES["decided"], TABLES["sent"], "profiles"
PAGE = 5_000
"""Rows that one answer looks at; whoever wants more asks again from where it ended."""
PAGE_BYTES = 4 * 1024 * 1024
EVERYTHING = Sought()
HERS = 100_000
"""Decisions of one person that are looked at, the oldest first: a thousand a day, day after day, are no person's."""


class Row(Struct):
    """The little of a decision that is asked about."""

    person_id: str
    customer_id: str | None
    trigger: str
    outcome: str
    reason: str | None
    at: str
    send_id: str | None
    window_id: str = ""


class Page(Struct, frozen=True):
    """`rows`: records as they were written. `after`: where to go on; None at the end."""

    rows: list[bytes]
    after: bytes | None


decode_row = msgspec.json.Decoder(Row).decode


class Reader:
    """Over a worker of role `insight`. Its methods block for as long as a disk does: call them in a thread."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    @property
    def ready(self) -> bool:
        """Whether decisions and messages are there up to what is being read now."""
        return bool(self._worker.is_ready())

    @property
    def knows_everybody(self) -> bool:
        """Whether the profiles are there."""
        follower = self._worker.followers.get(PROFILES)
        return follower is not None and follower.caught_up

    @property
    def partitions(self) -> list[int]:
        """Those whose people are asked for here."""
        return self._worker.stores.held(DECIDED.name) if self.ready else []

    @property
    def of(self) -> int:
        return int(self._worker.settings.partitions)

    @property
    def lag(self) -> int:
        """Records of the reader's topics that are there and not read."""
        settings = self._worker.settings
        mine = {settings.topic("decisions"), settings.topic("message_sends")}
        return sum(behind for place, behind in self._worker.lags.items() if place.topic in mine)

    def partition(self, person_id: str) -> int:
        return partition_of(person_id.encode(), self.of)

    def profile(self, person_id: str) -> bytes | None:
        """As last published, whoever's partition it is."""
        follower = self._worker.followers.get(PROFILES)
        found: bytes | None = None if follower is None else follower.get(person_id.encode())
        return found

    def decisions(self, person_id: str, sought: Sought = EVERYTHING) -> list[bytes]:
        """Hers, in the order of their topic, as they were written."""
        store = self._table(DECIDED, self.partition(person_id))
        if store is None or (newest := store.newest_day(ROW)) is None:
            return []
        found: list[tuple[int, bytes]] = []
        days = range(max(0, newest - DECISIONS_DAYS), newest + 1)
        for _, value in store.spans([decisions_of(day, person_id) for day in days], HERS):
            body = value[HEADER_SIZE:]
            if sought.holds(decode_row(body)):
                found.append((read_header(value)[0], body))
        return [body for _, body in sorted(found, key=lambda one: one[0])]

    def page(self, partition: int, sought: Sought, after: bytes = b"") -> Page:
        """Of everybody in a partition, by day and person, from `after` on; those of one page in the order of their topic.

        Raises ValueError for an `after` that is none.
        """
        store = self._table(DECIDED, partition)
        if store is None or (newest := store.newest_day(ROW)) is None:
            return Page([], None)
        first = max(0, newest - DECISIONS_DAYS)
        begin = max(row_key(ROW, day_key(max(first, _day(sought.since, first)))), after)
        end = row_key(ROW, day_key(min(newest, _day(sought.until, newest)) + 1))
        rows = store.span(begin, end, PAGE)
        found: list[tuple[int, bytes]] = []
        weight, after = 0, rows[-1][0] + b"\0" if len(rows) == PAGE else b""
        for number, (key, value) in enumerate(rows, 1):
            body = value[HEADER_SIZE:]
            if sought.holds(decode_row(body)):
                found.append((read_header(value)[0], body))
                weight += len(body)
                if weight > PAGE_BYTES and number < len(rows):
                    after = key + b"\0"
                    break
        found.sort(key=lambda one: one[0])
        return Page([body for _, body in found], after or None)

    def send(self, send_id: str) -> bytes | None:
        """A message of a person of this worker's partitions."""
        for partition in self.partitions:
            store = self._table(SENT, partition)
            if store is not None:
                for value in store.get_many(_keys(store, [send_id])):
                    if value is not None:
                        return unpacked(value[HEADER_SIZE:])
        return None

    def sends(self, person_id: str) -> list[bytes]:
        """Her messages, in the order of their topic."""
        store = self._table(SENT, self.partition(person_id))
        if store is None:
            return []
        hers = {one.send_id for one in map(decode_row, self.decisions(person_id)) if one.send_id is not None}
        values = store.get_many(_keys(store, sorted(hers)))
        found = [(read_header(value)[0], unpacked(value[HEADER_SIZE:])) for value in values if value is not None]
        return [body for _, body in sorted(found, key=lambda one: one[0])]

    def _table(self, table: Any, partition: int) -> TableStore | None:
        if partition not in self.partitions:
            return None
        store: TableStore = self._worker.stores.table(table, partition)
        return store


def _keys(store: TableStore, send_ids: list[str]) -> list[bytes]:
    """Where messages may lie: their day is not in their id."""
    newest = store.newest_day(ROW)
    days = range(0) if newest is None else range(newest, max(0, newest - SENDS_DAYS) - 1, -1)
    return [row_key(ROW, send_key(day, one)) for one in send_ids for day in days]


def _day(text: str, otherwise: int) -> int:
    """The day of a time, if there is one. Raises ValueError."""
    return day_number(text[:10]) if text else otherwise
