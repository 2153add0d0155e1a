"""The reference of a pack's fields: every field the parser reads, each with a meaning, and one place of truth for it."""

from __future__ import annotations

import tomllib

import pytest

from app.domain.segments import Predicate, Verdicts
from app.domain.trigger import Condition, Pack, Verdict
from app.policy.difference import DERIVED
from app.policy.meanings import AS_ABOVE, HEADS, MEANS, SOURCES
from app.policy.pack import SHIPPED, shipped
from app.policy.reference import docstrings, fields, markdown, meaning
from app.policy.triggers import CANCEL, CHOICE, FOLLOW_UP, GOAL, OPEN, TRIGGER


def test_every_table_and_field_of_the_parser_is_there() -> None:
    found = fields()
    assert set(found) == set(HEADS), "a new table needs its place in HEADS, and words for its fields"
    assert tuple(found["trigger",]) == TRIGGER
    parts = {"open": OPEN, "cancel": CANCEL, "follow_up": FOLLOW_UP, "choose": CHOICE, "goal": GOAL}
    assert {name: tuple(found["trigger", name]) for name in parts} == parts
    assert set(AS_ABOVE.values()) <= set(found)


@pytest.mark.parametrize(("table", "field"), [(table, field) for table, names in fields().items() for field in names])
def test_every_field_has_a_type_and_a_meaning(table: tuple[str, ...], field: str) -> None:
    assert fields()[table][field].kind
    assert len(meaning(table, field)) > 10
    assert " ms" not in meaning(table, field), "a pack writes 2h"


def test_no_word_is_left_over_and_none_says_what_a_type_says_itself() -> None:
    read = {(table, field) for table, names in fields().items() for field in names}
    assert set(MEANS) <= read
    said = docstrings()
    for (table, field), told in MEANS.items():
        attribute = said[HEADS[table][1].__name__].get(field)
        if isinstance(told, str) and attribute is not None:
            assert " ms" in attribute, f"{table} {field}: the type's own docstring says it"


def test_what_the_types_hold_can_be_said_in_a_pack() -> None:
    """An attribute whose docstring nobody can look up is either derived, or its TOML name is missing here."""
    looked_up = {told for told in MEANS.values() if isinstance(told, tuple)}
    named = {(HEADS[table][1], field) for table, names in fields().items() for field in names}
    kinds = {getattr(module, name) for module in SOURCES for name in docstrings() if hasattr(module, name)} - {
        Condition,
        Verdict,
        Predicate,
        Verdicts,
    }
    for kind in kinds:
        for attribute in docstrings()[kind.__name__]:
            if attribute and not (kind is Pack and attribute in DERIVED):
                made = kind.__name__, attribute
                assert (kind, attribute) in looked_up | named or made in MADE, made


MADE = {
    ("Pack", "consent_regions"),  # [consent.regions.EU]
    ("Sensitive", "inferences"),  # one of the pack's own, [sensitive]
    ("Inference", "name"),
    ("Inference", "harmless"),
    ("Treatment", "of"),  # stage or tier, whichever is told
    ("Treatment", "scheme"),
    ("Treatment", "group"),
    ("Treatment", "mails_low"),  # mails
    ("Treatment", "mails_high"),
    ("Opening", "needs_dwell"),  # read off its condition
    ("Opening", "joins"),  # of an order its later lines
    ("Trigger", "treated_wait"),  # wait = "treatment"
    ("Programme", "every"),  # "treatment", too
    ("Step", "message"),  # send
    ("Arm", "message"),  # send
    ("Arm", "factors"),  # a level of each factor
    ("Pack", "experiments"),
    ("Pack", "contact"),  # quiet_hours, cap and arbitration together
    ("Cap", "calendar"),  # per
    ("Holidays", "region"),  # holidays, a table
    ("Holidays", "days"),
}
"""Attributes that a pack says under another name, or that follow from what it says."""


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_packs_use_no_field_that_is_not_in_it(name: str) -> None:
    found = fields()
    told = tomllib.loads((SHIPPED / f"{name}.toml").read_text("utf-8"))
    assert set(told) <= set(found[()])
    for row in told.get("trigger", []):
        assert set(row) <= set(found["trigger",])


def test_it_is_markdown_that_a_table_survives() -> None:
    for line in markdown().splitlines():
        assert not line.startswith("|") or line.count("|") == 5, line
