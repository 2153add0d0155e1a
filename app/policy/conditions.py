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
EVENT_ALONE = frozenset(("event",))
STEP = ("event", "window", "profile", "intent", "churn")

MAX_TEXT = 2_000
_TEXT = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_PATH = re.compile(r"(?<![\w.])([a-z]+)\.([A-Za-z_]\w*)")
_ROOT = re.compile(r"(?<![\w.])([a-z]+)\b")
_MISSING = re.compile(r'Key not found in map : "(.*)"')
_TERM = re.compile(
    r"(?P<root>event|window|profile)\.(?P<path>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)"
    r"(?: *(?P<sign><=?|>=?|==|!=) *(?:(?P<number>\d{1,15}|\d{1,9}\.\d{1,6})|'(?P<word>[^'\\]*)'|(?P<null>null))"
    r"| +in +\[ *(?P<words>'[^'\\]*'(?: *, *'[^'\\]*')*) *\])?"
)
"""What most conditions ask, or several of them joined by `&&`: a property or figure against a number, a text, null or a list of texts."""
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

    plain = _plain(text)
    asked = evaluate if plain is None else _sooner(plain, evaluate)
    event_keys = keys("event")
    of_event = _of_event(plain, evaluate, event_keys) if reads == EVENT_ALONE else None
    return Condition(text, reads, paths, event_keys, asked, keys("profile"), keys("window"), of_event)


YES, NO = Verdict(True), Verdict(False)
Evaluate = Callable[[Facts], Verdict]
Term = Callable[[Any], bool | None]
"""Whether a term holds of a value; None: that is for CEL to say."""
Plain = tuple[tuple[str, str, tuple[str, ...], Term], ...]
"""(root, name, further names, term) of each."""


def _plain(text: str) -> Plain | None:
    """The condition as plain terms that must all hold; None: it is none, or more than that."""
    found = [_TERM.fullmatch(part.strip()) for part in text.split("&&")]
    terms = [(one["root"], *_names(one["path"]), _term(one)) for one in found if one is not None]
    return tuple(terms) if len(terms) == len(found) else None


def _names(path: str) -> tuple[str, tuple[str, ...]]:
    first, *further = path.split(".")
    return first, tuple(further)


def _deep(told: Any, names: tuple[str, ...]) -> Any:
    """What lies in `told` by these names; None: it is not there."""
    for name in names:
        told = told.get(name) if type(told) is dict else None
    return told


def _term(found: re.Match[str]) -> Term:
    sign, number, word, words = found["sign"], found["number"], found["word"], found["words"]
    if number is not None:
        return _number(_SIGNS[sign], float(number) if "." in number else int(number))
    if word is not None:
        return _word(_SIGNS[sign], word)
    if words is not None:
        listed = frozenset([one[1:-1] for one in _TEXT.findall(words)])
        return lambda told: told in listed if type(told) is str and told.isascii() else None
    if found["null"] is not None:
        differs = sign == "!="
        return lambda told: differs if type(told) in (str, bool) and sign in ("==", "!=") else None
    return lambda told: told if type(told) is bool else None


def _number(holds: Callable[[Any, Any], bool], against: float) -> Term:
    def term(told: Any) -> bool | None:
        kind = type(told)
        return holds(told, against) if kind is float or (kind is int and -_EXACT <= told <= _EXACT) else None

    return term


def _word(holds: Callable[[Any, Any], bool], against: str) -> Term:
    return lambda told: holds(told, against) if type(told) is str and told.isascii() else None


def _sooner(plain: Plain, evaluate: Evaluate) -> Evaluate:
    """The same, but that plain terms of what is there do without CEL: they are asked at nearly every event."""

    def quick(facts: Facts) -> Verdict:
        holds = _all(plain, facts)
        return evaluate(facts) if holds is None else YES if holds else NO

    return quick


def _of_event(plain: Plain | None, evaluate: Evaluate, keys: tuple[str, ...] | None) -> Callable[[dict[str, Any]], bool]:
    """The same of a condition about an event alone, asked with the whole of it."""

    def ask(event: dict[str, Any]) -> bool:
        holds = None if plain is None else _all(plain, {"event": event})
        if holds is not None:
            return holds
        return evaluate({"event": event if keys is None else {key: event[key] for key in keys if key in event}}).holds

    return ask


def _all(plain: Plain, facts: Facts) -> bool | None:
    """Whether all terms hold; None: that is for CEL to say. Where one does not, CEL says no whatever the others are."""
    sure = True
    for root, name, further, term in plain:
        told = facts[root].get(name) if root in facts else None
        holds = term(_deep(told, further) if further else told)
        if holds is False:
            return False
        sure = sure and holds is True
    return True if sure else None


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
