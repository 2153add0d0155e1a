"""One cell of a decision table: empty (any), `shoes`, `a|b`, `>= 5`, `< 3`, `2..5`, `true`; and the CEL that says the same."""

from __future__ import annotations

import math
import re

import msgspec
from msgspec import Struct

from app.policy.fact import Fact

_NUMBER = r"-?\d{1,15}(?:\.\d{1,9})?"
_COMPARED = re.compile(rf"(>=|<=|>|<)\s*({_NUMBER})")
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
_PLAIN = re.compile(_NUMBER)
_QUOTED = re.compile(r'"([^"]*)"')
_FORMULA = ("=", "+", "-", "@", "\t")
"""What a spreadsheet takes for a formula and may run."""
MAX_TEXT = 200


class BadCell(ValueError):
    """A cell that says nothing, or not what its column can hold."""


class Span(Struct, frozen=True):
    """Numbers from `low` to `high`; `open_low`, `open_high`: without the end itself."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False


class Cell(Struct, frozen=True):
    """`kind`: any, number, text or flag. Of a number its spans, else the values it takes; `cel` with `{}` for the column's path."""

    kind: str
    spans: tuple[Span, ...] = ()
    values: tuple[str | bool, ...] = ()
    cel: str = ""


ANYTHING = Cell("any")


def cell(text: str, fact: Fact) -> Cell:
    """Reads a cell of a column of which `fact` is known. Raises `BadCell`."""
    text = text.strip()
    if not text:
        return ANYTHING
    if len(text) > MAX_TEXT * 10 or not text.isprintable():
        raise BadCell("one line of printable text" if len(text) <= MAX_TEXT * 10 else f"at most {MAX_TEXT * 10} characters")
    if text.startswith(_FORMULA) and not _NUMBER_FIRST.match(text):
        raise BadCell(f"{text[:20]!r} begins like a spreadsheet's formula; to say equal, write the value alone")
    if match := _COMPARED.fullmatch(text):
        return _number(fact, f"{{}} {match[1]} {match[2]}", _compared(match[1], float(match[2])))
    if match := _RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
        if low > high:
            raise BadCell(f"{text}: the first is larger than the last")
        return _number(fact, f"{{}} >= {match[1]} && {{}} <= {match[2]}", Span(low, high))
    if text[0] in "<>":
        raise BadCell(f"{text[:40]!r}: a comparison has one number, such as >= 5")
    return _listed([one.strip() for one in text.split("|")], fact)


_NUMBER_FIRST = re.compile(rf"{_NUMBER}(\s*(\.\.|\|)|$)")


def _listed(options: list[str], fact: Fact) -> Cell:
    if not all(options):
        raise BadCell("an empty option between two |")
    if fact.kind in ("number", "whole") or (fact.kind == "any" and all(_PLAIN.fullmatch(one) for one in options)):
        if wrong := next((one for one in options if not _PLAIN.fullmatch(one)), None):
            raise BadCell(f"a number is asked for here, not {wrong[:40]!r}")
        spans = tuple(Span(float(one), float(one)) for one in options)
        return Cell("number", spans, cel=_any_of(options))
    if fact.kind == "flag" or (fact.kind == "any" and set(options) <= {"true", "false"}):
        if not set(options) <= {"true", "false"} or len(options) > 1:
            raise BadCell(f"true or false is asked for here, not {'|'.join(options)[:40]!r}")
        return Cell("flag", values=(options[0] == "true",), cel=f"{{}} == {options[0]}")
    texts = tuple(dict.fromkeys(match[1] if (match := _QUOTED.fullmatch(one)) else one for one in options))
    for one in texts:
        if len(one) > MAX_TEXT:
            raise BadCell(f"a text of {len(one)} characters; at most {MAX_TEXT}")
        if fact.values and one not in fact.values:
            raise BadCell(f"{one!r} does not exist here: {', '.join(fact.values)}")
    return Cell("text", values=texts, cel=_any_of(list(map(_constant, texts))))


def _constant(text: str) -> str:
    """As CEL writes it, which is JSON here; braces are doubled, since the path is put in with str.format."""
    return msgspec.json.encode(text).decode().replace("{", "{{").replace("}", "}}")


def _any_of(constants: list[str]) -> str:
    return f"{{}} == {constants[0]}" if len(constants) == 1 else f"{{}} in [{', '.join(constants)}]"


def _number(fact: Fact, cel: str, span: Span) -> Cell:
    if fact.kind not in ("number", "whole", "any"):
        raise BadCell("a comparison of numbers, but this column holds none")
    return Cell("number", (span,), cel=cel)


def _compared(sign: str, number: float) -> Span:
    if sign in (">", ">="):
        return Span(low=number, open_low=sign == ">")
    return Span(high=number, open_high=sign == "<")
