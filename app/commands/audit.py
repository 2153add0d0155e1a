"""`kairos audit`: how far what is known of people has decayed, and what in it cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import orjson

from app.commands.asked import INPUT, OUTPUT, write
from app.commands.instant import Instant
from app.commands.outcome import No, Outage, WrongUse
from app.domain.audit import CHECKS, SHARED, Audit, Audited, newest
from app.edges.audit_page import html, lines, told
from app.edges.events_file import NO_TIME, Unreadable
from app.edges.profiles_file import from_file, from_topic
from app.edges.progress import Bar
from app.edges.topic_scan import ScanFailed, scanner
from app.engine.clock import wall_ms
from app.settings import Settings, load

NAMES = (*(one.name for one in CHECKS), *SHARED)


class Limit(click.ParamType):
    """`NAME=SHARE` → both."""

    name = "NAME=SHARE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        name, _, share = str(value).partition("=")
        if name not in NAMES:
            self.fail(f"no finding {name!r}: {', '.join(NAMES)}", param, ctx)
        try:
            limit = float(share)
        except ValueError:
            limit = -1.0
        if not 0 <= limit <= 1:
            self.fail(f"{share!r} is no share from 0 to 1", param, ctx)
        return name, limit


@click.command()
@click.option("--profiles", type=INPUT, metavar="FILE", help="A file of `kairos simulate --profiles` instead of the topic.")
@click.option("--at", type=Instant(), help="As of when; default: now, with --profiles when anybody was last seen.")
@click.option("--html", "page", type=OUTPUT, metavar="F", help="Write a page for a browser here.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--fail-over", "limits", type=Limit(), multiple=True, help="Exit 1 if a finding has more than this share, such as 0.02.")
def audit(profiles: Path | None, at: int | None, page: Path | None, as_json: bool, limits: tuple[tuple[str, float], ...]) -> None:
    """Audit what is known of people: what decays, what is missing, what contradicts itself, who is there twice.

    Reads the `profiles` topic. The report names people by person_id alone.
    """
    now, found = _of_file(profiles, at) if profiles is not None else _of_topic(load(), wall_ms() if at is None else at)
    if page is not None:
        write(page, html(found, now))
    click.echo(orjson.dumps(told(found, now), option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(lines(found, now)))
    shares = {one.name: one.share for one in found.findings}
    over = [f"{name} is {shares[name]:.4f}, more than {limit:g}" for name, limit in limits if shares[name] > limit]
    if over:
        raise No("; ".join(over))


def _of_file(path: Path, at: int | None) -> tuple[int, Audited]:
    try:
        if at is None:
            at = newest(from_file(path))
        found = Audit(NO_TIME if at is None else at)
        with Bar("auditing", path.stat().st_size) as bar:
            for record in from_file(path, bar.at):
                found.add(record)
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    return NO_TIME if at is None else at, found.result()


def _of_topic(settings: Settings, now: int) -> tuple[int, Audited]:
    found = Audit(now)

    async def read() -> None:
        async with scanner(settings) as scan:
            with Bar("auditing", 0) as bar:
                async for record in from_topic(scan, lambda done, total: bar.at(done, f"{done:,} of {total:,} records")):
                    found.add(record)

    try:
        asyncio.run(read())
    except ScanFailed as error:
        raise Outage(str(error)) from error
    return now, found.result()
