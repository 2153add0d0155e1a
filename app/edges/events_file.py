"""A file of customer events in arrival order (JSON Lines, `.gz` read as such).

The file has no broker, so its own stamps are the clock: the clock at a line is the larger of the clock so far and the line's `timestamp`
(`received_at`, if it has one). A shop's own mistakes must not move it: a line is *future* if it is more than 10 minutes after its own
`received_at`, or, without one, more than 24 h ahead of the line before it and of each of the next 20 (interface.md section 2). A last line
has no later one to speak against it, and moves the clock.
"""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson
from msgspec import Struct

AHEAD_OF_RECEIPT_MS = 10 * 60_000
AHEAD_OF_OTHERS_MS = 24 * 3_600_000
LOOK_AHEAD = 20
MAX_LINE = 16 * 1024 * 1024
"""A longer line is cut here, so that a file without newlines cannot fill the memory; what is cut is refused as too large anyway."""
NO_TIME = 946_684_800_000
"""2000-01-01: where the clock stands in a file none of whose lines tells a time. Never the wall clock: same input, same output."""


class Unreadable(ValueError):
    """The file cannot be read or is not what it should be; the message names file and line."""


class Arrival(Struct, frozen=True):
    """A line as the broker would have it. `at` ms; `read`: bytes of the file read so far, for a progress bar."""

    at: int
    key: bytes | None
    value: bytes
    read: int = 0


class _Line(Struct):
    value: bytes
    key: bytes | None
    ts: int | None
    received: int | None
    read: int


def arrivals(path: Path) -> Iterator[Arrival]:
    """Every line that is not blank, broken ones too (they are refused by contract later, and counted). Raises `Unreadable`."""
    lines = _lines(path)
    ahead: deque[_Line] = deque(islice(lines, LOOK_AHEAD + 1))
    before: int | None = None
    clock = min((at for line in ahead if (at := _stamp(line)) is not None), default=NO_TIME)
    while ahead:
        line = ahead.popleft()
        stamp = _stamp(line)
        if stamp is not None and not _future(line, before, ahead):
            clock = max(clock, stamp)
        yield Arrival(clock, line.key, line.value, line.read)
        before = line.ts if line.ts is not None else before
        ahead.extend(islice(lines, 1))


def milliseconds(text: object) -> int | None:
    """ISO 8601 as ms since 1970 (no zone: UTC), or None if it is no such thing."""
    if not isinstance(text, str):
        return None
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
        return round(when.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _future(line: _Line, before: int | None, after: deque[_Line]) -> bool:
    if line.ts is None:
        return False
    if line.received is not None:
        return line.ts > line.received + AHEAD_OF_RECEIPT_MS
    later = [other.ts for other in islice(after, LOOK_AHEAD) if other.ts is not None]
    others = later if before is None else [before, *later]
    return bool(later) and all(line.ts > other + AHEAD_OF_OTHERS_MS for other in others)


def _stamp(line: _Line) -> int | None:
    return line.received if line.received is not None else line.ts


def raw_lines(path: Path) -> Iterator[tuple[bytes, int]]:
    """Every line with its end, of at most MAX_LINE bytes, and the bytes of the file read so far. Raises `Unreadable`."""
    try:
        with path.open("rb") as raw, _unpacked(path, raw) as file:
            first = True
            while text := file.readline(MAX_LINE):
                if len(text) == MAX_LINE and not text.endswith(b"\n"):
                    while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                        pass
                if first:
                    text, first = text.removeprefix(b"\xef\xbb\xbf"), False
                yield text, raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _lines(path: Path) -> Iterator[_Line]:
    for line, read in raw_lines(path):
        if text := line.strip():
            yield _line(text, read)


def _unpacked(path: Path, raw: IO[bytes]) -> Any:
    return gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw


def _line(text: bytes, read: int) -> _Line:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        return _Line(text, None, None, None, read)
    who = next((one for name in ("customer_id", "anonymous_id") if isinstance(one := value.get(name), str) and one), None)
    key = None if who is None else who.encode("utf-8", "surrogatepass")
    return _Line(text, key, milliseconds(value.get("timestamp")), milliseconds(value.get("received_at")), read)


def encode_lines(day: list[dict[str, Any]]) -> bytes:
    """Events as JSON Lines: what `arrivals` reads back."""
    return b"".join(orjson.dumps(event) + b"\n" for event in day)
