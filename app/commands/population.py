"""`kairos population`: how everybody compares: figures, the cuts of tiers, sizes of stages and segments, and who went where."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import orjson

from app.commands.outcome import No, Outage
from app.domain.days import DAY_MS
from app.domain.money import text
from app.domain.population import FIGURES, Population, cuts
from app.edges.everybody import Everybody, everybody
from app.edges.topic_scan import ScanFailed
from app.events import iso
from app.settings import load

FIFTHS = (20.0,) * 5
MONEY = ("clv", "monetary")
SEGMENT = "segment/"


@click.command()
@click.option("--broker", help="HOST:PORT, comma separated.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def population(broker: str | None, as_json: bool) -> None:
    """How everybody compares: the figures that lanes rank by, tiers and their cuts, sizes of stages and segments, who went where."""
    settings = load(broker=broker)
    try:
        found = asyncio.run(everybody(settings))
    except ScanFailed as error:
        raise Outage(str(error)) from error
    except ValueError as error:
        raise No(str(error)) from error
    if as_json:
        click.echo(orjson.dumps(told(found), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
        return
    for line in lines(told(found)):
        click.echo(line)


def told(found: Everybody) -> dict[str, Any]:
    """All of it. `figures`, `tiers`: as lanes rank by them; `sizes`, `migrations`: with the changes since."""
    schemes = {} if found.pack is None else found.pack.tier_schemes
    return {
        "ref": found.ref,
        "as_of": None if found.ref is None else iso(found.published.as_of),
        "changes_since": found.since,
        "figures": {name: _figure(found.published, name) for name in FIGURES if name in found.published.figures},
        "tiers": {
            name: [
                {"tier": one.name, "share": one.share, "from": _value(scheme.by, least)}
                for one, least in zip(scheme.tiers, cuts(found.published, scheme.by, [one.share for one in scheme.tiers]), strict=True)
            ]
            for name, scheme in schemes.items()
        },
        "sizes": {figure: dict(sorted(sizes.items())) for figure, sizes in sorted(found.now.names.items())},
        "migrations": {
            figure: {_day(day): moves for day, moves in sorted(days.items())} for figure, days in sorted(found.now.moves.items())
        },
    }


def _figure(among: Population, name: str) -> dict[str, Any]:
    """How many are counted, and the least value of each fifth, the best first."""
    return {"people": among.ladders[name][1][-1], "fifths_from": [_value(name, least) for least in cuts(among, name, FIFTHS)]}


def _value(figure: str, value: int | None) -> Any:
    if value is None:
        return None
    return text(value) if figure in MONEY else _day(value // DAY_MS) if figure == "recency" else value


def _day(number: int) -> str:
    return iso(number * DAY_MS)[:10]


def lines(all_of_it: dict[str, Any]) -> list[str]:
    """The same for people; of migrations the newest day."""
    if all_of_it["ref"] is None:
        head = f"no figures are active yet: the first ones are at the end of the first day; {all_of_it['changes_since']:,} changes so far"
    else:
        head = f"{all_of_it['ref']}, as of {all_of_it['as_of']}; {all_of_it['changes_since']:,} changes since"
    found = [head]
    for name, one in all_of_it["figures"].items():
        edges = ", ".join("-" if edge is None else str(edge) for edge in one["fifths_from"])
        found.append(f"{name:<12} {one['people']:>9,} people; fifths from {edges}")
    for name, tiers in all_of_it["tiers"].items():
        each = ", ".join(f"{one['tier']} ({one['share']:g} %) from {one['from'] or '-'}" for one in tiers)
        found.append(f"tiers {name:<6} {each}")
    segments = {figure: sizes for figure, sizes in all_of_it["sizes"].items() if figure.startswith(SEGMENT)}
    if segments:
        each = ", ".join(f"{figure.removeprefix(SEGMENT)} {sum(sizes.values()):,}" for figure, sizes in segments.items())
        found.append(f"{'segments':<24} {each}")
    for figure, sizes in all_of_it["sizes"].items():
        if figure in segments:
            continue
        found.append(f"{figure:<24} " + (", ".join(f"{name} {count:,}" for name, count in sizes.items()) or "nobody"))
    for figure, days in all_of_it["migrations"].items():
        day, moves = list(days.items())[-1]
        each = ", ".join(f"{old} → {new} {count:,}" for old, row in sorted(moves.items()) for new, count in sorted(row.items()))
        found.append(f"{figure} on {day}: {each}")
    return found
