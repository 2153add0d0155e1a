"""The HTML report of a run: what went out, what did not and why, and a few people's days. One file, no scripts, nothing loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from app.edges.eml import eml_name
from app.edges.page import listed, page
from app.edges.timeline import Entry
from app.events import Decision, Send

MAILS = "mails"
"""Folder beside the report; a mail that lies there is linked."""
MAX_LISTED = 200
"""Sends listed; the newest stay."""
MAX_PREVIEWS = 24
"""Messages shown as they look, the newest of each kind."""
MAX_PEOPLE = 20
MAX_ENTRIES = 300
"""Entries of one timeline; the first ones stay."""


def write_report(
    folder: Path,
    sends: Iterable[Send],
    decisions: Iterable[Decision],
    people: Mapping[str, Sequence[Entry]],
    summary: Mapping[str, Any],
) -> Path:
    """Writes `report.html` into the folder and returns it. Raises OSError.

    `people`: a person's label → her timeline. `summary`: figures of the run; maps in it are left to the tables. A record that was
    published twice counts once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.html"
    file.write_text(html(folder / MAILS, sends, decisions, people, summary), "utf-8")
    return file


def html(
    mails: Path,
    sends: Iterable[Send],
    decisions: Iterable[Decision],
    people: Mapping[str, Sequence[Entry]],
    summary: Mapping[str, Any],
) -> str:
    """The report's text; `mails` is looked at only for which files are there."""
    once = list({send.send_id: send for send in sends}.values())
    decided = list({decision.decision_id: decision for decision in decisions}.values())
    by_step = Counter((send.trigger, send.step, send.message) for send in once)
    unsent: Counter[tuple[str, ...]] = Counter(
        (_spaced(one.outcome), _spaced(one.reason or ""), one.trigger)
        for one in decided
        if one.outcome in ("not_sent", "cancelled", "held")
    )
    windows: Counter[tuple[str, ...]] = Counter((one.trigger,) for one in decided if one.outcome == "opened")
    body = [
        f"<header><h1>What Kairos did</h1><dl>{_tiles(summary, once, decided)}</dl></header>",
        _section("Messages sent", _sent(by_step), "Nothing was sent."),
        _section("Not sent, and why", _table(("outcome", "reason", "trigger"), unsent), "Everything that was opened was sent."),
        _section("Windows opened", _table(("trigger",), windows), "No window opened."),
        _section("How they look", previews(once), "No message to show."),
        _section("The newest messages", _list(once, mails), "No message to list."),
        _section("A few people", _people(people), "No timeline was asked for."),
    ]
    return page("Kairos: report", "\n".join(body))


def _tiles(summary: Mapping[str, Any], sends: list[Send], decisions: list[Decision]) -> str:
    figures = {name: value for name, value in summary.items() if isinstance(value, str | int | float) and not isinstance(value, bool)}
    figures = {"messages": len(sends), "people written to": len({send.person_id for send in sends}), **figures}
    return "".join(f"<div><dt>{escape(_spaced(name))}</dt><dd>{escape(_figure(value))}</dd></div>" for name, value in figures.items())


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _figure(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _section(title: str, content: str, otherwise: str) -> str:
    return f"<section><h2>{title}</h2>{content or f'<p class=dim>{otherwise}</p>'}</section>"


def _sent(counts: Counter[tuple[str, int, str]]) -> str:
    most = max(counts.values(), default=0)
    rows = "".join(
        f"<tr><td>{escape(trigger)}</td><td>{'first' if step == 0 else f'follow-up {step}'}</td><td>{escape(message)}</td>"
        f"<td class=n>{count:,}</td><td class=bar><i style='width:{100 * count // most}%'></i></td></tr>"
        for (trigger, step, message), count in sorted(counts.items())
    )
    return f"<table><tr><th>trigger<th>step<th>message<th class=n>sent<th></tr>{rows}</table>" if rows else ""


SHOWN = 60
"""Characters of a text message that stand for the subject it has not."""


def _table(names: tuple[str, ...], counts: Counter[tuple[str, ...]]) -> str:
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}<td class=n>{count:,}</td></tr>"
        for cells, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    head = "".join(f"<th>{name}" for name in names)
    return f"<table><tr>{head}<th class=n>count</tr>{rows}</table>" if rows else ""


def previews(sends: Iterable[Send]) -> str:
    """Messages as they look, one of each kind."""
    newest: dict[str, Send] = {}
    for send in sorted(sends, key=lambda send: (send.decided_at, send.send_id)):
        newest[send.message] = send
    # The frame runs nothing and, by the page's own policy, loads nothing: pictures show as their names.
    return "".join(
        f"<details><summary><b>{escape(send.message)}</b> {escape(send.subject)}</summary>{_look(send)}</details>"
        for send in [newest[name] for name in sorted(newest)][:MAX_PREVIEWS]
    )


def _look(send: Send) -> str:
    if not send.html:
        return f"<p class=dim>{escape(send.channel)}</p><pre>{escape(send.text)}</pre>"
    return (
        f"<p class=dim>{escape(send.preheader)}</p>"
        f'<iframe sandbox title="{escape(send.message)}" srcdoc="{escape(send.html)}"></iframe>'
        f"<details><summary>plain text</summary><pre>{escape(send.text)}</pre></details>"
    )


def _list(sends: list[Send], mails: Path) -> str:
    newest = sorted(sends, key=lambda send: (send.decided_at, send.send_id), reverse=True)[:MAX_LISTED]
    rows = ""
    for send in newest:
        name = eml_name(send)
        subject = escape(send.subject or send.text[:SHOWN])
        linked = f'<a href="{MAILS}/{name}">{subject}</a>' if (mails / name).is_file() else subject
        who = send.customer_id or send.person_id[:8]
        rows += (
            f"<tr><td class=t>{escape(send.decided_at)}</td><td>{escape(who)}</td><td>{escape(send.trigger)}</td>"
            f"<td class=n>{send.step}</td><td>{linked}</td></tr>"
        )
    more = f"<p class=dim>and {len(sends) - len(newest):,} before</p>" if len(sends) > len(newest) else ""
    return f"<table><tr><th>decided at<th>customer<th>trigger<th class=n>step<th>subject</tr>{rows}</table>{more}" if rows else ""


def _people(people: Mapping[str, Sequence[Entry]]) -> str:
    return "".join(
        f"<details><summary><b>{escape(label)}</b> {len(entries):,} entries</summary>{listed(entries[:MAX_ENTRIES])}</details>"
        for label, entries in list(people.items())[:MAX_PEOPLE]
    )
