"""Which variables a template uses, held against what there is: a template that could only fail is refused when it is saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions import Path as Variable

from app.domain.event_types import EVENT_TYPES
from app.domain.message_view import ANY, SHAPE, VALUE, Shape
from app.domain.rendering import environment

_TESTS = ("IfNode", "UnlessNode", "ConditionalBlockNode", "CaseNode", "MultiExpressionBlockNode")
_PRINTS = ("OutputNode", "EchoNode")
_LOOP = Shape(keys=dict.fromkeys(("index", "index0", "rindex", "rindex0", "first", "last", "length", "name"), VALUE))

Fault = tuple[int, str]
"""(index into the source, what is wrong)"""


def faults(template: Any) -> list[Fault]:
    """Every variable of a compiled template that no view has, in the order of the source.

    Of `event`, `customer` and other open maps a shop may use its own keys, but only where a missing one is provided for: tested by an
    `if` somewhere in the same template, or printed with `default`.
    """
    tested = {str(variable) for node in _nodes(template.nodes) if type(node).__name__ in _TESTS for variable in _variables(node)}
    found: list[Fault] = []
    _walk(template.nodes, {}, tested, found)
    return sorted(found)


def used(template: Any) -> set[str]:
    """Every path a compiled template names, tests and loops included; a loop's own variable goes by its own name."""
    return {str(variable) for node in _nodes(template.nodes) for variable in _variables(node)}


def places(template: Any) -> list[Fault]:
    """(index, path) of every variable a compiled template names, in the order of the source."""
    named = [variable for node in _nodes(template.nodes) for variable in _variables(node)]
    return sorted({(variable.token.start_index, str(variable)) for variable in named})


def _walk(nodes: Iterable[Any], scope: dict[str, Shape], tested: set[str], found: list[Fault]) -> None:
    for node in nodes:
        kind = type(node).__name__
        for expression in node.expressions():
            for variable, guarded in _used(expression):
                shape, fault = _resolve(variable, scope, guarded or str(variable) in tested)
                whole = shape is not ANY and (shape.keys is not None or shape.items is not None)
                if fault is None and whole and kind in _PRINTS and _bare(expression):
                    fault = f"{variable} is a {'list' if shape.items else 'map'}: say which of its fields"
                if fault is not None:
                    found.append((variable.token.start_index, fault))
        if kind == "AssignNode":
            scope[str(node.name)] = _shape_of(node.expression, scope)
        elif kind == "CaptureNode":
            scope[str(node.name)] = VALUE
        inner = scope
        if kind == "ForNode":
            items = _shape_of(node.expression.iterable, scope).items
            inner = {**scope, node.expression.identifier: items or ANY, "forloop": _LOOP}
        _walk(node.children(None, include_partials=False), inner, tested, found)


def _resolve(variable: Any, scope: dict[str, Shape], guarded: bool) -> tuple[Shape, str | None]:
    """The shape at a path, and what is wrong with it."""
    segments = list(variable.path)
    root = str(segments[0])
    shape = scope[root] if root in scope else _roots().get(root)
    if shape is None:
        return ANY, f"unknown variable {root} (there are: {', '.join(sorted(_roots()))})"
    walked = root
    for segment in segments[1:]:
        if not isinstance(segment, str | int):
            return ANY, None  # a key that is itself a variable
        if shape.items is not None and segment in (shape.keys or {}):
            shape = (shape.keys or {})[str(segment)]
        elif shape.items is not None:
            shape = VALUE if segment == "size" else shape.items
        elif shape.keys is None:
            return ANY, f"unknown variable {variable}: {walked} has no fields" if segment not in ("size", "first", "last") else None
        elif segment in shape.keys:
            shape = shape.keys[str(segment)]
        elif not shape.open:
            return ANY, f"unknown variable {variable}: {walked} has {', '.join(sorted(shape.keys))}"
        elif shape is not ANY and not guarded:
            return ANY, f"undefined variable {variable}: test it with if, or give it a default, since not everybody has it"
        else:
            return ANY, None
        walked = f"{walked}.{segment}"
    return shape, None


def _used(expression: Any) -> Iterator[tuple[Any, bool]]:
    """(variable, whether a `default` stands ready) of an expression and all in it."""
    if isinstance(expression, Variable):
        yield expression, False
    ready = isinstance(expression, FilteredExpression) and any(one.name == "default" for one in expression.filters or ())
    for child in expression.children():
        for variable, guarded in _used(child):
            yield variable, guarded or ready


def _variables(node: Any) -> Iterator[Any]:
    return (variable for expression in node.expressions() for variable, _ in _used(expression))


def _nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _nodes(node.children(None, include_partials=False))


def _bare(expression: Any) -> bool:
    return isinstance(expression, FilteredExpression) and not expression.filters and isinstance(expression.left, Variable)


def _shape_of(expression: Any, scope: dict[str, Shape]) -> Shape:
    if isinstance(expression, FilteredExpression) and not expression.filters:
        expression = expression.left
    return _resolve(expression, scope, True)[0] if isinstance(expression, Variable) else ANY


@cache
def _roots() -> dict[str, Shape]:
    """The view's roots; `event` has the properties of every event type besides its own."""
    roots = dict(SHAPE.keys or {})
    declared = {field.encode_name for kind in EVENT_TYPES.values() for field in msgspec.structs.fields(kind.properties)}
    event = roots["event"]
    roots["event"] = Shape(keys={**dict.fromkeys(sorted(declared), ANY), **(event.keys or {})}, open=True)
    return roots


FILTERS = tuple(sorted(environment(autoescape=False).filters))
"""Filters a template may use."""
