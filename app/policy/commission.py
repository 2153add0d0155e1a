"""What whoever writes a message is told: what it is for, how the shop speaks, which variables there are. Of people it says nothing (A-183).

A-184: the tone is the brand's, the content is of use to whoever reads it, and nothing is promised that is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson
from liquid.exceptions import LiquidError
from msgspec import Struct

from app.domain.message_view import SHAPE, Shape, is_link
from app.domain.rendering import compiled
from app.domain.scope import ORDER, SEND
from app.domain.treatments import TIER
from app.domain.trigger import Trigger
from app.policy.phrases import events
from app.policy.reading import about_products, messages_of, view
from app.policy.schema import Source
from app.policy.variables import used
from app.policy.wording import FILTERS, LENGTHS, PARTS, SHORT, TAGS, Wording, example

MAX_BRIEF = 2_000
"""Characters."""
_PERSONAL = re.compile(r"\S+@\S+\.\S+|\+?\d[\d ()/.-]{6,}\d")
"""An e-mail address, a telephone or customer number."""
_INDEX = re.compile(r"\[\d+\]")
_DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
PRODUCT = (SHAPE.keys or {})["recent"].items or Shape()
_HERS = ("orders", "first_purchase_at", "last_purchase_at", "primary_interest", "flags", "treatment")
"""Of the profile: what she may be told without feeling watched."""
_OURS = (
    "user",
    "segment",
    "session_id",
    "event_type",
    "intensity",
    "arms",
    "subject",
    "preheader",
    "unsubscribe_url",
    "picture_url",
    "trigger",
    "step",
    "email",
    "id",
    "person_id",
    "customer_id",
)


class Commission(Struct, frozen=True):
    """`purposes`: (trigger, which of its messages, why it is sent). `variables`: paths a template may read here."""

    message: str
    channel: str
    shop: str
    voice: str
    tones: tuple[str, ...]
    purposes: tuple[tuple[str, int, str], ...]
    variables: tuple[str, ...]
    present: Wording | None = None
    brief: str = ""
    tone: str = ""


def personal(text: str) -> str | None:
    """What in a text looks like it is a person's: an address or a number by which she is reached or known."""
    found = _PERSONAL.search(_DAY.sub("", text))
    return found.group() if found is not None else None


def senders(source: Source, name: str) -> list[tuple[Trigger, int]]:
    """(trigger, step) of every message of the pack that is this one, arms of experiments included."""
    found = [(one, step) for one in source.triggers for step, message in messages_of(one) if message == name]
    for experiment, _ in source.experiments.values():
        if any(arm.message == name for arm in experiment.arms):
            found += [(one, 0) for one in source.triggers if one.name in experiment.triggers]
    return list(dict.fromkeys(found))


def commission(source: Source, name: str, channel: str, present: Wording | None, brief: str, tone: str) -> Commission:
    """Of a pack's message, from the pack alone."""
    sending = senders(source, name)
    shop = source.brand.name or (source.sender.name if source.sender is not None else "")
    tones = [one.tone for one in source.rows.treatments.values() if one.of == TIER and one.tone]
    purposes = tuple([(one.name, step, f"{one.why} (opens on {events(one.opening.on)})") for one, step in sending])
    told = tuple([one for one in _variables(sending) if channel == "sms" or not is_link(one.rpartition(".")[2])])
    return Commission(name, channel, shop, source.brand.voice, tuple(dict.fromkeys(tones)), purposes, told, present, brief, tone)


def _variables(sending: Sequence[tuple[Trigger, int]]) -> Iterator[str]:
    yield "profile.treatment.tier.tone"
    shapes = dict(SHAPE.keys or {})
    known = [set(view(one, step)["event"]) for one, step in sending if one.opening.scope != SEND]
    if known:
        names = set.intersection(*known)
        if all(about_products(one) for one, _ in sending):
            names |= set(PRODUCT.keys or ())  # the catalogue fills them in
        shapes["event"] = Shape(keys=dict.fromkeys(sorted(names), Shape()))
    if not any(one.opening.scope == ORDER for one, _ in sending):
        shapes.pop("order")
    if sending and not any(about_products(one) for one, _ in sending):
        shapes["window"] = Shape(keys={name: one for name, one in (shapes["window"].keys or {}).items() if name != "products"})
    yield from _paths(shapes)


def _paths(shapes: Mapping[str, Shape], above: str = "") -> Iterator[str]:
    for name, shape in shapes.items():
        if name in _OURS or (above == "profile." and name not in _HERS):
            continue
        if shape.keys:
            yield from _paths(shape.keys, f"{above}{name}.")
        elif shape.items is not None and shape.items.keys:
            yield from _paths(shape.items.keys, f"{above}{name}[0].")
        elif shape.keys is None:
            yield f"{above}{name}"


def unknown(wording: Wording, told: Commission) -> list[str]:
    """Variables that it reads and was not offered: what its trigger cannot tell, and what a shop knows of a person but does not say."""
    found: dict[str, None] = {}
    for text in (wording.subject, wording.preheader, wording.headline, wording.text):
        try:
            found |= dict.fromkeys(sorted(used(compiled(text, html=False))))
        except LiquidError as error:
            return [f"Liquid: {error.message}"]
    lists = {one.partition("[0]")[0] for one in told.variables if "[0]" in one}
    known = {*told.variables, *lists, *(f"{one}.size" for one in lists)}
    return [f"the variable {one}: it is not among those that may stand here" for one in found if _INDEX.sub("[0]", one) not in known]


def asked(told: Commission) -> list[dict[str, str]]:
    """The chat that asks for it: `role` and `content` of each message."""
    parts = (*PARTS[told.channel], "headline") if told.channel == "email" else PARTS[told.channel]
    answer = {name: what for name, what in example().items() if name in parts}
    limits = ", ".join(f"{name} {SHORT.get(told.channel, LENGTHS[name]) if name == 'text' else LENGTHS[name]}" for name in parts)
    rules = [
        "You write messages that an online shop sends to its customers. Write as a considerate person of that shop would: plain, warm, "
        "of use to the reader; no pressure, no exclamation marks, nothing invented.",
        f"Answer with one JSON object and nothing else: {orjson.dumps(answer).decode()}",
        f"Characters at most: {limits}.",
        "Plain text only: no HTML, no Markdown, no links and no addresses. No digits, prices, percentages or dates as text: they may only "
        "come from variables.",
        "Liquid: print a variable as {{ customer.first_name }}. Any of them may be missing for a person: put it inside "
        "{% if customer.first_name %}…{% else %}…{% endif %} or give it a default as "
        "{{ event.product_name | default: 'what you looked at' }}. A price is {{ event.price | money: event.currency }}. "
        f"Tags: {', '.join(TAGS)}. Filters: {', '.join(FILTERS)}.",
        "The layout adds greeting, products, prices, buttons, signature and the way to unsubscribe. Promise no discount, stock or date.",
    ]
    return [{"role": "system", "content": "\n".join(rules)}, {"role": "user", "content": "\n".join(_told(told))}]


def _told(told: Commission) -> Iterator[str]:
    yield f"Message: {told.message} ({told.channel})"
    if told.shop:
        yield f"Shop: {told.shop}"
    if told.voice:
        yield f"How the shop speaks: {told.voice}"
    if told.tone:
        yield f"Tone of this message: {told.tone}"
    elif told.tones:
        yield f"Tones by tier of customer, all of whom get this text: {', '.join(told.tones)}"
    for trigger, step, why in told.purposes:
        yield f"Sent by {trigger}, {'its first message' if step == 0 else f'follow-up {step}'}, because: {why}"
    if told.brief:
        yield f"Brief: {told.brief}"
    if told.present is not None:
        yield f"The present wording: {_json(told.present)}"
    yield f"Variables, and no others, whatever the present wording reads: {', '.join(told.variables)}"


def _json(wording: Wording) -> str:
    return orjson.dumps({name: getattr(wording, name) for name in LENGTHS if getattr(wording, name)}).decode()


def refused(answer: str, complaints: Iterable[str]) -> list[dict[str, str]]:
    """How the chat goes on after an answer that cannot be taken."""
    listed = "\n".join(f"- {one}" for one in complaints)
    return [
        {"role": "assistant", "content": answer},
        {"role": "user", "content": f"This cannot be taken:\n{listed}\nAnswer with the whole JSON object again, mended."},
    ]
