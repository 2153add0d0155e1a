"""`kairos worker`: one worker of the cluster."""

from __future__ import annotations

import asyncio
import signal

import click
from aiokafka.errors import KafkaError

from app.agents.roles import Roles
from app.commands import listening
from app.commands.listening import http_option
from app.commands.outcome import Outage, WrongUse
from app.edges.health import Health
from app.engine.membership import folder_of, leave, member_id
from app.engine.quiet import quiet
from app.engine.worker import Refusal
from app.flow import ROLES
from app.settings import BadSetting, Settings, load


@click.command()
@click.option("--role", default=",".join(ROLES), show_default=True, help="Roles to run, comma separated.")
@click.option("--datadir", help="Where this worker keeps its state; one per worker.")
@click.option("--broker", help="HOST:PORT, comma separated.")
@http_option
@click.option(
    "--leave", "leaving", is_flag=True, help="Run nothing: take this datadir's stopped worker out of its groups now (scale-down)."
)
def worker(role: str, datadir: str | None, broker: str | None, http: str | None, leaving: bool) -> None:
    """Run one worker. SIGTERM stops it cleanly and keeps its place in the group for a restart; `--leave` afterwards gives the place up."""
    roles = [name.strip() for name in role.split(",")]
    for name in roles:
        if name not in ROLES:
            raise WrongUse(f"unknown role {name!r}; there is: {', '.join(ROLES)}")
    try:
        settings = load(datadir=datadir, broker=broker)
    except BadSetting as error:
        raise WrongUse(str(error)) from error
    if leaving:
        _leave(settings, roles)
        return
    quiet()
    asyncio.run(_run(settings, roles, listening.address(http) if http else None))


def _leave(settings: Settings, roles: list[str]) -> None:
    async def left() -> list[str]:
        groups = {name: f"{settings.topic_prefix}kairos-{name}" for name in roles}
        return [name for name, group in groups.items() if await leave(settings, group, member_id(settings, folder_of(settings, name)))]

    try:
        gone = asyncio.run(left())
    except (KafkaError, OSError) as error:
        raise Outage(f"broker {settings.broker}: {error}") from error
    for name in roles:
        click.echo(f"{name}: {'left the group' if name in gone else 'was no member of the group'}")


async def _run(settings: Settings, names: list[str], address: tuple[str, int] | None) -> None:
    roles = Roles(settings, names)
    health = None
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    try:
        if address is not None:
            health = Health(roles.workers, *address)
            await health.start()
        starting = asyncio.create_task(roles.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        await stopping
        starting.cancel()
    except Refusal as refusal:
        raise (WrongUse if refusal.code == WrongUse.exit_code else Outage)(str(refusal)) from refusal
    except OSError as error:
        raise Outage(str(error)) from error
    finally:
        if health is not None:
            await health.stop()
        await roles.stop()
