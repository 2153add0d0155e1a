"""What she says when asked: answers of surveys and forms, and preferences she sets herself (A-029, A-048)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from app.events import Event

MAX_ANSWERS = 30
"""Questions, and preferences; those answered longest ago give way."""
MAX_NAME = 60
MAX_VALUE = 300
"""Encoded bytes."""

Said = dict[str, tuple[Any, int]]
"""Question or preference → her word, and when she gave it (ms)."""


class Answers(Struct, frozen=True, array_like=True):
    """By question, and by preference."""

    surveys: Said = {}
    preferences: Said = {}


def heard(answers: Answers, event: Event) -> Answers:
    """After a `survey_answer` or `preference_set`."""
    told = event.properties
    if event.event_type == "survey_answer":
        return Answers(
            _said(answers.surveys, told.get("question") or told.get("survey_id"), told.get("answer"), event.ts), answers.preferences
        )
    return Answers(answers.surveys, _said(answers.preferences, told.get("preference"), told.get("value"), event.ts))


def _said(said: Said, name: object, value: object, at: int) -> Said:
    if not isinstance(name, str) or not name.strip() or value is None:
        return said
    if "${" in name or (isinstance(value, str) and "${" in value):  # a template left unfilled
        return said
    try:
        size = len(_encode(value))
    except (TypeError, OverflowError):  # a number beyond 64 bits
        return said
    return (
        _bounded({**said, name.strip()[:MAX_NAME]: _later(said.get(name.strip()[:MAX_NAME]), (value, at))}) if size <= MAX_VALUE else said
    )


def _later(one: tuple[Any, int] | None, other: tuple[Any, int]) -> tuple[Any, int]:
    # Of one instant the same word counts, whichever came first.
    return other if one is None or (other[1], _encode(other[0])) > (one[1], _encode(one[0])) else one


def _bounded(said: Said) -> Said:
    while len(said) > MAX_ANSWERS:
        del said[min(said, key=lambda name: (said[name][1], name))]
    return said


def union(mine: Answers, theirs: Answers) -> Answers:
    """Of two people as one: her latest word."""
    surveys, preferences = dict(mine.surveys), dict(mine.preferences)
    for into, told in ((surveys, theirs.surveys), (preferences, theirs.preferences)):
        for name, one in told.items():
            into[name] = _later(into.get(name), one)
        _bounded(into)
    return Answers(surveys, preferences)


def newest(said: Said, names: Iterable[str]) -> Any:
    """Her latest word on what goes by several names; None: she has said nothing."""
    words = [(said[name][1], name, said[name][0]) for name in names if name in said]
    return max(words, key=lambda one: one[:2])[2] if words else None


def view(said: Said) -> dict[str, Any]:
    """Name → her word."""
    return {name: value for name, (value, _) in sorted(said.items())}


_encode = msgspec.msgpack.Encoder().encode
