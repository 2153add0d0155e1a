"""The reference of every field of a pack, as Markdown: the parser is asked what it reads, the types say what it means.

A reader that answers every question with "yes, it is there" goes through the parser once and notes what is asked for, as what, with what
default. Meanings are the docstrings of the attributes in app/domain/trigger.py; only what TOML spells differently is explained here.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from app.policy.fields import Fields
from app.policy.meanings import AS_ABOVE, DEFAULTS, HEADS, KINDS, MEANS, SOURCES, WHY, Table
from app.policy.phrases import duration
from app.policy.place import Path
from app.policy.schema import Source


class Known(Struct):
    """A field as the parser reads it."""

    kind: str = ""
    default: str = ""
    required: bool = False


def markdown() -> str:
    """A table for each table of a pack."""
    found = fields()
    lines: list[str] = []
    for table, (head, _) in HEADS.items():
        lines += ["", f"**`{head}`**" if table else f"**{head}**", "", "| field | type | default | meaning |", "|---|---|---|---|"]
        for name, one in found[table].items():
            default = "required" if one.required else f"`{one.default}`" if one.default else ""
            lines.append(f"| `{name}` | {one.kind} | {default} | {meaning(table, name).replace('|', '&#124;')} |")
    return "\n".join(lines[1:]) + "\n"


def fields() -> dict[Table, dict[str, Known]]:
    """Every table and field that the parser reads."""
    source = Source("", "")
    source.read = listener = _Listener()
    source._extend(_All(), {})
    source._pack(_All())
    for table, names in listener.found.items():
        for name, one in names.items():
            one.kind = KINDS.get((table, name)) or one.kind or _annotated(table, name)
            one.default = DEFAULTS.get((table, name), one.default)
    # What a shared reader asks for is a field only where the table lets it be one.
    read = listener.found
    return {table: {name: read[table][name] for name in names} for table, names in listener.named.items() if table not in AS_ABOVE}


def meaning(table: Table, field: str) -> str:
    """What a field means; raises KeyError where nobody has said so."""
    told = MEANS.get((table, field))
    if isinstance(told, str):
        return told
    if told is None and field == "why":
        return WHY
    kind, name = told if told is not None else (HEADS[table][1], field)
    return docstrings()[kind.__name__][name]


# --- what the parser asks for -----------------------------------------------------------------------------------------------------


class _All(dict[str, Any]):
    """A table that has every field; of none is a value known."""

    def __contains__(self, name: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True


class _Listener(Fields):
    """Notes what is read, and as what."""

    def __init__(self) -> None:
        super().__init__("", "")
        self.found: dict[Table, dict[str, Known]] = {}
        self.named: dict[Table, tuple[str, ...]] = {}

    def wrong(self, at: Path, message: str) -> None:
        """There is no pack in which anything could be wrong."""

    def known(self, told: dict[str, Any], at: Path, fields: Iterable[str], required: Iterable[str] = ()) -> None:
        self.named[_table(at)] = tuple(fields)
        for name in self.named[_table(at)]:
            self._field(at, name)
        for name in required:
            self._field(at, name).required = True

    def text(self, told: dict[str, Any], at: Path, field: str, pattern: re.Pattern[str] | None = None, form: str = "") -> str | None:
        self._note(at, field, "condition" if field in ("when", "group_when") else "text")
        return None

    def duration(self, told: dict[str, Any], at: Path, field: str, default: int = 0) -> int:
        self._note(at, field, "duration", duration(default) if default else "")
        return default

    def whole(self, told: dict[str, Any], at: Path, field: str, least: int, most: int, default: int, form: str = "") -> int:
        self._note(at, field, f"whole number, {least:,} to {most:,}", str(default) if default >= least else "")
        return default

    def number(self, told: dict[str, Any], at: Path, field: str, least: float, most: float, default: float) -> float:
        self._note(at, field, f"number, {least:g} to {most:,g}", f"{default:g}")
        return default

    def share(self, told: dict[str, Any], at: Path, field: str) -> float | None:
        self._note(at, field, "share, 0 to 1")
        return None

    def flag(self, told: dict[str, Any], at: Path, field: str, default: bool = False) -> bool:
        self._note(at, field, "true or false", str(default).lower())
        return default

    def one_of(self, told: dict[str, Any], at: Path, field: str, values: Iterable[str], default: str) -> str:
        self._note(at, field, " or ".join(f"`{one}`" for one in values), default)
        return default

    def table(self, told: dict[str, Any], at: Path, field: str) -> dict[str, Any]:
        self._note(at, field, "table")
        return _All()

    def list(self, told: dict[str, Any], at: Path, field: str, kind: type[Any]) -> list[Any]:
        self._note(at, field, "list of tables" if kind is dict else "list of texts")
        return [_All()] if kind is dict else []

    def _note(self, at: Path, field: str, kind: str, default: str = "") -> None:
        one = self._field(at, field)
        one.kind, one.default = kind, one.default or default

    def _field(self, at: Path, field: str) -> Known:
        return self.found.setdefault(_table(at), {}).setdefault(field, Known())


def _table(at: Path) -> Table:
    return tuple(part for part in at if isinstance(part, str))


def _annotated(table: Table, field: str) -> str:
    """The kind of what the parser takes apart itself, by the type it becomes."""
    told = HEADS[table][1].__annotations__.get(field, "") if table in HEADS else ""
    return {"str": "text", "int": "whole number", "float": "number, 0 to 1"}.get(str(told), "text")


# --- what the types say -----------------------------------------------------------------------------------------------------------


def docstrings() -> dict[str, dict[str, str]]:
    """Type → attribute → its docstring; the type's own under an empty name."""
    found: dict[str, dict[str, str]] = {}
    for node in [node for module in SOURCES for node in ast.parse(inspect.getsource(module)).body]:
        if isinstance(node, ast.ClassDef):
            told = found[node.name] = {"": _joined(ast.get_docstring(node) or "")}
            for attribute, after in zip(node.body, node.body[1:], strict=False):
                if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name) and isinstance(after, ast.Expr):
                    told[attribute.target.id] = _joined(ast.literal_eval(after.value))
    return found


def _joined(text: str) -> str:
    return " ".join(text.split())
