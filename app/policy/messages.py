"""Messages of a pack, built when the pack is saved: `NAME.mjml` and `NAME.txt` become Liquid sources, or problems with file and line.

`NAME.sms.txt` and `NAME.push.txt` are the same message in these channels; one that has nothing else is no mail.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from liquid.exceptions import LiquidError
from msgspec.structs import replace

from app.domain.brand import Brand
from app.domain.liquid_limits import too_long, unreadable
from app.domain.message import MessageSource
from app.domain.rendering import MAX_OUTPUT, MissingContent, RenderFailed, compiled, fault, render, render_short, straight
from app.domain.sensitive import Inference, Sensitive
from app.policy import approvals, mjml, variables
from app.policy.brand import settled
from app.policy.mjml import Source
from app.policy.problem import Problem
from app.policy.sensitive import prints
from app.policy.tried_on import KNOWN

NOTHING_LISTED, PLAIN = Sensitive(), Brand()
SHIPPED = Path(__file__).parent / "messages"
"""Messages and layout parts (`_NAME.mjml`) that every pack may use, and put its own in the place of."""

MAX_SOURCE = 200_000
"""Characters of one file."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BLOCK = re.compile(r"\{%-?\s*(end)?(if|unless|case|for|capture|comment|raw|ifchanged|doc)\b")
_FIELDS = ("subject", "preheader")
_FEED = re.compile(r"\{\{-?\s*recommendations\s*-?\}\}")
ENDS = (".mjml", ".sms.txt", ".push.txt")
"""Any of which makes a message."""
_OPT_OUT = re.compile(r"\{\{-?\s*unsubscribe_url\s*-?\}\}|\bSTOP\b")
LONG_LINK = "https://shop.example/u/" + "t" * 160
"""As long as ours become: they carry a signed person, message and customer."""


def build_messages(
    names: Iterable[str], folders: Sequence[Path], sensitive: Sensitive = NOTHING_LISTED, brand: Brand = PLAIN
) -> tuple[dict[str, MessageSource], list[Problem]]:
    """Sources by name, in the order of the names, and everything that is wrong. The first folder that has a file wins. `sensitive`: what no
    template may read. `brand`: what they look like."""
    built: dict[str, MessageSource] = {}
    problems: list[Problem] = []
    stamp = tuple([_stamp(folder) for folder in folders])
    for name in sorted(set(names)):
        message, faults = _built(name, tuple(folders), stamp, sensitive.inferences, brand)
        problems += faults
        if message is not None and not faults:
            built[name] = message
    # A fault in a shared part is one fault, however many messages include it.
    return built, list(dict.fromkeys(problems))


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What a folder holds, as far as can be told without reading it."""
    if not folder.is_dir():
        return ()
    return tuple(sorted([(one.name, (seen := one.stat()).st_mtime_ns, seen.st_size) for one in os.scandir(folder) if one.is_file()]))


@lru_cache(maxsize=1_000)  # packs share most of their messages, and commands that compare packs build several
def _built(
    name: str, folders: tuple[Path, ...], stamp: tuple[Any, ...], inferences: tuple[Inference, ...], brand: Brand
) -> tuple[MessageSource | None, tuple[Problem, ...]]:
    """`stamp`: of the folders; what is in them makes it another message."""
    message, faults = _Building(name, folders, _listed(inferences), brand).build()
    return message, tuple(faults)


_listed = lru_cache(maxsize=8)(Sensitive)
"""The list as it is looked up in: made once, not for each message."""

Field = tuple[tuple[str, int], str]
"""(file and line, template)."""
NO_FIELD: Field = (("", 0), "")
Checked = tuple[Source, bool]
"""(template as it stands in its file, whether it is HTML)"""


class _Building:
    """One message on its way from files to sources."""

    def __init__(self, name: str, folders: Sequence[Path], sensitive: Sensitive, brand: Brand) -> None:
        self._name, self._folders, self._sensitive, self._brand = name, folders, sensitive, brand
        self._problems: list[Problem] = []
        self._stated: list[approvals.Stated] = []
        self._checked: list[Checked] = []

    def build(self) -> tuple[MessageSource | None, list[Problem]]:
        if not _NAME.fullmatch(self._name):
            return None, [Problem(self._name, 0, "a message's name is kebab-case: product-details")]
        markup, sms, push = (self._find(f"{self._name}{end}") for end in ENDS)
        if markup is None and sms is None and push is None:
            return None, [Problem(f"{self._name}.mjml", 0, f"no such message in {', '.join(map(str, self._folders))}")]
        found = [file for file in (markup, sms, push) if file is not None]
        try:
            if large := next((file for file in found if file.stat().st_size > MAX_SOURCE), None):
                return None, [Problem(str(large), 0, f"a message of more than {MAX_SOURCE} bytes")]
            message = MessageSource(self._name, "", "", "", "") if markup is None else self._mail(markup)
            texts = {"sms": "" if sms is None else self._sms(sms)}
            if push is not None:
                texts |= self._push(push)
        except UnicodeDecodeError as error:
            return None, [Problem(str(found[0]), 0, f"not UTF-8: {error.reason}")]
        if self._problems or message is None:
            return None, self._problems
        message, wrong = approvals.stated(replace(message, **texts), self._stated)
        if markup is not None:
            wrong += _try(message, str(markup), self._checked)
        return message, wrong + _try_short(message, {"sms": sms, "push": push}, self._checked)

    def _find(self, file: str) -> Path | None:
        return next((folder / file for folder in self._folders if (folder / file).is_file()), None)

    def _mail(self, markup: Path) -> MessageSource | None:
        text = markup.with_suffix(".txt")
        if not text.is_file():
            self._problems.append(Problem(str(text), 0, "a message needs its plain text: subject, preheader, ---, text"))
            return None
        if text.stat().st_size > MAX_SOURCE:
            self._problems.append(Problem(str(text), 0, f"a message of more than {MAX_SOURCE} bytes"))
            return None
        fields, body = self._read(text, _FIELDS)
        source, more = mjml.read(markup, self._find)
        self._problems += more
        source = self._settle(self._fed(source, "_feed.mjml"), html=True)
        self._check(body, html=False)
        self._check(source, html=True)
        html, more = mjml.build(source) if unreadable(source.text) is None else ("", [])
        self._problems += more
        if self._problems:
            return None
        subject, preheader = (straight(fields[field][1]) for field in _FIELDS)
        return MessageSource(self._name, subject, preheader, straight(html), straight(body.text))

    def _sms(self, file: Path) -> str:
        """No subject: all of the file is the text."""
        lines, above = approvals.above(file, file.read_text("utf-8").split("\n"))
        self._stated += above
        body = self._settle(Source("\n".join(lines), tuple((str(file), n) for n in range(1, len(lines) + 1))), html=False)
        self._check(body, html=False)
        if not body.text.strip():
            self._problems.append(Problem(str(file), 1, "no text"))
        elif not _OPT_OUT.search(body.text):
            self._problems.append(Problem(str(file), 1, "no way out: a text message ends with unsubscribe_url, or with the word STOP"))
        return straight(body.text.strip())

    def _push(self, file: Path) -> dict[str, str]:
        fields, body = self._read(file, _FIELDS[:1])
        self._check(body, html=False)
        return {"push": straight(body.text.strip()), "push_title": straight(fields.get("subject", NO_FIELD)[1])}

    def _read(self, file: Path, known: Sequence[str]) -> tuple[dict[str, Field], Source]:
        """Front matter, each field checked, and the text below it."""
        told, body, problems = _read_text(file, known, self._find)
        self._problems += problems
        fields: dict[str, Field] = {}
        for name, (place, one) in told.items():
            if name in approvals.FIELDS:
                self._stated.append((place, name, one))
                continue
            line = self._settle(Source(one, (place,)), html=False)
            self._check(line, html=False)
            fields[name] = (place, line.text)
        return fields, self._settle(self._fed(body, "_feed.txt"), html=False)

    def _settle(self, source: Source, html: bool) -> Source:
        if unreadable(source.text) is not None:
            return source  # as the check will say
        found, problems = settled(source, self._brand, html)
        self._problems += problems
        return found

    def _fed(self, source: Source, part: str) -> Source:
        """`{{ recommendations }}` by itself (A-175) is a list of products as the part `_feed` shows one."""
        if not _FEED.search(source.text) or (file := self._find(part)) is None:
            return source
        shown = file.read_text("utf-8").strip("\n")
        lines = [(_FEED.sub(lambda tag: shown, line), place) for line, place in zip(source.text.split("\n"), source.places, strict=True)]
        places = [place for line, place in lines for _ in line.split("\n")]
        return Source("\n".join(line for line, _ in lines), tuple(places))

    def _check(self, source: Source, html: bool) -> None:
        self._problems += _check(source, html, self._sensitive)
        self._checked.append((source, html))


def _read_text(file: Path, known: Sequence[str], find: Callable[[str], Path | None]) -> tuple[dict[str, Field], Source, list[Problem]]:
    """Front matter, the text below `---`, problems. Parts (`_NAME.txt`) are included as in MJML."""
    whole, problems = mjml.read(file, find)
    lines = whole.text.split("\n")
    fields: dict[str, Field] = {}
    end = next((number for number, line in enumerate(lines) if line.strip() == "---"), None)
    if end is None:
        return {}, Source("", ((str(file), 1),)), [*problems, Problem(str(file), 1, f"no --- between {', '.join(known)} and text")]
    for number, line in enumerate(lines[:end], 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or name.strip() not in (*known, *approvals.FIELDS):
            problems.append(whole.problem_at(number, f"unknown field {name.strip()!r}: only {', '.join(known)}"))
        elif name.strip() in fields:
            problems.append(whole.problem_at(number, f"{name.strip()} a second time"))
        else:
            fields[name.strip()] = (whole.places[number - 1], value.strip())
    problems += [Problem(str(file), 1, f"no {field}") for field in known if not fields.get(field, NO_FIELD)[1]]
    body = lines[end + 1 :]
    if not "".join(body).strip():
        problems.append(Problem(str(file), end + 1, "no text"))
    return fields, Source("\n".join(body), whole.places[end + 1 :]), problems


def _check(source: Source, html: bool, sensitive: Sensitive) -> list[Problem]:
    """Syntax, filters and variables of one template, and whether it reads what it must not."""
    try:
        template = compiled(source.text, html)
    except LiquidError as error:
        token: Any = error.token
        if token is None or token.start_index < 0:
            return [source.problem(_unclosed(source.text), str(error.message))]
        return [source.problem(token.start_index, str(error.message))]
    found = [source.problem(index, message) for index, message in (*variables.faults(template), *too_long(template))]
    found += [source.problem(index, message) for index, message in prints(sensitive, source.text, variables.places(template))]
    analysis = template.analyze(include_partials=False)
    for name, spans in analysis.filters.items():
        if name not in variables.FILTERS:
            found += [source.problem(span.index, f"unknown filter {name}") for span in spans]
    return sorted(found, key=lambda problem: (problem.file, problem.line))


def check_subject(text: str, place: tuple[str, int], message: MessageSource, sensitive: Sensitive = NOTHING_LISTED) -> list[Problem]:
    """Of another subject line of a message; `place`: where it stands."""
    line = Source(text, (place,))
    found = _check(line, False, sensitive)
    return found or _try(replace(message, subject=text), place[0], [(line, False)])


def _unclosed(text: str) -> int:
    """Where the innermost block begins that nothing ends: Liquid itself notices only at the end of the file."""
    open_blocks: list[tuple[str, int]] = []
    for tag in _BLOCK.finditer(text):
        if not tag.group(1):
            open_blocks.append((tag.group(2), tag.start()))
        elif open_blocks and open_blocks[-1][0] == tag.group(2):
            open_blocks.pop()
    return open_blocks[-1][1] if open_blocks else 0


def _try(message: MessageSource, file: str, checked: Sequence[Checked]) -> list[Problem]:
    """Trial runs, people we know much of and one we know nothing of: limits and filters fail here, not on a customer's mail."""
    for view in (FULL, KNOWN, {}):
        try:
            found = render(message, {**view, "unsubscribe_url": "https://shop.example/u/token"})
        except MissingContent:
            continue  # it needs an event that tells more; whoever has none gets a recorded non-send
        except RenderFailed as error:
            return [_failed(file, error, checked, view)]
        if len(found.html) > MAX_OUTPUT // 2:
            return [Problem(file, 0, f"{len(found.html)} characters of HTML: mail programs cut at 100,000")]
        if "/u/token" not in found.html or "/u/token" not in found.text:
            return [Problem(file, 0, "no unsubscribe_url: every mail and its plain text must carry the link")]
    return []


def _failed(file: str, error: RenderFailed, checked: Sequence[Checked], view: Mapping[str, Any]) -> Problem:
    """With the line of the tag at which it fails, where it is one tag that does: the message as a whole may be too long, too."""
    for source, html in checked:
        if (found := fault(source.text, html, view)) is not None:
            return source.problem(found[0], f"cannot be rendered: {found[1]}")
    return Problem(file, 0, f"cannot be rendered: {error.detail}")


def _try_short(message: MessageSource, files: Mapping[str, Path | None], checked: Sequence[Checked]) -> list[Problem]:
    """The same of its texts in other channels: what is too long for somebody of whom all is known is refused."""
    found: list[Problem] = []
    for channel, file in files.items():
        for view in (FULL, {}) if file is not None else ():
            try:
                render_short(message, channel, {**view, "unsubscribe_url": LONG_LINK})
            except MissingContent:
                continue
            except RenderFailed as error:
                found.append(_failed(str(file), error, [one for one in checked if one[0].places[0][0] == str(file)], view))
                break
    return found


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
    "offer": {
        "kind": "discount",
        "discount": 0.25,
        "code": "7F3K-9Q2M-4TRZ-8WXC",
        "expires_at": "2026-03-09T12:00:00Z",
        "benefits": ["free_shipping"],
        "up_to": "50.00",
        "minimum": "30.00",
        "currency": "EUR",
    },
    "shop": {"name": "Shop"},
    "trigger": "preview",
    "step": 0,
}
"""A view that tells everything, for trial runs."""
