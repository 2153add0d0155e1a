"""`kairos offer`: whether a code is one of ours, without asking anybody; and what the cluster knows of it."""

from __future__ import annotations

import asyncio
import sys

import click
import orjson

from app.commands.outcome import Outage
from app.domain import offer_code
from app.domain.offer_code import FORGED, MISTYPED, VALID
from app.edges import offer_records
from app.edges.offer_records import Found
from app.edges.timeline import printable
from app.edges.topic_scan import ScanFailed, scanner
from app.engine.clock import wall_ms
from app.settings import DEMO_SECRET, Settings, load

ELSES, AGAIN, UNSURE = "elses", "again", "unsure"
SAYS = {
    VALID: "{code} is one of ours",
    FORGED: "{code} is not one of ours: nobody with this secret made it",
    MISTYPED: "{code} is no code: a sign is missing or wrong",
    ELSES: "{code} is one of ours, but was not made for message {send}, and nothing that is kept says that it told it again",
    AGAIN: "{code} is one of ours, and message {send} told it again",
    UNSURE: "{code} is one of ours, made for another message; it may have been told again in {send}: --look-up says",
}


@click.group()
def offer() -> None:
    """Offers that messages made."""


@offer.command()
@click.argument("code")
@click.option("--send", "send_id", metavar="SEND_ID", help="Whether it is the code of this message; if told again, --look-up knows.")
@click.option("--look-up", is_flag=True, help="Ask the cluster's topics, too: who got it, how much, until when, and whether it was used.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(code: str, send_id: str | None, look_up: bool, as_json: bool) -> None:
    """Whether CODE is one that Kairos made with KAIROS_SECRET. Needs no broker, unless it is looked up.

    Exit 0: it is, and with --look-up it was not used yet and has not run out. 1: it is not, or it was, or it has, or with --send it was
    made for another message and is not known to be told again in this one. 3: no broker.
    """
    settings, now = load(), wall_ms()
    verdict = says = offer_code.check(settings.secret, code)
    found = _looked_up(settings, code) if look_up and verdict == VALID else None
    if verdict == VALID and send_id is not None and not offer_code.is_of(code, send_id):
        if found is not None and send_id in found.told_in:
            says = AGAIN
        else:
            verdict = says = ELSES if look_up else UNSURE
    told = {"code": code, "verdict": verdict, **_plain(found, now)}
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(printable(SAYS[says].format(code=code, send=send_id)))
        if look_up and verdict in (VALID, ELSES):
            click.echo("\n".join(map(printable, _lines(found, now))))
        if settings.secret == DEMO_SECRET:
            click.echo("checked by the constant demo secret (KAIROS_SECRET is not set)", err=True)
    sys.exit(0 if verdict == VALID and not (found is not None and (found.uses or found.expired(now))) else 1)


def _looked_up(settings: Settings, code: str) -> Found | None:
    async def look() -> Found | None:
        async with scanner(settings) as scan:
            return await offer_records.found(scan, code)

    try:
        return asyncio.run(look())
    except ScanFailed as error:
        raise Outage(str(error)) from error


def _plain(found: Found | None, now: int) -> dict[str, object]:
    if found is None:
        return {}
    one = found.decision
    return {
        "send_id": one.send_id,
        "person_id": one.person_id,
        "customer_id": one.customer_id,
        "trigger": one.trigger,
        "at": one.at,
        "offer": {name: found.offer.get(name) for name in ("kind", "discount", "expires_at", "up_to", "minimum_order", "benefits")},
        "expired": found.expired(now),
        "told_in": list(found.told_in),
        "uses": [{"at": at, "order_id": order, "first": first} for at, order, first in found.uses],
    }


def _lines(found: Found | None, now: int) -> list[str]:
    if found is None:
        return ["nothing is kept of it: decisions go after their retention, and the message may not be written yet"]
    one, told = found.decision, found.offer
    rate = f"{100 * float(told.get('discount') or 0):g} % off"
    lines = [
        f"given to person {one.person_id} by {one.trigger} at {one.at} (send {one.send_id})",
        f"{told.get('kind')}: {rate}, {'it ran out at' if found.expired(now) else 'until'} {told.get('expires_at')}",
        *(f"told again by send {send_id}" for send_id in found.told_in if send_id != one.send_id),
    ]
    return [*lines, *(f"{'used' if first else 'used AGAIN'} at {at} for order {order}" for at, order, first in found.uses)]
