"""A broker in memory that loses acks, lets sends of dead and of stopped workers land late, and compacts changelogs.

A request is on its way until the scheduler lets it land (`Broker.land`), and its ack is on its way until it is delivered: so anything may
happen in between. Requests of one worker to one partition keep their order, as an idempotent producer's do; all others overtake freely.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from app.engine.partition import partition_of

Place = tuple[str, int]
"""(topic, partition)"""

DEAD = "†"
"""Marks a sender whose process is gone."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A record in a partition, with the fields a turn reads."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(slots=True, eq=False)
class Request:
    """One produce request. `acked` is what the sender knows; `landed` what is true."""

    sender: str
    place: Place
    records: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]]
    base: int = -1
    landed: bool = False
    acked: bool = False


@dataclass(slots=True)
class Partition:
    """A log; holes only by compaction. `end`: offset of the next record. `history`: what compaction took, too, for the oracle.

    `active`: where the newest write begins. The cleaner never reads the active segment, and a segment is only closed by a later write.
    """

    records: list[Stored] = field(default_factory=list)
    history: list[Stored] = field(default_factory=list)
    end: int = 0
    active: int = 0


def right_partition(key: bytes | None, partitions: int) -> int:
    """As Kafka's default partitioner places a key; without one, the first."""
    return 0 if key is None else partition_of(key, partitions)


class Broker:
    """Topics, requests on their way, committed offsets and the group's generation; the only thing that outlives every worker."""

    def __init__(self, rng: Random, partitions: int) -> None:
        self.rng, self.partitions = rng, partitions
        self.now = 0
        self.logs: dict[Place, Partition] = {}
        self.committed: dict[Place, int] = {}
        self.owner: dict[int, str] = {}
        """Partition number → member that owns it in this generation, in all topics (they are co-partitioned)."""
        self.generation = 0
        self.held: set[str] = set()
        """Senders whose requests are stuck (stopped with them in a buffer, or dead with them in a socket) until they come loose."""
        self._ways: dict[tuple[str, Place], deque[Request]] = {}

    def log(self, topic: str, partition: int) -> Partition:
        return self.logs.setdefault((topic, partition), Partition())

    def place(self, topic: str, key: bytes | None) -> Place:
        return topic, right_partition(key, self.partitions)

    # --- producing -------------------------------------------------------------------------------------------------------------

    def send(self, request: Request) -> Request:
        self._ways.setdefault((request.sender, request.place), deque()).append(request)
        return request

    def append(self, place: Place, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()) -> int:
        """Writes a record at once (outside producers: the workload)."""
        log = self.log(*place)
        record = Stored(log.end, self.now, key, value, headers)
        log.records.append(record)
        log.history.append(record)
        log.end += 1
        return log.end - 1

    @property
    def on_the_way(self) -> bool:
        return any(way[0] not in self.held for way in self._ways)

    def senders(self) -> list[str]:
        """Who has a changelog request on its way."""
        return sorted({sender for sender, (topic, _) in self._ways if topic.endswith("-changelog")})

    def land(self) -> None:
        """One thing that is on its way arrives: the oldest request of some (sender, partition), or its ack."""
        ways = [way for way in self._ways if way[0] not in self.held]
        way = ways[self.rng.randrange(len(ways))]
        queue = self._ways[way]
        for request in queue:
            if not request.landed:
                self._write(request)
                if self.rng.random() < 0.5:
                    return
                break
        if queue[0].landed:
            queue.popleft().acked = True
        if way[0].endswith(DEAD):
            while queue and queue[0].landed:
                queue.popleft()
        if not queue:
            del self._ways[way]

    def _write(self, request: Request) -> None:
        log = self.log(*request.place)
        request.base = log.active = log.end
        request.landed = True
        for key, value, headers in request.records:
            self.append(request.place, key, value, headers)

    def sender_died(self, sender: str) -> None:
        """Its sockets are gone: of each partition's requests a first part still arrives, now or later; nobody gets the acks."""
        for way in [way for way in self._ways if way[0] == sender]:
            queue = self._ways.pop(way)
            waiting = [request for request in queue if not request.landed]
            late = waiting[: self.rng.randint(0, len(waiting))]
            if late and self.rng.random() < 0.5:
                for request in late:
                    self._write(request)
            elif late:
                self._ways[sender + DEAD, way[1]] = deque(late)
                self.held.add(sender + DEAD)

    # --- consuming -------------------------------------------------------------------------------------------------------------

    def fetch(self, place: Place, offset: int, limit: int) -> list[Stored]:
        """Records from `offset` on of a topic that is not compacted."""
        return self.log(*place).records[offset : offset + limit]

    def commit(self, place: Place, offset: int, generation: int) -> None:
        """Refused, as by Kafka, unless the generation is the group's. Never goes back (I9)."""
        if generation != self.generation:
            return
        assert offset >= self.committed.get(place, 0), f"{place}: commit went back from {self.committed[place]} to {offset}"
        assert offset <= self.log(*place).end, f"{place}: committed {offset} beyond the end"
        self.committed[place] = offset

    def compact(self, topic: str, before: int) -> None:
        """Of the records older than `before` (ms) and before the active segment only the last of each key stays."""
        for number in range(self.partitions):
            log = self.log(topic, number)
            closed = [record for record in log.records if record.timestamp < before and record.offset < log.active]
            last = {record.key: record.offset for record in closed}
            log.records = [record for record in closed if last[record.key] == record.offset] + log.records[len(closed) :]
