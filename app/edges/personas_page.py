"""What came of learning personas: lines for a terminal, JSON, and one HTML page."""

from __future__ import annotations

from html import escape
from typing import Any

from app.domain.personas import BY_NAME, Persona
from app.edges.page import page
from app.edges.training import Trained
from app.events import iso
from app.policy.persona_rows import traits


def told(found: Trained, now: int, rows: str) -> dict[str, Any]:
    """For programs."""
    return {
        "as_of": iso(now),
        "people": found.people,
        "left_out": found.left_out,
        "features": list(found.features),
        "not_used": found.not_used,
        "k": len(found.personas),
        "silhouette": {str(k): round(score, 4) for k, score in found.silhouettes.items()},
        "stability": round(found.stability, 4),
        "accuracy": round(found.accuracy, 4),
        "accuracy_unseen": round(found.accuracy_unseen, 4),
        "personas": [
            {
                "name": one.name,
                "title": one.title,
                "size": one.size,
                "share": round(one.share, 4),
                "age": one.age,
                "means": {name: round(value, 4) for name, value in one.means.items()},
                "apart": {name: round(value, 4) for name, value in one.apart.items()},
                "when": one.when,
            }
            for one in found.personas
        ],
        "pack": rows,
    }


def lines(found: Trained, now: int) -> list[str]:
    """For a terminal."""
    head = [f"{len(found.personas)} personas of {found.people:,} buyers, as of {iso(now)}"]
    head += [f"{count:,} people left out: {why}" for why, count in found.left_out.items()]
    head += [f"{name} not used: {why}" for name, why in found.not_used.items()]
    body = []
    for one in found.personas:
        body += [f"{one.title}  {one.size:,} ({100 * one.share:.1f} %): {traits(one)}", f"    {one.name}: {one.when}"]
    return [*head, *_quality(found), *body]


def _quality(found: Trained) -> list[str]:
    tried = ", ".join(f"{k}: {score:.2f}" for k, score in found.silhouettes.items())
    right, unseen = (f"{100 * share:.1f} %" for share in (found.accuracy, found.accuracy_unseen))
    return [
        f"how well apart by number of personas (silhouette): {tried}",
        f"two halves of the people agree on who belongs together (adjusted Rand index): {found.stability:.2f}",
        f"the conditions put {right} where the groups have them, and {unseen} of people not learned from",
    ]


def html(found: Trained, now: int) -> str:
    """One page: how good they are, and each with what tells it apart."""
    figures = {
        "buyers": f"{found.people:,}",
        "personas": str(len(found.personas)),
        "stability": f"{found.stability:.2f}",
        "conditions right": f"{100 * found.accuracy:.1f} %",
    }
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures.items())
    body = [f"<header><h1>Personas</h1><p class=dim>as of {iso(now)}</p><dl>{tiles}</dl></header>", *map(_section, found.personas)]
    notes = [*_quality(found), *(f"{name} not used: {why}" for name, why in found.not_used.items())]
    notes += [f"{count:,} people left out: {why}" for why, count in found.left_out.items()]
    body.append("<section class=notes><h2>How they were found</h2>" + "".join(f"<p>{escape(note)}</p>" for note in notes) + "</section>")
    return page("Kairos: personas", "\n".join(body))


def _section(one: Persona) -> str:
    most = max((abs(value) for value in one.apart.values()), default=0.0) or 1.0
    rows = "".join(
        f"<tr><td>{escape(name.replace('_', ' '))}</td><td>{escape(BY_NAME[name].why)}</td><td class=n>{one.means[name]:,.2f}</td>"
        f"<td class=n>{value:+.2f}</td><td class=bar><i style='width:{round(100 * abs(value) / most)}%'></i></td></tr>"
        for name, value in sorted(one.apart.items(), key=lambda item: -abs(item[1]))
    )
    age = f", median age {one.age:g}" if one.age is not None else ""
    return (
        f"<section><h2>{escape(one.title)}</h2><p class=dim>{one.size:,} people, {100 * one.share:.1f} % of buyers{age}</p>"
        f"<table><tr><th>feature<th><th class=n>mean<th class=n>apart, in deviations<th></tr>{rows}</table>"
        f"<pre>{escape(one.name)}: {escape(one.when)}</pre></section>"
    )
