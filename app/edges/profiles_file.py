"""`profiles` records of everybody: from a file that `kairos simulate --profiles` wrote, or from the topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from app.edges.events_file import Unreadable, raw_lines
from app.edges.topic_scan import Scanner

PARTS = ("traits", "consent", "engagement", "clv", "lifecycle", "propensity")
"""Objects that every profile has, as this version writes it; an older one has some."""
Progress = Callable[[int, int], None]


def from_file(path: Path, on_progress: Callable[[int], None] = lambda read: None) -> Iterator[dict[str, Any]]:
    """A record a line, `.gz` read as such. Raises `Unreadable`, which names the line."""
    for number, (line, read) in enumerate(raw_lines(path), 1):
        if not (text := line.strip()):
            continue
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise Unreadable(f"{path}:{number}: not JSON: {error}") from error
        if (why := wrong(record)) is not None:
            raise Unreadable(f"{path}:{number}: no profile: {why}")
        yield record
        on_progress(read)


def wrong(record: Any) -> str | None:
    """Why this is no record of `profiles`; decisions and messages have a person_id, too. None: it is one."""
    if not isinstance(record, dict):
        return "not a JSON object"
    if not isinstance(record.get("person_id"), str):
        return "it has no person_id"
    if not any(name in record for name in PARTS):
        return f"it has none of {', '.join(PARTS)}"
    odd = [name for name in PARTS if not isinstance(record.get(name), dict | None)]
    return f"{odd[0]} is no JSON object" if odd else None


async def from_topic(scan: Scanner, on_progress: Progress = lambda done, total: None) -> AsyncIterator[dict[str, Any]]:
    """The newest record of everybody. Compaction leaves older ones for a while, so the topic is read twice: first to learn which is whose.

    Who is erased or became somebody else has a tombstone, and is left out. Raises `ScanFailed`.
    """
    newest: dict[bytes, int] = {}
    async for record in scan.read("profiles", on_progress=on_progress):
        newest[_short(record.key)] = record.offset
    async for record in scan.read("profiles", on_progress=on_progress):
        if record.value is None or newest.get(_short(record.key)) != record.offset:
            continue
        try:
            told = orjson.loads(record.value)
        except orjson.JSONDecodeError:
            continue  # nothing of ours; the doctor names what a worker stumbles over
        if isinstance(told, dict) and isinstance(told.get("person_id"), str):
            yield told


def _short(key: bytes | None) -> bytes:
    return blake2b(key or b"", digest_size=12).digest()
