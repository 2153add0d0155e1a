"""The contract of `customer_events`: bytes in, an accepted event or every violation out (interface.md section 3)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson
from msgspec import Struct

from app.domain.event_types import EVENT_TYPES
from app.domain.schema import ENVELOPE, MAX_KEYS, any_schema, event_schema
from app.events import Properties, derived_id

MAX_BYTES = 256 * 1024
"""Of one event, decoded."""
MAX_DEPTH = 10
"""Objects and arrays inside each other, the event itself counted."""
MAX_VIOLATIONS = 100
MAX_MESSAGE = 300
"""Characters of a violation's path and of its message: both may quote the event."""
FUTURE_MS = 10 * 60_000
"""How far a shop's clock may be ahead before its time counts as wrong."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Violation = dict[str, str]


class Accepted(Struct, frozen=True):
    """An event that keeps the contract. `ts`: the shop's time (ms). `event_id` empty: see `accept`. Empty ids became None."""

    event_id: str
    event_type: str
    ts: int
    future: bool
    """Its timestamp lay more than 10 minutes ahead; `ts` is the time of arrival."""
    customer_id: str | None
    anonymous_id: str | None
    properties: Properties
    """All of them, known and unknown, from `properties` and, in the flat form, from the top level."""
    context: Properties


class Broken(ValueError):
    """The event breaks the contract. `reason`: contract, too_large. `violations`: JSON pointer `path` and `message` each."""

    def __init__(self, reason: str, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{one['path'] or 'event'}: {one['message']}" for one in violations[:3]))
        self.reason, self.violations = reason, violations


def accept(value: bytes | None, at: int, place: str) -> Accepted:
    """The event in `value`, that arrived at `at` (ms). Raises `Broken`, nothing else.

    An event without id is known by its bytes if it has a timestamp, else by its `place` (topic, partition, offset): three equal views of
    the guides' flat form are three views. `place` empty: such an event's id stays empty, to be filled with `place_id` by the caller.
    """
    event = _parse(value)
    event_type = event.get("event_type")
    validator = _validator(event_type if isinstance(event_type, str) and event_type in EVENT_TYPES else "")
    if not validator.is_valid(event):
        raise Broken("contract", _violations(validator, event))
    timestamp = event.get("timestamp")
    ts, future = at, False
    if timestamp is not None:
        ts = _milliseconds(timestamp)
        if ts > at + FUTURE_MS:
            ts, future = at, True
    event_id = event.get("event_id")
    if not event_id:
        if timestamp is not None:
            event_id = hashlib.blake2b(value or b"", digest_size=16).hexdigest()
        else:
            event_id = place_id(place) if place else ""
    properties = event.get("properties") or {}
    if not event.keys() <= ENVELOPE:
        properties = {name: told for name, told in event.items() if name not in ENVELOPE} | properties
    return Accepted(
        event_id,
        event["event_type"],
        ts,
        future,
        event.get("customer_id") or None,
        event.get("anonymous_id") or None,
        properties,
        event.get("context") or {},
    )


def place_id(place: str) -> str:
    """Event id of an event that has neither id nor timestamp: where it stands is all that tells it from its like."""
    return derived_id("event", place)


# --- parsing ------------------------------------------------------------------------------------------------------------------


def _violation(path: str, message: str) -> Violation:
    return {"path": path[:MAX_MESSAGE], "message": message[:MAX_MESSAGE]}


def _broken(path: str, message: str, reason: str = "contract") -> Broken:
    return Broken(reason, [_violation(path, message)])


def _parse(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise _broken("", "no value")
    if len(value) > MAX_BYTES:
        raise _broken("", f"{len(value)} bytes, more than {MAX_BYTES}", "too_large")
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _broken("", f"not JSON: {error}") from None
    if not isinstance(event, dict):
        raise _broken("", "not an object")
    # A quick look at the bytes spares nearly every event the walk: depth and keys cannot exceed what there are brackets and colons.
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH or value.count(b":") > MAX_KEYS:
        _weigh(event, "", 1)
    return _without_nul(event) if b"\\u0000" in value else event


def _weigh(part: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _broken(path, f"nested more than {MAX_DEPTH} deep")
    if isinstance(part, dict):
        if len(part) > MAX_KEYS:
            raise _broken(path, f"{len(part)} keys in one object, more than {MAX_KEYS}")
        for name, inner in part.items():
            if isinstance(inner, dict | list):
                _weigh(inner, f"{path}/{_escape(name)}", depth + 1)
    else:
        for n, inner in enumerate(part):
            if isinstance(inner, dict | list):
                _weigh(inner, f"{path}/{n}", depth + 1)


def _without_nul(part: Any) -> Any:
    """NUL is legal JSON and poison for what reads strings behind us; it carries no meaning, so it goes."""
    if isinstance(part, str):
        return part.replace("\x00", "")
    if isinstance(part, dict):
        return {name.replace("\x00", ""): _without_nul(inner) for name, inner in part.items()}
    if isinstance(part, list):
        return [_without_nul(inner) for inner in part]
    return part


def _milliseconds(timestamp: str) -> int:
    try:
        if timestamp[4:5] != "-":
            raise ValueError  # basic and week forms would let numbers pass as dates
        told = datetime.fromisoformat(timestamp.upper())
        if told.tzinfo is None:
            told = told.replace(tzinfo=UTC)
        ts = (told - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise _broken("/timestamp", f"not an ISO 8601 time: {timestamp!r}") from None
    if ts <= 0:
        raise _broken("/timestamp", f"before 1970: {timestamp!r}")
    return ts


# --- validation ---------------------------------------------------------------------------------------------------------------


@cache
def _validator(event_type: str) -> jsonschema_rs.Draft202012Validator:
    """Compiled once a type; "" stands for all that the contract does not name."""
    return jsonschema_rs.Draft202012Validator(event_schema(EVENT_TYPES[event_type]) if event_type else any_schema())


def _violations(validator: jsonschema_rs.Draft202012Validator, event: dict[str, Any]) -> list[Violation]:
    found: dict[str, Violation] = {}
    nobody = False
    for error in islice(validator.iter_errors(event), MAX_VIOLATIONS):
        if list(error.schema_path) == ["anyOf"]:
            nobody = True
            continue
        path = "".join(f"/{_escape(str(step))}" for step in error.instance_path)
        found[f"{path} {error.message}"] = _violation(path, error.message)
    if isinstance(timestamp := event.get("timestamp"), str):
        try:
            _milliseconds(timestamp)
        except Broken as broken:
            found["timestamp"] = broken.violations[0]
    if nobody and not any(one["path"] in ("/customer_id", "/anonymous_id") for one in found.values()):
        found["nobody"] = _violation("", "one of customer_id, anonymous_id must be there and not empty")
    return list(found.values())


def _escape(step: str) -> str:
    """A name in a JSON pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")
