"""Plays a day (or a file) of events onto `customer_events`, the demo's clock beside it; then lets the days after it pass."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

import orjson

from app import events
from app.edges.demo_clock import DemoClock
from app.edges.events_file import Arrival
from app.events import Properties, derived_id

STRIDE_MS = 30 * 60_000
"""How far the clock moves at once without events while somebody waits for a message; a stretch in which nobody does is jumped."""
ASSUMED = ("email", "personalise")
"""Purposes given by people of whom the file says nothing, where asked to assume them."""


class Player:
    """`produce`: puts events on `customer_events`, returns once the broker has acked all. `keep_up`: returns when Kairos may have more.

    `next_due`: when the next message is due (ms), or None. `frame`: ms of the shop's time between two moves of the clock.
    """

    def __init__(
        self,
        clock: DemoClock,
        produce: Callable[[list[Arrival]], Awaitable[None]],
        keep_up: Callable[[], Awaitable[None]],
        next_due: Callable[[], int | None],
        frame: int,
    ) -> None:
        self._clock, self._produce, self._keep_up, self._next_due, self._frame = clock, produce, keep_up, next_due, frame

    async def play(self, arrivals: Iterable[Arrival], speed: float) -> AsyncIterator[int]:
        """Plays all arrivals at `speed` (seconds of the shop in a second), or as fast as Kairos can; yields the clock after each move."""
        clock = self._clock
        began, begin = time.monotonic(), clock.reached
        frame: list[Arrival] = []
        for arrival in arrivals:
            if arrival.at > clock.reached + self._frame:
                await self._produce(frame)
                frame = []
                upto = clock.reached + (arrival.at - clock.reached - 1) // self._frame * self._frame
                while clock.reached < upto:
                    clock.move(min(upto, self._stride(upto)))
                    await self._keep_up()
                    await asyncio.sleep(max(0.0, began + (clock.reached - begin) / 1000 / speed - time.monotonic()))
                    yield clock.reached
            frame.append(arrival)
        await self._produce(frame)
        clock.move(clock.reached + self._frame)
        yield clock.reached

    async def pass_time(self, until: int, pause_s: float) -> AsyncIterator[int]:
        """Lets time pass to `until`, resting `pause_s` after each move; yields the clock after each."""
        while self._clock.reached < until:
            self._clock.move(min(until, self._stride(until)))
            await asyncio.sleep(pause_s)
            await self._keep_up()
            yield self._clock.reached

    def _stride(self, until: int) -> int:
        due = self._next_due()
        # A frame's end, so that what is due has been reached; not later, or its follow-up would be late in turn.
        awaited = until if due is None else -(-due // self._frame) * self._frame
        return max(self._clock.reached + STRIDE_MS, awaited)


def with_assumptions(arrivals: Iterable[Arrival], consent: bool, address: bool) -> Iterator[Arrival]:
    """The arrivals, each person's first preceded by what a sign-in would have told: an address that cannot exist, consent."""
    known: set[bytes] = set()
    for arrival in arrivals:
        if arrival.key is not None and arrival.key not in known:
            known.add(arrival.key)
            yield from (_told(arrival, *one) for one in _sign_in(arrival.key, consent, address))
        yield arrival


def _sign_in(key: bytes, consent: bool, address: bool) -> Iterator[tuple[str, Properties]]:
    if address:
        name = derived_id("address", key.decode("utf-8", "replace"))[:16]
        yield "identify", {"traits": {"email": f"{name}@example.invalid"}}
    if consent:
        yield "consent_give", {"purposes": list(ASSUMED)}


def _told(arrival: Arrival, event_type: str, properties: Properties) -> Arrival:
    value = orjson.loads(arrival.value)
    who = {name: value[name] for name in ("customer_id", "anonymous_id") if isinstance(value.get(name), str)}
    event_id = derived_id("assumed", event_type, *who.values())
    told = {"event_id": event_id, "event_type": event_type, **who, "timestamp": events.iso(arrival.at), "properties": properties}
    return Arrival(arrival.at, arrival.key, orjson.dumps(told))
