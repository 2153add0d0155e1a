"""Eight-byte stand-ins: for ids in stored collections, of which a bounded row holds thousands, and for the bytes of an artifact."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=65_536)
def fingerprint(text: str) -> int:
    """64 bits of BLAKE2b. Two of a million different ids share one with probability 3 × 10⁻⁸. Cached: products and categories recur."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def ref_of(name: str, data: bytes) -> str:
    """`name@hash` of an artifact: a worker trusts bytes from the topic only if they hash to the ref that was activated."""
    return f"{name}@{hashlib.blake2b(data, digest_size=8).hexdigest()}"
