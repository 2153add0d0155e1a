"""Intake as a program of the turn: contract, duplicates, identity, key.

Reads `customer_events`. Keeps one row per identifier (`identifiers`). Writes the accepted event to `journal` under its person, a wrongly
keyed one back to `customer_events` once, a broken one to `dead_letters`. What an event says of a second identifier goes as a link to the
partition of `customer_events` that owns it, in the same turn; what that partition makes of it goes to `journal`.
Of an order the journal also says how long what was bought lasts, by the catalogue as it stood then: so a replay knows no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import orjson
from msgspec.structs import replace

from app import events
from app.domain import contract, identifier, identity, links, supplies
from app.domain.catalogue import Items, nothing
from app.domain.contract import Accepted, Broken
from app.domain.identifier import EMPTY, Identifier
from app.domain.scope import PURCHASES
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks, read_origin
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Link, MergeOut, Moved, Unlink
from app.flow import Stage

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Identifier).decode


def place_on_broker(partition: int, incoming: Incoming) -> str:
    """What tells an event without id and timestamp from its like: where it stands in `customer_events`."""
    return f"customer_events/{partition}/{incoming.offset}"


class Received(NamedTuple):
    """What a step needs of a record: the event or link in it, its time (ms) on the journal's clock, and how it came."""

    event: Accepted | Link
    at: int
    incoming: Incoming


class IntakeProgram:
    """`clock`: broker time → journal time (ms). `partition_of_key`: where our producers put a key; without it only the key is judged.
    `items`: the catalogue. A turn done again may find another one; its event has the origin of the first, so whoever reads keeps that.

    Origins are not left to the turn's marks: this topic has writers outside Kairos, and one forged header there would silence a whole
    lane. Only records that intake put back, and sealed links, carry one that counts, and each identifier's row remembers its own
    (`identifier.rekeyed`).
    """

    stage = Stage.INTAKE
    row_kinds = (b"p",)
    checks_origin = False

    def __init__(
        self,
        secret: str,
        bot_limit: int,
        place: Callable[[int, Incoming], str] = place_on_broker,
        clock: Callable[[int], int] = lambda timestamp: timestamp,
        partition_of_key: Callable[[bytes], int] | None = None,
        counts: Counts | None = None,
        items: Items = nothing,
    ) -> None:
        self._secret, self._bot_limit, self._place, self._clock, self._partition_of_key = secret, bot_limit, place, clock, partition_of_key
        self._items = items
        self._counts = counts or Counts()
        self.counted: Counter[str] = self._counts.intake
        """For metrics and reports only: accepted, duplicate, rekeyed, repeated, future, bot, refused; of links link_ and what became of
        them, link_forgotten. A turn done again counts again."""

    def read(self, incoming: Incoming) -> tuple[bytes, Received]:
        """The identifier and the event or link. Raises `Refused`."""
        at = self._clock(incoming.timestamp)
        if incoming.headers and (link := self._link(incoming)) is not None:
            return link.identifier.encode(), Received(link, at, incoming)
        try:
            event = contract.accept(incoming.value, at, "")
        except Broken as broken:
            raise Refused(broken.reason, broken.violations) from None
        return identity.identifier(event.customer_id, event.anonymous_id).encode(), Received(event, at, incoming)

    def now(self, record: Received, marks: Marks) -> int:
        """No ticks on this topic: time is the record's own."""
        return record.at

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Identifier:
        body = bodies[0]
        return EMPTY if body is None else _decode(body)

    def step(self, group: Identifier, record: Received, moment: Moment) -> tuple[Identifier, list[Output]]:
        """A journal event, or the record back under its key, or nothing for one that was here before."""
        event, at, incoming = record
        if isinstance(event, Link):
            return self._linked(group, event, incoming, moment)
        origin = read_origin(incoming.headers) if incoming.headers else None
        if origin is not None and origin[0] == Stage.REKEY:
            group, news = identifier.rekeyed(group, origin[1], origin[2])
            if not news:
                self.counted["repeated"] += 1
                return group, []
        elif not self._rightly_keyed(event, incoming.key, moment.partition):
            self.counted["rekeyed"] += 1
            # A link goes out here and now: it must not be two put-backs behind the event that told it (low_water covers one).
            person_id = self._own(identity.identifier(event.customer_id, event.anonymous_id))
            told = [self._told(Link(at, old, person_id, "", person_id), moment) for old in links.others(event)]
            return group, [self._put_back(event, incoming, moment.partition), *told]
        event_id = event.event_id or contract.place_id(self._place(moment.partition, incoming))
        group, verdict, bot = identifier.admit(group, event_id, at, self._bot_limit)
        self.counted["accepted" if verdict == "new" else verdict] += 1
        if verdict == "duplicate":
            return group, []
        self.counted["future"] += event.future
        self.counted["bot"] += bot
        own = identity.person_id(self._secret, identity.identifier(event.customer_id, event.anonymous_id))
        person_id = own if group.links is None else group.links.to or own
        claims: list[Output] = []
        # Looked at here and not in a function: most events name one identifier, and those shall not pay.
        if ((event.customer_id is not None and event.anonymous_id is not None) or event.event_type == "alias") and not bot:
            group, claims = self._claim(group, event, event_id, at, own, person_id, moment)
        properties = event.properties
        if event.event_type in PURCHASES:
            properties = supplies.told_by(self._items, properties)
        accepted = events.Event(
            at,
            event_id,
            event.event_type,
            event.ts,
            person_id,
            event.customer_id,
            event.anonymous_id,
            properties,
            event.context,
            event.future,
            bot,
        )
        return group, [*claims, Output("journal", person_id.encode(), events.encode(accepted))]

    def wake(self, group: Identifier, moment: Moment) -> tuple[Identifier, list[Output]]:
        """Never asked for: `due` is NEVER."""
        return group, []

    def due(self, group: Identifier) -> int:
        return NEVER

    def dump(self, group: Identifier, loaded: Identifier | None) -> list[tuple[bytes, bytes]]:
        """No row for an identifier that is only passing through on its way to its own partition."""
        return [] if group is loaded or group is EMPTY else [(b"p", _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        """The dead letter of a record, with its bytes as they came (cut, and then said so)."""
        self.counted["refused"] += 1
        self._counts.buried("intake", reason)
        letter_id = events.derived_id("dead", "intake", "customer_events", str(moment.partition), str(moment.offset))
        at = self._clock(incoming.timestamp)
        return dead_letter(letter_id, "intake", "customer_events", moment.partition, incoming, reason, detail, at)

    def fault(self, group: Identifier, incoming: Incoming) -> Identifier:
        """Nobody gets a message from here, so there is nothing to flag: the row stays as it was."""
        return group

    # --- links ----------------------------------------------------------------------------------------------------------------

    def _claim(
        self, group: Identifier, event: Accepted, event_id: str, at: int, own: str, person_id: str, moment: Moment
    ) -> tuple[Identifier, list[Output]]:
        """What an event says of other identifiers, each once: the new person begins to wait, their partitions are told."""
        before = group.links or links.NONE
        fresh = [old for old in links.others(event) if old not in before.known]
        if not fresh:
            return group, []
        outputs: list[Output] = []
        for old in fresh:
            cause = events.derived_id("link", old, person_id, event_id)
            outputs.append(Output("journal", person_id.encode(), events.encode(Link(at, old, person_id, cause))))
            outputs.append(self._told(Link(at, old, person_id, cause, own), moment))
        after, forgotten = links.remembered(before, fresh)
        self.counted["link_forgotten"] += forgotten
        return replace(group, links=after), outputs

    def _linked(self, group: Identifier, link: Link, incoming: Incoming, moment: Moment) -> tuple[Identifier, list[Output]]:
        """A link of this identifier: stored or refused; either way whoever waits for it gets an answer, by the way its events went."""
        origin = read_origin(incoming.headers)
        assert origin is not None  # or `read` had not taken it for a link
        group, news = identifier.rekeyed(group, origin[1], origin[2])
        if not news:
            self.counted["repeated"] += 1
            return group, []
        own, before = self._own(link.identifier), group.links or links.NONE
        after, verdict = links.taken(before, link, own)
        self.counted[f"link_{verdict}"] += 1
        group = group if after is before else replace(group, links=after)
        if verdict == "unlinked":
            return group, [_journal(own, Unlink(link.at, own, link.cause))]
        followers = links.following(before, link, before.to or own) if verdict in ("linked", "follows") else []
        also = tuple([one.cause for one in followers])
        told = [self._told(one, moment) for one in followers]
        # Whoever holds what it did until now; nobody does if it never did anything.
        holder = before.to if verdict == "follows" else own if group.count and verdict != "refused" else ""
        if holder:
            return group, [_journal(holder, MergeOut(link.at, holder, link.person_id, link.cause, also)), *told]
        if link.cause or also:
            return group, [_journal(link.person_id, Moved(link.at, link.person_id, "", b"", link.cause, also)), *told]
        return group, told

    def _told(self, link: Link, moment: Moment) -> Output:
        link = links.sealed(self._secret, link, moment.partition, moment.offset)
        return Output("customer_events", links.key(link.identifier), events.encode(link), stage=Stage.LINK)

    def _link(self, incoming: Incoming) -> Link | None:
        origin = read_origin(incoming.headers)
        if origin is None or origin[0] != Stage.LINK:
            return None
        return links.opened(self._secret, incoming.value, origin[1], origin[2])

    def _own(self, name: str) -> str:
        return identity.person_id(self._secret, name)

    # --- keys -----------------------------------------------------------------------------------------------------------------

    def _rightly_keyed(self, event: Accepted, key: bytes | None, partition: int) -> bool:
        right = _right_key(event)
        if key == right or (key is not None and key[:1] == b'"' and key == b'"%b"' % right):
            return True
        return self._partition_of_key is not None and self._partition_of_key(right) == partition

    def _put_back(self, event: Accepted, incoming: Incoming, partition: int) -> Output:
        value = incoming.value or b""
        if not event.event_id:
            # Its id comes from its place; a second place must not make it a second event.
            event_id = contract.place_id(self._place(partition, incoming))
            value = orjson.dumps({**orjson.loads(value), "event_id": event_id})
        return Output("customer_events", _right_key(event), value, stage=Stage.REKEY)


def _journal(person_id: str, record: MergeOut | Moved | Unlink) -> Output:
    return Output("journal", person_id.encode(), events.encode(record))


def _right_key(event: Accepted) -> bytes:
    return (event.customer_id or event.anonymous_id or "").encode()
