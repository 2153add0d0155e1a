"""The decision tree of a pack and of one trigger as data: what opens, what is asked, how long it waits, what goes out (A-190, A-191).

One trigger goes down a spine with its exits beside it; a pack has a row per trigger. Ladders and segments are drawn in ladder.py.
"""

from __future__ import annotations

from app.domain.scope import PERSON
from app.domain.trigger import Arm, Choice, Opening, Pack, Programme, Step, Trigger
from app.policy import contact_phrases
from app.policy.drawing import END, EVENT, GATE, MAX_CHOICES, MESSAGE, QUESTION, TRIGGER, WAIT, Drawing, Graph, Spine, cut
from app.policy.ladder import opened_by
from app.policy.offer_phrases import offer
from app.policy.phrases import duration, events, value

NTH = {1: "the 1st", 2: "the 2nd", 3: "the 3rd"}


# --- one trigger ----------------------------------------------------------------------------------------------------------------


def trigger_graph(pack: Pack, trigger: Trigger) -> Graph:
    """The way of one trigger, from what opens it to its last message."""
    found = _Tree(pack, trigger)
    found.opening()
    for number, step in enumerate(trigger.steps):
        found.step(number, step)
    found.close()
    return found.draw.graph(trigger.name, trigger.why, down=True)


class _Tree(Spine):
    def __init__(self, pack: Pack, trigger: Trigger) -> None:
        super().__init__()
        self.pack, self.trigger, self._gate = pack, trigger, ""

    def opening(self) -> None:
        one = self.trigger.opening
        self.down(EVENT, [events(one.on), _counted(one), f"per {one.scope}" if one.scope != PERSON else ""])
        if one.when is not None:
            self.ask(one.when.text, "nothing opens")
        if self.trigger.once or self.trigger.again:
            rests = f"no message of it went out in the last {duration(self.trigger.again)}" if self.trigger.again else ""
            self.ask(rests or "she has never had a window of it", "nothing opens")
        running = self.pack.experiments.get(self.trigger.name, ())
        for experiment in running:
            key = self.down(GATE, [f"experiment {experiment.name}", *cut([_arm(arm) for arm in experiment.arms])])
            if any(arm.control for arm in experiment.arms):
                self.beside(key, END, ["recorded only: control_arm"], "control", True)

    def step(self, number: int, step: Step) -> None:
        row = self.trigger
        first = number == 0
        since = "after its delivery" if row.delivery and first else "" if first else "after the one before was due"
        again = "anew at each repeated opening" if row.restart and first else ""
        idle = "of silence" if row.idle and first else ""
        wait = self.down(WAIT, [f"wait {_wait(row, step) if first else duration(step.wait)} {idle}".strip(), since, again])
        if row.cancels:
            names = [events(one.on) + (f" if {one.when.text}" if one.when is not None else "") for one in row.cancels]
            self.beside(wait, END, ["cancelled by", *(names if first else ["the same"])], "", True)
        asked = [f"consent to {' and '.join(row.needs)}" if row.needs else "", "address, not late"]
        asked += cut(contact_phrases.gates(self.pack.contact, row))
        gate = self._gate = self.down(GATE, ["the gate", *asked, _group(row)])
        out = [self.beside(gate, END, ["not sent, with its reason"], "closed")]
        self.ways = [(gate, "open", False)]
        if step.when is not None:
            out.append(self.ask(step.when.text, "not sent: condition_false"))
        self.messages(step)
        following = row.steps[number + 1] if number + 1 < len(row.steps) else None
        if following is not None and following.after == "any":
            self.ways += [(key, "all the same", True) for key in out]

    def messages(self, step: Step) -> None:
        sent: list[tuple[str, str, bool]] = []
        for choice in step.choices[:MAX_CHOICES]:
            key = self.down(QUESTION, [choice.when.text])
            sent.append((self.beside(key, MESSAGE, _message(choice), "yes"), "", False))
            self.ways = [(key, "no", False)]
        if len(step.choices) > MAX_CHOICES:
            self.down(QUESTION, [f"… {len(step.choices) - MAX_CHOICES:,} more rows of the table"])
            self.ways = [(self.ways[0][0], "none holds", False)]
        self.down(MESSAGE, _message(step))
        self.ways = [*sent, *self.ways]

    def close(self) -> None:
        row = self.trigger
        if row.programme is not None:
            times = f", {row.programme.times} times in all" if row.programme.times else ""
            last = self.ways[-1][0]
            self.draw.edge(last, self._gate, f"again each {value(Programme, 'every', row.programme.every)}{times}", True)
        if row.goal is not None:
            self.down(END, [f"goal: {events(row.goal.on)} within {duration(row.goal.within)}"])


def _wait(row: Trigger, step: Step) -> str:
    """How long the first message waits."""
    if row.treated_wait:
        return "as long as her stage's treatment says"
    if row.until is None:
        return duration(step.wait)
    before = f"{duration(row.before)} before " if row.before else ""
    return f"until {before}event.{row.until}, at least {duration(step.wait)}"


def _group(row: Trigger) -> str:
    if row.group is None:
        return ""
    over = f", taken over from {' and '.join(row.takes_over)}" if row.takes_over else ""
    return f"group {row.group}{f' if {row.group_when.text}' if row.group_when is not None else ''}{over}"


def _message(one: Step | Choice) -> list[str]:
    return [one.message, f"offers {offer(one.offer)}" if one.offer is not None else ""]


def _counted(one: Opening) -> str:
    if one.count == 1:
        return ""
    within = f" within {duration(one.within)}" if one.within else ""
    return f"{NTH.get(one.count, f'the {one.count}th')}{within}{f', on {one.days} days' if one.days > 1 else ''}"


def _arm(arm: Arm) -> str:
    told = [f"wait {duration(arm.wait)}" if arm.wait is not None else "", arm.message or "", "no message" if arm.control else ""]
    what = ", ".join(one for one in told if one)
    return f"{arm.name} {value(Arm, 'weight', arm.weight)}{f': {what}' if what else ''}"


# --- a whole pack ---------------------------------------------------------------------------------------------------------------


def pack_graph(pack: Pack) -> Graph:
    """Every trigger in a row: its event, or which stages, tiers and segments, what it asks, its messages one after the other."""
    draw = Drawing()
    opening: dict[tuple[str, ...], str] = {}
    kinds = [row.opening.on for row in pack.triggers]
    rows = sorted(pack.triggers, key=lambda one: (kinds.index(one.opening.on), opened_by(pack, one)))
    for row, one in enumerate(rows):
        on = (events(one.opening.on), *cut(opened_by(pack, one)))
        if on not in opening:
            opening[on] = draw.node(EVENT, on, row)
        cancels = " or ".join(dict.fromkeys(events(rule.on) for rule in one.cancels))
        lines = [one.name, one.opening.when.text if one.opening.when else "", _counted(one.opening)]
        lines += [f"cancelled by {cancels}" if cancels else "", _group(one)]
        key = draw.node(TRIGGER, lines, row, 1)
        draw.edge(opening[on], key)
        for column, step in enumerate(one.steps, 2):
            names = list(dict.fromkeys([*(choice.message for choice in step.choices), step.message]))
            message = draw.node(MESSAGE, [*cut(names), f"if {step.when.text}" if step.when is not None else ""], row, column)
            draw.edge(key, message, _wait(one, step) if step is one.steps[0] else duration(step.wait))
            key = message
        if one.programme is not None:
            draw.edge(key, key, f"each {value(Programme, 'every', one.programme.every)}", True)
    return draw.graph(pack.name, f"{len(rows)} triggers", down=False)
