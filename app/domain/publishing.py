"""When a person's profile goes to the `profiles` topic: at once when it changed, and at most once in 10 s (interface.md section 4).

What changes within 10 s of the last time waits for their end. Of a bot it is told once that it is one, then nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from app.domain.person_row import Person
    from app.domain.profile import Profile

EVERY_MS = 10_000
NEVER = -1


def due(part: Profile) -> int:
    """When what is not yet told may be told, or NEVER."""
    return part.told_at + EVERY_MS if part.untold else NEVER


def told(part: Profile, now: int) -> Profile:
    """As published now (ms)."""
    return replace(part, told_at=now, untold=False)


def after(before: Person, person: Person, now: int) -> tuple[Person, bool]:
    """The person after a record or wake-up that may have changed what the view shows, and whether to publish it now."""
    part = person.profile
    if part is before.profile and person.intent is before.intent and person.churn is before.churn and person.standing is before.standing:
        return person, False
    if part.untold or (part.bot and before.profile.bot):
        return person, False
    if now - part.told_at >= EVERY_MS:
        return replace(person, profile=told(part, now)), True
    return replace(person, profile=replace(part, untold=True)), False
