"""What moved between two states of a person: how near she is to buying, what she likes most, what her open windows wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from app.domain import churn, intent, interest

if TYPE_CHECKING:
    from app.domain.person import Person

NOTEWORTHY = 5.0
"""Points of intent below which a movement within a level is not told."""


class Scores(Struct, frozen=True):
    """A person's scores as of an instant; `interest`: the highest category's, 0–100."""

    level: str = "low"
    intent: float = 0.0
    category: str | None = None
    interest: float = 0.0
    churn_level: str | None = None
    churn: float | None = None


class Joined(Struct, frozen=True):
    """An open window that took something in, or waits for another instant than before. `due_at` ms."""

    window_id: str
    trigger: str
    step: int
    due_at: int
    views: int
    more_views: int
    waited_until: int


def scores(person: Person, now: int) -> Scores:
    """As of `now` (ms)."""
    near = intent.view(person.intent, now)
    liked = interest.decayed(person.profile.interest, now)
    first = interest.primary(liked)
    likely = churn.probability(person.churn, now)
    return Scores(near["level"], near["score"], first, liked[first] if first is not None else 0.0, person.churn.level, likely)


def noteworthy(told: Scores, seen: Scores) -> tuple[bool, bool, bool]:
    """Whether intent, highest category, churn level moved enough to be told."""
    nearer = seen.level != told.level or abs(seen.intent - told.intent) >= NOTEWORTHY
    return nearer, seen.category != told.category, seen.churn_level != told.churn_level


def joined(before: Person, after: Person) -> list[Joined]:
    """Windows that are open in both states and gathered something, or wait anew."""
    known = {one.window_id: one for one in before.windows.open}
    found = []
    for one in after.windows.open:
        old = known.get(one.window_id)
        if old is None or old is one or one.step != old.step or (one.views == old.views and one.due_at == old.due_at):
            continue
        found.append(Joined(one.window_id, one.trigger, one.step, one.due_at, one.views, one.views - old.views, old.due_at))
    return found
