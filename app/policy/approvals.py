"""Where a message's state of approval stands: in the front matter of its text files, beside its subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from app.domain import approval
from app.domain.message import MessageSource
from app.policy.problem import Problem

FIELDS = ("approval", "drafted")
"""`approval: draft`, `drafted: by Ada with MODEL on 2026-11-30`."""
TEXTS = (".txt", ".sms.txt", ".push.txt")
"""Ends of the files that may have them."""
_END = "---"
_FRONT = ("subject", "preheader", *FIELDS, _END)

Stated = tuple[tuple[str, int], str, str]
"""((file, line), field, what stands there)."""


def above(file: Path, lines: Sequence[str]) -> tuple[list[str], list[Stated]]:
    """The lines of a text message with those of its state emptied, and what they say; most begin with their text at once."""
    end = next((n for n, line in enumerate(lines) if line.strip() == _END), 0)
    fields = [line.partition(":") for line in lines[:end] if line.strip()]
    if not fields or any(not colon or name.strip() not in FIELDS for name, colon, _ in fields):
        return list(lines), []
    found = [
        ((str(file), n), name.strip(), value.strip()) for n, line in enumerate(lines[:end], 1) for name, _, value in [line.partition(":")]
    ]
    return [""] * (end + 1) + list(lines[end + 1 :]), [one for one in found if one[1]]


def stated(message: MessageSource, told: Iterable[Stated]) -> tuple[MessageSource, list[Problem]]:
    """The message with its state, and what is wrong with how that is told."""
    lines, drafted, problems = list[str](), "", list[Problem]()
    for (file, line), field, value in told:
        if field == "drafted":
            drafted = drafted or value
            continue
        try:
            approval.parse(value)
        except ValueError as error:
            problems.append(Problem(file, line, str(error)))
        lines.append(value)
    return (message, problems) if problems else (approval.stated(message, lines, drafted), [])


def odd(messages: Iterable[MessageSource], folders: Sequence[Path]) -> list[Problem]:
    """A warning, with the line that says so, for each message that is not sent because nobody has approved it as it is."""
    return [
        Problem(str(file), line, f"message {one.name!r} is not sent: {_why(one)}", warning=True)
        for one in messages
        if not one.approved
        for file, line in [_place(one.name, folders)]
    ]


def _why(one: MessageSource) -> str:
    told = approval.parse(one.approval)
    if told.state == approval.APPROVED:
        return f"what {told.by} approved on {told.on} ({told.of}) has changed since ({approval.content(one)})"
    return f"it is a {approval.DRAFT}" if told.state == approval.DRAFT else "it waits for approval"


def _place(name: str, folders: Sequence[Path]) -> tuple[Path, int]:
    for file in files(name, folders):
        for number, line in enumerate(file.read_text("utf-8").split("\n"), 1):
            if line.partition(":")[0].strip() == "approval":
                return file, number
    return Path(name), 0


def files(name: str, folders: Sequence[Path]) -> list[Path]:
    """The message's text files: of each kind the first one that there is."""
    kinds = [[folder / f"{name}{end}" for folder in folders] for end in TEXTS]
    return [found for kind in kinds if (found := next((one for one in kind if one.is_file()), None)) is not None]


def states(text: str) -> bool:
    """Whether a file tells a state."""
    lines, end = _front(text)
    return any(line.partition(":")[0].strip() == FIELDS[0] for line in lines[:end])


def marked(text: str, **fields: str) -> str:
    """The text of a file with these fields in its front matter."""
    lines, end = _front(text)
    head = [line for line in lines[:end] if line.partition(":")[0].strip() not in fields]
    return "\n".join((*head, *(f"{name}: {value}" for name, value in fields.items()), *lines[end:]))


def _front(text: str) -> tuple[list[str], int]:
    """The lines with a front matter, and where that ends; a text message that has none yet begins with its text."""
    lines = text.split("\n")
    end = next((n for n, line in enumerate(lines) if line.strip() == _END), None)
    first = next((line for line in lines if line.strip()), "").partition(":")[0].strip()
    return ([_END, *lines], 0) if end is None or first not in _FRONT else (lines, end)
