"""`kairos people import` loads what a shop knows of its people; `kairos people unlink` parts an identifier from whom it was linked to.

A parting goes where intake's own links go: onto `customer_events`, sealed, to the partition that owns the identifier.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import click
import orjson
from aiokafka.errors import KafkaError

from app import events
from app.commands.asked import INPUT, OUTPUT
from app.commands.instant import Instant
from app.commands.outcome import No, Outage, WrongUse
from app.domain import links
from app.domain.identity import identifier
from app.domain.plural import count
from app.domain.schema import MAX_ID
from app.edges.events_file import Unreadable
from app.edges.people_file import Columns
from app.edges.people_import import Imported, cause_of, import_people, last_changed
from app.edges.producing import producing
from app.edges.progress import Bar
from app.edges.rejects import rejects_beside, spared
from app.edges.table_file import is_table
from app.engine.clock import wall_ms
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.topics import differences
from app.events import Link
from app.flow import Stage
from app.settings import Settings, load


@click.group()
def people() -> None:
    """Load people in bulk; part identifiers."""


@people.command("import")
@click.argument("file", metavar="FILE", type=INPUT)
@click.option(
    "--id", "id_column", default="customer_id", show_default=True, metavar="COLUMN", help="The column that holds the customer id."
)
@click.option("--number", "numbers", multiple=True, metavar="COLUMN", help="Of CSV: a column of numbers; without it a cell is text.")
@click.option("--flag", "flags", multiple=True, metavar="COLUMN", help="Of CSV: a column of true and false.")
@click.option(
    "--as-of", type=Instant(), help="As of when the file speaks, for rows without a timestamp; default: when it was last changed."
)
@click.option("--rejects", type=OUTPUT, metavar="F", help="Where refused rows go; default: FILE.rejects.csv or .jsonl.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, publish nothing; needs no broker.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def import_(
    file: Path,
    id_column: str,
    numbers: tuple[str, ...],
    flags: tuple[str, ...],
    as_of: int | None,
    rejects: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Load what FILE (CSV or JSON Lines, .gz too) says of people: traits and consent, a person a row.

    Columns consent_PURPOSE (true or false) give or withdraw consent, a column timestamp says as of when; all others are traits. A consent
    never undoes what she said later. The same file again changes nothing. Exits 1 if not a single row could be taken.
    """
    settings, now = load(), wall_ms()
    if as_of is not None and as_of > now:
        raise WrongUse("--as-of lies in the future")
    columns = Columns(id_column, frozenset(numbers), frozenset(flags))
    done = Imported()
    try:
        cause = cause_of(file, columns, as_of)
        rejects = spared(rejects or rejects_beside(file, is_table(file)), file)
        at = last_changed(file, now) if as_of is None else as_of
        with Bar("checking" if dry_run else "importing", file.stat().st_size) as bar:

            def on_progress(read: int, so_far: Imported) -> None:
                nonlocal done
                done = so_far
                bar.at(read, f"{so_far.people:,} people, {so_far.rejected:,} rows refused")

            done = asyncio.run(_import(settings, file, columns, cause, rejects, at, now, dry_run, on_progress))
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    except KafkaError as error:
        raise Outage(f"broker {settings.broker}: {error}; {done.people:,} people are in, run it again for the rest") from error
    except OSError as error:
        if error.filename is not None:
            raise WrongUse(f"{error.filename}: {error.strerror}") from error
        raise Outage(f"broker {settings.broker}: {error}; {done.people:,} people are in, run it again for the rest") from error
    told = {
        "file": file.name,
        "dry_run": dry_run,
        "as_of": events.iso(at),
        "rows": done.rows,
        "people": done.people,
        "events": done.events,
        "rejected": done.rejected,
        "reasons": dict(done.reasons.most_common()),
        "rejects_file": str(rejects) if done.rejected else None,
    }
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(_told(done, rejects, dry_run)))
    if done.rows and not done.people:
        raise No(f"{file}: not one of its {count(done.rows, 'row')} could be taken")


async def _import(
    settings: Settings,
    file: Path,
    columns: Columns,
    cause: tuple[str, ...],
    rejects: Path,
    at: int,
    now: int,
    dry_run: bool,
    on_progress: Callable[[int, Imported], None],
) -> Imported:
    if dry_run:

        async def nowhere(outputs: list[Output]) -> None:
            pass

        return await import_people(file, columns, cause, rejects, at, now, nowhere, on_progress)
    if missing := [one for one in await differences(settings) if "missing" in one]:
        raise Outage(missing[0])
    async with producing(settings) as producer:
        return await import_people(file, columns, cause, rejects, at, now, producer.publish, on_progress)


def _told(done: Imported, rejects: Path, dry_run: bool) -> list[str]:
    would = "would be " if dry_run else ""
    lines = [
        f"{count(done.rows, 'row')}: {count(done.people, 'person', 'people')} {would}imported, "
        f"{count(done.events, 'event')} {would}published"
    ]
    if done.rejected:
        lines.append(f"{count(done.rejected, 'row was', 'rows were')} refused, see {rejects}")
        lines += [f"  {count:,} × {reason}" for reason, count in done.reasons.most_common(10)]
    return lines


@people.command()
@click.argument("name", metavar="IDENTIFIER")
def unlink(name: str) -> None:
    """From now on IDENTIFIER (a customer id or an anonymous id, as producers send it) is a person of its own again."""
    if not 0 < len(name) <= MAX_ID:
        raise WrongUse(f"an identifier has 1 to {MAX_ID} characters")
    settings = load()
    try:
        asyncio.run(_unlink(settings, name))
    except (KafkaError, OSError) as error:
        raise Outage(f"broker {settings.broker}: {error}") from error
    click.echo(f"{name} is unlinked: events of it from now on are a person's of their own")
    click.echo("what came before stays with the person it was linked to: orders, profile, open windows, and what was sent to her")


async def _unlink(settings: Settings, name: str) -> None:
    if missing := [one for one in await differences(settings) if "missing" in one]:
        raise Outage(missing[0])
    async with producing(settings) as producer:
        await producer.publish([parted(settings.secret, one, wall_ms()) for one in (identifier(name, None), identifier(None, name))])


def parted(secret: str, one: str, now: int) -> Output:
    """The record that parts an identifier, `c:` or `a:` before the id; nothing happens to one that was never linked."""
    link = links.sealed(secret, Link(now, one, "", ""), links.OPERATOR, now)
    headers = pack_origin(Stage.LINK, links.OPERATOR, now, 0)
    return Output("customer_events", links.key(one), events.encode(link), stage=Stage.LINK, headers=headers)
