"""The decision tree of a pack and of a trigger as Mermaid text and as SVG: complete, well-formed, escaped, self-contained."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from app.domain.trigger import Arm, Choice, Experiment, Opening, Pack, Programme, Trigger
from app.edges.svg import svg
from app.policy.graph import Graph, mermaid, pack_graph, trigger_graph
from app.policy.pack import shipped
from tests.her import pack
from tests.test_diff import asks, full
from tests.test_packs import DAY

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


EVERY = graphs()


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
    for graph in EVERY:
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
    node = re.compile(r'  n\d+(\(\["|\{"|\[/"|\{\{"|\[\["|\("|\[")[^"`<>|\\]*(<br/>[^"`<>|\\]*)*("\]\)|"\}|"/\]|"\}\}|"\]\]|"\)|"\])')
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
