"""`kairos train personas`: groups of buyers that behave alike, found, named, and made into rows of a pack."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from app.commands.asked import INPUT, OUTPUT, write
from app.commands.instant import Instant
from app.commands.outcome import No, WrongUse
from app.commands.policy.chosen import built, find, on_broker, on_the_broker
from app.commands.policy.versions import make_active
from app.commands.train_recommend import recommend
from app.domain.audit import newest
from app.domain.plural import count
from app.edges.events_file import NO_TIME, Unreadable
from app.edges.personas_page import html, lines, told
from app.edges.profiles_file import from_file
from app.edges.progress import Bar
from app.edges.training import FEWEST, MOST, NothingToLearn, NotInstalled, Trained
from app.edges.training import train as learn
from app.events import iso
from app.policy.lint import lint
from app.policy.pack import BadPack, compile_artifact
from app.policy.persona_rows import rebuilt, rows
from app.settings import load


@click.group()
def train() -> None:
    """Learn from what people did; needs the extra `models`. What comes of it is a pack, and the engine needs nothing to run it."""


train.add_command(recommend)


@train.command()
@click.option("--from", "source", type=INPUT, required=True, metavar="FILE", help="Profiles, as `kairos simulate --profiles` writes them.")
@click.option("--at", type=Instant(), help="As of when; default: when anybody was last seen.")
@click.option("-k", "--k", type=click.IntRange(FEWEST, MOST), help="How many; default: the number that parts them best.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the search for groups.")
@click.option("--pack", type=OUTPUT, metavar="F", help="Write the personas as rows of a pack here.")
@click.option("--html", "page", type=OUTPUT, metavar="F", help="Write a page for a browser here.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--publish", is_flag=True, help="Put the rows into a pack and make that active.")
@click.option("--policy", metavar="PACK", help="Which pack --publish takes; default: the active one.")
def personas(
    source: Path,
    at: int | None,
    k: int | None,
    seed: int,
    pack: Path | None,
    page: Path | None,
    as_json: bool,
    publish: bool,
    policy: str | None,
) -> None:
    """Find personas among the buyers of a file of profiles (k-means), and conditions that tell them (a decision tree).

    The same file gives the same personas. Personas of an earlier training are replaced; everything else of the pack stays.
    """
    if policy is not None and not publish:
        raise click.UsageError("--policy goes with --publish")
    now, found = _learned(source, at, k, seed)
    fragment = rows(found.personas, f"{found.people:,} buyers as of {iso(now)}")
    if pack is not None:
        write(pack, fragment)
    if page is not None:
        write(page, html(found, now))
    shown = told(found, now, fragment)
    click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(lines(found, now)))
    if publish:
        ref = _published(fragment, policy or "active")
        click.echo(f"{ref} is published; the workers make it active", err=as_json)


def _learned(source: Path, at: int | None, k: int | None, seed: int) -> tuple[int, Trained]:
    try:
        if at is None:
            at = newest(from_file(source))
        now = NO_TIME if at is None else at
        with Bar("reading", source.stat().st_size) as bar:
            return now, learn(from_file(source, bar.at), now, k, seed)
    except (Unreadable, NotInstalled) as error:
        raise WrongUse(str(error)) from error
    except NothingToLearn as error:
        raise No(f"{source}: {error}") from error


def _published(fragment: str, policy: str) -> str:
    """Puts the rows into the pack, checks the whole as `kairos policy publish` does, and makes it active."""
    settings = load()
    before = find(on_the_broker(settings), policy).data if on_broker(policy) else built(policy)[1]
    ref, data, text = rebuilt(before, fragment)
    try:
        problems = lint(compile_artifact(ref, data), text, ref)
    except BadPack as error:
        problems = error.problems
    for problem in problems:
        click.echo(str(problem), err=True)
    if errors := [one for one in problems if not one.warning]:
        raise No(f"{ref}: {count(len(errors), 'problem')}")
    make_active(settings, ref, data)
    return ref
