"""A drawing of `app.policy.drawing` as one self-contained SVG: no script, no font or picture from elsewhere, light and dark.

The grid is the drawing's own; here text is measured and wrapped, columns and rows get their size, and lines their way around nodes.
(Layout libraries were looked at: grandalf is GPL and rests since 2023, the others are bindings for graphs of hundreds of nodes.)
"""

from __future__ import annotations

from html import escape
from textwrap import wrap

from msgspec import Struct

from app.policy.drawing import END, EVENT, GATE, GROUP, MESSAGE, QUESTION, TRIGGER, WAIT, Edge, Graph, Node

CHARACTER, BOLD, LINE = 7.1, 7.6, 18.0
"""Width of a wide-ish character at 13 px, and height of a line: what no SVG can measure for us."""
WRAP = 38
PAD_X, PAD_Y = 14.0, 9.0
GAP_X, GAP_Y = 96.0, 44.0
MARGIN = 28.0
HEAD = 58.0
GUTTER = 22.0
STRONG = ' class="strong"'


class Box(Struct, frozen=True):
    """A node in its place; `x`, `y`: its centre."""

    node: Node
    lines: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float


def svg(graph: Graph) -> str:
    """The drawing."""
    boxes, width, height = _placed(graph)
    loops = [len(edge.label) * CHARACTER for edge in graph.edges if edge.start != edge.end and _back(boxes[edge.start], boxes[edge.end])]
    lanes = _Lanes(boxes, width, GUTTER)
    drawn = [_edge(edge, boxes, lanes) for edge in graph.edges]
    width = max(width, lanes.right) + MARGIN
    title = [f'<text class="title" x="{MARGIN}" y="34">{escape(graph.title)}</text>']
    about = _wrapped(graph.why, int(width / CHARACTER))
    title += [f'<text class="why" x="{MARGIN}" y="{52 + n * 16}">{escape(line)}</text>' for n, line in enumerate(about[:3])]
    left = -max(loops) if loops else 0.0
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(graph.title)}"'
            f' viewBox="{left:.0f} 0 {width - left:.0f} {height:.0f}" width="{width - left:.0f}" height="{height:.0f}">',
            f"<title>{escape(graph.title)}</title><desc>{escape(graph.why)}</desc>",
            _STYLE,
            f'<rect class="ground" x="{left:.0f}" width="{width - left:.0f}" height="{height:.0f}"/>',
            *title,
            *(line for line, _ in drawn),
            *(_box(box) for box in boxes.values()),
            *(label for _, label in drawn if label),
            "</svg>",
            "",
        ]
    )


def _placed(graph: Graph) -> tuple[dict[str, Box], float, float]:
    texts = {node.key: tuple(line for told in node.lines for line in _wrapped(told, WRAP)) for node in graph.nodes}
    sizes = {node.key: _size(node, texts[node.key]) for node in graph.nodes}
    columns, rows = [0.0] * (1 + max(node.column for node in graph.nodes)), [0.0] * (1 + max(node.row for node in graph.nodes))
    for node in graph.nodes:
        columns[node.column] = max(columns[node.column], sizes[node.key][0])
        rows[node.row] = max(rows[node.row], sizes[node.key][1])
    top = HEAD + 16.0 * (len(_wrapped(graph.why, int(sum(columns) / CHARACTER))[:3])) + 8
    lefts = [MARGIN + sum(columns[:n]) + GAP_X * n for n in range(len(columns))]
    gap = GAP_Y if graph.down else GAP_Y / 2
    tops = [top + sum(rows[:n]) + gap * n for n in range(len(rows))]
    boxes = {
        node.key: Box(
            node,
            texts[node.key],
            # Down a spine nodes are centred; in rows they begin at one line, or a short one would float.
            lefts[node.column] + (columns[node.column] if graph.down and not node.column else sizes[node.key][0]) / 2,
            tops[node.row] + rows[node.row] / 2,
            *sizes[node.key],
        )
        for node in graph.nodes
    }
    return boxes, lefts[-1] + columns[-1], tops[-1] + rows[-1] + MARGIN


def _size(node: Node, lines: tuple[str, ...]) -> tuple[float, float]:
    width = max((len(line) * (BOLD if n == 0 else CHARACTER) for n, line in enumerate(lines)), default=0.0) + 2 * PAD_X
    slant = 22.0 if node.kind in (QUESTION, GATE, WAIT) else 0.0
    return width + slant, len(lines) * LINE + 2 * PAD_Y


def _wrapped(text: str, width: int) -> list[str]:
    return wrap("".join(sign if sign.isprintable() else " " for sign in text), max(width, 12)) or [""]


# --- lines ----------------------------------------------------------------------------------------------------------------------


class _Lanes:
    """Free ways down the right-hand side, one for each line that needs one."""

    def __init__(self, boxes: dict[str, Box], right: float, step: float) -> None:
        self.boxes, self.right, self._step = boxes, right, step

    def next(self) -> float:
        self.right += self._step
        return self.right


def _back(start: Box, end: Box) -> bool:
    return end.node.column == start.node.column and end.node.row <= start.node.row


def _edge(edge: Edge, boxes: dict[str, Box], lanes: _Lanes) -> tuple[str, str]:
    """(line, label)."""
    start, end = boxes[edge.start], boxes[edge.end]
    right, left = start.x + start.width / 2, end.x - end.width / 2
    if start is end:
        low = start.y + start.height / 2
        points = [(start.x + 18, low), (start.x + 18, low + 12), (start.x - 18, low + 12), (start.x - 18, low)]
        label = (start.x + 26, low + 14, "start")
    elif _back(start, end):
        out, into = start.x - start.width / 2, end.x - end.width / 2
        lane = min(box.x - box.width / 2 for box in boxes.values()) - GUTTER
        points = [(out, start.y), (lane, start.y), (lane, end.y), (into, end.y)]
        label = (lane - 6, (start.y + end.y) / 2, "end")
    elif end.node.column > start.node.column:
        middle = max(right, left - GAP_X / 2)
        straight = start.y == end.y
        points = [(right, start.y), *([] if straight else [(middle, start.y), (middle, end.y)]), (left, end.y)]
        label = ((right + left) / 2, end.y - 5, "middle") if straight else (left - 6, end.y - 5, "end")
    elif start.node.column == end.node.column and end.node.row == start.node.row + 1:
        points = [(start.x, start.y + start.height / 2), (end.x, end.y - end.height / 2)]
        label = (start.x + 8, (points[0][1] + points[1][1]) / 2 + 4, "start")
    else:
        lane, above = lanes.next(), end.y - end.height / 2 - GAP_Y / 2 + 4
        points = [(right, start.y), (lane, start.y), (lane, above), (end.x + 14, above), (end.x + 14, end.y - end.height / 2)]
        label = (right + 6, start.y - 5, "start")
    path = " ".join(f"{'M' if n == 0 else 'L'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
    line = f'<path class="edge{" dashed" if edge.dashed else ""}" d="{path}"/>{_head(*points[-2], *points[-1])}'
    text = f'<text class="label" x="{label[0]:.1f}" y="{label[1]:.1f}" text-anchor="{label[2]}">{escape(edge.label)}</text>'
    return line, text if edge.label else ""


def _head(from_x: float, from_y: float, x: float, y: float) -> str:
    """An arrow's head, drawn by hand: markers get lost where an SVG is pasted into a page beside another."""
    if abs(y - from_y) > abs(x - from_x):
        back = -7 if y > from_y else 7
        points = ((x, y), (x - 4, y + back), (x + 4, y + back))
    else:
        back = -7 if x > from_x else 7
        points = ((x, y), (x + back, y - 4), (x + back, y + 4))
    return f'<path class="head" d="M{" L".join(f"{one:.1f} {other:.1f}" for one, other in points)} Z"/>'


# --- nodes ----------------------------------------------------------------------------------------------------------------------


def _box(box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    right, bottom, slant = left + box.width, top + box.height, 11.0
    if box.node.kind in (QUESTION, GATE):
        corners = [(left, box.y), (left + slant, top), (right - slant, top), (right, box.y)]
        corners += [(right - slant, bottom), (left + slant, bottom)]
    elif box.node.kind == WAIT:
        corners = [(left + slant, top), (right, top), (right - slant, bottom), (left, bottom)]
    else:
        corners = []
    if corners:
        shape = f'<path class="node" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in corners)} Z"/>'
    else:
        radius = {EVENT: min(16, box.height / 2), END: 8, MESSAGE: 3, TRIGGER: 5, GROUP: 10}[box.node.kind]
        size = f'x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        shape = f'<rect class="node" {size} rx="{radius:.1f}"/>'
    first = box.y - (len(box.lines) - 1) * LINE / 2 + 4.5
    rows = [
        f'<text{STRONG if n == 0 else ""} x="{box.x:.1f}" y="{first + n * LINE:.1f}" text-anchor="middle">{escape(line)}</text>'
        for n, line in enumerate(box.lines)
    ]
    return f'<g class="{box.node.kind}">{shape}{"".join(rows)}</g>'


_STYLE = """<style>
svg { --ground: #ffffff; --ink: #23282c; --dim: #5f686f; --line: #8b949a; --event: #d8ebe4; --question: #fbf1d5; --wait: #e6ebf5;
  --gate: #efe7f4; --message: #1f4b43; --paper: #ffffff; --end: #f1f2f0; --trigger: #eef2f0;
  --group: #dbe6f4 }
@media (prefers-color-scheme: dark) { svg { --ground: #14171a; --ink: #e9eae8; --dim: #a3abb1; --line: #7d868c; --event: #24483f;
  --question: #4a4023; --wait: #2a3449; --gate: #40334a; --message: #8fd0bb; --paper: #14171a; --end: #2a2f33; --trigger: #262d2b;
  --group: #2b3f5c } }
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink) }
.title { font-size: 18px; font-weight: 650 } .why, .label { fill: var(--dim) } .why { font-size: 13px } .label { font-size: 12px }
.label { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round } .strong { font-weight: 600 }
.ground { fill: var(--ground) } .edge { fill: none; stroke: var(--line); stroke-width: 1.4 } .dashed { stroke-dasharray: 4 4 }
.head { fill: var(--line) } .node { stroke: var(--line) } .event .node { fill: var(--event) } .question .node { fill: var(--question) }
.wait .node { fill: var(--wait) } .gate .node { fill: var(--gate) } .trigger .node { fill: var(--trigger) }
.group .node { fill: var(--group) }
.end .node { fill: var(--end); stroke-dasharray: 3 3 } .message .node { fill: var(--message); stroke: none }
.message text { fill: var(--paper) } .question .strong, .end .strong { font-weight: 400 }
</style>"""
