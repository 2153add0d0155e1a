"""One window: an opening, what is gathered while it is open, and the step of its chain it stands at (design.md 2)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from app.domain import line, money, scope, waits
from app.domain.contacts import Contacts
from app.domain.days import DAY_MS
from app.domain.dwell import View
from app.domain.experiments import Drawn
from app.domain.given import Offers
from app.domain.goals import Awaited
from app.domain.line import Line
from app.domain.orders import Orders, find
from app.domain.product import Product
from app.domain.repeats import Count
from app.domain.scope import NO_PRODUCT, ORDER, PRODUCT, Subject
from app.domain.trigger import Facts, Trigger
from app.events import begun, id_of_three

NEVER = -1
HELD = 2**62
"""`wake_at` of a window that is due while she is merging: it waits for what is on its way to her, not for time."""

CART = ("cart_add", "cart_remove")
DELIVERY_MS = 60 * DAY_MS
"""An order that nobody has reported delivered by then will not be."""
MAX_ASKED = 20
"""Messages of a programme whose answers are still counted."""
FRAME = 300
"""Bytes of a window's names, hashes and instants at most; what the shop sent is measured."""
NUMBERS = frozenset((int, float))
_encode = msgspec.msgpack.Encoder().encode
NOTHING, NO_LINES = Raw(_encode({})), Raw(_encode(()))


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
    more: int = 0
    """Pieces beyond the lines that are kept."""
    refunded: int = 0
    told: Raw = NOTHING
    """Its opening's plain properties, see `properties`. Both stay encoded: they are read at few records, and every one rewrites the row."""
    gathered: Raw = NO_LINES
    """The products gathered, see `lines`."""
    size: int = 0
    """Bytes, as encoded."""
    sent: int = 0
    """Messages that went out: from the first on it holds its suppression group."""
    arms: tuple[tuple[str, str], ...] = ()
    """(experiment, arm) as drawn at the opening."""
    silent: str = ""
    """`control_arm`, `holdout`, or `condition_false` (her arm asks for more): what she would get is recorded, not sent."""
    awaits: bool = False
    """Its first wait has not begun: the order is not delivered yet."""
    held: str = ""
    """Why its present step is held: `quiet_hours`, `send_time`, `frequency_cap`, `lost_to_trigger`, `suppression_group`, `merging`."""
    first_at: int = 0
    """When its present step would first have gone out, had nothing held it (ms); 0: it never got so far. It expires by this."""
    released_at: int = 0
    """When its present step, once held, passed the gate (ms): its follow-up waits from here. 0: it was not held."""
    every: int = 0
    """Of a trigger that goes by treatments: the interval (ms) of the stage that opened it."""
    asked: tuple[int, ...] = ()
    """Of a programme: when its newest messages went out (ms), for `window.unanswered`."""
    creative: tuple[tuple[str, str], ...] = ()
    """Of the planned step: which variant of each factor its message has (`creative.chosen`)."""


class Sent(Struct, frozen=True, array_like=True):
    """A message of this trigger and scope went out: no new window of it before `until` (ms), by journal time as the sending was."""

    trigger: str
    product: Product
    until: int


Latest = tuple[tuple[str, str, int], ...]
"""The newest of each kind of event, see `Windows.latest`."""


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
    counts: tuple[Count, ...] = ()
    """Events on their way to an opening that needs several."""
    goals: tuple[Awaited, ...] = ()
    """Messages whose goal may still be reached."""
    latest: Latest = ()
    """(kind, event id, the shop's time) of the newest event of each kind that cancels whatever it is about: no look-back need list them."""
    contacts: Contacts = ()
    """The messages she got lately, or is about to: what caps count."""
    forgotten: int = 0
    """Messages that gave way among them before their time."""
    offers: Offers = ()
    """What she was offered lately."""


def properties(window: Window) -> dict[str, Any]:
    """The opening event's plain properties."""
    return _decode_properties(window.told)


def lines(window: Window) -> tuple[Line, ...]:
    """The products gathered while it is open."""
    return _decode_lines(window.gathered)


def opened(
    trigger: Trigger,
    ref: str,
    scope_key: str,
    subject: Subject,
    opened_at: int,
    now: int,
    person_id: str,
    drawn: Drawn,
    every: int = 0,
) -> Window:
    """The window that `subject` opens (`event_at` is its own time); `opened_at` may be later, where a later event told the dwell.

    `every`: its interval, of a trigger that goes by treatments.
    """
    if trigger.delivery:
        due_at = opened_at + DELIVERY_MS
    else:
        due_at = waits.first_due(trigger, subject, opened_at, drawn.wait, every)
    scoped, arms = trigger.opening.scope, drawn.arms
    packed: _Packed = subject.packed or _packed(subject)
    about = subject.products[0] if scoped == PRODUCT else NO_PRODUCT
    size = packed.sizes.get(scoped)
    if size is None:
        size = packed.sizes[scoped] = packed.size + len(_encode((scope_key, subject.cause, about, ())))
    return Window(  # by place up to its size, of which there is one for each window of an event: by name it costs four times as much
        id_of_three(begun(ref.partition("@")[0], trigger.name), scope_key, subject.cause, person_id),
        trigger.name,
        ref,
        scoped,
        scope_key,
        about,
        subject.kind,
        subject.cause,
        subject.ts,
        opened_at,
        0,
        due_at,
        due_at if due_at > now else now,
        "",
        False,
        1,
        packed.seconds,
        packed.more,
        0,
        packed.told,
        packed.gathered,
        size if not arms else size + len(_encode(arms)) - 1,
        0,
        arms,
        drawn.silent,
        trigger.delivery,
        every=every,
    )


class _Packed(Struct, frozen=True):
    """What all windows keep of the event that opens them, packed once. `size`: of it, with their frame."""

    told: Raw
    gathered: Raw
    more: int
    seconds: float
    size: int
    sizes: dict[str, int]
    """Scope → bytes of a window of it, without arms."""


def _packed(subject: Subject) -> _Packed:
    kept, more = _with((), 0, subject)
    told, gathered = Raw(_encode(scope.plain(subject.properties))), Raw(_encode(kept))
    packed = subject.packed = _Packed(told, gathered, more, seconds(subject), FRAME + len(told) + len(gathered), {})
    return packed


def products(window: Window) -> list[Product]:
    """What it is about: its product, or every product it has gathered."""
    return [window.product] if window.scope == PRODUCT else [one.product for one in lines(window)]


def joined(window: Window, subject: Subject) -> Window:
    """The window after a repeated opening of its scope."""
    window = replace(window, views=window.views + 1, seconds=round(window.seconds + seconds(subject), 3))
    return gathered(window, subject)


def gathered(window: Window, subject: Subject) -> Window:
    """The window with the subject's products among its lines, as far as there is room."""
    before = lines(window)
    kept, more = _with(before, window.more, subject)
    return _changed(window, before, kept, more)


def absorbed(window: Window, other: Window) -> Window:
    """The window with all that another one of its scope has gathered."""
    kept, more = before, _ = lines(window), window.more + other.more
    for one in lines(other):
        after = line.added(kept, one, other.kind == "cart_add")
        kept, more = (kept, more + one.quantity) if after is None else (after, more)
    views, back, sent = window.views + other.views, max(window.refunded, other.refunded), max(window.sent, other.sent)
    window = replace(window, views=views, seconds=round(window.seconds + other.seconds, 3), refunded=back, sent=sent)
    return _changed(window, before, kept, more)


def _with(kept: tuple[Line, ...], more: int, subject: Subject) -> tuple[tuple[Line, ...], int]:
    """Lines with the subject's products among them, and pieces beyond."""
    for one in subject.told or ((subject.properties,) if subject.products or subject.kind in CART else ()):
        new = line.line(one, subject.ts, None if subject.told else subject.product)
        after = line.added(kept, new, subject.kind == "cart_add")
        kept, more = (kept, more + new.quantity) if after is None else (after, more)
    return kept, more


def _changed(window: Window, before: tuple[Line, ...], kept: tuple[Line, ...], more: int) -> Window:
    if kept is before and more == window.more:
        return window
    told = _encode(kept)
    return replace(window, gathered=Raw(told), more=more, size=window.size + len(told) - len(window.gathered))


def without(window: Window, subject: Subject) -> Window:
    """The window after a cart_remove; the same object if that changes nothing."""
    before = kept = lines(window)
    more = window.more
    for told in subject.told or (subject.properties,):
        new = line.line(told, subject.ts)
        after = line.removed(kept, new.product, line.quantity(told), subject.ts)
        if after is not None:
            kept = after
        elif more and not any(one.product.same(new.product) for one in kept):
            more = max(0, more - new.quantity)
    return _changed(window, before, kept, more)


def refunded(window: Window, subject: Subject) -> Window:
    """The window after a refund of its order; without an amount all of it was given back."""
    amount = money.units(subject.properties.get("amount"))
    return replace(window, refunded=line.value(lines(window)) if amount is None else window.refunded + max(0, amount))


PRODUCTS = "products"


def facts(window: Window, orders: Orders | None, answered_at: int = 0, whole: bool = True) -> Facts:
    """`window` as conditions see it; money as a plain number. `orders`: of a window of an order, whose account is kept there.

    `answered_at`: when she last opened or clicked a mail herself (ms), for `unanswered`: its messages that went out since. Its
    products cost more than all else: they are there only if it is asked for as a `whole`.
    """
    kept = lines(window)
    cost, back = _money(window, kept, orders)
    told: Facts = {
        "views": window.views,
        "seconds": window.seconds,
        "quantity": sum(one.quantity for one in kept) + window.more,
        "value": cost / money.UNITS,
        "refunded": back / money.UNITS,
        "step": window.step,
        "unanswered": sum([at > answered_at for at in window.asked]),
    }
    if whole:
        told[PRODUCTS] = [line.view(one) for one in kept]
    return told


def worth(window: Window, orders: Orders | None) -> float:
    """`facts(…)["value"]` alone."""
    return _money(window, lines(window), orders)[0] / money.UNITS


def _money(window: Window, kept: tuple[Line, ...], orders: Orders | None) -> tuple[int, int]:
    """(what it is worth, what of that was given back), in units."""
    if orders is not None and window.scope == ORDER and (order := find(orders, window.key)) is not None:
        return order.amount, max(window.refunded, order.refunded)
    return line.value(kept), window.refunded


FACTS = frozenset(("views", "seconds", "products", "quantity", "value", "refunded", "step", "unanswered"))
"""Keys of `facts`; a test keeps them in step."""


def seconds(subject: Subject) -> float:
    """The dwell the subject tells, 0 if none."""
    told: Any = subject.properties.get("dwell_seconds")
    return float(told) if type(told) in NUMBERS and told > 0 else 0.0


_decode_properties = msgspec.msgpack.Decoder(dict[str, Any]).decode
_decode_lines = msgspec.msgpack.Decoder(tuple[Line, ...]).decode
