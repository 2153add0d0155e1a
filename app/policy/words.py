"""What the Python of a predicate may use (predicate.py): comparisons and arithmetic as CEL has them, and nothing else.

To Python true is 1 and a whole number is as good as another; to CEL they are not. What does not go together is a `Fault`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class Fault(str):
    """Why something could not be told."""

    __slots__ = ()


NUMBERS = frozenset((int, float))
UNREAD = object()
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1


def is_number(told: Any) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool)


def _alike(one: Any, other: Any) -> bool:
    kinds = one.__class__, other.__class__
    return (kinds[0] in NUMBERS and kinds[1] in NUMBERS) or (kinds[0] is kinds[1] and kinds[0] in (str, bool))


def _unlike(one: Any, other: Any) -> Fault:
    for told in (one, other):
        if told.__class__ is Fault:
            return told
    return Fault(f"{_kind(one)} and {_kind(other)} do not go together")


def _kind(told: Any) -> str:
    return "null" if told is None else "a number" if is_number(told) else "a text" if isinstance(told, str) else f"a {type(told).__name__}"


def _less(one: Any, other: Any) -> Any:
    return one < other if _alike(one, other) else _unlike(one, other)


def _at_most(one: Any, other: Any) -> Any:
    return one <= other if _alike(one, other) else _unlike(one, other)


def _more(one: Any, other: Any) -> Any:
    return one > other if _alike(one, other) else _unlike(one, other)


def _at_least(one: Any, other: Any) -> Any:
    return one >= other if _alike(one, other) else _unlike(one, other)


def _equal(one: Any, other: Any) -> Any:
    """Numbers by their value, of whatever kind; what is of different kinds is not equal."""
    if one.__class__ is Fault or other.__class__ is Fault:
        return _unlike(one, other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_equal(mine, hers) is True for mine, hers in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) is True for key in one)
    return bool(one == other) and (one.__class__ is bool) == (other.__class__ is bool)


def _within(one: Any, other: Any) -> Any:
    if one.__class__ is Fault or other.__class__ is Fault:
        return _unlike(one, other)
    if isinstance(other, list | tuple | set | frozenset):
        return any(_equal(one, each) is True for each in other)
    if isinstance(other, dict):
        return one in other if isinstance(one, str) else _unlike(one, other)
    return _unlike(one, other)


def _counted(one: Any, other: Any, made: Callable[[Any, Any], Any]) -> Any:
    """Arithmetic of two whole numbers, or of two that are not; CEL mixes them as little as it lets them overflow."""
    kind = one.__class__
    if kind is not other.__class__ or kind not in NUMBERS:
        return _unlike(one, other)
    try:
        found = made(one, other)
    except (ZeroDivisionError, OverflowError):
        return Fault("a division by zero")
    return found if kind is float or _LEAST <= found <= _MOST else Fault("a number beyond 64 bits")


def _plus(one: Any, other: Any) -> Any:
    if one.__class__ is str and other.__class__ is str:
        return one + other
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return [*one, *other]
    return _counted(one, other, lambda a, b: a + b)


def _minus(one: Any, other: Any) -> Any:
    return _counted(one, other, lambda a, b: a - b)


def _negative(one: Any) -> Any:
    return _counted(one, one, lambda a, _: -a)


def _times(one: Any, other: Any) -> Any:
    return _counted(one, other, lambda a, b: a * b)


def _over(one: Any, other: Any) -> Any:
    """Of whole numbers cut towards zero."""
    if one.__class__ is float and other == 0.0 and other.__class__ is float:
        return math.nan if one == 0.0 else math.copysign(math.inf, one) * math.copysign(1.0, other)
    return _counted(one, other, lambda a, b: a / b if isinstance(a, float) else _cut(a, b))


def _rest(one: Any, other: Any) -> Any:
    if one.__class__ is float:
        return _unlike(one, None)
    return _counted(one, other, lambda a, b: a - b * _cut(a, b))


def _cut(one: int, other: int) -> int:
    found = abs(one) // abs(other)
    return found if (one < 0) == (other < 0) else -found


def _size(told: Any) -> Any:
    return (
        len(told) if isinstance(told, str | list | tuple | dict | set | frozenset) and told.__class__ is not Fault else _unlike(told, None)
    )


def _texts(one: Any, other: Any, asked: Callable[[str, str], bool]) -> Any:
    return asked(one, other) if one.__class__ is str and other.__class__ is str else _unlike(one, other)


def _listed(*items: Any) -> Any:
    return next((one for one in items if one.__class__ is Fault), None) or list(items)


COMPARED = {"<": "less", "<=": "at_most", ">": "more", ">=": "at_least"}
WORDS: dict[str, Any] = {
    "__builtins__": {"tuple": tuple, "bool": bool, "str": str},
    "NUMBERS": NUMBERS,
    "UNREAD": UNREAD,
    "Fault": Fault,
    "less": _less,
    "at_most": _at_most,
    "more": _more,
    "at_least": _at_least,
    "equal": _equal,
    "within": _within,
    "plus": _plus,
    "minus": _minus,
    "negative": _negative,
    "finite": lambda told: is_number(told) and math.isfinite(told),
    "times": _times,
    "over": _over,
    "rest": _rest,
    "size": _size,
    "starts": lambda one, other: _texts(one, other, str.startswith),
    "holds": lambda one, other: _texts(one, other, lambda text, part: part in text),
    "ends": lambda one, other: _texts(one, other, str.endswith),
    "listed": _listed,
}
"""Everything there is to the code that is written down: no builtin but three classes."""
