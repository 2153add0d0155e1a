"""`kairos policy check|publish`: policy packs."""

from __future__ import annotations

from pathlib import Path

import click

from app.commands.outcome import No, WrongUse
from app.policy.pack import BadPack, build, compile_artifact, shipped


@click.group()
def policy() -> None:
    """Policy packs: what a business may change, as data."""


@policy.command()
@click.argument("pack")
def check(pack: str) -> None:
    """Check PACK (a shipped name or a file) with its messages; prints `file:line: message` and exits 1 if something is wrong."""
    ref, data = _build(pack)
    built = compile_artifact(ref, data)
    click.echo(f"{ref}: {len(built.triggers)} triggers, {len(built.messages)} messages, {len(data):,} bytes")


def _build(pack: str) -> tuple[str, bytes]:
    try:
        return build(pack)
    except BadPack as error:
        if pack not in shipped() and not Path(pack).is_file():
            raise WrongUse(f"{pack}: {error.problems[0].message}") from error
        for problem in error.problems:
            click.echo(str(problem))
        raise No(f"{pack}: {len(error.problems)} problem{'s' if len(error.problems) != 1 else ''}") from error
