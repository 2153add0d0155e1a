"""What the README shows is what the product takes: its commands parse, its trigger checks, its event is accepted, its walk is the map's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from app import __main__ as command_line
from app import flow
from app.domain.contract import accept
from app.policy.drawing import mermaid
from app.policy.graph import trigger_graph
from app.policy.pack import build, check, compile_artifact
from app.policy.reference import markdown
from app.policy.review import review
from app.policy.table import parse
from tests import guide_classes
from tests.her import DAY, Her

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
ROOT = Path(__file__).parent.parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.partition("#")[0].strip()
    for block in blocks("sh")
    for line in block.splitlines()
    if line.partition("#")[0].strip() and not line.startswith("export ")
]
INLINE = [one for one in re.findall(r"`(kairos [^`]+|python -m tests[^`]+)`", README)]


@pytest.mark.parametrize("line", sorted({*COMMANDS, *INLINE}))
def test_every_command_parses(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "sh":
        assert (ROOT / words[1]).is_file()
        return
    if words[0] == "python":
        assert words[1] == "-m" and (ROOT / (words[2].replace(".", "/") + ".py")).is_file()
        return
    assert words[0] == "kairos"
    command: click.Command = command_line.kairos
    context = click.Context(command)
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, f"{line!r}: no such command {rest[0]!r}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=words[0])
    command.make_parser(context).parse_args(list(rest))


def test_the_trigger_can_be_pasted_into_a_pack(tmp_path: Path) -> None:
    trigger, *_ = blocks("toml")
    head = 'name = "mine"\nwhy = "from the README"\n[sender]\nfrom = "hello@shop.example"\nname = "Shop"\n'
    head += '[consent]\nemail = "opt_in"\npersonalise = "opt_in"\n'
    pack = tmp_path / "my-pack.toml"
    pack.write_text(head + trigger, "utf-8")
    assert check(pack)[3] == []
    pack.write_text(head + trigger.replace("wait   =", "waits  ="), "utf-8")
    assert any("waits" in problem.message for problem in check(pack)[3])


def test_the_segment_and_its_trigger_can_be_pasted_into_a_pack(tmp_path: Path) -> None:
    *_, rows = blocks("toml")
    pack = tmp_path / "my-pack.toml"
    pack.write_text('name = "my-pack"\nwhy = "from the README"\nextends = "merged"\n' + rows, "utf-8")
    found = review(str(pack))
    assert [str(one) for one in found.problems] == []
    her = Her(found.pack)
    for day in range(3):
        her.event("purchase", day * DAY, order_id=f"o-{day}", total=20)
    her.until(62 * DAY - 1_000)
    before = [one for one in her.decisions() if one[0] == "quiet_regulars"]
    her.until(62 * DAY)
    assert before == [] and [one[2] for one in her.decisions() if one[0] == "quiet_regulars"] == ["opened", "held"]  # it is midnight
    her.until(63 * DAY)
    assert [one.message for one in her.plans if one.trigger == "quiet_regulars"] == ["personal-follow-up"]


def test_the_contact_policy_can_be_pasted_into_a_pack(tmp_path: Path) -> None:
    """A-198–A-201"""
    _, policy, _ = blocks("toml")
    pack = tmp_path / "my-pack.toml"
    pack.write_text('name = "my-pack"\nwhy = "from the README"\nextends = "merged"\ncontact_policy = "own"\n' + policy, "utf-8")
    assert [str(one) for one in check(pack)[3]] == []
    pack.write_text(pack.read_text("utf-8").replace("most = 4", "most = 0"), "utf-8")
    assert any("most" in problem.message for problem in check(pack)[3])


def test_the_first_event_is_accepted() -> None:
    (event,) = blocks("json")
    accepted = accept(json.dumps(json.loads(event)).encode(), 1_772_446_500_000, "readme")
    assert (accepted.event_type, accepted.customer_id) == ("product_view", "c-9")


def test_the_walk_is_the_maps() -> None:
    lines = "\n".join(f"{n}. {line}" for n, line in enumerate(flow.walk("product_view"), 1))
    assert lines in README, "paste this over the walk at the README's end:\n" + lines


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"`((?:app|tests|deploy|schemas)/[\w./]+)`", README):
        assert (ROOT / target).exists(), target


def kept(name: str) -> str:
    return README.partition(f"<!-- {name} -->\n")[2].partition(f"<!-- /{name} -->")[0]


def test_the_guides_classes_live_where_the_appendix_says() -> None:
    # A.23: 8 classes, 24 helpers that they call and never define, and 4 names that are undefined otherwise
    assert (len(guide_classes.CLASSES), len(guide_classes.HELPERS), len(guide_classes.UNDEFINED)) == (8, 24, 4)
    for place in (*guide_classes.CLASSES, *guide_classes.HELPERS, *guide_classes.UNDEFINED):
        assert all(guide_classes.resolved(path) is not None for path in place.lives)
    assert kept("classes") == guide_classes.markdown(), "put what `python -m tests.guide_classes` prints between the marks"


def test_the_reference_is_the_parsers() -> None:
    assert kept("reference") == markdown(), "put what `kairos policy reference` prints between the marks at the README's end"


def test_the_tree_is_the_packs() -> None:
    """A-191"""
    pack = compile_artifact(*build("s1"))
    tree = mermaid(trigger_graph(pack, pack.by_name["product_page_abandonment"]))
    assert kept("tree") == f"\n```mermaid\n{tree}```\n\n", "put this between the marks: " + tree


def test_the_decision_table_is_one() -> None:
    (table,) = blocks("csv")
    rows, problems = parse(table, "readme.csv", compile_artifact(*build("merged")).messages)
    assert len(rows) == 4 and problems == []
