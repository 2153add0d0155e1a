"""What each arm of an experiment got, and what people did then (A-209): response, unsubscribes and goals, side by side.

Who is in an arm whose condition she does not meet, in a control arm or in the hold-out gets nothing: what she would have got is counted as
withheld, and her goals are what the arm's own goals are measured against. It took no place under a cap, so it may be more than she would
have got. The hold-out is compared with everybody who is not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from app.domain.experiments import HOLDOUT
from app.domain.fingerprint import fingerprint
from app.domain.held_back import Reached, Told
from app.domain.tolerance import ACTS, ANSWER_MS, measured

WITHHELD = frozenset((HOLDOUT, "control_arm", "condition_false"))
"""Reasons of what an arm, or the hold-out, keeps back: only with `arms` beside them are they an arm's."""
HELD_OUT, OTHERS = "held out", "everybody else"
Drawn = tuple[tuple[str, str], ...]


class _Message(Struct, frozen=True):
    """A message, or one that was withheld: `send_id` is empty then."""

    window: int
    person: int
    at: int
    drawn: Drawn
    send_id: str = ""


class Arms:
    """Feed it decisions, each with its time in ms, in any order; repeats change nothing."""

    def __init__(self) -> None:
        self._drawn: dict[int, Drawn] = {}
        """Window → what its opening drew, of those that drew anything."""
        self._messages: dict[int, _Message] = {}
        self._held_out = False

    def see(self, told: Told, at: int) -> None:
        window = fingerprint(told.window_id)
        arms = told.values.get("arms")
        drawn = tuple((name, arm) for name, arm in arms.items() if isinstance(arm, str)) if isinstance(arms, dict) else None
        if told.outcome == "opened":
            mine = tuple(one for one in drawn or () if one[0] != HOLDOUT)
            if mine:
                self._drawn[window] = mine
            return
        sent = told.outcome == "sent" and told.send_id is not None
        if not sent and not (told.outcome == "not_sent" and told.reason in WITHHELD and drawn is not None):
            return
        if not sent and told.reason == HOLDOUT:
            self._held_out, drawn = True, ((HOLDOUT, HELD_OUT),)
        self._messages[fingerprint(told.decision_id)] = _Message(
            window, fingerprint(told.person_id), at, drawn or (), (told.send_id or "") if sent else ""
        )

    def result(self, acts: Mapping[str, frozenset[str]] | None, goals: Mapping[int, Reached] | None, now: int) -> dict[str, Any]:
        """For JSON. `acts`: send_id → what she did with it; `goals`: fingerprint of a window → what came of it; None: nobody knows."""
        by_arm: dict[tuple[str, str], list[_Message]] = {}
        young = 0
        for one in self._messages.values():
            drawn = one.drawn or self._drawn.get(one.window, ())
            if self._held_out and one.send_id:
                drawn = (*drawn, (HOLDOUT, OTHERS))
            if drawn and one.at > now - ANSWER_MS:
                young += 1
                continue
            for arm in drawn:
                by_arm.setdefault(arm, []).append(one)
        found: dict[str, Any] = {}
        for which in sorted(by_arm, key=lambda one: (one[0] == HOLDOUT, one)):
            found.setdefault(which[0], {})[which[1]] = _row(by_arm[which], acts, goals)
        return {"experiments": found, "left_out": young}


def _row(messages: list[_Message], acts: Mapping[str, frozenset[str]] | None, goals: Mapping[int, Reached] | None) -> dict[str, Any]:
    sent = [one for one in messages if one.send_id]
    did = Counter(act for one in sent for act in acts.get(one.send_id, ())) if acts is not None else None
    windows = {one.window for one in messages}
    return {
        "people": len({one.person for one in messages}),
        "windows": len(windows),
        "messages": len(sent),
        "withheld": len(messages) - len(sent),
        **{act: None if did is None or not sent else measured(act, did[act], len(sent)) for act in ACTS},
        "goals": None if goals is None else measured("goals", len(windows & goals.keys()), len(windows)),
    }
