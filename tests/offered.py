"""A person in virtual time whose plans the real renderer writes, with a catalogue and budgets: for stories of offers."""

from __future__ import annotations

from typing import Any

import msgspec

from app import events
from app.agents.renderer_program import RendererProgram
from app.domain.budgets import BUDGETS, Budgets
from app.domain.catalogue import Item
from app.domain.effects import Effect, PlanMessage
from app.domain.person import See
from app.domain.trigger import Pack
from app.engine.program import Moment
from app.events import Decision, Plan, Send
from app.policy.pack import compile_artifact
from tests.her import SECOND, Her
from tests.mails import SECRET, Arrived
from tests.test_packs import GOOD, build_text

HEAD = GOOD[: GOOD.index("[[trigger]]")]


def quiz(offer: str, more: str = "", name: str = "quiz", on: str = "quiz_done") -> str:
    """A trigger of one message with an offer, an hour after a quiz."""
    return f'''
[[trigger]]
name  = "{name}"
why   = "a reason to write"
open  = {{ on = "{on}" }}
wait  = "1h"
send  = "win-back-offer"
offer = {offer}
{more}
'''


def shop(text: str, ref: str = "mine@1") -> Pack:
    return compile_artifact(ref, build_text(HEAD + text))


class Shopper(Her):
    def __init__(self, pack: Pack | str, items: dict[str, Item] | None = None, budgets: Budgets | None = None, partition: int = 0) -> None:
        super().__init__(pack)
        self.budgets, self.partition = budgets, partition
        held: dict[str, Any] = {BUDGETS: budgets} if budgets is not None else {}
        self.renderer = RendererProgram(
            lambda ref: held[ref] if ref in held else self.packs[ref], SECRET, "https://kairos.example", items=(items or {}).get
        )
        self.accounts: dict[bytes, Any] = {}
        self.mails: list[Send] = []
        self.told: list[Decision] = []

    def _see(self) -> See:
        models = {BUDGETS: BUDGETS} if self.budgets is not None else {}
        return See(self.group, self.now, self.low_water, SECOND, self.pack, self.packs.__getitem__, self.assume, active=models)

    def _take(self, effects: list[Effect]) -> None:
        super_answers, self.answers = self.answers, ""
        super()._take(effects)
        self.answers = super_answers
        for effect in effects:
            if isinstance(effect, PlanMessage):
                self.render(effect.plan)

    def render(self, plan: Plan) -> None:
        key, record = self.renderer.read(Arrived(events.encode(plan)))
        group = None if key is None else self.accounts.get(key, self.renderer.load(key, []))
        group, outputs = self.renderer.step(group, record, Moment(plan.at, plan.at, SECOND, {}, self.partition, 0))
        if key is not None:
            self.accounts[key] = group
        for output in outputs:
            if output.topic == "message_sends":
                self.mails.append(msgspec.json.decode(output.value, type=Send))
            elif output.topic == "decisions":
                self.told.append(msgspec.json.decode(output.value, type=Decision))
            elif output.topic == "journal":
                self._step(events.journal.decode(output.value))

    @property
    def offers(self) -> list[tuple[str, float, str] | None]:
        """(kind, discount, code) of each message, None of one without."""
        return [one.offer and (one.offer["kind"], one.offer["discount"], one.offer["code"]) for one in self.mails]

    @property
    def rates(self) -> list[float | None]:
        return [one and one[1] for one in self.offers]
