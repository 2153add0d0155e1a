"""The reader's HTTP, on an insight worker's own listener: people, decisions and messages as JSON, for `kairos`, the gateway, dashboards.

Secure by default: with read keys each question needs one (`Authorization: Bearer`); without, only a loopback listener answers, and only to
who calls it by a loopback name, so that no web page can. Who belongs to another worker's partition gets 421 with that worker's address,
where the settings say who they are.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from app.domain.identity import person_id
from app.domain.reason import REASONS
from app.domain.sought import Sought
from app.edges.census import OUTCOMES
from app.edges.events_file import milliseconds
from app.edges.reader import Reader
from app.events import iso
from app.policy.fields import SNAKE
from app.settings import Settings

PEERS_S = 5.0
"""How long an answer about who has which partitions is good."""
ASK_S = 1.0
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
HASHED = "sha256:"
_PERSON = re.compile("[0-9a-f]{32}")
FILTERS = ("trigger", "reason", "outcome", "send", "since", "until")
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Answer(Exception):
    """What is answered instead: status, code, and what it means."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.told = status, {"code": code, "message": message, **more}


class ReaderHttp:
    """Routes under `/reader`. `host`: what the listener is bound to."""

    def __init__(self, worker: Any, host: str) -> None:
        self._settings: Settings = worker.settings
        self._reader = Reader(worker)
        self._keys = listed(self._settings.read_keys)
        self._loopback = host.strip("[]") in LOOPBACK
        self._peers: dict[str, tuple[float, list[int]]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/reader", self._about),
            web.get("/reader/people/{id}", self._guarded(self._person, "exact")),
            web.get("/reader/people/{id}/decisions", self._guarded(self._decisions, "exact", *FILTERS)),
            web.get("/reader/people/{id}/sends", self._guarded(self._sends, "exact")),
            web.get("/reader/sends/{id}", self._guarded(self._send)),
            web.get("/reader/decisions", self._guarded(self._page, "partition", "after", *FILTERS)),
        ]

    async def _about(self, request: web.Request) -> web.Response:
        """Which partitions are read here. Names nobody, so it needs no key: workers ask each other."""
        reader = self._reader
        told = {
            "ready": reader.ready,
            "partitions": reader.partitions,
            "of": reader.of,
            "lag": reader.lag,
            "profiles": reader.knows_everybody,
        }
        return web.json_response({**told, "readers": addresses(self._settings)})

    def _guarded(self, handler: Handler, *names: str) -> Handler:
        """`names`: what may be asked beside the path."""

        async def answered(request: web.Request) -> web.Response:
            held = self._reader.partitions
            try:
                self._may(request)
                _known(request, names)
                try:
                    return await handler(request)
                except Answer:
                    raise
                except Exception as error:
                    if held == self._reader.partitions:
                        raise
                    raise Answer(503, "restoring", "a partition went to another worker in the middle of this") from error
            except Answer as refusal:
                headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None
                return web.json_response(refusal.told, status=refusal.status, headers=headers)

        return answered

    def _may(self, request: web.Request) -> None:
        """Raises `Answer` for who may not ask."""
        if self._keys:
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not any(_same(key.strip(), one) for one in self._keys):
                raise Answer(401, "unauthorized", "a read key is needed: Authorization: Bearer KEY")
        elif not self._loopback:
            raise Answer(403, "no_read_keys", "this worker listens beyond loopback and has no KAIROS_READ_KEYS: it tells nothing of people")
        elif (request.url.host or "").strip("[]") not in LOOPBACK:
            raise Answer(403, "foreign_host", "ask by a loopback name, or set KAIROS_READ_KEYS")

    async def _person(self, request: web.Request) -> web.Response:
        person, profile = await self._found(request)
        hers = await asyncio.to_thread(self._reader.decisions, person)
        return _json(b'{"person_id":%b,"profile":%b,"decisions":%d}' % (orjson.dumps(person), profile or b"null", len(hers)))

    async def _decisions(self, request: web.Request) -> web.Response:
        sought = _sought(request)
        person, _ = await self._found(request)
        hers = await asyncio.to_thread(self._reader.decisions, person, sought)
        return _json(b'{"person_id":%b,"decisions":[%b]}' % (orjson.dumps(person), b",".join(hers)))

    async def _sends(self, request: web.Request) -> web.Response:
        person, _ = await self._found(request)
        hers = await asyncio.to_thread(self._reader.sends, person)
        return _json(b'{"person_id":%b,"sends":[%b]}' % (orjson.dumps(person), b",".join(hers)))

    async def _send(self, request: web.Request) -> web.Response:
        self._ready()
        found = await asyncio.to_thread(self._reader.send, request.match_info["id"])
        if found is not None:
            return _json(b'{"send":%b}' % found)
        if len(self._reader.partitions) == self._reader.of:
            raise Answer(404, "unknown", "no such message is kept (any more)")
        raise Answer(421, "elsewhere", "no such message of the partitions read here", readers=addresses(self._settings))

    async def _page(self, request: web.Request) -> web.Response:
        sought = _sought(request)
        try:
            partition = int(request.query.get("partition", ""))
            after = base64.urlsafe_b64decode(request.query.get("after", ""))
        except (ValueError, binascii.Error) as error:
            raise Answer(400, "bad_query", "`partition` is a number, `after` what the answer before said") from error
        await self._here(partition)
        page = await asyncio.to_thread(self._reader.page, partition, sought, after)
        await self._here(partition)  # it may have gone while it was read: then half an answer is none
        following = None if page.after is None else base64.urlsafe_b64encode(page.after).decode()
        return _json(b'{"decisions":[%b],"after":%b}' % (b",".join(page.rows), orjson.dumps(following)))

    async def _found(self, request: web.Request) -> tuple[str, bytes | None]:
        """(person id, profile) of a customer id, an anonymous id, a person id (`exact=1`: that alone). Raises `Answer`."""
        self._ready()
        asked = request.match_info["id"]
        persons = [asked] if _PERSON.fullmatch(asked) else []
        if request.query.get("exact") != "1":
            persons += [person_id(self._settings.secret, f"{kind}:{asked}") for kind in ("c", "a")]
        reader = self._reader
        for person in persons:
            if (profile := await asyncio.to_thread(reader.profile, person)) is not None:
                await self._here(reader.partition(person))
                return person, profile
        foreign = [one for one in persons if reader.partition(one) not in reader.partitions]
        for person in persons:
            if person not in foreign and len(await asyncio.to_thread(reader.decisions, person)):
                return person, None
        # Only the worker of each can say that there is nothing of her.
        for person in foreign:
            await self._here(reader.partition(person))
        raise Answer(404, "unknown", f"nothing is kept of {asked}")

    def _ready(self) -> None:
        if not self._reader.ready:
            raise Answer(503, "restoring", "this worker restores its state, or waits for its partitions")

    async def _here(self, partition: int) -> None:
        """Raises `Answer` if the partition is not read here."""
        self._ready()
        if not 0 <= partition < self._reader.of:
            raise Answer(400, "bad_query", f"there are {self._reader.of} partitions")
        if partition in self._reader.partitions:
            return
        address = await self._owner(partition)
        told = {"partition": partition, "readers": addresses(self._settings)} | ({} if address is None else {"address": address})
        raise Answer(421, "elsewhere", f"partition {partition} is read by another worker", **told)

    async def _owner(self, partition: int) -> str | None:
        """Who of the other workers says that it reads a partition."""
        now = time.monotonic()
        stale = [one for one in addresses(self._settings) if now - self._peers.get(one, (-PEERS_S, []))[0] >= PEERS_S]
        if stale:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S)) as session:
                for one, told in zip(stale, await asyncio.gather(*(_asked(session, one) for one in stale)), strict=True):
                    self._peers[one] = (now, told)
        return next((one for one, (_, mine) in self._peers.items() if partition in mine), None)


def listed(setting: str) -> list[str]:
    """What a setting lists, separated by commas."""
    return [one.strip() for one in setting.split(",") if one.strip()]


def addresses(settings: Settings) -> list[str]:
    """Where the settings say that readers answer."""
    return listed(settings.reader)


async def _asked(session: aiohttp.ClientSession, address: str) -> list[int]:
    try:
        async with session.get(f"http://{address}/reader") as answer:
            told = orjson.loads(await answer.read())
            return [int(one) for one in told["partitions"]]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return []


def _same(given: str, key: str) -> bool:
    if key.startswith(HASHED):
        return hmac.compare_digest(hashlib.sha256(given.encode()).hexdigest(), key.removeprefix(HASHED).lower())
    return hmac.compare_digest(given.encode(), key.encode())


def _known(request: web.Request, names: Collection[str]) -> None:
    """Raises `Answer` for a question that would be answered as if it was not asked."""
    for name in request.query:
        if name not in names:
            there = f"there is {', '.join(names)}" if names else "there is none here"
            raise Answer(400, "bad_query", f"unknown filter {name[:100]!r}: {there}")


def _sought(request: web.Request) -> Sought:
    """Raises `Answer` for what no decision can be."""
    given = {name: value for name in FILTERS if (value := request.query.get(name))}
    for name, values in (("outcome", OUTCOMES), ("reason", REASONS)):
        if (value := given.get(name)) is not None and value not in values:
            raise Answer(400, "bad_query", f"{name}: {value[:100]!r} is none; there is {', '.join(values)}")
    if "trigger" in given and not SNAKE.fullmatch(given["trigger"]):
        raise Answer(400, "bad_query", "trigger: a name in snake_case")
    for name in ("since", "until"):
        if name in given:
            at = milliseconds(given[name])
            if at is None or at < 0:
                raise Answer(400, "bad_query", f"{name}: no ISO 8601 time")
            given[name] = iso(at)
    if {"since", "until"} <= given.keys() and given["since"] >= given["until"]:
        raise Answer(400, "bad_query", "until comes after since: nothing lies between them")
    return Sought(**given)  # type: ignore[arg-type]


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")
