"""A language model behind any OpenAI-compatible endpoint (`POST …/chat/completions`): one question, one answer, everything bounded."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from msgspec import Struct

MAX_ANSWER = 1_000_000
"""Bytes of an answer, unpacked; what is longer is cut off and refused."""
CONNECT_S = 10.0
PATH = "/chat/completions"


class ChatFailed(RuntimeError):
    """The endpoint gave no answer; the message says why, in one line, and never names the key."""


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    message: _Message


class _Answer(Struct):
    choices: list[_Choice]


class Endpoint(Struct, frozen=True):
    """`url`: of the API or of its chat itself; `seconds`: for one answer, all told."""

    url: str
    key: str
    model: str
    seconds: float = 60.0

    @property
    def address(self) -> str:
        """Where questions go. Raises `ChatFailed` for an address that cannot be one, and for a key that would travel unencrypted."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChatFailed(f"{_named(self.url)}: not an http or https address")
        if parts.scheme == "http" and self.key and not _here(parts.hostname):
            raise ChatFailed(f"{_named(self.url)}: a key does not go over plain http to another machine; use https")
        path = parts.path.rstrip("/")
        path = path if path.endswith(PATH) else f"{path or '/v1'}{PATH}"
        return parts._replace(path=path, fragment="").geturl()


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _named(url: str) -> str:
    """Without user, password and query: what may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def answer(endpoint: Endpoint, messages: Sequence[dict[str, str]]) -> str:
    """What the model says. Raises `ChatFailed`."""
    return asyncio.run(_answer(endpoint, messages))


async def _answer(endpoint: Endpoint, messages: Sequence[dict[str, str]]) -> str:
    address = endpoint.address
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    body: dict[str, Any] = {"model": endpoint.model, "messages": list(messages), "response_format": {"type": "json_object"}}
    timeout = aiohttp.ClientTimeout(total=endpoint.seconds, connect=min(CONNECT_S, endpoint.seconds))
    try:
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            status, raw, wait = await _post(session, address, body)
            if status == 400 and b"response_format" in raw:  # older endpoints know none
                del body["response_format"]
                status, raw, wait = await _post(session, address, body)
    except TimeoutError as error:
        raise ChatFailed(f"{_named(address)}: no answer within {endpoint.seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ChatFailed(f"{_named(address)}: {' '.join(str(error).split()) or type(error).__name__}") from error
    if status != 200:
        raise ChatFailed(f"{_named(address)}: {_refusal(status, wait)}")
    try:
        said = msgspec.json.decode(raw, type=_Answer).choices[0].message.content
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise ChatFailed(f"{_named(address)}: not the answer of a chat: {error}") from error
    if not said:
        raise ChatFailed(f"{_named(address)}: an empty answer")
    return said


async def _post(session: aiohttp.ClientSession, address: str, body: dict[str, Any]) -> tuple[int, bytes, str]:
    """(status, body, Retry-After). Redirections are not followed: the key is for this address."""
    async with session.post(address, json=body, allow_redirects=False) as response:
        raw = bytearray()
        async for piece in response.content.iter_chunked(65_536):
            raw += piece
            if len(raw) > MAX_ANSWER:
                raise ChatFailed(f"{_named(address)}: an answer of more than {MAX_ANSWER:,} bytes")
        return response.status, bytes(raw), response.headers.get("Retry-After", "")


def _refusal(status: int, wait: str) -> str:
    if status in (401, 403):
        return f"{status}, it does not take the key (KAIROS_COPY_KEY)"
    if status == 404:
        return "404, no such address, or no such model (KAIROS_COPY_URL, KAIROS_COPY_MODEL)"
    if status == 429:
        return "429, too many requests, or nothing left to spend" + (f"; it says to wait {wait} s" if wait.isdigit() else "")
    if 300 <= status < 400:
        return f"{status}, it sends us elsewhere, and the key is for this address alone"
    return f"it answers {status}"
