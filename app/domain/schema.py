"""JSON Schema 2020-12 of every record outsiders see, made from the structs: one source, so schema and code cannot drift.

The same documents validate events at intake and are written to `schemas/` by `kairos schemas`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from app.domain.event_types import EVENT_TYPES, EventType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_ID = 256
"""Characters of an id: it becomes a Kafka key."""
MAX_NAME = 100
"""Characters of an event type."""
MAX_KEYS = 200
"""Members of one object."""

Schema = dict[str, Any]

_ID: Schema = {"type": ["string", "null"], "maxLength": MAX_ID}
_ENVELOPE: dict[str, Schema] = {
    "event_id": {**_ID, "description": "Same id, same event. Missing: derived, interface.md section 3."},
    "event_type": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    "customer_id": _ID,
    "anonymous_id": _ID,
    "timestamp": {"type": ["string", "null"], "description": "ISO 8601 with offset or Z, without one UTC. Missing: the broker's time."},
    "received_at": {"type": ["string", "null"], "description": "Arrival time in files for kairos simulate; no property."},
    "properties": {"type": ["object", "null"], "maxProperties": MAX_KEYS},
    "context": {"type": ["object", "null"], "maxProperties": MAX_KEYS},
}
ENVELOPE = frozenset(_ENVELOPE)
"""Top-level names that are the envelope's; any other top-level name is a property (the guides' flat form)."""

_TOLD: Schema = {"type": "string", "minLength": 1}
_IDENTIFIED: list[Schema] = [
    {"required": ["customer_id"], "properties": {"customer_id": _TOLD}},
    {"required": ["anonymous_id"], "properties": {"anonymous_id": _TOLD}},
]


def event_schema(kind: EventType) -> Schema:
    """Envelope and properties of one event type; the properties may stand in `properties` or, flat, at the top level."""
    properties = {**_struct(kind.properties), "type": ["object", "null"], "maxProperties": MAX_KEYS}
    return {
        **_head(f"customer_events/{kind.name}", f"{kind.name} ({kind.group}): {kind.why}"),
        "type": "object",
        "required": ["event_type"],
        "properties": {**_ENVELOPE, "event_type": {"const": kind.name}, "properties": {"$ref": "#/$defs/properties"}},
        "maxProperties": MAX_KEYS,
        "anyOf": _IDENTIFIED,
        "allOf": [{"$ref": "#/$defs/properties"}],
        "$defs": {"properties": properties},
        "examples": [_example(kind.name, kind.example), {"customer_id": "0042", "event_type": kind.name, **kind.example}],
    }


def any_schema() -> Schema:
    """An event of a type the contract does not name: the envelope alone."""
    return {
        **_head("customer_events/_any", "An event of any type, also of those the contract does not name; unknown properties are kept."),
        "type": "object",
        "required": ["event_type"],
        "properties": _ENVELOPE,
        "maxProperties": MAX_KEYS,
        "anyOf": _IDENTIFIED,
        "examples": [_example("gift_card_redeem", {"code": "SPRING", "amount": 25})],
    }


def record_schema(topic: str, record: type[Struct], example: Struct) -> Schema:
    """A record of an outside topic, from its struct. Consumers must bear fields added later, so additional ones are allowed."""
    return {
        **_head(topic, _first_line(record)),
        **_struct(record),
        "examples": [msgspec.to_builtins(example)],
    }


def closed_schema(topic: str, record: type[Struct], examples: list[Struct]) -> Schema:
    """A record that outsiders write, from its struct: a field that it does not name is refused."""
    return {
        **_head(topic, _first_line(record)),
        **_struct(record),
        "additionalProperties": False,
        "examples": [msgspec.to_builtins(one) for one in examples],
    }


def schemas(records: dict[str, tuple[type[Struct], Struct]]) -> dict[str, Schema]:
    """Every schema by its path below `schemas/`; `records`: outside topic → struct and example."""
    found = {f"customer_events/{name}.v1.json": event_schema(kind) for name, kind in EVENT_TYPES.items()}
    found["customer_events/_any.v1.json"] = any_schema()
    found.update({f"{topic}.v1.json": record_schema(topic, record, example) for topic, (record, example) in records.items()})
    return found


def view_schema(topic: str, description: str, example: dict[str, Any]) -> Schema:
    """Of a record that is no struct: its fields, which are always all there, and of what kind those are that are always the same kind."""
    kinds: dict[type, Any] = {dict: ["object", "null"], list: "array", bool: "boolean"}
    fields = {name: {"type": kinds[type(value)]} if type(value) in kinds else {} for name, value in example.items()}
    return {
        **_head(topic, description),
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "examples": [example],
    }


def _head(name: str, description: str) -> Schema:
    return {
        "$schema": DIALECT,
        "$id": f"urn:kairos:{name.replace('/', ':')}:v1",
        "title": name.rsplit("/", 1)[-1],
        "description": description,
    }


def _example(event_type: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "event_id": f"e-{event_type}",
        "event_type": event_type,
        "customer_id": "0042",
        "anonymous_id": None,
        "timestamp": "2026-03-02T10:15:00Z",
        "properties": properties,
        "context": {},
    }


def _first_line(record: type[Struct]) -> str:
    return (record.__doc__ or "").split("\n")[0]


def _struct(record: type[Struct]) -> Schema:
    """`{"type", "properties", "required"}` of a struct, with nested structs in place."""
    (reference,), components = msgspec.json.schema_components([record], ref_template="{name}")
    found = _plain(components[reference["$ref"]], components)
    return {name: found[name] for name in ("type", "properties", "required") if found.get(name)}


def _plain(schema: Any, components: dict[str, Any]) -> Any:
    """msgspec's schema without references, and `anyOf` with null as one `type` list: cheaper to check, and violations name the types."""
    if isinstance(schema, list):
        return [_plain(item, components) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _plain(components[schema["$ref"]], components)
    plain = {
        name: {key: _plain(value, components) for key, value in part.items()} if name == "properties" else _plain(part, components)
        for name, part in schema.items()
        if name not in ("title", "default", "description") and part != []
    }
    options = plain.get("anyOf")
    if options and len({str(option.get("type")) for option in options}) == len(options):
        types = [option["type"] for option in options]
        return {name: value for option in options for name, value in option.items() if name != "type"} | {"type": types}
    return plain
