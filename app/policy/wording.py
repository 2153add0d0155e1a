"""The wording of a message as a model or a person gives it, and the rules it must keep before it may stand in one (A-183, A-184).

Beside what every message must keep: it promises nothing that is not told. A figure, a price, a share or an address stands in it as a
variable or not at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from app.domain.rendering import straight

MAX_JSON = 20_000
"""Bytes of one wording."""
LENGTHS = {"subject": 120, "preheader": 160, "headline": 120, "text": 2_500}
"""Characters, Liquid counted; how long a subject is for people is proofread besides."""
SHORT = {"sms": 400, "push": 240}
"""Of the text in these channels."""
PARTS = {"email": ("subject", "preheader", "text"), "push": ("subject", "text"), "sms": ("text",)}
"""What a channel's wording must have; a mail may have a headline."""
TAGS = ("if", "elsif", "else", "endif", "unless", "endunless")
FILTERS = ("default", "money", "date", "capitalize", "downcase", "upcase")
"""None of them reckons: what comes out is what went in."""

_TAG = re.compile(r"\{%-?\s*(\w*)(.*?)-?%\}", re.DOTALL)
_OUTPUT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_FILTER = re.compile(r"\|\s*(\w+)")
_INDEX = re.compile(r"\[\d+\]")
_ADDRESS = re.compile(r"://|\bwww\.|\bmailto:|\S@\S|\b[\w-]{2,}\.(?:[a-z]{2,})\b", re.IGNORECASE)
_SHARE = re.compile(r"[%‰€$£¥₹]|\bper ?cent\b|\bpercent\b|\b(?:EUR|USD|GBP|JPY|CHF)\b", re.IGNORECASE)
_BRACKETS = re.compile(r"[<>]|\[\[|\]\]|~liquid")


class Wording(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Plain text with Liquid's variables in it. `text`: paragraphs with a blank line between them, without greeting and way out."""

    text: str
    subject: str = ""
    preheader: str = ""
    headline: str = ""

    @property
    def paragraphs(self) -> list[str]:
        return [" ".join(one.split()) for one in re.split(r"\n\s*\n", self.text.strip())]


class NoWording(ValueError):
    """What came is none; the message says why."""


def read(data: bytes) -> Wording:
    """Raises `NoWording`."""
    if len(data) > MAX_JSON:
        raise NoWording(f"{len(data):,} bytes; a wording has at most {MAX_JSON:,}")
    try:
        found = msgspec.json.decode(data, type=Wording)
    except msgspec.ValidationError as error:
        raise NoWording(f"not the JSON object that was asked for: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoWording(f"not JSON: {error}") from error
    lines = {name: " ".join(getattr(found, name).split()) for name in ("subject", "preheader", "headline")}
    return Wording(straight(found.text.replace("\r\n", "\n")), **{name: straight(one) for name, one in lines.items()})


def complaints(wording: Wording, channel: str) -> list[str]:
    """Everything that is wrong with a wording in a channel, short of what only a built message shows."""
    told = {name: getattr(wording, name) for name in LENGTHS}
    wanted = PARTS[channel]
    found = [f"{name} is missing" for name in wanted if not told[name].strip()]
    allowed = (*wanted, "headline") if channel == "email" else wanted
    found += [f"{name}: there is none in a message by {channel}" for name in told if told[name] and name not in allowed]
    for name, text in told.items():
        most = SHORT.get(channel, LENGTHS[name]) if name == "text" else LENGTHS[name]
        if len(text) > most:
            found.append(f"{name}: {len(text):,} characters, at most {most:,}")
        found += [f"{name}: {what}" for what in _faults(text)]
    return list(dict.fromkeys(found))


def _faults(text: str) -> Iterator[str]:
    for tag in _TAG.finditer(text):
        if tag[1] not in TAGS:
            yield f"the tag {tag[1] or tag.group()!r}: only {', '.join(TAGS)} may stand in a wording"
    printed = list[str]()
    for output in _OUTPUT.finditer(text):
        strings = _STRING.findall(output[1])
        printed += [one[1:-1] for one in strings if not _date_form(one, output[1])]
        bare = _INDEX.sub("", _STRING.sub("", output[1]))
        if not bare.split("|")[0].strip():
            yield f"{output.group()!r} is no variable"
        for name in _FILTER.findall(bare):
            if name not in FILTERS:
                yield f"the filter {name}: only {', '.join(FILTERS)} may stand in a wording"
        if any(sign.isdigit() for sign in bare):
            yield f"a number that is no variable: {output.group()!r}"
    said = _OUTPUT.sub(" ", _TAG.sub(" ", text))
    if (left := re.search(r"\{\{|\{%|%\}|\}\}", said)) is not None:
        yield f"an unfinished tag: {said[left.start() : left.start() + 40]!r}"
        return
    for one in (said, *printed):
        yield from _promises(one)


def _promises(said: str) -> Iterator[str]:
    """What stands there as text, and may not."""
    if (found := _BRACKETS.search(said)) is not None:
        yield f"HTML or another mark-up ({found.group()!r}): only plain text and variables"
    number = next((sign for sign in said if unicodedata.category(sign).startswith("N")), None)
    if number is not None:
        at = said.index(number)
        yield f"a number that is no variable: {said[max(at - 15, 0) : at + 15].strip()!r}"
    if (found := _SHARE.search(said)) is not None:
        yield f"a price or a share that is no variable: {found.group()!r}"
    if (found := _ADDRESS.search(said)) is not None:
        yield f"an address that is no variable: {found.group()!r}"
    if any(unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs") and sign not in "\n\t\u200d" for sign in said):
        yield "a control character"


def _date_form(string: str, output: str) -> bool:
    """Whether a string says how a date is written: its signs are not printed."""
    return re.search(r"\|\s*date\s*:\s*" + re.escape(string), output) is not None


def example() -> dict[str, Any]:
    """The JSON that is asked for, each part with what it is."""
    return {
        "subject": "one line",
        "preheader": "one line that goes on where the subject ends",
        "headline": "one line above the text",
        "text": "paragraphs, a blank line between them; no greeting, no signature, no way to unsubscribe: these stand in the layout",
    }
