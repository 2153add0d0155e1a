"""Where in a TOML text a value stands, for `file:line: message`."""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""As in the parsed document: `("trigger", 2, "open", "when")`."""

_QUOTED = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*", re.DOTALL)
_HEADER = re.compile(r"^[ \t]*\[\[?[^\[\]\n=]+\]\]?[ \t]*$", re.MULTILINE)


class Places:
    """The lines of one TOML text."""

    def __init__(self, text: str) -> None:
        # Texts and comments are blanked, so that braces and equals signs in them are not taken for structure.
        self._text = _QUOTED.sub(_blank, text)
        self._headers = [match.start() for match in _HEADER.finditer(self._text)]

    def line(self, path: Path) -> int:
        """Line of the innermost part of `path` that can be found, counting from 1."""
        rest = list(path)
        start, end = self._section(rest)
        depth = 0
        while rest:
            found = self._inner(rest, start, end, depth)
            if found is None:
                break
            # Behind a key its own table begins one brace further in; at the nth table of a list we stand on that brace.
            start, depth = found, 1
        return self._text.count("\n", 0, start) + 1

    def _section(self, rest: list[str | int]) -> tuple[int, int]:
        """Span of the `[table]` or nth `[[table]]` that the path begins with, which is taken off `rest`; else what precedes all tables."""
        name = str(rest[0]) if rest else ""
        marks = [at for at in self._headers if self._text[at:].lstrip()[:2] and self._title(at) == name]
        if marks:
            rest.pop(0)
            number = int(rest.pop(0)) if rest and isinstance(rest[0], int) else 0
            start = marks[min(number, len(marks) - 1)]
            end = next((at for at in self._headers if at > start), len(self._text))
            return self._nested(name, start, rest) or (start, end)
        if (inner := self._nested(name, -1, rest[1:])) is not None:  # [table.inner] without a [table] before it
            del rest[:2]
            return inner
        return 0, self._headers[0] if self._headers else len(self._text)

    def _nested(self, name: str, start: int, rest: list[str | int]) -> tuple[int, int] | None:
        """Span of the `[[table.inner]]` of the table at `start`, if the path goes on into one; that part is taken off `rest`."""
        after = next((at for at in self._headers if at > start and self._title(at) == name), len(self._text))
        titles = [(n, ".".join([name, *map(str, rest[:n])])) for n in (2, 1) if len(rest) >= n]  # [consent.regions.EU]
        for n, title in titles:
            if inner := [at for at in self._headers if start < at < after and self._title(at) == title]:
                del rest[:n]
                break
        else:
            return None
        number = int(rest.pop(0)) if rest and isinstance(rest[0], int) else 0
        begin = inner[min(number, len(inner) - 1)]
        return begin, next((at for at in self._headers if at > begin), len(self._text))

    def _title(self, at: int) -> str:
        return self._text[at : self._text.find("\n", at) if "\n" in self._text[at:] else None].strip().strip("[]").strip()

    def _inner(self, rest: list[str | int], start: int, end: int, depth: int) -> int | None:
        """Where the next part stands: only as deep as it belongs, so that a step's `when` is not taken for that of the opening above it."""
        part = rest.pop(0)
        if isinstance(part, int):
            tables = (at for at, inside in self._braces(start, end) if inside == 1)
            return next((at for n, at in enumerate(tables) if n == part), None)
        for match in re.compile(rf"(?<![\w.-]){re.escape(part)}[ \t]*=").finditer(self._text, start, end):
            if self._depth(start, match.start()) == depth:
                return match.start()
        return None

    def _braces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(place, depth) of each opening brace; ends where the list or table that begins here does."""
        inside = lists = 0
        for at in range(start, end):
            sign = self._text[at]
            inside += (sign == "{") - (sign == "}")
            lists += (sign == "[") - (sign == "]")
            if sign == "{":
                yield at, inside
            elif sign in "]}" and inside <= 0 and lists <= 0:
                return

    def _depth(self, start: int, at: int) -> int:
        return self._text.count("{", start, at) - self._text.count("}", start, at)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
