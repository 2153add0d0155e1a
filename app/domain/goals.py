"""What messages are for: the first purchase, click or visit that a trigger's `goal` names, within its time of one of them.

Reaching it is a conclusion, `goal_reached`, so that attribution, experiments and reports count the same thing. Those who got nothing
(control arms, the hold-out) are watched alike: what they do without a message is what the message is measured against.
"""

from __future__ import annotations

from msgspec import Struct

from app.domain.days import HOUR_MS
from app.domain.trigger import Trigger
from app.events import Conclusion

KIND = "goal_reached"
MAX_GOALS = 50
"""Messages of a person whose goal is awaited; the oldest gives way."""


class Awaited(Struct, frozen=True, array_like=True):
    """The last message of a window. `at`: when it went out, `until`: the goal counts up to then (ms); `silent`: why it did not go out."""

    trigger: str
    window_id: str
    send_id: str
    step: int
    on: tuple[str, ...]
    at: int
    until: int
    arms: tuple[tuple[str, str], ...] = ()
    silent: str = ""


def awaiting(goals: tuple[Awaited, ...], one: Awaited) -> tuple[Awaited, ...]:
    """The goals with a message among them; a later message of its window takes the place of the earlier."""
    others = [other for other in goals if other.window_id != one.window_id and other.until > one.at]
    return (*others, one)[-MAX_GOALS:]


def union(mine: tuple[Awaited, ...], theirs: tuple[Awaited, ...]) -> tuple[Awaited, ...]:
    """Of two people as one."""
    return tuple(sorted((*theirs, *mine), key=lambda one: one.at)[-MAX_GOALS:]) if theirs else mine


def awaited(trigger: Trigger, window_id: str, send_id: str, step: int, at: int, arms: tuple[tuple[str, str], ...], silent: str) -> Awaited:
    """A message that went out `at`, or would have."""
    assert trigger.goal is not None
    return Awaited(trigger.name, window_id, send_id, step, trigger.goal.on, at, at + trigger.goal.within, arms, silent)


def reached(
    goals: tuple[Awaited, ...], kind: str, cause: str, ts: int, now: int, person_id: str
) -> tuple[tuple[Awaited, ...], list[Conclusion]]:
    """What is still awaited after an event stamped `ts`, and a conclusion for each goal that it reached."""
    left: list[Awaited] = []
    found: list[Conclusion] = []
    for one in goals:
        if kind in one.on and one.at < ts <= one.until:
            values = {
                "window_id": one.window_id,
                "send_id": one.send_id,
                "step": one.step,
                "event": kind,
                "hours": round((ts - one.at) / HOUR_MS, 2),
                "arms": [{"experiment": name, "arm": arm} for name, arm in one.arms],
                "silent": one.silent or None,
            }
            found.append(Conclusion(now, person_id, KIND, one.trigger, ts, cause, values))
        else:
            left.append(one)
    return (goals, found) if not found else (tuple(left), found)
