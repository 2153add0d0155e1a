"""A parsed Liquid template as Python functions: the output, limits and errors of Liquid's own walk over its tree, in a third of the time.

Liquid parses. What nearly all of a mail is made of (text, variables, tests, loops, filters) becomes functions, once per template; every
other tag, expression and filter is left to Liquid's own `render` and `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import Any

from liquid import Markup, RenderContext, escape
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions.primitive import IntegerLiteral, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.assign_tag import AssignNode
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.case_tag import CaseNode, MultiExpressionBlockNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.builtin.tags.echo_tag import EchoNode
from liquid.builtin.tags.for_tag import ForLoop, ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.ifchanged_tag import IfChangedNode
from liquid.builtin.tags.liquid_tag import LiquidNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import (
    BreakLoop,
    ContextDepthError,
    ContinueLoop,
    LiquidInterrupt,
    LiquidSyntaxError,
    OutputStreamLimitError,
    StopRender,
)
from liquid.output import LimitedStringIO, NullIO
from liquid.stringify import to_liquid_string
from msgspec import Struct

from app.domain.liquid_expressions import NOWHERE, NUMBERS, TEXTS, Expressions, roots
from app.domain.liquid_limits import SHORT, steps

Write = Callable[[Any, Any], object]
"""Writes a tag, or several, to a text stream."""

_MARKUP = frozenset("&<>\"'")
_SINK = NullIO()


class Output(LimitedStringIO):  # type: ignore[misc]  # Liquid is read as untyped
    """Liquid's own stream, of which captures ask what room they have left, but it does not count for itself: Liquid encodes every piece to
    count its bytes. Loops ask for its characters, of which there are no more than bytes; the rest is for whoever reads it."""

    def __init__(self, limit: int) -> None:
        StringIO.__init__(self, None, None)
        self.limit = limit

    write = StringIO.write

    @property
    def size(self) -> int:
        return int(self.tell())

    @property
    def full(self) -> bool:
        """Whether Liquid's own would have raised by now, as far as characters tell."""
        return self.size > int(self.limit)


def program(template: Any, placed: bool = False) -> Write:
    """What writes the template to an `Output`, as Liquid's `render_with_context` does. Whoever calls it asks afterwards, also after an
    error, whether the output is full. `placed`: the context always says which tag is being written, at which an error then came up."""
    return _Tags(template, placed).whole()


class _Length(Struct, frozen=True):
    """Of a loop that nothing asks how far it is: all that the limit of iterations must know."""

    length: int


class _Tags(Expressions):
    """`counts`: whether anything may read `forloop`."""

    def __init__(self, template: Any, placed: bool) -> None:
        super().__init__(template)
        self.placed = placed
        self.nodes, self.limit = template.nodes, template.env.output_stream_limit
        self.counts = not {"", "forloop"}.isdisjoint(roots(template.nodes))

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

    def sequence(self, nodes: Iterable[Any]) -> Write:
        texts, tags = [""], list[Write]()
        for node in nodes:
            if type(node) is ContentNode:
                # A stream makes line ends one in each piece that it is given.
                texts[-1] += node.text.replace("\r\n", "\n").replace("\r", "\n")
            elif type(node) is not CommentNode:
                tags.append(_placed(node, self.tag(node)) if self.placed else self.tag(node))
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
        if kind is LiquidNode:
            return self.block(node.block)
        known = {OutputNode: self.output, EchoNode: self.output, ForNode: self.loop, CaseNode: self.case}.get(kind)
        known = known or {CaptureNode: self.capture, IfChangedNode: self.change}.get(kind)
        return self.rare(node) if known is None else known(node)

    def rare(self, node: Any) -> Write:
        """What Liquid itself writes: no block, so what it takes is its values."""
        reads, limit = [self.value(one) for one in node.expressions()], self.limit

        def write(context: Any, out: Any) -> None:
            for read in reads:
                context.weigh(read(context))
            node.render(context, out)
            if out.tell() > limit:
                raise OutputStreamLimitError("output stream limit reached", token=None)

        return write if reads else node.render

    def output(self, node: Any) -> Write:
        read, escapes, markup, limit = self.value(node.expression), self.env.autoescape, _MARKUP, self.limit

        def room(text: str, context: Any, out: Any) -> None:
            context.spend(len(text))
            if out.tell() > limit:
                raise OutputStreamLimitError("output stream limit reached", token=None)

        def write(context: Any, out: Any) -> None:
            value = read(context)
            kind = type(value)
            if kind is str:
                if len(value) > SHORT:
                    room(value, context, out)
                out.write(escape(value) if escapes and not markup.isdisjoint(value) else value)
            elif kind is Markup:
                if len(value) > SHORT:
                    room(value, context, out)
                out.write(value)
            elif kind in NUMBERS:
                out.write(str(value))
            else:
                context.weigh(value)
                out.write(to_liquid_string(value, escapes))

        return write

    def capture(self, node: Any) -> Write:
        run, name, escapes = self.block(node.block), str(node.name), self.env.autoescape

        def write(context: RenderContext, out: Any) -> None:
            inner = context.get_buffer(out)
            run(context, inner)
            context.assign(name, Markup(inner.getvalue()) if escapes else inner.getvalue())

        return write

    def change(self, node: Any) -> Write:
        """`ifchanged`."""
        run = self.block(node.block)

        def write(context: Any, out: Any) -> None:
            inner = context.get_buffer(out)
            run(context, inner)
            text = inner.getvalue()
            context.spend(len(text))
            if context.ifchanged(text):
                out.write(text)

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
            (self.times(one.expression), self.block(one.block), steps([one.block]))
            if type(one) is MultiExpressionBlockNode
            else (None, self.block(one), 0)
            for one in node.blocks
        ]

        def write(context: Any, out: Any) -> None:
            other = True
            for times, run, work in cases:
                if times is None:
                    if other:
                        run(context, out)
                elif count := times(context):
                    other = False
                    if count > 1:
                        context.spend(count * work)
                    for _ in range(count):
                        run(context, out)

        return write

    def times(self, expression: Any) -> Callable[[RenderContext], int]:
        """How many values of a `when` the one of its `case` is."""
        find, evaluate = self.find(expression.left), expression.evaluate
        kinds = {type(one) for one in expression.expressions}
        alike = {StringLiteral: TEXTS, IntegerLiteral: NUMBERS}.get(kinds.pop()) if len(kinds) == 1 else None
        read = self.value(expression.left)
        if find is None or alike is None:

            def count(context: Any) -> int:
                context.weigh(read(context), len(expression.expressions))
                return evaluate(context).count(True)  # type: ignore[no-any-return]

            return count
        values = [one.value for one in expression.expressions]

        def times(context: Any) -> int:
            found = find(context)
            if found is NOWHERE or found is None:
                return 0
            if type(found) in TEXTS and len(found) > SHORT:
                context.spend(len(found) * len(values))
            return values.count(found) if type(found) in alike else evaluate(context).count(True)

        return times

    def loop(self, node: Any) -> Write:
        expression, run = node.expression, self.block(node.block)
        name, items = str(expression.identifier), self.items(expression)
        last = self.block(node.default) if node.default else None
        title, limit, deepest = f"{name}-{expression.iterable}", self.limit, self.env.context_depth_limit
        counts, work = self.counts, steps([node.block])

        def write(context: Any, out: Any) -> object:
            iterator, length = items(context)
            if not length:
                return last(context, out) if last is not None else None
            # The context's own `loop`, without its two context managers.
            context.raise_for_loop_limit(length)
            context.spend(length * work)
            if context.scope.size() > deepest:
                raise ContextDepthError("maximum context depth reached, possible recursive include", token=None)
            names: dict[str, Any] = {name: None}
            if counts:
                iterator = names["forloop"] = ForLoop(name=title, it=iterator, length=length, parentloop=context.parentloop())
            context.loops.append(names["forloop"] if counts else _Length(length))
            context.scope.push(names)
            try:
                for names[name] in iterator:
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


def _placed(node: Any, run: Write) -> Write:
    place = node.token.start_index

    def write(context: Any, out: Any) -> object:
        context.at = place
        return run(context, out)

    return write
