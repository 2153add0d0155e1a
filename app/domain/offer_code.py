"""The single-use code of an offer: derived from the id of its message, so that the same message has the same code however often it is
written, no two have one, and whoever has the secret can tell ours from an invented one without asking anybody.

80 bits in sixteen characters, as of a gift card: `7F3K-9Q2M-…`. The first 50 bits of the send_id, 25 of an HMAC over those, 5 of a sum
that tells a slip of the pen. Nothing of the person is in it. An invented code passes one time in 33 million; that it was given away, and to
whom, tells `message_sends`. By chance two of a million messages share a code one time in two thousand.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode

from app.domain.signing import seal
from app.events import derived_id

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: without I, L, O and U, so that nothing is read as something else and no word comes about."""
VALID, MISTYPED, FORGED = "valid", "mistyped", "forged"
ID_BITS, MAC_BITS, CHECK_BITS = 50, 25, 5
LENGTH = (ID_BITS + MAC_BITS + CHECK_BITS) // 5
GROUP = 4
MAX_TYPED = 60
"""Characters of what somebody typed that are looked at."""
_VALUES = {sign: n for n, sign in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}


def code(secret: str, send_id: str) -> str:
    """The code of a message."""
    return _written(secret, _head(send_id))


def check(secret: str, typed: str) -> str:
    """`valid`: one of ours; `forged`: well-formed, but nobody who has the secret made it; `mistyped`: no code at all."""
    digits = _digits(typed)
    if len(digits) != LENGTH or _sum(digits[:-1]) != digits[-1]:
        return MISTYPED
    head = _number(digits) >> (MAC_BITS + CHECK_BITS)
    return VALID if normal(_written(secret, head)) == normal(typed) else FORGED


def normal(typed: str) -> str:
    """A code as it is compared: without dashes and case, and O and I as the digits they were meant for."""
    return "".join(ALPHABET[n] for n in _digits(typed))


def is_of(typed: str, send_id: str) -> bool:
    """Whether a code that is valid was made for this message; a later one may have told it again (given.py, the rule of waiting)."""
    digits = _digits(typed)
    return len(digits) == LENGTH and _number(digits) >> (MAC_BITS + CHECK_BITS) == _head(send_id)


def _head(send_id: str) -> int:
    try:
        told = int(send_id, 16) if len(send_id) == 32 else -1
    except ValueError:
        told = -1
    return (told if told >= 0 else int(derived_id(send_id), 16)) >> (128 - ID_BITS)


def _written(secret: str, head: int) -> str:
    mac = int.from_bytes(urlsafe_b64decode(seal(secret, "offer code", [str(head)]))[:8], "big") >> (64 - MAC_BITS)
    body = head << MAC_BITS | mac
    digits = [body >> 5 * n & 31 for n in reversed(range(LENGTH - 1))]
    signs = "".join(ALPHABET[n] for n in (*digits, _sum(digits)))
    return "-".join(signs[n : n + GROUP] for n in range(0, LENGTH, GROUP))


def _sum(digits: list[int]) -> int:
    # 31 is a prime above every weight: a wrong digit and two that changed places show (but for 0 and Z, which the HMAC tells apart).
    return sum((n + 1) * digit for n, digit in enumerate(digits)) % 31


def _digits(typed: str) -> list[int]:
    signs = [sign for sign in typed[:MAX_TYPED].upper() if sign not in "- "]
    return [_VALUES[sign] for sign in signs] if all(sign in _VALUES for sign in signs) else []


def _number(digits: list[int]) -> int:
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return number
