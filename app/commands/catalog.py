"""`kairos catalog import` loads a shop's products: a table, JSON Lines, or the product feed that it gives to Google anyway."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import orjson
from aiokafka.errors import KafkaError

from app.commands.asked import OUTPUT
from app.commands.outcome import No, Outage, WrongUse
from app.domain.catalog_row import FIELDS, Columns
from app.domain.plural import count
from app.edges.catalog_file import TABLE, form
from app.edges.catalog_import import Ids, Imported, TooMany, import_catalogue, take_off
from app.edges.download import NotFetched, fetch, is_address
from app.edges.events_file import Unreadable
from app.edges.producing import producing
from app.edges.progress import Bar
from app.edges.rejects import rejects_beside, spared
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.engine.topics import differences
from app.settings import Settings, load


@click.group()
def catalog() -> None:
    """The shop's products: what messages show, and by what they are chosen."""


@catalog.command("import")
@click.argument("source", metavar="FILE|URL")
@click.option(
    "--column",
    "chosen",
    multiple=True,
    metavar="FIELD=COLUMN",
    help=f"Which column tells a field, where its name does not: {', '.join(FIELDS)}.",
)
@click.option("--full", is_flag=True, help="It is the whole catalogue: what is not in it gets a stock of 0, until it is in it again.")
@click.option("--anyway", is_flag=True, help="With --full: also where more than half of the catalogue is not in it.")
@click.option("--rejects", type=OUTPUT, metavar="F", help="Where refused rows go; default: FILE.rejects.csv or .jsonl.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, publish nothing; needs no broker.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
def import_(source: str, chosen: tuple[str, ...], full: bool, anyway: bool, rejects: Path | None, dry_run: bool, as_json: bool) -> None:
    """Load products from a CSV, JSON Lines or Google product feed (RSS, Atom), .gz too, from a file or an http address.

    A column that is empty clears what it tells, one that is not there leaves it: a file of id and stock is enough for stocks. Other
    columns become attributes. The same file again changes nothing. A product is taken once: a later row that tells it otherwise is
    refused. Exits 1 if not a single row could be taken, or --full would take off more than half; 2 if the file cannot be read, or only in
    part: what was read counts.
    """
    settings = load()
    columns = Columns(_chosen(chosen))
    if anyway and not full:
        raise click.UsageError("--anyway goes with --full")
    with tempfile.TemporaryDirectory(prefix="kairos-catalog-") as folder:
        file = _at_hand(source, Path(folder))
        try:
            beside = rejects_beside(Path("catalog") if is_address(source) else file, form(file) == TABLE)
            rejects = spared(rejects or beside, file)
        except Unreadable as error:
            raise WrongUse(str(error)) from error
        _run(settings, source, file, columns, rejects, full, anyway, dry_run, as_json)


def _run(
    settings: Settings,
    source: str,
    file: Path,
    columns: Columns,
    rejects: Path,
    full: bool,
    anyway: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    done, broken, failed = Imported(), None, None
    try:
        with Bar("checking" if dry_run else "importing", file.stat().st_size) as bar:

            def on_progress(read: int, so_far: Imported) -> None:
                nonlocal done
                done = so_far
                bar.at(read, f"{so_far.products:,} products, {so_far.rejected:,} rows refused")

            asyncio.run(_import(settings, file, columns, rejects, full, anyway, dry_run, on_progress))
    except Unreadable as error:
        broken = str(error)
        if not done.rows:
            raise WrongUse(broken) from error
    except TooMany as error:
        failed = f"{error}, more than half: nothing was taken off; --anyway does it all the same"
    except KafkaError as error:
        raise Outage(f"broker {settings.broker}: {error}; {done.products:,} products are in, run it again for the rest") from error
    except OSError as error:
        if error.filename is not None:
            raise WrongUse(f"{error.filename}: {error.strerror}") from error
        raise Outage(f"broker {settings.broker}: {error}; {done.products:,} products are in, run it again for the rest") from error
    told = {
        "source": source,
        "dry_run": dry_run,
        "rows": done.rows,
        "products": done.products,
        "rejected": done.rejected,
        "taken_off": done.taken_off,
        "reasons": dict(done.reasons.most_common()),
        "notes": dict(done.notes.most_common()),
        "rejects_file": str(rejects) if done.rejected else None,
    }
    click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(_told(done, rejects, full, dry_run)))
    if broken is not None:
        raise WrongUse(f"{broken}; the {done.products:,} products before it {'could be' if dry_run else 'are'} taken")
    if failed is not None:
        raise No(failed)
    if done.rows and not done.products:
        raise No(f"{source}: not one of its {count(done.rows, 'row')} could be taken")


async def _import(
    settings: Settings,
    file: Path,
    columns: Columns,
    rejects: Path,
    full: bool,
    anyway: bool,
    dry_run: bool,
    on_progress: Callable[[int, Imported], None],
) -> None:
    now = wall_ms()
    if dry_run:

        async def nowhere(outputs: list[Output]) -> None:
            pass

        await import_catalogue(file, columns, rejects, now, nowhere, on_progress)
        return
    if missing := [one for one in await differences(settings) if "missing" in one]:
        raise Outage(missing[0])
    ids = Ids() if full else None
    async with producing(settings) as producer:
        done = await import_catalogue(file, columns, rejects, now, producer.publish, on_progress, ids)
        if ids is not None:
            await take_off(settings, ids, producer.publish, on_progress, done, anyway)


def _chosen(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        field, mark, name = pair.partition("=")
        if not mark or not name.strip() or field not in FIELDS:
            raise WrongUse(f"--column {pair}: FIELD=COLUMN, the field one of {', '.join(FIELDS)}")
        found[field] = name
    return found


def _at_hand(source: str, folder: Path) -> Path:
    """The file, fetched first where it is an address."""
    if not is_address(source):
        path = Path(source)
        if not path.is_file():
            raise WrongUse(f"{source}: no such file")
        return path
    try:
        with Bar("fetching", 0) as bar:
            return asyncio.run(fetch(source, folder, lambda so_far, total: bar.at(so_far, f"{so_far / 1_000_000:,.1f} MB")))
    except NotFetched as error:
        raise WrongUse(str(error)) from error


def _told(done: Imported, rejects: Path, full: bool, dry_run: bool) -> list[str]:
    lines = [f"{count(done.rows, 'row')}: {count(done.products, 'product')} {'would be ' if dry_run else ''}published"]
    lines += [f"  {count:,} {note}" for note, count in done.notes.most_common()]
    if full and not dry_run:
        lines.append(f"{count(done.taken_off, 'product that is not in it has', 'products that are not in it have')} a stock of 0 now")
    if done.rejected:
        lines.append(f"{count(done.rejected, 'row was', 'rows were')} refused, see {rejects}")
        lines += [f"  {count:,} × {reason}" for reason, count in done.reasons.most_common(10)]
    return lines
