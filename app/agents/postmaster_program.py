"""The postmaster's program: a plan that its address takes goes on to the renderer as it came; of any other it says why not.

Reads addressed_plans; keeps a row per address; writes message_plans, decisions, its answers on the journal, dead_letters.

There is no clock and no pack here: the span for which a message is the only one of its name comes with the plan, from the pack that was
active in its person's partition. So what comes out depends on the order of the topic alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app import events
from app.agents.answers import not_sent
from app.domain import mailbox
from app.domain.mailbox import EMPTY, Mailbox
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Addressed, AddressRecord, Plan, Undecodable, derived_id
from app.flow import Stage

TOPIC = "addressed_plans"
ROW = b"p"
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Mailbox).decode


class PostmasterProgram:
    """Repeats after a crash are told by their origins: writers are lanes and the renderer alone."""

    stage = Stage.POSTMASTER
    row_kinds = (ROW,)
    checks_origin = True

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()

    def read(self, incoming: Incoming) -> tuple[bytes, AddressRecord]:
        if not incoming.key:
            raise Refused("no_key", [{"path": "", "message": "without a key: to which address?"}])
        try:
            record: AddressRecord = events.addressed.decode(incoming.value)
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error
        return incoming.key, record

    def now(self, record: AddressRecord, marks: Marks) -> int:
        """No ticks on this topic: time is the record's own."""
        return record.at

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Mailbox:
        return EMPTY if bodies[0] is None else _decode(bodies[0])

    def step(self, group: Mailbox, record: AddressRecord, moment: Moment) -> tuple[Mailbox, list[Output]]:
        if isinstance(record, Addressed) and (why := mailbox.barred(group, record)) is not None:
            plan: Plan = events.plans.decode(record.plan)
            return group, not_sent(plan, "suppressed", {"address": why}, self._counts)
        after = mailbox.took(group, record)
        return after, [Output("message_plans", record.person_id.encode(), record.plan)] if isinstance(record, Addressed) else []

    def wake(self, group: Mailbox, moment: Moment) -> tuple[Mailbox, list[Output]]:
        """Never asked for: `due` is NEVER."""
        return group, []

    def due(self, group: Mailbox) -> int:
        return NEVER

    def dump(self, group: Mailbox, loaded: Mailbox | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(ROW, _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("postmaster", reason)
        letter_id = derived_id("dead", TOPIC, str(moment.partition), str(incoming.offset))
        return dead_letter(letter_id, "postmaster", TOPIC, moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Mailbox, incoming: Incoming) -> Mailbox:
        return group
