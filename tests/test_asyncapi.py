"""The AsyncAPI document is valid AsyncAPI 3, says what the map says, and every reference in it leads somewhere."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from app import events, flow
from app.commands.schemas import documents
from app.domain.event_types import EVENT_TYPES
from app.edges.asyncapi import FILE, INSIDE, OUTSIDERS

SCHEMAS = Path(__file__).parent.parent / "schemas"
OFFICIAL = Path(__file__).parent / "specs" / "asyncapi-3.0.0.json.gz"
"""schemas/3.0.0-without-$id.json of the npm package @asyncapi/specs 6.11.1 (Apache 2.0), as it stands there."""
DOCUMENT: dict[str, Any] = json.loads(documents()[FILE])


def official() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_it_is_valid_by_the_official_schema() -> None:
    official().validate(DOCUMENT)


def test_the_official_schema_tells_a_broken_document() -> None:
    for broken in (
        {name: part for name, part in DOCUMENT.items() if name != "info"},
        {**DOCUMENT, "operations": {"o": {"action": "publish", "channel": {"$ref": "#/channels/journal"}}}},
        {**DOCUMENT, "channels": {"c": {"address": 5}}},
    ):
        assert not official().is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > 60
    for reference in found:
        file, _, pointer = reference.partition("#")
        part: Any = DOCUMENT if not file else json.loads((SCHEMAS / file).read_text("utf-8"))
        for step in filter(None, pointer.split("/")):
            part = part[step]


def test_it_has_every_topic_of_the_map_with_its_settings() -> None:
    assert list(DOCUMENT["channels"]) == list(flow.TOPICS)
    for name, topic in flow.TOPICS.items():
        channel = DOCUMENT["channels"][name]
        assert (channel["address"], channel["summary"]) == (name, topic.carries)
        told = channel["bindings"]["kafka"]["topicConfiguration"]
        assert {key: ",".join(value) if isinstance(value, list) else str(value) for key, value in told.items()} == topic.config
        assert channel["messages"], f"{name} carries nothing"


def test_operations_are_what_the_agents_read_and_write() -> None:
    told = {tuple(name.split(".")) for name in DOCUMENT["operations"]}
    for agent in flow.AGENTS.values():
        mine = {("receive", agent.reads), *(("send", topic) for topic in agent.writes)}
        assert mine <= {(action, topic) for who, action, topic in told if who == agent.name}
    for name, operation in DOCUMENT["operations"].items():
        _, action, topic = name.split(".")
        assert (operation["action"], operation["channel"]["$ref"]) == (action, f"#/channels/{topic}")
    assert not {who for who, _, _ in told} & OUTSIDERS


def test_every_event_type_and_every_struct_is_a_message() -> None:
    assert set(DOCUMENT["channels"]["customer_events"]["messages"]) == {*EVENT_TYPES, "any"}
    journal = set(DOCUMENT["channels"]["journal"]["messages"])
    assert {"event", "tick", "activation", "conclusion", "rendered"} <= journal


def test_inside_records_keep_their_payload_schemas() -> None:
    records = {
        "journal.tick": events.Tick(1, 1, 500),
        "journal.event": events.Event(1, "e", "page_view", 1, "p", "c"),
        "control.progress": events.Progress(1, {0: 5}),
    }
    assert {name.split(".")[0] for name in records} <= set(INSIDE)
    for name, record in records.items():
        schema = DOCUMENT["components"]["messages"][name]["payload"]["schema"]
        validator = jsonschema_rs.Draft202012Validator(schema)
        plain = json.loads(msgspec.json.encode(record))
        validator.validate(plain)
        assert not validator.is_valid(["other", *plain[1:]])
