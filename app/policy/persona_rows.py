"""Personas as rows of a pack: activating them is publishing a pack, as with everything that decides (A-106)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable

import msgspec
import orjson

from app.domain.fingerprint import ref_of
from app.domain.personas import DISTINCT, NOBODY, Persona
from app.policy.pack import Built

BEGIN, END = "# personas: begin", "# personas: end"
_BLOCK = re.compile(rf"\n*^{BEGIN}.*?^{END}[^\n]*\n?", re.MULTILINE | re.DOTALL)


def rows(personas: Iterable[Persona], learned: str) -> str:
    """TOML: a `[[segment]]` for each persona, between two marks. `learned`: from whom and when, for whoever reads it."""
    parts = [f"{BEGIN}, {learned}"]
    for one in personas:
        if one.when == NOBODY:
            parts.append(f"# {one.name}: {one.size} people, whom no condition tells from the others\n")
            continue
        why = f"A-043: {one.title}: {100 * one.share:.0f} % of buyers; {traits(one)}"
        parts.append(f"[[segment]]\nname = {_text(one.name)}\nwhy  = {_text(why)}\nwhen = {_text(one.when)}\n")
    return "\n".join((*parts, END, ""))


def traits(persona: Persona) -> str:
    """What tells it apart, in words."""
    most = sorted(persona.apart, key=lambda name: (-abs(persona.apart[name]), name))
    telling = [name for name in most if abs(persona.apart[name]) >= DISTINCT]
    return ", ".join(f"{'high' if persona.apart[name] > 0 else 'low'} {name}" for name in telling) or "like everybody"


def with_rows(pack: str, rows: str) -> str:
    """The pack's TOML with the rows at its end, in place of those of an earlier training."""
    rest = _BLOCK.sub("\n", pack).rstrip()
    return f"{rest}\n\n{rows}"


def rebuilt(data: bytes, rows: str) -> tuple[str, bytes, str]:
    """(ref, artifact, TOML) of the pack in an artifact with the rows in it: its messages, tables and name stay, its version is new."""
    built = msgspec.json.decode(data, type=Built)
    text = with_rows(built.pack, rows)
    made = msgspec.json.encode(msgspec.structs.replace(built, pack=text))
    return ref_of(tomllib.loads(text)["name"], made), made, text


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's."""
    return orjson.dumps(text).decode()
