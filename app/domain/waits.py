"""When a window's first message is due: a wait after its opening, an interval of her stage, or up to an instant that the opening tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.domain import treatments
from app.domain.concluded import ENTERED
from app.domain.scope import Subject
from app.domain.trigger import Pack, Trigger

MS_FROM = 100_000_000_000
"""A number from here on is told in ms since 1970, a smaller one in seconds."""
LATEST = 4_102_444_800_000
"""2100: what lies beyond is no appointment."""


def interval(subject: Subject, pack: Pack) -> int | None:
    """Of a trigger that goes by treatments: the `every` of the stage that `subject` says she is in (ms); None: it has none (A-072).

    A segment that is entered for each stage says so by `of`, of the scheme that the pack goes by.
    """
    scheme, stage = subject.properties.get("scheme"), subject.properties.get("stage")
    if subject.kind == ENTERED:
        scheme, stage = pack.goes_by.stage, subject.properties.get("of")
    if not isinstance(scheme, str) or not isinstance(stage, str):
        return None
    found = pack.treatment(treatments.STAGE, scheme, stage)
    return None if found is None else found.every


def told(row: Trigger, subject: Subject) -> bool:
    """Whether the opening says until when to wait, where its row asks."""
    return row.until is None or instant(subject.properties.get(row.until)) is not None


def first_wait(row: Trigger, arm: int | None = None, every: int = 0) -> int:
    """Ms from the opening to the first message, at least.

    `arm`: the wait of an experiment's arm; `every`: the interval of a row that goes by treatments.
    """
    return arm if arm is not None else every if row.treated_wait else row.steps[0].wait


def first_due(row: Trigger, subject: Subject, opened_at: int, arm: int | None = None, every: int = 0) -> int:
    """Due of the first message (ms). `arm`, `every`: as of `first_wait`."""
    least = opened_at + first_wait(row, arm, every)
    at = instant(subject.properties.get(row.until)) if row.until is not None else None
    return least if at is None else max(least, at - row.before)


def instant(value: Any) -> int | None:
    """An instant that an event tells, in ms: ISO 8601 text, UTC where it names no zone, or a number since 1970. None: it is none."""
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value.strip().upper())
            ms = round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1_000)
        except (ValueError, OverflowError, OSError):
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LATEST:
        ms = round(value) if value >= MS_FROM else round(value * 1_000)
    else:
        return None
    return ms if 0 < ms <= LATEST else None
