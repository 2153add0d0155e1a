"""How a plan that goes no further ends: its decision, and the answer with which the lane gives its place back."""

from __future__ import annotations

from typing import Any

from app import events
from app.domain.decision import policy_name
from app.engine.counts import Counts
from app.engine.program import Output
from app.events import Decision, NotRendered, Plan, derived_id, iso


def not_sent(plan: Plan, reason: str, told: dict[str, Any], counts: Counts) -> list[Output]:
    """`told`: what was seen beside what the plan's gates saw."""
    key = plan.person_id.encode()
    ended = decision(plan, "not_sent", reason, {**plan.values, **told})
    counts.decided(ended)
    answer = NotRendered(plan.at, plan.person_id, plan.send_id, plan.window_id, plan.trigger, plan.step, reason)
    return [
        Output("decisions", key, events.encode_json(ended)),
        Output("journal", key, events.encode(answer)),
    ]


def decision(plan: Plan, outcome: str, reason: str | None, values: dict[str, Any]) -> Decision:
    """What became of a plan."""
    return Decision(
        decision_id=derived_id("decision", plan.window_id, str(plan.step), outcome),
        window_id=plan.window_id,
        person_id=plan.person_id,
        customer_id=plan.customer_id,
        trigger=plan.trigger,
        step=plan.step,
        outcome=outcome,
        reason=reason,
        at=iso(plan.at),
        due_at=iso(plan.due_at),
        cause=plan.cause,
        values=values,
        policy=policy_name(plan.policy),
        send_id=plan.send_id,
    )
