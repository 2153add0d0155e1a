"""Fields of a pack's TOML, read one by one: what is wrong with any of them is noted with its line, and reading goes on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from app.policy.place import Path, Places
from app.policy.problem import Problem

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
UNITS = {"s": SECOND, "min": MINUTE, "h": HOUR, "d": DAY}
LONGEST = 400 * DAY

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
ADDRESS = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,255}")
_DURATION = re.compile(r"(\d{1,6})(s|min|h|d)")


class Fields:
    """Reads fields of the tables of one text; collects `problems`."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.places, self.problems = file, Places(text), list[Problem]()

    def wrong(self, at: Path, message: str) -> None:
        self.problems.append(Problem(self.file, self.places.line(at), message))

    def known(self, told: dict[str, Any], at: Path, fields: Iterable[str], required: Iterable[str] = ()) -> None:
        for field in told:
            if field not in fields:
                self.wrong((*at, field), f"unknown field {field!r}: {', '.join(fields)}")
        for field in required:
            if field not in told:
                self.wrong(at, f"{field} is missing")

    def text(self, told: dict[str, Any], at: Path, field: str, pattern: re.Pattern[str] | None = None, form: str = "") -> str | None:
        value = told.get(field)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self.wrong((*at, field), f"{field}: a text, not {value!r}")
        elif not value.isprintable():
            self.wrong((*at, field), f"{field}: one line of printable text")
        elif pattern is not None and not pattern.fullmatch(value):
            self.wrong((*at, field), f"{field}: {form}, not {value!r}")
        else:
            return value
        return None

    def duration(self, told: dict[str, Any], at: Path, field: str, default: int = 0) -> int:
        """In ms."""
        value = told.get(field)
        if value is None:
            return default
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            self.wrong((*at, field), f"{field}: a duration such as 30min, 2h or 3d, not {value!r}")
            return default
        ms = int(match[1]) * UNITS[match[2]]
        if ms > LONGEST:
            self.wrong((*at, field), f"{field}: at most {LONGEST // DAY}d")
        return ms

    def whole(self, told: dict[str, Any], at: Path, field: str, least: int, most: int, default: int, form: str = "") -> int:
        value = told.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong((*at, field), f"{field}: {form or f'a whole number, {least} to {most}'}")
            return default
        return value

    def number(self, told: dict[str, Any], at: Path, field: str, least: float, most: float, default: float) -> float:
        value = told.get(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.wrong((*at, field), f"{field}: a number, {least:g} to {most:g}, not {value!r}")
            return default
        return float(value)

    def share(self, told: dict[str, Any], at: Path, field: str) -> float | None:
        """Between 0 and 1, both included; None if it is not told, or wrong."""
        value = told.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.wrong((*at, field), f"{field}: a share from 0 to 1, not {value!r}")
            return None
        return float(value)

    def flag(self, told: dict[str, Any], at: Path, field: str, default: bool = False) -> bool:
        value = told.get(field, default)
        if not isinstance(value, bool):
            self.wrong((*at, field), f"{field}: true or false, not {value!r}")
        return value is True

    def one_of(self, told: dict[str, Any], at: Path, field: str, values: Iterable[str], default: str) -> str:
        value = told.get(field, default)
        if value in values:
            return str(value)
        self.wrong((*at, field), f"{field}: {' or '.join(values)}, not {value!r}")
        return default

    def table(self, told: dict[str, Any], at: Path, field: str) -> dict[str, Any]:
        value = told.get(field, {})
        if isinstance(value, dict):
            return value
        self.wrong((*at, field), f"{field}: a table")
        return {}

    def list(self, told: dict[str, Any], at: Path, field: str, kind: type[Any]) -> list[Any]:
        value = told.get(field, [])
        if isinstance(value, list) and all(isinstance(one, kind) for one in value):
            return value
        self.wrong((*at, field), f"{field}: a list of {'tables' if kind is dict else 'texts'}")
        return []

    def twice(self, names: Iterable[object], what: str) -> None:
        """Notes each name that stands a second time."""
        seen: set[object] = set()
        for n, name in enumerate(names):
            if name is not None and name in seen:
                self.wrong((what, n, "name"), f"{what} {name!r} a second time")
            seen.add(name)
