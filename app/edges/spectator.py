"""Somebody who watches a running Kairos from outside: reads its topics and keeps what a live view and a report show.

Knows only what stands on the topics; repeated ids (a crash may repeat a record) are counted once.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from app import events
from app.edges.events_file import milliseconds
from app.edges.tally import Tally
from app.edges.timeline import Entry, timeline
from app.events import Conclusion, DeadLetter, Decision, Event, JournalRecord, Send

MAX_SENDS = 20_000
"""Messages kept for the report and the .eml files; later ones are only counted."""
MAX_RECORDS = 300
"""Journal records and decisions kept per person."""
MAX_PEOPLE = 20_000
"""People with a timeline; of later ones only what is counted is kept."""
NEWEST = 8
decode_send = msgspec.json.Decoder(Send).decode
decode_decision = msgspec.json.Decoder(Decision).decode
decode_letter = msgspec.json.Decoder(DeadLetter).decode
TOPICS = ("journal", "decisions", "message_sends", "dead_letters")


class Spectator:
    """Feed it every record of `TOPICS`. `waits`: trigger → the wait of each message of its chain (ms): what a window still waits for.

    `patient`: triggers that open only when a later event tells how long she stayed; they say nothing of latency.
    """

    def __init__(self, waits: dict[str, tuple[int, ...]], patient: frozenset[str] = frozenset()) -> None:
        self.tally = Tally()
        self.sends: list[Send] = []
        self.newest: deque[tuple[str, str]] = deque(maxlen=NEWEST)
        """(trigger, subject) of the newest messages, newest first."""
        self.events = 0
        self.people: set[str] = set()
        self.latencies: list[int] = []
        """ms from `customer_events` to the decision that opened a window."""
        self._waits, self._patient = waits, patient
        self._left: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._arrived: dict[str, int] = {}
        self._seen: set[str] = set()
        self._records: dict[str, list[JournalRecord]] = {}
        self._decisions: dict[str, list[Decision]] = {}

    @property
    def open_windows(self) -> int:
        return len(self._left)

    def next_due(self) -> int | None:
        """When the next message of an open window is due (ms), as far as decisions tell; None: nobody waits."""
        return min(self._due.values(), default=None)

    def sent_in(self, event_id: str, at: int) -> None:
        """The demo put this event on `customer_events` at `at` (broker or wall clock, ms)."""
        self._arrived.setdefault(event_id, at)

    def see(self, topic: str, value: bytes, stamp: int) -> None:
        """A record; `stamp`: its Kafka timestamp (ms)."""
        if topic == "journal":
            self._journal(events.journal.decode(value))
        elif topic == "decisions":
            self._decided(value, stamp)
        elif topic == "message_sends":
            send = decode_send(value)
            if self._new("send " + send.send_id):
                self.newest.appendleft((send.trigger, send.subject))
                if len(self.sends) < MAX_SENDS:
                    self.sends.append(send)
        elif topic == "dead_letters" and self._new("letter " + decode_letter(value).letter_id):
            self.tally.record(topic, value)

    def timeline_of(self, person_id: str) -> list[Entry]:
        sends = [send for send in self.sends if send.person_id == person_id]
        return timeline(self._records.get(person_id, []), self._decisions.get(person_id, []), sends)

    def decisions(self) -> list[Decision]:
        """All that were kept, in order of time."""
        return sorted((one for mine in self._decisions.values() for one in mine), key=lambda one: (one.at, one.decision_id))

    def telling_people(self, count: int) -> list[str]:
        """People whose timelines show the most different outcomes, one for each new combination of them."""
        stories: dict[frozenset[tuple[str, str, str]], str] = {}
        for person_id, decisions in sorted(self._decisions.items()):
            story = frozenset((one.trigger, one.outcome, one.reason or "") for one in decisions)
            stories.setdefault(story, person_id)
        chosen: list[str] = []
        shown: set[tuple[str, str, str]] = set()
        left = dict(stories)
        while left and len(chosen) < count:
            best = max(left, key=lambda story: (len(story - shown), -len(story), left[story]))
            shown |= best
            chosen.append(left.pop(best))
        return chosen

    def latency(self, share: float) -> int | None:
        """The quantile `share` of the latencies (ms)."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    def _journal(self, record: Any) -> None:
        if isinstance(record, Event):
            if not self._new("event " + record.event_id + record.person_id):
                return
            self.events += 1
            self.people.add(record.person_id)
        elif not isinstance(record, Conclusion) or not self._new(" ".join((record.kind, record.value, record.cause, record.person_id))):
            return
        _keep(self._records, record.person_id, record)

    def _decided(self, value: bytes, stamp: int) -> None:
        decision = decode_decision(value)
        if not self._new("decision " + decision.decision_id):
            return
        self.tally.record("decisions", value)
        _keep(self._decisions, decision.person_id, decision)
        window, outcome = decision.window_id, decision.outcome
        if outcome == "opened":
            self._left[window] = len(self._waits.get(decision.trigger, (0,)))
            self._wait(decision, 0)
            arrived = self._arrived.get(decision.cause[0]) if decision.cause else None
            if arrived is not None and decision.trigger not in self._patient:
                self.latencies.append(max(0, stamp - arrived))
        elif outcome in ("sent", "cancelled", "not_sent") and window in self._left:
            self._left[window] -= 1
            self._due.pop(window, None)
            if not self._left[window]:
                del self._left[window]
            elif outcome == "sent":
                self._wait(decision, decision.step + 1)

    def _wait(self, decision: Decision, step: int) -> None:
        waits = self._waits.get(decision.trigger, ())
        due = milliseconds(decision.due_at)
        if due is not None and step < len(waits):
            self._due[decision.window_id] = due + (waits[step] if step else 0)

    def _new(self, what: str) -> bool:
        if what in self._seen:
            return False
        self._seen.add(what)
        return True


def _keep(kept: dict[str, list[Any]], person_id: str, one: Any) -> None:
    mine = kept.setdefault(person_id, []) if person_id in kept or len(kept) < MAX_PEOPLE else []
    if len(mine) < MAX_RECORDS:
        mine.append(one)
