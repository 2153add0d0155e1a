"""One picture of a shop's customers: recency by frequency as a heat map, and how many are in each stage. One SVG, no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

CELL, GAP, LEFT, TOP, BAR, ROW = 74, 3, 70, 104, 300, 30
STYLE = """<style>
svg { --ground: #ffffff; --ink: #23282c; --dim: #5f686f; --mark: #1f4b43; --paper: #ffffff }
@media (prefers-color-scheme: dark) { svg { --ground: #14171a; --ink: #e9eae8; --dim: #a3abb1; --mark: #8fd0bb; --paper: #14171a } }
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink) }
.title { font-size: 18px; font-weight: 650 } .dim { fill: var(--dim) } .mark { fill: var(--mark) } .ground { fill: var(--ground) }
.deep { fill: var(--paper) } .head { font-weight: 600 }
</style>"""


def plot(title: str, about: str, fifths: Mapping[tuple[int, int], int], stages: Mapping[str, Mapping[str, int]]) -> str:
    """`fifths`: (recency, frequency), each 1–5 → people; `stages`: scheme → stage → people."""
    right = LEFT + 5 * (CELL + GAP) + 60
    height = max(TOP + 5 * (CELL + GAP) + 60, TOP + sum(len(found) + 2 for found in stages.values()) * ROW)
    width = right + 150 + BAR + 70
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}"><title>{escape(title)}</title><desc>{escape(about)}</desc>',
            STYLE,
            f'<rect class="ground" width="{width}" height="{height}"/>',
            _text(24, 36, title, "title"),
            _text(24, 58, about, "dim"),
            *_heat(fifths),
            *_stages(stages, right),
            "</svg>\n",
        ]
    )


def _heat(fifths: Mapping[tuple[int, int], int]) -> list[str]:
    most = max(fifths.values(), default=1) or 1
    out = [_text(LEFT, TOP - 14, "Customers by fifths of recency and frequency, 5 the best", "head")]
    for (recency, frequency), people in sorted(fifths.items()):
        x, y = LEFT + (recency - 1) * (CELL + GAP), TOP + (5 - frequency) * (CELL + GAP)
        share = people / most
        out.append(f'<rect class="mark" x="{x}" y="{y}" width="{CELL}" height="{CELL}" rx="4" fill-opacity="{0.06 + 0.94 * share:.3f}"/>')
        out.append(_text(x + CELL / 2, y + CELL / 2 + 5, f"{people:,}", "deep" if share > 0.5 else "", "middle"))
    low = TOP + 5 * (CELL + GAP)
    for n in range(1, 6):
        out.append(_text(LEFT + (n - 0.5) * (CELL + GAP), low + 16, str(n), "dim", "middle"))
        out.append(_text(LEFT - 12, TOP + (5 - n + 0.5) * (CELL + GAP) + 3, str(n), "dim", "end"))
    out.append(_text(LEFT + 2.5 * (CELL + GAP), low + 38, "recency: how lately she ordered", "dim", "middle"))
    middle = TOP + 2.5 * (CELL + GAP)
    turned = f'transform="rotate(-90 28 {middle})"'
    out.append(f'<text class="dim" x="28" y="{middle}" text-anchor="middle" {turned}>frequency: how often she ordered</text>')
    return out


def _stages(stages: Mapping[str, Mapping[str, int]], left: float) -> list[str]:
    out, y = [], TOP - 14
    for scheme, found in stages.items():
        out.append(_text(left, y, f"Everybody by stage, scheme {scheme}", "head"))
        most = max(found.values(), default=1) or 1
        for name, people in found.items():
            y += ROW
            out.append(_text(left + 142, y, name, "", "end"))
            out.append(f'<rect class="mark" x="{left + 150}" y="{y - 14}" width="{max(1, BAR * people / most):.1f}" height="18" rx="3"/>')
            out.append(_text(left + 156 + max(1, BAR * people / most), y, f"{people:,}", "dim"))
        y += 2 * ROW
    return out


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
