"""What a lane runs: the contract between the engine's turns and an agent's program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from app.engine.origin import Marks
from app.events import Broadcast
from app.flow import Stage


class Incoming(Protocol):
    """A record as aiokafka hands it out; the in-memory journal has the same fields."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Output(Struct):
    """A derived record. `partition` None: by key. `stage` None: the program's own. `headers` are filled in by the turn.

    `value` empty: a tombstone, since every record that says anything has bytes.
    """

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None = None
    stage: Stage | None = None
    headers: list[tuple[str, bytes]] = []


class Moment(Struct):
    """What a step may know besides record and state: journal time (ms), the low-water mark, active artifacts, and where it stands."""

    now: int
    low_water: int
    interval: int
    active: dict[str, str]
    partition: int
    offset: int


class Refused(ValueError):
    """The bytes break the contract: goes to dead_letters with every reason; no state changes. `reason`: contract, undecodable, no_key."""

    def __init__(self, reason: str, violations: list[dict[str, str]]) -> None:
        super().__init__(reason)
        self.reason, self.violations = reason, violations


class TooLarge(ValueError):
    """A state over 256 KiB or an output over 512 KiB: fails the record, never the process."""


class Program(Protocol):
    """What a lane does with its source: decoding, state and steps of one agent, or of the lane's five.

    A group is all rows of one key (a person, an identifier); it is replaced, never mutated, so a step that raises is rolled back by
    keeping the old one.
    """

    @property
    def stage(self) -> Stage: ...
    @property
    def row_kinds(self) -> tuple[bytes, ...]:
        """First the main row, the one that carries `due`; empty for a program that keeps only marks."""

    @property
    def checks_origin(self) -> bool:
        """False only where writers are outside Kairos: a forged header must not poison the marks."""

    def read(self, incoming: Incoming) -> tuple[bytes | None, Any]:
        """Group key (None: no state) and record. Raises `Refused`."""

    def now(self, record: Any, marks: Marks) -> int:
        """Journal time at this record (ms)."""

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Any:
        """The group of a key, from its rows' bodies in the order of `row_kinds`."""

    def step(self, group: Any, record: Any, moment: Moment) -> tuple[Any, list[Output]]:
        """One record. Pure."""

    def wake(self, group: Any, moment: Moment) -> tuple[Any, list[Output]]:
        """A due wake-up. Pure. The group's next due must lie after `moment.low_water`."""

    def due(self, group: Any) -> int:
        """When the group wants to be woken next (ms), or NEVER."""

    def dump(self, group: Any, loaded: Any) -> list[tuple[bytes, bytes]]:
        """(row kind, body) of each row that differs from `loaded`, the main row first; `loaded` None: every row there is."""

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        """The dead letter of a record that could not be applied."""

    def fault(self, group: Any, incoming: Incoming) -> Any:
        """The group after its record raised: flagged, so that nobody gets a message decided on half a history."""


class Concerned(Protocol):
    """What a program is, too, whose table has an index of tags: some records concern everybody who is found by one."""

    def asked(self, record: Broadcast, moment: Moment) -> Sequence[bytes]:
        """Tags of those whom the record concerns; each is stepped with it, in the order of keys, in slices. None: nobody is."""


def journal_now(at: int, marks: Marks) -> int:
    """`now` at a record: max(last tick, min(at, last tick + one interval)); before a partition's first tick `at` itself (design.md 1.2)."""
    return max(marks.now, min(at, marks.now + marks.interval)) if marks.now else at
