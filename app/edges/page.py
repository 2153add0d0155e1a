"""The frame of every HTML page Kairos writes: one file, light and dark, no scripts, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from app.edges.timeline import Entry, printable
from app.events import iso


def page(title: str, body: str) -> str:
    """A whole document. `title` is escaped here, `body` is HTML."""
    return _PAGE.replace("{title}", escape(title)).replace("{body}", body)


def listed(entries: Iterable[Entry]) -> str:
    """A timeline as a list."""
    return "<ol>" + "".join(map(_item, entries)) + "</ol>"


def _item(entry: Entry) -> str:
    more = "".join(f"<small>{escape(printable(line))}</small>" for line in entry.more)
    return (
        f"<li class='{escape(entry.kind)}'><time>{iso(entry.at)[:19].replace('T', ' ')}</time> <em>{escape(entry.kind)}</em> "
        f"<span>{escape(printable(entry.text))}</span>{more}</li>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><title>{title}</title><style>
:root { color-scheme: light dark; --ground: #f3f4f1; --card: #fff; --ink: #23282c; --dim: #6a7278; --line: #e1e4df;
  --mark: #1f4b43; --stop: #8a4b12; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --card: #1e2327; --ink: #e9eae8; --dim: #a3abb1; --line: #353c42; --mark: #8fd0bb; --stop: #e0a96d; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1040px; padding: 32px 20px 64px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
h1 { font-size: 28px; margin: 0 0 16px } h2 { font-size: 18px; margin: 0 0 12px }
section { background: var(--card); border-radius: 10px; padding: 20px 24px; margin: 16px 0; overflow-x: auto }
dl { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 }
dl div { background: var(--card); border-radius: 10px; padding: 12px 18px; min-width: 120px }
dt, .dim, em { color: var(--dim) } dt { font-size: 13px } dd { margin: 0; font-size: 22px; font-weight: 650 }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 500; color: var(--dim); font-size: 13px }
td, th { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top }
.n { text-align: right; font-variant-numeric: tabular-nums } .t { white-space: nowrap; color: var(--dim) }
.bar { width: 30% } .bar i { display: block; height: 12px; margin-top: 5px; border-radius: 3px; background: var(--mark); min-width: 2px }
a, .send span { color: var(--mark) } .send span { font-weight: 600 }
.score span, .standing span, .window span { color: var(--dim) } .decision span { color: var(--stop) }
.notes { border-left: 4px solid var(--stop) } h2 time { font-size: 13px; font-weight: 400 }
details { border-bottom: 1px solid var(--line); padding: 8px 0 } summary { cursor: pointer } summary b { margin-right: 8px }
iframe { width: 100%; height: 720px; border: 1px solid var(--line); border-radius: 8px; background: #f3f4f1 }
pre { white-space: pre-wrap; overflow-wrap: anywhere } ol { list-style: none; margin: 8px 0; padding: 0 }
li { display: grid; grid-template-columns: 170px 90px 1fr; gap: 0 8px; padding: 3px 0; overflow-wrap: anywhere }
li small { grid-column: 3; color: var(--dim); font-size: 13px }
time { color: var(--dim); font-variant-numeric: tabular-nums } em { font-style: normal }
@media (max-width: 640px) { li { grid-template-columns: 1fr; gap: 0; padding: 8px 0 } }
</style></head><body>
{body}
</body></html>
"""
