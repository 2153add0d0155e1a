"""A person's timeline in words: what she did, what Kairos concluded, decided and sent, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from app import events
from app.domain import money, news
from app.domain.concluded import LOW_STOCK, PRICE_DROP
from app.domain.movement import ENTERED, LEFT, OWN, STAGE, TIER, Behind, spoken
from app.domain.product import product, products
from app.edges.events_file import milliseconds
from app.edges.verdict import decision_text, gates, together
from app.events import Broadcast, Conclusion, Decision, Event, JournalRecord, Send

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

TELLING = ("order_id", "query", "page_type", "link", "kind", "purposes", "previous_id", "ticket_id", "status", "dwell_seconds", "send_id")
"""Properties worth a word, in this order."""
NOTHING_KNOWN: Mapping[tuple[str, str, str], Behind] = {}
_CITED = re.compile(r"^(?:[AX]-\d{2,3}(?:\s*–\s*[AX]-\d{2,3})?(?:, )?)+: ")
"""Rows of the requirements that a `why` begins with: they are for whoever keeps the pack."""
MAX_NAMES = 5
"""Products of one event that are named; the rest are counted."""


class Entry(Struct, frozen=True):
    """One line of a timeline. `kind`: event, identity, conclusion, standing, score, window, decision, send. `more`: lines beneath."""

    at: int
    kind: str
    text: str
    more: tuple[str, ...] = ()
    told: dict[str, Any] = {}
    """The same for programs: ids, outcome, reason, values."""

    def __str__(self) -> str:
        head = printable(f"{events.iso(self.at)}  {self.kind:<10}  {self.text}")
        return "\n".join([head, *(" " * 38 + printable(line) for line in self.more)])

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {"at": events.iso(self.at), "kind": self.kind, "text": self.text, "more": list(self.more), **self.told}


Which = tuple[str, str, str]
"""A conclusion: kind, value, cause."""


def timeline(
    records: Iterable[JournalRecord],
    decisions: Iterable[Decision],
    sends: Iterable[Send] = (),
    known: Mapping[Which, Behind] = NOTHING_KNOWN,
) -> list[Entry]:
    """Entries in order of time. `sends` tell the subjects; a record or decision that repeats an id tells nothing new.

    `known`: what stands behind a stage, tier or segment.
    """
    entries = []
    subjects = {send.send_id: send.subject for send in sends}
    causes: dict[str, str] = {}
    concluded: set[Which] = set()
    for record in records:
        if isinstance(record, Event):
            if record.event_id in causes:
                continue
            causes[record.event_id] = event_text(record)
            told = {"event_id": record.event_id, "event_type": record.event_type}
            entries.append(Entry(record.at, "event", causes[record.event_id], told=told))
        elif isinstance(record, Broadcast):
            causes.setdefault(news.cause(record), news_text(record))  # everybody's, so it stands only where it led to something
        elif isinstance(record, Conclusion) and (which := (record.kind, record.value, record.cause)) not in concluded:
            concluded.add(which)
            if record.kind in OWN:
                causes.setdefault(record.cause, conclusion_text(record))  # of time alone: no event stands for it
                entries.append(_standing_entry(record, known.get(which)))
                continue
            told = {"conclusion": record.kind, "value": record.value, "cause": record.cause}
            entries.append(Entry(record.at, "conclusion", conclusion_text(record), told=told))
    once = {decision.decision_id: decision for decision in decisions}
    entries += [_decision_entry(several, subjects, causes) for several in together(once.values())]
    # Stable: what stands first among equals was there first, causes before what they led to.
    return sorted(entries, key=lambda entry: entry.at)


def _decision_entry(several: list[Decision], subjects: Mapping[str, str], causes: Mapping[str, str]) -> Entry:
    decision, steps = several[0], [one.step for one in several]
    kind = "send" if decision.outcome == "sent" else "window" if decision.outcome in ("opened", "scheduled") else "decision"
    told = {name: value for name, value in msgspec.to_builtins(decision).items() if name not in ("at", "person_id", "customer_id")}
    text = decision_text(decision, subjects, causes, steps)
    return Entry(milliseconds(decision.at) or 0, kind, text, tuple(gates(decision)), {**told, "steps": steps})


def _standing_entry(record: Conclusion, known: Behind | None) -> Entry:
    text, why = conclusion_text(record), _CITED.sub("", known.why) if known is not None and record.kind != LEFT else ""
    more = (f"by time alone: {', '.join(_figure(*one) for one in known.figures.items())}",) if known and known.figures else ()
    told = {"conclusion": record.kind, "value": record.value, "cause": record.cause, **_plain(record)}
    if known is not None:
        told |= {"why": known.why, "figures": known.figures}
    return Entry(record.at, "standing", f"{text}: {why}" if why else text, more, told)


def _plain(record: Conclusion) -> dict[str, Any]:
    told = record.values.get("event")
    return {name: told[name] for name in ("scheme", "before") if name in told} if isinstance(told, dict) else {}


def _figure(path: str, value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{spoken(path)} {'not known' if value is None else value if not isinstance(value, bool) else 'yes' if value else 'no'}"


def conclusion_text(record: Conclusion) -> str:
    """What the lane found out."""
    if record.kind in (STAGE, TIER):
        scheme, _, group = record.value.rpartition(".")
        before = _plain(record).get("before")
        return f"now {group} ({f'{record.kind} {scheme}'.strip()}{f'; was {before}' if before is not None else ''})"
    if record.kind in (ENTERED, LEFT):
        return f"{record.kind.removeprefix('segment_')} segment {record.value}"
    likely = record.values.get("probability")
    odds = f" ({100 * likely:.0f} % likely gone)" if isinstance(likely, float) else ""
    return f"{_spaced(record.kind)}: {record.value}{odds}"


def news_text(record: Broadcast) -> str:
    """What is new of a product, in words."""
    told = record.values
    name, currency = told.get("product_name") or record.product_id, f" {told['currency']}" if told.get("currency") else ""
    if record.change == PRICE_DROP:
        return f"{name} costs {told.get('price')}{currency} now, before that {told.get('old_price')}"
    if record.change == LOW_STOCK:
        return f"only {told.get('stock')} left of {name}"
    return f"{name} is back in stock"


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


def printable(text: str) -> str:
    """Text that a shop or a customer wrote, for a terminal: control characters must not steer it."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
