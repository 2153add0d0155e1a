"""When a person's profile goes to the `profiles` topic: 10 s after it changed, with all that changed meanwhile (interface.md section 4).

So nobody's goes out twice within 10 s. It waits for the low-water mark as every timer does: a worker that catches up tells each person
once, when it has caught up. Of a bot it is told once that it is one, then nothing more.

What is not yet told stands beside the person and not in her row (`Group.untold`): to publish changes nothing of her, and her row is big.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.domain.person_row import Person

EVERY_MS = 10_000
NEVER = -1


def due(untold: int) -> int:
    """When what is not yet told is told, or NEVER. `untold`: since when (ms; 0: all is told)."""
    return untold + EVERY_MS if untold else NEVER


def after(before: Person, person: Person, untold: int, now: int) -> int:
    """Since when something is untold, after a record or wake-up that may have changed what the view shows."""
    if untold:
        return untold
    part = person.profile
    if part is before.profile and person.intent is before.intent and person.churn is before.churn and person.standing is before.standing:
        return 0
    return 0 if part.bot and before.profile.bot else max(1, now)
