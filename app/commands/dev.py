"""`kairos dev`: a whole Kairos on one machine, on the embedded broker, in real time. What it keeps survives a clean stop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from aiokafka.errors import KafkaError

from app.commands import listening
from app.commands.interrupt import until_interrupted
from app.commands.listening import http_option
from app.commands.outcome import Outage, WrongUse
from app.edges.embedded import LIMITS, Unavailable
from app.edges.machine import local_broker, running
from app.engine.worker import Refusal
from app.settings import Settings

FOLDER = Path(".kairos/dev")


@click.command()
@click.option("--policy", metavar="PACK", help="The pack a fresh start activates; default: KAIROS_POLICY.")
@click.option("--port", type=click.IntRange(0, 65535), default=9092, show_default=True, help="The broker's port; 0: a free one.")
@http_option
def dev(policy: str | None, port: int, http: str | None) -> None:
    """A whole Kairos on one machine, until Ctrl-C."""
    address = listening.address(http) if http else None
    try:
        with local_broker(FOLDER, port, policy) as settings:
            until_interrupted(_run(settings, address))
    except Refusal as error:
        raise (Outage if error.code == Outage.exit_code else WrongUse)(str(error)) from error
    except (Unavailable, KafkaError, OSError) as error:
        raise Outage(str(error)) from error


async def _run(settings: Settings, address: tuple[str, int] | None) -> None:
    async with running(settings, address=address):
        where = "" if address is None else f"http {address[0]}:{address[1]}: /readyz, /metrics, /reader\n"
        click.echo(f"broker {settings.broker}\n{where}{LIMITS}\nready; Ctrl-C stops it, {FOLDER} keeps its state")
        await asyncio.Event().wait()
