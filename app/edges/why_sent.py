"""Why a message: the decision that names it, what opened its window, what it offered, and its products as the catalogue had them then."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from app.domain.product import products
from app.domain.sought import Sought
from app.edges import offer_words
from app.edges.dossier import Dossier, of_topics
from app.edges.events_file import milliseconds
from app.edges.progress import Bar
from app.edges.reader_client import Readers, with_readers
from app.edges.shop_then import shop_then
from app.edges.spectator import decode_decision, decode_send
from app.edges.timeline import Entry
from app.edges.topic_scan import Scanner, scanner
from app.edges.verdict import decision_text, moment
from app.events import Conclusion, Decision, Event, Send
from app.settings import Settings


class Why(Struct, frozen=True):
    """What there is to tell. `entries`: of the message's window; `sends`: the message, where it is still kept."""

    title: list[str]
    notes: list[str]
    entries: list[Entry]
    sends: list[Send]


async def why_sent(settings: Settings, send_id: str, addresses: Sequence[str]) -> Why | None:
    """None: no decision names it. `addresses`: of readers. Raises `ScanFailed`."""
    async with scanner(settings) as scan:

        async def found(readers: Readers | None) -> tuple[Decision, Dossier] | None:
            named = await (_recorded(scan, send_id) if readers is None else _asked(readers, send_id))
            if named is None:
                return None
            decided = milliseconds(named.at)
            hers = await of_topics(scan, settings, send_id, [named.person_id], records=readers, instant=decided)
            return None if hers is None else (named, hers)

        known = await with_readers(settings, addresses, found)
        return None if known is None else await of_window(scan, *known)


async def of_window(scan: Scanner, decision: Decision, hers: Dossier) -> Why:
    """`hers`: the dossier as of `decision`. Raises `ScanFailed`."""
    mine = [one for each in hers.everybody for one in each.decisions if one.window_id == decision.window_id]
    sends = [one for each in hers.everybody for one in each.sends if one.send_id == decision.send_id]
    causes = {cause for one in mine for cause in one.cause}
    about = _about(hers, causes)
    hers.shop = await shop_then(scan, hers.then, hers.person_id, hers.packs, {*about, *hers.recommended()})
    window = {one.decision_id for one in mine}
    entries = [
        entry
        for entry in hers.entries()
        if entry.told.get("decision_id") in window
        or (entry.kind == "event" and entry.told.get("event_id") in causes)
        or (entry.kind == "window" and entry.told.get("window_id") == decision.window_id)
    ]
    offer = decision.values.get("offer")
    title = [
        decision_text(decision, {one.send_id: one.subject for one in sends}),
        f"person {decision.person_id}" + (f" (known as {hers.name})" if hers.name else ""),
        f"policy {decision.policy.name}@{decision.policy.version}, window {decision.window_id}",
        *_message(sends),
        *(offer_words.lines(offer)[:1] if isinstance(offer, dict) else []),
        *hers.shop.line("about", about),
        *(line for one in sends for line in hers.shop.line("recommended", one.recommendations)),
    ]
    return Why(title, [*hers.notes, *hers.shop.notes()], entries, sends)


def _about(found: Dossier, causes: set[str]) -> list[str]:
    """Products of what opened a window, or joined it."""
    told: dict[str, None] = {}
    for record in (one for each in found.everybody for one in each.story.records):
        properties = {}
        if isinstance(record, Event) and record.event_id in causes:
            properties = record.properties
        elif isinstance(record, Conclusion) and record.cause in causes and isinstance(event := record.values.get("event"), dict):
            properties = event
        told |= dict.fromkeys(one.product_id for one in products(properties) if one.product_id)
    return list(told)


async def _recorded(scan: Scanner, send_id: str) -> Decision | None:
    """The last decision on the topic that names the message."""
    decision: Decision | None = None
    with Bar("reading decisions", 0) as bar:
        async for record in scan.read("decisions", on_progress=lambda done, total: bar.at(done, f"{done} of {total}")):
            if send_id.encode() in record.value and (found := decode_decision(record.value)).send_id == send_id:
                decision = found
    return decision


async def _asked(readers: Readers, send_id: str) -> Decision | None:
    """The same of the readers: the message tells whose it is; one that never came to be, or is kept no more, is looked for."""
    message = await readers.send(send_id)
    if message is not None:
        hers = map(decode_decision, await readers.decisions(decode_send(message).person_id))
        if named := [one for one in hers if one.send_id == send_id]:
            return named[-1]
    found = [decode_decision(value) async for value in readers.everybody(Sought(send=send_id))]
    return found[-1] if found else None


def _message(sends: Sequence[Send]) -> list[str]:
    if not sends:
        return ["the message itself is not on message_sends (any more)"]
    message = sends[0]
    versions = [f"{name} {value}" for name, value in message.versions.items() if value]
    arms = [f"{one.get('experiment')} {one.get('arm')}" for one in message.arms]
    return [
        f"message {message.message} by {message.channel}, opened {moment(message.opened_at)}, due {moment(message.due_at)}, "
        f"decided {moment(message.decided_at)}, worth sending until {moment(message.expires_at)}",
        "versions: " + ", ".join(versions) + (f"; arms: {', '.join(arms)}" if arms else ""),
    ]
