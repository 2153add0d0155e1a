"""A predicate of a pack as a plain Python function over what is known of a person (app/domain/facts.py).

CEL checks the text; its tree, and nothing else of the text, is written down as Python, so that a ladder costs a microsecond and only
what a verdict really turns on is read. Semantics are CEL's: what cannot be compared is an error, an `||` holds if either side does even
if the other errs, an `&&` does not if either does not. An error travels as a `Fault`, the text that says what went wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from app.domain.segments import Judge, Predicate
from app.policy.conditions import MAX_TEXT, BadCondition
from app.policy.expression import Node, parsed, paths
from app.policy.script import FLAGS, MOVES, OPEN, SEGMENTS, STILL, Kind
from app.policy.written import ARITHMETIC, Writer, segment_named

__all__ = ["FLAGS", "MOVES", "OPEN", "SEGMENTS", "STILL", "Kind", "checked", "ladders", "named", "predicate", "segment_named", "segments"]

ROOTS = ("profile", "intent", "churn")


def predicate(text: str, kind: Kind) -> Predicate:
    """Compiles one predicate. Raises `BadCondition`."""
    return _compiled(text, tuple([(path, kind(path)) for path in dict.fromkeys(paths(_tree(text)))]))


@lru_cache(maxsize=4_096)  # bands and segments are asked for again by everything that explains, draws or checks a pack
def _compiled(text: str, kinds: tuple[tuple[str, str | None], ...]) -> Predicate:
    kind = dict(kinds).get
    node = checked(text, kind)
    writer = Writer(kind)
    writer.boolean(node, "found")
    writer.line("return found")
    return Predicate(text, tuple(dict.fromkeys(paths(node))), writer.done([node]))


def _tree(text: str) -> Node:
    if len(text) > MAX_TEXT:
        raise BadCondition(f"a condition of {len(text)} characters; at most {MAX_TEXT}")
    return parsed(text)


def checked(text: str, kind: Kind) -> Node:
    """The tree of a text that a predicate can be made of. Raises `BadCondition`."""
    node = _tree(text)
    for path in paths(node):
        root = path.partition(".")[0]
        if root not in ROOTS:
            raise BadCondition(f"{path}: a predicate is about {', '.join(ROOTS)}")
        if kind(path) is None:
            raise BadCondition(f"nothing is known as {path!r}")
    if not _may_be_boolean(node):
        raise BadCondition("a predicate is true or false")
    Writer(kind).boolean(node, "found")  # whatever cannot be written down is refused here, with the row it stands in
    return node


def ladders(flags: Sequence[tuple[str, Node]], schemes: Sequence[Sequence[tuple[str, Node | None]]], kind: Kind) -> Judge:
    """All flags, then for each scheme the name of the first whose predicate holds, as one function."""
    writer = Writer(kind)
    held = writer.named(flags, FLAGS)
    found = []
    for number, stages in enumerate(schemes):
        found.append(stage := f"s{number}")
        writer.line(f"{stage} = None")
        writer.line("while True:")
        with writer.block():
            for name, node in stages:
                if node is None:
                    writer.line(f"{stage} = {name!r}")
                    break
                verdict = writer.fresh()
                writer.boolean(node, verdict)
                writer.line(f"if {verdict} is True:")
                with writer.block():
                    writer.line(f"{stage} = {name!r}")
                    writer.line("break")
            writer.line("break")
    writer.line(f"return {held}, ({''.join(f'{one}, ' for one in found)})")
    nodes = [node for _, node in flags] + [node for stages in schemes for _, node in stages if node is not None]
    return writer.done(nodes)


def segments(rows: Sequence[tuple[str, Node]], kind: Kind, flags: Sequence[tuple[str, Node]] = ()) -> Judge:
    """The names of those whose predicate holds, as one function; a later row may ask for an earlier one by name, and for flags."""
    writer = Writer(kind)
    asked = {path for _, node in rows for path in paths(node)}
    for name, node in reversed(flags):  # a flag may ask for those above it
        asked |= set(paths(node)) if f"{FLAGS}{name}" in asked else set()
    asking = [(name, node) for name, node in flags if f"{FLAGS}{name}" in asked]
    writer.judge(asking, FLAGS)
    writer.line(f"return {writer.named(rows, SEGMENTS)}")
    return writer.done([node for _, node in (*asking, *rows)])


def named(node: Node) -> set[str]:
    """Segments it asks for by name."""
    found = {name} if (name := segment_named(node)) is not None else set()
    return found.union(*map(named, node.of))


def _may_be_boolean(node: Node) -> bool:
    if node.kind == "constant":
        return isinstance(node.value, bool)
    if node.kind == "call" and node.value == "_?_:_":
        return all(map(_may_be_boolean, node.of[1:]))
    return node.kind != "call" or node.value not in ("-_", "size", "list", *ARITHMETIC)
