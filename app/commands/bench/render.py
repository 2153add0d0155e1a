"""`kairos bench render`: messages per second of one process. In this process, through the renderer's program and the engine's turns."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from app import events
from app.agents.renderer_program import RendererProgram
from app.commands.bench import options, report, shelves
from app.commands.built import artifact
from app.domain.budgets import BUDGETS, Budgets
from app.domain.message import recommends
from app.domain.recommended import RECOMMENDATIONS
from app.domain.trigger import Pack
from app.engine.memory import MemoryStore
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Plan, derived_id
from app.policy.messages import FULL
from app.policy.pack import compile_artifact
from app.settings import DEMO_SECRET

AT_MS = 1_772_445_600_000
"""2026-03-02T10:00:00Z."""
CAMPAIGN = "spring-sale"
MODEL, PAID = "recommendations@bench", "budgets@bench"
PEOPLE = 1_000
OFFER = {
    "kind": "win_back",
    "discount": 0.2,
    "path": ["tier"],
    "sensitivity": 0.5,
    "clv": 240.0,
    "tier": "s1.low",
    "conversion": 0.02,
    "order_value": 60.0,
    "expires_at": "2026-03-09T10:00:00.000Z",
    "up_to": {"amount": "50.00", "currency": "EUR"},
    "benefits": ["free_shipping"],
    "campaign": CAMPAIGN,
}
"""As the lane plans one: for the messages that print offers."""
TURN = 500
"""Plans of a turn: as many as a slice of due people makes."""


@click.command()
@click.option("--messages", default=3_000, show_default=True, type=click.IntRange(1), help="Of each message of the pack, per repeat.")
@click.option("--policy", default="merged", show_default=True, help="A shipped pack or a file.")
@click.option("--products", default=20_000, show_default=True, type=click.IntRange(100), help="Of the shop that recommends.")
@options.repeats
@options.json_file
def render(messages: int, policy: str, products: int, repeats: int, file: Path | None) -> None:
    """Messages per second and process, of a pack's messages with everything in them that a template may show.

    From the plan's bytes to the outputs of the turn: products looked up, recommendations picked, the offer weighed against margin and
    campaign, its code, subject, HTML, text, signed links, the send, its decision and the answer; without sending them.
    """
    pack = compile_artifact(*artifact(policy))
    model, budgets = shelves.model(products, pack.recommendations.k), Budgets(1, pack.offers.currency, {CAMPAIGN: 10**15})
    known: dict[str, Any] = {pack.ref: pack, MODEL: model, PAID: budgets}
    runs = [_run(pack, known, products, messages) for _ in range(repeats)]
    report.tell("render", {"policy": pack.ref, "messages": messages, "products": products}, runs, file)


def _run(pack: Pack, known: dict[str, Any], products: int, count: int) -> dict[str, dict[str, float]]:
    renderer = RendererProgram(known.__getitem__, DEMO_SECRET, "https://shop.example", shelves.catalogue(products))
    turn = Turn(renderer, 0, MemoryStore())
    rows, spent, written = {}, 0.0, 0
    offset = 0
    for name in sorted(name for name, one in pack.messages.items() if one.html):
        plans = [Logged(offset + n, AT_MS, b"p", _plan(pack, name, offset + n, products)) for n in range(count)]
        offset += count
        begun, size, sent = time.process_time(), 0, 0
        for at in range(0, count, TURN):
            for segment in turn.segments(plans[at : at + TURN]):
                sends = [output for output in segment.outputs if output.topic == "message_sends"]
                sent, size = sent + len(sends), size + sum(len(output.value) for output in sends)
        took = time.process_time() - begun
        if sent != count:
            raise AssertionError(f"{name}: {sent} of {count} plans became messages")
        rows[name] = {"us": round(took / count * 1e6, 1), "per_s": round(count / took), "bytes": round(size / count)}
        spent, written = spent + took, written + size
    rows["all"] = {"us": round(spent / offset * 1e6, 1), "per_s": round(offset / spent), "bytes": round(written / offset)}
    return rows


def _plan(pack: Pack, message: str, number: int, products: int) -> bytes:
    window_id = derived_id("bench", str(number))
    plan = Plan(
        at=AT_MS,
        send_id=derived_id(window_id, "0"),
        window_id=window_id,
        person_id=derived_id("person", str(number)),
        customer_id=f"c-{number}",
        channel="email",
        trigger=pack.triggers[0].name,
        step=0,
        message=message,
        policy=pack.ref,
        opened_at=AT_MS,
        due_at=AT_MS,
        expires_at=AT_MS + 86_400_000,
        to_address="ada@shop.example",
        to_name="Ada Example",
        cause=[f"e-{number}"],
        values={
            "consent": {"email": True, "personalise": True},
            **({"offer": OFFER} if "offer.discount" in pack.messages[message].text else {}),
        },
        view=FULL,
        models={RECOMMENDATIONS: MODEL, BUDGETS: PAID},
        taste=shelves.taste(number % PEOPLE, products, AT_MS) if recommends(pack.messages[message]) else [],
    )
    return events.encode(plan)
