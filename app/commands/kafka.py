"""`kairos kafka up|down|status`: a real Apache Kafka 4 on this machine, for development and tests."""

from __future__ import annotations

import click

from app.commands.outcome import No, Outage
from app.edges.local_kafka import LocalKafka, Unavailable

_port = click.option("--port", default=9092, show_default=True, help="Where it listens, on loopback only.")


@click.group()
def kafka() -> None:
    """A real Apache Kafka on this machine, from Maven artifacts (needs Java 17 and Maven); data under .kairos/kafka."""


@kafka.command()
@_port
def up(port: int) -> None:
    """Start it and wait until it answers."""
    broker = LocalKafka(port=port)
    try:
        started = broker.up()
    except Unavailable as error:
        raise Outage(str(error)) from error
    click.echo(f"{'started' if started else 'runs already'}: {broker.address}")


@kafka.command()
@_port
def down(port: int) -> None:
    """Stop it cleanly."""
    click.echo("stopped" if LocalKafka(port=port).down() else "was not running")


@kafka.command()
@_port
def status(port: int) -> None:
    """Say whether it runs; exits 1 if not."""
    broker = LocalKafka(port=port)
    pid = broker.pid()
    if pid is None or not broker.answers():
        raise No("Kafka is not running")
    click.echo(f"runs on {broker.address}, process {pid}")
