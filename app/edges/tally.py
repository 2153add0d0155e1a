"""What came out of a run, counted from its output records: sends by trigger, non-sends by reason, refusals by reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct


class _Decided(Struct):
    """The little of a decision that is counted."""

    trigger: str
    step: int
    outcome: str
    reason: str | None


class _Letter(Struct):
    reason: str
    violations: list[dict[str, str]]


_decision = msgspec.json.Decoder(_Decided).decode
_letter = msgspec.json.Decoder(_Letter).decode


MANY, FIRST = 6, 3
"""Of more steps than `MANY` the `FIRST` are told one by one: a programme without end has hundreds, and their sum says more."""


class Tally:
    """Feed it every record of `decisions` and `dead_letters`; `summary` is what `--json` prints."""

    def __init__(self) -> None:
        self.windows: Counter[str] = Counter()
        self.sends: Counter[tuple[str, int]] = Counter()
        self.not_sent: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.first_violation = ""

    def record(self, topic: str, value: bytes) -> None:
        if topic == "decisions":
            decided = _decision(value)
            match decided.outcome:
                case "opened":
                    self.windows[decided.trigger] += 1
                case "sent":
                    self.sends[decided.trigger, decided.step] += 1
                case "not_sent":
                    self.not_sent[decided.reason or "none"] += 1
                case "cancelled":
                    self.cancelled[decided.reason or "none"] += 1
        elif topic == "dead_letters":
            letter = _letter(value)
            self.refused[letter.reason] += 1
            if letter.violations and not self.first_violation:
                self.first_violation = "{path} {message}".format_map(letter.violations[0]).strip()

    def sends_by_trigger(self) -> dict[str, dict[str, int]]:
        """Trigger → step (as text, "0" the first message) → messages."""
        sends: dict[str, dict[str, int]] = {}
        for (trigger, step), count in sorted(self.sends.items()):
            sends.setdefault(trigger, {})[str(step)] = count
        return sends

    def summary(self) -> dict[str, Any]:
        return {
            "windows": dict(sorted(self.windows.items())),
            "sends": sum(self.sends.values()),
            "sends_by_trigger": self.sends_by_trigger(),
            "not_sent": dict(sorted(self.not_sent.items())),
            "cancelled": dict(sorted(self.cancelled.items())),
            "refused": sum(self.refused.values()),
            "refused_by_reason": dict(sorted(self.refused.items())),
        }

    def lines(self) -> list[str]:
        """The same for people."""
        lines = [f"sends      {sum(self.sends.values()):,}"]
        for trigger, steps in self.sends_by_trigger().items():
            lines.append(f"  {trigger:<26} {sum(steps.values()):>7,}   ({_each(steps)})")
        named = {"windows": self.windows, "not sent": self.not_sent, "cancelled": self.cancelled, "refused": self.refused}
        for title, counts in named.items():
            if counts:
                lines.append(f"{title:<10} {sum(counts.values()):,}")
                lines += [f"  {name:<26} {count:>7,}" for name, count in sorted(counts.items())]
        if self.first_violation:
            lines.append(f"  first refusal: {self.first_violation}")
        return lines


def _each(steps: dict[str, int]) -> str:
    """Messages of each step, in few words."""
    told = list(steps.items())
    alone, rest = (told, []) if len(told) <= MANY else (told[:FIRST], told[FIRST:])
    parts = [f"step {step}: {count:,}" for step, count in alone]
    if rest:
        parts.append(f"steps {rest[0][0]} to {rest[-1][0]}: {sum(count for _, count in rest):,}")
    return ", ".join(parts)
