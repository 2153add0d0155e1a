"""A rendered mail as a reader's program shows it, light and dark: links, pictures, and every text with its colour and what lies behind.

A small part of CSS is enough: our own rules and those of MJML. Selectors of tags and classes, one inside or right under another; colours
as `#rrggbb`; the rules of `prefers-color-scheme: dark` where that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from msgspec import Struct

VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_DARK = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}")
_MEDIA = re.compile(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HEX = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b", re.IGNORECASE)
_PX = re.compile(r"(\d+(?:\.\d+)?)px")
_STEP = re.compile(r"([a-z0-9*]*)((?:\.[\w-]+)*)", re.IGNORECASE)
_NAMED = {"white": "#ffffff", "black": "#000000"}


class Words(Struct, frozen=True):
    """A text as it is shown. `size` in px."""

    text: str
    colour: str
    ground: str
    size: float
    bold: bool


class Picture(Struct, frozen=True):
    """An `<img>`. `alt` None: it has none, which is not the same as an empty one."""

    src: str
    alt: str | None
    width: str | None


class Page(Struct):
    """What there is on it."""

    words: list[Words]
    links: list[tuple[str, str]]
    """(address, what stands on it; the alt text of a picture counts)."""
    pictures: list[Picture]


class _Element(Struct):
    tag: str
    classes: frozenset[str]
    colour: str
    ground: str
    size: float
    bold: bool
    hidden: bool


Steps = list[tuple[str, frozenset[str], bool]]
"""Of a selector from the outside in: tag, classes, whether right under the one before."""
Rule = tuple[Steps, dict[str, str], dict[str, str]]
"""(selector, what it sets, what it sets as important)."""


def page(html: str, dark: bool = False) -> Page:
    """The mail as it is shown by a program that knows CSS."""
    reader = _Reader(list(_rules(html, dark)))
    reader.feed(_COMMENT.sub("", html))
    reader.close()
    return reader.page


def _rules(html: str, dark: bool) -> Iterator[Rule]:
    css = "\n".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL))
    night = "\n".join(_DARK.findall(css)) if dark else ""
    for text in (_MEDIA.sub("", css), night):
        for selectors, body in _RULE.findall(text):
            plain, important = _declared(body)
            for selector in selectors.split(","):
                if "[" not in selector and ":" not in selector and "#" not in selector and selector.strip():
                    yield list(_steps(selector)), plain, important


def _steps(selector: str) -> Iterator[tuple[str, frozenset[str], bool]]:
    under = False
    for part in selector.replace(">", " > ").split():
        if part == ">":
            under = True
            continue
        match = _STEP.fullmatch(part)
        tag, classes = (match[1].lower(), match[2]) if match is not None else ("?", "")
        yield "" if tag == "*" else tag, frozenset(classes.split(".")) - {""}, under
        under = False


def _declared(body: str) -> tuple[dict[str, str], dict[str, str]]:
    """(plain, important)"""
    found: tuple[dict[str, str], dict[str, str]] = {}, {}
    for one in body.split(";"):
        name, _, value = one.partition(":")
        found["!important" in value][name.strip().lower()] = value.replace("!important", "").strip()
    return found


def _colour(value: str | None) -> str | None:
    match = _HEX.search(value or "")
    if match is None:
        return _NAMED.get((value or "").strip().lower())
    told = match[1].lower()
    return f"#{told}" if len(told) == 6 else "#" + "".join(one * 2 for one in told)


class _Reader(HTMLParser):
    def __init__(self, rules: list[Rule]) -> None:
        super().__init__(convert_charrefs=True)
        self.rules, self.page = rules, Page([], [], [])
        self.open = [_Element("html", frozenset(), "#000000", "#ffffff", 16, False, False)]
        self._link: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        above = self.open[-1]
        one = _Element(tag, frozenset((told.get("class") or "").split()), above.colour, above.ground, above.size, above.bold, above.hidden)
        self.open.append(one)
        self._styled(one, told)
        if tag == "a":
            self._link.append((told.get("href") or "", []))
        if tag == "img":
            self.page.pictures.append(Picture(told.get("src") or "", told.get("alt"), told.get("width")))
            for _, on in self._link[-1:]:
                on.append(told.get("alt") or "")
        if tag in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not any(one.tag == tag for one in self.open[1:]):
            return
        while self.open.pop().tag != tag:
            pass
        if tag == "a" and self._link:
            address, on = self._link.pop()
            self.page.links.append((address, " ".join(" ".join(on).split())))

    def handle_data(self, data: str) -> None:
        one = self.open[-1]
        if any(above.tag in ("style", "title", "script", "head") for above in self.open):
            return
        for _, on in self._link[-1:]:
            on.append(data)
        if data.strip() and not one.hidden:
            self.page.words.append(Words(" ".join(data.split()), one.colour, one.ground, one.size, one.bold))

    def _styled(self, one: _Element, told: dict[str, str | None]) -> None:
        """As CSS has it: attributes, rules, its own style, and over all of it what a rule calls important."""
        own, own_important = _declared(told.get("style") or "")
        rules = [(plain, important) for steps, plain, important in self.rules if _fits(self.open, steps)]
        self._set(one, {"background": told.get("bgcolor") or ""})
        for plain, _ in rules:
            self._set(one, plain)
        self._set(one, own)
        for _, important in rules:
            self._set(one, important)
        self._set(one, own_important)

    def _set(self, one: _Element, told: dict[str, str]) -> None:
        one.colour = _colour(told.get("color")) or one.colour
        one.ground = _colour(told.get("background-color")) or _colour(told.get("background")) or one.ground
        if (size := _PX.match(told.get("font-size", ""))) is not None and float(size[1]):
            one.size = float(size[1])
        if (weight := told.get("font-weight")) is not None:
            one.bold = weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 600)
        one.bold = one.bold or one.tag in ("b", "strong", "th", "h1", "h2", "h3")
        one.hidden = one.hidden or told.get("display") == "none"


def _fits(path: list[_Element], steps: Steps) -> bool:
    """Whether the innermost element of a path is one that the selector means."""
    tag, classes, under = steps[-1]
    last = path[-1]
    if (tag and tag != last.tag) or not classes <= last.classes:
        return False
    if len(steps) == 1:
        return True
    ends: Iterable[int] = (len(path) - 1,) if under else range(len(path) - 1, 0, -1)
    return any(end > 0 and _fits(path[:end], steps[:-1]) for end in ends)
