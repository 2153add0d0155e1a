"""A decision tree as data: nodes on a grid and the edges between them, and the same as Mermaid text (A-191).

Nodes stand on a grid, so that whoever draws needs no layout of his own: a tree goes down a spine (column 0) with its exits beside it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

MAX_CHOICES = 12
"""Rows drawn one by one; of a long list only how many more there are."""

EVENT, QUESTION, WAIT, GATE, MESSAGE, END, TRIGGER, GROUP = "event", "question", "wait", "gate", "message", "end", "trigger", "group"


class Node(Struct, frozen=True):
    """`kind`: event, question, wait, gate, message, end, trigger, group (of people); `lines`: its text; where it stands."""

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


class Drawing:
    """Nodes and edges so far."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def node(self, kind: str, lines: Iterable[str], row: int, column: int = 0) -> str:
        key = f"n{len(self.nodes)}"
        self.nodes.append(Node(key, kind, tuple(line for line in lines if line), row, column))
        return key

    def edge(self, start: str, end: str, label: str = "", dashed: bool = False) -> None:
        self.edges.append(Edge(start, end, label, dashed))

    def graph(self, title: str, why: str, down: bool) -> Graph:
        """All of it."""
        return Graph(title, why, tuple(self.nodes), tuple(self.edges), down)


class Spine:
    """A drawing that grows downwards, each node below the one before, exits beside it."""

    def __init__(self) -> None:
        self.draw = Drawing()
        self._row = 0
        self.ways: list[tuple[str, str, bool]] = []
        """What leads on to the next node of the spine: (node, label, dashed)."""

    def down(self, kind: str, lines: Iterable[str]) -> str:
        """The next node of the spine."""
        key = self.draw.node(kind, lines, self._row)
        for start, label, dashed in self.ways:
            self.draw.edge(start, key, label, dashed)
        self.ways = [(key, "", False)]
        self._row += 1
        return key

    def beside(self, start: str, kind: str, lines: Iterable[str], label: str, dashed: bool = False, column: int = 1) -> str:
        """An exit, beside the last node of the spine."""
        key = self.draw.node(kind, lines, self._row - 1, column)
        self.draw.edge(start, key, label, dashed)
        return key

    def ask(self, text: str, otherwise: str) -> str:
        """A question; who answers no leaves."""
        key = self.down(QUESTION, [text])
        out = self.beside(key, END, [otherwise], "no")
        self.ways = [(key, "yes", False)]
        return out


def cut(lines: list[str]) -> list[str]:
    """As many as one node may have."""
    return lines if len(lines) <= MAX_CHOICES else [*lines[:MAX_CHOICES], f"and {len(lines) - MAX_CHOICES:,} more"]


# --- as text --------------------------------------------------------------------------------------------------------------------

_SHAPES = {
    EVENT: ('(["', '"])'),
    QUESTION: ('{"', '"}'),
    WAIT: ('[/"', '"/]'),
    GATE: ('{{"', '"}}'),
    MESSAGE: ('[["', '"]]'),
    END: ('("', '")'),
    TRIGGER: ('["', '"]'),
    GROUP: ('[("', '")]'),
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
