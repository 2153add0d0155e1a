"""A person's story as one HTML page: what counts first, then day by day, then her messages as they look."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from app.domain.plural import count
from app.edges.page import listed, page
from app.edges.report import previews
from app.edges.timeline import Entry, printable
from app.events import Send, iso

MAX_ENTRIES = 2_000
"""The newest stay; a browser should not have to lay out a robot's life."""


def story_page(title: Sequence[str], notes: Sequence[str], entries: Sequence[Entry], sends: Sequence[Send]) -> str:
    """The page. `title`: what is asked about, the first line the heading."""
    shown = entries[-MAX_ENTRIES:]
    counts = {
        "events": sum(one.kind == "event" for one in entries),
        "windows opened": sum(one.told.get("outcome") == "opened" for one in entries),
        "messages sent": sum(one.kind == "send" for one in entries),
        "not sent or cancelled": sum(one.told.get("outcome") in ("not_sent", "cancelled") for one in entries),
    }
    tiles = "".join(f"<div><dt>{name}</dt><dd>{count:,}</dd></div>" for name, count in counts.items())
    head = "".join(f"<p class=dim>{escape(printable(line))}</p>" for line in title[1:])
    body = [f"<header><h1>{escape(printable(title[0]))}</h1>{head}<dl>{tiles}</dl></header>"]
    if notes:
        body.append("<section class=notes>" + "".join(f"<p>{escape(printable(note))}</p>" for note in notes) + "</section>")
    if left := len(entries) - len(shown):
        body.append(f"<p class=dim>{count(left, 'earlier entry is', 'earlier entries are')} left out.</p>")
    for day, of_day in groupby(shown, lambda entry: iso(entry.at)[:10]):
        body.append(f"<section><h2>{day}</h2>{listed(of_day)}</section>")
    if not shown:
        body.append("<section><p class=dim>Nothing happened.</p></section>")
    if once := list({send.send_id: send for send in sends}.values()):
        body.append(f"<section><h2>Messages as they look</h2>{previews(once)}</section>")
    return page(f"Kairos: {printable(title[0])}", "\n".join(body))
