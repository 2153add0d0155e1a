"""Plans and finished sends for the tests of messages, mails and reports, made by the real renderer from the shipped messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from app import events
from app.agents.renderer_program import RendererProgram
from app.domain.message import MessageSource
from app.domain.treatments import By
from app.domain.trigger import Pack, Sender
from app.engine.program import Moment, Output
from app.events import Plan, Send
from app.policy.messages import FULL, SHIPPED, build_messages
from app.policy.standing_rows import Rows, verdicts

SECRET = "test-secret"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 | times: 6 }}"
AT = 1_772_452_800_000  # 2026-03-02T12:00:00Z
MINIMAL: dict[str, Any] = {
    "customer": {"id": "c-1", "first_name": None, "last_name": None, "email": "c-1@example.invalid"},
    "profile": {},
    "event": {"event_type": "product_view", "product_id": "p1", "product_name": None, "price": None, "image": None, "url": None},
    "window": {"views": 1, "seconds": 30, "value": "0.00", "products": []},
    "recent": [],
    "order": {},
    "trigger": "t",
    "step": 0,
}


@dataclass
class Arrived:
    value: bytes | None
    key: bytes | None = b"person"
    offset: int = 7
    timestamp: int = AT
    headers: list[tuple[str, bytes]] = field(default_factory=list)


@cache
def shipped() -> dict[str, MessageSource]:
    messages, problems = build_messages([file.stem for file in SHIPPED.glob("[!_]*.mjml")], [SHIPPED])
    assert not problems, problems
    return messages


@cache
def pack(name: str = "Shop Example", reply_to: str | None = "help@shop.example") -> Pack:
    return Pack(
        name="s1",
        version="abc",
        ref="s1@abc",
        triggers=(),
        sender=Sender("hello@shop.example", name, reply_to),
        consent={},
        messages=shipped(),
        churn_levels=(),
        by_name={},
        opens={},
        dwells=False,
        cancels={},
        groups={},
        experiments={},
        holdout=0.0,
        idles=False,
        delivers=False,
        answers=False,
        blunt=frozenset(),
        goals=frozenset(),
        stage_schemes={},
        tier_schemes={},
        band_schemes={},
        segments={},
        flags={},
        treatments={},
        goes_by=By(),
        verdicts=verdicts(Rows()),
    )


def plan(message: str, view: dict[str, Any] | None = None, **fields: Any) -> Plan:
    told = {
        "at": AT,
        "send_id": events.derived_id("send", message),
        "window_id": "w1",
        "person_id": "0123456789abcdef",
        "customer_id": "c-1",
        "channel": "email",
        "trigger": "product_page_abandonment",
        "step": 0,
        "message": message,
        "policy": "s1@abc",
        "opened_at": AT - 7_200_000,
        "due_at": AT,
        "expires_at": AT + 86_400_000,
        "to_address": "ada@shop.example",
        "to_name": "Ada Example",
        "cause": ["e-1"],
        "values": {"consent": "email"},
        "view": {**FULL, **(view or {})},
    }
    return Plan(**{**told, **fields})


def outputs(one: Plan, renderer: RendererProgram | None = None) -> list[Output]:
    program = renderer or RendererProgram(lambda ref: pack(), SECRET, "https://kairos.example")
    _, record = program.read(Arrived(events.encode(one)))
    return program.step(None, record, Moment(record.at, record.at, 500, {}, 0, 7))[1]


def sent(message: str, view: dict[str, Any] | None = None, **fields: Any) -> Send:
    found = [output for output in outputs(plan(message, view, **fields)) if output.topic == "message_sends"]
    return msgspec.json.decode(found[0].value, type=Send)
