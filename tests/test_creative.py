"""Which subject line, picture and button a message gets, and how it is learnt from people (A-179, A-181)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app import events
from app.agents.renderer_program import RendererProgram
from app.domain import creative
from app.domain.effects import Tell
from app.domain.population import Population
from app.domain.trigger import Variant
from app.engine.memory import MemoryStore
from app.engine.turn import Turn
from app.policy.pack import check, compile_artifact
from tests.her import HOUR, MINUTE, MONDAY, UNGATED, Her, pack
from tests.test_packs import GOOD, build_text
from tests.test_turn import Line

ROW = """
[[variant]]
name = "urgent"
why = "a test"
message = "product-details"
factor = "subject"
text = "Soon gone: {{ event.product_name }}"
"""
TWO = (Variant("a", "m", "subject", "A"), Variant("b", "m", "subject", "B"), Variant("big", "m", "image", "big"))


def sizes(**by: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Variant → (went, worked) of the subject of `m`."""
    return {
        "creative_sent/m/subject": {name: went for name, (went, _) in by.items()},
        "creative_worked/m/subject": {name: worked for name, (_, worked) in by.items()},
    }


def shares(known: dict[str, dict[str, int]], n: int = 2_000) -> Counter[str]:
    return Counter(dict(creative.chosen(TWO, known, f"send{number}", lambda when: True))["subject"] for number in range(n))


def test_at_first_each_gets_its_share_and_what_does_well_gets_nearly_all() -> None:
    #
    even = shares({})
    assert set(even) == {"a", "b", creative.AS_WRITTEN} and all(560 < count < 780 for count in even.values())
    known = shares(sizes(a=(1_000, 300), b=(1_000, 200), as_written=(1_000, 200)))
    assert known["a"] > 1_980
    tried = shares(sizes(a=(1_000, 300), as_written=(1_000, 200)))
    assert tried["b"] > 600, "what nobody has tried yet is tried"


def test_a_draw_is_of_its_distribution_and_of_its_seed() -> None:
    for a, b in ((1, 1), (3, 9), (40, 160), (500, 2)):
        drawn = [creative.beta(a, b, f"{a}/{b}/{n}") for n in range(4_000)]
        mean, variance = a / (a + b), a * b / (a + b) ** 2 / (a + b + 1)
        assert sum(drawn) / len(drawn) == pytest.approx(mean, abs=4 * (variance / 4_000) ** 0.5)
        spread = sum((one - mean) ** 2 for one in drawn) / len(drawn)
        assert spread == pytest.approx(variance, rel=0.15)
    assert creative.beta(3, 9, "x") == creative.beta(3, 9, "x") != creative.beta(3, 9, "y")


COUNTS = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))


@given(st.text(), st.dictionaries(st.sampled_from(["a", "b", "as_written", "gone"]), COUNTS))
def test_the_same_message_is_always_the_same_and_each_factor_has_one(send_id: str, by: dict[str, tuple[int, int]]) -> None:
    choice = creative.chosen(TWO, sizes(**by), send_id, lambda when: True)
    assert choice == creative.chosen(TWO, sizes(**by), send_id, lambda when: True)
    assert [factor for factor, _ in choice] == ["subject", "image"]
    assert dict(choice)["subject"] in ("a", "b", "as_written") and dict(choice)["image"] in ("big", "as_written")


def test_factors_do_not_know_of_each_other() -> None:
    alone = [dict(creative.chosen(TWO[:2], {}, f"s{n}", lambda when: True))["subject"] for n in range(200)]
    assert alone == [dict(creative.chosen(TWO, {}, f"s{n}", lambda when: True))["subject"] for n in range(200)]


def her_with_a_choice(**more: Any) -> tuple[Her, events.Plan]:
    her = Her(compile_artifact("mine@1", build_text(GOOD + ROW)))
    her.event("product_view", 0, product_id="p1", product_name="Shoe", dwell_seconds=40, **more)
    her.until(2 * HOUR)
    return her, her.plans[0]


def told(her: Her) -> list[tuple[str, Any, Any]]:
    return [change for one in her.effects if isinstance(one, Tell) for change in one.counted.changes if change[0].startswith("creative_")]


def test_what_she_does_with_a_mail_counts_once_for_what_it_had() -> None:
    her, plan = her_with_a_choice()
    (variant,) = plan.creative.values()
    assert told(her) == [("creative_sent/product-details/subject", None, variant)]
    her.event("email_open", 2 * HOUR + MINUTE, send_id=plan.send_id, machine=True)
    assert len(told(her)) == 1, "a filter's look says nothing of a subject line"
    her.event("email_open", 2 * HOUR + 2 * MINUTE, send_id=plan.send_id)
    her.event("email_open", 2 * HOUR + 3 * MINUTE, send_id=plan.send_id)
    her.event("email_click", 2 * HOUR + 4 * MINUTE, send_id=plan.send_id)
    assert told(her)[1:] == [("creative_worked/product-details/subject", None, variant)]
    other, plan = her_with_a_choice()
    other.event("email_click", 2 * HOUR + MINUTE, send_id=plan.send_id)
    assert told(other)[1:] == [("creative_worked/product-details/subject", None, variant)], "who clicks has opened it"


def test_only_whom_it_fits_and_what_everybody_did_decides() -> None:
    merged = pack(UNGATED)
    known = Population(names={"creative_sent/product-details/subject": {"as_written": 900}})
    for views, wanted in ((1, {"as_written"}), (2, {"close"})):
        found = set()
        for n in range(20):
            her = Her(merged)
            her.population = known
            for view in range(views):
                her.event("product_view", n + view, product_id="p1", product_name="Shoe", dwell_seconds=40)
            her.until(3 * HOUR)
            found |= {plan.creative["subject"] for plan in her.plans if plan.message == "product-details"}
        assert found == wanted


def test_the_message_is_written_as_it_was_chosen() -> None:
    her, plan = her_with_a_choice()
    renderer = RendererProgram({her.pack.ref: her.pack}.__getitem__, "secret", "https://shop.example")
    for variant, subject in (("urgent", "Soon gone: Shoe"), ("as_written", "Shoe")):
        line = Line(0, MONDAY, None, events.encode(replace(plan, creative={"subject": variant})))
        (segment,) = Turn(renderer, 0, MemoryStore()).segments([line])
        send = next(msgspec.json.decode(one.value, type=events.Send) for one in segment.outputs if one.topic == "message_sends")
        assert subject in send.subject
        assert send.arms == [{"experiment": "creative/product-details/subject", "arm": variant}]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"urgent"', '"as_written"', "name: as_written is what the message's own files say"),
        ('"subject"', '"colour"', "factor: subject or image or cta, not 'colour'"),
        ('"product-details"', '"nothing"', "message: no trigger of this pack sends 'nothing'"),
        ("event.product_name", "event.product_nam", ":40: undefined variable event.product_nam"),
        ("{{ event.product_name }}", "{% for", ":40: missing tag name"),
        ('"subject"', '"cta"', "of cta it is told to the template as it stands"),
        ('"subject"\ntext = "Soon gone: {{ event.product_name }}"', '"cta"\ntext = "Go"', "product-details never asks for creative.cta"),
        ('why = "a test"\n', 'why = "a test"\nwhen = "window.nothing > 1"\n', "when: "),
    ],
)  # fmt: skip
def test_a_variant_that_cannot_be(old: str, new: str, problem: str, tmp_path: Path) -> None:
    assert old in ROW
    (tmp_path / "mine.toml").write_text(GOOD + ROW.replace(old, new))
    found = [str(one) for one in check(tmp_path / "mine.toml")[3]]
    assert any(problem in one for one in found), found
