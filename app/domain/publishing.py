"""When a person's profile goes to the `profiles` topic: 10 s after it changed, with all that changed meanwhile (interface.md section 4).

So nobody's goes out twice within 10 s. It waits for the low-water mark as every timer does: a worker that catches up tells each person
once, when it has caught up. Of a bot it is told once that it is one, then nothing more.
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
    """When what is not yet told is told, or NEVER."""
    return part.untold + EVERY_MS if part.untold else NEVER


def told(part: Profile) -> Profile:
    """As published."""
    return replace(part, untold=0)


def after(before: Person, person: Person, now: int) -> Person:
    """The person after a record or wake-up that may have changed what the view shows: from then on it is untold."""
    part = person.profile
    if part is before.profile and person.intent is before.intent and person.churn is before.churn and person.standing is before.standing:
        return person
    if part.untold or (part.bot and before.profile.bot):
        return person
    return replace(person, profile=replace(part, untold=max(1, now)))
