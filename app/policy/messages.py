"""Messages of a pack, built when the pack is saved: `NAME.mjml` and `NAME.txt` become Liquid sources, or problems with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from liquid.exceptions import LiquidError

from app.domain.message import MessageSource
from app.domain.rendering import MAX_OUTPUT, MissingContent, RenderFailed, compiled, render, straight
from app.policy import mjml, variables
from app.policy.mjml import Source
from app.policy.problem import Problem

SHIPPED = Path(__file__).parent / "messages"
"""Messages and layout parts (`_NAME.mjml`) that every pack may use, and put its own in the place of."""

MAX_SOURCE = 200_000
"""Characters of one file."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BLOCK = re.compile(r"\{%-?\s*(end)?(if|unless|case|for|capture|comment|raw|ifchanged|doc)\b")
_FIELDS = ("subject", "preheader")


def build_messages(names: Iterable[str], folders: Sequence[Path]) -> tuple[dict[str, MessageSource], list[Problem]]:
    """Sources by name, in the order of the names, and everything that is wrong. The first folder that has `NAME.mjml` wins."""
    built: dict[str, MessageSource] = {}
    problems: list[Problem] = []
    for name in sorted(set(names)):
        message, faults = _build(name, folders)
        problems += faults
        if message is not None and not faults:
            built[name] = message
    # A fault in a shared part is one fault, however many messages include it.
    return built, list(dict.fromkeys(problems))


def _build(name: str, folders: Sequence[Path]) -> tuple[MessageSource | None, list[Problem]]:
    def find(file: str) -> Path | None:
        return next((folder / file for folder in folders if (folder / file).is_file()), None)

    if not _NAME.fullmatch(name):
        return None, [Problem(name, 0, "a message's name is kebab-case: product-details")]
    markup = find(f"{name}.mjml")
    if markup is None:
        return None, [Problem(f"{name}.mjml", 0, f"no such message in {', '.join(map(str, folders))}")]
    text = markup.with_suffix(".txt")
    if not text.is_file():
        return None, [Problem(str(text), 0, "a message needs its plain text: subject, preheader, ---, text")]
    try:
        if markup.stat().st_size > MAX_SOURCE or text.stat().st_size > MAX_SOURCE:
            return None, [Problem(str(markup), 0, f"a message of more than {MAX_SOURCE} bytes")]
        fields, body, problems = _read_text(text, find)
        source, more = mjml.read(markup, find)
    except UnicodeDecodeError as error:
        return None, [Problem(str(markup), 0, f"not UTF-8: {error.reason}")]
    problems += more
    for place, one in fields.values():
        problems += _check(Source(one, (place,)), html=False)
    problems += _check(body, html=False)
    faults = _check(source, html=True)
    html, more = mjml.build(source)
    problems += faults + more
    if problems:
        return None, problems
    subject, preheader = (straight(fields[field][1]) for field in _FIELDS)
    message = MessageSource(name, subject, preheader, straight(html), straight(body.text))
    return message, _try(message, str(markup))


def _read_text(file: Path, find: Callable[[str], Path | None]) -> tuple[dict[str, tuple[tuple[str, int], str]], Source, list[Problem]]:
    """Front matter (field → (file and line, template)), the text below `---`, problems. Parts (`_NAME.txt`) are included as in MJML."""
    whole, problems = mjml.read(file, find)
    lines = whole.text.split("\n")
    fields: dict[str, tuple[tuple[str, int], str]] = {}
    end = next((number for number, line in enumerate(lines) if line.strip() == "---"), None)
    if end is None:
        return {}, Source("", ((str(file), 1),)), [*problems, Problem(str(file), 1, "no --- between subject, preheader and text")]
    for number, line in enumerate(lines[:end], 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or name.strip() not in _FIELDS:
            problems.append(whole.problem_at(number, f"unknown field {name.strip()!r}: only {', '.join(_FIELDS)}"))
        elif name.strip() in fields:
            problems.append(whole.problem_at(number, f"{name.strip()} a second time"))
        else:
            fields[name.strip()] = (whole.places[number - 1], value.strip())
    problems += [Problem(str(file), 1, f"no {field}") for field in _FIELDS if not fields.get(field, ("", ""))[1]]
    body = lines[end + 1 :]
    if not "".join(body).strip():
        problems.append(Problem(str(file), end + 1, "no text"))
    return fields, Source("\n".join(body), whole.places[end + 1 :]), problems


def _check(source: Source, html: bool) -> list[Problem]:
    """Syntax, filters and variables of one template."""
    try:
        template = compiled(source.text, html)
    except LiquidError as error:
        token: Any = error.token
        if token is None or token.start_index < 0:
            return [source.problem(_unclosed(source.text), str(error.message))]
        return [source.problem(token.start_index, str(error.message))]
    found = [source.problem(index, message) for index, message in variables.faults(template)]
    analysis = template.analyze(include_partials=False)
    for name, spans in analysis.filters.items():
        if name not in variables.FILTERS:
            found += [source.problem(span.index, f"unknown filter {name}") for span in spans]
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def _unclosed(text: str) -> int:
    """Where the innermost block begins that nothing ends: Liquid itself notices only at the end of the file."""
    open_blocks: list[tuple[str, int]] = []
    for tag in _BLOCK.finditer(text):
        if not tag.group(1):
            open_blocks.append((tag.group(2), tag.start()))
        elif open_blocks and open_blocks[-1][0] == tag.group(2):
            open_blocks.pop()
    return open_blocks[-1][1] if open_blocks else 0


def _try(message: MessageSource, file: str) -> list[Problem]:
    """Two trial runs, a person we know much of and one we know nothing of: limits and filters fail here, not on a customer's mail."""
    for view in (FULL, {}):
        try:
            found = render(message, {**view, "unsubscribe_url": "https://shop.example/u/token"})
        except MissingContent:
            continue  # it needs an event that tells more; whoever has none gets a recorded non-send
        except RenderFailed as error:
            return [Problem(file, 0, f"cannot be rendered: {error.detail}")]
        if len(found.html) > MAX_OUTPUT // 2:
            return [Problem(file, 0, f"{len(found.html)} characters of HTML: mail programs cut at 100,000")]
        if "/u/token" not in found.html or "/u/token" not in found.text:
            return [Problem(file, 0, "no unsubscribe_url: every mail and its plain text must carry the link")]
    return []


_PRODUCT = {
    "product_id": "p1",
    "product_name": "Product",
    "price": "89.00",
    "currency": "EUR",
    "image": "https://shop.example/p1.jpg",
    "url": "https://shop.example/p1",
    "category": "shoes",
    "quantity": 2,
}
FULL: dict[str, Any] = {
    "customer": {"id": "c-1", "first_name": "Ada", "last_name": "Example", "email": "ada@shop.example"},
    "profile": {"orders": 3, "spent": {"amount": "120.00", "currency": "EUR"}, "intent": {"level": "high", "score": 60}},
    "event": {"event_type": "product_view", "dwell_seconds": 42, **_PRODUCT},
    "window": {"views": 2, "seconds": 90, "value": "178.00", "products": [_PRODUCT]},
    "recent": [{**_PRODUCT, "product_id": f"r{n}", "product_name": f"Other {n}"} for n in range(6)],
    "order": {"order_id": "o-1", "products": [_PRODUCT]},
    "offer": {"kind": "discount", "discount": 0.25, "code": "BACK25", "expires_at": "2026-03-09T12:00:00Z"},
    "shop": {"name": "Shop"},
    "trigger": "preview",
    "step": 0,
}
"""A view that tells everything, for trial runs."""
