"""`kairos export`: what Kairos works out, for other systems."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import click

from app.agents.kinds import encode_model
from app.commands.asked import INPUT, OUTPUT
from app.commands.outcome import No, Outage, WrongUse
from app.commands.policy.chosen import ACTIVE, chosen
from app.domain.catalogue import Item
from app.domain.consent import silence_tracks
from app.domain.neighbours import BadModel, Model, decode
from app.domain.trigger import Pack
from app.edges import catalog_file, models
from app.edges.events_file import Unreadable
from app.edges.feed import Fed, fed, writer
from app.edges.feed_sources import catalogue, of_cluster, of_file
from app.edges.likings_file import from_file
from app.edges.topic_scan import ScanFailed, scanner
from app.settings import Settings, load

STDOUT = "-"


@click.group()
def export() -> None:
    """What Kairos works out, written for other systems."""


@export.command()
@click.option("-n", "--n", type=click.IntRange(1, 20), default=3, show_default=True, help="Products a person.")
@click.option("--format", "form", type=click.Choice(("csv", "jsonl")), default="csv", show_default=True, help="A line a person in both.")
@click.option("--out", type=OUTPUT, required=True, metavar="F", help="Where to (- is stdout); a file is replaced when all of it is there.")
@click.option("--events", type=INPUT, help="Of a file of events instead of a cluster; with --products and --model.")
@click.option("--products", type=INPUT, help="With --events: the catalogue.")
@click.option("--model", "model_file", type=INPUT, help="With --events: a model, as `kairos train recommend --out` writes it.")
@click.option("--policy", metavar="PACK", help="Whose [recommendations] to go by; default: KAIROS_POLICY, of a cluster the active one.")
def recommendations(
    n: int, form: str, out: Path, events: Path | None, products: Path | None, model_file: Path | None, policy: str | None
) -> None:
    """What to recommend to each person, by the active model: a feed for dynamic blocks of other systems.

    Of a cluster everybody who consented to `personalise`. Run it from cron as often as the other system takes it, every 15 minutes say.
    """
    if (events is None) != (products is None) or (events is None) != (model_file is None):
        raise click.UsageError("--events, --products and --model go together")
    settings = load()
    pack = chosen(policy or (ACTIVE if events is None else settings.policy), settings).pack
    write = writer(form, n)
    if events is not None and products is not None and model_file is not None:
        lines = _of_file(events, products, model_file, pack, settings, n)
        try:
            count = _written(out, write(None), (write(one) for one in lines))
        except Unreadable as error:
            raise WrongUse(str(error)) from error
    else:
        try:
            count = _written(out, write(None), map(write, asyncio.run(_of_cluster(settings, pack, n))))
        except ScanFailed as error:
            raise Outage(str(error)) from error
    click.echo(f"{count:,} people", err=True)


def _of_file(events: Path, products: Path, model_file: Path, pack: Pack, settings: Settings, n: int) -> Iterator[Fed]:
    try:
        _, data = encode_model(model_file.read_bytes(), settings.model_mb)
        model = decode(data)
    except OSError as error:
        raise WrongUse(f"{model_file}: {error.strerror}") from error
    except (BadModel, ValueError) as error:
        raise WrongUse(f"{model_file}: {error}") from error
    items = catalog_file.items(products)
    found = from_file(events, items)
    found.settle(silence_tracks(pack))
    return fed(of_file(found), model, items.get, pack, n)


async def _of_cluster(settings: Settings, pack: Pack, n: int) -> list[Fed]:
    model = await _active(settings)
    async with scanner(settings) as scan:
        items: dict[str, Item] = await catalogue(scan)
        if not items:
            raise No("the cluster has no catalogue, so that nothing can be shown")
        return [one async for liker in of_cluster(scan, pack) for one in fed([liker], model, items.get, pack, n)]


async def _active(settings: Settings) -> Model:
    found = await models.active(settings)
    if found is None:
        raise No("no model of recommendations is active: kairos train recommend --publish, or an insight worker learns one")
    try:
        return decode(found[1])
    except BadModel as error:
        raise No(f"{found[0]}: {error}") from error


def _written(out: Path, head: bytes, lines: Iterable[bytes]) -> int:
    """How many; nobody ever reads half a file."""
    if str(out) == STDOUT:
        return _put(sys.stdout.buffer, head, lines)
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as file:
            count = _put(file, head, lines)
        os.replace(part, out)
    except OSError as error:
        raise WrongUse(f"{out}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return count


def _put(file: IO[bytes], head: bytes, lines: Iterable[bytes]) -> int:
    count = 0
    file.write(head)
    for line in lines:
        file.write(line)
        count += 1
    return count
