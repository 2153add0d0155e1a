"""The renderer's program: a plan becomes a finished message, or the recorded reason why it could not.

Reads message_plans; keeps what campaigns gave away; writes message_sends, decisions, its answers on the journal, to the
address what it could not write, dead_letters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from app import events
from app.agents.answers import decision, not_sent
from app.domain import address, approval, creative, discretion, granting, open_time, rendering, still
from app.domain.budgets import BUDGETS, Budgets, Spent
from app.domain.catalogue import Families, Items, alone, nothing, once
from app.domain.decision import policy_name
from app.domain.granting import Grant
from app.domain.message import MessageSource
from app.domain.reach import EMAIL, PUSH, SMS
from app.domain.recommended import RECOMMENDATIONS, Shown, recommended
from app.domain.rendering import MissingContent, Rendered, RenderFailed, render, render_short
from app.domain.signing import sign
from app.domain.trigger import Pack, Sender
from app.engine.artifacts import POLICY, POPULATION
from app.engine.counts import Counts
from app.engine.letter import dead_letter
from app.engine.origin import Marks
from app.engine.program import Incoming, Moment, Output, Refused
from app.engine.rows import NEVER
from app.events import Plan, Send, Undecodable, Unwritten, derived_id, iso
from app.flow import Stage

TO = {EMAIL: "email", SMS: "phone", PUSH: "token"}
"""Channel → what its address is called in a send."""
ACCOUNT = b"b"
"""Kind of the row of a campaign: what its messages of this partition may cost."""
_encode, _spent = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Spent).decode


class RendererProgram:
    """`packs(ref)`: the compiled pack, or model, of an artifact already loaded. `items`, `families`: the catalogue as this worker knows it.

    `secret` signs the links, which stand under `public_url`. There is no clock here: everything in a message comes from its plan, its
    pack and the catalogue, so a plan read twice gives the same bytes.
    """

    stage = Stage.RENDERER
    row_kinds = (ACCOUNT,)
    checks_origin = True

    def __init__(
        self,
        packs: Callable[[str], Any],
        secret: str,
        public_url: str,
        items: Items = nothing,
        counts: Counts | None = None,
        families: Families = alone,
    ) -> None:
        self._packs, self._secret, self._items, self._counts = packs, secret, items, counts or Counts()
        self._families = families
        self._public_url = public_url.rstrip("/")

    def read(self, incoming: Incoming) -> tuple[bytes | None, Plan]:
        try:
            plan: Plan = events.plans.decode(incoming.value)
        except Undecodable as error:
            raise Refused("undecodable", [{"path": "", "message": str(error)}]) from error
        campaign = granting.campaign(plan)
        return None if campaign is None else campaign.encode(), plan

    def now(self, record: Plan, marks: Marks) -> int:
        return record.at

    def load(self, key: bytes, bodies: Sequence[bytes | None]) -> Spent:
        return _spent(bodies[0]) if bodies and bodies[0] is not None else Spent()

    def step(self, group: Spent | None, record: Plan, moment: Moment) -> tuple[Spent | None, list[Output]]:
        pack: Pack = self._packs(record.policy)
        source = pack.messages[record.message]
        if not source.approved:
            return group, _not_sent(record, "not_approved", {"approval": approval.standing(source)}, self._counts)
        row, items = pack.by_name.get(record.trigger), once(self._items)
        gone = still.over(record, row, items) or discretion.over(record, row, pack.sensitive, items)
        if gone is not None:
            return group, _not_sent(record, *gone, self._counts)
        grant = self._grant(group, record, pack, items, moment)
        if grant is not None:
            record = granting.told_in(record, grant)
            if grant.refused:
                return group, _not_sent(record, "budget", {}, self._counts)
        link = f"{self._public_url}/u/{unsubscribe_token(self._secret, record)}"
        picks = recommended(record, source, pack, self._packs, items)
        view = {**record.view, **picks.view, "unsubscribe_url": link, "shop": {"name": pack.sender.name}}
        view |= open_time.told(source, record.view, items, record.at, self._secret, self._public_url)
        if record.creative:
            source, view["creative"] = creative.written(source, pack.variants_of[record.message], record.creative)
        view = discretion.kept(view, row, pack.sensitive, items, rendering.named(source, record.channel))
        try:
            if record.channel == EMAIL:
                message = render(source, view, items, record.at)
            else:
                message = render_short(source, record.channel, view, items, record.at)
        except RenderFailed as failure:
            return group, _unwritten(record, failure, self._counts)
        spent = group if grant is None or grant.spent is None else grant.spent
        return spent, _sent(record, pack.sender, source, message, link, picks, self._counts, grant)

    def _grant(self, group: Spent | None, plan: Plan, pack: Pack, items: Items, moment: Moment) -> Grant | None:
        budgets: Any = None
        if (ref := _paid_by(plan)) is not None:
            with contextlib.suppress(KeyError):  # never there whole, or taken off the topic since this was planned
                budgets = self._packs(ref)
        if not isinstance(budgets, Budgets):
            budgets = None  # no campaign has anything to give
        return granting.granted(plan, pack.offers, (items, self._families), self._secret, budgets, group, moment.partition)

    def wake(self, group: Spent | None, moment: Moment) -> tuple[Spent | None, list[Output]]:
        return group, []

    def due(self, group: Spent | None) -> int:
        return NEVER

    def dump(self, group: Spent | None, loaded: Spent | None) -> list[tuple[bytes, bytes]]:
        return [] if group is None or group == loaded else [(ACCOUNT, _encode(group))]

    def bury(self, incoming: Incoming, reason: str, detail: list[dict[str, str]], moment: Moment) -> Output:
        self._counts.buried("renderer", reason)
        letter_id = derived_id("dead", "message_plans", str(moment.partition), str(incoming.offset))
        return dead_letter(letter_id, "renderer", "message_plans", moment.partition, incoming, reason, detail, moment.now)

    def fault(self, group: Spent | None, incoming: Incoming) -> Spent | None:
        return group


def unsubscribe_token(secret: str, plan: Plan) -> str:
    """Person, message and, if there is one, customer id: with the latter an unsubscribe needs no lookup and works while we are down."""
    return sign(secret, "unsubscribe", [plan.person_id, plan.send_id, plan.customer_id or ""])


def _sent(
    plan: Plan,
    sender: Sender,
    source: MessageSource,
    message: Rendered,
    link: str,
    picks: Shown,
    counts: Counts,
    grant: Grant | None,
) -> list[Output]:
    used = _used(plan, picks.ref)
    send = Send(
        send_id=plan.send_id,
        window_id=plan.window_id,
        person_id=plan.person_id,
        customer_id=plan.customer_id,
        channel=plan.channel,
        trigger=plan.trigger,
        step=plan.step,
        message=plan.message,
        policy=policy_name(plan.policy),
        opened_at=iso(plan.opened_at),
        due_at=iso(plan.due_at),
        decided_at=iso(plan.at),
        expires_at=iso(plan.expires_at),
        to={TO[plan.channel]: plan.to_address, "name": plan.to_name},
        from_=mailbox(sender.email, sender.name) if plan.channel == EMAIL else sender.name,
        reply_to=sender.reply_to if plan.channel == EMAIL else None,
        subject=message.subject,
        preheader=message.preheader,
        html=message.html,
        text=message.text,
        headers={"List-Unsubscribe": f"<{link}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if plan.channel == EMAIL else {},
        arms=[
            *({"experiment": name, "arm": arm} for name, arm in plan.arms),
            *({"experiment": f"creative/{plan.message}/{factor}", "arm": variant} for factor, variant in plan.creative.items()),
        ],
        offer=None if grant is None else grant.offer,
        recommendations=list(message.recommendations),
        cause=plan.cause,
        versions={
            "template": template_version(source, plan.channel),
            "models": {kind: ref for kind, ref in used.items() if kind != POLICY},
        },
    )
    key = plan.person_id.encode()
    sent = decision(plan, "sent", None, {**plan.values, "artifacts": used})
    counts.decided(sent)
    offer = (grant.offer or {}) if grant is not None and grant.new else {}
    ids = plan.person_id, plan.send_id, plan.window_id
    answer = events.Rendered(plan.at, *ids, plan.trigger, plan.step, plan.message, plan.channel, offer)
    return [
        Output("message_sends", key, events.encode_json(send)),
        Output("decisions", key, events.encode_json(sent)),
        Output("journal", key, events.encode(answer)),
    ]


def _paid_by(plan: Plan) -> str | None:
    """Ref of the budgets that its offer's campaign is paid by."""
    return plan.models.get(BUDGETS) if granting.campaign(plan) is not None else None


def _used(plan: Plan, model: str | None) -> dict[str, str]:
    """Kind → ref of all that this message came from, beside the pack version that opened its window: whoever has the same gets the same.

    The active pack says the contact policy; figures of everybody rank her, learn variants and know everybody's hours.
    """
    used = {kind: plan.models[kind] for kind in (POLICY, POPULATION) if kind in plan.models}
    if (budgets := _paid_by(plan)) is not None:
        used[BUDGETS] = budgets
    return used if model is None else {**used, RECOMMENDATIONS: model}


def _unwritten(plan: Plan, failure: RenderFailed, counts: Counts) -> list[Output]:
    told = {"missing": failure.variable} if isinstance(failure, MissingContent) else {"failed": failure.detail}
    return _not_sent(plan, "missing_content", told, counts)


def _not_sent(plan: Plan, reason: str, told: dict[str, Any], counts: Counts) -> list[Output]:
    """Its address is told, too: for whoever shares it the message is still to come."""
    told = {"artifacts": _used(plan, None), **told}
    unwritten = events.encode(Unwritten(plan.at, plan.person_id, plan.send_id))
    return [*not_sent(plan, reason, told, counts), Output("addressed_plans", address.key(plan.channel, plan.to_address), unwritten)]


def mailbox(email: str, name: str) -> str:
    """`"Display name" <address>` (RFC 5322), the name as it is written; or the bare address."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{email}>' if name else email


@lru_cache(maxsize=500)
def template_version(source: MessageSource, channel: str) -> str:
    """Hash of a message's sources in a channel: which text it was."""
    if channel != EMAIL:
        return derived_id("message", source.name, channel, *((source.sms,) if channel == SMS else (source.push_title, source.push)))
    return derived_id("message", source.name, source.subject, source.preheader, source.html, source.text)
