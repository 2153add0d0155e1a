"""A parsed Liquid template as Python functions: the output, limits and errors of Liquid's own walk over its tree, in a fraction of the time.

Liquid parses. What nearly all of a mail is made of (text, variables, tests, loops, filters) becomes functions, once per template; every
other tag, expression and filter is left to Liquid's own `render` and `evaluate`. So are values that are none of JSON's, and whatever is
not there: what an undefined variable does is Liquid's to say.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from liquid import Markup, RenderContext, escape
from liquid.ast import BlockNode
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions import logical as said
from liquid.builtin.expressions.primitive import FalseLiteral, FloatLiteral, IntegerLiteral, StringLiteral, TrueLiteral
from liquid.builtin.filters.misc import default
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.for_tag import ForLoop, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import (
    BreakLoop,
    ContextDepthError,
    ContinueLoop,
    FilterArgumentError,
    LiquidInterrupt,
    LiquidSyntaxError,
    LiquidTypeError,
    OutputStreamLimitError,
    StopRender,
)
from liquid.output import NullIO
from liquid.stringify import to_liquid_string

Read = Callable[[RenderContext], Any]
Test = Callable[[RenderContext], bool]
Change = Callable[[Any, RenderContext], Any]
"""A filter with its arguments."""
Write = Callable[[RenderContext, Any], object]
"""Writes a tag, or several, to a text stream."""

_NOWHERE: Any = object()
"""What a path leads to that leads nowhere."""
_PLAIN = frozenset((str, int, float, bool, dict, list, Markup))
"""Types of which Liquid holds every value for true, 0 and "" too, but False."""
_TEXTS, _NUMBERS = frozenset((str, Markup)), frozenset((int, float))
_LITERALS = frozenset((StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral))
_MARKUP = frozenset("&<>\"'")
_SINK = NullIO()


def program(template: Any, limit: int) -> Write:
    """What writes the template, as its own `render_with_context` does, to a stream that need not count; whoever calls it asks afterwards,
    also after an error, whether there were more than `limit` characters: here only loops do."""
    return _Compiler(template, limit).whole()


def roots(nodes: Iterable[Any]) -> Iterator[str | None]:
    """First names of all variables under these nodes; None: of one that is itself a variable's value."""
    for node in _all(nodes):
        expressions = list(node.expressions())
        while expressions:
            one = expressions.pop()
            expressions += one.children()
            if isinstance(one, Path):
                yield one.path[0] if isinstance(one.path[0], str) else None


def _all(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _all(node.children(None, include_partials=False))


class _Compiler:
    """`bound`: names to which the template itself gives values; every other is one of the globals."""

    def __init__(self, template: Any, limit: int) -> None:
        self.env, self.nodes, self.limit = template.env, template.nodes, limit
        self.bound = {"partial"}
        for node in _all(template.nodes):
            self.bound |= {str(name) for name in (*node.template_scope(), *node.block_scope())}

    def whole(self) -> Write:
        run = self.sequence(self.nodes)

        def write(context: RenderContext, out: Any) -> None:
            context.scope.push({"partial": False})
            try:
                run(context, out)
            except LiquidInterrupt as error:
                raise LiquidSyntaxError(f"unexpected '{error}'", token=None) from error
            except StopRender:
                pass

        return write

    # Tags.

    def sequence(self, nodes: Iterable[Any]) -> Write:
        texts, tags = [""], list[Write]()
        for node in nodes:
            if type(node) is ContentNode:
                # A stream makes line ends one in each piece that it is given.
                texts[-1] += node.text.replace("\r\n", "\n").replace("\r", "\n")
            elif type(node) is not CommentNode:
                tags.append(self.tag(node))
                texts.append("")
        last = texts.pop()
        pairs = list(zip(texts, tags, strict=True))

        def write(context: RenderContext, out: Any) -> None:
            for text, tag in pairs:
                if text:
                    out.write(text)
                tag(context, out)
            if last:
                out.write(last)

        return write

    def block(self, node: Any) -> Write:
        """A block in which there is only white space prints nothing, though its assignments count."""
        if not (self.env.suppress_blank_control_flow_blocks and node.blank):
            return self.sequence(node.nodes)
        run = self.sequence([one for one in node.nodes if type(one) is not ContentNode])
        return lambda context, out: run(context, _SINK)

    def tag(self, node: Any) -> Write:
        kind = type(node)
        if kind is IfNode or kind is UnlessNode:
            return self.choice(node, kind is IfNode)
        if kind is AssignNode:
            name, read = str(node.name), self.value(node.expression)
            return lambda context, out: context.assign(name, read(context))
        known = {OutputNode: self.output, ForNode: self.loop, CaseNode: self.case, CaptureNode: self.capture}.get(kind)
        return node.render if known is None else known(node)  # type: ignore[no-any-return]

    def output(self, node: Any) -> Write:
        read, escapes, markup = self.value(node.expression), self.env.autoescape, _MARKUP

        def write(context: RenderContext, out: Any) -> None:
            value = read(context)
            kind = type(value)
            if kind is str:
                out.write(escape(value) if escapes and not markup.isdisjoint(value) else value)
            elif kind is Markup:
                out.write(value)
            elif kind in _NUMBERS:
                out.write(str(value))
            else:
                out.write(to_liquid_string(value, escapes))

        return write

    def capture(self, node: Any) -> Write:
        run, name, escapes = self.block(node.block), str(node.name), self.env.autoescape

        def write(context: RenderContext, out: Any) -> None:
            inner = context.get_buffer(out)
            run(context, inner)
            context.assign(name, Markup(inner.getvalue()) if escapes else inner.getvalue())

        return write

    def choice(self, node: Any, wanted: bool) -> Write:
        test, first = self.test(node.condition), self.block(node.consequence)
        others = [(self.test(one.expression), self.block(one.block)) for one in node.alternatives]
        last = self.block(node.default) if node.default else None

        def write(context: RenderContext, out: Any) -> object:
            if test(context) is wanted:
                return first(context, out)
            for asked, run in others:
                if asked(context):
                    return run(context, out)
            return last(context, out) if last is not None else None

        return write

    def case(self, node: Any) -> Write:
        """Every case that holds is written, and as often as it says what holds."""
        cases = [
            (self.times(one.expression), self.block(one.block)) if type(one) is MultiExpressionBlockNode else (None, self.block(one))
            for one in node.blocks
        ]

        def write(context: RenderContext, out: Any) -> None:
            other = True
            for times, run in cases:
                if times is None:
                    if other:
                        run(context, out)
                elif count := times(context):
                    other = False
                    for _ in range(count):
                        run(context, out)

        return write

    def times(self, expression: Any) -> Callable[[RenderContext], int]:
        """How many values of a `when` the one of its `case` is."""
        find, evaluate = self.find(expression.left), expression.evaluate
        kinds = {type(one) for one in expression.expressions}
        alike = {StringLiteral: _TEXTS, IntegerLiteral: _NUMBERS}.get(kinds.pop()) if len(kinds) == 1 else None
        if find is None or alike is None:
            return lambda context: evaluate(context).count(True)  # type: ignore[no-any-return]
        values = [one.value for one in expression.expressions]

        def times(context: RenderContext) -> int:
            found = find(context)
            if found is _NOWHERE or found is None:
                return 0
            return values.count(found) if type(found) in alike else evaluate(context).count(True)

        return times

    def loop(self, node: Any) -> Write:
        expression, run = node.expression, self.block(node.block)
        name, items = str(expression.identifier), self.items(expression)
        last = self.block(node.default) if node.default else None
        title, limit, deepest = f"{name}-{expression.iterable}", self.limit, self.env.context_depth_limit

        def write(context: RenderContext, out: Any) -> object:
            iterator, length = items(context)
            if not length:
                return last(context, out) if last is not None else None
            loop = ForLoop(name=title, it=iterator, length=length, parentloop=context.parentloop())
            names: dict[str, Any] = {"forloop": loop, name: None}
            # The context's own `loop`, without its two context managers.
            context.raise_for_loop_limit(length)
            if context.scope.size() > deepest:
                raise ContextDepthError("maximum context depth reached, possible recursive include", token=None)
            context.loops.append(loop)
            context.scope.push(names)
            try:
                for names[name] in loop:
                    try:
                        run(context, out)
                    except ContinueLoop:
                        pass
                    except BreakLoop:
                        break
                    if out.tell() > limit:
                        raise OutputStreamLimitError("output stream limit reached", token=None)
            finally:
                context.scope.pop()
                context.loops.pop()
            return None

        return write

    def items(self, expression: Any) -> Callable[[RenderContext], tuple[Iterator[Any], int]]:
        """The items of a loop, and how many there are."""
        evaluate = expression.evaluate
        limited = expression.limit is not None
        if expression.offset is not None or expression.reversed or (limited and type(expression.limit) is not IntegerLiteral):
            return evaluate  # type: ignore[no-any-return]
        most = expression.limit.value if limited else None
        read, key = self.value(expression.iterable), f"{expression.identifier}-{expression.iterable}"

        def items(context: RenderContext) -> tuple[Iterator[Any], int]:
            found = read(context)
            if not isinstance(found, list) or (most is not None and most < 1):
                return evaluate(context)  # type: ignore[no-any-return]
            shown = found if most is None else found[:most]
            context.stopindex(key=key, index=len(shown))
            return iter(shown), len(shown)

        return items

    # Expressions.

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
            return context.get(path, token=token) if found is _NOWHERE else found

        return read

    def filtered(self, expression: Any) -> Read:
        filters = [self.filter(one) for one in expression.filters or ()]
        read = self.value(expression.left)
        if filters and expression.filters[0].name == "default" and self.env.filters["default"] is default:
            read = self.or_none(expression.left) or read
        for change in filters:
            read = _changed(read, change)
        return read

    def or_none(self, expression: Any) -> Read | None:
        """To the filter `default` what is not there and None are the same."""
        find = self.find(expression)
        return None if find is None else lambda context: None if (found := find(context)) is _NOWHERE else found

    def filter(self, one: Any) -> Change:
        function = self.env.filters.get(one.name)
        if function is None or getattr(function, "with_context", False) or any(getattr(arg, "name", None) for arg in one.args):
            return one.evaluate  # type: ignore[no-any-return]
        if getattr(function, "with_environment", False):
            function = partial(function, environment=self.env)
        name, token, args = one.name, one.token, [self.value(arg.value) for arg in one.args]

        def change(value: Any, context: RenderContext) -> Any:
            told = [arg(context) for arg in args]
            try:
                return function(value, *told)
            except TypeError as error:
                raise LiquidTypeError(f"{name}: {error}", token=token) from error
            except (LiquidTypeError, FilterArgumentError) as error:
                error.token = token
                raise

        return change

    # Conditions.

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
            if found is _NOWHERE or found is None or found is False:
                return False
            return type(found) in _PLAIN or said.is_truthy(found)  # type: ignore[no-any-return]

        return test

    def side(self, expression: Any) -> Read:
        return self.find(expression) or self.value(expression)

    def order(self, expression: Any) -> Test:
        """<, >, <= and >=: of numbers. What is not there is neither more nor less than anything."""
        compare, evaluate = _ORDERS[type(expression)], expression.evaluate
        one, other = self.side(expression.left), self.side(expression.right)
        if type(expression) is said.GtExpression:  # Liquid asks the right side first: it may be an error of its own
            one, other, compare = other, one, operator.lt

        def test(context: RenderContext) -> bool:
            left, right = one(context), other(context)
            if left is _NOWHERE or right is _NOWHERE:
                return False
            if type(left) in _NUMBERS and type(right) in _NUMBERS:
                return compare(left, right)
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    def equality(self, expression: Any, wanted: bool) -> Test:
        one, other, evaluate = self.side(expression.left), self.side(expression.right), expression.evaluate

        def test(context: RenderContext) -> bool:
            left, right = one(context), other(context)
            kind = _TEXTS if type(right) in _TEXTS else _NUMBERS
            if type(right) in kind and (left is _NOWHERE or type(left) in kind):
                return (left == right) is wanted
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    def containment(self, expression: Any) -> Test:
        one, other, evaluate = self.side(expression.left), self.side(expression.right), expression.evaluate

        def test(context: RenderContext) -> bool:
            left, right = one(context), other(context)
            if left is _NOWHERE or right is _NOWHERE:
                return False
            if type(right) in _TEXTS and (type(left) is str or type(left) is list):
                return right in left
            return said.is_truthy(evaluate(context))  # type: ignore[no-any-return]

        return test

    # Variables.

    def find(self, expression: Any) -> Read | None:
        """What a path leads to, or `_NOWHERE`; None: it is no path, or one that holds another variable."""
        if type(expression) is not Path or not isinstance(expression.path[0], str):
            return None
        if not all(isinstance(key, str | int) for key in expression.path):
            return None
        root, *keys = expression.path
        walk = _walk(tuple(expression.path))
        if root in self.bound:
            return _of_any(root, keys, walk)
        return _size(root, keys[:-1], walk) if keys[-1:] == ["size"] else _of_globals(root, keys, walk)


_ORDERS: dict[Any, Callable[[Any, Any], bool]] = {
    said.LtExpression: operator.lt,
    said.GtExpression: operator.gt,
    said.LeExpression: operator.le,
    said.GeExpression: operator.ge,
}


def _changed(read: Read, change: Change) -> Read:
    return lambda context: change(read(context), context)


def _walk(path: tuple[Any, ...]) -> Read:
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
        return _NOWHERE

    return walk


def _of_globals(root: str, keys: list[Any], walk: Read) -> Read:
    def find(context: RenderContext) -> Any:
        found = context.globals.get(root, _NOWHERE)
        for key in keys:
            if not isinstance(found, dict):
                return walk(context)
            if key not in found:
                return _NOWHERE
            found = found[key]
        return walk(context) if found is _NOWHERE else found

    return find


def _of_any(root: str, keys: list[Any], walk: Read) -> Read:
    def find(context: RenderContext) -> Any:
        for names in context.scope._maps:
            if root in names:
                found = names[root]
                break
        else:
            return _NOWHERE
        for key in keys:
            if not isinstance(found, dict):
                return walk(context)
            if key not in found:
                return _NOWHERE
            found = found[key]
        return found

    return find


def _size(root: str, keys: list[Any], walk: Read) -> Read:
    """How long a list of the globals is."""
    find = _of_globals(root, keys, walk)

    def size(context: RenderContext) -> Any:
        found = find(context)
        return len(found) if isinstance(found, list) else walk(context)

    return size
