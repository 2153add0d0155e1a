"""The product watcher's program: a change becomes the product as it stands, and what the active pack asks of it a broadcast.

Reads catalog_changes; keeps a row per product; writes products, journal, dead_letters. A change that changes nothing writes nothing, so a
catalogue that is imported every night costs what is new in it.

It goes by the newest active pack that this worker has compiled, and not by an activation in its own order: `catalog_changes` gets none.
That is enough, because nothing is decided about anybody here. What a replay of the journal sees is the broadcast itself; whether a fall
of 4 % in the second of an activation was still one of the old pack's or already the new one's is nobody's to tell, and a pack that does
not ask for a change opens nothing on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from app import events
from app.domain import shelf
from app.domain.catalog_change import TOPIC, CatalogChange, accept, instant
from app.domain.catalogue import encode, key_of
from app.domain.concluded import NEWS
from app.domain.contract import Broken
from app.domain.shelf import EMPTY, Shelf
from app.domain.trigger import Pack
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Broadcast, derived_id
from app.flow import Stage

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Shelf).decode


class Received(NamedTuple):
    """`change` None: the product is to be taken off. `at` (ms): on the journal's clock."""

    change: CatalogChange | None
    at: int
    incoming: Incoming


class ProductWatcherProgram:
    """`pack()`: the newest active one. `partitions`: of the journal. `clock`: broker time → journal time (ms).

    `home`: where a key belongs; without it nobody asks. Origins are not checked: see app/domain/shelf.py.
    """

    stage = Stage.WATCHER
    row_kinds = (b"p",)
    checks_origin = False

    def __init__(
        self,
        pack: Callable[[], Pack | None],
        partitions: int,
        clock: Callable[[int], int] = lambda timestamp: timestamp,
        home: Callable[[bytes], int] | None = None,
        counts: Counts | None = None,
    ) -> None:
        self._pack, self._partitions, self._clock, self._home = pack, partitions, clock, home
        self._counts = counts or Counts()

    def read(self, incoming: Incoming) -> tuple[bytes, Received]:
        key, at = incoming.key, self._clock(incoming.timestamp)
        if not incoming.value:
            if not key:
                raise Refused("no_key", [{"path": "", "message": "neither a key nor a value: of which product?"}])
            return key, Received(None, at, incoming)
        try:
            change = accept(incoming.value)
        except Broken as broken:
            raise Refused(broken.reason, broken.violations) from None
        wanted = key_of(change.product_id)
        if key != wanted:
            raise Refused("no_key", [{"path": "/product_id", "message": "the record's key is not its product_id"}])
        return wanted, Received(change, at, incoming)

    def now(self, record: Received, marks: Marks) -> int:
        """No ticks on this topic: time is the record's own."""
        return record.at

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Shelf:
        body = bodies[0]
        return EMPTY if body is None else _decode(body)

    def step(self, group: Shelf, record: Received, moment: Moment) -> tuple[Shelf, list[Output]]:
        change, at, incoming = record
        key = incoming.key or b""
        if self._home is not None and self._home(key) != moment.partition:
            why = "the record is not in its key's partition: a producer here partitions by key as Kafka's own do (murmur2)"
            return group, [self.bury(incoming, "no_key", [{"path": "", "message": why}], moment)]
        if change is None:
            return (EMPTY, [Output("products", key, b"")]) if group.item is not None else (group, [])
        after = shelf.changed(group, change, at)
        if after.item is None:
            return (after, [Output("products", key, b"")]) if group.item is not None else (group, [])
        tells = after is not group
        if change.happened is not UNSET:
            when = min(at, instant(change.timestamp)) if type(change.timestamp) is str else at
            counted = shelf.happened(after, change.happened, when)
            if counted is not after:
                after = counted
                if tells or shelf.tells(after, at):
                    after, tells = msgspec.structs.replace(after, told_at=at), True
        if not tells or after.item is None:
            return after, []
        outputs = [Output("products", key, encode(after.item))]
        for name, values in self._watched(group, after):
            self._counts.broadcasts[name] += 1
            told = events.encode(Broadcast(at, after.item.product_id, name, values))
            outputs += [Output("journal", None, told, partition) for partition in range(self._partitions)]
        return after, outputs

    def wake(self, group: Shelf, moment: Moment) -> tuple[Shelf, list[Output]]:
        """Never asked for: `due` is NEVER."""
        return group, []

    def due(self, group: Shelf) -> int:
        return NEVER

    def dump(self, group: Shelf, loaded: Shelf | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(b"p", _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("product_watcher", reason)
        letter_id = derived_id("dead", TOPIC, str(moment.partition), str(incoming.offset))
        at = self._clock(incoming.timestamp)
        return dead_letter(letter_id, "product_watcher", TOPIC, moment.partition, incoming, reason, detail, at)

    def fault(self, group: Shelf, incoming: Incoming) -> Shelf:
        """One change is missing; the next import brings it."""
        return group

    def _watched(self, before: Shelf, after: Shelf) -> list[tuple[str, events.Properties]]:
        pack = self._pack()
        if pack is None or after.item is None:
            return []
        asked = frozenset(name for name in NEWS if name in pack.opens)
        return shelf.watched(before.item, after.item, asked, pack.catalogue) if asked else []
