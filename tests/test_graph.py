"""The decision tree of a pack and of a trigger as Mermaid text and as SVG: complete, well-formed, escaped, self-contained."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from app.domain.trigger import Arm, Choice, Experiment, Opening, Pack, Programme, Trigger
from app.edges.svg import svg
from app.policy.drawing import Graph, mermaid
from app.policy.graph import pack_graph, trigger_graph
from app.policy.ladder import segments_graph, stages_graph, tiers_graph
from app.policy.pack import compile_artifact, shipped
from tests.her import pack
from tests.test_diff import asks, full
from tests.test_packs import DAY, GOOD, build_text

NAMES = shipped()
EVIL = '<script>alert("x")</script> & `x` | #1; ]] }} %%'


def with_row(**changes: object) -> tuple[Pack, Trigger]:
    """The pack that says everything, its trigger changed."""
    whole = full()
    row = replace(whole.triggers[0], **changes)
    return replace(whole, triggers=(row,), by_name={row.name: row}), row


def graphs() -> list[Graph]:
    shipped_packs = [pack(name) for name in NAMES]
    every = [pack_graph(one) for one in shipped_packs] + [trigger_graph(one, row) for one in shipped_packs for row in one.triggers]
    return [*every, pack_graph(full()), trigger_graph(*with_row())]


def groups() -> list[Graph]:
    """Ladders, tiers and segments: of the guides, and of a pack that says everything."""
    packs = [pack("merged"), full()]
    ladders = [stages_graph(one, scheme) for one in packs for scheme in one.stage_schemes.values()]
    return [*ladders, *(tiers_graph(one, scheme) for one in packs for scheme in one.tier_schemes.values()), *map(segments_graph, packs)]


TREES, GROUPS = graphs(), groups()
EVERY = TREES + GROUPS


def texts(graph: Graph) -> list[str]:
    return [line for node in graph.nodes for line in node.lines]


#
def test_the_tree_of_a_trigger_says_all_that_its_row_says() -> None:
    whole, row = with_row()
    row = replace(row, restart=True, steps=(row.steps[0], replace(row.steps[1], after="any")))
    graph = trigger_graph(whole, row)
    said = texts(graph)
    for expected in (
        "product_view",
        "the 2nd within 7d, on 2 days",
        "per product",
        "event.price > 3",
        "no message of it went out in the last 1d",
        "experiment timing",
        "now 50 %: wait 0s, referral",
        "wait 2h",
        "anew at each repeated opening",
        "cart_add if window.quantity == 0",
        "purchase",
        "consent to email",
        "group views",
        "profile.orders > 1",
        "not sent: condition_false",
        "event.price > 9",
        "referral",
        "product-details",
        "wait 1d",
        "related-products",
        "goal: purchase within 5d",
    ):
        assert expected in said, expected
    labels = [edge.label for edge in graph.edges]
    assert labels.count("all the same") == 2  # after = "any": from the closed gate and from the condition
    assert "again each 7d, 4 times in all" in labels


def test_every_way_through_a_trigger_begins_at_its_event_and_ends_at_an_exit() -> None:
    for graph in TREES:
        ways: dict[str, list[str]] = {}
        for edge in graph.edges:
            ways.setdefault(edge.start, []).append(edge.end)
        seen, todo = set(), [node.key for node in graph.nodes if node.kind == "event"]
        while todo:
            key = todo.pop()
            if key not in seen:
                seen.add(key)
                todo += ways.get(key, [])
        assert seen == {node.key for node in graph.nodes}, graph.title
        ends = {node.kind for node in graph.nodes if not [end for end in ways.get(node.key, []) if end != node.key]}
        assert ends <= {"end", "message"}, graph.title


def test_no_two_nodes_stand_in_one_place() -> None:
    for graph in EVERY:
        places = [(node.row, node.column) for node in graph.nodes]
        assert len(set(places)) == len(places), f"{graph.title}: two nodes in one place"


def test_a_pack_names_every_trigger_and_message() -> None:
    for name in NAMES:
        said = texts(pack_graph(pack(name)))
        for row in pack(name).triggers:
            assert row.name in said
            assert all(step.message in said for step in row.steps)


def test_triggers_of_one_event_share_it() -> None:
    whole = full()
    other = replace(whole.triggers[0], name="other")
    third = replace(other, name="third", opening=Opening(("search",), "person"))
    graph = pack_graph(replace(whole, triggers=(whole.triggers[0], third, other)))
    assert [node.lines[0] for node in graph.nodes if node.kind == "event"] == ["product_view", "search"]
    assert [node.lines[0] for node in graph.nodes if node.kind == "trigger"] == ["first", "other", "third"]


LAPSED = """
[[trigger]]
name = "winback"
why = "x"
open = { on = "segment_entered", when = "event.segment == 'lapsed'" }
cancel = [{ on = "segment_left" }]
wait = "0s"
send = "referral"

[[trigger]]
name = "sorry"
why = "x"
open = { on = "stage", when = "event.scheme == 's1' && event.stage in ['at_risk', 'churned']" }
wait = "0s"
send = "referral"

[[trigger]]
name = "thanks"
why = "x"
open = { on = "tier", when = "event.tier == 'platinum'" }
wait = "0s"
send = "referral"

[[trigger]]
name = "anybody"
why = "x"
open = { on = "segment_left" }
wait = "0s"
send = "referral"
"""


def opening_on_groups() -> Pack:
    return compile_artifact("mine@1", build_text(f"include = 'guides'\n{GOOD}{LAPSED}"))


#
def test_a_ladder_asks_its_stages_in_order_and_says_what_opens_on_them() -> None:
    whole = opening_on_groups()
    scheme = whole.stage_schemes["s1"]
    graph = stages_graph(whole, scheme)
    assert [node.lines[0] for node in graph.nodes if node.kind == "group"] == [one.name for one in scheme.stages]
    assert [" ".join(node.lines) for node in graph.nodes if node.kind == "question"] == [
        " ".join(one.when.text.split()) for one in scheme.stages if one.when is not None
    ]
    by_key = {node.key: node for node in graph.nodes}
    opens = [(by_key[edge.start].lines[0], by_key[edge.end].lines) for edge in graph.edges if edge.label == "opens"]
    assert opens == [("churned", ("sorry",)), ("at_risk", ("sorry",))]
    chain = [edge for edge in graph.edges if edge.label == "no"]
    assert len(chain) == len(scheme.stages) - 1 and by_key[chain[-1].end].lines[0] == "anonymous_visitor"
    held = stages_graph(pack("merged"), pack("merged").stage_schemes["merged"])
    assert "left only after 7d in it, except by an order" in texts(held)
    endless = replace(scheme, stages=scheme.stages[:-1])
    assert "in no stage" in texts(stages_graph(whole, endless))


#
def test_tiers_are_cut_from_the_best_down_and_say_how_they_are_treated() -> None:
    merged = pack("merged")
    graph = tiers_graph(merged, merged.tier_schemes["s1"])
    said = texts(graph)
    for expected in ("among the best 40 %", "the best 10 %", "the next 20 %", "treated: vip, 5 to 7 mails a week, discounts: minimal"):
        assert expected in said, expected
    assert not [line for line in texts(tiers_graph(merged, merged.tier_schemes["s0"])) if "treated" in line], "it goes by s1"
    whole = opening_on_groups()
    assert "thanks" in texts(tiers_graph(whole, whole.tier_schemes["s0"]))
    assert "thanks" not in texts(tiers_graph(whole, whole.tier_schemes["s1"]))


#
def test_segments_say_who_is_in_them_what_they_ask_for_and_what_opens() -> None:
    whole = opening_on_groups()
    graph = segments_graph(whole)
    names = [node.lines[0] for node in graph.nodes if node.kind == "group"]
    assert {*whole.segments, "engagement_super", "points_low"} <= set(names)
    by_key = {node.key: node for node in graph.nodes}
    asks_for = [(by_key[edge.start].lines[0], " ".join(by_key[edge.end].lines)) for edge in graph.edges if edge.dashed]
    loyalty = "'recent_buyers' in profile.segments && 'high_engagement' in profile.segments"
    assert ("recent_buyers", loyalty) in asks_for and ("high_engagement", loyalty) in asks_for
    opens = {by_key[edge.start].lines[0]: by_key[edge.end].lines for edge in graph.edges if edge.label == "opens"}
    assert opens["lapsed"] == ("entered: winback", "left: anybody") and opens["purchaser"] == ("left: anybody",)
    bare = compile_artifact("mine@1", build_text(GOOD))
    assert texts(segments_graph(bare)) == ["this pack has no segments"]


#
def test_a_pack_shows_which_triggers_open_on_which_stage_tier_or_segment() -> None:
    found = [node.lines for node in pack_graph(opening_on_groups()).nodes if node.kind == "event"]
    assert ("segment_entered", "lapsed") in found and ("stage", "s1.churned", "s1.at_risk") in found
    assert ("tier", "s0.platinum") in found and ("segment_left",) in found


def test_a_long_table_and_many_arms_are_cut() -> None:
    whole, row = with_row()
    many = tuple(Choice(asks(f"event.price > {n}"), "referral") for n in range(5_000))
    arms = tuple(Arm(f"a{n}", 0.01) for n in range(100))
    row = replace(row, steps=(replace(row.steps[0], choices=many),), programme=Programme(DAY))
    whole = replace(whole, experiments={"first": (Experiment("grid", ("first",), arms),)}, triggers=(row,))
    graph = trigger_graph(whole, row)
    assert "… 4,988 more rows of the table" in texts(graph)
    assert "and 88 more" in texts(graph)
    assert len(svg(graph)) < 100_000
    assert "again each 1d" in [edge.label for edge in graph.edges]


#
@pytest.mark.parametrize("graph", EVERY, ids=lambda graph: graph.title)
def test_mermaid_is_a_flowchart_line_by_line(graph: Graph) -> None:
    lines = mermaid(graph).splitlines()
    assert lines[1] in ("flowchart TD", "flowchart LR")
    opens, closes = r'(\(\["|\[\("|\{"|\[/"|\{\{"|\[\["|\("|\[")', r'("\]\)|"\)\]|"\}|"/\]|"\}\}|"\]\]|"\)|"\])'
    node = re.compile(rf'  n\d+{opens}[^"`<>|\\]*(<br/>[^"`<>|\\]*)*{closes}')
    edge = re.compile(r'  n\d+ (-->|-\.->)(\|"[^"|<>]*"\|)? n\d+')
    for line in lines[2:]:
        assert node.fullmatch(line) or edge.fullmatch(line), line
    assert len(lines) == 2 + len(graph.nodes) + len(graph.edges)


@pytest.mark.parametrize("graph", EVERY, ids=lambda graph: graph.title)
def test_svg_is_well_formed_and_needs_nothing_from_elsewhere(graph: Graph) -> None:
    text = svg(graph)
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("viewBox")
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "path", "text", "g"}
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert len(root.findall("{*}g")) == len(graph.nodes)
    assert len([one for one in root.findall("{*}path") if (one.get("class") or "").startswith("edge")]) == len(graph.edges)


@pytest.mark.parametrize("graph", EVERY, ids=lambda graph: graph.title)
def test_no_box_lies_on_another_or_outside(graph: Graph) -> None:
    root = ElementTree.fromstring(svg(graph))
    left, top, width, height = map(float, str(root.get("viewBox")).split())
    boxes = [_extent(group) for group in root.findall("{*}g")]
    for n, (x1, y1, x2, y2) in enumerate(boxes):
        assert left <= x1 < x2 <= left + width and top <= y1 < y2 <= top + height
        for a1, b1, a2, b2 in boxes[:n]:
            assert x2 <= a1 or a2 <= x1 or y2 <= b1 or b2 <= y1


def _extent(group: ElementTree.Element) -> tuple[float, float, float, float]:
    shape = group[0]
    if shape.tag.endswith("rect"):
        x, y, width, height = (float(str(shape.get(name))) for name in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    points = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", str(shape.get("d")))]
    return min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)


def test_what_a_pack_says_stays_text() -> None:
    condition = asks("event.x == '</text><script>' || event.y == \"]]\"")
    whole, row = with_row(name="evil", why=EVIL, opening=Opening((EVIL,), "person", condition))
    for graph in (trigger_graph(whole, row), pack_graph(whole)):
        root = ElementTree.fromstring(svg(graph))
        assert {element.tag.partition("}")[2] for element in root.iter()} <= {"svg", "title", "desc", "style", "rect", "path", "text", "g"}
        assert "script" in "".join(root.itertext())
        text = mermaid(graph)
        assert "<script" not in text.partition("\n")[2]
        assert text.count("\n") == 2 + len(graph.nodes) + len(graph.edges)
