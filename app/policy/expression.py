"""A condition as a tree: read from CEL's own checked form, so that what is reasoned about is what is evaluated.

CEL hands it out as a protobuf message (cel.expr.CheckedExpr); of its wire format four lines are enough, and no other library is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from cel_expr_python import cel
from msgspec import Struct

from app.policy.conditions import STEP, BadCondition


class Node(Struct, frozen=True):
    """`kind`: `constant` (its `value`), `path` (`value`: `profile.orders`), `has` (a path), `call` (`value`: the function), `other`."""

    kind: str
    value: Any = None
    of: tuple[Node, ...] = ()


TRUE, FALSE = Node("constant", True), Node("constant", False)


@cache
def parsed(text: str) -> Node:
    """The tree of a condition. Raises `BadCondition`."""
    try:
        data = _env().compile(text).serialize()
    except RuntimeError as error:
        raise BadCondition(str(error).partition("\n")[0]) from error
    checked = next(value for number, value in _fields(data) if number == _ANY_VALUE)
    return _expr(next(value for number, value in _fields(checked) if number == _CHECKED_EXPR))


@cache
def _env() -> cel.Env:
    return cel.NewEnv(variables={root: cel.Type.Map(cel.Type.STRING, cel.Type.DYN) for root in STEP})


def paths(node: Node) -> Iterator[str]:
    """Every path it names."""
    if node.kind in ("path", "has"):
        yield str(node.value)
    for one in node.of:
        yield from paths(one)


# --- from bytes: field numbers of google/api/expr checked.proto and syntax.proto -----------------------------------------------------

_ANY_VALUE, _CHECKED_EXPR = 2, 4
_CONST, _IDENT, _SELECT, _CALL, _LIST = 3, 4, 5, 6, 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of one message: an int, or bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif tag & 7 == 2:
            size, at = _varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            width = 8 if tag & 7 == 1 else 4
            yield tag >> 3, data[at : at + width]
            at += width


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _expr(data: bytes) -> Node:
    for number, value in _fields(data):
        if number == _CONST:
            return _constant(value)
        if number == _IDENT:
            return Node("path", _text(value, 1))
        if number == _SELECT:
            return _select(value)
        if number == _CALL:
            return _call(value)
        if number == _LIST:
            return Node("call", "list", tuple(_expr(one) for at, one in _fields(value) if at == 1))
    return Node("other", data)  # a comprehension: equal only to itself


def _constant(data: bytes) -> Node:
    for number, value in _fields(data):
        if number == 2:
            return TRUE if value else FALSE
        if number == 3:
            return Node("constant", value - (1 << 64) if value >> 63 else value)
        if number == 4:
            return Node("constant", value)
        if number == 5:
            return Node("constant", struct.unpack("<d", value)[0])
        if number == 6:
            return Node("constant", value.decode("utf-8", "replace"))
    return Node("constant", None)


def _select(data: bytes) -> Node:
    operand, field, tested = Node("other"), _text(data, 2), False
    for number, value in _fields(data):
        if number == 1:
            operand = _expr(value)
        elif number == 3:
            tested = bool(value)
    if operand.kind != "path":
        return Node("call", f"has .{field}" if tested else f".{field}", (operand,))
    return Node("has" if tested else "path", f"{operand.value}.{field}")


def _call(data: bytes) -> Node:
    function, of = _text(data, 2), tuple(_expr(value) for number, value in _fields(data) if number in (1, 3))
    if function == "_[_]" and len(of) == 2 and of[0].kind == "path" and of[1].kind == "constant" and isinstance(of[1].value, str):
        return Node("path", f"{of[0].value}.{of[1].value}")
    if all(one.kind == "constant" for one in of) and (folded := _folded(function, [one.value for one in of])) is not None:
        return folded
    return Node("call", function, of)


def _folded(function: str, values: list[Any]) -> Node | None:
    """Arithmetic on plain numbers; what could overflow or mix types is left to CEL."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e9 for one in values):
        return None
    match function, values:
        case "-_", [one]:
            return Node("constant", -one)
        case "_+_", [one, other]:
            return Node("constant", one + other)
        case "_-_", [one, other]:
            return Node("constant", one - other)
        case "_*_", [one, other]:
            return Node("constant", one * other)
    return None


def _text(data: bytes, field: int) -> str:
    return next((value.decode("utf-8", "replace") for number, value in _fields(data) if number == field), "")
