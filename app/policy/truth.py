"""Whether conditions can hold together: interval reasoning over comparisons of a path with a constant, joined by &&, ||, !, ?:.

Every value that could make a difference is tried: the constants themselves, what lies between and beyond them, and a missing key. What
it cannot see through (a method call, two paths compared) may be anything. So "never" and "always" are proved, all else is "perhaps".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from app.policy.expression import Node
from app.policy.fact import COUNT, Fact, Facts

MAX_WAYS = 400
"""Ways in which a condition can hold; beyond it "perhaps" is the answer."""

MISSING, OTHER = object(), object()
"""Values to try: no such key; something that is neither number, text, flag nor null."""

Tested = Callable[[Any], bool | None]
"""What a comparison says of a value; None: it cannot be evaluated, so the condition does not hold."""


class Literal(Struct, frozen=True, eq=False):
    """One comparison that has to come out in one of the ways `wanted`. `about`: a path, `size(path)`, or a part as a whole."""

    about: str
    tested: Tested
    constants: tuple[Any, ...]
    wanted: tuple[bool | None, ...]


T, F, NOT_T, NOT_F = (True,), (False,), (False, None), (True, None)
_OPPOSITE: dict[tuple[bool | None, ...], tuple[bool | None, ...]] = {T: F, F: T, NOT_T: NOT_F, NOT_F: NOT_T}
_FLIPPED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}

Way = tuple[Literal, ...]


class _TooMany(Exception):
    pass


def never(facts: Facts, hold: Iterable[Node], fail: Iterable[Node] = ()) -> bool:
    """Whether it is proved that no values make all of `hold` true and none of `fail`."""
    try:
        ways: list[Way] = [()]
        for node, wanted in [*((one, T) for one in hold), *((one, NOT_T) for one in fail)]:
            ways = _both(ways, _ways(node, wanted))
    except _TooMany:
        return False
    return not any(_possible(way, facts) for way in ways)


def always(facts: Facts, node: Node) -> bool:
    """Whether it is proved that no values, and no missing key, keep the condition from holding."""
    return never(facts, (), (node,))


def _ways(node: Node, wanted: tuple[bool | None, ...]) -> list[Way]:
    """Every way in which the node comes out as wanted, each a list of comparisons that all have to come out so. Exact, errors included."""
    if node.kind == "constant":
        return [()] if node.value in (True, False) and (node.value in wanted) else []
    match node.value if node.kind == "call" else None:
        case "!_":
            return _ways(node.of[0], _OPPOSITE[wanted])
        case "_&&_" | "_||_" as function:
            left, right = (_ways(one, wanted) for one in node.of)
            # An && is true if both are, not true if either is not; an || the other way round.
            return _both(left, right) if (function == "_&&_") == (wanted in (T, NOT_F)) else _either(left, right)
        case "_?_:_":
            test, yes, no = node.of
            ways = _both(_ways(test, T), _ways(yes, wanted)) + _both(_ways(test, F), _ways(no, wanted))
            return _either(ways, _opaque(test, (None,)) if None in wanted else [])
    return [(Literal(*_comparison(node), wanted),)]


def _opaque(node: Node, wanted: tuple[bool | None, ...]) -> list[Way]:
    return [(Literal(f"?{node}", lambda value: value if isinstance(value, bool) else None, (), wanted),)]


def _both(left: list[Way], right: list[Way]) -> list[Way]:
    if len(left) * len(right) > MAX_WAYS:
        raise _TooMany
    return [(*one, *other) for one in left for other in right]


def _either(left: list[Way], right: list[Way]) -> list[Way]:
    if len(left) + len(right) > MAX_WAYS:
        raise _TooMany
    return left + right


def _comparison(node: Node) -> tuple[str, Tested, tuple[Any, ...]]:
    """(what it is about, the test, the constants in it)."""
    if node.kind == "has":
        return str(node.value), lambda value: value is not MISSING, ()
    if node.kind == "path":
        return str(node.value), lambda value: value if isinstance(value, bool) else None, (True, False)
    if node.kind == "call" and node.value in _FLIPPED:
        left, right = node.of
        if left.kind == right.kind == "constant":
            held = _compare(str(node.value), left.value, right.value)
            return "?", lambda value: held, ()
        if left.kind == "constant":
            return _about(right), _tester(_FLIPPED[str(node.value)], left.value), (left.value,)
        if right.kind == "constant":
            return _about(left), _tester(str(node.value), right.value), (right.value,)
    if node.kind == "call" and node.value == "@in" and node.of[1].value == "list" and all(one.kind == "constant" for one in node.of[1].of):
        members = tuple(one.value for one in node.of[1].of)
        return _about(node.of[0]), _member(members), members
    return f"?{node}", lambda value: value if isinstance(value, bool) else None, (True, False)


def _about(node: Node) -> str:
    if node.kind == "path":
        return str(node.value)
    return f"size({node.of[0].value})" if node.value == "size" and node.of[0].kind == "path" else f"?{node}"


def _tester(operator: str, constant: Any) -> Tested:
    return lambda value: _compare(operator, value, constant)


def _member(members: tuple[Any, ...]) -> Tested:
    return lambda value: None if value is MISSING else any(_compare("_==_", value, one) for one in members)


def _compare(operator: str, left: Any, right: Any) -> bool | None:
    """As CEL compares: equality of different types is false, order of different types an error."""
    if left is MISSING:
        return None
    alike = _sort(left) == _sort(right)
    if operator in ("_==_", "_!=_"):
        return (alike and left == right) == (operator == "_==_")
    if not alike or _sort(left) not in ("number", "text", "flag"):
        return None
    return bool({"_<_": left < right, "_<=_": left <= right, "_>_": left > right, "_>=_": left >= right}[operator])


def _sort(value: Any) -> str:
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "null" if value is None else "other"


def _possible(way: Way, facts: Facts) -> bool:
    about: dict[str, list[Literal]] = {}
    for literal in way:
        about.setdefault(literal.about, []).append(literal)
    for path, literals in about.items():
        constants = {(_sort(one), one) for literal in literals for one in literal.constants}
        fact = Fact() if path.startswith("?") else COUNT if path.startswith("size(") else facts(path)
        tried = candidates(fact, [one for _, one in constants])
        if not any(all(literal.tested(value) in literal.wanted for literal in literals) for value in tried):
            return False
    return True


def candidates(fact: Fact, constants: Sequence[Any]) -> list[Any]:
    """Values that stand for all there are, as far as comparisons with the constants can tell them apart."""
    tried: list[Any] = []
    if fact.kind in ("number", "whole", "any"):
        tried += numbers(fact, [one for one in constants if _sort(one) == "number"])
    if fact.kind in ("text", "any"):
        told = [one for one in constants if _sort(one) == "text"]
        tried += fact.values or ["", *told, *(f"{one}\x00" for one in told), "\U0010ffff"]
    if fact.kind in ("flag", "any"):
        tried += [True, False]
    if fact.kind == "any":
        tried += [OTHER]
    return tried if fact.always else [*tried, None, MISSING]


def numbers(fact: Fact, constants: Iterable[float]) -> list[float]:
    """The constants, the ends of the range, and one number in each gap between and beyond them."""
    ends = [one for one in (fact.low, fact.high) if math.isfinite(one)]
    points = sorted({*constants, *ends}) or [0]
    tried = {points[0] - 1, *points, points[-1] + 1, *((one + other) / 2 for one, other in pairwise(points))}
    if fact.kind == "whole":
        tried |= {near for one in points for near in (math.floor(one), math.floor(one) + 1, math.ceil(one) - 1)}
        tried = {one for one in tried if one == math.floor(one)}
    return sorted(one for one in tried if fact.low <= one <= fact.high)
