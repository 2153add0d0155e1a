"""What was held back in a week, by which gate, and what it cost: the steps that a gate stopped, who took their place, what became of both.

A step is held back in the week in which a gate first said so, whether it was held for a while or ended there. It counts once in the total
and once for each gate that held it. Follow-ups that only went with the step before them had no turn of their own: they are told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from app.domain.days import DAY_MS, HOUR_MS
from app.domain.decision import ENDS
from app.domain.fingerprint import fingerprint
from app.domain.money import text

WEEK_MS = 7 * DAY_MS
MONDAY_MS = 4 * DAY_MS
"""1970-01-05, the first Monday there is."""
LATER, NEVER, CANCELLED, WAITING = "went_out", "never", "cancelled", "waiting"
FATES = (LATER, NEVER, CANCELLED, WAITING)


class Told(Struct, frozen=True):
    """A decision, as far as the digest reads it."""

    decision_id: str
    window_id: str
    person_id: str
    trigger: str
    step: int
    outcome: str
    reason: str | None
    at: str
    due_at: str | None
    values: dict[str, Any]
    send_id: str | None = None
    """Of what went out."""


class Reached(Struct, frozen=True):
    """A message's goal was reached. `revenue` in 1/10,000 of the currency, 0 if it was no order; `silent`: nobody had sent it."""

    trigger: str
    silent: bool = False
    revenue: int = 0


class _Gate(NamedTuple):
    at: int
    reason: str
    winner: str
    """Trigger that took the place; empty: none is named."""
    won: str
    """Its window."""
    worth: float | None
    """What the message that lost was expected to bring."""


class _Step:
    __slots__ = ("end", "gates", "person", "trigger", "window")

    def __init__(self, told: Told) -> None:
        self.trigger, self.person, self.window = told.trigger, told.person_id, told.window_id
        self.gates: list[_Gate] = []
        self.end: tuple[str, int] | None = None


def monday(at: int) -> int:
    """The beginning of the week (UTC, Monday) of an instant, ms."""
    return (at - MONDAY_MS) // WEEK_MS * WEEK_MS + MONDAY_MS


class HeldBack:
    """Feed it decisions, each with its time in ms, in any order. Of the week at `start` and the one before; later ones tell fates."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._steps: dict[int, _Step] = {}
        self._ends: dict[int, tuple[str, int]] = {}
        """Of every step, whether a gate held it or not: which it is, shows only when all is read."""
        self._seen: set[int] = set()
        self._counts: Counter[tuple[int, str, str]] = Counter()
        """(week, what, trigger) → decisions."""

    def see(self, told: Told, at: int) -> None:
        if at < self.start - WEEK_MS or (which := fingerprint(told.decision_id)) in self._seen:
            return
        self._seen.add(which)
        key = fingerprint(f"{told.window_id} {told.step}")
        if told.outcome in ("opened", "sent", "cancelled"):
            self._counts[self._week(at), told.outcome, told.trigger] += 1
        if told.outcome in ENDS:
            self._ends[key] = (told.outcome, at)
        if told.outcome == "held" or (told.outcome == "not_sent" and told.reason is not None):
            if told.outcome == "not_sent" and told.due_at is None:
                self._counts[self._week(at), "follow_ups_with_it", told.trigger] += 1
                return
            self._steps.setdefault(key, _Step(told)).gates.append(_gate(told, at))

    def _week(self, at: int) -> int:
        return (at - self.start) // WEEK_MS

    def result(self, goals: Mapping[str, Reached] | None) -> dict[str, Any]:
        """For JSON. `goals`: window_id → what came of its messages; None: nobody knows, then what was expected counts."""
        weeks: dict[int, list[_Step]] = {0: [], -1: []}
        for key, step in self._steps.items():
            step.gates.sort()
            step.end = self._ends.get(key)
            week = self._week(step.gates[0].at)
            if week in weeks:
                weeks[week].append(step)
        now, before = (self._told(week, weeks[week], goals) for week in (0, -1))
        return {
            "this_week": now,
            "week_before": before,
            "changes": _changes(now, before),
            "goals_known": goals is not None,
        }

    def _told(self, week: int, steps: list[_Step], goals: Mapping[str, Reached] | None) -> dict[str, Any]:
        counted = {what: self._of(week, what) for what in ("opened", "sent", "cancelled", "follow_ups_with_it")}
        by_gate: dict[str, list[_Step]] = {}
        by_trigger: dict[str, Counter[str]] = {}
        for step in steps:
            for reason in dict.fromkeys(gate.reason for gate in step.gates):
                by_gate.setdefault(reason, []).append(step)
                by_trigger.setdefault(step.trigger, Counter())[reason] += 1
        return {
            **{what: sum(counts.values()) for what, counts in counted.items()},
            "sent_by_trigger": counted["sent"],
            "steps_held_back": len(steps),
            "people_held_back": len({step.person for step in steps}),
            "fates": _fates(steps),
            "held_back": {reason: {"steps": len(by_gate[reason]), **_summary(by_gate[reason])} for reason in _most(by_gate)},
            "by_trigger": {name: dict(sorted(reasons.items())) for name, reasons in sorted(by_trigger.items())},
            "steps_by_trigger": dict(sorted(Counter(step.trigger for step in steps).items())),
            "lost": _lost(steps, goals),
        }

    def _of(self, week: int, what: str) -> dict[str, int]:
        return {trigger: count for (one, kind, trigger), count in sorted(self._counts.items()) if (one, kind) == (week, what)}


def _gate(told: Told, at: int) -> _Gate:
    lost = told.values.get("lost_to")
    lost = lost if isinstance(lost, dict) else {}
    winner = lost.get("trigger") or told.values.get("held_by")
    won = lost.get("window_id") or (told.values.get("window_id") if "held_by" in told.values else None)
    worth = told.values.get("expected_value")
    if isinstance(worth, bool) or not isinstance(worth, int | float):
        worth = None
    return _Gate(at, told.reason or "", winner if isinstance(winner, str) else "", won if isinstance(won, str) else "", worth)


def _most(named: Mapping[Any, list[_Step]]) -> list[Any]:
    """Names, those of most steps first."""
    return sorted(named, key=lambda name: (-len(named[name]), name))


def _fate(step: _Step) -> str:
    if step.end is None:
        return WAITING
    return {"sent": LATER, "not_sent": NEVER}.get(step.end[0], CANCELLED)


def _fates(steps: list[_Step]) -> dict[str, int]:
    found = Counter(map(_fate, steps))
    return {fate: found[fate] for fate in FATES}


def _summary(steps: list[_Step]) -> dict[str, Any]:
    return {"people": len({step.person for step in steps}), **_fates(steps), "waited_hours": _waited(steps)}


def _waited(steps: list[_Step]) -> dict[str, float] | None:
    """How long those that went out in the end had waited by then."""
    waits = sorted((step.end[1] - step.gates[0].at) / HOUR_MS for step in steps if step.end is not None and step.end[0] == "sent")
    if not waits:
        return None
    return {"median": round(waits[(len(waits) - 1) // 2], 2), "longest": round(waits[-1], 2)}


def _lost(steps: list[_Step], goals: Mapping[str, Reached] | None) -> list[dict[str, Any]]:
    """Who lost to which trigger; a step that lost to several is told under each."""
    pairs: dict[tuple[str, str], list[_Step]] = {}
    won: dict[tuple[str, str], set[str]] = {}
    for step in steps:
        for winner in dict.fromkeys(gate.winner for gate in step.gates if gate.winner):
            pair = (step.trigger, winner)
            pairs.setdefault(pair, []).append(step)
            won.setdefault(pair, set()).update(gate.won for gate in step.gates if gate.winner == winner and gate.won)
    found = []
    for loser, winner in _most(pairs):
        some = pairs[loser, winner]
        never = [step for step in some if _fate(step) == NEVER]
        worth = [one for step in never if (one := _worth(step)) is not None]
        told: dict[str, Any] = {
            "trigger": loser,
            "lost_to": winner,
            "steps": len(some),
            "by_gate": dict(sorted(Counter(step.gates[0].reason for step in some).items())),
            **_summary(some),
            "expected_value_lost": round(sum(worth), 2) if worth else None,
        }
        if goals is not None:
            told["winners"] = _goals(won[loser, winner], goals)
            told["losers_that_went_out"] = _goals({step.window for step in some if _fate(step) == LATER}, goals)
        found.append(told)
    return found


def _worth(step: _Step) -> float | None:
    return next((gate.worth for gate in reversed(step.gates) if gate.worth is not None), None)


def _goals(windows: set[str], goals: Mapping[str, Reached]) -> dict[str, Any]:
    reached = [goals[one] for one in windows if one in goals and not goals[one].silent]
    return {"windows": len(windows), "goals": len(reached), "revenue": text(sum(one.revenue for one in reached))}


def _changes(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """This week against the week before, in steps."""
    reasons = sorted({*now["held_back"], *before["held_back"]})
    return {
        "sent": now["sent"] - before["sent"],
        "steps_held_back": now["steps_held_back"] - before["steps_held_back"],
        "held_back": {one: _steps(now, one) - _steps(before, one) for one in reasons},
    }


def _steps(week: dict[str, Any], reason: str) -> int:
    return int(week["held_back"].get(reason, {}).get("steps", 0))
