"""What a condition on an event of our own mail may compare its trigger and its message with: those that the pack has (A-124)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from app.domain.chain import MAIL_SENT
from app.domain.trigger import Pack
from app.policy.expression import Node
from app.policy.fact import Fact
from app.policy.problem import meant

TRIGGER, MESSAGE = "event.trigger", "event.message"
_COMPARED = ("_==_", "_!=_", "@in")


def of_mail(pack: Pack, path: str, on: Iterable[str]) -> Fact | None:
    """What is known of a property of the conclusion that a mail of ours went out; None: it is another event, or another property."""
    if set(on) != {MAIL_SENT}:
        return None
    names = _names(pack)
    if path in names:
        return Fact("text", values=tuple(names[path]), always=True)
    return {"event.step": Fact("whole", 0, always=True), "event.send_id": Fact("text", always=True)}.get(path)


def misnamed(pack: Pack, on: Iterable[str], node: Node) -> Iterator[str]:
    """Names that a condition on a mail's event looks for and that the pack does not have, each as a sentence."""
    if not any(kind == MAIL_SENT or kind.startswith(("email_", "sms_", "push_")) for kind in on):
        return
    known = _names(pack)
    for path, name in dict.fromkeys(_compared(node)):
        if name not in known[path]:
            yield f"this pack has no {path.removeprefix('event.')} {name!r}{meant(name, known[path])}"


def _names(pack: Pack) -> dict[str, Collection[str]]:
    return {TRIGGER: pack.by_name.keys(), MESSAGE: pack.messages.keys()}


def _compared(node: Node) -> Iterator[tuple[str, str]]:
    """(path, text) of every comparison of a trigger or a message with a text."""
    if node.kind == "call" and node.value in _COMPARED and len(node.of) == 2:
        for one, other in (node.of, node.of[::-1]):
            if one.kind == "path" and one.value in (TRIGGER, MESSAGE):
                against = other.of if other.value == "list" else (other,)
                yield from ((one.value, text.value) for text in against if text.kind == "constant" and isinstance(text.value, str))
    for part in node.of:
        yield from _compared(part)
