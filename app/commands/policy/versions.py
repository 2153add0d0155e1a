"""For whoever runs packs: what is there, what it says, making it active, and going back."""

from __future__ import annotations

import asyncio
import tomllib
from typing import Any

import click
import msgspec
import orjson
from aiokafka.errors import KafkaError

from app.commands.outcome import No, Outage
from app.commands.policy.author import PACK, reviewed, sentences
from app.commands.policy.chosen import chosen, compiled, find, on_the_broker
from app.domain.approval import standing
from app.domain.message import MessageSource
from app.domain.plural import count
from app.edges.published import Published, activate
from app.engine.topics import differences
from app.events import iso
from app.policy.difference import difference
from app.policy.pack import build, compile_artifact, shipped
from app.settings import Settings, load


@click.command()
@click.argument("pack")
def publish(pack: str) -> None:
    """Check PACK, put it on the broker and make it the active one; needs the topics, but no running worker."""
    settings = load()
    found = reviewed(pack)
    make_active(settings, found.ref, found.data)
    click.echo(f"{found.ref} is published; the workers make it active")
    if unsent := [name for name, one in found.pack.messages.items() if not one.approved]:
        click.echo(f"not approved and not sent: {', '.join(unsent)}")


def make_active(settings: Settings, ref: str, data: bytes) -> None:
    """Puts a version on the broker and makes it the active one. Raises `Outage`."""
    try:
        asyncio.run(_publish(settings, ref, data))
    except (KafkaError, OSError) as error:
        raise Outage(f"broker {settings.broker}: {error}") from error


async def _publish(settings: Settings, ref: str, data: bytes) -> None:
    if missing := [one for one in await differences(settings) if "missing" in one]:
        raise Outage(missing[0])
    await activate(settings, ref, data)


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(as_json: bool) -> None:
    """List the packs that ship, every version on the broker, and which one is active since when."""
    mine = [_shipped(name) for name in shipped()]
    settings = load()
    if not as_json:
        click.echo("shipped with Kairos")
        click.echo("\n".join(f"  {one['name']:<10} {count(one['triggers'], 'trigger'):<12} {one['why']}" for one in mine))
    there = on_the_broker(settings)
    if as_json:
        click.echo(orjson.dumps({"shipped": mine, "published": _told(there)}, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"on broker {settings.broker}")
    click.echo("\n".join(f"  {line}" for line in _lines(there)))


def _shipped(name: str) -> dict[str, Any]:
    ref, data = build(name)
    pack = compile_artifact(ref, data)
    return {"name": name, "ref": ref, "triggers": len(pack.triggers), "why": tomllib.loads(chosen(name).text).get("why", "")}


def _told(there: Published) -> list[dict[str, Any]]:
    return [
        {
            "ref": one.ref,
            "published_at": iso(one.at),
            "bytes": len(one.data),
            "whole": one.whole,
            "active": one.ref == there.active,
            "active_since": iso(there.since) if one.ref == there.active and there.since is not None else None,
            "asked_for": one.ref == there.asked,
        }
        for one in there.versions
    ]


def _lines(there: Published) -> list[str]:
    lines: list[str] = []
    for one in _told(there):
        state = ", waits for a worker to make it active" if one["asked_for"] else ""
        if one["active"]:
            state = f", active since {one['active_since']}"
        damage = "" if one["whole"] else ", DAMAGED: publish it anew"
        lines.append(f"{'*' if one['active'] else ' '} {one['ref']}  published {one['published_at']}{state}{damage}")
    return lines or ["  nothing was published; the first worker makes the pack of its settings active"]


@click.command(help=f"Print a pack's TOML as it was published, then its messages as comments.\n\n{PACK}")
@click.argument("pack")
@click.option("--json", "as_json", is_flag=True, help="With the messages' whole sources.")
def show(pack: str, as_json: bool) -> None:
    found = chosen(pack)
    messages = found.pack.messages
    if as_json:
        sources = msgspec.to_builtins(messages)
        click.echo(orjson.dumps({"ref": found.ref, "pack": found.text, "messages": sources}, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo(f"# {found.ref}\n{found.text.rstrip()}\n\n# its messages:")
    click.echo("\n".join(f"#   {name}: {one.subject or one.push_title or one.sms}{_stated(one)}" for name, one in messages.items()))


def _stated(message: MessageSource) -> str:
    """Who drafted and who approved it, where it needs that."""
    told = [f"drafted {message.drafted}"] if message.drafted else []
    state = standing(message)
    told += [state if message.approved else f"{state}; not sent"] if state else []
    return f" ({'; '.join(told)})" if told else ""


@click.command()
@click.argument("version", required=False, metavar="[NAME@VERSION]")
def rollback(version: str | None) -> None:
    """Make the version active again that was so before the present one, or the one named; says what changes."""
    settings = load()
    there = on_the_broker(settings)
    if not there.versions:
        raise No("nothing was published yet")
    if version is None and there.before is None:
        raise No(f"{there.versions[-1].ref} is the only version that was published")
    target = find(there, version if version is not None else there.before.ref if there.before is not None else "")
    now = there.versions[-1]
    if target.ref == now.ref:
        raise No(f"{target.ref} is the present version already")
    click.echo(f"{now.ref} → {target.ref}")
    after = compiled(target.ref, target.data)
    try:
        before = compiled(now.ref, now.data)
    except No as error:
        click.echo(f"what changes cannot be said: {error.message}")
    else:
        click.echo("\n".join(sentences(False, difference(before.pack, after.pack))))
    make_active(settings, target.ref, target.data)
    click.echo(f"{target.ref} is published again; the workers make it active")
