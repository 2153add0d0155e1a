"""`kairos topics create|check|show`: every topic of the map on the broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaError

from app.commands.outcome import No, Outage
from app.domain.plural import count
from app.engine.topics import create as create_topics
from app.engine.topics import differences, wanted
from app.flow import TABLES, TOPICS
from app.settings import Settings, load

T = TypeVar("T")


@click.group()
def topics() -> None:
    """Create, check or show every topic with its exact settings."""


def _ask(settings: Settings, question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except (KafkaError, OSError) as error:
        raise Outage(f"broker {settings.broker}: {error}") from error


@topics.command()
@click.option("--broker", help="HOST:PORT, comma separated.")
def create(broker: str | None) -> None:
    """Create what is missing; what exists is left as it is and checked."""
    settings = load(broker=broker)
    made = _ask(settings, create_topics(settings))
    for name in made:
        click.echo(f"created {name}")
    _report(_ask(settings, differences(settings)))
    click.echo(f"{len(wanted(settings))} topics are as they should be, {len(made)} of them new")


@topics.command()
@click.option("--broker", help="HOST:PORT, comma separated.")
def check(broker: str | None) -> None:
    """Compare the broker's topics with the map; exits 1 naming each difference."""
    settings = load(broker=broker)
    _report(_ask(settings, differences(settings)))
    click.echo(f"{len(wanted(settings))} topics are as they should be")


def _report(found: list[str]) -> None:
    if found:
        for line in found:
            click.echo(line)
        raise No(f"{count(len(found), 'difference')}")


@topics.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def show(as_json: bool) -> None:
    """Print every topic with its settings and what it carries; needs no broker."""
    settings = load()
    carries = {settings.topic(one.name): one.carries for one in TOPICS.values()}
    carries |= {settings.topic(table.changelog): f"changelog of table {table.name}: {table.why}" for table in TABLES.values()}
    every = wanted(settings)
    if as_json:
        found = [{"topic": one.name, "partitions": one.partitions, "carries": carries[one.name], "config": one.config} for one in every]
        click.echo(json.dumps(found, indent=2))
        return
    for one in every:
        click.echo(f"{one.name}  ({one.partitions} partitions)  {carries[one.name]}")
        for name, value in one.config.items():
            click.echo(f"    {name} = {value}")
