"""What became of messages: who opened, clicked, unsubscribed, whose goal was reached; of a journal, or of a file of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from app import events
from app.domain import device, mail, orders
from app.domain.contract import Broken, accept
from app.domain.goals import KIND
from app.domain.held_back import Reached
from app.domain.identity import identifier, person_id
from app.domain.mail import Mail
from app.domain.orders import Orders
from app.domain.plural import count
from app.domain.tolerance import BEFORE_MS, Sent
from app.edges.events_file import Unreadable, arrivals, milliseconds
from app.edges.progress import Bar
from app.edges.topic_scan import Scanner
from app.events import Conclusion, Event, Undecodable

REPORTS = {"email_sent": mail.sent, "email_delivered": mail.delivered}
ACTS = {"email_open": mail.opened, "email_click": mail.clicked}
UNSUBSCRIBE = "email_unsubscribe"
ORDERS = frozenset(("purchase", "store_purchase"))


class Responses:
    """Feed it events and conclusions, in the order in which they happened to a person; repeats change nothing."""

    def __init__(self) -> None:
        self._goals: dict[str, Conclusion] = {}
        """Window → what was concluded of its messages."""
        self.events = 0
        self.refused = 0
        """Lines of a file that are no events, or break the contract of theirs."""
        self.first_refusal = ""
        self._mails: dict[str, Mail] = {}
        self._left: dict[str, int] = {}
        """send_id → when its reader unsubscribed by it."""
        self._left_by_none: list[tuple[str, int]] = []
        """(person, when) of those whose provider does not say by which message."""
        self.told: dict[str, tuple[str | None, str | None]] = {}
        """send_id → (content type, category) that its sender told of it."""
        self._orders: dict[tuple[str, str], Orders] = {}
        """(person, order id) → that order, as far as it was told: shops tell one line by line, and twice."""
        self._order_of: dict[str, tuple[str, str]] = {}
        """Event → the order it is about."""

    def event(self, one: Event) -> None:
        send_id = one.properties.get("send_id")
        told = send_id if isinstance(send_id, str) and send_id else None
        if one.event_type in ORDERS:
            which = (one.person_id, orders.id_of(one.properties, one.event_id))
            self._order_of[one.event_id] = which
            self._orders[which] = orders.purchase(self._orders.get(which, Orders()), one.properties, one.event_id, one.ts, ()).orders
        elif one.event_type == UNSUBSCRIBE:
            self.events += 1
            if told is None:
                self._left_by_none.append((one.person_id, one.ts))
            else:
                self._left.setdefault(told, one.ts)
        elif told is not None and one.event_type in REPORTS:
            self.events += 1
            self._mails[told] = REPORTS[one.event_type](self._mails.get(told, Mail()), one)
            content, category = self.told.get(told) or (None, None)
            self.told[told] = (content or _word(one, "content_type"), category or _word(one, "category", "product_category"))
        elif told is not None and one.event_type in ACTS:
            self.events += 1
            kind = device.kind(one.properties, one.context)
            self._mails[told] = ACTS[one.event_type](self._mails.get(told, Mail()), one, kind)[0]

    def conclusion(self, one: Conclusion) -> None:
        window = one.values.get("window_id")
        if one.kind == KIND and isinstance(window, str):
            self._goals[window] = one

    @property
    def goals(self) -> dict[str, Reached]:
        """window_id → what came of its messages; an order is worth all that was told of it."""
        return {window: Reached(one.value, bool(one.values.get("silent")), self._worth(one.cause)) for window, one in self._goals.items()}

    def _worth(self, event_id: str) -> int:
        which = self._order_of.get(event_id)
        order = None if which is None else orders.find(self._orders[which], which[1])
        return 0 if order is None else order.amount

    def sends(self, sent: dict[str, tuple[str, int]]) -> Iterator[Sent]:
        """`sent`: send_id → (person, ms). Each with what she did; an unsubscribe that names no message counts for her last one."""
        by_person: dict[str, list[tuple[int, str]]] = {}
        for send_id, (person, at) in sent.items():
            by_person.setdefault(person, []).append((at, send_id))
        left = set(self._left)
        for person, at in self._left_by_none:
            mine = [(when, one) for when, one in by_person.get(person, ()) if at - BEFORE_MS <= when <= at]
            left |= {max(mine)[1]} if mine else set()
        for send_id, (person, at) in sent.items():
            known = self._mails.get(send_id)
            clicked = known is not None and known.human_clicks > 0
            opened = clicked or (known is not None and known.human_opens > 0)
            told = {"opened": opened, "clicked": clicked, "unsubscribed": send_id in left}
            yield Sent(person, at, frozenset(name for name, happened in told.items() if happened), send_id)


def _word(one: Event, *names: str) -> str | None:
    return next((value.strip() for name in names if isinstance(value := one.properties.get(name), str) and value.strip()), None)


async def of_journal(scan: Scanner) -> Responses:
    """Of a cluster. Raises `ScanFailed`."""
    found = Responses()
    with Bar("reading journal", 0) as bar:
        async for record in scan.read("journal", None, lambda done, total: bar.at(done, f"{done} of {total}")):
            try:
                one: Any = events.journal.decode(record.value or b"")
            except Undecodable:
                continue
            if isinstance(one, Event):
                found.event(one)
            elif isinstance(one, Conclusion):
                found.conclusion(one)
    return found


def of_events(path: Path, secret: str) -> Responses:
    """Of a file of events; who reached which goal is not in it. Raises `Unreadable`, also where not one line of it is an event."""
    found = Responses()
    lines = 0
    with Bar(f"reading {path.name}", path.stat().st_size) as bar:
        for number, arrival in enumerate(arrivals(path), 1):
            bar.at(arrival.read)
            lines += 1
            if b"email_" not in arrival.value and b'"event_type"' in arrival.value:
                continue
            try:
                one = accept(arrival.value, arrival.at, f"line {number}")
            except Broken as error:
                found.refused += 1
                found.first_refusal = found.first_refusal or f"line {number}: {error}"
                continue
            person = person_id(secret, identifier(one.customer_id, one.anonymous_id))
            found.event(
                Event(
                    arrival.at, one.event_id, one.event_type, one.ts, person, one.customer_id, one.anonymous_id, one.properties, one.context
                )
            )
    if lines and found.refused == lines:
        raise Unreadable(f"{path}: not one of its {count(lines, 'line')} is an event: {found.first_refusal}")
    return found


def of_sends(lines: Iterator[bytes], path: Path) -> dict[str, tuple[str, int]]:
    """send_id → (person, ms) of a file of messages. Raises `Unreadable`."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, 1):
        try:
            told = orjson.loads(line)
            at = milliseconds(told["decided_at"])
            send_id, person = told["send_id"], told["person_id"]
        except (orjson.JSONDecodeError, KeyError) as error:
            raise Unreadable(f"{path}: record {number} is no message: {error}") from error
        if at is None or not isinstance(send_id, str) or not isinstance(person, str):
            raise Unreadable(f"{path}: record {number} is no message")
        found[send_id] = (person, at)
    return found
