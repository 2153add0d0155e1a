"""A pack as its author gets it back: built, compiled, and everything that is wrong or odd about it with file and line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from app.domain.trigger import Pack
from app.policy import approvals
from app.policy.lint import lint
from app.policy.messages import SHIPPED as SHIPPED_MESSAGES
from app.policy.pack import SHIPPED, Built, build, compile_artifact, find
from app.policy.problem import Problem
from app.policy.table import parse

MAX_NEIGHBOURS = 200
"""Files of the pack's folder that are looked at for another pack of its name."""


class Review(Struct, frozen=True):
    """`problems`: errors first, then warnings; with an error among them nobody should publish it."""

    ref: str
    data: bytes
    pack: Pack
    text: str
    problems: list[Problem]

    @property
    def errors(self) -> list[Problem]:
        return [one for one in self.problems if not one.warning]


def review(name_or_path: str) -> Review:
    """Raises `BadPack` where the pack does not even compile."""
    file = find(name_or_path)
    ref, data = build(name_or_path)
    pack, built = compile_artifact(ref, data), msgspec.json.decode(data, type=Built)
    text = built.pack
    found = lint(pack, text, str(file), beside(file), namesakes(file, pack.name))
    found += approvals.odd(pack.messages.values(), [file.parent / "messages", SHIPPED_MESSAGES])
    for name, table in built.tables.items():  # their errors have been raised by now
        found += parse(table, str(file.parent / name))[1]
    return Review(ref, data, pack, text, sorted(found, key=lambda one: one.warning))


def beside(file: Path) -> dict[str, str]:
    """Messages in the folder of a pack of one's own; those that ship are for every pack."""
    if file.parent == SHIPPED:
        return {}
    return {one.stem: str(one) for one in sorted((file.parent / "messages").glob("*.mjml")) if not one.stem.startswith("_")}


def namesakes(file: Path, name: str) -> list[str]:
    """Other packs of this name: among those that ship, and in the same folder."""
    others = sorted({*SHIPPED.glob("*.toml"), *sorted(file.parent.glob("*.toml"))[:MAX_NEIGHBOURS]})
    return [str(one) for one in others if one.resolve() != file.resolve() and _name(one) == name]


def _name(file: Path) -> object:
    try:
        return tomllib.loads(file.read_text("utf-8")).get("name")
    except (OSError, ValueError):
        return None  # a neighbour that is no pack says nothing about this one
