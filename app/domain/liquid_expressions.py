"""The expressions of a parsed Liquid template as Python functions: what they come to is what Liquid's own `evaluate` says, sooner.

Values that are none of JSON's, and what is not there, are left to Liquid: what an undefined variable does is Liquid's to say.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from liquid import Markup, RenderContext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions import logical as said
from liquid.builtin.expressions.primitive import FalseLiteral, FloatLiteral, IntegerLiteral, StringLiteral, TrueLiteral
from liquid.builtin.filters.misc import default
from liquid.exceptions import FilterArgumentError, LiquidTypeError

from app.domain.liquid_limits import ALWAYS, NEVER, SHORT, every

Read = Callable[[RenderContext], Any]
Test = Callable[[RenderContext], bool]
Change = Callable[[Any, RenderContext], Any]
"""A filter with its arguments."""

NOWHERE: Any = object()
"""What a path leads to that leads nowhere."""
TEXTS, NUMBERS = frozenset((str, Markup)), frozenset((int, float))
_PLAIN = frozenset((str, int, float, bool, dict, list, Markup))
"""Types of which Liquid holds every value for true, 0 and "" too, but False."""
_LITERALS = frozenset((StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral))


def roots(nodes: Iterable[Any]) -> Iterator[str]:
    """First names of all variables under these nodes; "": of one that is itself a variable's value."""
    for node in every(nodes):
        expressions = list(node.expressions())
        while expressions:
            one = expressions.pop()
            expressions += one.children()
            if isinstance(one, Path):
                yield one.path[0] if isinstance(one.path[0], str) else ""


class Expressions:
    """Of one template. `bound`: names to which the template itself gives values; every other is one of the globals."""

    def __init__(self, template: Any) -> None:
        self.env = template.env
        self.bound = {"partial"}
        for node in every(template.nodes):
            self.bound |= {str(name) for name in (*node.template_scope(), *node.block_scope())}

    def value(self, expression: Any) -> Read:
        kind = type(expression)
        if kind is FilteredExpression:
            return self.filtered(expression)
        if kind in _LITERALS:
            value = Markup(expression.value) if kind is StringLiteral and self.env.autoescape else expression.value
            return lambda context: value
        find = self.find(expression)
        if find is None:
            return expression.evaluate  # type: ignore[no-any-return]
        path, token = list(expression.path), expression.token

        def read(context: RenderContext) -> Any:
            found = find(context)
            return context.get(path, token=token) if found is NOWHERE else found

        return read

    def filtered(self, expression: Any) -> Read:
        filters = list(expression.filters or ())
        read = self.value(expression.left)
        if filters and (quick := self.defaulted(expression.left, filters[0])) is not None:
            read = quick
            del filters[0]
        for one in filters:
            read = _changed(read, self.filter(one))
        return read

    def defaulted(self, expression: Any, one: Any) -> Read | None:
        """`x | default: y`, where x is a variable and y is one of the globals or a literal."""
        find, change = self.find(expression), self.filter(one)
        args = [arg.value for arg in one.args]
        steady = all(type(arg) in _LITERALS or (self.find(arg) is not None and arg.path[0] not in self.bound) for arg in args)
        if find is None or self.env.filters.get(one.name) is not default or not (steady and len(args) == 1):
            return None
        read = self.value(args[0])

        def value(context: RenderContext) -> Any:
            found = find(context)
            if found is NOWHERE or found is None:
                return read(context)
            kind = type(found)
            if kind is str or kind is list or kind is dict:
                return found or read(context)
            return found if kind in NUMBERS else change(found, context)

        return value

    def filter(self, one: Any) -> Change:
        function = self.env.filters.get(one.name)
        if function is None or getattr(function, "with_context", False) or any(getattr(arg, "name", None) for arg in one.args):
            return one.evaluate  # type: ignore[no-any-return]
        if getattr(function, "with_environment", False):
            function = partial(function, environment=self.env)
        name, token, args = one.name, one.token, [self.value(arg.value) for arg in one.args]
        fixed = all(type(arg.value) in _LITERALS for arg in one.args)
        literals = [arg(None) for arg in args] if fixed else []
        counted, free = name in ALWAYS or not all([_short(one) for one in literals]), name in NEVER

        def change(value: Any, context: Any) -> Any:
            told = literals if fixed else [arg(context) for arg in args]
            try:
                # Asked here and not by a function: nearly every filter of a mail is of a short text.
                if counted or not (free or (len(value) <= SHORT if type(value) in TEXTS else _short(value))):
                    return context.changed(name, function, value, told)
                if not (fixed or free):
                    for one in told:
                        if not (len(one) <= SHORT if type(one) in TEXTS else _short(one)):
                            return context.changed(name, function, value, told)
                return function(value, *told)
            except TypeError as error:
                raise LiquidTypeError(f"{name}: {error}", token=token) from error
            except (LiquidTypeError, FilterArgumentError) as error:
                error.token = token
                raise

        return change

    def test(self, expression: Any) -> Test:
        kind = type(expression)
        if kind is said.BooleanExpression:
            return self.test(expression.expression)
        if kind is said.LogicalAndExpression or kind is said.LogicalOrExpression:
            one, other = self.test(expression.left), self.test(expression.right)
            if kind is said.LogicalAndExpression:
                return lambda context: one(context) and other(context)
            return lambda context: one(context) or other(context)
        if kind in _ORDERS:
            return self.order(expression)
        if kind is said.EqExpression or kind is said.NeExpression:
            return self.equality(expression, kind is said.EqExpression)
        if kind is said.ContainsExpression:
            return self.containment(expression)
        find = self.side(expression)

        def test(context: RenderContext) -> bool:
            found = find(context)
            if found is NOWHERE or found is None or found is False:
                return False
            return type(found) in _PLAIN or said.is_truthy(found)

        return test

    def side(self, expression: Any) -> Read:
        return self.find(expression) or self.value(expression)

    def order(self, expression: Any) -> Test:
        """<, >, <= and >=: of numbers. What is not there is neither more nor less than anything."""
        compare, evaluate = _ORDERS[type(expression)], expression.evaluate
        one, other = self.side(expression.left), self.side(expression.right)
        if type(expression) is said.GtExpression:  # Liquid asks the right side first: it may be an error of its own
            one, other, compare = other, one, operator.lt

        def test(context: Any) -> bool:
            left, right = one(context), other(context)
            if left is NOWHERE or right is NOWHERE:
                return False
            if type(left) in NUMBERS and type(right) in NUMBERS:
                return compare(left, right)
            context.weigh(left)
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    def equality(self, expression: Any, wanted: bool) -> Test:
        one, other, evaluate = self.side(expression.left), self.side(expression.right), expression.evaluate

        def test(context: Any) -> bool:
            left, right = one(context), other(context)
            kind = TEXTS if type(right) in TEXTS else NUMBERS
            if type(right) in kind and (left is NOWHERE or type(left) in kind):
                if kind is TEXTS and len(right) > SHORT:
                    context.spend(len(right))
                return (left == right) is wanted
            context.weigh(left)
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    def containment(self, expression: Any) -> Test:
        one, other, evaluate = self.side(expression.left), self.side(expression.right), expression.evaluate

        def test(context: Any) -> bool:
            left, right = one(context), other(context)
            if left is NOWHERE or right is NOWHERE:
                return False
            if not _short(left):
                context.weigh(left, 6)  # six times at most: how often Python may begin anew on its way through a text
            if type(right) in TEXTS and (type(left) is str or type(left) is list):
                return right in left
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    def find(self, expression: Any) -> Read | None:
        """What a path leads to, or `NOWHERE`; None: it is no path, or one that holds another variable."""
        if type(expression) is not Path or not isinstance(expression.path[0], str):
            return None
        if not all(isinstance(key, str | int) for key in expression.path):
            return None
        bound = expression.path[0] in self.bound
        return _size(expression.path[:-1], bound) if expression.path[1:][-1:] == ["size"] else _find(expression.path, bound)


_LARGE = 2**63
_ORDERS: dict[Any, Callable[[Any, Any], bool]] = {
    said.LtExpression: operator.lt,
    said.GtExpression: operator.gt,
    said.LeExpression: operator.le,
    said.GeExpression: operator.ge,
}


def _short(value: Any) -> bool:
    """Whether what is done with a value is not worth counting."""
    kind = type(value)
    if kind is str or kind is Markup:
        return len(value) <= SHORT
    return kind is float or (kind is int and -_LARGE < value < _LARGE)


def _changed(read: Read, change: Change) -> Read:
    return lambda context: change(read(context), context)


def _walk(path: list[Any]) -> Read:
    """As Liquid looks a path up, but without making an undefined of what is not there."""
    root = path[0]

    def walk(context: RenderContext) -> Any:
        # Liquid asks every map of the scope and catches its KeyError; most names stand in the third or fourth.
        for found in context.scope._maps:
            if root in found:
                try:
                    for key in path:
                        found = found[key] if isinstance(found, dict) else context.get_item(found, key)
                    return found
                except (KeyError, TypeError, IndexError):
                    break
        return NOWHERE

    return walk


def _find(path: list[Any], bound: bool) -> Read:
    """`bound`: it may be a name that the template gave; else it is one of the globals, or Liquid knows it."""
    root, *keys = path
    walk = _walk(path)

    def find(context: RenderContext) -> Any:
        for names in context.scope._maps if bound else (context.globals,):
            if root in names:
                found = names[root]
                break
        else:
            return walk(context)
        for key in keys:
            if isinstance(found, dict):
                if key not in found:
                    return NOWHERE
            elif not (type(key) is int and isinstance(found, list) and 0 <= key < len(found)):
                return walk(context)
            found = found[key]
        return found

    return find


def _size(path: list[Any], bound: bool) -> Read:
    find, walk = _find(path, bound), _walk([*path, "size"])

    def size(context: RenderContext) -> Any:
        found = find(context)
        return len(found) if isinstance(found, list) else walk(context)

    return size
