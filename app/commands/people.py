"""`kairos people unlink`: an operator parts an identifier from the person it was linked to.

The word goes where intake's own links go: onto `customer_events`, sealed, to the partition that owns the identifier.
"""

from __future__ import annotations

import asyncio

import click
from aiokafka.errors import KafkaError

from app import events
from app.commands.outcome import Outage, WrongUse
from app.domain import links
from app.domain.identity import identifier
from app.domain.schema import MAX_ID
from app.edges.producing import producing
from app.engine.clock import wall_ms
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.topics import differences
from app.events import Link
from app.flow import Stage
from app.settings import Settings, load


@click.group()
def people() -> None:
    """People and their identifiers."""


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
