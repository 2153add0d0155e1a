"""A sentence about a change of one field of a pack."""

from __future__ import annotations

from msgspec import Struct


class Phrase(Struct, frozen=True):
    """`changed`: of one value to another. `given`: where there was none; `taken`: where there is none any more. Else `changed` is used."""

    changed: str
    given: str = ""
    taken: str = ""


def optional(what: str) -> Phrase:
    """Of what somebody may have or not."""
    has = f"{{who}} now has {what} {{new}}"
    return Phrase(f"{has} instead of {{old}}", has, f"{{who}} no longer has {what} {{old}}")


def named(what: str) -> Phrase:
    """Of rows that are there or not."""
    return Phrase("", f"adds {what} {{new}}", f"removes {what} {{old}}")


WHY = Phrase("{who} is now there because: {new} (it was: {old})")


def flag(yes: str, no: str) -> Phrase:
    """Of what is so or not."""
    return Phrase(yes, yes, no)
