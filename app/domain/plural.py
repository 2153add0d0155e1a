"""Counted things as people read them."""

from __future__ import annotations


def count(number: int, one: str, many: str = "") -> str:
    """`1 message`, `1,200 messages`; `many`: where an s does not make it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
