"""The gate: may this step's message go to this person now? Asked at every fire, with everything known by then (design.md 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from app.domain import facts as known
from app.domain import moment, reach, response, window
from app.domain.contacts import Contact, Contacts
from app.domain.facts import Facts as Known
from app.domain.profile_view import named
from app.domain.scope import ORDER
from app.domain.trigger import Choice, Condition, Facts, Pack, Step, Trigger
from app.domain.window import Window

if TYPE_CHECKING:
    from app.domain.person import See

PLACES = 6
"""To which a decision tells what the gate saw."""
HERS = frozenset(("profile", "intent", "churn"))
"""Roots that are made of facts."""


class Answer(Struct, frozen=True):
    """`reason` None: it may go now, by `channel`; else why not (interface.md section 4), and with `wake_at` not yet.

    `values`: what was seen.
    """

    reason: str | None
    values: dict[str, Any]
    address: tuple[str, str | None] | None = None
    """Of whoever it goes to: on that channel, and the name."""
    channel: str = reach.EMAIL
    wake_at: int = 0
    """It is held until then (ms), at most until it expires; 0: it is not."""
    lost_to: Contact | None = None
    """The message that has the place it would have had, until that is answered."""


def ask(
    open_window: Window,
    trigger: Trigger,
    step: Step,
    pack: Pack,
    see: See,
    known: Contacts = (),
    has_text: Callable[[str], bool] = lambda channel: True,
) -> Answer:
    """Gates in order, the first that closes tells. `trigger`, `step`: of the window's own pack version; `pack`: the one active now.

    `known`: the messages she got lately, those of this very turn among them. The suppression group is asked in groups.py.
    `has_text`: whether the step's message can be written in a channel; asked only where a trigger has several.
    """
    values: dict[str, Any] = {}
    reason = _person(see, values) or _late(open_window, trigger, see, values)
    if reason is not None:
        return Answer(reason, values)
    found = reach.reached(trigger, pack, see, has_text, values)
    if found.reason is not None:
        return Answer(found.reason, values)
    if step.when is not None and not _holds(step.when, open_window, see, values):
        return Answer("condition_false", values)
    until = expires_at(open_window, trigger, see.now)
    if open_window.first_at and see.now >= until:
        return Answer(open_window.held, values)
    held = moment.hold(trigger, found.channel, pack, see, known, until)
    if held is not None:
        return Answer(held.reason, values | held.values, found.address, found.channel, held.at, held.lost_to)
    return Answer(None, values, found.address, found.channel)


def expires_at(open_window: Window, trigger: Trigger, now: int) -> int:
    """When the present step is worth nothing any more: so long after the later of its due and the first moment it could have gone."""
    return max(open_window.due_at, open_window.first_at or now) + trigger.expires


def gather(condition: Condition, event: dict[str, Any], see: See, open_window: Window | None = None) -> Facts:
    """The facts a condition reads, and only those."""
    keys = condition.event_keys  # handing CEL the whole event costs more than asking it
    about = event if keys is None else {key: event[key] for key in keys if key in event}
    told: Facts = {}
    hers = None if condition.reads.isdisjoint(HERS) else known.of(see)  # most openings ask about the event alone
    _add(told, condition, about, see, open_window, hers)
    return told


def choose(choices: Iterable[Choice], open_window: Window, see: See) -> Choice | None:
    """The first choice that holds; what several look at is gathered once."""
    told: Facts = {}
    event, hers = window.properties(open_window), known.of(see)
    for one in choices:
        _add(told, one.when, event, see, open_window, hers)
        if one.when.evaluate(told).holds:
            return one
    return None


def _add(told: Facts, condition: Condition, event: dict[str, Any], see: See, open_window: Window | None, hers: Known | None) -> None:
    """What the condition reads and nobody before it did."""
    for root in condition.reads:
        if root == "event":
            told[root] = event
        elif root == "window":
            names, seen = condition.window_keys, told.get(root)
            whole = names is None or window.PRODUCTS in names
            if open_window is not None and (seen is None or (whole and window.PRODUCTS not in seen)):
                orders = see.orders if open_window.scope == ORDER else None
                told[root] = window.facts(open_window, orders, _answered(open_window, see), whole)
        elif hers is not None:
            names = condition.profile_keys if root == "profile" else None
            told[root] = told.get(root, {}) | named(hers, root, names)


def _answered(open_window: Window, see: See) -> int:
    """When she last opened or clicked a mail herself (ms), as far as the window counts by it."""
    mail = see.person.profile.mail
    return max(response.last_open(mail), response.last_click(mail)) if open_window.asked else 0


def _late(open_window: Window, trigger: Trigger, see: See, values: dict[str, Any]) -> str | None:
    if open_window.first_at:
        return None  # it came in time; what held it since is no fault of its own
    lateness = see.now - open_window.due_at
    if lateness <= trigger.late:
        return None
    values["late_seconds"] = lateness // 1000
    return "late_event"


def _person(see: See, values: dict[str, Any]) -> str | None:
    if see.person.faults:
        values["fault"] = see.person.faults[0]
        return "fault"
    return "bot" if see.person.profile.bot else None


def _holds(condition: Condition, open_window: Window, see: See, values: dict[str, Any]) -> bool:
    facts = gather(condition, window.properties(open_window), see, open_window)
    verdict = condition.evaluate(facts)
    values["condition"] = condition.text
    values |= {path: seen for path in condition.paths if (seen := _at(facts, path)) is not None}
    if verdict.fault:
        values["missing"] = verdict.fault
    return verdict.holds


def _at(facts: Facts, path: str) -> Any:
    root, _, key = path.partition(".")
    seen = facts.get(root, {}).get(key)
    return round(seen, PLACES) if isinstance(seen, float) else seen if isinstance(seen, str | int) else None
