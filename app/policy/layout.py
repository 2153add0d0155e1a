"""A wording put in the place of the one that a message has: its layout, products, buttons and foot stay."""

from __future__ import annotations

import re
from html import escape, unescape

from msgspec import Struct

from app.policy.wording import Wording

_TEXT = re.compile(r"(<mj-text\b[^>]*>)(.*?)(</mj-text>)", re.DOTALL)
_TITLE = re.compile(r'mj-class="title"')
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_HTML = re.compile(r"<[^>]*>")
_BLOCK = re.compile(r"(?:^[^\n]*\S[^\n]*(?:\n|\Z))+", re.MULTILINE)
_WAY_OUT = re.compile(r"^.*(?:unsubscribe_url|\bSTOP\b).*$", re.MULTILINE)

PLAIN_MARKUP = """\
<mjml lang="en">
  <mj-include path="./_head.mjml" />
  <mj-body css-class="page" background-color="{{ brand.ground }}" width="600px">
    <mj-include path="./_header.mjml" />
    <mj-section css-class="card" padding="28px 0 0" border-radius="{{ brand.radius }}px {{ brand.radius }}px 0 0">
      <mj-column>
        <mj-text css-class="ink" mj-class="title">headline</mj-text>
        <mj-include path="./_hello.mjml" />
        <mj-text css-class="ink">text</mj-text>
      </mj-column>
    </mj-section>
    <mj-include path="./_end.mjml" />
  </mj-body>
</mjml>
"""
PLAIN_TEXT = """\
subject: subject
preheader: preheader
---
Hello{% if customer.first_name %} {{ customer.first_name }}{% endif %},

text

<mj-include path="./_footer.txt" />
"""
"""A mail of nothing but a headline and a text."""


class NoPlace(ValueError):
    """This layout has no one place for a wording; the message says why."""


class _Found(Struct):
    """`title`, `run`: of the markup, (from, to) of the headline's inner text and of the paragraphs; `body`: of the text file."""

    title: tuple[int, int] | None
    run: tuple[int, int]
    element: tuple[str, str]
    body: tuple[int, int]
    paragraphs: list[str]


def worded(wording: Wording, markup: str, text: str) -> tuple[str, str]:
    """(MJML, text file) with the wording in place. Raises `NoPlace`."""
    place = _place(markup, text)
    opening, closing = place.element
    indent = "\n" + " " * (place.run[0] - markup.rfind("\n", 0, place.run[0]) - 1)
    shown = indent.join(f"{opening}{_escaped(one)}{closing}" for one in wording.paragraphs)
    pieces = [(place.run, shown)]
    if place.title is not None and wording.headline:
        pieces.append((place.title, _escaped(wording.headline)))
    elif place.title is None and wording.headline:
        raise NoPlace("a headline has no place in this layout: it has no title")
    for (start, end), piece in sorted(pieces, reverse=True):
        markup = markup[:start] + piece + markup[end:]
    text = text[: place.body[0]] + "\n\n".join(wording.paragraphs) + text[place.body[1] :]
    return markup, _fields(text, {"subject": wording.subject, "preheader": wording.preheader})


def short(wording: Wording, channel: str, text: str | None) -> str:
    """The file of a text message or push; of the former the line with the way out stays as it is."""
    body = " ".join(wording.paragraphs) if channel == "sms" else "\n\n".join(wording.paragraphs)
    if channel == "push":
        return f"subject: {wording.subject}\n---\n{body}\n"
    ways = _WAY_OUT.findall(text or "") or ["No more texts: {{ unsubscribe_url }}"]
    return f"{body}\n{ways[-1]}\n"


def present(markup: str, text: str) -> Wording:
    """The wording that `worded` would put another in the place of. Raises `NoPlace`."""
    place = _place(markup, text)
    title = "" if place.title is None else _said(markup[slice(*place.title)])
    fields = {name: _field(text, name) for name in ("subject", "preheader")}
    return Wording("\n\n".join(place.paragraphs), fields["subject"], fields["preheader"], title)


def _place(markup: str, text: str) -> _Found:
    elements = list(_TEXT.finditer(markup))
    titles = [one for one in elements if _TITLE.search(one[1])]
    if len(titles) > 1:
        raise NoPlace(f"it says one of {len(titles)} things, each under a title of its own")
    start = re.search(r"^---\s*\n", text, re.MULTILINE)
    offset = start.end() if start is not None else 0
    blocks = {_said(one.group()): one.span() for one in _BLOCK.finditer(text, offset)}
    run = list[re.Match[str]]()
    for one in elements:
        told = _said(one[2])
        if one in titles or told not in blocks or told.endswith(","):  # a greeting stays
            if run:
                break
            continue
        if run and (markup[run[-1].end() : one.start()].strip() or text[blocks[_said(run[-1][2])][1] : blocks[told][0]].strip()):
            break
        run.append(one)
    if not run:
        return _opening(elements, titles, markup, text, offset)
    before = elements[elements.index(run[0]) - 1] if elements.index(run[0]) else None
    if before is not None and not (
        before in titles or _said(before[2]).endswith(",") or "</mj-column>" in markup[before.end() : run[0].start()]
    ):
        raise NoPlace(
            f"its MJML says {_said(before[2])[:40]!r}, and its plain text does not: it must be clear what another wording replaces"
        )
    said = [_said(one[2]) for one in run]
    first, last = blocks[said[0]], blocks[said[-1]]
    title = titles[0].span(2) if titles else None
    end = last[1] - (text[last[1] - 1] == "\n")
    return _Found(title, (run[0].start(), run[-1].end()), (run[0][1], run[0][3]), (first[0], end), said)


def _opening(elements: list[re.Match[str]], titles: list[re.Match[str]], markup: str, text: str, offset: int) -> _Found:
    """Where the two do not say the same: the one paragraph under the title, and the line that follows the greeting."""
    first = next((n for n, one in enumerate(elements) if one in titles), None)
    under = [] if first is None else [one for one in elements[first + 1 :] if "</mj-column>" not in markup[titles[0].end() : one.start()]]
    lines = [(one.span(), _said(one.group())) for one in re.finditer(r"^[^\n]*\S[^\n]*$", text[offset:], re.MULTILINE)]
    greeting = next((n for n, (_, said) in enumerate(lines) if said.endswith(",")), None)
    if len(under) != 1 or greeting is None or greeting + 1 >= len(lines) or lines[greeting + 1][1] == "":
        raise NoPlace("its MJML and its plain text have no paragraph in common, and no one paragraph under a title and a greeting")
    (start, end), said = lines[greeting + 1]
    return _Found(titles[0].span(2), under[0].span(), (under[0][1], under[0][3]), (start + offset, end + offset), [said])


def _said(piece: str) -> str:
    """As plain text, Liquid left whole, every gap one blank."""
    kept = _LIQUID.findall(piece)
    plain = [" ".join(unescape(_HTML.sub(" ", one)).split(" ")) for one in _LIQUID.split(piece)]
    return " ".join("".join(part + tag for part, tag in zip(plain, [*kept, ""], strict=True)).split())


def _escaped(text: str) -> str:
    """For MJML: what is no Liquid cannot become a tag."""
    kept = _LIQUID.findall(text)
    return "".join(escape(part, quote=False) + tag for part, tag in zip(_LIQUID.split(text), [*kept, ""], strict=True))


def _fields(text: str, fields: dict[str, str]) -> str:
    head, line, body = text.partition("\n---")
    lines = [next((f"{name}: {told}" for name, told in fields.items() if one.startswith(f"{name}:")), one) for one in head.split("\n")]
    return "\n".join(lines) + line + body


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(.*)$", text.partition("\n---")[0], re.MULTILINE)
    return found[1].strip() if found is not None else ""
