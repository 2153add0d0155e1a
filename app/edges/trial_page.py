"""What came of learning recommendations: lines for a terminal, JSON, and one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from msgspec import Struct

from app.domain.neighbours import COLLABORATIVE, Model
from app.edges.page import page
from app.edges.trial import TOP, Trial
from app.events import iso

EXAMPLES = 8
"""Popular items whose neighbours are shown."""
FRIENDS = 5


class Report(Struct, frozen=True):
    """`how`: the split; `judged`: people it was judged by; `chosen`: the method of the model."""

    trials: Sequence[Trial]
    how: str
    judged: int
    chosen: str
    model: Model
    size: int
    names: Mapping[str, str]
    """Product id → name, as far as known."""
    notes: Sequence[str] = ()


def told(report: Report) -> dict[str, Any]:
    """For programs."""
    model = report.model
    return {
        "split": report.how,
        "people_judged": report.judged,
        "methods": [
            {"name": one.name, "left_out": one.left_out}
            if one.left_out
            else {
                "name": one.name,
                f"hit_rate_{TOP}": round(one.hit_rate, 4),
                f"ndcg_{TOP}": round(one.ndcg, 4),
                "coverage": round(one.coverage, 4),
                "seconds": round(one.seconds, 1),
            }
            for one in report.trials
        ],
        "chosen": report.chosen,
        "model": {
            "items": model.items,
            "products": model.products,
            "people": model.people,
            "interactions": model.interactions,
            "as_of": iso(model.as_of),
            "bytes": report.size,
        },
        "examples": _examples(report),
        "notes": list(report.notes),
    }


def lines(report: Report) -> list[str]:
    """For a terminal."""
    model = report.model
    head = f"{model.interactions:,} interactions of {model.people:,} people with {model.items:,} items, as of {iso(model.as_of)}"
    rows = [f"{'method':<12}{f'HR@{TOP}':>8}{f'NDCG@{TOP}':>9}{'coverage':>10}{'seconds':>9}"]
    for one in report.trials:
        rows.append(
            f"{one.name:<12}  left out: {one.left_out}"
            if one.left_out
            else f"{one.name:<12}{one.hit_rate:>8.3f}{one.ndcg:>9.3f}{100 * one.coverage:>8.1f} %{one.seconds:>9.1f}"
        )
    if report.trials:
        rows.insert(0, f"{report.how}; judged by {report.judged:,} people")
    else:
        rows = []
    examples = [f"  {one['item']}: {', '.join(one['near'])}" for one in _examples(report) if one["near"]]
    return [
        head,
        *rows,
        f"model: {report.chosen}, {report.size / 1_000_000:.2f} MB",
        *report.notes,
        *(["who liked this liked that:", *examples] if examples else []),
    ]


def _examples(report: Report) -> list[dict[str, Any]]:
    model = report.model

    def name(item: int) -> str:
        first = model.members(item)[0]
        return report.names.get(first) or first

    return [
        {"item": name(item), "near": [name(other) for other, _ in model.near(COLLABORATIVE, item)[:FRIENDS]]}
        for item in model.popular()[:EXAMPLES]
    ]


def html(report: Report) -> str:
    """One page: which method is how good, what was chosen, and what goes with what."""
    model = report.model
    figures = {
        "interactions": f"{model.interactions:,}",
        "people": f"{model.people:,}",
        "items": f"{model.items:,}",
        "model": f"{report.size / 1_000_000:.2f} MB",
    }
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures.items())
    body = [f"<header><h1>Recommendations</h1><p class=dim>as of {iso(model.as_of)}</p><dl>{tiles}</dl></header>"]
    if report.trials:
        most = max((one.ndcg for one in report.trials), default=0.0) or 1.0
        rows = "".join(_row(one, most, one.name == report.chosen) for one in report.trials)
        body.append(
            f"<section><h2>Methods on the same split</h2><p class=dim>{escape(report.how)}; judged by {report.judged:,} people</p>"
            f"<table><tr><th>method<th class=n>HR@{TOP}<th class=n>NDCG@{TOP}<th class=n>coverage<th class=n>seconds<th></tr>{rows}</table>"
            "</section>"
        )
    pairs = "".join(
        f"<tr><td>{escape(one['item'])}</td><td>{escape(', '.join(one['near']))}</td></tr>" for one in _examples(report) if one["near"]
    )
    body.append(f"<section><h2>Who liked this liked that</h2><table>{pairs}</table></section>")
    if report.notes:
        body.append("<section class=notes><h2>Notes</h2>" + "".join(f"<p>{escape(note)}</p>" for note in report.notes) + "</section>")
    return page("Kairos: recommendations", "\n".join(body))


def _row(one: Trial, most: float, chosen: bool) -> str:
    name = f"<b>{escape(one.name)}</b> (chosen)" if chosen else escape(one.name)
    if one.left_out:
        return f"<tr><td>{name}</td><td colspan=5 class=dim>left out: {escape(one.left_out)}</td></tr>"
    return (
        f"<tr><td>{name}</td><td class=n>{one.hit_rate:.3f}</td><td class=n>{one.ndcg:.3f}</td><td class=n>{100 * one.coverage:.1f} %</td>"
        f"<td class=n>{one.seconds:.1f}</td><td class=bar><i style='width:{round(100 * one.ndcg / most)}%'></i></td></tr>"
    )
