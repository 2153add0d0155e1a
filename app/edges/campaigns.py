"""Campaign budgets on the broker: what the newest artifact allows, and what each partition's renderer has counted."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app import events
from app.agents.kinds import compile_budgets, encode_budgets
from app.agents.renderer_program import ACCOUNT
from app.domain.budgets import BUDGETS, MAX_CAMPAIGNS, Budgets, Spent
from app.edges.producing import producing
from app.edges.published import of_kind
from app.edges.topic_scan import Scanner
from app.engine import artifacts
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.engine.rows import HEADER_SIZE, read_header
from app.events import Activate
from app.flow import TABLES
from app.settings import Settings

_spent = msgspec.msgpack.Decoder(Spent).decode


class TooMany(ValueError):
    """More campaigns than a worker carries."""


class Campaign(Struct, frozen=True):
    """One campaign, in units. `spent`: the most that what was offered so far may cost; `offers`: how many that were."""

    name: str
    budget: int
    spent: int
    offers: int
    left: int
    """What its partitions' shares still have: where they are used up unevenly, less than budget − spent."""


async def newest(scan: Scanner) -> Budgets | None:
    """The budgets that were published last; a damaged artifact is none, to workers as here. Raises `ScanFailed`."""
    for one in reversed((await of_kind(scan, BUDGETS)).versions):
        if one.whole and isinstance(found := compile_budgets(one.ref, one.data), Budgets):
            return found
    return None


async def accounts(scan: Scanner) -> dict[str, dict[int, Spent]]:
    """Campaign → partition → what was counted there, from the table's changelog. Raises `ScanFailed`."""
    found: dict[str, dict[int, Spent]] = {}
    for partition in range(scan.partitions(TABLES["renders"].changelog)):
        for name, spent in (await account(scan, partition))[0].items():
            found.setdefault(name, {})[partition] = spent
    return found


async def account(scan: Scanner, partition: int, before: int | None = None) -> tuple[dict[str, Spent], set[str]]:
    """Campaign → what was counted in a partition, by records that the broker stamped before `before` (ms; None: all).

    And the campaigns of which only later counts are kept: the changelog is compacted. Raises `ScanFailed`.
    """
    rows: dict[str, tuple[int, Spent]] = {}
    later: set[str] = set()
    async for record in scan.read(TABLES["renders"].changelog, [partition]):
        key, value = record.key or b"", record.value
        if not key.startswith(ACCOUNT) or value is None:
            continue
        applied, _ = read_header(value)
        name = key[len(ACCOUNT) :].decode()
        if before is not None and record.timestamp >= before:
            later.add(name)
        elif name not in rows or applied >= rows[name][0]:  # as a restore does: the highest applied offset wins
            rows[name] = applied, _spent(value[HEADER_SIZE:])
    return {name: spent for name, (_, spent) in rows.items()}, later - rows.keys()


def told(budgets: Budgets | None, counted: dict[str, dict[int, Spent]]) -> list[Campaign]:
    """Every campaign that has a budget, or has given something away."""
    allowed = Budgets(0) if budgets is None else budgets
    found = []
    for name in sorted({*allowed.campaigns, *counted}):
        parts = counted.get(name, {})
        left = sum(max(0, allowed.share(name, n) - parts.get(n, Spent()).units) for n in range(allowed.partitions))
        spent, offers = sum(one.units for one in parts.values()), sum(one.offers for one in parts.values())
        found.append(Campaign(name, allowed.campaigns.get(name, 0), spent, offers, left))
    return found


def with_budget(budgets: Budgets | None, campaign: str, units: int, currency: str, partitions: int) -> Budgets:
    """The budgets with one of them set; what is split over is the cluster's partitions as of now. Raises `TooMany`."""
    campaigns = {**(budgets.campaigns if budgets is not None else {}), campaign: units}
    if len(campaigns) > MAX_CAMPAIGNS:
        raise TooMany(f"more than {MAX_CAMPAIGNS} campaigns")
    return Budgets(partitions, currency, campaigns)


async def publish(settings: Settings, budgets: Budgets) -> str:
    """Puts them on the topic and asks the clock to make them active; the ref. Raises `KafkaError`, OSError."""
    ref, data = encode_budgets(budgets)
    async with producing(settings) as producer:
        await artifacts.publish(producer, BUDGETS, ref, data)
        await producer.publish([Output("control", None, events.encode(Activate(wall_ms(), BUDGETS, ref)), partition=0)])
    return ref
