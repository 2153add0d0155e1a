"""The recommender's program: what each person did with products lately, a row a person.

Reads journal; keeps tastes; writes dead_letters. Learning from the rows of everybody is refresh.py's.

Who becomes one with somebody keeps her row, and it says who she has become: learning takes both rows for one person's. So nothing has to
travel between partitions, and an operator's `people unlink` parts them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import events
from app.agents.table import Liked
from app.domain import consent, liking
from app.domain.liking import KINDS
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Event, MergeOut, Undecodable, Unlink, derived_id
from app.flow import Stage

MAX_LIKINGS = 50
"""Products of one person, the newest: what somebody liked long ago says little of what goes together today."""
MAX_ID = 200
HEARD = frozenset((*KINDS, "consent_give", "consent_withdraw"))


class Liking(Struct, frozen=True, array_like=True):
    """`at` in ms."""

    product_id: str
    kind: str
    at: int


class Tastes(Struct, frozen=True, array_like=True):
    """The row. `likings`: of each product and kind the newest, oldest first; `into`: whom she has become.

    `track`: her last word on being tracked, at `track_at` (ms); after a no nothing of hers is kept.
    """

    likings: tuple[Liking, ...] = ()
    into: str = ""
    track: bool | None = None
    track_at: int = 0


EMPTY = Tastes()


def after(tastes: Tastes, event: Event) -> Tastes:
    """With what the event shows; a repeat moves to the end."""
    said = consent.on_track(event.event_type, event.properties)
    if said is not None:
        if event.ts < tastes.track_at or (event.ts == tastes.track_at and said):
            return tastes  # a late record does not undo a later word; at one instant a no wins
        return replace(tastes, track=said, track_at=event.ts, likings=tastes.likings if said else ())
    if tastes.track is False:
        return tastes
    told = list(liking.of_event(event.event_type, event.properties))
    if not told:
        return tastes
    found = {(one.product_id, one.kind): one for one in tastes.likings}
    for kind, product in told:
        key = (product.product_id[:MAX_ID], kind)
        before = found.pop(key, None)
        at = event.ts if before is None else max(event.ts, before.at)
        found[key] = Liking(*key, at)
    kept = sorted(found.values(), key=lambda one: one.at)[-MAX_LIKINGS:]
    return tastes if tuple(kept) == tastes.likings else replace(tastes, likings=tuple(kept))


def likings(person_id: str, tastes: Tastes, silence_tracks: bool) -> Iterator[Liked]:
    """What a row says, as it is learned from. `silence_tracks`: whether who has said nothing of `track` may be kept."""
    if not (tastes.track or (tastes.track is None and silence_tracks)):
        return iter(())
    return (Liked(person_id, one.product_id, one.kind, one.at) for one in tastes.likings)


class RecommenderProgram:
    """`counts`: the worker's."""

    stage = Stage.RECOMMENDER
    row_kinds = (b"p",)
    checks_origin = True

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or Counts()

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        """What concerns no row has no key: time, artifacts and all the lane's own records."""
        try:
            record = events.journal.decode(incoming.value)
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error
        if isinstance(record, Event):
            # A machine's events would make everything like everything.
            return (record.person_id.encode(), record) if record.event_type in HEARD and not record.bot else (None, None)
        return (record.person_id.encode(), record) if isinstance(record, MergeOut | Unlink) else (None, None)

    def now(self, record: Any, marks: Marks) -> int:
        return marks.now

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Tastes:
        return EMPTY if bodies[0] is None else _tastes(bodies[0])

    def step(self, group: Tastes | None, record: Any, moment: Moment) -> tuple[Tastes | None, list[Output]]:
        if group is None or record is None:
            return group, []
        if isinstance(record, Event):
            return after(group, record), []
        into = record.into if isinstance(record, MergeOut) else ""
        return (group if into == group.into else replace(group, into=into)), []

    def wake(self, group: Tastes, moment: Moment) -> tuple[Tastes, list[Output]]:
        return group, []

    def due(self, group: Tastes) -> int:
        return NEVER

    def dump(self, group: Tastes, loaded: Tastes | None) -> list[tuple[bytes, bytes]]:
        return [] if group is loaded else [(b"p", _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("recommender", reason)
        letter_id = derived_id("dead", "tastes", str(moment.partition), str(incoming.offset))
        return dead_letter(letter_id, "recommender", "journal", moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Tastes | None, incoming: Incoming) -> Tastes | None:
        """One liking is missing from what is learned."""
        return group


_encode = msgspec.msgpack.Encoder().encode
_tastes = msgspec.msgpack.Decoder(Tastes).decode
