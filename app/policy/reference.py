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

from app.domain import lifecycle, scoring, segments, tiers, treatments, trigger
from app.domain.lifecycle import Stage, StageScheme
from app.domain.points import COUNTED
from app.domain.scope import PERSON
from app.domain.scoring import EmailPart, Parts, PriceSensitivity, PurchasePart, Scoring, WebsitePart
from app.domain.segments import Band, BandScheme, Segment
from app.domain.tiers import Tier, TierScheme
from app.domain.treatments import By, Treatment
from app.domain.trigger import Arm, Cancel, Choice, ChurnLevel, Experiment, Goal, Group, Opening, Pack, Sender, Step, Trigger
from app.policy.fields import Fields
from app.policy.phrases import duration
from app.policy.place import Path
from app.policy.schema import Source
from app.policy.triggers import LATE, LATE_SLOW, NEEDS

Table = tuple[str, ...]
"""Where a table stands: `("trigger", "open")`."""


class Known(Struct):
    """A field as the parser reads it."""

    kind: str = ""
    default: str = ""
    required: bool = False


HEADS: dict[Table, tuple[str, type[Struct]]] = {
    (): ("The pack", Pack),
    ("sender",): ("[sender]", Sender),
    ("holdout",): ("[holdout]", Pack),
    ("churn_level",): ("[[churn_level]]", ChurnLevel),
    ("group",): ("[[group]]", Group),
    ("trigger",): ("[[trigger]]", Trigger),
    ("trigger", "open"): ("open = { … }", Opening),
    ("trigger", "cancel"): ("cancel = [ { … } ]", Cancel),
    ("trigger", "choose"): ("choose = [ { … } ]", Choice),
    ("trigger", "follow_up"): ("follow_up = [ { … } ]", Step),
    ("trigger", "goal"): ("goal = { … }", Goal),
    ("experiment",): ("[[experiment]]", Experiment),
    ("experiment", "arm"): ("arm = [ { … } ]", Arm),
    ("goes_by",): ("[goes_by]", By),
    ("stage_scheme",): ("[[stage_scheme]]", StageScheme),
    ("stage_scheme", "stage"): ("[[stage_scheme.stage]]", Stage),
    ("tier_scheme",): ("[[tier_scheme]]", TierScheme),
    ("tier_scheme", "tier"): ("tier = [ { … } ]", Tier),
    ("band_scheme",): ("[[band_scheme]]", BandScheme),
    ("band_scheme", "band"): ("band = [ { … } ]", Band),
    ("segment",): ("[[segment]]", Segment),
    ("treatment",): ("[[treatment]]", Treatment),
    ("scores",): ("[scores]", Scoring),
    ("scores", "engagement"): ("[scores.engagement]", Parts),
    ("scores", "email"): ("[scores.email]", EmailPart),
    ("scores", "website"): ("[scores.website]", WebsitePart),
    ("scores", "purchase"): ("[scores.purchase]", PurchasePart),
    ("scores", "price_sensitivity"): ("[scores.price_sensitivity]", PriceSensitivity),
}
"""Every table of a pack, in the order of the reference, and the type it becomes."""
AS_ABOVE = {("trigger", "follow_up", "choose"): ("trigger", "choose")}
"""Tables that are the same in another place."""

MEANS: dict[tuple[Table, str], str | tuple[type[Struct], str]] = {
    ((), "name"): "Of the pack; with the hash of its bytes it is the version, `name@hash`.",
    ((), "extends"): "A shipped pack that this one has all of, but for the rows of the same name and the tables that it states anew.",
    ((), "event_types"): "The shop's own event types, which triggers may then name.",
    ((), "sender"): "Whom mails come from.",
    ((), "churn_level"): (Pack, "churn_levels"),
    ((), "group"): "Suppression groups.",
    ((), "trigger"): "One row for each reason to write.",
    ((), "experiment"): "Experiments, switched on or not.",
    ((), "scores"): (Pack, "scoring"),
    (
        (),
        "include",
    ): "A shipped file of rows about people's standing, such as `guides`; rows of the same name take the place of its own.",
    ((), "stage_scheme"): (Pack, "stage_schemes"),
    ((), "tier_scheme"): (Pack, "tier_schemes"),
    ((), "band_scheme"): (Pack, "band_schemes"),
    ((), "segment"): (Pack, "segments"),
    ((), "treatment"): (Pack, "treatments"),
    (("goes_by",), "stage"): (By, "stage"),
    (("goes_by",), "tier"): (By, "tier"),
    (("stage_scheme",), "name"): "Of the scheme, in snake_case; people's stage stands in `profile.lifecycle` under it.",
    (("stage_scheme",), "stage"): (StageScheme, "stages"),
    (("stage_scheme",), "hold"): "A stage is left only after so long in it, except by an order.",
    (("stage_scheme", "stage"), "name"): "Of the stage, in snake_case; a scheme may come back to one.",
    (("tier_scheme",), "name"): "Of the scheme, in snake_case; customers' tier stands in `profile.clv.tier` under it.",
    (("tier_scheme",), "tier"): (TierScheme, "tiers"),
    (("tier_scheme", "tier"), "name"): "Of the tier, in snake_case.",
    (("band_scheme",), "name"): "Of the scheme, in snake_case; the names of its segments begin with it.",
    (("band_scheme",), "band"): (BandScheme, "bands"),
    (("band_scheme", "band"), "name"): "Of the band, in snake_case.",
    (("segment",), "name"): "Of the segment, in snake_case; `profile.segments` lists it, and `segment_entered` and `segment_left` say it.",
    (("treatment",), "stage"): "The stage it is of, such as `merged.loyal`; or",
    (("treatment",), "tier"): "the tier it is of, such as `s1.high`.",
    (("treatment",), "mails"): "Mails a week as a range, `[5, 7]`; the upper number is the cap.",
    (("treatment",), "every"): "How long between two messages of a programme.",
    (("sender",), "from"): "The From address.",
    (("sender",), "name"): "Its display name.",
    (("sender",), "reply_to"): "Where answers go, if not to the sender.",
    (("holdout",), "share"): (Pack, "holdout"),
    (("churn_level",), "name"): "Of the level, in snake_case.",
    (("churn_level",), "threshold"): "The probability above which it is reached.",
    (("churn_level",), "horizon_days"): "How far ahead the probability looks.",
    (("group",), "name"): "What triggers name as their `group`.",
    (("group",), "scope"): "What it protects: all of the person, or the person and each product.",
    (("trigger",), "name"): "Of the trigger, in snake_case; decisions and reports call it so.",
    (("trigger",), "open"): "What opens a window.",
    (("trigger",), "cancel"): "What ends it before its messages are sent.",
    (("trigger",), "wait"): "Of the first message, from the opening's own time.",
    (("trigger",), "send"): "The first message; where none of `choose` holds.",
    (("trigger",), "choose"): (Step, "choices"),
    (("trigger",), "when"): "Asked when the first message is due; if it does not hold, that ends not_sent `condition_false`.",
    (("trigger",), "follow_up"): "Further messages, one after the other.",
    (("trigger",), "every"): "Makes the last message a programme: again and again, so long after the one before, while its `when` holds.",
    (("trigger",), "times"): "Of a programme: messages in all; without it there is no end.",
    (("trigger",), "goal"): "What the messages are for, so that it can be counted: the first such event after one of them.",
    (("trigger", "open"), "on"): "The event type; `reachable`: an address and consent to e-mail are there for the first time.",
    (("trigger", "open"), "scope"): "One open window per person, per product, per order or per mail.",
    (("trigger", "open"), "within"): "All of them within so long; without it no limit but what is remembered.",
    (("trigger", "open"), "when"): "Asked of the event: over `event`, `profile`, `intent`, `churn`.",
    (("trigger", "cancel"), "on"): "The event type.",
    (("trigger", "cancel"), "scope"): "Any of the person's (`person`), or one that concerns the window, by the opening's own scope.",
    (("trigger", "cancel"), "when"): "Over `window` alone, as it stands after this event.",
    (("trigger", "choose"), "when"): "Over `event`, `window`, `profile`, `intent`, `churn`.",
    (("trigger", "choose"), "send"): "The message where it holds.",
    (("trigger", "follow_up"), "wait"): "From when the message before was due.",
    (("trigger", "follow_up"), "send"): "The message; where none of `choose` holds.",
    (("trigger", "follow_up"), "choose"): (Step, "choices"),
    (("trigger", "follow_up"), "when"): "Asked when it is due: over `event`, `window`, `profile`, `intent`, `churn`.",
    (("trigger", "goal"), "on"): "The event type that reaches it.",
    (("trigger", "goal"), "within"): "How long after a message it still counts.",
    (("experiment",), "name"): "Of the experiment, in snake_case.",
    (("experiment",), "enabled"): "Whether it is switched on.",
    (("experiment",), "triggers"): "The triggers it runs on.",
    (("experiment",), "arm"): "Its arms; their shares add to 1.",
    (("experiment",), "factors"): "Instead of arms: factor → its levels; every combination is an arm, with equal shares.",
    (("experiment", "arm"), "name"): "Of the arm, in snake_case.",
    (("experiment", "arm"), "share"): "Of the people, from 0 to 1.",
    (("experiment", "arm"), "wait"): "Of the first message, instead of the trigger's.",
    (("experiment", "arm"), "send"): "The first message, instead of the trigger's.",
    (("scores",), "engagement"): (Parts, ""),
    (("scores",), "email"): (EmailPart, ""),
    (("scores",), "website"): (WebsitePart, ""),
    (("scores",), "purchase"): (PurchasePart, ""),
    (("scores",), "price_sensitivity"): (PriceSensitivity, ""),
}
"""Meanings of what TOML spells in its own way: words, or the attribute (without a name: the type) whose docstring says it."""
SOURCES = (trigger, scoring, lifecycle, segments, tiers, treatments)
"""Modules of the types."""
WHY = "In words: what it is there for, and by whose wish."
SCOPES = "`person`, `product`, `order_id` or `send_id`"
KINDS = {
    ((), "consent"): "table: purpose → opt_in or opt_out",
    (("experiment",), "factors"): "table: factor → texts",
    ((), "flags"): "table: flag → condition",
    (("tier_scheme", "tier"), "share"): "number, above 0 to 100",
    (("band_scheme", "band"), "least"): "number",
    (("band_scheme", "band"), "above"): "number",
    (("treatment",), "mails"): "list of two numbers",
    (("scores",), "points"): f"table: {', '.join(COUNTED)} → points",
    (("scores",), "elements"): "table: part of a mail → weight",
    (("trigger",), "choose"): "list of tables, or a CSV file's name",
    (("trigger", "follow_up"), "choose"): "list of tables, or a CSV file's name",
    (("trigger", "open"), "scope"): SCOPES,
    (("trigger", "cancel"), "scope"): SCOPES,
}
"""Kinds of what the parser takes apart itself; `DEFAULTS`: likewise."""
DEFAULTS = {
    (("trigger",), "needs"): ", ".join(NEEDS),
    (("trigger",), "late"): f"{duration(LATE)}, {duration(LATE_SLOW)} from a wait of 1d on",
    (("trigger", "open"), "scope"): PERSON,
    (("trigger", "cancel"), "scope"): PERSON,
    (("scores",), "mandatory"): ", ".join(Scoring().mandatory),
    (("scores",), "points"): ", ".join(f"{kind} = {worth:g}" for kind, worth in Scoring().points),
    (("scores",), "elements"): ", ".join(f"{part} = {worth:g}" for part, worth in Scoring().elements),
}


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
        self._note(at, field, "condition" if field == "when" else "text")
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
