"""Where one works on a pack's messages: the pack, the folder they are written to, one message as it stands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from app.commands.outcome import No, WrongUse
from app.domain.message import MessageSource
from app.policy import approvals, proof
from app.policy import pack as packs
from app.policy.commission import senders
from app.policy.messages import ENDS, SHIPPED, build_messages
from app.policy.problem import Problem
from app.policy.reading import unreadable
from app.policy.schema import Source
from app.settings import load

POLICY = click.option("--policy", metavar="PACK|FILE", help="A pack's file, or a shipped pack; default: KAIROS_POLICY.")
OUT = click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="The folder of messages; default: messages/ beside the pack's file."
)
_NAME = re.compile(r"[\w.'’ -]{1,80}")


class Desk(Struct, frozen=True):
    """`own`: the folder that is written to; None: the pack ships with Kairos, and no other folder was named."""

    source: Source
    path: Path
    own: Path | None

    @property
    def folders(self) -> list[Path]:
        beside = [] if self.path.parent == packs.SHIPPED else [self.path.parent / "messages"]
        return list(dict.fromkeys([*([self.own] if self.own is not None else []), *beside, SHIPPED]))

    @property
    def shop(self) -> str:
        """What the shop calls itself."""
        return self.source.brand.name or (self.source.sender.name if self.source.sender is not None else "")

    def build(self, name: str, before: Sequence[Path] = ()) -> tuple[MessageSource | None, list[Problem]]:
        """The message as it stands, and what is wrong with it. `before`: folders that are looked at first."""
        found, faults = build_messages([name], [*before, *self.folders], self.source.sensitive, self.source.brand)
        return found.get(name), faults

    def faults(self, name: str, before: Sequence[Path] = ()) -> list[Problem]:
        """All that is wrong with the message: as `policy check` finds it, with each trigger that sends it, and proofread."""
        message, found = self.build(name, before)
        if message is None:
            return found
        for trigger, step in senders(self.source, name):
            if (missing := unreadable(trigger, message, step)) is not None:
                found.append(Problem(name, 0, f"prints {missing}, which {trigger.name} never has"))
        return found + proof.problems({name: message}, self.shop, self.find(*before))

    def message(self, name: str) -> MessageSource:
        """Raises `No` for one that is not there, or at fault (printed)."""
        if not self.there(name):
            raise No(f"no message {name!r} in {', '.join(map(str, self.folders))}")
        found, faults = self.build(name)
        if found is None:
            raise faulty(name, faults)
        return found

    def there(self, name: str) -> bool:
        """Whether it is written at all."""
        return any((folder / f"{name}{end}").is_file() for folder in self.folders for end in ENDS)

    def mine(self, name: str) -> list[Path]:
        """The text files of a message that is the shop's own: what its state is written into. Raises `No`, `WrongUse`."""
        self.message(name)
        own = self.folder()
        found = approvals.files(name, [own])
        if not found:
            raise No(f"message {name!r} ships with Kairos and needs no approval; `kairos copy draft {name}` writes one of your own")
        return found

    def folder(self) -> Path:
        """What is written to. Raises `WrongUse`."""
        if self.own is None:
            raise WrongUse(f"{self.path.stem} ships with Kairos: name your own pack (--policy FILE) or a folder of messages (--out DIR)")
        return self.own

    def find(self, *before: Path) -> Callable[[str], Path | None]:
        """A source file by its name."""
        return lambda file: next((folder / file for folder in (*before, *self.folders) if (folder / file).is_file()), None)


def desk(policy: str | None, out: Path | None) -> Desk:
    """Raises `WrongUse` for a pack that is not there, `No` for one that cannot be read."""
    try:
        path = packs.find(policy or load().policy)
        source, _ = packs.load(path)
    except packs.BadPack as error:
        raise WrongUse("; ".join(map(str, error.problems))) from error
    if source.problems:
        raise faulty(path.stem, source.problems)
    own = out if out is not None else None if path.parent == packs.SHIPPED else path.parent / "messages"
    return Desk(source, path, own)


def faulty(name: str, problems: Sequence[Problem]) -> No:
    """Prints what is wrong; what to raise."""
    for one in problems:
        click.echo(str(one))
    return No(f"{name}: {len(problems)} problem{'' if len(problems) == 1 else 's'}")


def person(name: str | None) -> str:
    """A name as it may stand in a line of a file. Raises `WrongUse`."""
    told = " ".join((name or "").split())
    if told and (not _NAME.fullmatch(told) or re.search(r"\b(on|with|by)\b", told)):
        raise WrongUse(f"--by: a name of letters, at most 80, without `on`, `with` and `by`; not {told[:80]!r}")
    return told


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def write(path: Path, text: str) -> None:
    """Raises `WrongUse` where the place does not take it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror or error}") from error
