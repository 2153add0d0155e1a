"""What a message says, line by line, and how that differs from what it said: words and links, not mark-up."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from html.parser import HTMLParser

from app.domain.message import MessageSource

_WORDS = re.compile(r"\S+\s*")


def said(source: MessageSource) -> list[str]:
    """Every text of it, with the part it stands in; of the HTML what is read and where its links lead."""
    found = [f"{name}: {text}" for name, text in (("subject", source.subject), ("preheader", source.preheader)) if text]
    found += _part("mail", _read(source.html)) if source.html else []
    found += _part("text", source.text.splitlines())
    found += _part("sms", source.sms.splitlines())
    found += [f"push title: {source.push_title}"] if source.push_title else []
    return found + _part("push", source.push.splitlines())


def _part(name: str, lines: Iterator[str] | list[str]) -> list[str]:
    return [f"{name}: {line}" for line in (" ".join(one.split()) for one in lines) if line]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("style", "head", "script")
        self.lines += [f"<{value}>" for name, value in attrs if name in ("href", "src") and value and tag in ("a", "img")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("style", "head", "script")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.lines.append(data)


def _read(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.lines


def unified(old: MessageSource | None, new: MessageSource, before: str, after: str) -> list[str]:
    """A unified diff of what they say; empty: the same."""
    return list(difflib.unified_diff(said(old) if old is not None else [], said(new), before, after, n=1, lineterm=""))


def words(old: MessageSource | None, new: MessageSource) -> list[str]:
    """The same word by word: each line that changed, `[-out-]` and `{+in+}`."""
    before, after = said(old) if old is not None else [], said(new)
    found: list[str] = []
    for what, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what != "equal":
            found += ["".join(_marked(" ¶ ".join(before[a:b]), " ¶ ".join(after[c:d])))]
    return found


def _marked(old: str, new: str) -> Iterator[str]:
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    for what, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            yield "".join(before[a:b])
            continue
        if a < b:
            yield f"[-{''.join(before[a:b])}-]"
        if c < d:
            yield f"{{+{''.join(after[c:d])}+}}"
