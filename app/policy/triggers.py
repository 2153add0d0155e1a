"""Triggers of a pack's TOML (interface.md section 6), checked field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.domain.chain import MAIL_SENT
from app.domain.concluded import ENTERED, NEWS, REORDER, STAGE, STANDINGS, TOLD
from app.domain.event_types import EVENT_TYPES
from app.domain.offers import Offer
from app.domain.reach import CHANNELS, EMAIL
from app.domain.scope import ORDER, PERSON, PRODUCT, PURCHASED, SEND
from app.domain.trigger import Cancel, Choice, Condition, Goal, Group, Opening, Programme, Step, Trigger
from app.policy import conditions
from app.policy.fields import DAY, HOUR, SNAKE, Fields
from app.policy.offers import rate
from app.policy.place import Path
from app.policy.problem import meant
from app.policy.tables import FILE, FORM, Tables

LATE, LATE_SLOW = 6 * HOUR, 3 * DAY
"""Default `late`: of triggers that wait less than a day, and of the others (interface.md section 6)."""
EXPIRES = DAY
NEEDS = ("email", "personalise")
"""What a behaviour-triggered mail needs."""
PRIORITY = 100
REACHABLE = "reachable"
"""An opening that is no event: an address and consent to e-mail are there for the first time."""
STANDING = TOLD
"""Openings by what has become true of her, by an event or by time alone (A-080), and what they tell as `event`."""
TREATMENT = "treatment"
"""Instead of a duration: the interval that the treatment of the stage says that opened the window (A-072)."""
OPENS = ("all", "human")
"""Whose opens and clicks count."""
KEY = re.compile(r"[A-Za-z_]\w{0,99}")
MAX_BEST_HOUR = 7 * DAY
MAX_COUNT = 20
MAX_STEPS = 20
MAX_CHOICES = 200
MAX_DEPTH = 3

TRIGGER = (
    "name", "why", "open", "cancel", "wait", "until", "before", "send", "choose", "when", "offer", "follow_up", "every", "times", "after",
    "needs", "priority", "restart", "idle", "once", "again", "group", "group_when", "goal", "opens", "delivery", "late", "expires",
    "transactional", "converts", "depth", "best_hour", "channels", "stock", "takes_over",
)  # fmt: skip
OPEN = ("on", "scope", "when", "count", "within", "days")
CANCEL = ("on", "scope", "when", "before")
FOLLOW_UP = ("wait", "send", "choose", "when", "offer", "after")
CHOICE = ("when", "send", "offer")
OFFER = ("kind", "discount")
GOAL = ("on", "within")


class Triggers:
    """Reads triggers. `sends`: every message a step names, with its line. `own_events`: the shop's own event types."""

    def __init__(
        self,
        fields: Fields,
        own_events: frozenset[str],
        consent: Mapping[str, str],
        groups: Mapping[str, Group],
        tables: Tables,
        offers: Mapping[str, Offer],
    ) -> None:
        self._fields, self._own_events, self._consent, self._groups, self._tables = fields, own_events, consent, groups, tables
        self._offers = offers
        self.sends: list[tuple[str, int]] = []

    def trigger(self, told: dict[str, Any], at: Path) -> Trigger | None:
        """One row; None if anything of it is wrong."""
        read = self._fields
        before = len(read.problems)
        read.known(told, at, TRIGGER, required=("name", "why", "open", "wait", "send"))
        name = read.text(told, at, "name", SNAKE, "snake_case")
        why = read.text(told, at, "why")
        opening = self._opening(read.table(told, at, "open"), (*at, "open"))
        cancels = [self._cancel(one, (*at, "cancel", n), opening) for n, one in enumerate(read.list(told, at, "cancel", dict))]
        treated = [field for field in ("wait", "every") if told.get(field) == TREATMENT]
        first = self._step({name: value for name, value in told.items() if name not in treated}, at)
        later = [self._follow_up(one, (*at, "follow_up", n)) for n, one in enumerate(read.list(told, at, "follow_up", dict))]
        if len(later) >= MAX_STEPS:
            read.wrong((*at, "follow_up"), f"follow_up: a chain of more than {MAX_STEPS} messages; a programme repeats with every")
        transactional = read.flag(told, at, "transactional")
        needs = read.list(told, at, "needs", str) if "needs" in told else list(NEEDS[:1] if transactional else NEEDS)
        for purpose in needs:
            if purpose not in self._consent:
                read.wrong((*at, "needs") if "needs" in told else at, f"needs {purpose!r}, of which [consent] says nothing")
        again = read.duration(told, at, "again")
        if again and opening is not None and opening.scope in (ORDER, SEND):
            read.wrong((*at, "again"), f"again: there is no second window of the same {opening.scope}")
        group = read.text(told, at, "group")
        if group is not None and group not in self._groups:
            read.wrong((*at, "group"), f"unknown group {group!r}: [[group]] has {', '.join(self._groups) or 'none'}")
        group_when = self._condition(told, at, conditions.GROUP, "group_when")
        for field in ("group_when", "takes_over"):
            if field in told and group is None:
                read.wrong((*at, field), f"{field}: group is missing")
        if treated and opening is not None and opening.on not in ((STAGE,), (ENTERED,)):
            why = f"only where a {STAGE} opens, or a segment entered for each, there is a {TREATMENT}"
            read.wrong((*at, treated[0]), f"{treated[0]}: {why}")
        until, before_ms = self._until(told, at, opening)
        if "after" in told and "every" not in told:
            read.wrong((*at, "after"), "after: of the first message only a programme asks; every is missing")
        if group is not None and transactional:
            read.wrong((*at, "group"), "group: a transactional message waits for no other")
        delivery = read.flag(told, at, "delivery")
        if delivery and opening is not None and opening.scope != ORDER:
            read.wrong((*at, "delivery"), f"delivery: only a window of an order ({ORDER}) can wait for it")
        slow = until is not None or "wait" in treated or (first is not None and first.wait >= DAY)
        late = read.duration(told, at, "late", LATE_SLOW if slow else LATE)
        expires = read.duration(told, at, "expires", EXPIRES)
        if not expires:
            read.wrong((*at, "expires"), "expires: a message that is worth nothing on arrival")
        priority = read.whole(told, at, "priority", 0, 1000, PRIORITY, "a whole number, 0 to 1000, the lower goes first")
        restart, idle, once = (read.flag(told, at, field) for field in ("restart", "idle", "once"))
        goal, programme = self._goal(told, at), self._programme(told, at, treated)
        opens = read.one_of(told, at, "opens", OPENS, OPENS[0])
        converts = read.share(told, at, "converts") or 0.0
        depth = read.whole(told, at, "depth", 0, MAX_DEPTH, 1)
        channels, best_hour = self._channels(told, at), self._best_hour(told, at, expires)
        if best_hour and transactional:
            read.wrong((*at, "best_hour"), "best_hour: a transactional message does not wait")
        if len(read.problems) > before or not (name and why and opening and first):
            return None
        steps = (first, *(one for one in later if one))
        chosen = tuple(one for one in cancels if one)
        return Trigger(
            name,
            why,
            opening,
            chosen,
            steps,
            tuple(needs),
            priority,
            restart,
            once,
            again,
            late,
            expires,
            idle,
            group,
            goal,
            programme,
            delivery,
            opens,
            transactional,
            converts,
            depth,
            channels=channels,
            best_hour=best_hour,
            until=until,
            before=before_ms,
            group_when=group_when,
            treated_wait="wait" in treated,
            stock=read.flag(told, at, "stock"),
            takes_over=tuple(read.list(told, at, "takes_over", str)) if "takes_over" in told else (),
        )

    def _channels(self, told: dict[str, Any], at: Path) -> tuple[str, ...]:
        read, place = self._fields, (*at, "channels")
        listed = read.list(told, at, "channels", str) if "channels" in told else [EMAIL]
        for one in listed:
            if one not in CHANNELS:
                read.wrong(place, f"channels: {' or '.join(CHANNELS)}, not {one!r}{meant(one, CHANNELS)}")
            elif one not in self._consent and (one != EMAIL or "channels" in told):
                read.wrong(place, f"channels: {one} needs consent to {one!r}, of which [consent] says nothing")
        if not listed:
            read.wrong(place, "channels: a message goes out by at least one")
        if len(set(listed)) < len(listed):
            read.wrong(place, "channels: one of them a second time")
        return tuple(listed)

    def _best_hour(self, told: dict[str, Any], at: Path, expires: int) -> int:
        read, place = self._fields, (*at, "best_hour")
        span = read.duration(told, at, "best_hour")
        if "best_hour" in told and span < HOUR:
            read.wrong(place, "best_hour: at least 1h, or there is no hour to choose")
        if span > MAX_BEST_HOUR:
            read.wrong(place, f"best_hour: at most {MAX_BEST_HOUR // DAY}d: a week has every hour once")
        elif span > expires:
            read.wrong(place, f"best_hour: by then the message has expired, {expires // HOUR} h after it was due")
        return span

    def _opening(self, told: dict[str, Any], at: Path) -> Opening | None:
        read = self._fields
        read.known(told, at, OPEN, required=("on",))
        on = self.event(told, at)
        scope = told.get("scope", PERSON)
        if scope not in (PERSON, PRODUCT, ORDER, SEND):
            read.wrong((*at, "scope"), f"scope: {PERSON}, {PRODUCT}, {ORDER} or {SEND}, not {scope!r}")
            return None
        if on == MAIL_SENT and scope != SEND:
            read.wrong((*at, "scope"), f"scope: {on} is about the mail: {SEND}")
        if on in STANDINGS and scope != PERSON:
            read.wrong((*at, "scope"), f"scope: {on} is about the {PERSON}")
        if on in (REORDER, *NEWS) and scope != PRODUCT:
            read.wrong((*at, "scope"), f"scope: {on} is about one {PRODUCT}")
        if on == "purchase" and scope == PRODUCT:
            read.wrong((*at, "scope"), f"scope: a purchase opens a window of the {PERSON} or of its {ORDER}; an order has many products")
            return None
        if scope == SEND and on is not None and on in EVENT_TYPES and not on.startswith(("email_", "sms_", "push_")):
            read.wrong((*at, "scope"), f"scope: {on} is not about a message that was sent")
        when = self._condition(told, at, conditions.OPENING)
        count = read.whole(told, at, "count", 1, MAX_COUNT, 1)
        days = read.whole(told, at, "days", 1, MAX_COUNT, 1)
        within = read.duration(told, at, "within")
        if count == 1 and ("within" in told or "days" in told):
            read.wrong(at, "within and days say how several events count: count is missing")
        if days > count:
            read.wrong((*at, "days"), f"days: {count} events cannot fall on {days} days")
        if within and days > 1 and within < (days - 1) * DAY:
            read.wrong((*at, "within"), f"within: {days} days are longer than that")
        if count > 1 and on == "purchase":
            read.wrong((*at, "count"), "count: of orders the profile knows the number; say so in when")
        if on is None:
            return None
        # Only a view's dwell may be told by other events; of any other event a missing dwell_seconds is simply missing.
        dwells = on == "product_view" and when is not None and "event.dwell_seconds" in when.paths
        kinds = PURCHASED[:1] if on == "purchase" else (on,)
        return Opening(kinds, scope, when, dwells, PURCHASED[1:] if on == "purchase" and scope == ORDER else (), count, within, days)

    def _cancel(self, told: dict[str, Any], at: Path, opening: Opening | None) -> Cancel | None:
        read = self._fields
        read.known(told, at, CANCEL, required=("on",))
        on = self.event(told, at)
        scope = told.get("scope", PERSON)
        if scope != PERSON and opening is not None and scope != opening.scope:
            read.wrong((*at, "scope"), f"scope: {PERSON}, or the opening's own ({opening.scope}), not {scope!r}")
        when = self._condition(told, at, conditions.CANCEL)
        if when is not None and "event" in when.reads and when.event_keys is None:
            read.wrong((*at, "when"), "when: what a cancel asks of its event it names: event.status")
        before = read.flag(told, at, "before")
        if before and scope == PERSON:
            read.wrong((*at, "before"), "before: whatever she did before would cancel every window; name the opening's own scope")
        if on is None:
            return None
        kinds = (PURCHASED if scope == PRODUCT else PURCHASED[:1]) if on == "purchase" else (on,)
        return Cancel(kinds, scope, when, before)

    def _follow_up(self, told: dict[str, Any], at: Path) -> Step | None:
        self._fields.known(told, at, FOLLOW_UP, required=("wait", "send"))
        return self._step(told, at)

    def _step(self, told: dict[str, Any], at: Path) -> Step | None:
        read = self._fields
        wait = read.duration(told, at, "wait")
        message = read.text(told, at, "send")
        when = self._condition(told, at, conditions.STEP)
        after = read.one_of(told, at, "after", ("sent", "any"), "sent")
        choices, offer = self._choices(told, at), self._offer(told, at)
        if message is None:
            return None
        self.sends.append((message, read.places.line((*at, "send"))))
        return Step(wait, message, when, after, choices, offer)

    def _choices(self, told: dict[str, Any], at: Path) -> tuple[Choice, ...]:
        read = self._fields
        if isinstance(told.get("choose"), str):
            name = read.text(told, at, "choose", FILE, FORM)
            listed, wrong = self._tables.choices(name, self._offers) if name is not None else ((), [])
            read.problems += wrong
            return listed
        chosen: list[Choice] = []
        rows = read.list(told, at, "choose", dict)
        if len(rows) > MAX_CHOICES:
            read.wrong((*at, "choose"), f"choose: more than {MAX_CHOICES} rows; a decision table in CSV has room for more")
        for n, one in enumerate(rows):
            place: Path = (*at, "choose", n)
            read.known(one, place, CHOICE, required=("when", "send"))
            when, message = self._condition(one, place, conditions.STEP), read.text(one, place, "send")
            offer = self._offer(one, place)
            if when is not None and message is not None:
                self.sends.append((message, read.places.line((*place, "send"))))
                chosen.append(Choice(when, message, offer))
        return tuple(chosen)

    def _offer(self, told: dict[str, Any], at: Path) -> Offer | None:
        read, place, name = self._fields, (*at, "offer"), told.get("offer")
        if isinstance(name, str):
            if name not in self._offers:
                known = ", ".join(self._offers) or "none"
                read.wrong(place, f"offer: no [[offer]] named {name!r}: there is {known}{meant(name, self._offers)}")
            return self._offers.get(name)
        offer = read.table(told, at, "offer")
        if not offer:
            return None
        read.known(offer, place, OFFER, required=OFFER)
        kind, discount = read.text(offer, place, "kind", SNAKE, "snake_case"), rate(read, offer, place)
        return Offer(kind, discount) if kind and discount else None

    def _until(self, told: dict[str, Any], at: Path, opening: Opening | None) -> tuple[str | None, int]:
        """(key of the opening's event, ms before the instant it tells)."""
        read = self._fields
        text, before = read.text(told, at, "until"), read.duration(told, at, "before")
        if "before" in told and text is None:
            read.wrong((*at, "before"), "before: until is missing")
        if text is None:
            return None, 0
        root, _, key = text.partition(".")
        if root != "event" or not KEY.fullmatch(key):
            read.wrong((*at, "until"), f"until: what the opening tells, such as event.appointment_at, not {text!r}")
            return None, 0
        known = STANDING.get(opening.on[0]) if opening is not None else None
        if known is not None and key not in known:
            read.wrong((*at, "until"), f"until: {opening.on[0] if opening else ''} tells {', '.join(known)}, not {key!r}")
        return key, before

    def _goal(self, told: dict[str, Any], at: Path) -> Goal | None:
        read, place = self._fields, (*at, "goal")
        goal = read.table(told, at, "goal")
        if not goal:
            return None
        read.known(goal, place, GOAL, required=GOAL)
        on, within = self.event(goal, place), read.duration(goal, place, "within")
        if "within" in goal and not within:
            read.wrong((*place, "within"), "within: a goal that has no time cannot be reached")
        if on is None or not within:
            return None
        return Goal(PURCHASED[:1] if on == "purchase" else (on,), within)

    def _programme(self, told: dict[str, Any], at: Path, treated: list[str]) -> Programme | None:
        read = self._fields
        if "every" in treated:
            return Programme(0, read.whole(told, at, "times", 1, 1000, 0) if "times" in told else 0)
        every, times = read.duration(told, at, "every"), read.whole(told, at, "times", 1, 1000, 0) if "times" in told else 0
        if times and not every:
            read.wrong((*at, "times"), "times: every is missing")
        if "every" in told and every < HOUR:
            read.wrong((*at, "every"), "every: at least 1h")
        return Programme(every, times) if every else None

    def event(self, told: dict[str, Any], at: Path) -> str | None:
        """The event type that `on` names."""
        on = self._fields.text(told, at, "on")
        if on is None or on in EVENT_TYPES or on in self._own_events or on in (REACHABLE, MAIL_SENT) or on in STANDING:
            return on
        hint = meant(on, [*EVENT_TYPES, *self._own_events])
        self._fields.wrong((*at, "on"), f"unknown event {on!r}: a shop's own event types are listed in event_types{hint}")
        return None

    def _condition(self, told: dict[str, Any], at: Path, roots: tuple[str, ...], field: str = "when") -> Condition | None:
        return conditions.told(self._fields, told, at, roots, field)
