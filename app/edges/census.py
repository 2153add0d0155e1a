"""What became of a trigger over everybody: its decisions counted by outcome and reason, with people to look at."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import reason
from app.edges.timeline import printable
from app.edges.verdict import moment, step_name

EXAMPLES = 3
"""People named per outcome and reason, the newest."""
MANY = 100
"""Decisions of one outcome and reason kept until the newest are chosen."""
OPENED = "opened"
OUTCOMES = (OPENED, "scheduled", "held", "sent", "not_sent", "cancelled")
"""As they are listed."""


class _Decided(Struct):
    decision_id: str
    person_id: str
    customer_id: str | None
    trigger: str
    step: int
    outcome: str
    reason: str | None
    at: str
    send_id: str | None


class Example(Struct, frozen=True):
    """Somebody it happened to."""

    at: str
    person_id: str
    customer_id: str | None
    step: int
    send_id: str | None


_decode = msgspec.json.Decoder(_Decided).decode


class Census:
    """Feed it every record of `decisions`; those of `trigger` from `since` (ISO, UTC; empty: ever) on are counted, each id once."""

    def __init__(self, trigger: str, since: str) -> None:
        self.trigger, self.since = trigger, since
        self.counts: Counter[tuple[str, str, int]] = Counter()
        """(outcome, reason or "", step) → decisions."""
        self.triggers: set[str] = set()
        """Every trigger that was met."""
        self.people: set[str] = set()
        self._examples: dict[tuple[str, str], list[Example]] = {}
        self._seen: set[bytes] = set()

    def see(self, value: bytes) -> None:
        """A record of `decisions`."""
        one = _decode(value)
        self.triggers.add(one.trigger)
        if one.trigger != self.trigger or one.at < self.since:
            return
        which = one.decision_id.encode()[:16]  # half of a hash is enough to know it again
        if which in self._seen:
            return
        self._seen.add(which)
        why = one.reason or ""
        self.counts[one.outcome, why, one.step] += 1
        self.people.add(one.person_id)
        newest = self._examples.setdefault((one.outcome, why), [])
        newest.append(Example(one.at, one.person_id, one.customer_id, one.step, one.send_id))
        if len(newest) > MANY:
            newest[:] = _newest(newest)

    @property
    def span(self) -> str:
        """In words, to be put behind something; empty if there is no beginning."""
        return f" since {moment(self.since)}" if self.since else ""

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "trigger": self.trigger,
            "since": self.since or None,
            "people": len(self.people),
            "counts": [
                {"outcome": outcome, "reason": why or None, "step": step, "count": count}
                for (outcome, why, step), count in sorted(self.counts.items())
            ],
            "examples": [
                {"outcome": outcome, "reason": why or None, **msgspec.to_builtins(one)}
                for (outcome, why), some in sorted(self._examples.items())
                for one in _newest(some)
            ],
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.trigger}{self.span}: {len(self.people):,} {'person' if len(self.people) == 1 else 'people'}"]
        totals: Counter[tuple[str, str]] = Counter()
        for (outcome, why, _), count in self.counts.items():
            totals[outcome, why] += count
        for (outcome, why), total in sorted(totals.items(), key=lambda item: (_order(item[0][0]), -item[1], item[0])):
            steps = {step: count for (one, other, step), count in sorted(self.counts.items()) if (one, other) == (outcome, why)}
            each = ", ".join(f"{step_name(step)} {count:,}" for step, count in steps.items())
            told = [reason.words(why)] if why else []
            told += [f"({each})"] if outcome != OPENED else []
            lines.append(f"{outcome.replace('_', ' '):<10} {total:>9,}  {' '.join(told)}".rstrip())
            for one in _newest(self._examples[outcome, why]):
                who = f"{one.customer_id} " if one.customer_id else ""
                lines.append(f"{'':<22}{moment(one.at)}  {who}person {one.person_id}" + (f"  send {one.send_id}" if one.send_id else ""))
        return [printable(line) for line in lines]


def _order(outcome: str) -> tuple[int, str]:
    return (OUTCOMES.index(outcome) if outcome in OUTCOMES else len(OUTCOMES), outcome)


def _newest(some: list[Example]) -> list[Example]:
    """The newest of each of the newest people."""
    by_person = {one.person_id: one for one in sorted(some, key=lambda one: (one.at, one.person_id, -one.step))}
    return sorted(by_person.values(), key=lambda one: (one.at, one.person_id), reverse=True)[:EXAMPLES]
