"""What a template may take beside loops, captures and output, which Liquid bounds itself: the text of its tags, ranges, what filters
return, and the sum of its work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from liquid import Markup, RenderContext, escape
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.tags.for_tag import ForNode
from liquid.exceptions import ResourceLimitError

MAX_RANGE = 2_000
"""Numbers of a range."""
MAX_MADE = 200_000
"""Characters of a text that a filter returns."""
MAX_LIST = 10_000
"""Items of a list that a filter returns."""
MAX_BITS = 1_024
"""Of a whole number: no more than the largest that has a fraction."""
MAX_WORK = 10_000_000
"""Of one template, where 1 is a character that is looked at: a quarter of a second at worst, a hundred times what a mail takes."""
MAX_TAG = 2_000
"""Characters of a tag, or of one line of `{% liquid %}`."""
MAX_GAP = 200
"""Blanks in a row within a tag."""
MAX_OPEN = 20
"""Tags that begin and never end, as text about templates may hold."""
SHORT = 200
"""Characters up to which a text is not worth counting: what is done with it is a step."""
_ITEM, _STEP, _PATTERN = 50, 20, 100

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_WIDE = re.compile(rf"\s{{{MAX_GAP + 1}}}")
_LINES = re.compile(r"\{%-?\s*liquid\b")
_ENDS = (("{{", "}}"), ("{%", "%}"))
_WHOLE = {name: (re.compile(rf"\{{%-?\s*{name}\b"), re.compile(rf"\{{%-?\s*end{name}\b")) for name in ("raw", "doc")}


def unreadable(source: str) -> tuple[int, str] | None:
    """(place, why) of what Liquid would take minutes to parse: it reads to the end for each tag that has none, and for every blank."""
    for opening, closing in _ENDS:
        after = source.rfind(closing) + 1
        if source.count(opening, after) > MAX_OPEN:
            return source.find(opening, after), f"{opening} without {closing}"
    for name, (begins, ends) in _WHOLE.items():
        after = max((one.end() for one in ends.finditer(source)), default=0)
        left = [one.start() for one in begins.finditer(source, after)]
        if len(left) > MAX_OPEN:
            return left[0], f"{name} without end{name}"
    last = 0
    for tag in _TAG.finditer(source):
        last = tag.end()
        if (why := _wide(tag.group())) is not None:
            return tag.start(), why
    tail = min((at for opening, _ in _ENDS if (at := source.find(opening, last)) >= 0), default=-1)
    if tail >= 0 and _WIDE.search(source, tail):
        return tail, "a tag that does not end"
    return None


def _wide(tag: str) -> str | None:
    if len(tag) > MAX_TAG and (not _LINES.match(tag) or any(len(line) > MAX_TAG for line in tag.split("\n"))):
        return f"a tag, or a line of {{% liquid %}}, of more than {MAX_TAG} characters"
    return f"more than {MAX_GAP} blanks in a row within a tag" if len(tag) > MAX_GAP and _WIDE.search(tag) else None


class _Range(RangeLiteral):  # type: ignore[misc]  # Liquid is read as untyped
    """`(1..n)` that is never longer than what may be done with each of its numbers."""

    __slots__ = ()

    def _make_range(self, start: Any, stop: Any) -> range:
        found: range = super()._make_range(start, stop)
        if found.stop - found.start > MAX_RANGE:
            raise ResourceLimitError(_too_long(found.stop - found.start), token=self.token)
        return found


def _too_long(numbers: int) -> str:
    return f"a range of {numbers if numbers < 10**12 else 'very many'} numbers: at most {MAX_RANGE}"


def every(nodes: Iterable[Any]) -> Iterable[Any]:
    """These nodes and all under them."""
    for node in nodes:
        yield node
        yield from every(node.children(None, include_partials=False))


def bounded(template: Any) -> Any:
    """The parsed template with its ranges bounded, wherever they stand: Liquid has no say in what class it makes them of."""
    for one in _ranges(template):
        one.__class__ = _Range
    return template


def too_long(template: Any) -> list[tuple[int, str]]:
    """(place, why) of every range that is too long as it is written."""
    ends = [(one, one.start.value, one.stop.value) for one in _ranges(template) if _literal(one.start) and _literal(one.stop)]
    return [(one.token.start_index, _too_long(stop - start + 1)) for one, start, stop in ends if stop - start >= MAX_RANGE]


def _literal(expression: Any) -> bool:
    return type(expression) is IntegerLiteral


def _ranges(template: Any) -> list[Any]:
    found = []
    for node in every(template.nodes):
        expressions = list(node.expressions())
        while expressions:
            one = expressions.pop()
            expressions += one.children()
            if isinstance(one, RangeLiteral):
                found.append(one)
    return found


def steps(nodes: Iterable[Any]) -> int:
    """Work of writing these nodes once, with short texts; loops under them count for themselves, each time they begin."""
    total = 0
    for node in nodes:
        total += _STEP * (1 + sum([_terms(one) for one in node.expressions()]))
        if type(node) is not ForNode:
            total += steps(node.children(None, include_partials=False))
        elif node.default:
            total += steps([node.default])
    return total


def _terms(expression: Any) -> int:
    filters = 4 * len(expression.filters or ()) if isinstance(expression, FilteredExpression) else 0
    return 1 + filters + sum([_terms(one) for one in expression.children()])


class LimitedContext(RenderContext):  # type: ignore[misc]  # Liquid is read as untyped
    """`work`: what is left of it. `at`: where the tag begins that is being written, if anybody keeps count."""

    work = MAX_WORK
    at = 0

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise ResourceLimitError("too much work: a loop of dear filters, or of long texts", token=None)

    def weigh(self, value: Any, times: int = 1) -> None:
        """Spends what it takes to look at every part of a value."""
        self.spend(times * _weight(value, self.work))

    def filter(self, name: str, token: Any) -> Callable[..., Any]:
        function = super().filter(name, token)
        return lambda value, *args, **named: self.changed(name, function, value, args, named)

    def changed(self, name: str, function: Callable[..., Any], value: Any, args: Sequence[Any], named: Mapping[str, Any] = {}) -> Any:
        """The value as a filter changes it, refused before it takes long or grows large."""
        weight = work = _items(value, self.work) if name in _BY_ITEM else _weight(value, self.work)
        longest = 0
        for one in (*args, *named.values()) if named else args:
            other = len(one) if type(one) is str else _weight(one, self.work)
            work += other
            longest = max(longest, other)
        if longest > _PATTERN // 5:
            # Looking for one text in another may cost their lengths' product, up to where Python looks for it in another way.
            work *= 1 + min(longest, _PATTERN) // 20
        self.spend(work + _dear(name, value, weight) if name in _DEAR else work)
        if name in _GROW and args and _growth(name, value, args, weight) > MAX_MADE:
            raise ResourceLimitError(f"{name} makes more than {MAX_MADE} characters", token=None)
        found = function(value, *args, **named)
        if isinstance(found, str):
            if len(found) > MAX_MADE:
                raise ResourceLimitError(f"{name} makes more than {MAX_MADE} characters", token=None)
        elif isinstance(found, list):
            if len(found) > MAX_LIST:
                raise ResourceLimitError(f"{name} makes a list of more than {MAX_LIST}", token=None)
        elif isinstance(found, int) and found.bit_length() > MAX_BITS:
            raise ResourceLimitError(f"{name} makes a number of more than {MAX_BITS} bits", token=None)
        return found


ALWAYS = frozenset(("strip_html",))
"""Filters that are counted however short the text: dear by the character."""
NEVER = frozenset(("default", "first", "last", "size"))
"""Filters that take no longer for more, and return nothing new."""
_BY_ITEM = frozenset(("where", "reject", "find", "find_index", "has", "map", "compact", "concat", "reverse", "slice"))
"""Filters that look at one thing of each item, not at all of it."""
_DEAR, _GROW = frozenset(("strip_html", "uniq", "sort", "sort_natural")), frozenset(("join", "replace"))


def _dear(name: str, value: Any, weight: int) -> int:
    """What a filter does more than look at everything once."""
    if name == "strip_html":  # Python's parser begins anew at every `<`
        return weight * (10 + weight // 100)
    if name == "uniq":  # compares each with each
        items = len(value) if isinstance(value, list | tuple | range) else 1
        return items * (2 * items + weight // 10)
    return 3 * weight


def _growth(name: str, value: Any, args: Sequence[Any], weight: int) -> int:
    """Characters that what is put in makes, of the two filters that put it in more than once."""
    if name == "join":
        return weight // _ITEM * len(str(args[0]))
    if len(args) < 2:
        return 0
    text = value if isinstance(value, str) else str(value)
    old, new = [escape(one) if isinstance(text, Markup) else str(one) for one in args[:2]]
    return text.count(old) * len(new)


def _items(value: Any, most: int) -> int:
    """Work of looking at each item of a list, and of lists in it."""
    if not isinstance(value, list | tuple):
        return _weight(value, most)
    total = _ITEM * len(value)
    for one in value:
        if total > most:
            break
        if isinstance(one, list | tuple):
            total += _items(one, most - total)
    return total


def _weight(value: Any, most: int) -> int:
    """Work of looking at all of a value; no more than a little over `most` is counted."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        return 1 + value.bit_length() // 8
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, range):
        return _ITEM * len(value)
    if not isinstance(value, list | tuple):
        return 1
    total = _ITEM * len(value)
    for one in value:
        if total > most:
            break
        total += _weight(one, most - total)
    return total
