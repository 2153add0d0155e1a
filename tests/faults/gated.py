"""What the gate does in a run of the shop: counted, and judged by the naive gate's rules, which share nothing with the domain."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

from app.domain.effects import Decide, PlanMessage
from app.domain.person import Group
from app.domain.trigger import Pack
from app.events import Moved, NotRendered
from app.policy.pack import build, compile_artifact
from tests.naive_gate import Audit, H

BUSY = "tests/packs/busy/busy.toml"
PACKS = ("merged", "s1", "busy")


def _cap(most: int, per: int | str, *triggers: str) -> dict[str, Any]:
    return {"most": most, "per": per, "triggers": list(triggers), "counts": "messages"}


RULES: dict[str, dict[str, Any]] = {
    "merged": {
        "quiet": (21 * 60, 8 * 60),
        "holidays": [],
        "zone": None,
        "caps": [_cap(4, 7 * 24 * H), _cap(1, 16 * H)],
    },
    "s1": {"quiet": None, "holidays": [], "zone": None, "caps": []},
    "busy": {
        "quiet": (20 * 60 + 30, 6 * 60 + 15),
        "holidays": ["03-04"],
        "zone": "America/St_Johns",
        "caps": [_cap(1, 2 * H), _cap(4, "day"), _cap(1, 6 * H, "cart_abandonment", "product_page_abandonment")],
    },
}
"""What the packs say of hours and numbers, as the naive gate reads it. Nobody here has a tier."""
MUST_HAPPEN = (
    "refused", "held quiet_hours", "held frequency_cap", "held lost_to_trigger", "held suppression_group", "held merging", "planned",
    "planned after quiet_hours", "planned after frequency_cap", "planned after lost_to_trigger", "ended by a hold", "barred closed",
    "barred message",
)  # fmt: skip
"""What some seeds together must contain: a simulation in which nothing is held proves nothing about holding."""


@cache
def compiled(name: str) -> Pack:
    return compile_artifact(*build(BUSY if name == "busy" else name))


@cache
def packs() -> dict[str, Pack]:
    return {pack.ref: pack for pack in map(compiled, PACKS)}


class Watch:
    """Told of every record before its step and of every step's effects."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.wrong: list[str] = []
        """Rules that were broken."""
        self._audits: dict[str, Audit] = {}
        self._held: dict[tuple[str, int], str] = {}
        """(window, step) → why it is held."""

    def _audit(self, person_id: str) -> Audit:
        if person_id not in self._audits:
            self._audits[person_id] = Audit(RULES["s1"])
            self._tell(person_id, what="consent", given=True, at=0)  # whose consent it is after a merge the domain alone knows
        return self._audits[person_id]

    def _tell(self, person_id: str, **entry: Any) -> None:
        self.wrong += [f"{person_id}: {wrong}" for wrong in self._audit(person_id).take(entry)]

    def hear(self, record: Any, now: int) -> None:
        """What a record means to her messages so far, before the step."""
        if isinstance(record, NotRendered):
            self.tally["refused"] += 1
            self._tell(record.person_id, what="refused", at=now, send=record.send_id)
        elif isinstance(record, Moved) and record.source:
            self._tell(record.person_id, what="met", at=now, whose=self._audit(record.source))

    def judge(self, effects: list[Any], group: Group, now: int, ref: str) -> None:
        """What the step did about her messages."""
        who = group.person.person_id
        for effect in effects:
            if isinstance(effect, Decide) and effect.decision.outcome == "held":
                one = effect.decision
                self.tally[f"held {one.reason}"] += 1
                self._held[one.window_id, one.step] = one.reason or ""
            elif isinstance(effect, Decide) and effect.decision.outcome == "not_sent":
                one = effect.decision
                self.tally["ended by a hold"] += self._held.pop((one.window_id, one.step), "-") == one.reason
            elif isinstance(effect, PlanMessage):
                plan = effect.plan
                self.tally["planned"] += 1
                was = self._held.pop((plan.window_id, plan.step), "")
                if was:
                    self.tally[f"planned after {was}"] += 1
                trigger = packs()[plan.policy].by_name[plan.trigger]
                row = {"name": trigger.name, "depth": trigger.depth, "transactional": trigger.transactional}
                self._tell(who, what="policy", at=now, rules=RULES[ref.partition("@")[0]])
                self._tell(who, what="zone", at=now, zone=group.person.profile.device.timezone or "")
                told = {"send": plan.send_id, "window": plan.window_id, "step": plan.step}
                self._tell(who, what="planned", at=now, row=row, **told)
