"""Plain text of what shops send as HTML: titles and descriptions come out of a shop's editor with tags and entities in them."""

from __future__ import annotations

import html
import re

MAX_RAW = 100_000
"""Characters looked at: a description is cut far below that anyway."""
_TAG = re.compile(r"<!--|</?[a-zA-Z][^<>]*>|<!\[CDATA\[|\]\]>|<![a-zA-Z][^<>]*>")
_HIDDEN = ("script", "style", "head", "template")
"""Elements whose text is not for readers."""


def plain(text: str) -> str:
    """Without tags, comments and entities, blanks and line ends as one blank. Linear in its length, whatever it is made of."""
    if "<" in text or "&" in text:
        text = html.unescape(_without_tags(text[:MAX_RAW]))
        if "<" in text:  # a shop that escapes twice: once for the page, once for the feed
            text = html.unescape(_without_tags(text))
    return " ".join(text.split())


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    found: list[str] = []
    lower, at = text.lower(), 0
    for tag in _TAG.finditer(text):
        if tag.start() < at:
            continue  # inside of what is hidden
        found.append(text[at : tag.start()])
        name, at = tag[0].lower(), tag.end()
        if name == "<!--":
            end = text.find("-->", at)
            at = len(text) if end < 0 else end + 3
        elif (hidden := next((one for one in _HIDDEN if name.startswith("<" + one)), None)) is not None:
            end = lower.find(f"</{hidden}", at)
            at = len(text) if end < 0 else end
        found.append(" ")
    found.append(text[at:])
    return "".join(found)
