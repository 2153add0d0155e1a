"""What was told to the engine and what it said and sent, kept apart from it: the witness that the month's report is written from."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from app import events
from app.domain.trigger import Pack
from app.engine.program import Output
from app.engine.simulation import Simulation
from app.events import Conclusion
from app.flow import Stage
from tests.month_people import DAY_MS, Told

ENDS = ("sent", "not_sent", "cancelled")
TURNS = 4
"""Mails that a programme's message holds, by the step it is sent at."""


class Mail(Struct, frozen=True):
    """Of a message that went out what is looked at."""

    send_id: str
    window_id: str
    person_id: str
    customer_id: str | None
    channel: str
    trigger: str
    step: int
    message: str
    decided_at: str
    due_at: str


class Went(Struct, frozen=True):
    """The same, kept."""

    at: int
    due_at: int
    trigger: str
    step: int
    message: str
    channel: str
    zone: str | None
    """As last told before."""
    stage: str
    tier: str
    refused: str
    """Why it should not have gone by what was told before: the purpose not allowed, `unsubscribed`, `bounced`; empty: nothing."""


class _Said(Struct):
    window_id: str
    person_id: str
    trigger: str
    step: int
    outcome: str
    reason: str | None
    at: str
    due_at: str | None
    values: dict[str, object]


class Known(Struct):
    """What was told of somebody so far, each with when it arrived."""

    purposes: dict[str, bool] = {}
    unsubscribed: bool = False
    bounced: bool = False
    zone: str | None = None
    zone_at: int = 0


_mail = msgspec.json.Decoder(Mail).decode
_said = msgspec.json.Decoder(_Said).decode


class Ledger:
    """`told` before each event is fed, `output` at each record out. Counts begin at `since` (ms); windows and caps are followed throughout.

    `assumed`: consent and address of everybody are taken for given.
    """

    def __init__(self, pack: Pack, since: int, assumed: bool = False) -> None:
        self.pack, self.since, self.assumed = pack, since, assumed
        self.known: dict[str, list[tuple[int, Known]]] = {}
        self.went: dict[str, list[Went]] = {}
        """By customer, or by person of whom nobody told one."""
        self.windows: dict[str, int] = {}
        """Window → bits of the steps that have ended."""
        self.trigger_of: dict[str, str] = {}
        self.wrong: list[str] = []
        self.opened: Counter[str] = Counter()
        self.ended: Counter[tuple[str, str, str]] = Counter()
        """(trigger, outcome, reason)"""
        self.holding: dict[tuple[str, int], tuple[str, int]] = {}
        """(window, step) → why it is held, since when."""
        self.held: dict[str, list[int]] = {}
        """Reason → how long (ms) each hold lasted."""
        self.released: list[tuple[int, str]] = []
        """(ms from due to sent, trigger) of those that were held before."""
        self.lost: Counter[tuple[str, str]] = Counter()
        """(loser, winner)"""
        self.grouped: Counter[tuple[str, str]] = Counter()
        """(trigger, held or not_sent)"""
        self.stages: dict[str, str] = {}
        self.tiers: dict[str, str] = {}
        self.left: list[tuple[int, str]] = []
        """When who unsubscribed or complained."""
        self.events = 0

    # --- in ---------------------------------------------------------------------------------------------------------------------

    def told(self, one: Told) -> None:
        at, key, event = one
        self.events += 1
        who, kind, properties = _who(key), event["event_type"], event["properties"]
        log = self.known.setdefault(who, [])
        before = log[-1][1] if log else Known()
        after = before
        if kind in ("consent_give", "consent_withdraw"):
            said = dict.fromkeys(properties["purposes"], kind == "consent_give")
            after = msgspec.structs.replace(before, purposes={**before.purposes, **said})
        elif kind in ("email_unsubscribe", "email_complaint"):
            after = msgspec.structs.replace(before, unsubscribed=True)
            self.left.append((at, who))
        elif kind == "email_bounce":
            after = msgspec.structs.replace(before, bounced=True)
        zone = event.get("context", {}).get("timezone")
        if zone is not None and zone != before.zone and (ts := _ms(event["timestamp"])) >= before.zone_at:
            after = msgspec.structs.replace(after, zone=zone, zone_at=ts)
        if after is not before:
            log.append((at, after))

    # --- out --------------------------------------------------------------------------------------------------------------------

    def output(self, output: Output) -> Mail | None:
        """Takes note of a record; a mail that went out is given back."""
        if output.topic == "decisions":
            self._decided(_said(output.value))
        elif output.topic == "message_sends":
            return self._sent(_mail(output.value))
        elif output.topic == "journal" and output.stage == Stage.HANDED:
            found = events.journal.decode(output.value)
            if type(found) is Conclusion and found.kind in ("stage", "tier"):
                scheme, _, name = found.value.partition(".")
                if scheme == (self.pack.goes_by.stage if found.kind == "stage" else self.pack.goes_by.tier):
                    (self.stages if found.kind == "stage" else self.tiers)[found.person_id] = name
        return None

    def _sent(self, mail: Mail) -> Mail:
        at, who = _ms(mail.decided_at), mail.customer_id or mail.person_id
        known = next((one for when, one in reversed(self.known.get(who, ())) if when <= at), Known())
        stage, tier = self.stages.get(mail.person_id, "none"), self.tiers.get(mail.person_id, "none")
        went = Went(
            at, _ms(mail.due_at), mail.trigger, mail.step, mail.message, mail.channel, known.zone, stage, tier, self._refused(known, mail)
        )
        self.went.setdefault(who, []).append(went)
        return mail

    def _refused(self, known: Known, mail: Mail) -> str:
        if mail.channel == "email" and (known.unsubscribed or known.bounced):
            return "unsubscribed" if known.unsubscribed else "bounced"
        needs = {one for one in self.pack.by_name[mail.trigger].needs if one not in ("email", "sms", "push")}
        if mail.channel != "email" or "email" in self.pack.by_name[mail.trigger].needs:
            needs.add(mail.channel)
        return next((one for one in sorted(needs) if not known.purposes.get(one, self.assumed)), "")

    def _decided(self, said: _Said) -> None:
        at, window, place = _ms(said.at), said.window_id, (said.window_id, said.step)
        counted = at >= self.since
        if said.outcome == "opened":
            if window in self.windows:
                self.wrong.append(f"window {window} of {said.trigger} opened twice")
            self.windows[window] = 0
            self.trigger_of[window] = said.trigger
            self.opened[said.trigger] += counted
            return
        hold = self.holding.pop(place, None)
        if hold is not None and counted:
            self.held.setdefault(hold[0], []).append(at - hold[1])
            if said.outcome == "sent" and said.due_at is not None:
                self.released.append((at - _ms(said.due_at), said.trigger))
        if said.reason == "lost_to_trigger" and counted:
            to = said.values.get("lost_to")
            self.lost[said.trigger, str(to.get("trigger")) if isinstance(to, dict) else "?"] += 1
        if said.reason == "suppression_group" and counted:
            self.grouped[said.trigger, said.outcome] += 1
        if said.outcome == "held":
            self.holding[place] = (said.reason or "", at)
        elif said.outcome in ENDS:
            self.ended[said.trigger, said.outcome, said.reason or ""] += counted
            bit = 1 << said.step
            if window not in self.windows:
                self.wrong.append(f"step {said.step} of {said.trigger} ended {said.outcome}, but window {window} never opened")
            elif self.windows[window] & bit:
                self.wrong.append(f"step {said.step} of {said.trigger} in window {window} ended twice, now {said.outcome} {said.reason}")
            self.windows[window] = self.windows.get(window, 0) | bit

    def still_open(self, simulation: Simulation) -> dict[str, int]:
        """Window → its present step, of every person as she stands."""
        return {one.window_id: one.step for group in simulation.groups() for one in group.person.windows.open}


def local_hour(went: Went, default: str) -> float:
    """The hour, with its fraction, on her own wall."""
    there = datetime.fromtimestamp(went.at / 1000, ZoneInfo(went.zone or default))
    return there.hour + there.minute / 60 + there.second / 3600


def again_within(mails: list[Went], days: int) -> Counter[str]:
    """Messages that came a second time within so many days of the time before, by name; of a programme each of its turns is a message."""
    last: dict[str, int] = {}
    found: Counter[str] = Counter()
    for one in mails:
        name = f"{one.message} ({one.step % TURNS})" if one.message.startswith("programme-") else one.message
        if one.at - last.get(name, -(10**15)) < days * DAY_MS:
            found[name] += 1
        last[name] = one.at
    return found


def _who(key: str) -> str:
    """Customer and device of a made-up person share their number."""
    return f"c-{key[2:]}" if key.startswith("a-") else key


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
