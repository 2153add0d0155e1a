"""The map is the territory: imports run one way, and topics, tables, roles and agents exist only in app/flow.py."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from app import flow

APP = Path(__file__).parent.parent / "app"
ORDER = ["events", "domain", "policy", "flow", "engine", "agents", "edges", "commands", "__main__"]
PURE_FORBIDDEN = {
    "aiokafka",
    "faust",
    "rocksdict",
    "aiohttp",
    "asyncio",
    "random",
    "time",
    "os",
    "socket",
    "pathlib",
    "subprocess",
    "secrets",
    "uuid",
}
FORBIDDEN_NAMES = re.compile(r"(.*_)?(utils?|helpers?|manager|base|common|service)|types")


def layer(path: Path) -> int:
    first = path.relative_to(APP).parts[0].removesuffix(".py")
    return {"settings": 0, "__init__": 0}.get(first, ORDER.index(first) if first in ORDER else -1)


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


MODULES = sorted(APP.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(APP)))
def test_imports_run_one_way(path: Path) -> None:
    here = layer(path)
    assert here >= 0, f"{path} is in no layer of the map"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "app" or len(parts) < 2:
            continue
        target = parts[1]
        if target == "__version__":
            continue
        at = 0 if target == "settings" else ORDER.index(target)
        assert at <= here, f"{path.relative_to(APP)} imports {name}, which is above it"


@pytest.mark.parametrize("path", sorted((APP / "domain").glob("*.py")), ids=lambda path: path.name)
def test_domain_is_pure(path: Path) -> None:
    for name in imports(path):
        assert name.split(".")[0] not in PURE_FORBIDDEN, f"{path.name} imports {name}"
    assert not re.search(r"datetime\.now\(|utcnow\(|date\.today\(|\btime\.time\(", path.read_text("utf-8")), f"{path.name} reads a clock"


def test_files_have_nouns_for_names() -> None:
    assert [path.name for path in MODULES if FORBIDDEN_NAMES.fullmatch(path.stem)] == []


def test_every_agent_of_the_map_has_its_file_and_no_file_is_off_the_map() -> None:
    files = {path.stem for path in (APP / "agents").glob("*.py") if "agent(" in path.read_text("utf-8")}
    assert files == set(flow.AGENTS)
    assert {name for role in flow.ROLES.values() for name in role.agents} == set(flow.AGENTS)


def test_the_map_agrees_with_itself() -> None:
    tables, topics, agents = flow.TABLES, flow.TOPICS, flow.AGENTS
    for agent in agents.values():
        assert agent.reads in topics
        assert agent.name in topics[agent.reads].readers
        assert set(agent.writes) <= set(topics)
        for topic in agent.writes:
            assert agent.name in topics[topic].writers, f"{agent.name} writes {topic}, the topic does not know"
    for topic in topics.values():
        assert topic.writers, f"{topic.name} has no writer and must not be created"
        for writer in topic.writers:
            assert writer not in agents or topic.name in agents[writer].writes
    assert len({table.prefix for table in tables.values()}) == len(tables)
    for table in tables.values():
        assert set(table.writers) <= set(agents)
    places = {name: place for place, name in enumerate(flow.LANE_AGENTS)}
    parts = {agent.part: name for name, agent in agents.items() if name in places}
    for name in flow.LANE_AGENTS:
        for seen in agents[name].sees:
            assert places[parts[seen]] < places[name], f"{name} sees {seen}, which is stepped after it"


def test_topics_that_agents_read_are_never_compacted() -> None:
    for agent in flow.AGENTS.values():
        assert flow.TOPICS[agent.reads].config["cleanup.policy"] == "delete"


def test_no_topic_name_is_spelled_outside_the_map() -> None:
    """A name written as `topic("…")` or `Output("…"` must be on the map."""
    for path in MODULES:
        for name in re.findall(r"""(?:\btopic\(|Output\()\s*f?["']([a-z_]+)["']""", path.read_text("utf-8")):
            assert name in flow.TOPICS, f"{path.relative_to(APP)}: topic {name!r} is not on the map"


def test_stage_numbers_never_change() -> None:
    # They are in the headers of records on disk.
    assert {stage.name: int(stage) for stage in flow.Stage} == {
        "INTAKE": 1,
        "LANE": 2,
        "HANDED": 3,
        "RENDERER": 4,
        "CLOCK": 5,
        "REKEY": 6,
        "LINK": 7,
        "ANALYST": 8,
        "READER": 9,
        "WATCHER": 10,
        "RECOMMENDER": 11,
        "POSTMASTER": 12,
    }


def test_agents_decide_nothing() -> None:
    for name in flow.AGENTS:
        lines = (APP / "agents" / f"{name}.py").read_text("utf-8").splitlines()
        assert len(lines) <= 45, f"agents/{name}.py has {len(lines)} lines"
