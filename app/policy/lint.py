"""What a pack that is well-formed still gets wrong: rows that can never open, conditions that never or always hold, mails that read what
their trigger cannot tell, endless rounds, experiments that pull at one wait. Pure: a compiled pack and its text in, problems out.

Errors are proved; what only looks odd is a warning. Of stages and segments standing_lint.py speaks, of contacts contact_lint.py.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.approval import standing
from app.domain.concluded import TOLD
from app.domain.scope import ORDER, PERSON, PRODUCT, SEND
from app.domain.trigger import Cancel, Choice, Condition, Experiment, Opening, Pack, Step, Trigger
from app.policy.contact_lint import contacts
from app.policy.expression import Node, parsed
from app.policy.fact import Fact, Facts, known, tells
from app.policy.fields import DAY
from app.policy.mail_lint import misnamed, of_mail
from app.policy.offer_lint import offering
from app.policy.phrases import events
from app.policy.place import Path, Places
from app.policy.problem import Problem, meant
from app.policy.reading import PRODUCTS, idle_roots, messages_of, unreadable
from app.policy.standing_lint import Odd, of_standing, standings
from app.policy.truth import always, never

OWN_DOING = {"email_sent", "email_delivered", "sms_sent"}
"""Events that our own message causes by itself."""
HER_DOING = {"email_open", "email_click", "email_forward", "sms_click", "push_open"}
"""Events that our own message makes likely."""
MAILED = {"email_open", "email_click"}
"""Events of which it is found out whether a machine was behind them."""
NONE: Mapping[str, str] = {}
FEW = 3  # packs of one name that are named
SCOPES = {PRODUCT: (PRODUCTS, "product"), ORDER: (("order_id",), "order_id"), SEND: ((SEND,), "send_id")}
"""Scope → properties that tell it, and what they tell."""


def lint(pack: Pack, text: str, file: str, beside: Mapping[str, str] = NONE, namesakes: Iterable[str] = ()) -> list[Problem]:
    """`beside`: messages in the folder of the pack, with their files; `namesakes`: other packs of its name."""
    found = _Lint(pack, text, file)
    for trigger in pack.triggers:
        found.trigger(trigger)
    found.standings(standings(pack, found.declared))
    found.groups()
    found.standings(contacts(pack, text))
    found.standings(offering(pack, text))
    found.experiments()
    found.own_events()
    found.messages(beside)
    if others := list(namesakes):
        named = ", ".join(others[:FEW]) + (f" and {len(others) - FEW} more" if len(others) > FEW else "")
        what, which = ("is a pack", "the two") if len(others) == 1 else ("are packs", "them")
        why = f"{named} {what} named {pack.name!r}, too: only their hashes tell {which} apart"
        found.say(("name",), why, warning=True)
    return sorted(found.problems, key=lambda problem: (problem.file != file, problem.line))


class _Lint:
    def __init__(self, pack: Pack, text: str, file: str) -> None:
        self.pack, self.file, self.problems = pack, file, list[Problem]()
        self._raw: dict[str, Any] = tomllib.loads(text)
        self._places = Places(text)
        self._rows = self.declared("trigger")

    def declared(self, what: str) -> list[object]:
        """Names of the tables of a kind that stand in this file; what a pack extends has been looked at where it stands."""
        return [one.get("name") for one in self._raw.get(what, ()) if isinstance(one, dict)]

    def place(self, row: Trigger, step: int = 0) -> Path | None:
        if row.name not in self._rows:
            return None
        at: Path = ("trigger", self._rows.index(row.name))
        return at if step == 0 else (*at, "follow_up", step - 1)

    def say(self, at: Path, message: str, warning: bool = False) -> None:
        self.problems.append(Problem(self.file, self._places.line(at), message, warning))

    def facts(self, opening: Opening, step: int | None) -> Facts:
        """What is known at a step of a trigger (`window.step`, too), or of every step; names of groups are the pack's."""
        kinds = () if opening.scope == SEND else (*opening.on, *opening.joins)

        def facts(path: str) -> Fact:
            path = path.removeprefix(THEN)
            if path == "window.step" and step is not None:
                return Fact("whole", step, step, always=True)
            return of_mail(self.pack, path, opening.on) or of_standing(self.pack, path, kinds) or known(path, kinds)

        return facts

    def cancelling(self, row: Trigger, cancel: Cancel) -> Facts:
        """What a cancel's condition may know: its own event, and the window."""
        own, window = self.facts(Opening(cancel.on, PERSON), None), self.facts(row.opening, None)
        return lambda path: own(path) if path.startswith("event.") else window(path)

    # --- triggers -------------------------------------------------------------------------------------------------------------

    def trigger(self, row: Trigger) -> None:
        at = self.place(row)
        if at is None:
            return
        facts = self.facts(row.opening, None)
        opening = self.condition(row.opening.when, (*at, "open", "when"), facts, "nothing opens this trigger", row.opening.on)
        self.opening(row, (*at, "open"))
        for n, cancel in enumerate(row.cancels):
            place = (*at, "cancel", n, "when")
            self.condition(cancel.when, place, self.cancelling(row, cancel), "this never cancels anything", cancel.on)
            self.cancel(row, cancel, (*at, "cancel", n))
        for n, step in enumerate(row.steps):
            place = at if n == 0 else (*at, "follow_up", n - 1)
            endless = row.programme is not None and n == len(row.steps) - 1
            # What opened a mail's window is her open; what its steps look at as `event` is what the mail was about.
            self.step(step, place, self.facts(row.opening, None if endless else n), None if row.opening.scope == SEND else opening)
        for n, name in messages_of(row):
            message = self.pack.messages.get(name)
            place = (*at, "send") if n == 0 else (*at, "follow_up", n - 1, "send")
            if message is not None and not message.approved:
                self.say(place, f"message {name!r} is not approved ({standing(message)}): {row.name} does not send it", warning=True)
            if message is not None and (missing := unreadable(row, message, n)) is not None:
                self.say(place, f"message {name!r} prints {missing}, which {row.name} ({_told(row.opening)}) never has")
        self.rounds(row, at)
        self.opens(row, at)

    def opening(self, row: Trigger, at: Path) -> None:
        one = row.opening
        needed, what = SCOPES.get(one.scope, ((), ""))
        if needed and not tells(one.on, needed):
            self.say((*at, "scope"), f"{events(one.on)} carries no {what} by its contract: only one that does opens this", warning=True)

    def opens(self, row: Trigger, at: Path) -> None:
        """Of whom a pack takes opens and clicks (X-26)."""
        if row.opens == "all":
            return
        on = {*row.opening.on, *(kind for one in row.cancels for kind in one.on), *(row.goal.on if row.goal is not None else ())}
        if not on & MAILED:
            why = f"no open and no click opens or cancels {row.name} or is its goal, so opens = {row.opens!r} changes nothing"
            self.say((*at, "opens"), why, warning=True)
        when = row.opening.when
        if when is not None and "event.machine" in when.paths:
            self.say((*at, "open", "when"), f"opens = {row.opens!r} leaves out what machines did already: {_short(when)}", warning=True)

    def cancel(self, row: Trigger, cancel: Cancel, at: Path) -> None:
        needed, what = SCOPES.get(cancel.scope, ((), ""))
        if needed and not tells(cancel.on, needed):
            self.say((*at, "on"), f"{events(cancel.on)} carries no {what} by its contract: only one that does cancels", warning=True)
        if cancel.when is not None or not set(row.opening.on) & set(cancel.on) or set(cancel.on) & set(TOLD):
            return  # a conclusion of the same kind says that the one before is true no more
        if cancel.scope in (PERSON, row.opening.scope) and cancel.before:
            self.say(at, f"unreachable: the {events(cancel.on)} that opens {row.name} cancels it at once")
        elif cancel.scope == row.opening.scope:
            why = f"each {events(cancel.on)} cancels the window that the one before opened; restart = true lets it wait anew instead"
            self.say(at, why, warning=True)

    def step(self, step: Step, at: Path, facts: Facts, opening: Node | None) -> None:
        own = self.condition(step.when, (*at, "when"), facts, "this message is never sent")
        given = [one for one in (opening and _then(opening), own) if one is not None]
        if own is not None and never(facts, given) and not never(facts, [own]):
            self.say((*at, "when"), f"contradicts what opens this trigger, so this message is never sent: {_short(step.when)}")
            return
        if self._choose(at):
            self.choices(step.choices, at, facts, given)

    def choices(self, choices: Iterable[Choice], at: Path, facts: Facts, given: list[Node]) -> None:
        earlier: list[Node] = []
        for n, choice in enumerate(choices):
            node = parsed(choice.when.text)
            place: Path = (*at, "choose", n, "when")
            if never(facts, [node]):
                self.say(place, f"always false, so {choice.message!r} is never chosen: {_short(choice.when)}")
            elif never(facts, [*given, node], earlier):
                self.say(place, f"unreachable: an earlier choice always holds where this one does: {_short(choice.when)}")
            earlier.append(node)
        if earlier and never(facts, given, earlier):
            self.say((*at, "send"), "never sent: one of the choices always holds", warning=True)

    def condition(self, when: Condition | None, at: Path, facts: Facts, then: str, on: Iterable[str] = ()) -> Node | None:
        """Its tree, to go on with; None where there is nothing (left) to say. `on`: the events that it is asked of."""
        if when is None:
            return None
        node = parsed(when.text)
        wrong = list(misnamed(self.pack, on, node))
        if never(facts, [node]):
            self.say(at, "; ".join([f"always false, so {then}: {_short(when)}", *wrong]))
            return None
        for one in wrong:
            self.say(at, f"{one}: {_short(when)}", warning=True)
        if always(facts, node):
            self.say(at, f"always true, it may as well be left out: {_short(when)}", warning=True)
            return None
        return node

    def _choose(self, at: Path) -> bool:
        """Whether a step's choices stand in the pack itself; those of a table are the table's to check."""
        told: Any = self._raw
        for part in at:
            told = told[part] if isinstance(told, list) and isinstance(part, int) and part < len(told) else told.get(part, {})
        return isinstance(told.get("choose"), list)

    def rounds(self, row: Trigger, at: Path) -> None:
        """Conclusions are drawn by code, so a pack has but one way round: a trigger that its own message opens again."""
        if row.once or row.opening.scope == SEND:
            return
        on = set(row.opening.on)
        if own := on & OWN_DOING:
            slow = row.again >= DAY
            why = f"a cycle: its own message causes {events(sorted(own))}, which opens it again, "
            self.say((*at, "open", "on"), why + (f"each {row.again // DAY} d" if slow else "without end"), warning=slow)
        elif (hers := on & HER_DOING) and not row.again:
            why = f"a cycle: her {events(sorted(hers))} of its own message opens it again; again, once or scope send_id ends it"
            self.say((*at, "open", "on"), why, warning=True)

    # --- the pack -------------------------------------------------------------------------------------------------------------

    def standings(self, odd: Iterable[Odd]) -> None:
        for at, message, warning in odd:
            self.say(at, message, warning)

    def groups(self) -> None:
        for n, name in enumerate(self.declared("group")):
            members = [row.name for row in self.pack.triggers if row.group == name]
            if len(members) < 2:
                whom = f"only {members[0]} is" if members else "no trigger is"
                self.say(("group", n), f"group {name!r} keeps nobody apart: {whom} in it", warning=True)
            elif len(members) == len(self.pack.triggers):
                one = "product" if self.pack.groups[str(name)].scope == PRODUCT else "person"
                why = f"every trigger is in group {name!r}: each {one} gets one conversation at a time, and all others end not_sent"
                self.say(("group", n), why, warning=True)

        for row in self.pack.triggers:
            if (place := self.place(row)) is not None:
                wrong = [why for name in row.takes_over if (why := self._takes(row, name))]
                for why in wrong:
                    self.say((*place, "takes_over"), f"takes_over: {why}")

    def _takes(self, row: Trigger, name: str) -> str:
        """Why a row cannot take its group over from one of this name; empty: it can."""
        other = self.pack.by_name.get(name)
        if other is None:
            return f"no trigger is called {name!r}{meant(name, self.pack.by_name)}"
        if other.group != row.group or other is row:
            return f"{name} is not another one of group {row.group!r}"
        return f"{name} takes it over from this one, too: neither would ever end" if row.name in other.takes_over else ""

    def experiments(self) -> None:
        declared = self.declared("experiment")
        seen: dict[str, Experiment] = {one.name: one for several in self.pack.experiments.values() for one in several}
        for one in seen.values():
            at: Path = ("experiment", declared.index(one.name)) if one.name in declared else ("extends",)
            if len({(arm.control, arm.wait, arm.message, arm.factors, arm.when and arm.when.text) for arm in one.arms}) < 2:
                self.say(at, f"experiment {one.name!r}: its arms do not differ, so it can show nothing", warning=True)
            for arm in one.arms:
                sent = self.pack.messages.get(arm.message or "")
                if sent is not None and not sent.approved:
                    self.say(
                        at, f"message {sent.name!r} of arm {arm.name!r} is not approved ({standing(sent)}): it is not sent", warning=True
                    )
                if arm.weight <= 0:
                    self.say(at, f"experiment {one.name!r}: nobody gets into arm {arm.name!r}, its share is {arm.weight:g}", warning=True)
        for name, several in self.pack.experiments.items():
            for what in ("wait", "message"):
                both = [one.name for one in several if any(getattr(arm, what) is not None for arm in one.arms)]
                if len(both) > 1:
                    at = ("experiment", declared.index(both[1])) if both[1] in declared else ("extends",)
                    self.say(at, f"{' and '.join(map(repr, both))} are both switched on for {name} and both set its {what}")
        for n, told in enumerate(self._raw.get("experiment", ())):
            if isinstance(told, dict) and "enabled" not in told:
                why = f"experiment {told.get('name')!r} runs nothing: enabled is false where it is not said"
                self.say(("experiment", n), why, warning=True)
        if self.pack.holdout >= 1:
            self.say(("holdout",), "holdout: everybody is held out, so nobody gets a message")

    def own_events(self) -> None:
        used = {kind for row in self.pack.triggers for kind in (*row.opening.on, *row.opening.joins, *_cancelling(row))}
        used |= {kind for row in self.pack.triggers if row.goal for kind in row.goal.on}
        for name in self._raw.get("event_types", ()):
            if name not in used:
                self.say(("event_types",), f"event type {name!r} is used by no trigger", warning=True)

    def messages(self, beside: Mapping[str, str]) -> None:
        for name in sorted(set(beside) - set(self.pack.messages)):
            self.problems.append(Problem(beside[name], 0, f"message {name!r} lies beside the pack, but nothing sends it", True))
        said: set[str] = set()
        for row in self.pack.triggers:
            for n, name in messages_of(row):
                at = self.place(row, n)
                if at is not None and name not in said and (roots := idle_roots(self.pack, name)):
                    said.add(name)
                    why = f"message {name!r} has a part about {' or '.join(roots)}, which no trigger that sends it can fill"
                    self.say((*at, "send"), why, warning=True)


THEN = "then."


def _then(node: Node) -> Node:
    """The opening's condition as a step looks back at it: the event is still the same, all else may have changed since."""
    if node.kind == "other" or (node.kind in ("path", "has") and not str(node.value).startswith("event.")):
        return Node(node.kind, f"{THEN}{node.value}")
    return Node(node.kind, node.value, tuple(map(_then, node.of)))


def _cancelling(row: Trigger) -> Iterable[str]:
    return (kind for rule in row.cancels for kind in rule.on)


def _told(opening: Opening) -> str:
    return f"opened by {events(opening.on)}, scope {opening.scope}"


def _short(when: Condition | None) -> str:
    text = when.text if when is not None else ""
    return text if len(text) <= 80 else f"{text[:77]}…"
