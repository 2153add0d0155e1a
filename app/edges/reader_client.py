"""Asking readers: over HTTP, whoever of the insight workers has the person's partition.

A cluster's readers share the partitions; one address is enough, if their settings name each other. Who asks gets all or nothing: a
partition that nobody reads just now (a rebalance, a restore) is `Unreachable`, and the topics are asked instead.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import orjson

from app.domain.sought import Sought
from app.edges.reader_http import HASHED, addresses, listed
from app.engine.partition import partition_of
from app.settings import Settings

T = TypeVar("T")
CONNECT_S = 2.0
ANSWER_S = 60.0
TRIES = 2
"""A partition may have moved since it was asked who has it."""


class Unreachable(RuntimeError):
    """No reader has what is asked for now; the message says why."""


@asynccontextmanager
async def readers(settings: Settings, asked: Sequence[str] = ()) -> AsyncIterator[Readers]:
    """The readers at these addresses, else at those of the settings. Raises `Unreachable`."""
    keys = [one for one in listed(settings.read_keys) if not one.startswith(HASHED)]
    headers = {"Authorization": f"Bearer {keys[0]}"} if keys else {}
    timeout = aiohttp.ClientTimeout(total=ANSWER_S, connect=CONNECT_S)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        found = Readers(session, list(asked) or addresses(settings))
        await found.look()
        yield found


async def with_readers(settings: Settings, asked: Sequence[str], work: Callable[[Readers | None], Awaitable[T]]) -> T:
    """What `work` says with readers, or without: where none is known, or none answers to this key with all it has; then it says so."""
    if not asked and not addresses(settings):
        return await work(None)
    try:
        async with readers(settings, asked) as found:
            return await work(found)
    except Unreachable as error:
        print(f"{error}; the topics are read instead", file=sys.stderr)
        return await work(None)


class Readers:
    """Where each partition is read; `look()` asks anew."""

    def __init__(self, session: aiohttp.ClientSession, known: list[str]) -> None:
        self._session, self._known = session, known
        self._place: dict[int, str] = {}
        self.of = 0

    async def look(self) -> None:
        """Who has which partition. Raises `Unreachable` unless each has somebody."""
        self._place, self.of = {}, 0
        waiting, met = list(self._known), set(self._known)
        why = "no address is known"
        while waiting:
            address = waiting.pop(0)
            try:
                told = await self._get(address, "/reader")
            except Unreachable as error:
                why = str(error)
                continue
            self.of = told["of"]
            self._place |= dict.fromkeys(told["partitions"], address)
            more = [one for one in told["readers"] if one not in met]
            waiting, met = waiting + more, met | set(more)
        if not self.of:
            raise Unreachable(why)
        if missing := [one for one in range(self.of) if one not in self._place]:
            raise Unreachable(f"nobody reads partition {', '.join(map(str, missing))} of {self.of} just now")

    async def decisions(self, person_id: str) -> list[bytes]:
        """A person's, in the order of their topic."""
        told = await self._of_person(person_id, f"/reader/people/{person_id}/decisions")
        return [] if told is None else list(map(orjson.dumps, told["decisions"]))

    async def sends(self, person_id: str) -> list[bytes]:
        """Her messages, as far as they are kept."""
        told = await self._of_person(person_id, f"/reader/people/{person_id}/sends")
        return [] if told is None else list(map(orjson.dumps, told["sends"]))

    async def send(self, send_id: str) -> bytes | None:
        """A message, whosever it is."""
        for address in dict.fromkeys(self._place.values()):
            told = await self._get(address, f"/reader/sends/{send_id}", missing=(404, 421))
            if told is not None:
                return orjson.dumps(told["send"])
        return None

    async def everybody(self, sought: Sought) -> AsyncIterator[bytes]:
        """Decisions of everybody, partition by partition, day by day."""
        asked = {"trigger": sought.trigger, "reason": sought.reason, "outcome": sought.outcome, "send": sought.send}
        asked |= {"since": sought.since, "until": sought.until}
        query = {name: value for name, value in asked.items() if value}
        for partition in range(self.of):
            after: str | None = ""
            while after is not None:
                told = await self._at(partition, "/reader/decisions", {**query, "partition": str(partition), "after": after})
                assert told is not None
                for one in told["decisions"]:
                    yield orjson.dumps(one)
                after = told["after"]

    async def _of_person(self, person_id: str, path: str) -> Any:
        return await self._at(partition_of(person_id.encode(), self.of), path, {"exact": "1"}, missing=(404,))

    async def _at(self, partition: int, path: str, query: dict[str, str], missing: tuple[int, ...] = ()) -> Any:
        for left in reversed(range(TRIES)):
            try:
                return await self._get(self._place[partition], path, query, missing)
            except Unreachable:
                if not left:
                    raise
                await self.look()
        raise AssertionError("unreachable")

    async def _get(self, address: str, path: str, query: dict[str, str] | None = None, missing: tuple[int, ...] = ()) -> Any:
        """The answer, None for a status among `missing`."""
        try:
            async with self._session.get(f"http://{address}{path}", params=query or {}) as answer:
                body = await answer.read()
                if answer.status in missing:
                    return None
                if answer.status != 200:
                    raise Unreachable(f"reader {address}: {_message(body)}")
                return orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise Unreachable(f"reader {address}: {error or 'no answer'}") from error


def _message(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
