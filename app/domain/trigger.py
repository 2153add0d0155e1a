"""A policy pack as the lane runs it: compiled once, never stored, the same in every worker that has the artifact.

`app.policy.pack` builds it from TOML. Durations are ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from app.domain.message import MessageSource

Facts = dict[str, Any]
"""What a condition may look at: `event`, `window`, `profile`, `intent`, `churn`, those of them its row may use."""


class Verdict(Struct, frozen=True):
    """What a condition said. `fault`: why it could not be evaluated (a missing key, a type it cannot compare); then it does not hold."""

    holds: bool
    fault: str = ""


class Condition(Struct, frozen=True):
    """A compiled condition of a pack. `reads`: the roots its text names (`event`, `profile`, …), so that only those are built.

    `paths`: what it names of them (`profile.orders`), for the values of a decision.
    """

    text: str
    reads: frozenset[str]
    paths: tuple[str, ...]
    event_keys: tuple[str, ...] | None
    """All that it can look at of `event`; None: any of it."""
    evaluate: Callable[[Facts], Verdict]


class Opening(Struct, frozen=True):
    """What opens a window. `on`: event types or conclusion kinds. `scope`: person, product, order_id."""

    on: tuple[str, ...]
    scope: str
    when: Condition | None = None
    needs_dwell: bool = False
    """The condition reads `event.dwell_seconds`: a view that does not carry it waits until somebody tells it."""
    joins: tuple[str, ...] = ()
    """Conclusion kinds that join an open window of the scope but never open one (a later line of an order)."""


class Cancel(Struct, frozen=True):
    """What cancels an open window: `on` as in `Opening`; `when` may look at `window` alone, as it stands after this event."""

    on: tuple[str, ...]
    scope: str
    when: Condition | None = None


class Step(Struct, frozen=True):
    """A message of the chain: `wait` ms after the opening (step 0) or after the due_at of the step before."""

    wait: int
    message: str
    when: Condition | None = None


class Trigger(Struct, frozen=True):
    """One row of a pack. `why` is its source, in words."""

    name: str
    why: str
    opening: Opening
    cancels: tuple[Cancel, ...]
    steps: tuple[Step, ...]
    needs: tuple[str, ...]
    """Consent purposes its messages need."""
    priority: int
    """Of steps due together the lower goes first."""
    restart: bool
    """A joining event restarts the wait of the first step."""
    once: bool
    """At most one window per person, ever."""
    again: int
    """No new window of the same scope for so long after its last sent step; 0: at once."""
    late: int
    """A fire more than this after its due_at ends not_sent `late_event`."""
    expires: int
    """How long after due (or its first possible fire) a message is still worth delivering."""


class ChurnLevel(Struct, frozen=True):
    """A level of churn: reached when the probability over `horizon_days` is above `threshold`."""

    name: str
    threshold: float
    horizon_days: int


class Sender(Struct, frozen=True):
    """Whom mails come from: `email` is the From address, `name` its display name; `reply_to` None: the same."""

    email: str
    name: str
    reply_to: str | None = None


class Pack(Struct, frozen=True):
    """A compiled policy pack. `ref` is `name@version`, `version` the artifact's hash."""

    name: str
    version: str
    ref: str
    triggers: tuple[Trigger, ...]
    sender: Sender
    consent: dict[str, str]
    """Purpose → `opt_in` (absence means no) or `opt_out` (absence means yes)."""
    messages: dict[str, MessageSource]
    churn_levels: tuple[ChurnLevel, ...]
    """Highest threshold first."""
    by_name: dict[str, Trigger]
    opens: dict[str, tuple[Trigger, ...]]
    """Event type or conclusion kind → triggers that it opens or joins."""
    dwells: bool
    """A row waits for somebody to tell a product_view's dwell."""
    cancels: dict[str, tuple[Trigger, ...]]
    """Event type or conclusion kind → triggers that it may cancel."""
