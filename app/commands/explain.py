"""`kairos explain`: the walk of an event through the map; or why a person was or was not sent what, from the topics themselves."""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Callable
from typing import Any

import click
import msgspec
import orjson

from app import events, flow
from app.commands.outcome import No, Outage
from app.domain.event_types import EVENT_TYPES
from app.domain.identity import person_id
from app.domain.scope import PURCHASED
from app.edges.progress import Bar
from app.edges.spectator import decode_decision, decode_send
from app.edges.timeline import Entry, decision_text, printable, timeline
from app.edges.topic_scan import ScanFailed, Scanner, scanner
from app.engine.partition import partition_of
from app.events import Decision, JournalRecord, Send
from app.policy.pack import build, compile_artifact
from app.policy.schema import REACHABLE
from app.settings import Settings, load

CONCLUDES = {
    **dict.fromkeys(("purchase", "store_purchase"), PURCHASED),
    **dict.fromkeys(("identify", "profile_update", "consent_give"), (REACHABLE,)),
}
"""Event types whose meaning the profile tells first: packs act on its conclusions, so that an order counts once."""
DECODERS: dict[str, Callable[[bytes], Any]] = {"journal": events.journal.decode, "decisions": decode_decision, "message_sends": decode_send}


@click.command()
@click.argument("event_type", required=False)
@click.option("--person", metavar="ID", help="A customer id, an anonymous id or a person_id.")
@click.option("--send", metavar="ID", help="A send_id.")
@click.option("--json", "as_json", is_flag=True, help="The timeline as JSON.")
def explain(event_type: str | None, person: str | None, send: str | None, as_json: bool) -> None:
    """What happens when an EVENT_TYPE arrives; or with --person, --send what really happened, and why."""
    if sum(asked is not None for asked in (event_type, person, send)) != 1:
        raise click.UsageError("ask for one of EVENT_TYPE, --person ID, --send ID")
    settings = load()
    if event_type is not None:
        click.echo("\n".join(walk(event_type, settings.policy)))
        return
    try:
        title, entries = asyncio.run(_person(settings, person) if person is not None else _send(settings, str(send)))
    except ScanFailed as error:
        raise Outage(str(error)) from error
    if as_json:
        told = [{"at": events.iso(entry.at), "kind": entry.kind, "text": entry.text} for entry in entries]
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo("\n".join([*title, *map(str, entries)]))


def walk(event_type: str, policy: str) -> list[str]:
    """The way of an event type, from the map, the contract and the pack. Raises `No` for a type that the contract does not name."""
    known = EVENT_TYPES.get(event_type)
    if known is None:
        near = difflib.get_close_matches(event_type, EVENT_TYPES, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise No(f"the contract names no event type {event_type} (such an event is kept, and usable in packs){hint}")
    fields = ", ".join(field.encode_name for field in msgspec.structs.fields(known.properties))
    lines = [f"{event_type} ({known.group}): {known.why}", f"properties that matter: {fields or 'none'}", ""]
    lines += [f"{number}. {hop}" for number, hop in enumerate(flow.walk(event_type), 1)]
    pack = compile_artifact(*build(policy))
    kinds = (event_type, *CONCLUDES.get(event_type, ()))
    lines += ["", f"In pack {pack.name}" + (f", by the profile's conclusions {', '.join(kinds[1:])}" if kinds[1:] else "") + ":"]
    opened = {trigger.name: trigger.why for kind in kinds for trigger in pack.opens.get(kind, ())}
    cancelled = {trigger.name: None for kind in kinds for trigger in pack.cancels.get(kind, ())}
    rows = [f"  opens   {name}: {why}" for name, why in opened.items()] + [f"  cancels {name}" for name in cancelled]
    return [*lines, *(rows or ["  opens and cancels nothing"])]


async def _person(settings: Settings, asked: str) -> tuple[list[str], list[Entry]]:
    candidates = [person_id(settings.secret, f"{kind}:{asked}") for kind in ("c", "a")]
    if re.fullmatch("[0-9a-f]{32}", asked):
        candidates.append(asked)
    async with scanner(settings) as scan:
        for candidate in candidates:
            records, decisions, sends = await _read(scan, candidate)
            if records or decisions:
                name = next((record.customer_id or record.anonymous_id for record in records if isinstance(record, events.Event)), None)
                title = [printable(f"person {candidate}" + (f" (known as {name})" if name else ""))]
                return title, timeline(records, decisions, sends)
    raise No(f"nothing is kept of {asked}: no journal record, no decision")


async def _send(settings: Settings, send_id: str) -> tuple[list[str], list[Entry]]:
    async with scanner(settings) as scan:
        decision: Decision | None = None
        with Bar("reading decisions", 0) as bar:
            async for record in scan.read("decisions", on_progress=lambda done, total: bar.at(done, f"{done} of {total}")):
                if send_id.encode() in record.value and (found := decode_decision(record.value)).send_id == send_id:
                    decision = found
        if decision is None:
            raise No(f"no decision names a send {send_id}")
        records, decisions, sends = await _read(scan, decision.person_id)
        window = [one for one in decisions if one.window_id == decision.window_id]
        causes = {cause for one in window for cause in one.cause}
        led = [one for one in records if isinstance(one, events.Event) and one.event_id in causes]
        title = [
            decision_text(decision, {one.send_id: one.subject for one in sends}),
            f"person {decision.person_id}, policy {decision.policy.name}@{decision.policy.version}, window {decision.window_id}",
        ]
        return [printable(line) for line in title], timeline(led, window, sends)


async def _read(scan: Scanner, person: str) -> tuple[list[JournalRecord], list[Decision], list[Send]]:
    """Everything the person's partitions hold of her: journal records, decisions, sends."""
    key = person.encode()
    kept: dict[str, list[Any]] = {}
    for topic, decode in DECODERS.items():
        mine = [partition_of(key, scan.partitions(topic))]
        kept[topic] = []
        with Bar(f"reading {topic}", 0) as bar:
            async for record in scan.read(topic, mine, lambda done, total: bar.at(done, f"{done} of {total}")):
                if record.key == key:
                    kept[topic].append(decode(record.value))
    return kept["journal"], kept["decisions"], kept["message_sends"]
