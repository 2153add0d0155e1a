"""The decision tables that a pack names: found beside it or in its artifact, turned into choices, and kept for the artifact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from app.domain.offers import Offer
from app.domain.trigger import Choice
from app.policy import conditions
from app.policy.problem import Problem
from app.policy.table import parse, read

FILE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.csv")
"""A name and no path: a pack is a folder that can be moved, and reads nothing outside it."""
FORM = "a CSV file beside the pack, such as rules.csv, or a list of rows"
NONE: Mapping[str, str] = {}


class Tables:
    """`texts`: name → CSV, as they were read. `sends`: (message, file, line) of every row."""

    def __init__(self, texts: Mapping[str, str] = NONE, folder: Path | None = None) -> None:
        self._given, self._folder = texts, folder
        self.texts: dict[str, str] = {}
        self.sends: list[tuple[str, str, int]] = []
        self._chosen: dict[str, tuple[Choice, ...]] = {}

    def choices(self, name: str, offers: Mapping[str, Offer]) -> tuple[tuple[Choice, ...], list[Problem]]:
        """The rows of a table in order, and what makes it unusable. A table that several steps name is read once.

        `offers`: the pack's, which a row may name.
        """
        if name in self._chosen:
            return self._chosen[name], []
        file = name if self._folder is None else str(self._folder / name)
        if self._folder is not None:
            text, problems = read(self._folder / name)
        else:
            text, problems = self._given.get(name, ""), [] if name in self._given else [Problem(name, 0, "not in the artifact")]
        if problems:
            return (), problems
        rows, found = parse(text, file, offers=offers)
        wrong = [one for one in found if not one.warning]
        if wrong:
            return (), wrong
        self.texts[name] = text
        self.sends += [(row.send, file, row.line) for row in rows]
        self._chosen[name] = tuple(
            Choice(conditions.condition(row.when, conditions.STEP), row.send, offers[row.offer] if row.offer else None) for row in rows
        )
        return self._chosen[name], []
