"""Who is in which arm: drawn once, at the opening of a window, and for good (A-205, A-206, X-22)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from app.domain.trigger import Arm, Condition, Experiment, Pack

BUCKETS = 10_000
"""As GrowthBook's: shares are exact to a hundredth of a percent."""
HOLDOUT = "holdout"


class Drawn(NamedTuple):
    """What an opening drew. `wait` (ms): its first step's, where an arm has its own; `silent`: why no message goes out, if none does."""

    arms: tuple[tuple[str, str], ...] = ()
    wait: int | None = None
    silent: str = ""


NOTHING_DRAWN = Drawn()


def bucket(name: str, person_id: str) -> int:
    """0 to BUCKETS - 1: the same in every process and on every day, and independent between experiments.

    Python's own `hash` is salted per process: with it one customer was in three arms on three workers (A.25 fault 1). `person_id` is an
    HMAC, so nobody outside can pick an id that falls into the arm he likes.
    """
    digest = blake2b(person_id.encode(), key=name.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def arm(experiment: Experiment, person_id: str) -> Arm:
    """Her arm. There is always one: the last takes what sums of shares lose to rounding (A.25 fault 4)."""
    place = bucket(experiment.name, person_id)
    for end, one in _ends(experiment.arms):
        if place < end:
            return one
    return experiment.arms[-1]


@lru_cache(maxsize=1_000)
def _ends(arms: tuple[Arm, ...]) -> tuple[tuple[int, Arm], ...]:
    """Arms with the bucket each ends before."""
    total, at = sum(one.weight for one in arms), 0.0
    ends = []
    for one in arms:
        at += one.weight
        ends.append((round(BUCKETS * at / total), one))
    return tuple(ends)


def draw(pack: Pack, trigger: str, person_id: str, holds: Callable[[Condition], bool]) -> Drawn:
    """The arms of everything that runs on a trigger, and whether she is held out of all of it. `holds`: whether an arm's condition does."""
    if not pack.holdout and trigger not in pack.experiments:
        return NOTHING_DRAWN
    held = bucket(HOLDOUT, person_id) < round(pack.holdout * BUCKETS)
    drawn = [(one.name, arm(one, person_id)) for one in pack.experiments.get(trigger, ())]
    unmet = any(one.when is not None and not holds(one.when) for _, one in drawn)
    waits = [one.wait for _, one in drawn if one.wait is not None]
    silent = HOLDOUT if held else "control_arm" if any(one.control for _, one in drawn) else "condition_false" if unmet else ""
    return Drawn(tuple((name, one.name) for name, one in drawn), waits[0] if waits else None, silent)


def chosen(pack: Pack, trigger: str, arms: tuple[tuple[str, str], ...]) -> list[tuple[str, Arm]]:
    """(experiment, arm) of what was drawn, as the window's own pack version has them."""
    if not arms:
        return []
    known = {(one.name, other.name): other for one in pack.experiments.get(trigger, ()) for other in one.arms}
    return [(name, known[(name, told)]) for name, told in arms if (name, told) in known]
