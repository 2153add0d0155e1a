"""What a trigger's messages read, held against what that trigger can tell: a mail of order details has no place in a cart's chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec

from app.domain.event_types import EVENT_TYPES
from app.domain.message import MessageSource, speaks
from app.domain.rendering import MOST, MissingContent, RenderFailed, compiled, render, render_short
from app.domain.scope import ORDER, SEND
from app.domain.trigger import Pack, Trigger
from app.policy.fact import event_types, tells
from app.policy.messages import FULL
from app.policy.variables import used

PRODUCTS = ("product_id", "item_group_id", "product_name", "name", "products", "product_ids")
"""Properties by which an event is about products."""

OUT_OF_RANGE = "index out of range"
"""What Liquid says of the first of no items."""


def about_products(trigger: Trigger) -> bool:
    """Whether its opening, or what joins it, can be about a product; a mail may have been about anything."""
    return trigger.opening.scope == SEND or tells((*trigger.opening.on, *trigger.opening.joins), PRODUCTS)


def messages_of(trigger: Trigger) -> Iterator[tuple[int, str]]:
    """(step, message) of every message it may send, each once a step."""
    for number, step in enumerate(trigger.steps):
        for name in dict.fromkeys((step.message, *(choice.message for choice in step.choices))):
            yield number, name


def unreadable(trigger: Trigger, message: MessageSource, number: int) -> str | None:
    """The first variable that the message must print at this step and the trigger can never tell; None: there is none."""
    missing = _missing(message, view(trigger, number))
    # What nobody's view has is the shop's own key: a matter of its events, not of this trigger.
    return missing if missing is not None and _missing(message, _everything(number)) is None else None


def idle_roots(pack: Pack, name: str) -> tuple[str, ...]:
    """Roots the message only looks at under a condition, and which none of the triggers that send it can tell."""
    senders = [trigger for trigger in pack.triggers if any(name == sent for _, sent in messages_of(trigger))]
    message = pack.messages.get(name)
    if message is None or not senders:
        return ()
    read = {path for html, text in _sources(message) for path in used(compiled(text, html))}
    if any(unreadable(trigger, message, number) for trigger in senders for number, sent in messages_of(trigger) if sent == name):
        return ()  # worse, and said already
    roots = [("order", all(one.opening.scope != ORDER for one in senders))]
    roots.append(("window.products", not any(map(about_products, senders))))
    return tuple(root for root, lacks in roots if lacks and any(path.startswith(root) for path in read))


def view(trigger: Trigger, number: int) -> dict[str, Any]:
    """All that the trigger could tell a template at a step, and nothing else."""
    types = None if trigger.opening.scope == SEND else event_types((*trigger.opening.on, *trigger.opening.joins))
    products, ordered = about_products(trigger), trigger.opening.scope == ORDER
    told: dict[str, Any] = dict(_declared(tuple(EVENT_TYPES) if types is None else types))
    if products:
        told |= FULL["event"]
    told["event_type"] = trigger.opening.on[0]
    order = FULL["order"] if ordered else {"products": []}
    gathered = {**FULL["window"], "products": FULL["window"]["products"] if products or ordered else []}
    return _with_link({**FULL, "event": told, "order": order, "window": gathered, "trigger": trigger.name, "step": number})


def _everything(number: int) -> dict[str, Any]:
    return _with_link({**FULL, "event": {**_declared(tuple(EVENT_TYPES)), **FULL["event"]}, "step": number})


def _with_link(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "unsubscribe_url": "https://shop.example/u/token"}


@cache
def _declared(types: tuple[str, ...]) -> dict[str, Any]:
    """A value for each plain property the contract gives the types: those of examples, else a one."""
    samples = {name: value for kind in EVENT_TYPES.values() for name, value in kind.example.items() if value is not None}
    names = [field.encode_name for kind in types for field in msgspec.structs.fields(EVENT_TYPES[kind].properties)]
    return {name: value for name in names if isinstance(value := samples.get(name, 1), str | int | float)}


def _missing(message: MessageSource, told: Mapping[str, Any]) -> str | None:
    """The first variable that one of its texts must print and is not told."""
    try:
        if message.html:
            render(message, dict(told))
        for channel in MOST:
            if speaks(message, channel):
                render_short(message, channel, dict(told))
    except MissingContent as error:
        return "an item of a list" if error.variable == OUT_OF_RANGE else error.variable
    except RenderFailed:
        return None  # limits and filters are what the message's own check tries
    return None


def _sources(message: MessageSource) -> Iterator[tuple[bool, str]]:
    yield from ((False, message.subject), (False, message.preheader), (True, message.html), (False, message.text))
    yield from ((False, message.sms), (False, message.push_title), (False, message.push))
