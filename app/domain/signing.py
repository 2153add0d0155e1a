"""Signed links and sealed records: a token says what it is for, and everything that decides what it does is under the signature."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache

import orjson

VERSION = "1"
MAC_BYTES = 24
"""Of HMAC-SHA256; GitHub's well-known 8-byte example can be searched for, 16 is the least that is accepted."""
MAX_TOKEN = 4_096
"""A longer token is refused before it is read."""


def sign(secret: str, purpose: str, fields: Iterable[str]) -> str:
    """A URL-safe token of `fields` for one purpose: `version.kid.payload.mac`. Same input, same token; it never expires by itself."""
    payload = _text(orjson.dumps(list(fields)))
    head = f"{VERSION}.{kid(secret)}.{payload}"
    return f"{head}.{_text(_mac(secret, purpose, head))}"


def seal(secret: str, purpose: str, fields: Iterable[str]) -> str:
    """The signature alone, for a record that carries its fields itself."""
    return _text(_mac(secret, purpose, orjson.dumps(list(fields)).decode()))


def verify(secrets: Iterable[str], purpose: str, token: str) -> list[str] | None:
    """The fields of a token that one of our secrets signed for this purpose, or None. Old secrets stay in the list while links live."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 4 or parts[0] != VERSION or not token.isascii():
        return None
    head = token.rpartition(".")[0]
    for secret in secrets:
        if hmac.compare_digest(kid(secret), parts[1]) and hmac.compare_digest(_text(_mac(secret, purpose, head)), parts[3]):
            fields = orjson.loads(urlsafe_b64decode(parts[2] + "=" * (-len(parts[2]) % 4)))
            return [str(field) for field in fields]
    return None


@lru_cache(maxsize=16)
def kid(secret: str) -> str:
    """Which secret signed: 8 hex digits that say nothing about it."""
    return hmac.new(secret.encode(), b"kairos link key id", hashlib.sha256).hexdigest()[:8]


@lru_cache(maxsize=64)
def _key(secret: str, purpose: str) -> bytes:
    # A key per purpose: a token for one place can never be used at another, whatever its fields say.
    return hmac.new(secret.encode(), f"kairos link {VERSION} {purpose}".encode(), hashlib.sha256).digest()


@lru_cache(maxsize=64)
def _begun(secret: str, purpose: str) -> hmac.HMAC:
    """Nobody may change what is handed out here."""
    return hmac.new(_key(secret, purpose), f"{purpose}\n".encode(), hashlib.sha256)


def _mac(secret: str, purpose: str, head: str) -> bytes:
    one = _begun(secret, purpose).copy()
    one.update(head.encode())
    return one.digest()[:MAC_BYTES]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
