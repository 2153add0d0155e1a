"""`kairos digest`: a week of decisions: what was held back, by which gate, what it cost, and how many messages people bear."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from app.commands.asked import INPUT, OUTPUT, reader_option, write
from app.commands.outcome import No, Outage, WrongUse
from app.domain import foreseen
from app.domain.arms import Arms
from app.domain.fingerprint import fingerprint
from app.domain.foreseen import Foreseen
from app.domain.held_back import WEEK_MS, HeldBack, Told, monday
from app.domain.plural import count
from app.domain.sought import Sought
from app.domain.tolerance import segments, tolerance
from app.edges import digest_page, profiles_file
from app.edges.decided import found_in_cluster, journal_now, of_file
from app.edges.events_file import Unreadable, milliseconds
from app.edges.responses import Responses, of_events, of_journal, of_sends
from app.edges.topic_scan import ScanFailed, scanner
from app.events import iso
from app.settings import Settings, load

_told = msgspec.json.Decoder(Told).decode


class Week(click.ParamType):
    """A day, `2026-03-04` → the Monday of its week, ms."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date, such as 2026-03-04", param, ctx)
        return monday(milliseconds(day.isoformat()) or 0)


class Book:
    """What was read for a digest; feed it decisions. `starts`: Mondays (ms) of the weeks that may be told, the likeliest first."""

    def __init__(self, starts: Iterable[int]) -> None:
        self.weeks = {start: HeldBack(start) for start in starts}
        self.sent: dict[str, tuple[str, int]] = {}
        """send_id → (person, ms) of everything that went out, as decisions tell it."""
        self.of_file: dict[str, tuple[str, int]] | None = None
        """The same, of a file of messages."""
        self.arms = Arms()
        self.foreseen: dict[str, Foreseen] = {}
        """send_id → what her profile had foreseen, where it had."""
        self.responses: Responses | None = None
        """None: nobody was asked."""
        self.goals = False
        self.segments: dict[str, list[str]] = {}
        self.newest = self.oldest = 0
        self.notes: list[str] = []

    def take(self, value: bytes) -> None:
        """Raises `Unreadable` for what is no decision."""
        one, at = _read(value)
        self.newest, self.oldest = max(self.newest, at), min(self.oldest or at, at)
        if one.outcome == "sent" and one.send_id:
            self.sent[one.send_id] = (one.person_id, at)
            if (expected := foreseen.read(one.values, at)) is not None:
                self.foreseen[one.send_id] = expected
        self.arms.see(one, at)
        for held in self.weeks.values():
            held.see(one, at)

    @property
    def start(self) -> int:
        """Of the week that is told: the first of which, or of what came before it, there is anything."""
        return next((start for start in self.weeks if self.oldest < start + WEEK_MS), next(reversed(self.weeks)))


@click.command()
@click.option("--week", type=Week(), help="A day of the week that is told, Monday to Sunday, UTC; default: the last whole one.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--html", type=OUTPUT, help="Write it as one HTML page.")
@click.option("--quick", is_flag=True, help="Of a cluster, leave the journal alone: no goals, and not how many messages people bear.")
@click.option("--decisions", "decisions_file", type=INPUT, help="A file that `kairos simulate --decisions` wrote, instead of a cluster.")
@click.option("--sends", "sends_file", type=INPUT, help="With --decisions: what went out, from `kairos simulate --sends`.")
@click.option("--events", "events_file", type=INPUT, help="With --decisions: the events, for who opened, clicked and unsubscribed.")
@click.option("--profiles", "profiles_file_", type=INPUT, help="With --events: people's bands, tiers and stages.")
@reader_option
def digest(
    week: int | None,
    as_json: bool,
    html: Path | None,
    quick: bool,
    decisions_file: Path | None,
    sends_file: Path | None,
    events_file: Path | None,
    profiles_file_: Path | None,
    readers: tuple[str, ...],
) -> None:
    """What was held back in a week, by which gate, and what it cost, against the week before; how many messages people bear.

    Exit 0: told. 1: nothing was decided in these two weeks. 2: wrong use. 3: no broker.
    """
    _fits(quick, decisions_file, sends_file, events_file, profiles_file_, readers)
    settings = load()
    try:
        if decisions_file is not None:
            book = _of_files(settings, week, decisions_file, sends_file, events_file, profiles_file_)
        else:
            book = asyncio.run(_of_cluster(settings, readers, week, quick))
        told = _digest(book)
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    except ScanFailed as error:
        raise Outage(str(error)) from error
    if html is not None:
        write(html, digest_page.html(told))
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    elif html is not None:
        click.echo(f"{digest_page.title(told)}: written to {html}")
    else:
        click.echo("\n".join(digest_page.markdown(told)))


def _fits(
    quick: bool, decisions: Path | None, sends: Path | None, events_file: Path | None, profiles: Path | None, readers: tuple[str, ...]
) -> None:
    """Raises `UsageError` for an option that would do nothing."""
    if decisions is None and (sends or events_file or profiles):
        raise click.UsageError("--sends, --events and --profiles go with --decisions FILE")
    if decisions is not None and (readers or quick):
        raise click.UsageError("--reader and --quick go with a cluster, not with --decisions FILE")
    if profiles is not None and events_file is None:
        raise click.UsageError("--profiles goes with --events FILE: it tells whose answers are whose")


def _digest(book: Book) -> dict[str, Any]:
    if not book.newest:
        raise No("no decision at all")
    start = book.start
    goals = book.responses.goals if book.responses is not None and book.goals else None
    told = book.weeks[start].result(goals)
    if not any(told[one][what] for one in ("this_week", "week_before") for what in ("opened", "sent", "cancelled", "steps_held_back")):
        raise No(f"nothing was decided in the week of {iso(start)[:10]} and the one before")
    answers, accuracy, acts, notes = None, None, None, list(book.notes)
    if book.responses is not None and book.responses.events:
        sends = list(book.responses.sends({**book.sent, **(book.of_file or {})}))
        acts = {one.send_id: one.acts for one in sends}
        counted = sends if book.of_file is None else [one for one in sends if one.send_id in book.of_file]
        answers = tolerance(counted, book.segments, book.newest)
        accuracy = foreseen.accuracy(book.foreseen.items(), book.responses.told, acts, book.newest)
    elif book.responses is not None:
        # Nobody opened anything, or nobody reports it: what people bear cannot be told from that.
        notes.append("no event says that a message was opened, clicked or unsubscribed from: how many people bear is not known")
    if book.newest < start + WEEK_MS:
        notes.append(f"the week is not over: told up to {iso(book.newest)[:19]}")
    reached = None if goals is None else {fingerprint(window): one for window, one in goals.items()}
    return {
        "week": iso(start)[:10],
        "until": iso(start + WEEK_MS)[:10],
        **told,
        "arms": {"since": iso(book.oldest), **book.arms.result(acts, reached, book.newest)},
        "tolerance": answers,
        "foreseen": accuracy,
        "notes": notes,
    }


def _starts(week: int | None, now: int) -> tuple[int, ...]:
    """The week asked for; else the last that is over, and for who is younger than that the present one."""
    return (monday(now) - WEEK_MS, monday(now)) if week is None else (week,)


def _read(value: bytes) -> tuple[Told, int]:
    """A decision and its time. Raises `Unreadable`."""
    try:
        one = _told(value)
    except msgspec.MsgspecError as error:
        raise Unreadable(f"no decision: {error}") from error
    at = milliseconds(one.at)
    if at is None:
        raise Unreadable(f"a decision has no time: {one.at!r}")
    return one, at


def _of_files(
    settings: Settings, week: int | None, decisions: Path, sends: Path | None, events_file: Path | None, profiles: Path | None
) -> Book:
    newest = 0
    for number, value in enumerate(of_file(decisions), 1):
        try:
            newest = max(newest, _read(value)[1])
        except Unreadable as error:
            raise Unreadable(f"{decisions}: record {number}: {error}") from error
    book = Book(_starts(week, newest))
    for value in of_file(decisions):
        book.take(value)
    if sends is not None:
        book.of_file = of_sends(of_file(sends, "message"), sends)
    if events_file is None:
        book.notes.append("how many messages people bear is not told: --events FILE says who opened, clicked and unsubscribed")
        return book
    book.responses = of_events(events_file, settings.secret)
    if refused := book.responses.refused:
        what = f"{count(refused, 'line counts', 'lines count')} for nothing, being no event or against its contract"
        book.notes.append(f"{events_file.name}: {what}; the first, {book.responses.first_refusal}")
    if profiles is not None:
        for one in profiles_file.from_file(profiles):
            _stand(book, one)
    return book


async def _of_cluster(settings: Settings, addresses: tuple[str, ...], week: int | None, quick: bool) -> Book:
    async with scanner(settings) as scan:
        now = await journal_now(scan)
        book = Book(_starts(week, now))
        sought = Sought(since=iso(max(0, min(book.weeks) - WEEK_MS)))
        await found_in_cluster(scan, settings, addresses, sought, book.take)
        if not book.newest:
            return book
        book.newest = max(book.newest, now)
        if not quick:
            book.responses, book.goals = await of_journal(scan), True
            async for one in profiles_file.from_topic(scan):
                _stand(book, one)
    return book


def _stand(book: Book, profile: dict[str, Any]) -> None:
    """Everybody's segments, in few strings: there are some dozens of them."""
    book.segments[profile["person_id"]] = [sys.intern(one) for one in segments(profile)]
