"""`kairos decisions`: what was decided, found by person, trigger, reason, outcome and time: every message that did not go out, too."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from pathlib import Path

import click
import msgspec
import orjson

from app import events
from app.commands.asked import INPUT, reader_option
from app.commands.instant import Since, SinceType
from app.commands.outcome import No, Outage, WrongUse
from app.domain import reason as reasons
from app.domain.plural import count
from app.domain.sought import Sought
from app.edges.decided import found_in_cluster, found_in_file, journal_now, of_file
from app.edges.dossier import candidates
from app.edges.events_file import Unreadable, milliseconds
from app.edges.published import published
from app.edges.reader import decode_row
from app.edges.spectator import decode_decision
from app.edges.timeline import printable
from app.edges.topic_scan import ScanFailed, scanner
from app.edges.verdict import decision_text, gates, moment
from app.engine.partition import partition_of
from app.events import Decision
from app.policy.pack import BadPack, build, compile_artifact
from app.policy.problem import meant
from app.settings import Settings, load

OUTCOMES = ("opened", "scheduled", "held", "cancelled", "sent", "not_sent")
LAST = 200


@click.command()
@click.option("--person", metavar="ID", help="A customer id, an anonymous id or a person_id.")
@click.option("--trigger", metavar="T", help="Of this trigger.")
@click.option("--reason", metavar="R", help="For this reason, such as frequency_cap.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="That ended so.")
@click.option("--since", type=SinceType(), help="From then on: a time, or a span such as 2d, 12h, 30min before now.")
@click.option("--until", type=SinceType(), help="Before then.")
@click.option("--last", type=click.IntRange(min=1), help=f"So many, the newest (default: {LAST} on the terminal, all as JSON).")
@click.option("--json", "as_json", is_flag=True, help="The answer as JSON, the oldest first.")
@click.option("--decisions", "file", type=INPUT, help="Ask a file that `kairos simulate --decisions` wrote instead of a cluster.")
@reader_option
def decisions(
    person: str | None,
    trigger: str | None,
    reason: str | None,
    outcome: str | None,
    since: Since | None,
    until: Since | None,
    last: int | None,
    as_json: bool,
    file: Path | None,
    readers: tuple[str, ...],
) -> None:
    """What was decided on whom, and why. Without an option: everything.

    Exit 0: found. 1: nothing was. 2: wrong use. 3: no broker.
    """
    if file is not None and readers:
        raise click.UsageError("--reader goes with a cluster, not with --decisions FILE")
    settings = load()
    persons = frozenset() if person is None else frozenset(candidates(settings, person))
    asked = Sought(persons, person if file is not None else None, trigger, reason, outcome)
    try:
        sought, values = _of_file(file, asked, since, until) if file is not None else _of_cluster(settings, readers, asked, since, until)
    except Unreadable as error:
        raise WrongUse(str(error)) from error
    except ScanFailed as error:
        raise Outage(str(error)) from error
    except msgspec.MsgspecError as error:
        raise WrongUse(f"{file}: no decision: {error}") from error
    found = list({one.decision_id: one for one in map(decode_decision, values)}.values())
    if not found:
        hint = "" if reason is None or reason in reasons.REASONS else meant(reason, reasons.REASONS)
        hint = hint or ("" if trigger is None else _near(settings, trigger, file))
        raise No(f"no decision {msgspec.structs.replace(sought, customer=person).words()}".rstrip() + hint)
    found.sort(key=lambda one: one.at)  # stable: what one instant brought stays as its topic has it, an opening before what it led to
    if as_json:
        shown = [msgspec.to_builtins(one) for one in (found if last is None else found[-last:])]
        click.echo(orjson.dumps({"count": len(found), "counts": _counts(found), "decisions": shown}, option=orjson.OPT_INDENT_2).decode())
        return
    shown_last = found[-(last or LAST) :]
    for line in _lines(found, shown_last):
        click.echo(printable(line))


def _of_file(path: Path, asked: Sought, since: Since | None, until: Since | None) -> tuple[Sought, list[bytes]]:
    newest = 0
    if (since is not None and since.at is None) or (until is not None and until.at is None):
        # Now, in a file, is its last decision.
        newest = max((milliseconds(decode_row(line).at) or 0 for line in found_in_file(path, Sought())), default=0)
    sought = _within(asked, since, until, newest)
    return sought, list(found_in_file(path, sought))


def _of_cluster(
    settings: Settings, addresses: tuple[str, ...], asked: Sought, since: Since | None, until: Since | None
) -> tuple[Sought, list[bytes]]:
    async def read() -> tuple[Sought, list[bytes]]:
        found: list[bytes] = []
        async with scanner(settings) as scan:
            now = await journal_now(scan) if since is not None or until is not None else 0
            sought = _within(asked, since, until, now)
            await found_in_cluster(scan, settings, addresses, sought, found.append)
            partitions = scan.partitions("decisions")
        # Partitions are read side by side: one after the other they are the same whoever was asked.
        found.sort(key=lambda value: partition_of(decode_row(value).person_id.encode(), partitions))
        return sought, found

    return asyncio.run(read())


def _near(settings: Settings, trigger: str, file: Path | None) -> str:
    """Which trigger may be meant, of those of the pack at work and, of a file, those that it tells of."""
    known = {decode_row(line).trigger for line in of_file(file)} if file is not None else set()
    if trigger in known:
        return ""
    with contextlib.suppress(BadPack):
        known |= compile_artifact(*build(settings.policy)).by_name.keys()
    if file is None:
        with contextlib.suppress(ScanFailed, BadPack):
            there = asyncio.run(published(settings))
            for one in there.find(there.active or ""):
                known |= compile_artifact(one.ref, one.data).by_name.keys()
    return "" if trigger in known else meant(trigger, known)


def _within(asked: Sought, since: Since | None, until: Since | None, now: int) -> Sought:
    """Raises `UsageError` where nothing can lie between."""
    if since is not None and until is not None and since.instant(now) >= until.instant(now):
        said = " and ".join(events.iso(one.instant(now))[:19] for one in (since, until))
        raise click.UsageError(f"--since and --until leave nothing between them: {said} (UTC); --until comes after --since")
    begin, end = ("" if one is None else events.iso(one.instant(now)) for one in (since, until))
    return msgspec.structs.replace(asked, since=begin, until=end)


def _counts(found: list[Decision]) -> list[dict[str, object]]:
    counted = Counter((one.outcome, one.reason) for one in found)
    order = {outcome: place for place, outcome in enumerate(OUTCOMES)}
    told = sorted(counted.items(), key=lambda one: (order.get(one[0][0], len(order)), -one[1], one[0][1] or ""))
    return [{"outcome": outcome, "reason": why, "count": count} for (outcome, why), count in told]


def _lines(found: list[Decision], shown: list[Decision]) -> list[str]:
    named = [(" ".join(str(one[part]) for part in ("outcome", "reason") if one[part]), one["count"]) for one in _counts(found)]
    each = ", ".join(f"{name.replace('_', ' ', 1) if name.startswith('not_') else name} {count:,}" for name, count in named)
    people = {one.person_id for one in found}
    lines = [f"{count(len(found), 'decision')} of {count(len(people), 'person', 'people')}: {each}"]
    if left := len(found) - len(shown):
        lines.append(f"… {count(left, 'earlier one')}: --last, --json have them")
    for one in shown:
        who = f"{one.customer_id} " if one.customer_id else ""
        lines.append(f"{moment(one.at)}  {who}person {one.person_id}  {decision_text(one, {})}")
        if one.outcome in ("held", "not_sent"):
            lines += [" " * 21 + line for line in gates(one)]
    return lines
