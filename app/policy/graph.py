"""The decision tree of a pack and of one trigger as data: what opens, what is asked, how long it waits, what goes out (A-190, A-191).

Nodes stand on a grid, so that whoever draws needs no layout of his own: one trigger goes down a spine (column 0) with its exits beside it;
a pack has a row per trigger. `mermaid` writes either as text.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.domain.scope import PERSON
from app.domain.trigger import Arm, Opening, Pack, Step, Trigger
from app.policy.phrases import duration, events, value

MAX_CHOICES = 12
"""Choices drawn one by one; of a long table only how many more there are."""

EVENT, QUESTION, WAIT, GATE, MESSAGE, END, TRIGGER = "event", "question", "wait", "gate", "message", "end", "trigger"
NTH = {1: "the 1st", 2: "the 2nd", 3: "the 3rd"}


class Node(Struct, frozen=True):
    """`kind`: event, question, wait, gate, message, end, trigger; `lines`: its text; where it stands."""

    key: str
    kind: str
    lines: tuple[str, ...]
    row: int
    column: int


class Edge(Struct, frozen=True):
    """From node to node; `dashed`: out of the way of the main course."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


class Graph(Struct, frozen=True):
    """A drawing. `down`: its main course goes from top to bottom, else from left to right."""

    title: str
    why: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    down: bool


class _Drawing:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def node(self, kind: str, lines: Iterable[str], row: int, column: int = 0) -> str:
        key = f"n{len(self.nodes)}"
        self.nodes.append(Node(key, kind, tuple(line for line in lines if line), row, column))
        return key

    def edge(self, start: str, end: str, label: str = "", dashed: bool = False) -> None:
        self.edges.append(Edge(start, end, label, dashed))


# --- one trigger ----------------------------------------------------------------------------------------------------------------


def trigger_graph(pack: Pack, trigger: Trigger) -> Graph:
    """The way of one trigger, from what opens it to its last message."""
    found = _Tree(pack, trigger)
    found.opening()
    for number, step in enumerate(trigger.steps):
        found.step(number, step)
    found.close()
    return Graph(trigger.name, trigger.why, tuple(found.draw.nodes), tuple(found.draw.edges), down=True)


class _Tree:
    def __init__(self, pack: Pack, trigger: Trigger) -> None:
        self.pack, self.trigger, self.draw = pack, trigger, _Drawing()
        self._row = 0
        self._from: list[tuple[str, str, bool]] = []
        """What leads on to the next node of the spine: (node, label, dashed)."""
        self._gate = ""

    def down(self, kind: str, lines: Iterable[str]) -> str:
        """The next node of the spine."""
        key = self.draw.node(kind, lines, self._row)
        for start, label, dashed in self._from:
            self.draw.edge(start, key, label, dashed)
        self._from = [(key, "", False)]
        self._row += 1
        return key

    def beside(self, start: str, kind: str, lines: Iterable[str], label: str, dashed: bool = False) -> str:
        """An exit, beside the last node of the spine."""
        key = self.draw.node(kind, lines, self._row - 1, 1)
        self.draw.edge(start, key, label, dashed)
        return key

    def ask(self, text: str, otherwise: str) -> str:
        """A question; who answers no leaves."""
        key = self.down(QUESTION, [text])
        out = self.beside(key, END, [otherwise], "no")
        self._from = [(key, "yes", False)]
        return out

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
            key = self.down(GATE, [f"experiment {experiment.name}", *_cut([_arm(arm) for arm in experiment.arms])])
            if any(arm.control for arm in experiment.arms):
                self.beside(key, END, ["recorded only: control_arm"], "control", True)

    def step(self, number: int, step: Step) -> None:
        row = self.trigger
        first = number == 0
        since = "after its delivery" if row.delivery and first else "" if first else "after the one before was due"
        again = "anew at each repeated opening" if row.restart and first else ""
        idle = "of silence" if row.idle and first else ""
        wait = self.down(WAIT, [f"wait {duration(step.wait)} {idle}".strip(), since, again])
        if row.cancels:
            names = [events(one.on) + (f" if {one.when.text}" if one.when is not None else "") for one in row.cancels]
            self.beside(wait, END, ["cancelled by", *(names if first else ["the same"])], "", True)
        asked = [f"consent to {' and '.join(row.needs)}" if row.needs else "", "address, caps, not late"]
        gate = self._gate = self.down(GATE, ["the gate", *asked, f"group {row.group}" if row.group else ""])
        out = [self.beside(gate, END, ["not sent, with its reason"], "closed")]
        self._from = [(gate, "open", False)]
        if step.when is not None:
            out.append(self.ask(step.when.text, "not sent: condition_false"))
        self.messages(step)
        following = row.steps[number + 1] if number + 1 < len(row.steps) else None
        if following is not None and following.after == "any":
            self._from += [(key, "all the same", True) for key in out]

    def messages(self, step: Step) -> None:
        sent: list[tuple[str, str, bool]] = []
        for choice in step.choices[:MAX_CHOICES]:
            key = self.down(QUESTION, [choice.when.text])
            sent.append((self.beside(key, MESSAGE, [choice.message], "yes"), "", False))
            self._from = [(key, "no", False)]
        if len(step.choices) > MAX_CHOICES:
            self.down(QUESTION, [f"… {len(step.choices) - MAX_CHOICES:,} more rows of the table"])
            self._from = [(self._from[0][0], "none holds", False)]
        self.down(MESSAGE, [step.message])
        self._from = [*sent, *self._from]

    def close(self) -> None:
        row = self.trigger
        if row.programme is not None:
            times = f", {row.programme.times} times in all" if row.programme.times else ""
            last = self._from[-1][0]
            self.draw.edge(last, self._gate, f"again each {duration(row.programme.every)}{times}", True)
        if row.goal is not None:
            self.down(END, [f"goal: {events(row.goal.on)} within {duration(row.goal.within)}"])


def _counted(one: Opening) -> str:
    if one.count == 1:
        return ""
    within = f" within {duration(one.within)}" if one.within else ""
    return f"{NTH.get(one.count, f'the {one.count}th')}{within}{f', on {one.days} days' if one.days > 1 else ''}"


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MAX_CHOICES else [*lines[:MAX_CHOICES], f"and {len(lines) - MAX_CHOICES:,} more"]


def _arm(arm: Arm) -> str:
    told = [f"wait {duration(arm.wait)}" if arm.wait is not None else "", arm.message or "", "no message" if arm.control else ""]
    what = ", ".join(one for one in told if one)
    return f"{arm.name} {value(Arm, 'weight', arm.weight)}{f': {what}' if what else ''}"


# --- a whole pack ---------------------------------------------------------------------------------------------------------------


def pack_graph(pack: Pack) -> Graph:
    """Every trigger in a row: its event, what it is there for, its messages one after the other."""
    draw = _Drawing()
    opening: dict[str, str] = {}
    rows = sorted(pack.triggers, key=lambda one: [row.opening.on for row in pack.triggers].index(one.opening.on))
    for row, one in enumerate(rows):
        on = events(one.opening.on)
        if on not in opening:
            opening[on] = draw.node(EVENT, [on], row)
        cancels = " or ".join(dict.fromkeys(events(rule.on) for rule in one.cancels))
        lines = [one.name, one.opening.when.text if one.opening.when else "", _counted(one.opening)]
        lines += [f"cancelled by {cancels}" if cancels else "", f"group {one.group}" if one.group else ""]
        key = draw.node(TRIGGER, lines, row, 1)
        draw.edge(opening[on], key)
        for column, step in enumerate(one.steps, 2):
            names = list(dict.fromkeys([*(choice.message for choice in step.choices), step.message]))
            message = draw.node(MESSAGE, [*_cut(names), f"if {step.when.text}" if step.when is not None else ""], row, column)
            draw.edge(key, message, duration(step.wait))
            key = message
        if one.programme is not None:
            draw.edge(key, key, f"each {duration(one.programme.every)}", True)
    return Graph(pack.name, f"{len(rows)} triggers", tuple(draw.nodes), tuple(draw.edges), down=False)


# --- as text --------------------------------------------------------------------------------------------------------------------

_SHAPES = {
    EVENT: ('(["', '"])'),
    QUESTION: ('{"', '"}'),
    WAIT: ('[/"', '"/]'),
    GATE: ('{{"', '"}}'),
    MESSAGE: ('[["', '"]]'),
    END: ('("', '")'),
    TRIGGER: ('["', '"]'),
}
_ENTITIES = {'"': "#quot;", "#": "#35;", "&": "#amp;", "<": "#lt;", ">": "#gt;", "`": "#96;", "|": "#124;", "\\": "#92;"}
"""Mermaid's own, within quotes; without them a condition would be markup."""


def mermaid(graph: Graph) -> str:
    """As a Mermaid flowchart, which GitHub, GitLab and most wikis draw."""
    lines = [f"%% {_plain(graph.title)}: {_plain(graph.why)}", f"flowchart {'TD' if graph.down else 'LR'}"]
    for node in graph.nodes:
        begin, end = _SHAPES[node.kind]
        lines.append(f"  {node.key}{begin}{'<br/>'.join(map(_escaped, node.lines))}{end}")
    for edge in graph.edges:
        arrow = "-.->" if edge.dashed else "-->"
        label = f'|"{_escaped(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.start} {arrow}{label} {edge.end}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(sign, sign) for sign in text)


def _plain(text: str) -> str:
    """For a comment line, in which braces would begin a directive."""
    return text.replace("{", "(").replace("}", ")")
