"""Proofs of a pack's messages: each is rendered for people of every kind, and looked over as a reader would see it (A-187, A-248)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from app.domain import creative
from app.domain.brand import AA, contrast
from app.domain.message import MessageSource
from app.domain.message_view import web_address
from app.domain.rendering import MissingContent, Rendered, RenderFailed, render, render_short
from app.domain.trigger import Variant
from app.policy import mjml
from app.policy.problem import Problem
from app.policy.shown import Page, page
from app.policy.tried_on import EVIL, LONG, ONE, PEOPLE

MAX_HTML = 102 * 1024
"""Bytes: Gmail cuts what is longer, and the way out with it."""
MAX_SUBJECT = 78
"""Characters of a subject where names are of an ordinary length: RFC 5322's line, and more than any phone shows."""
LARGE, LARGE_BOLD, LARGE_AA = 24.0, 18.66, 3.0
"""px, px of bold, and the least contrast of what is that large (WCAG 2.2, 1.4.3)."""
WAY_OUT = "https://shop.example/u/" + "t" * 160
_LEFT = re.compile(r"\{\{|\}\}|\{%|%\}|\$\{|%%[A-Za-z]|\*\|[A-Z_:]+\|\*|~liquid\d+~|\[\[\w+\]\]")
"""Tags of this or another template language that nobody has filled: Liquid, Handlebars, AMPscript, merge tags, our own."""
_ONE = re.compile(r"(?<![\w.,:/-])1 (?!(?:%|is|was|has|this|its|less|plus|across)\b)[a-z]+s\b")
"""One of what is named as many: "1 things"."""
_HIDES = ("unknown", "a click only")
"""People of whom so little is known that a message may well not be for them."""


class Proof(Struct, frozen=True):
    """One message as one of the people would get it; `failed`: why she would get none."""

    message: str
    person: str
    rendered: Rendered | None
    failed: str = ""


def proofs(messages: Iterable[MessageSource], shop: str, more: Mapping[str, Any] = {}) -> Iterator[Proof]:
    """Every mail for everybody. `shop`: the sender's name. `more`: what the templates are told besides."""
    for source in messages:
        for person, view in PEOPLE.items() if source.html else ():
            try:
                yield Proof(source.name, person, render(source, {**view, **more, "shop": {"name": shop}, "unsubscribe_url": WAY_OUT}))
            except RenderFailed as error:
                yield Proof(source.name, person, None, error.detail)


def problems(messages: Mapping[str, MessageSource], shop: str, find: Callable[[str], Path | None]) -> list[Problem]:
    """What is wrong with them, each fault once, with the line of the source where it can be told. `find`: a source file by its name."""
    found: dict[tuple[str, str], Problem] = {}
    for proof in proofs(messages.values(), shop):
        for what, mark in _faults(proof):
            if (proof.message, what) not in found:
                found[proof.message, what] = _placed(proof.message, what, mark, find)
    for source in messages.values():
        for what in _short_faults(source, shop):
            found.setdefault((source.name, what), Problem(f"{source.name}.txt", 0, what))
    return list(dict.fromkeys(found.values()))


def variant_problems(messages: Mapping[str, MessageSource], variants: Iterable[tuple[Variant, str, int]], shop: str) -> list[Problem]:
    """What is wrong with a message as another subject, picture or button makes it, and not without. `variants`: each with file and line."""
    found = []
    for one, file, line in variants:
        if (source := messages.get(one.message)) is None:
            continue
        itself = {what for proof in proofs([source], shop) for what, _ in _faults(proof)}
        changed, told = creative.written(source, [one], {one.factor: one.name})
        faults = [what for proof in proofs([changed], shop, {"creative": told}) for what, _ in _faults(proof) if what not in itself]
        found += [Problem(file, line, f"{one.message} with the {one.factor} {one.name!r}: {what}") for what in dict.fromkeys(faults)]
    return found


Fault = tuple[str, str]
"""(what is wrong, a piece of the source by which its line is found)."""


def _faults(proof: Proof) -> Iterator[Fault]:
    sent = proof.rendered
    if sent is None:
        if not proof.failed.endswith("is missing") or proof.person not in _HIDES:
            yield f"cannot be written for {proof.person!r}: {proof.failed}", proof.failed.removesuffix(" is missing")
        return
    size = len(sent.html.encode())
    if size >= MAX_HTML:
        yield f"{size:,} bytes of HTML for {proof.person!r}: Gmail cuts at {MAX_HTML:,}", ""
    if len(sent.subject) > MAX_SUBJECT and proof.person not in ("long names", "HTML and Liquid"):
        yield f"a subject of {len(sent.subject)} characters for {proof.person!r}: at most {MAX_SUBJECT}", "subject:"
    if proof.person == ONE:
        for text in (sent.subject, sent.preheader, sent.text, *[one.text for one in page(sent.html).words]):
            if (many := _ONE.search(text)) is not None:
                yield f"one of something, named as many: {many.group()!r}", many.group()[2:]
    if not sent.text.strip():
        yield "no plain text", ""
    if WAY_OUT not in sent.text or WAY_OUT not in sent.html:
        yield "no way out: unsubscribe_url stands in the mail and in its text", ""
    if (loads := mjml.LOADS.search(sent.html)) is not None:
        yield f"{loads.group()} makes the mail load from elsewhere: whoever keeps it learns who opens the mail", loads.group()
    yield from _tags(proof, sent)
    light = page(sent.html)
    yield from _links(light)
    yield from _pictures(light)
    if proof.person == "known":
        for dark, shown in ((False, light), (True, page(sent.html, dark=True))):
            yield from _contrast(shown, dark)


def _tags(proof: Proof, sent: Rendered) -> Iterator[Fault]:
    parts = {"subject": sent.subject, "preheader": sent.preheader, "text": sent.text, "HTML": sent.html.partition("<body")[2]}
    for part, text in parts.items():
        if proof.person == "HTML and Liquid":
            if part == "HTML" and ("<script" in text or "<img src=x" in text):
                yield "markup in a name becomes markup of the mail", ""
            if "42" in text.replace(WAY_OUT, "") and "7 | times" not in text:
                yield f"Liquid in a name is run in the {part}", ""
            continue  # a name may well look like a tag
        if (left := _LEFT.search(text)) is not None:
            yield f"an unresolved tag in the {part}: {text[left.start() : left.start() + 40]!r}", left.group()


def _links(shown: Page) -> Iterator[Fault]:
    for address, on in shown.links:
        if not address:
            yield f"a link without address: {on[:40]!r}", on[:20]
        elif web_address(address) is None and not address.startswith(("mailto:", "tel:")):
            yield f"a link that is no web address: {address[:60]!r}", address[:40]
        if not on.strip():
            yield f"a link with nothing to click on: {address[:60]!r}", address[:40]


def _pictures(shown: Page) -> Iterator[Fault]:
    for one in shown.pictures:
        if one.alt is None:
            yield f"a picture without alt text: {one.src[:60]!r}", "<img"
        if not (one.width or "").isdigit():
            yield f"a picture without width: {one.src[:60]!r}", "<img"
        if web_address(one.src) is None:
            yield f"a picture that is no web address: {one.src[:60]!r}", "<img"


def _contrast(shown: Page, dark: bool) -> Iterator[Fault]:
    for one in shown.words:
        least = LARGE_AA if one.size >= LARGE or (one.bold and one.size >= LARGE_BOLD) else AA
        if (much := contrast(one.colour, one.ground)) < least:
            where = "in dark" if dark else "in light"
            yield f"{one.colour} on {one.ground} {where}: contrast {much:.1f}, at least {least:g} ({one.text[:30]!r})", one.text[:20]


def _short_faults(source: MessageSource, shop: str) -> Iterator[str]:
    """Of its texts in other channels."""
    for channel in ("sms", "push"):
        for person, view in PEOPLE.items() if getattr(source, channel) else ():
            try:
                sent = render_short(source, channel, {**view, "shop": {"name": shop}, "unsubscribe_url": WAY_OUT})
            except MissingContent:
                continue
            except RenderFailed as error:
                if LONG not in str(view):
                    yield f"{channel} for {person!r}: {error.detail}"
                continue
            if _LEFT.search(sent.text) and EVIL not in str(view):
                yield f"an unresolved tag in the {channel}"
            if person == ONE and (many := _ONE.search(sent.text)) is not None:
                yield f"one of something, named as many, in the {channel}: {many.group()!r}"


def _placed(message: str, what: str, mark: str, find: Callable[[str], Path | None]) -> Problem:
    """With file and line: the first place of the sources at which the mark stands; else the message alone."""
    files = [file for end in (".mjml", ".txt") if (file := find(message + end)) is not None]
    for file in files if mark else ():
        source, _ = mjml.read(file, find)
        at = source.text.find(mark)
        if at >= 0:
            return source.problem(at, what)
    return Problem(str(files[0]) if files else message, 0, what)
