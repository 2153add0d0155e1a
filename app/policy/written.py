"""The tree of a predicate written down as the text of one Python function: figures read where they are needed, errors as values.

What is written is of the tree's own kinds; texts and numbers of the pack stand in it as literals alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from app.policy.conditions import BadCondition
from app.policy.expression import Node
from app.policy.script import MOVES, OPEN, SEGMENTS, STILL, Atom, Script, moves
from app.policy.words import COMPARED, is_number

_ORDER = {"_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_EQUAL = ("_==_", "_!=_")
_BOOLEAN = ("_&&_", "_||_", "!_", "@in", "startsWith", "contains", "endsWith", *_ORDER, *_EQUAL)
ARITHMETIC = {"_+_": "plus", "_-_": "minus", "_*_": "times", "_/_": "over", "_%_": "rest"}
_TEXT = {"startsWith": "starts", "contains": "holds", "endsWith": "ends"}


def segment_named(node: Node) -> str | None:
    """The segment that `'name' in profile.segments` asks for."""
    if node.kind == "call" and node.value == "@in" and node.of[1] == Node("path", SEGMENTS):
        name = node.of[0]
        if name.kind == "constant" and isinstance(name.value, str):
            return name.value
    return None


class Writer(Script):
    """Writes trees down: verdicts by `boolean`, values by `value`."""

    def named(self, rows: Sequence[tuple[str, Node]], where: str) -> str:
        """Judges rows in turn; the code of a tuple with the names of those that hold."""
        verdicts = self.judge(rows, where)
        self.line("held = []")
        for name, verdict in verdicts:
            self.line(f"if {verdict} is True: held.append({name!r})")
        return "tuple(held)"

    def judge(self, rows: Sequence[tuple[str, Node]], where: str) -> list[tuple[str, str]]:
        """Judges rows in turn, so that later ones may ask for them by name; (name, variable) of each."""
        verdicts = []
        for name, node in rows:
            verdict = self.fresh()
            self.boolean(node, verdict)
            self.known[f"{where}{name}"] = verdict
            verdicts.append((name, verdict))
        return verdicts

    # --- verdicts ---------------------------------------------------------------------------------------------------------------

    def boolean(self, node: Node, into: str) -> bool:
        """Writes what puts True, False or a fault into a variable; whether it is surely no fault."""
        if node.kind == "constant":
            if not isinstance(node.value, bool):
                raise BadCondition(f"{node.value!r} is neither true nor false")
            self.line(f"{into} = {node.value}")
            return True
        if node.kind == "has":
            return self._has(str(node.value), into)
        if node.kind == "path":
            return self._flag(str(node.value), into)
        function = node.value if node.kind == "call" else None
        if function in ("_&&_", "_||_"):
            return self._either(node, into, function == "_&&_")
        if function == "!_":
            sure = self.boolean(node.of[0], into)
            self.line(f"{into} = not {into}" if sure else f"if {into}.__class__ is bool: {into} = not {into}")
            return sure
        if function == "_?_:_":
            return self._choice(node, into, self.boolean)
        if function in _EQUAL:
            return self._equal(node, into, function == "_==_")
        if function in _ORDER:
            return self._ordered(node, into, _ORDER[str(function)])
        if function == "@in":
            return self._within(node, into)
        if function in _TEXT and len(node.of) == 2:
            one, other = map(self.value, node.of)
            self.line(f"{into} = {_TEXT[str(function)]}({one.code}, {other.code})")
            return False
        raise BadCondition(f"a predicate cannot use {_said(node)}")

    def _has(self, path: str, into: str) -> bool:
        kind = self.kind(path)
        if kind != OPEN:
            raise BadCondition(f"has({path}): it is always there; it may be null: compare it with null" if kind == STILL else moves(path))
        self.line(f"{into} = {self.figure(path)} is not None")
        return True

    def _flag(self, path: str, into: str) -> bool:
        if (verdict := self.known.get(path)) is not None:
            self.line(f"{into} = {verdict} is True")
            return True
        figure = self.figure(path)
        self.line(f"{into} = {figure} if {figure}.__class__ is bool else {self.fault(f'{path} is neither true nor false')}")
        return False

    def _either(self, node: Node, into: str, both: bool) -> bool:
        """`&&` (`both`) or `||`. The right side is looked at only where the left one does not decide."""
        sure = self.boolean(node.of[0], into)
        self.line(f"if {into} is {'not False' if both else 'not True'}:")
        with self.block():
            if sure:
                return self.boolean(node.of[1], into)
            right = self.fresh()
            self.boolean(node.of[1], right)
            open_, ends = ("True", "False") if both else ("False", "True")
            self.line(f"if {into} is {open_} or {right} is {ends}: {into} = {right}")
        return False

    def _choice(self, node: Node, into: str, write: Callable[[Node, str], bool]) -> bool:
        test, yes, no = node.of
        self.boolean(test, into)
        self.line(f"if {into} is True:")
        with self.block():
            write(yes, into)
        self.line(f"elif {into} is False:")
        with self.block():
            write(no, into)
        return False

    def _equal(self, node: Node, into: str, wanted: bool) -> bool:
        if (moving := self._known_or_not(node)) is not None:
            self.line(f"{into} = compare({moving!r}, '>=', 0) is {'None' if wanted else 'not None'}")
            return True
        one, other = map(self.value, node.of)
        if one.constant:
            one, other = other, one
        sure = one.sure and other.sure
        if other.constant and not one.constant and not isinstance(other.value, list):
            told = other.value
            if told is None or isinstance(told, bool):
                equal = f"{one.code} is {told}"
            elif told in (0, 1):  # to Python false and true are 0 and 1
                equal = f"{one.code} == {other.code} and {one.code}.__class__ is not bool"
            else:
                equal = f"{one.code} == {other.code}"
            equal = equal if wanted else f"not ({equal})"
            self.line(f"{into} = {equal}" if one.sure else f"{into} = {one.code} if {one.code}.__class__ is Fault else {equal}")
            return sure
        self.line(f"{into} = equal({one.code}, {other.code})")
        if not wanted:
            self.line(f"{into} = not {into}" if sure else f"if {into}.__class__ is bool: {into} = not {into}")
        return sure

    def _known_or_not(self, node: Node) -> str | None:
        """The figure that always moves of which is asked whether it is null."""
        found = [str(one.value) for one in node.of if one.kind == "path" and self.kind(str(one.value)) == MOVES]
        return found[0] if found and Node("constant") in node.of else None

    def _ordered(self, node: Node, into: str, sign: str) -> bool:
        left, right = node.of
        moving = [one.kind == "path" and self.kind(str(one.value)) == MOVES for one in node.of]
        if any(moving):
            if all(moving):
                raise BadCondition(f"{left.value} and {right.value} both change with every ms: compare one of them with a number")
            return self._moving(left, right, into, sign) if moving[0] else self._moving(right, left, into, _FLIPPED[sign])
        one, other = self.value(left), self.value(right)
        if one.constant:
            one, other, sign = other, one, _FLIPPED[sign]
        if other.constant and one.sure and not one.constant and is_number(other.value):
            fault = self.fault(f"{_said(left if left.kind != 'constant' else right)} is no number")
            self.line(f"{into} = {one.code} {sign} {other.code} if {one.code}.__class__ in NUMBERS else {fault}")
        elif other.constant and one.sure and not one.constant and isinstance(other.value, str):
            fault = self.fault(f"{_said(left if left.kind != 'constant' else right)} is no text")
            self.line(f"{into} = {one.code} {sign} {other.code} if {one.code}.__class__ is str else {fault}")
        else:
            self.line(f"{into} = {COMPARED[sign]}({one.code}, {other.code})")
        return False

    def _moving(self, moving: Node, other: Node, into: str, sign: str) -> bool:
        """A figure that always moves: the facts say until when this verdict stays, so it is asked of them."""
        value, path = self.value(other), str(moving.value)
        if value.constant and not is_number(value.value):
            raise BadCondition(f"{path} is a number, and cannot be compared with {value.value!r}")
        asked = f"compare({path!r}, {sign!r}, {value.code})"
        if not value.constant:
            asked = f"{asked} if finite({value.code}) else {self.fault(f'{_said(other)} is no number')}"
        self.line(f"{into} = {asked}")
        self.line(f"if {into} is None: {into} = {self.fault(f'{path} is not known')}")
        return False

    def _within(self, node: Node, into: str) -> bool:
        name = segment_named(node)
        if name is not None and (verdict := self.known.get(f"{SEGMENTS}{name}")) is not None:
            self.line(f"{into} = {verdict} is True")
            return True
        one, other = map(self.value, node.of)
        if other.constant and isinstance(other.value, list) and all(isinstance(told, str) for told in other.value):
            inside = f"{one.code} in {tuple(other.value)!r}"
            self.line(f"{into} = {inside}" if one.sure else f"{into} = {one.code} if {one.code}.__class__ is Fault else {inside}")
            return one.sure
        self.line(f"{into} = within({one.code}, {other.code})")
        return False

    # --- values -----------------------------------------------------------------------------------------------------------------

    def value(self, node: Node) -> Atom:
        """Writes what makes a value; where it then stands."""
        if node.kind == "constant":
            return self._constant(node.value)
        if node.kind == "path":
            if (verdict := self.known.get(str(node.value))) is not None:
                return Atom(f"({verdict} is True)", True)
            return Atom(self.figure(str(node.value)), True)
        function, into = node.value if node.kind == "call" else None, self.fresh()
        if node.kind == "has" or function in _BOOLEAN:
            return Atom(into, self.boolean(node, into))
        if function == "_?_:_":
            return Atom(into, self._choice(node, into, self._put))
        if function in ARITHMETIC:
            one, other = map(self.value, node.of)
            self.line(f"{into} = {ARITHMETIC[str(function)]}({one.code}, {other.code})")
        elif function == "-_":
            self.line(f"{into} = negative({self.value(node.of[0]).code})")
        elif function == "size" and len(node.of) == 1:
            self.line(f"{into} = size({self.value(node.of[0]).code})")
        elif function == "list":
            return self._list([self.value(one) for one in node.of])
        else:
            raise BadCondition(f"a predicate cannot use {_said(node)}")
        return Atom(into, False)

    def _put(self, node: Node, into: str) -> bool:
        found = self.value(node)
        self.line(f"{into} = {found.code}")
        return found.sure

    def _constant(self, told: Any) -> Atom:
        if isinstance(told, float) and not math.isfinite(told):
            raise BadCondition("a number without end")
        if told is not None and not isinstance(told, bool | int | float | str):
            raise BadCondition(f"a predicate cannot use {told!r}")
        return Atom(f"({told!r})", True, True, told)

    def _list(self, items: list[Atom]) -> Atom:
        if all(one.constant for one in items):
            told = [one.value for one in items]
            return Atom(repr(told), True, True, told)
        into = self.fresh()
        self.line(f"{into} = listed({', '.join(one.code for one in items)})")
        return Atom(into, False)


def _said(node: Node) -> str:
    if node.kind in ("path", "constant"):
        return str(node.value)
    return f"{str(node.value).strip('_@')}()" if node.kind == "call" else f"has({node.value})" if node.kind == "has" else "a comprehension"
