"""About whom explain and preview are asked, and where they look: a running cluster's topics, or a file of events that is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from msgspec import Struct

from app.commands.built import artifact
from app.commands.outcome import No, Outage, WrongUse
from app.domain.catalogue import Items, nothing
from app.edges.catalog_file import items
from app.edges.dossier import Dossier, candidates, of_topics
from app.edges.events_file import Unreadable
from app.edges.film import Film, of_file
from app.edges.reader_client import with_readers
from app.edges.shop_then import shop_then
from app.edges.topic_scan import ScanFailed, scanner
from app.settings import Settings

INPUT = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
_Command = TypeVar("_Command", bound=Callable[..., Any])
Wanted = Callable[[Dossier], Collection[str] | None]
"""The products that will be asked for, of whoever was found; None: any."""


class FromFile(Struct, frozen=True):
    """A file instead of a cluster."""

    events: Path
    people: Path | None = None
    products: Path | None = None
    assume: frozenset[str] = frozenset()

    def items(self) -> Items:
        """The catalogue. Raises `WrongUse`."""
        try:
            return items(self.products).get if self.products else nothing
        except Unreadable as error:
            raise WrongUse(str(error)) from error


def everything(found: Dossier) -> None:
    """The whole catalogue is wanted."""


def file_options(command: _Command) -> _Command:
    """The options that `from_options` reads."""
    for option in (
        click.option("--assume-address", is_flag=True, help="With --events: everybody has <id>@example.invalid unless one is known."),
        click.option("--assume-consent", is_flag=True, help="With --events: every purpose is consented to, unless withdrawn."),
        click.option("--products", "products_file", type=INPUT, help="With --events: a catalogue, as `catalog import` takes it."),
        click.option("--people", "people_file", type=INPUT, help="With --events: what is known of people before the first line."),
        click.option("--events", "events_file", type=INPUT, help="Ask a file of events instead of a cluster; it is simulated."),
    ):
        command = option(command)
    return command


reader_option = click.option(
    "--reader", "readers", metavar="HOST:PORT", multiple=True, help="Ask the reader there, not the topics; default: KAIROS_READER."
)


def from_options(
    events_file: Path | None, people_file: Path | None, products_file: Path | None, assume_consent: bool, assume_address: bool
) -> FromFile | None:
    """The file that was asked for. Raises `UsageError` where an option needs one that is not there."""
    assume = frozenset(name for name, given in (("consent", assume_consent), ("address", assume_address)) if given)
    if events_file is None:
        if people_file or products_file or assume:
            raise click.UsageError("--people, --products, --assume-consent and --assume-address go with --events FILE")
        return None
    return FromFile(events_file, people_file, products_file, assume)


def film(settings: Settings, source: FromFile, until: int | None = None, after: int = 0) -> Film:
    """The file, ready to be simulated. Raises `WrongUse`."""
    return Film(source.events, source.people, artifact(settings.policy), settings, until, source.assume, source.items(), after)


def dossier(
    settings: Settings,
    asked: str,
    source: FromFile | None,
    until: int | None = None,
    after: int = 0,
    readers: Sequence[str] = (),
    wanted: Wanted = everything,
) -> Dossier:
    """The person that `asked` means. Raises `No`, `Outage`, `WrongUse`. `after`: ms that a file's time runs on behind its last line.

    `readers`: their addresses, if they are not to be those of the settings. `wanted`: the products that will be asked for.
    """
    if source is not None:
        try:
            found = of_file(film(settings, source, until, after), settings, asked)
        except Unreadable as error:
            raise WrongUse(str(error)) from error
    else:
        try:
            found = asyncio.run(_scanned(settings, asked, until, readers, wanted))
        except ScanFailed as error:
            raise Outage(str(error)) from error
    if found is None:
        raise No(f"nothing is kept of {asked}: no journal record, no decision")
    return found


async def _scanned(settings: Settings, asked: str, until: int | None, addresses: Sequence[str], wanted: Wanted) -> Dossier | None:
    async with scanner(settings) as scan:
        persons = candidates(settings, asked)
        found = await with_readers(settings, addresses, lambda readers: of_topics(scan, settings, asked, persons, until, readers))
        if found is not None:
            found.shop = await shop_then(scan, found.then, found.person_id, found.packs, wanted(found))
        return found


def write(path: Path, text: str) -> None:
    """Raises `WrongUse` if the place does not take it."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from error
