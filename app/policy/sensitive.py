"""The list of what must not be inferred of anybody, and where a pack or a template would (A-260, A-261)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from app.domain.sensitive import Inference, Sensitive, plain
from app.policy.fields import SNAKE, Fields
from app.policy.place import Path, Places
from app.policy.problem import Problem

FILE = "sensitive"
"""Of app/policy/included; every artifact carries it."""
INFERENCE = ("name", "why", "names", "words")
HARMLESS = "harmless"
OWN = ("why", "names", "words")
SHOPS_OWN = "own"
"""What a pack adds goes by this name."""
MIN_WORD = 3
"""Characters of a word: a shorter one would be part of everything."""
ASKS = ("when", "by")
"""Fields that hold a condition, or name a score."""
_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_INDEX = re.compile(r"\[\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\]")
_NAME = re.compile(r"(?<=\.)[A-Za-z_]\w*")
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def shipped(text: str) -> tuple[Sensitive, list[Problem]]:
    """The list as it comes with Kairos."""
    fields = Fields(text, FILE)
    told = tomllib.loads(text)
    fields.known(told, (), ("why", "inference"), required=("why", "inference"))
    found: list[Inference] = []
    for n, one in enumerate(fields.list(told, (), "inference", dict)):
        at: Path = ("inference", n)
        fields.known(one, at, (*INFERENCE, HARMLESS), required=INFERENCE)
        name, why = fields.text(one, at, "name", SNAKE, "snake_case"), fields.text(one, at, "why")
        names, words = _listed(fields, one, at)
        if name and why:
            found.append(Inference(name, why, names, words, tuple(fields.list(one, at, HARMLESS, str))))
    return Sensitive(tuple(found)), fields.problems


def extended(before: Sensitive, fields: Fields, told: dict[str, Any]) -> Sensitive:
    """The list with what a pack's `[sensitive]` adds. There is no way to take anything from it."""
    at: Path = ("sensitive",)
    fields.known(told, at, OWN, required=("why",))
    why = fields.text(told, at, "why") or ""
    names, words = _listed(fields, told, at)
    if not names and not words:
        fields.wrong(at, "sensitive: names or words to add; what comes with Kairos stays")
    return Sensitive((*before.inferences, Inference(SHOPS_OWN, why, names, words)))


def _listed(fields: Fields, told: dict[str, Any], at: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, words = fields.list(told, at, "names", str), fields.list(told, at, "words", str)
    for field, listed in (("names", names), ("words", words)):
        for one in listed:
            if len(plain(one)) < MIN_WORD:
                fields.wrong((*at, field), f"{field}: {one!r} is too short to tell anything")
    return tuple(names), tuple(words)


def faults(sensitive: Sensitive, text: str, file: str) -> list[Problem]:
    """Every condition of a pack, or of a file that it includes, that reads what it must not."""
    places = Places(text)
    return [Problem(file, places.line(at), found) for at, asked in _asked(tomllib.loads(text), ()) if (found := asks(sensitive, asked))]


def _asked(told: Any, at: Path) -> Iterator[tuple[Path, str]]:
    entries: Iterable[tuple[str | int, Any]] = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in entries:
        if isinstance(value, str) and (key in ASKS or at[:1] == ("flags",)):
            yield (*at, key), value
        else:
            yield from _asked(value, (*at, key))


def asks(sensitive: Sensitive, condition: str) -> str | None:
    """What a condition (CEL) reads that it must not, in words."""
    bare = _QUOTED.sub("''", condition)
    names = _NAME.findall(bare) + [one or other for one, other in _INDEX.findall(condition)]
    for name in names:
        if found := sensitive.named(name):
            return _told(f"reads {name!r}", found)
    for one, other in _QUOTED.findall(condition):
        if found := sensitive.told(one or other):
            return _told(f"asks for {one or other!r}", found)
    return None


def prints(sensitive: Sensitive, source: str, variables: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """(index, what) of all that a template reads or asks for and must not. `variables`: its paths, each with its index."""
    found: list[tuple[int, str]] = []
    for index, path in variables:
        for name in re.split(r"[.\[\]'\"]+", path)[1:]:
            if name and (what := sensitive.named(name)):
                found.append((index, _told(f"reads {path}", what)))
                break
    for markup in _MARKUP.finditer(source):
        for quoted in _QUOTED.finditer(markup.group()):
            text = quoted.group(1) or quoted.group(2) or ""
            if what := sensitive.told(text):
                found.append((markup.start() + quoted.start(), _told(f"asks for {text!r}", what)))
    return found


def _told(reads: str, what: str) -> str:
    return f"{reads}, which tells {'what this pack lists as sensitive' if what == SHOPS_OWN else what}: no pack may infer that of anybody"
