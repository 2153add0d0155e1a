"""What a step asks for: pure data, turned into records by the agents' program."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from app.domain.catalog_change import Happened
from app.events import Became, Closing, Conclusion, Counted, Decision, Event, Link, Moved, NotRendered, Plan, Rendered, Retry


class Conclude(Struct, frozen=True):
    """Hand a conclusion to the lane's agents in this step, and publish it on the journal."""

    conclusion: Conclusion


class PlanMessage(Struct, frozen=True):
    """A due message that passed every gate of its person, for its address."""

    plan: Plan


class Address(Struct, frozen=True):
    """What one of her addresses has to know of her. `key`: of the address (app/domain/address.py)."""

    key: bytes
    record: Closing | Became


class Decide(Struct, frozen=True):
    """A decision for the record of what was and was not done."""

    decision: Decision


class Keep(Struct, frozen=True):
    """Replace a part of the person's second row (big, seldom changing): `part` is `orders`, `lookback` or `originals`."""

    part: str
    value: Any


class PassOn(Struct, frozen=True):
    """A record for the journal under another person: what was hers on its way there, or what came for a stub."""

    record: Moved | Event | Link | Rendered | NotRendered | Retry


class Tell(Struct, frozen=True):
    """Facts for the analyst."""

    counted: Counted


class Unopened(Struct, frozen=True):
    """A window that would have opened and may not, to be counted: nothing of it is written down."""

    trigger: str
    reason: str


class Notice(Struct, frozen=True):
    """She bought or rated a product, for the product watcher to count; she is not named. `id` is of its causes; `at` in ms."""

    product_id: str
    happened: Happened
    at: int


class PublishProfile(Struct, frozen=True):
    """Publish her profile as it stands after this record."""


Effect = Tell | Notice | Unopened | PublishProfile | Conclude | PlanMessage | Address | Decide | Keep | PassOn
Effects = tuple[Effect, ...]

NOTHING: Effects = ()
