"""A week's digest for people: Markdown, which reads as plain text, and one HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from app.domain import reason as reasons
from app.domain.experiments import HOLDOUT
from app.domain.foreseen import MATCHED
from app.domain.held_back import FATES
from app.domain.plural import count
from app.domain.tolerance import ACTS, RULE
from app.edges.page import page
from app.edges.timeline import printable

Rows = Sequence[Sequence[str]]
SPOKEN = {"went_out": "went out later", "never": "never", "cancelled": "made needless", "waiting": "still waiting"}
"""Fates as column heads."""


class Section:
    """A heading, sentences, and a table under `heads`; columns of figures are set to the right."""

    def __init__(self, title: str, sentences: Iterable[str], heads: Sequence[str] = (), rows: Rows = ()) -> None:
        self.title, self.sentences, self.heads, self.rows = title, list(sentences), heads, rows


def sections(told: dict[str, Any]) -> list[Section]:
    """What the digest says."""
    found = [_held(told), _triggers(told), _lost(told), *_arms(told["arms"])]
    found += [] if told["tolerance"] is None else _tolerance(told["tolerance"])
    return found if told["foreseen"] is None else [*found, _foreseen(told["foreseen"])]


def title(told: dict[str, Any]) -> str:
    return f"Week of {told['week']} (UTC, until {told['until']})"


def summary(told: dict[str, Any]) -> list[str]:
    """The week in sentences."""
    now, changes = told["this_week"], told["changes"]
    fates = ", ".join(f"{now['fates'][fate]:,} {SPOKEN[fate]}" for fate in FATES if now["fates"][fate])
    held, whose = now["steps_held_back"], count(now["people_held_back"], "person", "people")
    lines = [
        f"{count(now['sent'], 'message')} went out ({_change(changes['sent'])} against the week before), "
        f"{count(now['opened'], 'window')} opened, "
        f"{count(now['cancelled'], 'step was', 'steps were')} made needless by what people did.",
        f"{count(held, 'step')} of {whose} {'was' if held == 1 else 'were'} held back ({_change(changes['steps_held_back'])})"
        + (f": {fates}." if fates else "."),
    ]
    if now["follow_ups_with_it"]:
        lines.append(f"{count(now['follow_ups_with_it'], 'follow-up')} ended with the step before them.")
    return lines + [f"Note: {note}." for note in told["notes"]]


def markdown(told: dict[str, Any]) -> list[str]:
    """For a terminal, a mail, a chat."""
    lines = [f"# {title(told)}", "", *summary(told)]
    for one in sections(told):
        lines += ["", f"## {one.title}", "", *one.sentences]
        if one.rows:
            lines += ([""] if one.sentences else []) + _table(one.heads, one.rows)
    return [printable(line) for line in lines]


def html(told: dict[str, Any]) -> str:
    """One page."""
    body = [f"<header><h1>{escape(title(told))}</h1>{_paragraphs(summary(told))}</header>"]
    for one in sections(told):
        heads = "".join(f"<th{' class=n' if place else ''}>{escape(head)}</th>" for place, head in enumerate(one.heads))
        rows = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in one.rows)
        table = f"<table><tr>{heads}</tr>{rows}</table>" if one.rows else ""
        body.append(f"<section><h2>{escape(printable(one.title))}</h2>{_paragraphs(one.sentences)}{table}</section>")
    return page(f"Kairos: {title(told)}", "\n".join(body))


def _cell(cell: str) -> str:
    number = cell[:1].isdigit() or cell[:1] in "+-±"
    return f"<td{' class=n' if number else ''}>{escape(printable(cell))}</td>"


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p class=dim>{escape(printable(one))}</p>" for one in sentences)


def _table(heads: Sequence[str], rows: Rows) -> list[str]:
    cells = [[cell.replace("|", "/") for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in [heads, *cells]) for place in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *cells]
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in lines]


def _held(told: dict[str, Any]) -> Section:
    changes = told["changes"]["held_back"]
    rows = []
    for name, one in told["this_week"]["held_back"].items():
        waited = one["waited_hours"]
        rows.append(
            [name, reasons.gate(name), f"{one['steps']:,}", _change(changes[name]), f"{one['people']:,}"]
            + [f"{one[fate]:,}" for fate in FATES]
            + [f"{waited['median']:g} h" if waited else "–"]
        )
    gone = [name for name, change in changes.items() if name not in told["this_week"]["held_back"]]
    sentences = [] if rows else ["Nothing was held back."]
    sentences += [f"The week before, but not this one: {', '.join(f'{name} {-changes[name]:,}' for name in gone)}."] if gone else []
    heads = ("reason", "gate", "steps", "change", "people", *(SPOKEN[fate] for fate in FATES), "waited (median)")
    return Section("What was held back, by gate", sentences, heads, rows)


def _triggers(told: dict[str, Any]) -> Section:
    now = told["this_week"]
    rows = []
    for name, held in sorted(now["by_trigger"].items(), key=lambda one: (-now["steps_by_trigger"][one[0]], one[0])):
        why = ", ".join(f"{reason} {count:,}" for reason, count in held.items())
        rows.append([name, f"{now['sent_by_trigger'].get(name, 0):,}", f"{now['steps_by_trigger'][name]:,}", why])
    return Section("By trigger", [], ("trigger", "sent", "steps held back", "by (a step may be held by several)"), rows)


def _lost(told: dict[str, Any]) -> Section:
    lost, known = told["this_week"]["lost"], told["goals_known"]
    rows = []
    for one in lost:
        waited = one["waited_hours"]
        row = [f"{one['trigger']} → {one['lost_to']}", f"{one['steps']:,}", f"{one['people']:,}", *(f"{one[fate]:,}" for fate in FATES)]
        row.append(f"{waited['median']:g} h" if waited else "–")
        row.append("–" if one["expected_value_lost"] is None else f"{one['expected_value_lost']:,.2f}")
        if known:
            row += [_goals(one["winners"]), _goals(one["losers_that_went_out"])]
        rows.append(row)
    heads = ["who lost → to whom", "steps", "people", *(SPOKEN[fate] for fate in FATES), "waited (median)", "expected value lost"]
    heads += ["winners' goals", "goals of those that went out later"] if known else []
    sentences = [] if rows else ["No message lost its place to another."]
    if rows and not known:
        sentences.append("Whose goals were reached is not known here (it stands in the journal): what was expected is told instead.")
        if not any(one["expected_value_lost"] is not None for one in lost):
            sentences.append("No decision says what its message was expected to bring.")
    return Section("What it cost: winners against losers", sentences, heads, rows)


def _goals(one: dict[str, Any]) -> str:
    return f"{one['goals']:,} of {one['windows']:,}" + (f", {one['revenue']}" if one["goals"] else "")


def _arms(told: dict[str, Any]) -> list[Section]:
    """An experiment each: what its arms got, and what people did then."""
    found = []
    for name, arms in told["experiments"].items():
        rows = [
            [arm, *(f"{one[what]:,}" for what in ("people", "messages", "withheld")), *(_share(one[what]) for what in (*ACTS, "goals"))]
            for arm, one in arms.items()
        ]
        sentences = [
            f"Everything since {told['since'][:10]}: shares of messages; goals of windows that had one, or would have had. "
            f"{RULE[0].upper()}{RULE[1:]}; `?` marks such a share."
        ]
        title = "Hold-out" if name == HOLDOUT else f"Experiment {name}"
        found.append(Section(title, sentences, ("arm", "people", "messages", "withheld", *ACTS, "goals reached"), rows))
    return found


def _foreseen(told: dict[str, Any]) -> Section:
    """Whether she clicks more in what her profile predicted."""
    rows = [
        [f"{what} {'as' if which == MATCHED else 'other than'} predicted", f"{one['messages']:,}", _share(one["clicked"])]
        for what, both in told.items()
        for which, one in both.items()
    ]
    none = "No message had both a prediction and a content or category that its sender or its products tell."
    sentences = (
        ["Messages whose profile had predicted the content or category she would take up, and those clicked in."] if rows else [none]
    )
    return Section("Did profiles foresee what she takes up?", sentences, ("the message's", "messages", "clicked"), rows)


def _tolerance(told: dict[str, Any]) -> list[Section]:
    rule = told["rule"][0].upper() + told["rule"][1:]
    sentences = [f"By how many messages a person had in the 7 days before. {rule}; `?` marks such a share."]
    verdicts = [[name, segment["verdict"]["text"]] for name, segment in told["segments"].items()]
    found = [Section("How many messages people bear", sentences, ("segment", "verdict"), verdicts)]
    for name, segment in told["segments"].items():
        rows = [
            [f"{row['before']}{' or more' if row['or_more'] else ''}", f"{row['sends']:,}", *(_share(row[act]) for act in ACTS)]
            for row in segment["rows"]
        ]
        found.append(Section(name, [], ("before", "messages", *ACTS), rows))
    return found


def _share(one: dict[str, Any] | None) -> str:
    if one is None:
        return "–"
    text = f"{100 * one['share']:.1f} % ({100 * one['low']:.1f}–{100 * one['high']:.1f})"
    return text if one["enough"] else f"{text} ?"


def _change(by: int) -> str:
    return f"{by:+,}" if by else "±0"
