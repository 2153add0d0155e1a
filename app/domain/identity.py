"""Who somebody is: her identifier, and the person id made from it (design.md 1.6)."""

from __future__ import annotations

import hmac
from functools import lru_cache


def identifier(customer_id: str | None, anonymous_id: str | None) -> str:
    """`c:<customer_id>`, else `a:<anonymous_id>`; the prefix keeps a customer and a device of the same name apart."""
    return f"c:{customer_id}" if customer_id else f"a:{anonymous_id}"


@lru_cache(maxsize=65_536)
def person_id(secret: str, identifier: str) -> str:
    """32 hex digits of HMAC-SHA256: outsiders cannot tell the id of a customer they can name. Cached, since people come in sessions."""
    return hmac.digest(secret.encode(), identifier.encode(), "sha256").hex()[:32]
