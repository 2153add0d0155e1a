"""`kairos preview`: the exact message a person would get of a trigger, entry event applied, as of any time.

Nothing is published, ever, and the links in the message are signed so that no gateway takes them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson

from app import events
from app.commands.asked import OUTPUT, dossier, file_options, from_options, write
from app.commands.built import artifact
from app.commands.instant import Instant
from app.commands.outcome import No, WrongUse
from app.domain import chain, contract, news, occasion
from app.domain.catalogue import nothing
from app.domain.concluded import NEWS
from app.domain.contract import Broken
from app.domain.examples import examples
from app.domain.message import recommends
from app.domain.occasion import Occasion
from app.domain.reason import words
from app.domain.trigger import Pack, Trigger
from app.edges.dossier import Dossier
from app.edges.rehearsal import Rehearsal, Stage, campaigns, rehearse
from app.edges.timeline import conclusion_text, event_text, news_text, printable
from app.edges.verdict import gates, moment, step_name
from app.events import Broadcast, Conclusion, Event
from app.policy.pack import compile_artifact
from app.policy.problem import meant
from app.settings import Settings, load

EVENT_ID = "given"


@click.command()
@click.option("--person", metavar="ID", required=True, help="A customer id, an anonymous id or a person_id.")
@click.option("--trigger", "name", metavar="T", required=True, help="A trigger of the pack.")
@click.option("--step", type=click.IntRange(min=0), default=0, help="Which message of its chain: 0 the first, 1 the first follow-up, …")
@click.option("--at", type=Instant(), help="The person as of then, and the entry event then; default: the journal's now.")
@click.option("--event", "given", metavar="JSON|FILE", help="The entry event, as on customer_events; its time is that of --at.")
@click.option("--html", type=OUTPUT, help="Write the message's HTML here.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.option("--policy", metavar="PACK", help="A shipped pack (s1, merged) or a file; default: the one active then.")
@file_options
def preview(
    person: str,
    name: str,
    step: int,
    at: int | None,
    given: str | None,
    html: Path | None,
    as_json: bool,
    policy: str | None,
    **source: Any,
) -> None:
    """The exact message a person would get of a trigger: her state as of --at, the entry event applied, time run on to the message.

    Where a gate would stop it, that is said, and the message is shown all the same. Nothing is published.
    Exit 0: it would be sent. 1: it would not be, or there is no such person, trigger or entry event. 2: wrong use. 3: no broker.
    """
    file = from_options(**source)
    settings = load(policy=policy)
    found = dossier(settings, person, file, until=at)
    stage = _stage(found, settings, policy, at, file.assume if file else frozenset())
    trigger = _trigger(stage.pack, name, step)
    entry = _given(given, found, trigger, stage.at) if given is not None else _own(found, stage, trigger)
    rehearsal = rehearse(stage, trigger, entry, step)
    found.notes += found.shop.notes(campaigns(trigger), stage.packs if _recommends(stage, rehearsal) else None)
    if html is not None and rehearsal.send is not None:
        write(html, rehearsal.send.html)
    sent = rehearsal.send is not None and not rehearsal.forced
    if as_json:
        told = _plain(found, stage, trigger, entry, rehearsal)
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(_lines(found, stage, trigger, entry, rehearsal, html)))
    sys.exit(0 if sent else 1)


def _stage(found: Dossier, settings: Settings, policy: str | None, at: int | None, assume: frozenset[str]) -> Stage:
    """The person as the dossier leaves her, and the pack she is judged by. Raises `No`."""
    active, earlier = found.past.active, found.packs
    packs = earlier
    if policy is not None:
        active, data = artifact(policy)
        mine = compile_artifact(active, data)

        def packs(ref: str) -> Pack:
            return mine if ref == mine.ref else earlier(ref)

    if active is None:
        raise No("no pack was active then; --policy PACK names one")
    then = found.past.now if at is None else at
    shop = found.shop
    return Stage(
        settings=settings,
        group=found.past.group,
        packs=packs,
        ref=active,
        now=min(found.past.now, then),
        at=then,
        assume=assume,
        items=shop.item,
        families=shop.family,
        figures=found.past.figures,
        model=shop.model,
        budgets=shop.budgets,
    )


def _trigger(pack: Pack, name: str, step: int) -> Trigger:
    trigger = pack.by_name.get(name)
    if trigger is None:
        raise No(f"pack {pack.name} has no trigger {name}" + (meant(name, pack.by_name) or f"; it has {', '.join(sorted(pack.by_name))}"))
    if not chain.exists(trigger, step):
        raise No(f"{name} has no message {step}; its chain has {len(trigger.steps)}, --step 0 is the first")
    return trigger


def _own(found: Dossier, stage: Stage, trigger: Trigger) -> Occasion:
    """An entry made after what she did herself. Raises `No`."""
    if kinds_of_news := [kind for kind in trigger.opening.on if kind in NEWS]:
        unheard = news.unheard(kinds_of_news, stage.group.person.profile, stage.items or nothing, stage.pack.catalogue, stage.at)
        told = occasion.of_news(trigger, unheard, stage.concerns, stage.holds)
        if told is None:
            raise No(f"{trigger.name} opens on news of a product, and this person has looked at none of late of which there could be any")
        return told
    hers = [record for one in found.everybody for record in one.story.records]
    unseen = examples(trigger, stage.pack, stage.group.person, stage.at)
    entry = occasion.fitting(trigger, hers, found.person_id, stage.at, stage.holds, stage.group.history.originals, unseen)
    if entry is None:
        kinds = " or ".join(occasion.opens_on(trigger))
        raise No(f"{trigger.name} opens on {kinds}, and this person has none to make one after: give one with --event")
    return entry


def _given(text: str, found: Dossier, trigger: Trigger, at: int) -> Occasion:
    """The entry that was given, as intake would take it. Raises `WrongUse`."""
    if any(kind in NEWS for kind in trigger.opening.on):
        raise WrongUse(f"--event: {trigger.name} opens on news of a product, and nobody sends those: without --event they are made up")
    try:
        raw = text if text.lstrip().startswith("{") else Path(text).read_text("utf-8")
        told = orjson.loads(raw)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise WrongUse(f"--event: neither JSON nor a file of it: {error}") from error
    if not isinstance(told, dict):
        raise WrongUse("--event: not a JSON object")
    person = found.past.group.person.profile
    who = {"customer_id": person.customer_id} if person.customer_id else {"anonymous_id": (*person.anonymous_ids, found.asked)[0]}
    try:
        event = contract.accept(orjson.dumps({**told, **who}), at, EVENT_ID)
    except Broken as broken:
        raise WrongUse(f"--event: {broken}") from broken
    kinds = occasion.opens_on(trigger)
    if event.event_type not in kinds:
        raise WrongUse(f"--event: {trigger.name} opens on {' or '.join(kinds)}, not on {event.event_type}")
    record = Event(
        at, EVENT_ID, event.event_type, at, found.person_id, event.customer_id, event.anonymous_id, event.properties, event.context
    )
    return occasion.of(trigger, record, at)


def _recommends(stage: Stage, rehearsal: Rehearsal) -> bool:
    return rehearsal.send is not None and recommends(stage.pack.messages[rehearsal.send.message])


def _entry_text(entry: Occasion, records: int) -> str:
    opening, after = entry.opening, entry.after
    if isinstance(opening, Broadcast):
        return f"{news_text(opening)} (made up)"
    text = event_text(opening) if isinstance(opening, Event) else conclusion_text(opening)
    many = f" in {records} records" if records > 1 else ""
    if after is None:
        return text + many + (" (given)" if isinstance(opening, Event) else "")
    longer = ", with a longer look" if _dwell(opening) != _dwell(after) else ""
    return f"{text}{many} (after the person's own of {moment(events.iso(after.ts))}{longer})"


def _dwell(record: Event | Conclusion) -> Any:
    return record.properties.get("dwell_seconds") if isinstance(record, Event) else None


def _verdict(trigger: Trigger, rehearsal: Rehearsal) -> str:
    played, decision = rehearsal.played, rehearsal.played.decision
    if played.window_id is None:
        return f"would not be sent: no window opens; {rehearsal.unopened}"
    if decision is None:
        return "would not be sent: its step never ends"
    name = step_name(decision.step)
    if decision.outcome == "sent":
        return f"{name} would be sent at {moment(decision.at)} UTC"
    told = f": {words(decision.reason)}" if decision.reason else ""
    return f"{name} would not be sent ({decision.outcome.replace('_', ' ')} at {moment(decision.at)}){told}"


def _lines(found: Dossier, stage: Stage, trigger: Trigger, entry: Occasion, rehearsal: Rehearsal, html: Path | None) -> list[str]:
    played, send = rehearsal.played, rehearsal.send
    named = f" (known as {found.name})" if found.name else ""
    lines = [
        f"person   {found.person_id}{named}, as of {moment(events.iso(stage.at))} UTC, policy {stage.ref}",
        *(f"note     {note}" for note in found.notes),
        f"entry    {_entry_text(entry, played.entries)}",
    ]
    if played.opened is not None:
        lines.append(f"window   {trigger.name} opens; its first message waits until {moment(played.opened.due_at or '')}")
    elif played.joined:
        lines.append(f"window   {trigger.name} is open already; the entry joins it")
    if played.decision is not None:
        lines += [f"gate     {line}" for line in gates(played.decision)]
    lines.append(f"verdict  {_verdict(trigger, rehearsal)}")
    if send is None:
        return [*map(printable, lines), "no message can be shown" + (f": {words(rehearsal.missing)}" if rehearsal.missing else "")]
    head = "the message it would have been:" if rehearsal.forced else "the message:"
    lines += ["", head, f"to         {send.to.get('email')}", f"subject    {send.subject}", f"preheader  {send.preheader}"]
    if html is not None:
        lines.append(f"html       {html}")
    return [*map(printable, lines), "", *(printable(line) for line in send.text.splitlines())]


def _plain(found: Dossier, stage: Stage, trigger: Trigger, entry: Occasion, rehearsal: Rehearsal) -> dict[str, Any]:
    played, decision = rehearsal.played, rehearsal.played.decision
    opening = entry.opening
    return {
        "person_id": found.person_id,
        "at": events.iso(stage.at),
        "policy": stage.ref,
        "trigger": trigger.name,
        "notes": found.notes,
        "entry": {
            **_told(opening),
            "records": played.entries,
            "after": _id(entry.after),
        },
        "window_id": played.window_id,
        "joined": played.joined,
        "would_be_sent": rehearsal.send is not None and not rehearsal.forced,
        "unopened": rehearsal.unopened,
        "missing": rehearsal.missing,
        "verdict": _verdict(trigger, rehearsal),
        "decision": None if decision is None else msgspec.to_builtins(decision),
        "message": None if rehearsal.send is None else msgspec.to_builtins(rehearsal.send),
    }


def _told(opening: Event | Conclusion | Broadcast) -> dict[str, Any]:
    if isinstance(opening, Event):
        return {"kind": opening.event_type, "properties": opening.properties}
    return {"kind": opening.change if isinstance(opening, Broadcast) else opening.kind, "properties": opening.values}


def _id(record: Event | Conclusion | None) -> str | None:
    return record.event_id if isinstance(record, Event) else record.cause if record is not None else None
