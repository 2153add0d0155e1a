"""What is known of each path that a condition may name (`profile.orders`): its type, its range, whether it is always there.

Read off the contract's structs and our own views, so that a new property or score is known by itself; only ranges stand here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from app.domain import facts as known_facts
from app.domain import profile_view, window
from app.domain.event_types import EVENT_TYPES
from app.domain.person import Person
from app.domain.scope import PURCHASED, PURCHASES


class Fact(Struct, frozen=True):
    """`kind`: number, whole, text, flag, or any (nothing is known). `values`: all texts there are. `always`: never missing or null."""

    kind: str = "any"
    low: float = -math.inf
    high: float = math.inf
    values: tuple[str, ...] = ()
    always: bool = False


ANY = Fact()
COUNT = Fact("whole", 0, always=True)
SUM = Fact("number", 0, always=True)
SHARE = Fact("number", 0, 1, always=True)
ANY_SUM = Fact("number", always=True)
"""Refunds may come before what they refund."""
_RANGES = {
    "window.views": Fact("whole", 1, always=True),
    "window.seconds": SUM,
    "window.quantity": COUNT,
    "window.value": SUM,
    "window.refunded": SUM,
    "window.step": COUNT,
    "intent.level": Fact("text", values=("high", "medium", "low"), always=True),
    "intent.score": Fact("number", 0, 100, always=True),
    "churn.probability": Fact("number", 0, 1),
    "churn.level": Fact("text"),
    "profile.intent.level": Fact("text", values=("high", "medium", "low"), always=True),
    "profile.intent.score": Fact("number", 0, 100, always=True),
    "profile.churn.probability": Fact("number", 0, 1),
    "profile.spent": ANY_SUM,
    "profile.clv.value": ANY_SUM,
    **{f"profile.engagement.{part}": SHARE for part in ("score", "email", "website", "purchase", "email_before")},
    "profile.price_sensitivity": SHARE,
    "profile.mail.open_rate_30d": SHARE,
    "profile.mail.click_rate_30d": SHARE,
}
"""Ranges that no type tells (the formulas are in the modules of the views)."""

Facts = Callable[[str], Fact]


def known(path: str, on: Iterable[str] = ()) -> Fact:
    """Of a path; `on`: the event types or conclusions that `event` may be. `size(path)` is a count."""
    if path.startswith("size("):
        return COUNT
    if path in _RANGES:
        return _RANGES[path]
    root, _, rest = path.partition(".")
    return _of_event(rest, tuple(on)) if root == "event" else _of_view(root, tuple(rest.split(".")))


def event_types(kinds: Iterable[str]) -> tuple[str, ...] | None:
    """The contract's event types behind what opens or cancels; None where one of them is not the contract's."""
    found: list[str] = []
    for kind in kinds:
        found += PURCHASES if kind in PURCHASED else (kind,)
    return tuple(dict.fromkeys(found)) if all(kind in EVENT_TYPES for kind in found) else None


def tells(kinds: Iterable[str], names: Iterable[str]) -> bool:
    """Whether an event of the kinds has one of the properties; a shop's own event may have any."""
    types = event_types(kinds)
    return types is None or any(name in _properties(kind) for kind in types for name in names)


@cache
def _properties(event_type: str) -> dict[str, Fact]:
    told = msgspec.inspect.type_info(EVENT_TYPES[event_type].properties)
    assert isinstance(told, msgspec.inspect.StructType)
    return {field.encode_name: _of_type(field.type) for field in told.fields}


def _of_type(told: Any) -> Fact:
    options = told.types if isinstance(told, msgspec.inspect.UnionType) else (told,)
    (kind, *more) = [one for one in options if not isinstance(one, msgspec.inspect.NoneType)] or [None]
    if more:
        return ANY
    if isinstance(kind, msgspec.inspect.FloatType | msgspec.inspect.IntType):
        low = -math.inf if kind.ge is None else kind.ge
        return Fact("whole" if isinstance(kind, msgspec.inspect.IntType) else "number", low)
    if isinstance(kind, msgspec.inspect.StrType):
        return Fact("text")
    return Fact("flag") if isinstance(kind, msgspec.inspect.BoolType) else ANY


def _of_event(name: str, on: tuple[str, ...]) -> Fact:
    types = event_types(on)
    if types is None:
        return ANY
    facts = {_properties(kind)[name] for kind in types or EVENT_TYPES if name in _properties(kind)}
    return facts.pop() if len(facts) == 1 else ANY


@cache
def _of_view(root: str, names: tuple[str, ...]) -> Fact:
    value: Any = _views().get(root)
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return ANY
        value = value[name]
    if isinstance(value, bool):
        return Fact("flag", always=True)
    if isinstance(value, int):
        return COUNT
    return SUM if isinstance(value, float) else Fact("text") if isinstance(value, str) else ANY


@cache
def _views() -> dict[str, Any]:
    facts = known_facts.Facts(Person(""), 0)
    return {
        "window": dict.fromkeys(window.FACTS),
        **{root: profile_view.named(facts, root) for root in profile_view.tree()},
    }
