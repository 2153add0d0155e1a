"""`kairos policy check|publish`: policy packs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from aiokafka.errors import KafkaError

from app import events
from app.commands.outcome import No, Outage, WrongUse
from app.edges.producing import producing
from app.engine import artifacts
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.engine.topics import differences
from app.events import Activate
from app.policy.pack import BadPack, build, compile_artifact, shipped
from app.settings import Settings, load

KIND = "policy"


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


@policy.command()
@click.argument("pack")
def publish(pack: str) -> None:
    """Check PACK, put it on the broker and make it the active one; needs the topics, but no running worker."""
    settings = load()
    ref, data = _build(pack)
    try:
        asyncio.run(_publish(settings, ref, data))
    except (KafkaError, OSError) as error:
        raise Outage(f"broker {settings.broker}: {error}") from error
    click.echo(f"{ref} is published; the workers make it active")


async def _publish(settings: Settings, ref: str, data: bytes) -> None:
    if missing := [one for one in await differences(settings) if "missing" in one]:
        raise Outage(missing[0])
    async with producing(settings) as producer:
        await artifacts.publish(producer, KIND, ref, data)
        ask = events.encode(Activate(wall_ms(), KIND, ref))
        await producer.publish([Output("control", None, ask, partition=0)])
