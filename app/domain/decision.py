"""Decisions of the trigger scheduler: what became of a window's steps, and why (interface.md section 4)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.domain.effects import Decide
from app.domain.window import Window
from app.events import Decision, PolicyName, begun, derived_id, id_of_three, iso

if TYPE_CHECKING:
    from app.domain.person import See

ENDS = ("sent", "cancelled", "not_sent")
"""Outcomes in which a step ends."""
_DECISION = begun("decision")


def decide(
    window: Window,
    see: See,
    outcome: str,
    step: int,
    reason: str | None = None,
    cause: str | None = None,
    due_at: int | None = None,
    values: dict[str, Any] | None = None,
) -> Decide:
    """A decision on one step. `cause`: an event beside the opening that brought it about; `due_at` in ms where it is known.

    The id comes from window, step, outcome: each of them happens to a step at most once; but a step may be held several times.
    """
    window_id = window.window_id
    if outcome == "held":
        decision_id = derived_id("decision", window_id, str(step), outcome, reason or "", str(see.now))
    else:
        decision_id = id_of_three(_DECISION, window_id, str(step), outcome)
    decision = Decision(
        decision_id=decision_id,
        window_id=window_id,
        person_id=see.person_id,
        customer_id=see.person.profile.customer_id,
        trigger=window.trigger,
        step=step,
        outcome=outcome,
        reason=reason,
        at=iso(see.now),
        due_at=None if due_at is None else iso(due_at),
        cause=[window.opening] if cause is None else [window.opening, cause],
        values=values or {},
        policy=policy_name(window.ref),
        send_id=None,
    )
    return Decide(decision)


@lru_cache(maxsize=100)
def policy_name(ref: str) -> PolicyName:
    """`name@hash` as outside records carry it."""
    name, _, version = ref.partition("@")
    return PolicyName(name, version)
