"""How often the broker is asked for records: seldom for what outsiders write, at once for what Kairos writes to itself.

aiokafka has one fetch under way per broker, for all topics. With one pace for all of them every hop of an event waits for the same slow
beat, three times until its message is out. So each broker is asked in two ways, each over a connection of its own (a broker answers the
requests of one connection one after the other, a waiting fetch would hold the other up, and the coordinator's questions too).
"""

from __future__ import annotations

import asyncio
from collections.abc import Set
from typing import Any, NamedTuple

FETCH_WAIT_MS = 100
"""How long a fetch waits for the first byte. After a rebalance the first one waits behind the last of before, so it is not longer."""
ENTRY_PAUSE_S = 0.02
"""Between two fetches of what outsiders write; what comes meanwhile is one turn, and small turns are what costs CPU at 1,000 events/s."""
INNER_PAUSE_S = 0.01
"""The same of what Kairos writes: gathers the outputs of lanes that run side by side. Both pauses were only tried together, a run or two
of 15 s each at 1,000 events/s and 8 partitions: entry/inner 15/4 ms took 0.68 of a core (p50 26 ms), 20/6 0.55-0.58 (31-34), 20/10
0.43-0.52 (35), one beat of 20 ms for all topics 0.47 (67)."""
ENTRY, INNER = 10, 11
"""Groups of connections, beside aiokafka's own 0 and 1."""
PAUSES = {ENTRY: ENTRY_PAUSE_S, INNER: INNER_PAUSE_S}


class Way(NamedTuple):
    """What aiokafka's fetcher takes for a broker's id."""

    broker: int
    group: int


class _Client:
    """The fetcher's client: fetches take the connection of their way, after its pause. Everything else is the real client's."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._next: dict[Way, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, to: int | Way, request: Any) -> Any:
        if not isinstance(to, Way):
            return await self._client.send(to, request)
        loop = asyncio.get_running_loop()
        # The pause is as if the request took longer; positions that move meanwhile are looked at when the answer comes.
        if (pause := self._next.get(to, 0.0) - loop.time()) > 0:
            await asyncio.sleep(pause)
        self._next[to] = loop.time() + PAUSES[to.group]
        return await self._client.send(to.broker, request, group=to.group)


def pace(fetcher: Any, entry: Set[str]) -> None:
    """Makes an aiokafka `Fetcher` ask in two ways; `entry`: topics (with prefix) that outsiders write to."""
    leader = fetcher._select_read_replica

    def way(place: Any) -> Any:
        broker = leader(place)
        state = fetcher._subscriptions.subscription.assignment.state_value(place)
        if broker is None or broker == -1 or not state.has_valid_position:
            return broker  # a position is looked up under the broker's own id: the fetcher must see that it is at it already
        return Way(broker, ENTRY if place.topic in entry else INNER)

    fetcher._select_read_replica = way
    fetcher._client = _Client(fetcher._client)
