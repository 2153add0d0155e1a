"""MJML to HTML with Liquid left whole; refuses what MJML itself lets pass in silence, and what has no place in a mail."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from mjml import mjml2html
from msgspec import Struct

from app.domain.message_view import is_link
from app.policy.problem import Problem

MAX_INCLUDES = 50

TAGS = frozenset(
    (
        "mjml",
        "mj-head",
        "mj-body",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-breakpoint",
        "mj-font",
        "mj-html-attributes",
        "mj-preview",
        "mj-style",
        "mj-title",
        "mj-accordion",
        "mj-accordion-element",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-button",
        "mj-carousel",
        "mj-carousel-image",
        "mj-column",
        "mj-divider",
        "mj-group",
        "mj-hero",
        "mj-image",
        "mj-navbar",
        "mj-navbar-link",
        "mj-raw",
        "mj-section",
        "mj-social",
        "mj-social-element",
        "mj-spacer",
        "mj-table",
        "mj-text",
        "mj-wrapper",
    )
)
"""MJML's own; unknown ones go into the mail as they stand, so they are refused here."""

_HOLDS_HTML = frozenset(
    ("mj-text", "mj-button", "mj-raw", "mj-table", "mj-accordion-title", "mj-accordion-text", "mj-navbar-link", "mj-social-element")
)
_NEVER = frozenset(("script", "iframe", "object", "embed", "form", "input", "base"))
"""Mail programs drop them at best."""
LOADS = re.compile(r"@import\b|@font-face\b|<link\b|<mj-font\b", re.IGNORECASE)
"""What makes a mail load a style sheet or a font, which tells whoever keeps it who opened the mail, and when."""
_LINKS = frozenset(("href", "src", "background-url", "background", "action", "formaction", "poster"))
_SCHEMES = ("http:", "https:", "mailto:", "tel:")
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_INCLUDE = re.compile(r"<mj-include((?:\s+[a-z]+=\"[^\"]*\")+)\s*/>")
_GIVEN = re.compile(r"([a-z]+)=\"([^\"]*)\"")
_ASKED = re.compile(r"\[\[([a-z]+)(?:\|([^\]]*))?\]\]")
_LINK_PATH = re.compile(r"\{\{-?\s*[A-Za-z_][\w.\[\]]*\s*-?\}\}")
# Liquid waits outside while MJML runs: `<`, quotes and `&` in it are not XML. ASCII, since mrml writes attributes inside mj-text as Rust
# writes debug strings: anything unprintable comes out as \u{…}.
_OPEN, _CLOSE = "~liquid", "~"
_HOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_ESCAPED = re.compile(r"\\u\{[0-9a-f]+\}")


class Source(Struct, frozen=True):
    """A template's text with its includes in place. `places`: (file, line) of each of its lines."""

    text: str
    places: tuple[tuple[str, int], ...]

    def problem(self, index: int, message: str) -> Problem:
        """A problem at a character of the text."""
        return self.problem_at(self.text.count("\n", 0, max(index, 0)) + 1, message)

    def problem_at(self, line: int, message: str) -> Problem:
        file, line = self.places[min(line, len(self.places)) - 1]
        return Problem(file, line, message)


def read(file: Path, find: Callable[[str], Path | None]) -> tuple[Source, list[Problem]]:
    """The file with every `<mj-include path="…"/>` replaced by that file's text; `find` knows where includes lie.

    A part asks for what differs from one place to another as `[[title]]`, or `[[title|Else this]]`, and is given it as `title="…"`.
    """
    lines: list[str] = []
    places: list[tuple[str, int]] = []
    problems: list[Problem] = []
    included = 0

    def take(path: Path, inside: tuple[Path, ...], given: dict[str, str]) -> set[str]:
        nonlocal included
        wanted: set[str] = set()

        def fill(asked: re.Match[str]) -> str:
            wanted.add(asked[1])
            if asked[1] not in given and asked[2] is None:
                problems.append(
                    Problem(str(path), number, f'[[{asked[1]}]] is not given: <mj-include path="./{path.name}" {asked[1]}="…" />')
                )
            return given.get(asked[1], asked[2] or "")

        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            if inside:
                line = _ASKED.sub(fill, line)
            match = _INCLUDE.search(line)
            told = dict(_GIVEN.findall(match[1])) if match is not None else {}
            if match is None or "path" not in told:
                if "<mj-include" in line:
                    problems.append(Problem(str(path), number, 'an include stands on one line: <mj-include path="./_name.mjml" />'))
                lines.append(line)
                places.append((str(path), number))
                continue
            name = told.pop("path")
            target = find(Path(name).name)
            included += 1
            if target is None or target in (*inside, path) or included > MAX_INCLUDES:
                why = "not found" if target is None else "includes itself" if included <= MAX_INCLUDES else f"more than {MAX_INCLUDES}"
                problems.append(Problem(str(path), number, f"include {name}: {why}"))
                lines.append("")
                places.append((str(path), number))
                continue
            asks = take(target, (*inside, path), told)
            problems.extend(Problem(str(path), number, f"{target.name} does not ask for {one!r}") for one in told if one not in asks)
        return wanted

    take(file, (), {})
    return Source("\n".join(lines), tuple(places)), problems


def build(source: Source) -> tuple[str, list[Problem]]:
    """HTML with the Liquid of the source in it, and what is wrong with the MJML."""
    markup: list[str] = []

    def hold(match: re.Match[str]) -> str:
        markup.append(match.group())
        # Line breaks stay, so that the lines of problems are those of the source.
        return f"{_OPEN}{len(markup) - 1}{_CLOSE}" + "\n" * match.group().count("\n")

    if (taken := _HOLDER.search(source.text)) is not None:
        return "", [source.problem(taken.start(), f"{taken.group()} is our own placeholder")]
    held = _MARKUP.sub(hold, source.text)
    check = _Check(source, markup)
    check.feed(held)
    check.close()
    # In the text and not by the parser: conditional comments of Outlook and styles within HTML load as well.
    loads = [source.problem(one.start(), f"{one.group()} makes a mail load from elsewhere") for one in LOADS.finditer(source.text)]
    if check.problems or loads:
        return "", check.problems + loads
    try:
        # MJML knows the addresses of some fonts (Roboto is one), and without `fonts` adds those that a list of typefaces names.
        html = mjml2html(held, disable_comments=False, fonts={})
    except ValueError as error:
        return "", [source.problem_at(1, f"MJML: {error}")]
    if (broken := _ESCAPED.search(html)) is not None and not _ESCAPED.search(held):
        return "", [source.problem_at(1, f"an attribute holds a character that MJML breaks ({broken.group()}): write it as an entity")]
    left = {int(number) for number in _HOLDER.findall(html)}
    lost = [markup[n] for n in range(len(markup)) if n not in left]
    if lost:
        index = source.text.find(lost[0])
        return "", [source.problem(index, f"MJML drops {lost[0]}: put tags between components into <mj-raw>")]
    return _HOLDER.sub(lambda match: markup[int(match.group(1))], html), []


class _Check(HTMLParser):
    """Walks MJML and the HTML in it. Python's parser is lenient; MJML's own then judges the nesting of its tags."""

    def __init__(self, source: Source, markup: list[str]) -> None:
        super().__init__(convert_charrefs=False)
        self.source, self.markup = source, markup
        self.problems: list[Problem] = []
        self.open: list[str] = []

    def report(self, message: str, lines: int = 0) -> None:
        """`lines`: how far below the parser's place the fault stands."""
        self.problems.append(self.source.problem_at(self.getpos()[0] + lines, message))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)
        if tag.startswith("mj"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag.startswith("mj"):
            if not self.open or self.open[-1] != tag:
                self.report(f"</{tag}> closes {'<' + self.open[-1] + '>' if self.open else 'nothing'}")
            else:
                self.open.pop()

    def handle_data(self, data: str) -> None:
        if "mj-style" in self.open and _OPEN in data:
            self.report("a value has no place in CSS")
        inside = bool(_HOLDS_HTML.intersection(self.open)) or (self.open and self.open[-1] in ("mj-preview", "mj-title", "mj-style"))
        text = data.strip()
        if not inside and text:
            lost = "put Liquid between components into <mj-raw>" if _OPEN in text else f"text outside a component is lost: {text[:40]!r}"
            self.report(lost, data[: data.index(text)].count("\n"))

    def look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = bool(_HOLDS_HTML.intersection(self.open))
        if tag.startswith("mj") and tag not in TAGS:
            self.report(f"unknown tag <{tag}>")
        elif not tag.startswith("mj") and not held:
            self.report(f"<{tag}> may stand only in mj-text, mj-table, mj-button or mj-raw")
        elif tag in _NEVER:
            self.report(f"<{tag}> has no place in a mail")
        for name, value in attrs:
            if name.startswith("on"):
                self.report(f"{name} has no place in a mail")
            elif name == "style" and _OPEN in (value or ""):
                self.report("a value has no place in CSS")
            elif name in _LINKS:
                self.link(name, (value or "").strip())

    def link(self, name: str, value: str) -> None:
        match = _HOLDER.match(value)
        if match is not None:
            markup = self.markup[int(match.group(1))]
            last = markup.strip("{}- \n").rpartition(".")[2]
            if match.end() != len(value) or not _LINK_PATH.fullmatch(markup) or not is_link(last):
                self.report(f"{name} must be a variable that holds a link (url, image, …_url), not {markup}")
        elif ":" in value.split("/")[0] and not value.lower().startswith(_SCHEMES):
            self.report(f"{name} must be a http, https, mailto or tel address")
