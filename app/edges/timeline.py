"""A person's timeline in words: what she did, what Kairos concluded, decided and sent, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from app import events
from app.domain import money
from app.domain.product import product, products
from app.edges.events_file import milliseconds
from app.events import Conclusion, Decision, Event, JournalRecord, Send

VERBS = {
    "product_view": "looked at",
    "page_leave": "left the page of",
    "cart_add": "put in the cart:",
    "cart_remove": "took out of the cart:",
    "wishlist_add": "put on the wish list:",
    "wishlist_remove": "took off the wish list:",
    "review_write": "reviewed",
    "purchase": "bought",
    "store_purchase": "bought in the store:",
}
"""Event types about a product that read better than their name; all others are told by their name."""

TELLING = ("order_id", "query", "page_type", "link", "kind", "purposes", "previous_id", "ticket_id", "status", "dwell_seconds")
"""Properties worth a word, in this order."""
MAX_NAMES = 5
"""Products of one event that are named; the rest are counted."""


class Entry(Struct, frozen=True):
    """One line of a timeline. `kind`: event, conclusion, decision, send."""

    at: int
    kind: str
    text: str

    def __str__(self) -> str:
        return printable(f"{events.iso(self.at)}  {self.kind:<10}  {self.text}")


def timeline(records: Iterable[JournalRecord], decisions: Iterable[Decision], sends: Iterable[Send] = ()) -> list[Entry]:
    """Entries in order of time. `sends` tell the subjects; a decision that repeats an id tells nothing new."""
    entries = []
    subjects = {send.send_id: send.subject for send in sends}
    for record in records:
        if isinstance(record, Event):
            entries.append(Entry(record.at, "event", event_text(record)))
        elif isinstance(record, Conclusion):
            entries.append(Entry(record.at, "conclusion", f"{_spaced(record.kind)}: {record.value}"))
    told: set[str] = set()
    for decision in decisions:
        if decision.decision_id not in told:
            told.add(decision.decision_id)
            kind = "send" if decision.outcome == "sent" else "decision"
            entries.append(Entry(milliseconds(decision.at) or 0, kind, decision_text(decision, subjects)))
    # Stable: what stands first among equals was there first, causes before what they led to.
    return sorted(entries, key=lambda entry: entry.at)


def event_text(event: Event) -> str:
    """What somebody did, in words."""
    properties = event.properties
    names = [one.name or one.product_id or one.group_id for one in products(properties)]
    flat = product(properties)
    words = VERBS.get(event.event_type, _spaced(event.event_type)) if names else _spaced(event.event_type)
    text = words + (" " + ", ".join(names[:MAX_NAMES]) if names else "")
    if len(names) > MAX_NAMES:
        text += f" and {len(names) - MAX_NAMES} more"
    price = money.units(properties.get("price")) if flat is not None else None
    details = [] if price is None else [f"{money.text(price)} {properties.get('currency') or ''}".strip()]
    details += [f"{_spaced(name)} {_short(properties[name])}" for name in TELLING if properties.get(name) not in (None, "", [])]
    if abs(event.at - event.ts) > 60_000:
        details.append(f"happened {events.iso(event.ts)}")
    if event.future:
        details.append("its clock was ahead")
    if event.bot:
        details.append("too many events an hour: bot")
    return text + (f" ({'; '.join(details)})" if details else "")


def decision_text(decision: Decision, subjects: dict[str, str]) -> str:
    """What was decided, of which message, and why. `subjects`: send_id → subject, where the message itself is known."""
    what = f"{decision.trigger} step {decision.step}"
    outcome, reason = decision.outcome, decision.reason
    due = f", due {decision.due_at}" if decision.due_at and outcome in ("opened", "scheduled", "held") else ""
    if outcome == "sent":
        subject = subjects.get(decision.send_id or "")
        return f"{what} sent" + (f": “{subject}”" if subject else "") + f" (send {decision.send_id})"
    if outcome == "opened":
        return f"{decision.trigger} opened{due} (window {decision.window_id})"
    values = {name: value for name, value in decision.values.items() if isinstance(value, str | int | float | bool)}
    saw = "; saw " + ", ".join(f"{name}={_short(value)}" for name, value in values.items()) if values else ""
    return f"{what} {outcome.replace('_', ' ')}" + (f": {reason}" if reason else "") + due + saw


def printable(text: str) -> str:
    """Text that a shop or a customer wrote, for a terminal: control characters must not steer it."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
