"""One window: an opening, what is gathered while it is open, and the step of its chain it stands at (design.md 2)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.domain import line, money, scope
from app.domain.dwell import View
from app.domain.line import Line
from app.domain.orders import Orders, find
from app.domain.product import Product
from app.domain.scope import NO_PRODUCT, ORDER, PRODUCT, Subject
from app.domain.trigger import Facts, Trigger
from app.events import derived_id

NEVER = -1

CART = ("cart_add", "cart_remove")


class Window(Struct, frozen=True, array_like=True):
    """An open window. Times are ms; `ref` is the pack version it was opened under, which keeps its row and templates."""

    window_id: str
    trigger: str
    ref: str
    scope: str
    key: str
    product: Product
    kind: str
    """Event type or conclusion kind of the opening."""
    opening: str
    """The opening event's id."""
    event_at: int
    """The opening event's own time: what happened after it may cancel."""
    opened_at: int
    """The opening's time: the view's, or that of the event which told its dwell."""
    step: int
    due_at: int
    wake_at: int
    """When to look at it: its step's due_at, or later if that was past; for a planned step when its message expires."""
    send_id: str = ""
    """Of the planned step until the renderer has answered."""
    closing: bool = False
    """Cancelled while planned: only the renderer's answer is still awaited."""
    views: int = 1
    seconds: float = 0.0
    lines: tuple[Line, ...] = ()
    more: int = 0
    """Pieces beyond the lines that are kept."""
    refunded: int = 0
    properties: dict[str, Any] = {}
    size: int = 0
    """Bytes, as encoded when its lines last changed."""


class Sent(Struct, frozen=True, array_like=True):
    """A message of this trigger and scope went out: no new window of it before `until` (ms), by journal time as the sending was."""

    trigger: str
    product: Product
    until: int


class Windows(Struct, frozen=True, array_like=True):
    """The scheduler's part of a person's row. `next`: the earliest wake_at, or NEVER."""

    open: tuple[Window, ...] = ()
    pending: tuple[View, ...] = ()
    """Views that wait for somebody to tell their dwell."""
    once: tuple[str, ...] = ()
    """Triggers with `once` that have had their window."""
    sent: tuple[Sent, ...] = ()
    newest_cancel: int = 0
    """The newest shop's time in the look-back, so that it is read only when it can matter."""
    next: int = NEVER


def opened(trigger: Trigger, ref: str, scope_key: str, subject: Subject, opened_at: int, now: int, person_id: str) -> Window:
    """The window that `subject` opens (`event_at` is its own time); `opened_at` may be later, where a later event told the dwell."""
    name = ref.partition("@")[0]
    due_at = opened_at + trigger.steps[0].wait
    window = Window(
        window_id=derived_id(name, trigger.name, scope_key, subject.cause, person_id),
        trigger=trigger.name,
        ref=ref,
        scope=trigger.opening.scope,
        key=scope_key,
        product=subject.products[0] if trigger.opening.scope == PRODUCT else NO_PRODUCT,
        kind=subject.kind,
        opening=subject.cause,
        event_at=subject.ts,
        opened_at=opened_at,
        step=0,
        due_at=due_at,
        wake_at=max(due_at, now),
        seconds=seconds(subject),
        properties=scope.plain(subject.properties),
    )
    return gathered(window, subject)


def joined(window: Window, subject: Subject) -> Window:
    """The window after a repeated opening of its scope."""
    window = replace(window, views=window.views + 1, seconds=round(window.seconds + seconds(subject), 3))
    return gathered(window, subject)


def gathered(window: Window, subject: Subject) -> Window:
    """The window with the subject's products among its lines, as far as there is room."""
    lines, more = window.lines, window.more
    told = subject.told or ((subject.properties,) if subject.products or subject.kind in CART else ())
    for one in told:
        new = line.line(one, subject.ts)
        after = line.added(lines, new, subject.kind == "cart_add")
        lines, more = (lines, more + new.quantity) if after is None else (after, more)
    if lines is window.lines and more == window.more:
        return window
    return measured(replace(window, lines=lines, more=more))


def without(window: Window, subject: Subject) -> Window:
    """The window after a cart_remove; the same object if that changes nothing."""
    lines, more = window.lines, window.more
    for told in subject.told or (subject.properties,):
        new = line.line(told, subject.ts)
        after = line.removed(lines, new.product, line.quantity(told), subject.ts)
        if after is not None:
            lines = after
        elif more and not any(one.product.same(new.product) for one in lines):
            more = max(0, more - new.quantity)
    if lines is window.lines and more == window.more:
        return window
    return measured(replace(window, lines=lines, more=more))


def refunded(window: Window, subject: Subject) -> Window:
    """The window after a refund of its order; without an amount all of it was given back."""
    amount = money.units(subject.properties.get("amount"))
    return replace(window, refunded=line.value(window.lines) if amount is None else window.refunded + max(0, amount))


def facts(window: Window, orders: Orders | None) -> Facts:
    """`window` as conditions see it; money as a plain number. `orders`: of a window of an order, whose account is kept there."""
    cost, back = line.value(window.lines), window.refunded
    if orders is not None and window.scope == ORDER and (order := find(orders, window.key)) is not None:
        cost, back = order.amount, max(back, order.refunded)
    return {
        "views": window.views,
        "seconds": window.seconds,
        "products": [line.view(one) for one in window.lines],
        "quantity": sum(one.quantity for one in window.lines) + window.more,
        "value": cost / money.UNITS,
        "refunded": back / money.UNITS,
        "step": window.step,
    }


FACTS = frozenset(("views", "seconds", "products", "quantity", "value", "refunded", "step"))
"""Keys of `facts`; a test keeps them in step."""


def seconds(subject: Subject) -> float:
    """The dwell the subject tells, 0 if none."""
    told = subject.properties.get("dwell_seconds")
    return float(told) if isinstance(told, int | float) and not isinstance(told, bool) and told > 0 else 0.0


def measured(window: Window) -> Window:
    """The window with its size taken anew."""
    return replace(window, size=len(_encode(window)))


_encode = msgspec.msgpack.Encoder().encode
