"""`kairos bench gate`: what it costs to ask whether a due message may go. Pure, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
from msgspec.structs import replace

from app.agents.person_program import PersonProgram
from app.commands.bench import options, report
from app.commands.built import artifact
from app.commands.outcome import WrongUse
from app.domain import gate as gates
from app.domain import person
from app.domain.contacts import Contact
from app.domain.person import Group, See
from app.domain.standing import Standing
from app.domain.trigger import Pack, Trigger
from app.domain.window import Window
from app.engine.program import Moment
from app.events import Event
from app.policy.pack import compile_artifact

START_MS = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ORDERS = 12
LOOKED_AT = 8
WHO = "p" * 32


@click.command()
@click.option("--passes", default=20_000, show_default=True, type=click.IntRange(10), help="Of each kind, per repeat.")
@click.option("--policy", default="merged", show_default=True, help="A shipped pack or a file.")
@options.repeats
@options.json_file
def gate(passes: int, policy: str, repeats: int, file: Path | None) -> None:
    """µs per pass of a due step through the scheduler's gate, over a synthetic person with a year of orders and some open windows.

    A row per trigger she waits for: all gates asked once, quiet hours in her zone and every cap over her last messages included.
    `wake` is all that a tick does with a due step of hers: gate, plan with everything its template may read, decisions, the row as it
    changes.
    """
    pack = compile_artifact(*artifact(policy))
    program = PersonProgram({pack.ref: pack}.__getitem__)
    group = _her(program, pack)
    if not group.person.windows.open:
        raise WrongUse(f"{policy}: no trigger opens for views, a cart and an order")
    report.tell("gate", {"policy": pack.ref, "passes": passes}, [_run(program, pack, group, passes) for _ in range(repeats)], file)


def _her(program: PersonProgram, pack: Pack) -> Group:
    """Known, consenting, a regular customer, who has just bought, looked at some products and left a cart."""
    group, count = person.load(WHO, None, None), 0

    def did(kind: str, at: int, **properties: object) -> None:
        nonlocal group, count
        count += 1
        event = Event(at, f"e-{count}", kind, at, WHO, "c-1", None, dict(properties))
        group, _ = program.step(group, event, _moment(pack, at))  # type: ignore[assignment]  # a person's group is never None

    did("identify", START_MS - 400 * DAY, traits={"email": "ada@shop.example", "first_name": "Ada"})
    did("consent_give", START_MS - 400 * DAY, purposes=["email", "personalise"])
    for n in range(ORDERS, -1, -1):
        shoe = {"product_id": f"b{n}", "product_name": f"Bought {n}", "category": "shoes", "price": 40.0, "quantity": 1}
        did("purchase", START_MS - n * 30 * DAY, order_id=f"o-{n}", total=40.0, currency="EUR", products=[shoe])
    for n in range(LOOKED_AT):
        product = {"product_id": f"p{n}", "product_name": f"Shoe {n}", "category": "shoes", "price": 89.0, "url": "https://shop.example/p"}
        did("product_view", START_MS + (n + 1) * MINUTE, **product, dwell_seconds=45)
    did("cart_add", START_MS + HOUR, product_id="p-cart", product_name="Trail shoe", price=89.0, quantity=1, timezone="Europe/Berlin")
    # In a tier, with as many messages this week as leave room for one more.
    had = tuple([Contact(START_MS - n * DAY, n, "welcome", answered=True) for n in range(5, 2, -1)])
    windows = replace(group.person.windows, contacts=had)
    return group.replaced(replace(group.person, windows=windows, standing=Standing(tiers={"s1": "high", "s0": "gold"})), {})


def _moment(pack: Pack, at: int) -> Moment:
    return Moment(at, at, 500, {"policy": pack.ref}, 0, 0)


def _run(program: PersonProgram, pack: Pack, group: Group, passes: int) -> dict[str, dict[str, float]]:
    rows = {}
    for one in {window.trigger: window for window in group.person.windows.open}.values():
        row = pack.by_name[one.trigger]

        def ask(one: Window = one, row: Trigger = row) -> None:
            see = See(group, one.wake_at, one.wake_at, 500, pack, {pack.ref: pack}.__getitem__)
            gates.ask(one, row, row.steps[one.step], pack, see, group.person.windows.contacts)

        us = _us(ask, passes)
        rows[f"gate: {one.trigger}"] = {"us": us, "a_second": round(1e6 / us)}
    low = min(window.wake_at for window in group.person.windows.open)
    at = max(window.wake_at for window in group.person.windows.open if window.wake_at < low + HOUR)
    due = sum(window.wake_at <= at for window in group.person.windows.open)
    rows["wake"] = {"us": round(_us(lambda: program.wake(group, _moment(pack, at)), max(1, passes // due)) / due, 2)}
    return rows


def _us(act: Callable[[], object], times: int) -> float:
    """CPU in µs of one call."""
    act()
    begun = time.process_time()
    for _ in range(times):
        act()
    return round((time.process_time() - begun) / times * 1e6, 2)
