"""Eight-byte stand-ins for ids in stored collections: a bounded row holds thousands of them."""

from __future__ import annotations

import hashlib
from functools import lru_cache


@lru_cache(maxsize=65_536)
def fingerprint(text: str) -> int:
    """64 bits of BLAKE2b. Two of a million different ids share one with probability 3 × 10⁻⁸. Cached: products and categories recur."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
