"""Interest in categories, by both formulas of guide S0: decayed over behaviours (A-049–A-052), and increment per view (A-036, A-037)."""

from __future__ import annotations

import math
from collections.abc import Container
from typing import Any

from msgspec import Struct

from app.domain.days import DAY_MS, HOUR_MS, whole_days
from app.domain.fingerprint import fingerprint

DECAY = 0.1
"""A-050, `decay_rate` per whole elapsed day."""
CAP = 100.0
"""A-051 and A-036."""
INCREMENT = 5
"""A-036, per product_view."""
EXPIRY_MS = 30 * DAY_MS
"""A-037, 86400 × 30 s after the last event of any type."""

MAX_CATEGORIES = 50
"""Of one person and formula; the lowest interest gives way."""
MAX_PER_EVENT = 20
"""Categories one event can raise."""
MAX_NAME = 100
MAX_INTENSITY = 1_000.0
MAX_ENTRIES = 48
"""Behaviours of one category with a time of day of their own; see `raised`."""
AFTER_ROUNDING = 32
FORGOTTEN = 1e-6
"""A category whose score has decayed below it is dropped: 139 days after a single view."""

Behaviours = tuple[tuple[int, float], ...]
"""(instant, weight), each with another time of day."""


class Interest(Struct, frozen=True, array_like=True):
    """Category → its behaviours; category → increments."""

    decayed: dict[str, Behaviours] = {}
    increment: dict[str, int] = {}


def categories(properties: dict[str, Any]) -> tuple[str, ...]:
    """An event's categories: `category` or `product_category`, else each of `products[].category`, once each, in their order."""
    own = _category(properties)
    if own is not None:
        return (own,)
    lines = properties.get("products")
    if not isinstance(lines, list):
        return ()
    found = dict.fromkeys(name for line in lines if isinstance(line, dict) and (name := _category(line)) is not None)
    return tuple(found)[:MAX_PER_EVENT]


def _category(properties: dict[str, Any]) -> str | None:
    value = properties.get("category") or properties.get("product_category")
    if not isinstance(value, str) or "${" in value:  # "${escCatTitle}": a real shop's template left unfilled
        return None
    return value.strip()[:MAX_NAME] or None


def intensity(properties: dict[str, Any]) -> float:
    """The event's `intensity`, else 1."""
    value = properties.get("intensity")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_INTENSITY:
        return 1.0
    return float(value)


def behaved(interest: Interest, names: tuple[str, ...], weight: float, ts: int, viewed: bool) -> Interest:
    """Interest after a behaviour of `weight` (its type's times its intensity) at `ts` in categories `names`.

    `viewed`: it was a product_view, which also increments.
    """
    decayed, increment = dict(interest.decayed), interest.increment
    for name in names:
        decayed[name] = raised(decayed.get(name, ()), ts, weight)
    if viewed:
        increment = dict(increment)
        for name in names:
            increment[name] = min(int(CAP), increment.get(name, 0) + INCREMENT)
        while len(increment) > MAX_CATEGORIES:
            del increment[min((name for name in increment if name not in names), key=lambda name: (increment[name], name))]
    if len(decayed) > MAX_CATEGORIES:
        decayed = {name: kept for name, kept in decayed.items() if _score(kept, ts) >= FORGOTTEN}
        while len(decayed) > MAX_CATEGORIES:
            del decayed[min((name for name in decayed if name not in names), key=lambda name: (_score(decayed[name], ts), name))]
    return Interest(decayed, increment)


def raised(kept: Behaviours, ts: int, weight: float) -> Behaviours:
    """One category's behaviours after one more, sorted by instant.

    Behaviours at the same time of day fade at the same instants, so from the newer one on they are one entry, exactly. Beyond MAX_ENTRIES
    the oldest entries off the full hour are rounded down to it, until AFTER_ROUNDING are left: such a behaviour fades up to an hour early
    each day, so that its contribution is at times that of one day later (e^−0.1, 9.5 % less) and never wrong otherwise. There are 24
    full hours, so at least the newest 8 entries stay exact.
    """
    entries = _merged(kept, ts, weight)
    if len(entries) > MAX_ENTRIES:
        while len(entries) > AFTER_ROUNDING:
            at = next(n for n, (instant, _) in enumerate(entries) if instant % HOUR_MS)
            instant, one = entries[at]
            entries = _merged(entries[:at] + entries[at + 1 :], instant - instant % HOUR_MS, one)
    return entries


def _merged(kept: Behaviours, ts: int, weight: float) -> Behaviours:
    if not kept:
        return ((ts, weight),)
    time_of_day = ts % DAY_MS
    for entry in kept:
        if entry[0] % DAY_MS == time_of_day:
            newer, older = ((ts, weight), entry) if ts > entry[0] else (entry, (ts, weight))
            fading = older[1] * math.exp(-DECAY * ((newer[0] - older[0]) // DAY_MS))
            return tuple(sorted([*(one for one in kept if one is not entry), (newer[0], newer[1] + fading)]))
    return (*kept, (ts, weight)) if ts > kept[-1][0] else tuple(sorted((*kept, (ts, weight))))


def union(mine: Interest, theirs: Interest) -> Interest:
    """Of two people as one: every behaviour of both; increments add up."""
    if not theirs.decayed and not theirs.increment:
        return mine
    decayed = dict(mine.decayed)
    for name, behaviours in theirs.decayed.items():
        for ts, weight in behaviours:
            decayed[name] = raised(decayed.get(name, ()), ts, weight)
    now = max((kept[-1][0] for kept in decayed.values()), default=0)
    while len(decayed) > MAX_CATEGORIES:
        del decayed[min(decayed, key=lambda name: (_score(decayed[name], now), name))]
    increment = dict(mine.increment)
    for name, points in theirs.increment.items():
        increment[name] = min(int(CAP), increment.get(name, 0) + points)
    while len(increment) > MAX_CATEGORIES:
        del increment[min(increment, key=lambda name: (increment[name], name))]
    return Interest(decayed, increment)


def without(interest: Interest, names: Container[int], at: int, weight: float) -> Interest:
    """Less a behaviour of `weight` at `at` in the categories of these fingerprints that was counted twice; as it is where none is found."""
    decayed = {name: _taken(kept, at, weight) if fingerprint(name) in names else kept for name, kept in interest.decayed.items()}
    return Interest({name: kept for name, kept in decayed.items() if kept}, interest.increment)


def _taken(kept: Behaviours, at: int, weight: float) -> Behaviours:
    for n, (instant, worth) in enumerate(kept):
        if instant >= at and instant % DAY_MS == at % DAY_MS:
            left = worth - weight * math.exp(-DECAY * ((instant - at) // DAY_MS))
            if left >= -FORGOTTEN:
                return (*kept[:n], *([(instant, left)] if left > FORGOTTEN else []), *kept[n + 1 :])
    return kept


def _score(kept: Behaviours, now: int) -> float:
    return math.fsum(weight * math.exp(-DECAY * whole_days(ts, now)) for ts, weight in kept)


def unfaded(interest: Interest) -> float:
    """The most that any category's interest can be, as if nothing of it had faded: cheaper than what it is."""
    return max([sum([weight for _, weight in kept]) for kept in interest.decayed.values()], default=0.0)


def decayed(interest: Interest, now: int) -> dict[str, float]:
    """Category → 0–100 as of `now`: Σ weight × intensity × e^(−0.1 × whole days), capped."""
    scores = {name: _score(kept, now) for name, kept in sorted(interest.decayed.items())}
    return {name: min(CAP, score) for name, score in scores.items() if score >= FORGOTTEN}


def increments(interest: Interest, last_event: int, now: int) -> dict[str, int]:
    """Category → 0–100 as of `now`; nothing once the person's last event of any type is EXPIRY_MS ago."""
    return {} if now - last_event >= EXPIRY_MS else dict(sorted(interest.increment.items()))


def primary(scores: dict[str, float]) -> str | None:
    """The category of the highest score (A-052); of equal ones the first by name."""
    return max(sorted(scores), key=scores.__getitem__, default=None)
