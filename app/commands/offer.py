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
from app.settings import DEMO_SECRET, Settings, load

ELSES = "elses"
SAYS = {
    VALID: "{code} is one of ours",
    FORGED: "{code} is not one of ours: nobody with this secret made it",
    MISTYPED: "{code} is no code: a sign is missing or wrong",
    ELSES: "{code} is one of ours, but not that of message {send}",
}


@click.group()
def offer() -> None:
    """Offers that messages made."""


@offer.command()
@click.argument("code")
@click.option("--send", "send_id", metavar="SEND_ID", help="Whether it is the code of this message.")
@click.option("--look-up", is_flag=True, help="Ask the cluster's topics, too: who got it, how much, until when, and whether it was used.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(code: str, send_id: str | None, look_up: bool, as_json: bool) -> None:
    """Whether CODE is one that Kairos made with KAIROS_SECRET. Needs no broker, unless it is looked up.

    Exit 0: it is, and with --look-up it was not used yet. 1: it is not, or it was. 3: no broker.
    """
    settings = load()
    verdict = offer_code.check(settings.secret, code)
    if verdict == VALID and send_id is not None and not offer_code.is_of(code, send_id):
        verdict = ELSES
    found = _looked_up(settings, code) if look_up and verdict == VALID else None
    told = {"code": code, "verdict": verdict, **_plain(found)}
    if as_json:
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo(printable(SAYS[verdict].format(code=code, send=send_id)))
        if look_up and verdict == VALID:
            click.echo("\n".join(map(printable, _lines(found))))
        if settings.secret == DEMO_SECRET:
            click.echo("checked by the constant demo secret (KAIROS_SECRET is not set)", err=True)
    sys.exit(0 if verdict == VALID and not (found is not None and found.uses) else 1)


def _looked_up(settings: Settings, code: str) -> Found | None:
    async def look() -> Found | None:
        async with scanner(settings) as scan:
            return await offer_records.found(scan, code)

    try:
        return asyncio.run(look())
    except ScanFailed as error:
        raise Outage(str(error)) from error


def _plain(found: Found | None) -> dict[str, object]:
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
        "uses": [{"at": at, "order_id": order, "first": first} for at, order, first in found.uses],
    }


def _lines(found: Found | None) -> list[str]:
    if found is None:
        return ["nothing is kept of it: decisions go after their retention, and the message may not be written yet"]
    one, told = found.decision, found.offer
    rate = f"{100 * float(told.get('discount') or 0):g} % off"
    lines = [
        f"given to person {one.person_id} by {one.trigger} at {one.at} (send {one.send_id})",
        f"{told.get('kind')}: {rate}, until {told.get('expires_at')}",
    ]
    return [*lines, *(f"{'used' if first else 'used AGAIN'} at {at} for order {order}" for at, order, first in found.uses)]
