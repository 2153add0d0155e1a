"""What a pack's TOML may say, checked field by field: everything wrong is found at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from app.domain.event_types import EVENT_TYPES
from app.domain.scheduler import MAX_ONCE
from app.domain.scope import ORDER, PERSON, PRODUCT, PURCHASED
from app.domain.trigger import Cancel, ChurnLevel, Condition, Opening, Sender, Step, Trigger
from app.policy import conditions
from app.policy.place import Path, Places
from app.policy.problem import Problem

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
LONGEST = 400 * DAY
LATE, LATE_SLOW = 6 * HOUR, 3 * DAY
"""Default `late`: of triggers that wait less than a day, and of the others (interface.md section 6)."""
EXPIRES = DAY
NEEDS = ("email", "personalise")
"""What a behaviour-triggered mail needs."""
PRIORITY = 100
REGIMES = ("opt_in", "opt_out")
REACHABLE = "reachable"
"""The one opening that is no event: an address and consent to e-mail are there for the first time."""

_DURATION = re.compile(r"(\d{1,6})(s|min|h|d)")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")


class Source:
    """A checked pack text. `problems` empty: `name`, `sender`, `consent`, `churn_levels` and `triggers` are all there."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.problems = file, list[Problem]()
        self.name = ""
        self.sender: Sender | None = None
        self.consent: dict[str, str] = {}
        self.churn_levels: tuple[ChurnLevel, ...] = ()
        self.triggers: tuple[Trigger, ...] = ()
        self.sends: list[tuple[str, int]] = []
        """Every message a step names, with its line."""
        self._places = Places(text)
        self._own_events: frozenset[str] = frozenset()
        try:
            told = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            at = re.search(r"at line (\d+)", str(error))
            self.problems.append(Problem(file, int(at[1]) if at else 0, str(error)))
            return
        self._pack(told)

    # --- the document ---------------------------------------------------------------------------------------------------------

    def _pack(self, told: dict[str, Any]) -> None:
        fields = ("name", "why", "event_types", "sender", "consent", "churn_level", "trigger")
        self._known(told, (), fields, required=("name", "why", "sender", "consent", "trigger"))
        self.name = self._text(told, (), "name", _NAME, "lower case, digits and hyphens") or ""
        self._text(told, (), "why")
        own = self._list(told, (), "event_types", str)
        self._own_events = frozenset(own)
        self.sender = self._sender(self._table(told, (), "sender"))
        self.consent = self._consent(self._table(told, (), "consent"))
        levels = [self._level(one, ("churn_level", n)) for n, one in enumerate(self._list(told, (), "churn_level", dict))]
        self.churn_levels = tuple(sorted((one for one in levels if one), key=lambda one: (-one.threshold, one.name)))
        triggers = [self._trigger(one, ("trigger", n)) for n, one in enumerate(self._list(told, (), "trigger", dict))]
        self.triggers = tuple(one for one in triggers if one)
        self._twice([one.get("name") for one in self._list(told, (), "trigger", dict)], "trigger")
        self._twice([one.get("name") for one in self._list(told, (), "churn_level", dict)], "churn_level")
        if sum(one.once for one in self.triggers) > MAX_ONCE:
            self._wrong((), f"more than {MAX_ONCE} triggers with once")

    def _sender(self, told: dict[str, Any]) -> Sender | None:
        at: Path = ("sender",)
        self._known(told, at, ("from", "name", "reply_to"), required=("from", "name"))
        email = self._text(told, at, "from", _ADDRESS, "an e-mail address")
        name = self._text(told, at, "name")
        reply_to = self._text(told, at, "reply_to", _ADDRESS, "an e-mail address")
        return Sender(email, name, reply_to) if email and name else None

    def _consent(self, told: dict[str, Any]) -> dict[str, str]:
        for purpose, regime in told.items():
            if regime not in REGIMES:
                self._wrong(("consent", purpose), f"{purpose}: opt_in (absence means no) or opt_out (absence means yes), not {regime!r}")
        return {purpose: regime for purpose, regime in told.items() if regime in REGIMES}

    def _level(self, told: dict[str, Any], at: Path) -> ChurnLevel | None:
        self._known(told, at, ("name", "why", "threshold", "horizon_days"), required=("name", "why", "threshold", "horizon_days"))
        name = self._text(told, at, "name", _SNAKE, "snake_case")
        self._text(told, at, "why")
        threshold, days = told.get("threshold"), told.get("horizon_days")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 < threshold < 1:
            self._wrong((*at, "threshold"), "threshold: a probability between 0 and 1")
        elif isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 365:
            self._wrong((*at, "horizon_days"), "horizon_days: whole days, 1 to 365")
        elif name:
            return ChurnLevel(name, float(threshold), days)
        return None

    # --- triggers -------------------------------------------------------------------------------------------------------------

    def _trigger(self, told: dict[str, Any], at: Path) -> Trigger | None:
        before = len(self.problems)
        fields = ("name", "why", "open", "cancel", "wait", "send", "when", "follow_up", "needs", "priority", "restart", "once", "again")
        self._known(told, at, (*fields, "late", "expires"), required=("name", "why", "open", "wait", "send"))
        name = self._text(told, at, "name", _SNAKE, "snake_case")
        why = self._text(told, at, "why")
        opening = self._opening(self._table(told, at, "open"), (*at, "open"))
        cancels = [self._cancel(one, (*at, "cancel", n), opening) for n, one in enumerate(self._list(told, at, "cancel", dict))]
        first = self._step(told, at)
        later = [self._follow_up(one, (*at, "follow_up", n)) for n, one in enumerate(self._list(told, at, "follow_up", dict))]
        needs = self._list(told, at, "needs", str) if "needs" in told else list(NEEDS)
        for purpose in needs:
            if purpose not in self.consent:
                self._wrong((*at, "needs") if "needs" in told else at, f"needs {purpose!r}, of which [consent] says nothing")
        again = self._duration(told, at, "again", 0)
        if again and opening is not None and opening.scope == ORDER:
            self._wrong((*at, "again"), "again: an order happens once, there is no second window of it")
        slow = first is not None and first.wait >= DAY
        late = self._duration(told, at, "late", LATE_SLOW if slow else LATE)
        expires = self._duration(told, at, "expires", EXPIRES)
        if not expires:
            self._wrong((*at, "expires"), "expires: a message that is worth nothing on arrival")
        priority = told.get("priority", PRIORITY)
        if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 1000:
            self._wrong((*at, "priority"), "priority: a whole number, 0 to 1000, the lower goes first")
        restart, once = self._flag(told, at, "restart"), self._flag(told, at, "once")
        if len(self.problems) > before or not (name and why and opening and first):
            return None
        steps = (first, *(one for one in later if one))
        chosen = tuple(one for one in cancels if one)
        return Trigger(name, why, opening, chosen, steps, tuple(needs), priority, restart, once, again, late, expires)

    def _opening(self, told: dict[str, Any], at: Path) -> Opening | None:
        self._known(told, at, ("on", "scope", "when"), required=("on",))
        on = self._event(told, at)
        scope = told.get("scope", PERSON)
        if scope not in (PERSON, PRODUCT, ORDER):
            self._wrong((*at, "scope"), f"scope: {PERSON}, {PRODUCT} or {ORDER}, not {scope!r}")
            return None
        if on == "purchase" and scope == PRODUCT:
            self._wrong((*at, "scope"), f"scope: a purchase opens a window of the {PERSON} or of its {ORDER}; an order has many products")
            return None
        when = self._condition(told, at, conditions.OPENING)
        if on is None:
            return None
        # Only a view's dwell may be told by other events; of any other event a missing dwell_seconds is simply missing.
        dwells = on == "product_view" and when is not None and "event.dwell_seconds" in when.paths
        kinds = PURCHASED[:1] if on == "purchase" else (on,)
        return Opening(kinds, scope, when, dwells, PURCHASED[1:] if on == "purchase" and scope == ORDER else ())

    def _cancel(self, told: dict[str, Any], at: Path, opening: Opening | None) -> Cancel | None:
        self._known(told, at, ("on", "scope", "when"), required=("on",))
        on = self._event(told, at)
        scope = told.get("scope", PERSON)
        if scope != PERSON and opening is not None and scope != opening.scope:
            self._wrong((*at, "scope"), f"scope: {PERSON}, or the opening's own ({opening.scope}), not {scope!r}")
        when = self._condition(told, at, conditions.CANCEL)
        if on is None:
            return None
        kinds = (PURCHASED if scope == PRODUCT else PURCHASED[:1]) if on == "purchase" else (on,)
        return Cancel(kinds, scope, when)

    def _follow_up(self, told: dict[str, Any], at: Path) -> Step | None:
        self._known(told, at, ("wait", "send", "when"), required=("wait", "send"))
        return self._step(told, at)

    def _step(self, told: dict[str, Any], at: Path) -> Step | None:
        wait = self._duration(told, at, "wait", 0)
        message = self._text(told, at, "send")
        when = self._condition(told, at, conditions.STEP)
        if message is None:
            return None
        self.sends.append((message, self._places.line((*at, "send"))))
        return Step(wait, message, when)

    def _event(self, told: dict[str, Any], at: Path) -> str | None:
        on = self._text(told, at, "on")
        if on is None or on in EVENT_TYPES or on in self._own_events or on == REACHABLE:
            return on
        self._wrong((*at, "on"), f"unknown event {on!r}: a shop's own event types are listed in event_types")
        return None

    def _condition(self, told: dict[str, Any], at: Path, roots: tuple[str, ...]) -> Condition | None:
        text = self._text(told, at, "when")
        if text is None:
            return None
        try:
            return conditions.condition(text, roots)
        except conditions.BadCondition as error:
            self._wrong((*at, "when"), f"when: {error}")
            return None

    # --- fields ---------------------------------------------------------------------------------------------------------------

    def _wrong(self, at: Path, message: str) -> None:
        self.problems.append(Problem(self.file, self._places.line(at), message))

    def _known(self, told: dict[str, Any], at: Path, fields: Iterable[str], required: Iterable[str]) -> None:
        for field in told:
            if field not in fields:
                self._wrong((*at, field), f"unknown field {field!r}: {', '.join(fields)}")
        for field in required:
            if field not in told:
                self._wrong(at, f"{field} is missing")

    def _text(self, told: dict[str, Any], at: Path, field: str, pattern: re.Pattern[str] | None = None, form: str = "") -> str | None:
        value = told.get(field)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self._wrong((*at, field), f"{field}: a text, not {value!r}")
        elif not value.isprintable():
            self._wrong((*at, field), f"{field}: one line of printable text")
        elif pattern is not None and not pattern.fullmatch(value):
            self._wrong((*at, field), f"{field}: {form}, not {value!r}")
        else:
            return value
        return None

    def _duration(self, told: dict[str, Any], at: Path, field: str, default: int) -> int:
        value = told.get(field)
        if value is None:
            return default
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self._wrong((*at, field), f"{field}: a duration such as 30min, 2h or 3d, not {value!r}")
            return default
        ms = int(match[1]) * UNITS[match[2]]
        if ms > LONGEST:
            self._wrong((*at, field), f"{field}: at most {LONGEST // DAY}d")
        return ms

    def _flag(self, told: dict[str, Any], at: Path, field: str) -> bool:
        value = told.get(field, False)
        if not isinstance(value, bool):
            self._wrong((*at, field), f"{field}: true or false, not {value!r}")
        return value is True

    def _table(self, told: dict[str, Any], at: Path, field: str) -> dict[str, Any]:
        value = told.get(field, {})
        if isinstance(value, dict):
            return value
        self._wrong((*at, field), f"{field}: a table")
        return {}

    def _list(self, told: dict[str, Any], at: Path, field: str, kind: type[Any]) -> list[Any]:
        value = told.get(field, [])
        if isinstance(value, list) and all(isinstance(one, kind) for one in value):
            return value
        self._wrong((*at, field), f"{field}: a list of {'tables' if kind is dict else 'texts'}")
        return []

    def _twice(self, names: list[object], what: str) -> None:
        for n, name in enumerate(names):
            if name is not None and name in names[:n]:
                self._wrong((what, n, "name"), f"{what} {name!r} a second time")
