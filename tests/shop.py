"""A shop in virtual time for stories: say what people do and when, then look at what was sent and why."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from app.agents.simulator import simulator
from app.engine.program import Output
from app.events import iso
from app.policy.pack import build
from app.settings import Settings

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
MONDAY = 1_772_409_600_000
"""2026-03-02T00:00:00Z, in ms."""


@cache
def artifact(pack: str) -> tuple[str, bytes]:
    return build(pack)


class Shop:
    """`t` everywhere: ms after Monday midnight. Everybody has consent and an address unless `assume` says otherwise."""

    def __init__(self, pack: str = "s1", assume: frozenset[str] = frozenset({"consent", "address"})) -> None:
        self.outputs: list[tuple[str, bytes]] = []
        self.figures: dict[str, Any] = {}
        """Of everybody, by ref, as they became active."""
        self.simulation = simulator(artifact(pack), Settings(), self._collect, assume, figures=self.figures)
        self.simulation.activate(MONDAY, artifact(pack)[0])
        self._count = 0

    def _collect(self, topic: str, output: Output) -> None:
        self.outputs.append((topic, output.value))

    def event(
        self,
        event_type: str,
        t: int,
        customer: str | None = "ann",
        arrives: int | None = None,
        event_id: str | None = None,
        device: str | None = None,
        **properties: Any,
    ) -> str:
        """An event stamped `t` that the broker has at `arrives` (default: at once), of a customer, a device, or both. Returns its id."""
        self._count += 1
        event_id = event_id or f"e-{self._count}"
        line: dict[str, Any] = {"event_id": event_id, "event_type": event_type, "timestamp": iso(MONDAY + t), "properties": properties}
        line |= {name: told for name, told in (("customer_id", customer), ("anonymous_id", device)) if told is not None}
        self.raw(json.dumps(line).encode(), t if arrives is None else arrives, customer or device or "")
        return event_id

    def raw(self, value: bytes, t: int, key: str = "ann") -> None:
        self.simulation.feed(MONDAY + t, key.encode(), value)

    def until(self, t: int) -> None:
        self.simulation.run_until(MONDAY + t)

    def records(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(value) for name, value in self.outputs if name == topic]

    def sends(self, customer: str | None = None) -> list[tuple[str, str]]:
        """(message, when decided) of every send, the time as `d hh:mm:ss` after Monday midnight."""
        return [
            (send["message"], clock_text(send["decided_at"]))
            for send in self.records("message_sends")
            if customer is None or send["customer_id"] == customer
        ]

    def decisions(self, outcome: str, trigger: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.records("decisions") if one["outcome"] == outcome and trigger in (None, one["trigger"])]


def clock_text(moment: str) -> str:
    from datetime import datetime

    ms = int(datetime.fromisoformat(moment).timestamp() * 1000) - MONDAY
    day, rest = divmod(ms, DAY)
    return f"{day} {rest // HOUR:02d}:{rest % HOUR // MINUTE:02d}:{rest % MINUTE // SECOND:02d}"
