"""A message from its sources and a view: Liquid in; subject, preheader, HTML and text out. Pure; written whole or refused."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from liquid import Environment, FalsyStrictUndefined, Mode, is_undefined
from liquid.exceptions import LiquidError, LiquidSyntaxError, LocalNamespaceLimitError, OutputStreamLimitError, UndefinedError
from liquid.token import TOKEN_CONTENT, Token
from msgspec import Struct

from app.domain import money
from app.domain.catalogue import Items, nothing
from app.domain.liquid_expressions import roots
from app.domain.liquid_limits import LimitedContext, bounded, unreadable
from app.domain.liquid_program import Output, Write, program
from app.domain.message import MessageSource
from app.domain.message_view import ROOTS, shaped
from app.domain.reach import EMAIL
from app.domain.shown import noting, primary_category

MAX_OUTPUT = 200_000
"""Bytes of one part: with JSON's escapes the record stays below the engine's 512 KiB. (Gmail clips at 102 KB.)"""
MAX_LOOPS = 2_000
MAX_NESTING = 30
MAX_LOCALS = 100_000
"""Bytes of everything a template assigns and captures."""
MAX_NAMES = 500
"""Names that a template gives to what it assigns and captures: all are counted anew at each."""
FEW_NAMES = 20
MAX_FORM = 100
"""Characters of the form of a date: each may make 256."""
MAX_SUBJECT = 200
"""Characters; longer subjects and preheaders are cut."""
MOST = {"sms": 480, "push": 240}
"""Characters of a text by channel: three text messages joined into one; what a locked screen shows of a push."""
COMPILED = 500
"""Compiled messages kept: all of a dozen pack versions."""

# Left out: `safe` and its kin would undo escaping, `include` and `render` would read files, `date` of Liquid reads the clock and
# the machine's zone.
_NO_FILTERS = ("safe", "escapejs", "base64_decode", "base64_url_safe_decode", "date")
_NO_TAGS = ("include", "render", "increment", "decrement", "tablerow")

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


class RenderFailed(Exception):
    """This message cannot be written for this person. `detail` says why and names no value of hers."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MissingContent(RenderFailed):
    """The template prints `variable`, which nobody told."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable} is missing")
        self.variable = variable


class Rendered(Struct, frozen=True):
    """A finished message. `recommendations`: ids of the recommended products that it shows, in the order shown."""

    subject: str
    preheader: str
    html: str
    text: str
    recommendations: tuple[str, ...] = ()


class Context(LimitedContext):
    def get_item(self, obj: Any, key: Any) -> Any:
        # Liquid answers `event.size` with the number of keys when the event has no size: a shirt of size 14.
        if isinstance(obj, dict):
            return obj[key]
        if key == "primary_category" and isinstance(obj, list):
            self.weigh(obj)
            return primary_category(getattr(obj, "primary_category", None) or obj)
        return super().get_item(obj, key)

    def assign(self, key: str, val: Any) -> None:
        super().assign(str(key), val)  # as a plain string: Liquid's own compares and hashes in Python
        if (names := len(self.locals)) > FEW_NAMES:
            self.spend(3 * names)
            if names > MAX_NAMES:
                raise LocalNamespaceLimitError("local namespace limit reached", token=None)


class _Environment(Environment):  # type: ignore[misc]  # Liquid is read as untyped
    output_stream_limit = MAX_OUTPUT
    loop_iteration_limit = MAX_LOOPS
    block_nesting_limit = MAX_NESTING
    context_depth_limit = MAX_NESTING
    local_namespace_limit = MAX_LOCALS

    def from_string(self, source: str, *args: Any, **more: Any) -> Any:
        return bounded(super().from_string(source, *args, **more))


def environment(autoescape: bool) -> Any:
    """A Liquid environment without loaders, clock or ways around escaping; undefined is false in a condition and an error in print."""
    found = _Environment(undefined=FalsyStrictUndefined, autoescape=autoescape, tolerance=Mode.STRICT)
    for name in _NO_FILTERS:
        del found.filters[name]
    for name in _NO_TAGS:
        del found.tags[name]
    found.filters["money"] = _money
    found.filters["date"] = _date
    return found


def _money(amount: Any, currency: Any = None) -> str:
    """`{{ event.price | money: event.currency }}`: "€89.00", "89.00 SEK", or the bare amount if the currency is not told; to cents."""
    if type(amount) is not str and is_undefined(amount):
        return str(amount)  # raises, naming the variable
    code = currency.upper() if type(currency) is str else "" if currency is None or is_undefined(currency) else str(currency).upper()
    told = money.shown(str(amount))
    return f"{SIGNS[code]}{told}" if code in SIGNS else f"{told} {code}".rstrip()


def _date(value: Any, form: Any = "%-d %B %Y") -> str:
    """`{{ profile.last_purchase_at | date: "%-d %B" }}`: an ISO time of the view, in UTC."""
    if is_undefined(value):
        return str(value)  # raises, naming the variable
    if len(str(form)) > MAX_FORM:
        raise ValueError("a date's form is too long")
    moment = datetime.fromisoformat(str(value))
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime(str(form))


_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED = re.compile("\"[^\"]*\"|'[^']*'|[“”„][^“”„\"]*[“”„]|[‘’‚][^‘’‚']*[‘’‚]", re.DOTALL)


def straight(source: str) -> str:
    """Curly quotes around Liquid's strings made straight, as word processors curl them (X-25); of the same length, text untouched."""

    def quoted(match: re.Match[str]) -> str:
        text = match.group()
        if text[0] in "“”„":
            return f'"{text[1:-1]}"'
        return f"'{text[1:-1]}'" if text[0] in "‘’‚" else text

    if unreadable(source) is not None:
        return source
    return _MARKUP.sub(lambda match: _QUOTED.sub(quoted, match.group()), source)


_GAP = re.compile(r"\n{3,}")

_plain_environment = environment(autoescape=False)
_html_environment = environment(autoescape=True)


def compiled(source: str, html: bool) -> Any:
    """The parsed template. Raises `liquid.exceptions.LiquidError` with a token that says where."""
    if (found := unreadable(source)) is not None:
        raise LiquidSyntaxError(found[1], token=Token(TOKEN_CONTENT, "", found[0], source))
    return (_html_environment if html else _plain_environment).from_string(straight(source))


class _Template(Struct, frozen=True):
    """`parsed`: by Liquid; `write`: what writes it."""

    parsed: Any
    write: Write


class _Message(Struct, frozen=True):
    """The templates of a message in a channel, in the order of writing. `named`: roots of the view that any of them reads."""

    templates: tuple[_Template, ...]
    named: Collection[str]


def _made(*sources: tuple[str, bool]) -> _Message:
    """Of (source, whether it is HTML)."""
    try:
        parsed = [compiled(source, html) for source, html in sources]
        named = {root for one in parsed for root in roots(one.nodes)}
        return _Message(tuple([_Template(one, program(one)) for one in parsed]), ROOTS if "" in named else frozenset(named))
    except (LiquidError, RecursionError, MemoryError) as error:  # saved when more was allowed
        raise RenderFailed(str(error.message) if isinstance(error, LiquidError) else type(error).__name__) from error


@lru_cache(maxsize=COMPILED)
def _mail(source: MessageSource) -> _Message:
    # By content, so that a new version of a pack never meets the old one's templates.
    return _made((source.subject, False), (source.preheader, False), (source.text, False), (source.html, True))


def named(source: MessageSource, channel: str) -> Collection[str]:
    """Roots of the view that a message reads in a channel."""
    return (_mail(source) if channel == EMAIL else _short(source, channel)).named


def render(source: MessageSource, view: Mapping[str, Any], items: Items = nothing, at: int = 0) -> Rendered:
    """The message for this view (iface: Plan.view and `unsubscribe_url`, `shop`), written at `at` (ms). `items`: the catalogue.

    Raises `MissingContent` for a variable nobody told, `RenderFailed` for limits and filters that cannot do with the values there are.
    """
    message = _mail(source)
    subject, preheader, text, html = message.templates
    values = shaped(view, items, at, message.named)
    shown: dict[str, None] = {}
    values["subject"] = _line(_write(subject, values))
    if not values["subject"]:
        raise MissingContent("subject")
    values["preheader"] = _line(_write(preheader, values))
    plain_text = _paragraphs(_write(text, values))
    values |= noting(values, shown)
    body = _write(html, values)
    return Rendered(values["subject"], values["preheader"], body, plain_text, tuple(shown))


@lru_cache(maxsize=COMPILED)
def _short(source: MessageSource, channel: str) -> _Message:
    title, text = ("", source.sms) if channel == "sms" else (source.push_title, source.push)
    return _made((title, False), (text, False))


def render_short(source: MessageSource, channel: str, view: Mapping[str, Any], items: Items = nothing, at: int = 0) -> Rendered:
    """The message as a text message (`sms`, no subject) or a `push` (its title is the subject); HTML and preheader are empty.

    Raises as `render` does, and `RenderFailed` for one that is longer than its channel carries: half a sentence helps nobody.
    """
    message = _short(source, channel)
    title, text = message.templates
    values = shaped(view, items, at, message.named)
    shown: dict[str, None] = {}
    values |= noting(values, shown)
    subject = values["subject"] = _line(_write(title, values))
    if channel == "push" and not subject:
        raise MissingContent("subject")
    body = _paragraphs(_write(text, values)).strip()
    if not body:
        raise MissingContent("text")
    most = MOST[channel]
    if len(body) > most:
        raise RenderFailed(f"{len(body)} characters; {channel} carries at most {most}")
    return Rendered(subject, "", "", body, tuple(shown))


def _write(template: _Template, values: Mapping[str, Any]) -> str:
    return _written(template, Context(template.parsed, globals=values))


def _written(template: _Template, context: Context) -> str:
    output = Output(MAX_OUTPUT)
    try:
        template.write(context, output)
        text = str(output.getvalue())
        if len(text) > MAX_OUTPUT // 4 and len(text.encode()) > MAX_OUTPUT:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return text
    except _FAULTS as error:
        raise _failure(error, output) from error


_FAULTS = (LiquidError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError, MemoryError)
"""What a template's filters raise when they meet a value that they cannot work with, or too much of it."""


def fault(source: str, html: bool, view: Mapping[str, Any]) -> tuple[int, str] | None:
    """(place, why): the tag at which this template of a message cannot be written for a view; None where it can be, or misses something."""
    parsed = compiled(source, html)
    values = shaped(view, nothing, 0, ROOTS) | {"subject": "", "preheader": ""}
    context = Context(parsed, globals=values | noting(values, {}))
    try:
        _written(_Template(parsed, program(parsed, placed=True)), context)
    except MissingContent:
        return None
    except RenderFailed as error:
        return context.at, error.detail
    return None


def _failure(error: Exception, output: Output) -> RenderFailed:
    if output.full:
        return RenderFailed("output stream limit reached")  # whatever came after it
    if isinstance(error, UndefinedError):
        return MissingContent(str(error.message).removesuffix(" is undefined").strip("'"))
    if isinstance(error, LiquidError):
        return RenderFailed(str(error.message))
    # A filter met a value it cannot work with: a message we cannot write, not a defect of ours.
    return RenderFailed(f"{type(error).__name__} in a filter")


def _line(text: str) -> str:
    """One line without control characters: what may stand in a header."""
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    line = " ".join(text.split())
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1].rstrip() + "…"


def _paragraphs(text: str) -> str:
    """Plain text without the gaps that branches not taken leave behind."""
    lines = "\n".join([line.rstrip() for line in text.splitlines()])
    return _GAP.sub("\n\n", lines).strip() + "\n"
