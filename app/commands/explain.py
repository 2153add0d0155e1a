"""`kairos explain`: the walk of an event through the map; or why a person, or people, were or were not sent what, from the topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from app import events, flow
from app.commands.asked import OUTPUT, FromFile, dossier, file_options, film, from_options, reader_option, write
from app.commands.built import artifact
from app.commands.instant import Since, SinceType
from app.commands.outcome import No, Outage, WrongUse
from app.domain.chain import MAIL_SENT
from app.domain.concluded import BACK_IN_STOCK, CHURN_LEVEL, LOW_STOCK, NEWS, PRICE_DROP, REORDER
from app.domain.event_types import EVENT_TYPES
from app.domain.plural import count
from app.domain.scheduler import PERSONALISE
from app.domain.scope import PURCHASED
from app.domain.trigger import Pack
from app.edges.census import Census
from app.edges.decided import journal_now
from app.edges.dossier import Dossier
from app.edges.events_file import Unreadable
from app.edges.progress import Bar
from app.edges.story_page import story_page
from app.edges.timeline import Entry, printable
from app.edges.topic_scan import ScanFailed, scanner
from app.edges.verdict import moment
from app.edges.why_sent import why_sent
from app.events import Send
from app.flow import DAY_MS
from app.policy.ladder import opened_by
from app.policy.pack import compile_artifact
from app.policy.problem import meant
from app.policy.triggers import REACHABLE, STANDING
from app.settings import Settings, load

CONCLUDES = {
    **dict.fromkeys(("purchase", "store_purchase"), PURCHASED),
    **dict.fromkeys(("identify", "profile_update", "consent_give"), (REACHABLE,)),
}
"""Event types whose meaning the profile tells first: packs act on its conclusions, so that an order counts once."""
CONCLUSIONS = {
    "stage": "she is in another stage of a scheme",
    "tier": "she is in another tier of a scheme",
    "segment_entered": "she is in a segment now",
    "segment_left": "she is in a segment no longer",
    "churn_level": "how likely it is that she has stopped buying has reached another level",
    "reorder": "it is another day now when she will need a consumable again",
}
NEWS_SAYS = {
    PRICE_DROP: "it costs less than it did, by at least what [catalogue] price_drop says",
    BACK_IN_STOCK: "it was sold out and is there again",
    LOW_STOCK: "there are no more left of it than [catalogue] low_stock says",
}
MAILED = "event.send_id, event.trigger, event.message, event.step"
DRAWN_BY = {CHURN_LEVEL: "churn watcher", REORDER: "profile updater"}
FEW = 8
"""Groups of one trigger that are named."""
LAST = 200
AFTER_FILE_MS = 30 * DAY_MS
"""A file's time runs on as in `kairos simulate`, so that what its last events led to shows."""


@click.command()
@click.argument("event_type", required=False)
@click.option("--person", metavar="ID", help="A customer id, an anonymous id or a person_id.")
@click.option("--send", metavar="ID", help="A send_id: why this message.")
@click.option("--trigger", metavar="T", help="What became of a trigger over everybody, counted by reason.")
@click.option("--since", type=SinceType(), help="Only from then on: a time, or a span such as 2d, 12h, 30min.")
@click.option("--last", type=click.IntRange(min=1), help=f"So many newest entries of a person on the terminal (default: {LAST}).")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")
@click.option("--html", type=OUTPUT, help="With --person, --send: write the timeline as one HTML page.")
@click.option("--policy", metavar="PACK", help="With --events: a shipped pack (s1, merged) or a file; default: KAIROS_POLICY.")
@reader_option
@file_options
def explain(
    event_type: str | None,
    person: str | None,
    send: str | None,
    trigger: str | None,
    since: Since | None,
    last: int | None,
    as_json: bool,
    html: Path | None,
    policy: str | None,
    readers: tuple[str, ...],
    **source: Any,
) -> None:
    """What happens when an EVENT_TYPE arrives; or with --person, --send, --trigger what really happened, and why.

    Exit 0: told. 1: nothing is kept of what was asked for. 2: wrong use. 3: no broker.
    """
    if sum(asked is not None for asked in (event_type, person, send, trigger)) != 1:
        raise click.UsageError("ask for one of EVENT_TYPE, --person ID, --send ID, --trigger T")
    file = from_options(**source)
    _fits(event_type, person, trigger, since, last, html, policy, file)
    if readers and (file is not None or (person is None and send is None)):
        raise click.UsageError("--reader goes with --person or --send, and not with --events")
    settings = load(policy=policy)
    try:
        if event_type is not None:
            told = walk(event_type, settings.policy)
            click.echo(orjson.dumps({"walk": told}, option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(told))
        elif trigger is not None:
            census = asyncio.run(_census(settings, trigger, since)) if file is None else _census_of(settings, file, trigger, since)
            if not census.counts:
                known = {*census.triggers, *compile_artifact(*artifact(settings.policy)).by_name}
                raise No(f"no decision on {trigger}{census.span}" + ("" if trigger in known else meant(trigger, known)))
            click.echo(orjson.dumps(census.summary(), option=orjson.OPT_INDENT_2).decode() if as_json else "\n".join(census.lines()))
        elif person is not None:
            found = dossier(settings, person, file, after=AFTER_FILE_MS, readers=readers, wanted=Dossier.recommended)
            entries = found.entries()
            start = since.instant(found.past.now) if since is not None else 0
            shown = [one for one in entries if one.at >= start]
            notes, sends = [], []
            for one in found.everybody:
                notes += one.notes
                sends += one.sends
            _tell(_title(found), notes, shown, sends, as_json, html, last or LAST)
        else:
            why = asyncio.run(why_sent(settings, str(send), readers))
            if why is None:
                raise No(f"no decision names a send {send}")
            _tell(why.title, why.notes, why.entries, why.sends, as_json, html, last or LAST)
    except ScanFailed as error:
        raise Outage(str(error)) from error


def _fits(
    event_type: str | None,
    person: str | None,
    trigger: str | None,
    since: Since | None,
    last: int | None,
    html: Path | None,
    policy: str | None,
    file: FromFile | None,
) -> None:
    """Raises `UsageError` for an option that would do nothing."""
    if (file is not None and person is None and trigger is None) or (policy is not None and file is None and event_type is None):
        raise click.UsageError("--events FILE goes with --person or --trigger, --policy with --events or an EVENT_TYPE")
    if since is not None and person is None and trigger is None:
        raise click.UsageError("--since goes with --person or --trigger")
    if (html is not None or last is not None) and (event_type is not None or trigger is not None):
        raise click.UsageError("--html and --last go with --person or --send")


def walk(event_type: str, policy: str) -> list[str]:
    """The way of an event type, from the map, the contract and the pack. Raises `No` for a type that the contract does not name."""
    known = EVENT_TYPES.get(event_type)
    pack = compile_artifact(*artifact(policy))
    if event_type in NEWS:
        told = ", ".join(f"event.{name}" for name in STANDING[event_type])
        head = [f"{event_type} (news of a product): {NEWS_SAYS[event_type]}", f"what conditions may look at: {told}", ""]
        head += [
            "The product watcher tells every partition of the journal, where the pack has a trigger that opens on it; the lane finds",
            "whoever has the product in her cart, on her wish list, or looked at it in 30 days, and hands it to her scheduler.",
        ]
        return [*head, "", f"In pack {pack.name}:", *_rows(pack, (event_type,))]
    if event_type in STANDING:
        told = ", ".join(f"event.{name}" for name in STANDING[event_type])
        head = [f"{event_type} (a conclusion): {CONCLUSIONS[event_type]}", f"what conditions may look at: {told}", ""]
        head += [
            f"Drawn by the {DRAWN_BY.get(event_type, 'segmenter')} in the person lane after any event that changes it"
            f"{'' if event_type == REORDER else ', or the moment time alone turns it'}; handed to the scheduler at once."
        ]
        return [*head, "", f"In pack {pack.name}:", *_rows(pack, (event_type,))]
    if event_type == MAIL_SENT:
        head = [f"{event_type} (a conclusion): a mail of ours has gone out", f"what conditions may look at: {MAILED}", ""]
        head += ["Drawn by the trigger scheduler when the renderer says so, where the pack has a trigger that opens on it."]
        return [*head, "", f"In pack {pack.name}:", *_rows(pack, (event_type,))]
    if known is None:
        hint = meant(event_type, EVENT_TYPES)
        raise No(f"the contract names no event type {event_type} (such an event is kept, and usable in packs){hint}")
    fields = ", ".join(field.encode_name for field in msgspec.structs.fields(known.properties))
    lines = [f"{event_type} ({known.group}): {known.why}", f"properties that matter: {fields or 'none'}", ""]
    lines += [f"{number}. {hop}" for number, hop in enumerate(flow.walk(event_type), 1)]
    kinds = (event_type, *CONCLUDES.get(event_type, ()))
    lines += ["", f"In pack {pack.name}" + (f", by the profile's conclusions {', '.join(kinds[1:])}" if kinds[1:] else "") + ":"]
    lines += _rows(pack, kinds)
    if any(PERSONALISE in one.needs for kind in kinds for one in pack.opens.get(kind, ())):
        lines.append("  but nothing personal where the category or name of a product, or a search, has a word of [sensitive] in it")
    standing = tuple(kind for kind in STANDING if kind not in NEWS)
    if any(kind in pack.opens or kind in pack.cancels for kind in standing):
        lines += ["", f"By where she then stands, if that moves ({', '.join(standing)}), at once or when time alone moves it:"]
        lines += _rows(pack, standing)
    return lines


def _rows(pack: Pack, kinds: Iterable[str]) -> list[str]:
    """What the pack opens and cancels on any of the kinds; of conclusions about her standing, on which."""
    opened = {one.name: one for kind in kinds for one in pack.opens.get(kind, ())}
    cancelled = {trigger.name: None for kind in kinds for trigger in pack.cancels.get(kind, ())}
    rows = []
    for name, one in opened.items():
        groups = opened_by(pack, one)
        rows.append(f"  opens   {name}{f' on {_few(groups)}' if groups else ''}: {one.why}")
    return [*rows, *(f"  cancels {name}" for name in cancelled)] or ["  opens and cancels nothing"]


def _few(names: list[str]) -> str:
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _title(found: Dossier) -> list[str]:
    named = f" (known as {found.name})" if found.name else ""
    pack = f", policy {found.past.active}" if found.past.active else ""
    return [f"person {found.person_id}{named}", f"as of {moment(events.iso(found.past.now))} UTC{pack}"]


def _tell(title: list[str], notes: list[str], entries: list[Entry], sends: list[Send], as_json: bool, html: Path | None, last: int) -> None:
    if html is not None:
        write(html, story_page(title, notes, entries, sends))
    if as_json:
        told = {"title": title, "notes": notes, "entries": [entry.plain() for entry in entries]}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    if html is not None:
        click.echo(f"{count(len(entries), 'entry', 'entries')} written to {html}")
        return
    shown = entries[-last:]
    lines = [*title, *(f"note: {note}" for note in notes)]
    if left := len(entries) - len(shown):
        lines.append(f"… {count(left, 'earlier entry', 'earlier entries')}: --last, --json or --html have them")
    click.echo("\n".join([*map(printable, lines), *map(str, shown)]))


async def _census(settings: Settings, trigger: str, since: Since | None) -> Census:
    async with scanner(settings) as scan:
        census = Census(trigger, "" if since is None else events.iso(since.instant(await journal_now(scan))))
        with Bar("reading decisions", 0) as bar:
            async for record in scan.read("decisions", on_progress=lambda done, total: bar.at(done, f"{done} of {total}")):
                census.see(record.value)
    return census


def _census_of(settings: Settings, file: FromFile, trigger: str, since: Since | None) -> Census:
    decided: list[bytes] = []
    try:
        ends = film(settings, file, after=AFTER_FILE_MS).play(
            lambda topic, output: decided.append(output.value) if topic == "decisions" else None
        )
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    census = Census(trigger, "" if since is None else events.iso(since.instant(ends)))
    for value in decided:
        census.see(value)
    return census
