"""One Python function as it is written down: lines, blocks, names, and which figures it has surely read by then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from app.domain.segments import Judge
from app.policy.conditions import BadCondition
from app.policy.expression import Node, paths
from app.policy.words import WORDS, Fault

STILL, OPEN, MOVES = "still", "open", "moves"
"""Kinds of facts: one that changes at instants; one of a table whose keys are free, so that it may be missing; one that always moves."""
Kind = Callable[[str], str | None]
"""Path → its kind; None: there is no such fact."""
SEGMENTS, FLAGS = "profile.segments", "profile.flags."
MAX_NESTING = 40
"""Of blocks in what is written down; Python takes no more than 100."""


class Atom:
    """A value in the code written so far. `sure`: never a fault; `constant`: known now."""

    __slots__ = ("code", "constant", "sure", "value")

    def __init__(self, code: str, sure: bool, constant: bool = False, value: Any = None) -> None:
        self.code, self.sure, self.constant, self.value = code, sure, constant, value


class Block:
    """What stands indented."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def __enter__(self) -> None:
        self._script.depth += 1
        self._script.read.append(set())
        if self._script.depth > MAX_NESTING:
            raise BadCondition("nested too deeply")

    def __exit__(self, *error: object) -> None:
        self._script.depth -= 1
        self._script.read.pop()


class Script:
    """`read`: figures that are surely read by now, a set per block."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._lines: list[str] = []
        self._names: dict[str, Any] = dict(WORDS)
        self._figures: dict[str, str] = {}
        self.known: dict[str, str] = {}
        """Flags and segments judged further up, by their path or name → the variable that holds the verdict."""
        self._count = 0
        self.depth = 1
        self.read: list[set[str]] = [set()]

    def line(self, text: str) -> None:
        """One more, as deep as it stands."""
        self._lines.append("    " * self.depth + text)

    def block(self) -> Block:
        """What is written within stands one deeper."""
        return Block(self)

    def fresh(self) -> str:
        """A variable that nobody uses yet."""
        self._count += 1
        return f"t{self._count}"

    def done(self, nodes: Iterable[Node]) -> Judge:
        """The function. Of a figure that stands in several places it is noted whether it was read."""
        told = [path for node in nodes for path in paths(node)]
        head = ["def judge(facts):", "    get, compare = facts.get, facts.compare"]
        head += [f"    {name} = UNREAD" for path, name in self._figures.items() if told.count(path) > 1]
        exec(compile("\n".join((*head, *self._lines)), "<predicate>", "exec"), self._names)
        judge: Judge = self._names["judge"]
        return judge

    def figure(self, path: str) -> str:
        """Writes what reads a figure, unless that surely stands further up; the variable it is in."""
        kind = self.kind(path)
        if kind == MOVES:
            raise BadCondition(moves(path))
        name = self._figures.get(path)
        if name is None:
            name = self._figures[path] = f"v{len(self._figures)}"
            self.line(f"{name} = get({path!r})")
        elif not any(path in block for block in self.read):
            self.line(f"if {name} is UNREAD: {name} = get({path!r})")
        self.read[-1].add(path)
        return name

    def fault(self, said: str) -> str:
        """The name of an error, told in words."""
        name = f"F{len(self._names)}"
        self._names[name] = Fault(said)
        return name


def moves(path: str) -> str:
    """What is wrong with reading a figure that always moves."""
    return f"{path} changes with every ms: it can only be compared by <, <=, > or >= with a number that does not"
