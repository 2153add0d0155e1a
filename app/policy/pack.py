"""Packs: from TOML and messages to an artifact, and from an artifact to what the lane runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from app.domain.budgets import BUDGETS
from app.domain.caps import span
from app.domain.concluded import TOLD
from app.domain.creative import SUBJECT
from app.domain.fingerprint import ref_of
from app.domain.message import MessageSource, speaks
from app.domain.recommended import RECOMMENDATIONS
from app.domain.scope import PERSON, PURCHASED, SEND
from app.domain.trigger import Pack, Trigger
from app.policy import sensitive
from app.policy.contact_policy import intervals
from app.policy.heard import heard
from app.policy.messages import ENDS, build_messages, check_subject
from app.policy.messages import SHIPPED as SHIPPED_MESSAGES
from app.policy.problem import Problem
from app.policy.reading import messages_of
from app.policy.schema import Source
from app.policy.standing_rows import verdicts
from app.policy.table import parse
from app.policy.tables import Tables

SHIPPED = Path(__file__).parent / "packs"
INCLUDED = Path(__file__).parent / "included"
"""Files of rows that packs share."""
KINDS = frozenset((BUDGETS, RECOMMENDATIONS, "policy", "population"))
"""Of artifacts: a ref begins with the pack's name or with one of these, and is told apart by it."""
MAX_SOURCE = 500_000
"""Bytes of a pack's TOML."""


class BadPack(ValueError):
    """A pack that cannot be used; every reason with its file and line."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Built(Struct, frozen=True, omit_defaults=True):
    """The artifact: everything a worker needs to run the pack. Canonical JSON, so that the same pack is the same bytes and hash."""

    pack: str
    """The TOML text."""
    messages: dict[str, MessageSource]
    bases: dict[str, str] = {}
    """The texts of the pack that it extends and of the files that are included, by name."""
    tables: dict[str, str] = {}
    """Its decision tables, by file name."""


def shipped() -> list[str]:
    """Names of the packs that come with Kairos."""
    return sorted(file.stem for file in SHIPPED.glob("*.toml"))


def find(name_or_path: str) -> Path:
    """The TOML file of a shipped pack's name, else of a path. Raises `BadPack`."""
    if name_or_path in shipped():
        return SHIPPED / f"{name_or_path}.toml"
    path = Path(name_or_path)
    if not path.is_file():
        raise BadPack([Problem(name_or_path, 0, f"no such pack: {', '.join(shipped())}, or a file")])
    return path


def load(path: Path) -> tuple[Source, str]:
    """The checked pack and its text; what is wrong stands in its `problems`. Raises `BadPack` only where there is no text to check."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadPack([Problem(str(path), 0, error.strerror or str(error))]) from error
    except UnicodeDecodeError as error:
        raise BadPack([Problem(str(path), raw.count(b"\n", 0, error.start) + 1, "not UTF-8")]) from error
    if len(raw) > MAX_SOURCE:
        raise BadPack([Problem(str(path), 0, f"{len(raw)} bytes; a pack has at most {MAX_SOURCE}")])
    text = text.replace("\r\n", "\n")
    bases = {one: (SHIPPED / f"{one}.toml").read_text("utf-8") for one in shipped() if path != SHIPPED / f"{one}.toml"}
    bases |= {file.stem: file.read_text("utf-8") for file in sorted(INCLUDED.glob("*.toml"))}
    return Source(text, str(path), bases, Tables(folder=path.parent)), text


def check(path: Path) -> tuple[Source, str, dict[str, MessageSource], list[Problem]]:
    """Pack, text and messages of a file, and everything that is wrong with any of them."""
    source, text = load(path)
    folders = [path.parent / "messages", SHIPPED_MESSAGES]
    there = [name for name in source.messages if any((folder / f"{name}{end}").is_file() for folder in folders for end in ENDS)]
    named = [*((name, source.file, line) for name, line in source.sends), *source.tables.sends]
    problems = source.problems + _reserved(source)
    problems += [
        Problem(file, line, f"unknown message {name!r}: no {name}.mjml in messages/ beside the pack or among the shipped ones")
        for name, file, line in named
        if name not in there
    ]
    messages, faults = build_messages(there, folders, source.sensitive, source.brand)
    if not problems:
        problems = _sensitive(source) + _unspoken(source, messages) + _subjects(source, messages)
    return source, text, messages, problems + faults


def _reserved(source: Source) -> list[Problem]:
    """Asked only of what is new: a pack that is in use under such a name goes on."""
    taken = f"name: {source.name!r} is the name of a kind of artifact, and no pack may have it"
    return [Problem(source.file, source.read.places.line(("name",)), taken)] if source.name in KINDS else []


def _sensitive(source: Source) -> list[Problem]:
    """Conditions, of whatever the pack is made of, that read what no pack may infer of anybody."""
    texts = [(source.text, source.file), *((text, name) for name, text in source.used.items() if name != sensitive.FILE)]
    found = [one for text, file in texts for one in sensitive.faults(source.sensitive, text, file)]
    for name, text in source.tables.texts.items():
        asked = [(row.line, sensitive.asks(source.sensitive, row.when)) for row in parse(text, name)[0]]
        found += [Problem(name, line, what) for line, what in asked if what is not None]
    return found


def _subjects(source: Source, messages: dict[str, MessageSource]) -> list[Problem]:
    """Other subject lines that cannot be written; a picture or button of a message that never asks for it."""
    found: list[Problem] = []
    for one, line in source.own_variants:
        message, place = messages.get(one.message), (source.file, line)
        if message is None:
            continue
        if one.factor == SUBJECT:
            found += check_subject(one.text, place, message, source.sensitive)
        elif f"creative.{one.factor}" not in message.html + message.text:
            found.append(Problem(*place, f"{one.message} never asks for creative.{one.factor}"))
    return found


def _unspoken(source: Source, messages: dict[str, MessageSource]) -> list[Problem]:
    """Triggers whose messages have no text in any of their channels, or in one that they name."""
    found: list[Problem] = []
    for trigger in source.triggers:
        arms = [arm for one, _ in source.experiments.values() if trigger.name in one.triggers for arm in one.arms]
        named = {name for _, name in messages_of(trigger)} | {arm.message for arm in arms if arm.message is not None}
        names = sorted(named & messages.keys())
        line = source.line(trigger.name, "channels")
        silent = [name for name in names if not any(speaks(messages[name], one) for one in trigger.channels)]
        found += [Problem(source.file, line, f"message {one!r} has no text for {' or '.join(trigger.channels)}") for one in silent]
        for channel in trigger.channels:
            if names and not silent and not any(speaks(messages[name], channel) for name in names):
                found.append(Problem(source.file, line, f"channels: none of its messages has a text for {channel} (NAME.{channel}.txt)"))
    return found


def build(name_or_path: str) -> tuple[str, bytes]:
    """(ref `name@hash`, artifact) of a pack. Raises `BadPack` with everything that is wrong."""
    source, text, messages, problems = check(find(name_or_path))
    if problems:
        raise BadPack(problems)
    data = msgspec.json.encode(Built(text, {name: messages[name] for name in sorted(messages)}, source.used, source.tables.texts))
    return ref_of(source.name, data), data


def compile_artifact(ref: str, data: bytes) -> Pack:
    """The pack as the lane runs it. Raises `BadPack` if this version of Kairos cannot run it."""
    try:
        built = msgspec.json.decode(data, type=Built)
    except msgspec.MsgspecError as error:
        raise BadPack([Problem(ref, 0, f"no pack: {error}")]) from error
    source = Source(built.pack, ref, built.bases, Tables(built.tables))
    missing = [Problem(ref, line, f"message {name!r} is not in the artifact") for name, line in source.sends if name not in built.messages]
    if source.problems or missing or source.sender is None:
        raise BadPack(source.problems + missing)
    triggers, rows = source.triggers, source.rows
    return Pack(
        name=source.name,
        version=ref.partition("@")[2],
        ref=ref,
        triggers=triggers,
        sender=source.sender,
        consent=source.consent,
        messages=built.messages,
        churn_levels=source.churn_levels,
        groups=source.groups,
        experiments=source.running,
        holdout=source.holdout,
        stage_schemes=rows.stage_schemes,
        tier_schemes=rows.tier_schemes,
        band_schemes=rows.band_schemes,
        segments=rows.segments,
        flags=rows.flags,
        treatments=rows.treatments,
        goes_by=rows.goes_by,
        verdicts=verdicts(rows),
        by_name={one.name: one for one in triggers},
        opens=_by_kind((kind, one) for one in triggers for kind in (*one.opening.on, *one.opening.joins)),
        dwells=any(one.opening.needs_dwell for one in triggers),
        idles=any(one.idle for one in triggers),
        delivers=any(one.delivery for one in triggers),
        answers=any(one.opening.scope == SEND for one in triggers),
        blunt=_blunt(triggers),
        goals=frozenset(kind for one in triggers if one.goal is not None for kind in one.goal.on),
        cancels=_by_kind((kind, one) for one in triggers for rule in one.cancels for kind in rule.on),
        consent_regions=source.consent_regions,
        soft_bounces=source.soft_bounces,
        one_address=source.one_address,
        hour_prior=source.hour_prior,
        catalogue=source.catalogue,
        sensitive=source.sensitive,
        contact=source.contact,
        remembers=span(source.contact.caps, intervals(rows.goes_by, rows.treatments)),
        variants=source.variants,
        variants_of={name: tuple([one for one in source.variants.values() if one.message == name]) for name in built.messages},
        scoring=source.scoring,
        recommendations=source.recommendations,
        brand=source.brand,
        region_offers=source.region_offers,
        offers=source.offering,
        heard=heard(triggers, rows.stage_schemes, rows.tier_schemes),
        looks=tuple(
            sorted({key for one in triggers for rule in one.cancels if rule.when is not None for key in rule.when.event_keys or ()})
        ),
    )


def _blunt(triggers: Iterable[Trigger]) -> frozenset[str]:
    rules = [rule for one in triggers for rule in one.cancels]
    sharp = {kind for rule in rules if rule.scope != PERSON or rule.when is not None or rule.before for kind in rule.on}
    # What she bought is kept whole: mails leave out what she has.
    return frozenset(kind for rule in rules for kind in rule.on) - sharp - frozenset((*PURCHASED, *TOLD))


def _by_kind(pairs: Iterable[tuple[str, Trigger]]) -> dict[str, tuple[Trigger, ...]]:
    found: dict[str, list[Trigger]] = {}
    for kind, trigger in pairs:
        if trigger not in found.setdefault(kind, []):
            found[kind].append(trigger)
    return {kind: tuple(triggers) for kind, triggers in found.items()}
