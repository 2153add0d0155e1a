"""A decision in words: what became of a message, the first gate that stopped it, and what each gate saw.

Reasons, outcomes and values that are not known here are told by their own names: a pack or a newer worker may have more of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.domain import reason
from app.domain.discretion import TELLS
from app.edges import address_words, offer_words
from app.events import Decision

MAX_TEXT = 200
_NO_GATE = frozenset(("opened", "scheduled"))
"""Outcomes whose values are no gate's: they say what waits."""


def step_name(step: int) -> str:
    """`first message`, `follow-up 1`, …"""
    return "first message" if step == 0 else f"follow-up {step}"


def together(decisions: Iterable[Decision]) -> list[list[Decision]]:
    """Decisions that ended several steps of one window at once and for one reason, as one."""
    found: list[list[Decision]] = []
    for one in decisions:
        last = found[-1][-1] if found else None
        if last is not None and one.step == last.step + 1 and _ends(one) == _ends(last) and one.outcome in ("cancelled", "not_sent"):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _ends(one: Decision) -> tuple[str, str, str | None, str]:
    return one.window_id, one.outcome, one.reason, one.at


def decision_text(
    decision: Decision, subjects: Mapping[str, str], causes: Mapping[str, str] | None = None, steps: Sequence[int] = ()
) -> str:
    """One sentence. `subjects`: send_id → subject, `causes`: event id → what happened, where they are known; `steps`: all it is about."""
    what, outcome = f"{decision.trigger}: {' and '.join(map(step_name, steps or (decision.step,)))}", decision.outcome
    message = decision.values.get("message")
    waits = f" waits until {moment(decision.due_at)}" if decision.due_at else ""
    named = f" “{message}”" if isinstance(message, str) else ""
    led = (causes or {}).get(decision.cause[0]) if decision.cause else None
    if outcome == "opened":
        by = f" by: {led}" if led else ""
        return f"{decision.trigger}: window opened{by};{named or ' the first message'}{waits} (window {decision.window_id})"
    if outcome == "scheduled":
        return f"{what}{named}{waits}"
    if outcome == "sent":
        subject = subjects.get(decision.send_id or "")
        return f"{what} sent" + (f": “{subject}”" if subject else "") + f" (send {decision.send_id})"
    why = f": {words(decision)}" if decision.reason else ""
    wakes = decision.values.get("until")
    until = f" until {moment(wakes)}" if outcome == "held" and isinstance(wakes, str) else ""
    cause = (causes or {}).get(decision.cause[1]) if outcome == "cancelled" and len(decision.cause) > 1 else None
    return f"{what} {outcome.replace('_', ' ')}{until}{why}" + (f" ({cause})" if cause else "")


def words(decision: Decision) -> str:
    """Its reason, and what that means; where another profile of the same address is why, which and when."""
    name = decision.reason or ""
    shared = address_words.words(decision.values.get("address"))
    return reason.words(name) if shared is None else f"{name} – {shared}"


def gates(decision: Decision) -> list[str]:
    """What the gates saw, a line each, and which one stopped it."""
    if decision.outcome in _NO_GATE:
        return [f"{_spaced(name)}: {_flat(value)}" for name, value in decision.values.items() if name not in ("message", "opened_at")]
    values = dict(decision.values)
    lines = []
    if isinstance(consent := values.pop("consent", None), dict):
        lines.append("consent: " + ", ".join(f"{purpose} {'yes' if given else 'no'}" for purpose, given in consent.items()))
    if (condition := values.pop("condition", None)) is not None:
        seen = {name: values.pop(name) for name in list(values) if "." in name}
        missing = values.pop("missing", None)
        told = ", ".join(f"{name} was {_flat(value)}" for name, value in seen.items())
        lines.append(f"condition: {_flat(condition)}" + (f"; {told}" if told else "") + (f"; {_flat(missing)}" if missing else ""))
    if values.pop(TELLS, None):
        lines.append("sensitive: what it is about tells something that is nobody's business, by the words of [sensitive]")
    offer = values.pop("offer", None)
    if (shared := address_words.words(values.get("address"))) is not None:
        values["address"] = shared
    lines += [f"{_spaced(name)}: {_flat(value)}" for name, value in values.items()]
    if isinstance(offer, dict):
        lines += map(_cut, offer_words.lines(offer))
    if decision.outcome in ("not_sent", "held") and decision.reason:
        lines.append(f"stopped by: {reason.gate(decision.reason)}")
    return lines


def moment(iso: str) -> str:
    """`2026-03-02 14:00:00`: seconds are enough for people, and all times here are UTC."""
    return iso[:19].replace("T", " ")


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _flat(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _cut(", ".join(f"{_spaced(str(name))} {_flat(one)}" for name, one in value.items()))
    if isinstance(value, list | tuple):
        return _cut(", ".join(map(_flat, value)))
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
