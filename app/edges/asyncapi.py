"""The AsyncAPI 3 document of all topics: channels and operations from the map, messages from the structs and the contract.

One source, so that it cannot say what Kairos does not do. `kairos schemas` writes it to `schemas/asyncapi.json`; payloads of outside
topics are the JSON Schemas beside it, those of inside topics stand in the document.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from msgspec import Struct

from app import __version__, events, flow
from app.domain.event_types import EVENT_TYPES
from app.domain.schema import DIALECT, Schema
from app.flow import INTAKE_EDGE, TOPICS, Topic

ASYNCAPI = "3.0.0"
FILE = "asyncapi.json"
"""Below `schemas/`."""
JSON = "application/json"
MSGPACK = "application/vnd.kairos.record+msgpack"
_FORMAT = "application/schema+json;version=draft-2020-12"
_KAFKA = {"bindingVersion": "0.5.0"}
OUTSIDERS = frozenset((INTAKE_EDGE, "any downstream consumer", "warehouse"))
"""Writers and readers on the map that are not Kairos: an operation is what the described application does."""
INSIDE: dict[str, Any] = {
    "journal": events.JournalRecord,
    "control": events.ControlRecord,
    "addressed_plans": events.AddressRecord,
    "message_plans": events.Plan,
    "facts": events.FactsRecord,
}
"""Topics of msgpack records → their union. They may change with any version: nobody outside should build on them."""
_NUMBERS = frozenset(("retention.ms", "max.message.bytes"))
"""Topic settings that the Kafka binding wants as numbers; Kafka itself takes and gives text."""


def document(outside: dict[str, type[Struct]]) -> Schema:
    """The document. `outside`: topics with a JSON Schema file of their own (`TOPIC.v1.json`) → the struct of their records."""
    messages: dict[str, dict[str, Schema]] = {name: _messages(name, outside) for name in TOPICS}
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Kairos",
            "version": __version__,
            "description": "Turns what people do in an online shop into the right message at the right time. Events go in on "
            "`customer_events`, finished messages come out on `message_sends`, every decision on `decisions`. Topics of msgpack records "
            "are Kairos's own: they may change with any version.",
        },
        "defaultContentType": JSON,
        "servers": {
            "cluster": {
                "host": "{broker}",
                "protocol": "kafka",
                "description": "Your own Kafka (`KAIROS_BROKER`). Topic names carry `KAIROS_TOPIC_PREFIX` in front, if it is set.",
                "variables": {"broker": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": {name: _channel(topic, messages[name]) for name, topic in TOPICS.items()},
        "operations": dict(_operations()),
        "components": {"messages": {f"{topic}.{name}": one for topic, of in messages.items() for name, one in of.items()}},
    }


def _channel(topic: Topic, messages: dict[str, Schema]) -> Schema:
    kept: dict[str, Any] = {name: int(value) if name in _NUMBERS else value for name, value in topic.config.items()}
    kept["cleanup.policy"] = topic.config["cleanup.policy"].split(",")
    partitions = {"partitions": topic.partitions} if topic.partitions else {}
    many = f"{topic.partitions}" if topic.partitions else "`KAIROS_PARTITIONS` (default 8), fixed when the topics are created"
    return {
        "address": topic.name,
        "title": topic.name,
        "summary": topic.carries,
        "description": f"Written by {', '.join(topic.writers)}. Read by {', '.join(topic.readers)}. Key: {topic.key}. Partitions: {many}.",
        "messages": {name: {"$ref": f"#/components/messages/{topic.name}.{name}"} for name in messages},
        "bindings": {"kafka": {**partitions, "topicConfiguration": kept, **_KAFKA}},
    }


def _operations() -> list[tuple[str, Schema]]:
    found = []
    for topic in TOPICS.values():
        for who, action in [(one, "send") for one in topic.writers] + [(one, "receive") for one in topic.readers]:
            if who in OUTSIDERS:
                continue
            agent = flow.AGENTS.get(who)
            found.append(
                (
                    f"{who.replace(' ', '_')}.{action}.{topic.name}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{topic.name}"},
                        "summary": agent.why if agent is not None else f"{who} {'writes' if action == 'send' else 'reads'} {topic.name}",
                    },
                )
            )
    return found


def _messages(topic: str, outside: dict[str, type[Struct]]) -> dict[str, Schema]:
    if topic == "customer_events":
        known = {name: _message(topic, name, kind.why, {"$ref": f"{topic}/{name}.v1.json"}) for name, kind in EVENT_TYPES.items()}
        why = "An event of a type the contract does not name: kept, and usable in packs."
        return {**known, "any": _message(topic, "any", why, {"$ref": f"{topic}/_any.v1.json"})}
    if topic in outside:
        return {"record": _message(topic, topic, _first_line(outside[topic]), {"$ref": f"{topic}.v1.json"})}
    if topic in INSIDE:
        return {name: _message(topic, name, why, schema, MSGPACK) for name, why, schema in _tagged(INSIDE[topic])}
    if topic == "profiles":
        return {
            "record": _message(
                topic, topic, "A person as she stands; null once she has become somebody else.", {"$ref": f"{topic}.v1.json"}
            )
        }
    if topic == "artifacts":
        return {"record": _message(topic, topic, _first_line(events.Artifact), _inline(events.Artifact))}
    raise LookupError(f"no struct is known for the records of {topic}")


def _message(topic: str, name: str, summary: str, schema: Schema, content: str = JSON) -> Schema:
    inside = {"description": f"Byte {events.ENCODING:#04x} (the encoding's version), then msgpack."} if content == MSGPACK else {}
    return {
        "name": name,
        "title": name,
        "summary": summary,
        **inside,
        "contentType": content,
        "payload": {"schemaFormat": _FORMAT, "schema": schema},
        "bindings": {"kafka": {"key": {"type": ["string", "null"], "description": TOPICS[topic].key}, **_KAFKA}},
    }


def _tagged(union: Any) -> list[tuple[str, str, Schema]]:
    return [(str(one.__struct_config__.tag), _first_line(one), _inline(one)) for one in get_args(union) or (union,)]


def _inline(record: type[Struct]) -> Schema:
    """The struct's schema with a title for each field of an array, which carries no names on the wire."""
    (reference,), parts = msgspec.json.schema_components([record], ref_template="{name}")
    schema: Schema = msgspec.to_builtins(parts[reference["$ref"]])
    if "prefixItems" in schema:
        names = ["kind", *(field.encode_name for field in msgspec.structs.fields(record))]
        schema["prefixItems"] = [{"title": name, **one} for name, one in zip(names, schema["prefixItems"], strict=True)]
    return {"$schema": DIALECT, **schema}


def _first_line(record: type[Struct]) -> str:
    return (record.__doc__ or "").split("\n")[0]
