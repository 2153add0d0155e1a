"""Which pack a command means: a shipped name, a file, `active`, or a version on the broker (`name@hash`)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from app.commands.outcome import No, Outage, WrongUse
from app.domain.plural import count
from app.domain.trigger import Pack
from app.edges.published import Published, Version, published
from app.edges.topic_scan import ScanFailed
from app.policy.pack import BadPack, Built, build, compile_artifact, shipped
from app.settings import Settings, load

ACTIVE = "active"


class Chosen(Struct, frozen=True):
    """A pack, compiled, and what it was made of."""

    ref: str
    pack: Pack
    text: str


def chosen(argument: str, settings: Settings | None = None) -> Chosen:
    """Raises `WrongUse` for what does not exist, `No` for what is wrong with it (printed), `Outage` where the broker is needed and away."""
    if on_broker(argument):
        version = find(on_the_broker(settings or load()), argument)
        ref, data = version.ref, version.data
    else:
        ref, data = built(argument)
    return compiled(ref, data)


def on_broker(argument: str) -> bool:
    return not Path(argument).is_file() and (argument == ACTIVE or "@" in argument)


def on_the_broker(settings: Settings) -> Published:
    try:
        return asyncio.run(published(settings))
    except ScanFailed as error:
        raise Outage(str(error)) from error


def find(there: Published, argument: str) -> Version:
    """The version that is meant, whole."""
    if argument == ACTIVE and there.active is None:
        raise No("no pack is active yet: the first worker makes one so")
    found = there.find(str(there.active) if argument == ACTIVE else argument)
    if len(found) > 1:
        raise WrongUse(f"{argument} may be {', '.join(one.ref for one in found)}")
    if not found:
        raise WrongUse(f"{argument} was never published: {', '.join(one.ref for one in there.versions) or 'nothing was'}")
    if not found[0].whole:
        raise No(f"{found[0].ref} is damaged on the artifacts topic: publish the pack anew")
    return found[0]


def built(argument: str) -> tuple[str, bytes]:
    """(ref, artifact) of a shipped pack or a file."""
    try:
        return build(argument)
    except BadPack as error:
        raise refused(argument, error) from error


def refused(argument: str, error: BadPack) -> click.ClickException:
    """Prints what is wrong with a pack; what to raise."""
    if argument not in shipped() and not Path(argument).is_file():
        return WrongUse(f"{argument}: {error.problems[0].message}")
    for problem in error.problems:
        click.echo(str(problem))
    return No(f"{argument}: {count(len(error.problems), 'problem')}")


def compiled(ref: str, data: bytes) -> Chosen:
    try:
        return Chosen(ref, compile_artifact(ref, data), msgspec.json.decode(data, type=Built).pack)
    except BadPack as error:
        raise No(f"{ref} was published by another version of Kairos, which this one cannot run: {error.problems[0]}") from error
