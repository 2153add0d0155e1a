"""An audit as a table for a terminal, as JSON, and as one HTML page."""

from __future__ import annotations

from html import escape
from typing import Any

from app.domain.audit import MAX_NAMED, Audited, Finding
from app.domain.plural import count
from app.edges.page import page
from app.edges.timeline import printable
from app.events import iso


def told(found: Audited, now: int) -> dict[str, Any]:
    """For programs."""
    return {
        "as_of": iso(now),
        "people": found.groups,
        "findings": [
            {
                "name": one.name,
                "why": one.why,
                "count": one.count,
                "of": one.of,
                "among": one.among,
                "share": round(one.share, 6),
                "people": list(one.people),
            }
            for one in found.findings
        ],
        "missing": found.missing,
    }


def lines(found: Audited, now: int) -> list[str]:
    """For a terminal."""
    everybody, customers, buyers = (found.groups[name] for name in ("everybody", "customers", "buyers"))
    head = f"{count(everybody, 'person', 'people')}, {count(customers, 'customer')}, {count(buyers, 'buyer')}, as of {iso(now)}"
    width = max(len(one.name) for one in found.findings)
    rows = [f"{one.name:<{width}}  {one.count:>9,}  {_percent(one):>7} of {one.of:<9}  {one.why}" for one in found.findings]
    fields = [f"{'':<{width}}  {count:>9,}  lack {printable(name)}" for name, count in found.missing.items()]
    return [head, *rows[:1], *fields, *rows[1:]]


def html(found: Audited, now: int) -> str:
    """One page: figures, findings with bars, and whom to look at."""
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{count:,}</dd></div>" for name, count in found.groups.items())
    rows = "".join(
        f"<tr><td>{escape(one.name.replace('_', ' '))}</td><td>{escape(one.why)}</td><td class=n>{one.count:,}</td>"
        f"<td class=n>{_percent(one)} of {escape(one.of)}</td><td class=bar><i style='width:{_width(one)}%'></i></td></tr>"
        for one in found.findings
    )
    missing = "".join(f"<tr><td>{escape(name)}</td><td class=n>{count:,}</td></tr>" for name, count in found.missing.items())
    named = "".join(_people(one) for one in found.findings if one.people)
    body = [
        f"<header><h1>What is known of people, audited</h1><p class=dim>as of {iso(now)}</p><dl>{tiles}</dl></header>",
        "<section><h2>Findings</h2><table><tr><th>finding<th>what it means<th class=n>people<th class=n>share<th></tr>"
        f"{rows}</table></section>",
    ]
    if missing:
        body.append(f"<section><h2>What is missing</h2><table><tr><th>field<th class=n>people</tr>{missing}</table></section>")
    if named:
        body.append(f"<section><h2>Whom to look at</h2>{named}</section>")
    return page("Kairos: audit", "\n".join(body))


def _people(one: Finding) -> str:
    more = f", the first {MAX_NAMED} of {one.count:,}" if one.count > len(one.people) else ""
    ids = "".join(f"<li>{escape(who)}</li>" for who in one.people)
    return f"<details><summary><b>{escape(one.name.replace('_', ' '))}</b> by person_id{more}</summary><ol>{ids}</ol></details>"


def _width(one: Finding) -> int:
    return round(100 * min(1.0, one.share))


def _percent(one: Finding) -> str:
    return f"{100 * one.share:.1f} %"
