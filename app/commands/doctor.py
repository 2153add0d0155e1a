"""`kairos doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import click
import msgspec
from aiokafka.errors import KafkaError

from app.commands.outcome import No, Outage
from app.edges.checkup import Finding, datadir, machine, packs, risks
from app.edges.cluster_checkup import cluster, reach
from app.engine.quiet import hush
from app.settings import Settings, load, shown


@click.command()
@click.option("--broker", help="HOST:PORT, comma separated.")
@click.option("--datadir", "folder", help="The worker's whose state is looked at.")
@click.option("--settings", "only_settings", is_flag=True, help="List every setting with value, default and origin instead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def doctor(broker: str | None, folder: str | None, only_settings: bool, as_json: bool) -> None:
    """Check the machine, the broker, topics, packs, state and settings. Exits 1 if anything is bad, 3 if it cannot look.

    It only reads, and works without a broker: then that is what is bad.
    """
    try:
        if only_settings:
            _list_settings(as_json)
            return
        findings = asyncio.run(_examine(load(broker=broker, datadir=folder)))
    except OSError as error:
        raise Outage(str(error)) from error
    levels = Counter(one.level for one in findings)
    if as_json:
        summary = {level: levels[level] for level in ("ok", "warn", "bad")}
        click.echo(json.dumps({**summary, "findings": msgspec.to_builtins(findings)}, indent=2))
    else:
        for one in findings:
            click.echo(str(one))
    if levels["bad"]:
        raise No(f"{levels['bad']} bad, {levels['warn']} to look at")


async def _examine(settings: Settings) -> list[Finding]:
    hush()
    findings = [*machine(settings), *risks(settings)]
    broker, reached = await reach(settings)
    findings.append(reached)
    if broker is not None:
        try:
            findings += [one async for one in cluster(settings, broker)]
        except (KafkaError, OSError) as error:
            findings.append(Finding("bad", "broker", f"went away while asked: {error}", "see its log"))
    findings += packs(settings)
    findings += datadir(settings, None if broker is None else broker.cluster)
    return findings


def _list_settings(as_json: bool) -> None:
    found = shown()
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    wide = max(len(one.name) for one in found)
    for one in found:
        default = "" if one.origin == "default" else f", default {one.default or '(empty)'}"
        click.echo(f"{one.name:<{wide}}  {one.value or '(empty)'}  ({one.origin}{default})")
