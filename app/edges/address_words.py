"""Why an address took no message of somebody: what another profile that shares it got, or said."""

from __future__ import annotations

from typing import Any

CLOSED = {
    "unsubscribed": "another profile with this address has unsubscribed",
    "complaint": "another profile with this address has called a mail spam",
    "hard_bounce": "a mail to this address for another profile came back for good",
}


def words(told: Any) -> str | None:
    """A decision's `values.address` in a sentence; None: there is none, or it says what is not known here."""
    if not isinstance(told, dict) or not isinstance(at := told.get("at"), str):
        return None
    when, who = at[:19].replace("T", " "), f"person {told.get('person_id')}"
    if isinstance(message := told.get("message"), str):
        return f"the same message, “{message}”, went to this address for another profile at {when} ({who})"
    closed = CLOSED.get(str(told.get("closed")))
    return None if closed is None else f"{closed} ({who}, {when})"
