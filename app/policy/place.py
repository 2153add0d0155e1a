"""Where in a TOML text a value stands, for `file:line: message`."""

from __future__ import annotations

import re

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
        while rest:
            found = self._inner(rest, start, end)
            if found is None:
                break
            start = found
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
            return start, end
        return 0, self._headers[0] if self._headers else len(self._text)

    def _title(self, at: int) -> str:
        return self._text[at : self._text.find("\n", at) if "\n" in self._text[at:] else None].strip().strip("[]").strip()

    def _inner(self, rest: list[str | int], start: int, end: int) -> int | None:
        part = rest.pop(0)
        if isinstance(part, int):
            at = start
            for _ in range(part + 1):
                at = self._text.find("{", at + 1, end)
                if at < 0:
                    return None
            return at
        match = re.compile(rf"(?<![\w.-]){re.escape(part)}[ \t]*=").search(self._text, start, end)
        return match.start() if match else None


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
