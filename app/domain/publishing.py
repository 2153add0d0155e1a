"""When a person's profile goes to the `profiles` topic: with the step that changes it, but at most once per 10 s (interface.md section 4).

What changes within 10 s of her last one waits for a wake-up, which tells it all at once: the last state is always told. A wake-up waits
for the low-water mark as every timer does, and so does what changes before the mark has passed her last one: while a worker catches up
and the mark stands still, a person is told once, and once more when it moves. Of a bot it is told once that it is one, then nothing more.

What is told stands beside the person and not in her row (`Group.told`): to publish changes nothing of her, and her row is big.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from app.domain.person_row import Person

EVERY_MS = 10_000
NEVER = -1


class Told(Struct, frozen=True, array_like=True):
    """When her profile last went out (ms; 0: never), and whether something has changed since."""

    at: int = 0
    behind: bool = False


NOTHING = Told()


def due(told: Told) -> int:
    """When what is not yet told is told, or NEVER."""
    return told.at + EVERY_MS if told.behind else NEVER


def after(before: Person, person: Person, told: Told, now: int, low_water: int) -> Told:
    """After a record or wake-up that may have changed what the view shows: `Told(now)` if it is to be told with it."""
    if told.behind:
        return told
    part = person.profile
    if part is before.profile and person.intent is before.intent and person.churn is before.churn and person.standing is before.standing:
        return told
    if part.bot and before.profile.bot:
        return told
    return Told(now) if now - told.at >= EVERY_MS and low_water >= told.at else Told(told.at, True)
