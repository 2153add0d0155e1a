"""A person as a row of a bulk file tells her: what speaks against the row, and the events that say what it says (A-027, A-040)."""

from __future__ import annotations

from typing import Any

import orjson
from msgspec import Struct

from app.domain import consent, plausible, traits
from app.domain.contract import Broken, accept
from app.events import Properties, derived_id, iso

SOURCE = "import"
"""`context.source` of an imported event: what a file tells of her is no sign that she was there."""


class ImportRow(Struct, frozen=True):
    """One of the ids is there. `consent`: purpose → given or withdrawn. `at` (ms): as of when the row speaks; None: as the file does."""

    customer_id: str | None
    anonymous_id: str | None = None
    traits: dict[str, Any] = {}
    consent: dict[str, bool] = {}
    at: int | None = None


def events_of(row: ImportRow, cause: tuple[str, ...], at: int, first: str = "profile_update") -> list[Properties]:
    """Her traits as an event of type `first`, her consent as one or two more. `cause`: where the row stands; ids come from it alone."""
    told: list[tuple[str, Properties]] = [(first, {"traits": row.traits})] if row.traits or first == "identify" else []
    for event_type, given in (("consent_give", True), ("consent_withdraw", False)):
        purposes = [purpose for purpose, value in row.consent.items() if value is given]
        told += [(event_type, {"purposes": purposes})] if purposes else []
    who = {name: value for name, value in (("customer_id", row.customer_id), ("anonymous_id", row.anonymous_id)) if value is not None}
    timestamp = iso(at if row.at is None else row.at)
    return [
        {
            "event_id": derived_id("people", *cause, event_type),
            "event_type": event_type,
            **who,
            "timestamp": timestamp,
            "properties": properties,
            "context": {"source": SOURCE},
        }
        for event_type, properties in told
    ]


def objections(row: ImportRow, now: int) -> list[str]:
    """Everything that a profile would leave out, cut short or not believe: of a row nothing goes in silence."""
    found = ["its timestamp lies in the future"] if row.at is not None and row.at > now else []
    _, impossible = plausible.sorted_out(row.traits, now if row.at is None else row.at, None)
    for name in impossible:
        what = "is no telephone number" if name in plausible.PHONES else "cannot be true"
        found.append("email is no address that can be written to" if name == "email" else f"{name} {what}")
    if len(row.traits) > traits.MAX_TRAITS:
        found.append(f"{len(row.traits)} traits, more than {traits.MAX_TRAITS}")
    kept = traits.told({}, row.traits)
    for name, value in row.traits.items() if kept != row.traits else ():
        if not 0 < len(name) <= traits.MAX_NAME:
            found.append(f"a trait's name has {len(name)} characters, not 1 to {traits.MAX_NAME}")
        elif value is not None and (one := traits.told({}, {name: value}).get(name)) != value:
            found.append(f"{name} is too large" if one is None else f"{name} has {len(value)} characters, more than {traits.MAX_TEXT}")
    if len(row.consent) > consent.MAX_PURPOSES:
        found.append(f"consent to {len(row.consent)} purposes, more than {consent.MAX_PURPOSES}")
    wrong = [len(name) for name in row.consent if not 0 < len(name) <= consent.MAX_NAME]
    return found + [f"a purpose has {length} characters, not 1 to {consent.MAX_NAME}" for length in wrong]


def breaches(values: list[bytes], now: int) -> list[str]:
    """What intake would bury the row's events for."""
    found = [] if values else ["tells nothing: neither traits nor consent"]
    for value in values:
        try:
            accept(value, now, "")
        except Broken as error:
            found.append(str(error))
    return list(dict.fromkeys(found))


def encoded(event: Properties) -> bytes:
    """As `customer_events` takes it. Raises `orjson.JSONEncodeError`: a text that is no Unicode."""
    return orjson.dumps(event)


def key(row: ImportRow) -> bytes:
    """Of its records."""
    return (row.customer_id or row.anonymous_id or "").encode("utf-8", "surrogatepass")
