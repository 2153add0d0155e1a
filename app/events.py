"""Every record on a topic, one typed struct each.

Inside (`journal`, `control`, `addressed_plans`, `message_plans`) records are msgpack arrays with a kind as tag; on the outside topics
they are JSON. Times are integers: milliseconds since 1970 UTC. Money is an integer of ten-thousandths (`units`). Fields marked `Personal`
name a person or a way to reach one; they stay out of logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

ENCODING = 4
"""Version byte in front of every encoded internal record and state; raised when a struct changes in a way msgspec cannot read."""

Personal = Meta(extra={"personal": True})
"""Marks a field that names a person or a way to reach one."""

Properties = dict[str, Any]


def derived_id(*causes: str) -> str:
    """An id from its causes (design.md 1.5): 32 hex digits of BLAKE2b over the causes, each with its length. Same causes, same id."""
    taken = _UNBEGUN.copy()  # a third of what a hash made anew costs
    taken.update("".join([f"{len(cause)}:{cause}" for cause in causes]).encode())
    return taken.hexdigest()


@lru_cache(maxsize=1_024)
def begun(*causes: str) -> blake2b:
    """The hash of ids whose first causes are these, for `id_of_three`: of what ids are made by the thousand there are few kinds."""
    taken = _UNBEGUN.copy()
    taken.update("".join([f"{len(cause)}:{cause}" for cause in causes]).encode())
    return taken


def id_of_three(first: blake2b, one: str, two: str, three: str) -> str:
    """`derived_id` of the causes that `first` has begun with and three more, in half the time."""
    taken = first.copy()
    taken.update(f"{len(one)}:{one}{len(two)}:{two}{len(three)}:{three}".encode())
    return taken.hexdigest()


_UNBEGUN = blake2b(digest_size=16)


# --- journal ------------------------------------------------------------------------------------------------------------------


class Record(Struct, frozen=True, array_like=True, gc=False):
    """What every internal record has: `at`, its time on the journal's clock (ms)."""

    at: int


class Event(Record, frozen=True, array_like=True, tag="event", gc=False):
    """An accepted customer event. `ts` is the shop's time, `at` the broker's; `properties` holds all properties, known and unknown."""

    event_id: str
    event_type: str
    ts: int
    person_id: str
    customer_id: Annotated[str | None, Personal] = None
    anonymous_id: Annotated[str | None, Personal] = None
    properties: Annotated[Properties, Personal] = {}
    context: Annotated[Properties, Personal] = {}
    future: bool = False
    """The shop's timestamp lay more than 10 minutes ahead; `ts` is the broker's time."""
    bot: bool = False
    """The identifier sent more events in an hour than a person can; it opens no windows."""


class Tick(Record, frozen=True, array_like=True, tag="tick", gc=False):
    """Time passing. `low_water`: every customer event the broker had by then is in the journal. `interval`: ms between ticks."""

    low_water: int
    interval: int


class Activation(Record, frozen=True, array_like=True, tag="activation", gc=False):
    """From here on artifact `ref` (`name@hash`) is the active one of its `kind` ("policy")."""

    kind: str
    ref: str


class Link(Record, frozen=True, array_like=True, tag="link", gc=False):
    """`identifier` turned out to be `person_id`.

    On `customer_events`, under the old identifier: intake's own word to the partition that owns it, sealed, since outsiders write there
    (app/domain/links.py). On the journal, under the new person: she waits for what the identifier's person hands over under `cause`.
    """

    identifier: Annotated[str, Personal]
    person_id: str
    """Empty: nobody's any more, an operator says so."""
    cause: str
    """Empty: nobody waits for an answer."""
    before: str = ""
    """Whom it may have belonged to until now; it is not taken from anybody else."""
    seal: str = ""


class MergeOut(Record, frozen=True, array_like=True, tag="merge_out", gc=False):
    """Asks the old person's partition to hand everything it keeps to `into`. `also`: what the new person has to wait for beside it."""

    person_id: str
    into: str
    cause: str
    also: tuple[str, ...] = ()


class Moved(Record, frozen=True, array_like=True, tag="moved", gc=False):
    """All agents' state of `source`, on its way to the person it became; empty if there is none (any more): then it only answers `cause`.

    `via`: people it passed, whose stubs sent it on.
    """

    person_id: str
    source: str
    state: Annotated[bytes, Personal]
    cause: str
    also: tuple[str, ...] = ()
    via: tuple[str, ...] = ()


class Unlink(Record, frozen=True, array_like=True, tag="unlink", gc=False):
    """An operator parted this identifier's own person from the one she was merged into: from now on she is somebody again."""

    person_id: str
    cause: str


class Conclusion(Record, frozen=True, array_like=True, tag="conclusion", gc=False):
    """What an agent of the lane found out at this record, handed to the lane's agents in the same step and published for everybody else.

    `cause` is the event id (for a conclusion by time: a derived id); `values` is small JSON.
    """

    person_id: str
    kind: str
    value: str
    ts: int
    cause: str
    values: Properties = {}


class Broadcast(Record, frozen=True, array_like=True, tag="broadcast", gc=False):
    """A change of a product that a pack asked for; one record to each journal partition."""

    product_id: str
    change: str
    values: Properties = {}


class Rendered(Record, frozen=True, array_like=True, tag="rendered", gc=False):
    """The renderer published the planned message."""

    person_id: str
    send_id: str
    window_id: str
    trigger: str
    step: int
    message: str = ""
    channel: str = "email"
    offer: Annotated[Properties, Personal] = {}
    """What the message offers her, with its code, if it is an offer she did not hold before."""


class NotRendered(Record, frozen=True, array_like=True, tag="not_rendered", gc=False):
    """The renderer could not make the planned message; `reason` is one of interface.md section 4."""

    person_id: str
    send_id: str
    window_id: str
    trigger: str
    step: int
    reason: str


class Retry(Record, frozen=True, array_like=True, tag="retry", gc=False):
    """A journal record that once raised in the lane, fed back by `kairos replay dead_letters`; `record` is its encoded value."""

    person_id: str
    letter_id: str
    record: bytes


JournalRecord = Event | Tick | Activation | Link | MergeOut | Moved | Unlink | Conclusion | Broadcast | Rendered | NotRendered | Retry


# --- control ------------------------------------------------------------------------------------------------------------------


class Progress(Record, frozen=True, array_like=True, tag="progress", gc=False):
    """Intake's acked positions on `customer_events`: partition → next offset to read. Facts: the clock takes the maximum."""

    positions: dict[int, int]


class Activate(Record, frozen=True, array_like=True, tag="activate", gc=False):
    """Asks the clock to make `ref` active in every journal partition."""

    kind: str
    ref: str


class LeaveOut(Record, frozen=True, array_like=True, tag="leave_out", gc=False):
    """An operator's decision to run the low-water clock without a partition of `customer_events` (`until` ms; 0 takes it back)."""

    partition: int
    until: int


ControlRecord = Progress | Activate | LeaveOut


# --- message_plans ------------------------------------------------------------------------------------------------------------


class Plan(Record, frozen=True, array_like=True, tag="plan", gc=False):
    """A message that is due and passed every gate. `view` is what templates may read: person, profile, event, window, recent products."""

    send_id: str
    window_id: str
    person_id: str
    customer_id: Annotated[str | None, Personal]
    channel: str
    trigger: str
    step: int
    message: str
    policy: str
    """`name@hash` of the pack the window was opened under."""
    opened_at: int
    due_at: int
    expires_at: int
    to_address: Annotated[str, Personal]
    """In its channel: an e-mail address, a telephone number (E.164), a push token."""
    to_name: Annotated[str | None, Personal]
    cause: list[str]
    values: Properties
    """What the gates saw; goes into the `sent` decision."""
    view: Annotated[Properties, Personal]
    arms: list[tuple[str, str]] = []
    """(experiment, arm) as drawn at the opening."""
    models: dict[str, str] = {}
    """Kind of artifact → the one that was active when it was planned: what it was decided by, and what may go into the message."""
    taste: Annotated[list[tuple[int, str, int]], Personal] = []
    """(fingerprint of a product, what she did with it, at), newest first; only where a template reads `recommendations`."""
    creative: dict[str, str] = {}
    """Factor → the variant chosen for this message."""


# --- addressed_plans ----------------------------------------------------------------------------------------------------------


class Addressed(Record, frozen=True, array_like=True, tag="addressed", gc=False):
    """A plan on its way to its address. `plan`: the record as `message_plans` gets it, byte for byte, if the address takes it."""

    person_id: str
    send_id: str
    message: str
    plan: Annotated[bytes, Personal]
    span: int = 0
    """For how long the address takes no message of this name for anybody else (ms), by the pack that was active; 0: that is no matter."""
    transactional: bool = False


class Closing(Record, frozen=True, array_like=True, tag="closing", gc=False):
    """Whether an address is closed as far as a person is concerned: `why` is hard_bounce, complaint or unsubscribed; empty: it is open."""

    person_id: str
    why: str


class Became(Record, frozen=True, array_like=True, tag="became", gc=False):
    """`was` is this person now: what went to the address for the one, or was said by it, is the other's."""

    person_id: str
    was: str


class Unwritten(Record, frozen=True, array_like=True, tag="unwritten", gc=False):
    """The renderer could not make this message: nothing of it went to the address."""

    person_id: str
    send_id: str


AddressRecord = Addressed | Closing | Became | Unwritten


# --- outside topics (JSON) ------------------------------------------------------------------------------------------------------


class PolicyName(Struct, frozen=True):
    """Pack name and version (the artifact's hash) as outside records carry it."""

    name: str
    version: str


class Send(Struct, frozen=True):
    """A finished message on `message_sends`; a consumer needs nothing else to deliver it (interface.md section 4)."""

    send_id: str
    window_id: str
    person_id: str
    customer_id: Annotated[str | None, Personal]
    channel: str
    trigger: str
    step: int
    message: str
    policy: PolicyName
    opened_at: str
    due_at: str
    decided_at: str
    expires_at: str
    to: Annotated[dict[str, str | None], Personal]
    from_: str = msgspec.field(name="from")
    reply_to: str | None
    subject: Annotated[str, Personal]
    preheader: Annotated[str, Personal]
    html: Annotated[str, Personal]
    text: Annotated[str, Personal]
    headers: Annotated[dict[str, str], Personal]
    arms: list[dict[str, str]]
    offer: dict[str, Any] | None
    recommendations: list[str]
    cause: list[str]
    versions: dict[str, Any]


class Decision(Struct, frozen=True):
    """Why something was opened, scheduled, held, cancelled, sent or not sent (interface.md section 4)."""

    decision_id: str
    window_id: str
    person_id: str
    customer_id: Annotated[str | None, Personal]
    trigger: str
    step: int
    outcome: str
    reason: str | None
    at: str
    due_at: str | None
    cause: list[str]
    values: Properties
    policy: PolicyName
    send_id: str | None


class Fact(Struct, frozen=True, array_like=True):
    """Somebody moved, at a time in ms, from one bin of a population's figure to another. None: she is new to it, or leaves it."""

    at: int
    figure: str
    old: int | str | None
    new: int | str | None


class Counted(Record, frozen=True, array_like=True, tag="counted", gc=False):
    """What somebody is counted as has changed: (figure, old, new) of each. No person is named."""

    changes: tuple[tuple[str, int | str | None, int | str | None], ...]

    @property
    def facts(self) -> list[Fact]:
        return [Fact(self.at, *change) for change in self.changes]


FactsRecord = Counted | Tick


class DeadLetter(Struct, frozen=True):
    """What could not be accepted: the bytes (base64 `value`), every reason, and where it came from."""

    letter_id: str
    stage: str
    reason: str
    """contract, too_large, undecodable, no_key, defect"""
    violations: list[dict[str, str]]
    """`{"path": "/properties/price", "message": "…"}` each."""
    at: str
    topic: str
    partition: int
    offset: int
    key: Annotated[str | None, Personal]
    """base64, as received"""
    value: Annotated[str, Personal]
    """base64, as received; cut at 256 KiB"""
    truncated: bool = False


class Artifact(Struct, frozen=True):
    """One chunk of an immutable artifact, or the pointer to the active one of a kind (`ref`, no `data`).

    Keys on `artifacts`: `name@hash/CHUNK` for chunks, `active/KIND` for the pointer.
    """

    kind: str
    ref: str
    chunk: int = 0
    chunks: int = 1
    data: str = ""
    """base64"""


# --- coding -------------------------------------------------------------------------------------------------------------------

_encoder = msgspec.msgpack.Encoder()
_json = msgspec.json.Encoder(order="deterministic")
_struct = msgspec.json.Encoder()
_VERSION = bytes([ENCODING])


def encode(record: Struct) -> bytes:
    """An internal record: the version byte, then msgpack."""
    return _VERSION + _encoder.encode(record)


def encode_json(record: Struct | Mapping[str, Any]) -> bytes:
    """An outside record: JSON, fields in a fixed order, so that the same record is the same bytes."""
    return _struct.encode(record) if isinstance(record, Struct) else _json.encode(record)


class Undecodable(ValueError):
    """The bytes are no record of the topic: a wrong version byte, broken msgpack, or a shape that no struct has."""


class Codec:
    """Decoder of one internal topic's union of records."""

    known: ClassVar[dict[str, Codec]] = {}

    def __init__(self, topic: str, union: Any) -> None:
        self._decode = msgspec.msgpack.Decoder(union).decode
        Codec.known[topic] = self

    def decode(self, value: bytes | None) -> Any:
        """The typed record. Raises `Undecodable`."""
        if not value or value[0] != ENCODING:
            raise Undecodable(f"version byte {value[0] if value else 'missing'}, expected {ENCODING}")
        try:
            return self._decode(memoryview(value)[1:])
        except msgspec.MsgspecError as error:
            raise Undecodable(str(error)) from error


journal = Codec("journal", JournalRecord)
control = Codec("control", ControlRecord)
plans = Codec("message_plans", Plan)
addressed = Codec("addressed_plans", AddressRecord)
facts = Codec("facts", FactsRecord)


@lru_cache(maxsize=32_768)
def iso(ms: int) -> str:
    """ISO 8601 UTC with milliseconds, the only form of time on the outside topics."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=65_536)
def _second(seconds: int) -> str:
    """`YYYY-MM-DDThh:mm:ss` of seconds since 1970; cached, as the whole instant is, since records of one moment share it."""
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


_EPOCH = datetime(1970, 1, 1)
