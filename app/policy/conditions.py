"""Conditions of packs: Google's Common Expression Language, compiled and type-checked when the pack is loaded.

A key that is missing makes a condition false and is named; so does a comparison of things that cannot be compared.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cel_expr_python import cel

from app.domain import window
from app.domain.profile_view import tree
from app.domain.trigger import Condition, Facts, Verdict
from app.policy.fields import Fields
from app.policy.place import Path

OPENING = ("event", "profile", "intent", "churn")
"""What the condition of an opening may look at; there is no window yet."""
CANCEL = ("event", "window")
"""Of a cancel: the event that would cancel, and the window as it stands after it."""
GROUP = ("event",)
"""Whether a window is in its group: what opened it."""
STEP = ("event", "window", "profile", "intent", "churn")

MAX_TEXT = 2_000
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_PATH = re.compile(r"(?<![\w.])([a-z]+)\.([A-Za-z_]\w*)")
_ROOT = re.compile(r"(?<![\w.])([a-z]+)\b")
_MISSING = re.compile(r'Key not found in map : "(.*)"')
_SIMPLE = re.compile(r"(event|window|profile)\.([A-Za-z_]\w*) *(<=?|>=?|==|!=) *(?:(\d{1,15}|\d{1,9}\.\d{1,6})|'([^'\\]*)')")
"""What most conditions ask: a property or figure against a number or a text."""
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_EXACT = 2**53
"""Beyond it an integer and a float of the same size are compared by CEL in its own way."""


class BadCondition(ValueError):
    """A condition that does not compile, is no yes-or-no, or names what does not exist."""


def told(read: Fields, row: dict[str, Any], at: Path, roots: tuple[str, ...], field: str = "when") -> Condition | None:
    """The condition that a field of a row states; None where it states none, or one that does not compile, which `read` is told."""
    text = read.text(row, at, field)
    if text is None:
        return None
    try:
        return condition(text, roots)
    except BadCondition as error:
        read.wrong((*at, field), f"{field}: {error}")
        return None


def condition(text: str, roots: tuple[str, ...]) -> Condition:
    """Compiles `text` over `roots`. Raises `BadCondition`."""
    if len(text) > MAX_TEXT:
        raise BadCondition(f"a condition of {len(text)} characters; at most {MAX_TEXT}")
    try:
        compiled = _env(roots).compile(text)
    except RuntimeError as error:
        raise BadCondition(_short(str(error))) from error
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise BadCondition(f"a condition is true or false, not {compiled.return_type().name()}")
    bare = _TEXT.sub("''", text)
    paths = tuple(dict.fromkeys(f"{root}.{key}" for root, key in _PATH.findall(bare) if root in roots))
    for path in paths:
        root, _, key = path.partition(".")
        known = _known().get(root)
        if known is not None and key not in known:
            raise BadCondition(f"{root} has no {key!r}: it has {', '.join(sorted(known))}")
    named = _ROOT.findall(bare)

    def keys(root: str) -> tuple[str, ...] | None:
        found = [key for one, key in _PATH.findall(bare) if one == root]
        return tuple(dict.fromkeys(found)) if named.count(root) == len(found) else None  # else by index, or as a whole

    reads = frozenset(name for name in named if name in roots)

    def evaluate(facts: Facts) -> Verdict:
        try:
            value = compiled.eval(data=facts)
            kind = value.type()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:  # what CEL has no type for, such as an integer beyond 64 bits
            return Verdict(False, _short(str(error)))
        if kind == cel.Type.BOOL:
            return YES if value.value() else NO
        if kind != cel.Type.ERROR:
            return Verdict(False, f"{kind.name()} instead of true or false")
        said = str(value.plain_value())
        missing = _MISSING.search(said)
        return Verdict(False, missing[1] if missing else _short(said))

    return Condition(text, reads, paths, keys("event"), _simple(text, evaluate), keys("profile"))


YES, NO = Verdict(True), Verdict(False)
Evaluate = Callable[[Facts], Verdict]


def _simple(text: str, evaluate: Evaluate) -> Evaluate:
    """The same, but that a plain comparison of something that is there does without CEL: it is asked at nearly every event."""
    found = _SIMPLE.fullmatch(text.strip())
    if found is None:
        return evaluate
    root, name, sign, number, word = found.groups()
    holds, numeric = _SIGNS[sign], number is not None
    against = word if number is None else float(number) if "." in number else int(number)

    def quick(facts: Facts) -> Verdict:
        told: Any = facts[root].get(name) if root in facts else None
        kind = type(told)
        if (kind is float or (kind is int and -_EXACT <= told <= _EXACT)) if numeric else (kind is str and told.isascii()):
            return YES if holds(told, against) else NO
        return evaluate(facts)

    return quick


@cache
def _env(roots: tuple[str, ...]) -> cel.Env:
    return cel.NewEnv(variables={root: cel.Type.Map(cel.Type.STRING, cel.Type.DYN) for root in roots})


@cache
def _known() -> Mapping[str, frozenset[str]]:
    """Keys of the roots that we fill ourselves; an event has what its shop sends."""
    return {
        "window": window.FACTS,
        **{root: frozenset(names) for root, names in tree().items()},
    }


def _short(text: str) -> str:
    return text.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").removeprefix("UNKNOWN: ")[:200]
