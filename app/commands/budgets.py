"""`kairos budgets`: what campaigns may give away, and what they have."""

from __future__ import annotations

import asyncio

import click
import msgspec
import orjson
from aiokafka.errors import KafkaError

from app.commands.outcome import No, Outage, WrongUse
from app.domain import money
from app.domain.budgets import Budgets
from app.edges import campaigns
from app.edges.campaigns import Campaign, TooMany
from app.edges.dossier import shelf
from app.edges.topic_scan import ScanFailed, scanner
from app.engine.artifacts import POLICY
from app.policy.fields import NAME
from app.settings import Settings, load


@click.group()
def budgets() -> None:
    """Campaign budgets: each partition of the cluster may give away its share and no more."""


@budgets.command(name="set")
@click.argument("campaign")
@click.argument("amount")
@click.option("--currency", help="Default: as the budgets there are, else the active pack's [offers].")
def set_(campaign: str, amount: str, currency: str | None) -> None:
    """Let CAMPAIGN give away AMOUNT in all, what it has given away so far included. 0 stops it.

    Exit 0: published. 2: wrong use. 3: no broker.
    """
    units = money.units(amount)
    if units is None or units < 0:
        raise WrongUse(f"AMOUNT: an amount of money such as 5000 or 49.50, not {amount!r}")
    if not NAME.fullmatch(campaign):
        raise WrongUse(f"CAMPAIGN: lower case, digits and hyphens, as in the pack, not {campaign!r}")
    settings = load()
    try:
        now, ref = asyncio.run(_set(settings, campaign, units, currency))
    except (ScanFailed, KafkaError, OSError) as error:
        raise Outage(str(error) or f"broker {settings.broker}") from error
    except TooMany as error:
        raise WrongUse(str(error)) from error
    shares = sorted({now.share(campaign, n) for n in range(now.partitions)})
    each = " to ".join(money.text(one) for one in dict.fromkeys((shares[0], shares[-1])))
    click.echo(f"{campaign} may give away {money.text(units)} {now.currency} in all, {each} in each of {now.partitions} partitions")
    click.echo(f"{ref} is published; the workers make it active")


async def _set(settings: Settings, campaign: str, units: int, currency: str | None) -> tuple[Budgets, str]:
    async with scanner(settings) as scan:
        before = await campaigns.newest(scan)
        known = before.currency if before is not None else ""
        if currency and known and currency != known:
            raise WrongUse(f"--currency: the budgets there are in {known}")
        if not (currency or known):
            packs = await shelf(scan, settings)
            ref = packs.active.get(POLICY)
            known = packs.pack(ref).offers.currency if ref is not None else ""
        if not (currency or known):
            raise WrongUse("--currency is needed: no budget is set yet, and the active pack's [offers] names none")
        partitions = scan.partitions("message_plans")
    now = campaigns.with_budget(before, campaign, units, currency or known, partitions)
    return now, await campaigns.publish(settings, now)


@budgets.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(as_json: bool) -> None:
    """What each campaign may give away, what its offers may have cost so far, and what is left.

    Exit 0: told. 1: no campaign has a budget, and none has given anything away. 3: no broker.
    """
    settings = load()
    try:
        currency, found = asyncio.run(_read(settings))
    except ScanFailed as error:
        raise Outage(str(error)) from error
    if not found:
        raise No("no campaign has a budget: kairos budgets set CAMPAIGN AMOUNT")
    if as_json:
        told = [
            {**msgspec.to_builtins(one), **{name: money.text(getattr(one, name)) for name in ("budget", "spent", "left")}} for one in found
        ]
        click.echo(orjson.dumps({"currency": currency, "campaigns": told}, option=orjson.OPT_INDENT_2).decode())
        return
    for one in found:
        click.echo(
            f"{one.name:<24} {money.text(one.budget):>12} {currency}, at most {money.text(one.spent)} given away "
            f"in {one.offers:,} offers, {money.text(one.left)} left"
        )


async def _read(settings: Settings) -> tuple[str, list[Campaign]]:
    async with scanner(settings) as scan:
        newest = await campaigns.newest(scan)
        return newest.currency if newest is not None else "", campaigns.told(newest, await campaigns.accounts(scan))
