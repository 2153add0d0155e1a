"""Packs, and other artifacts, on the broker: every version, in the order in which it last was published, and the active one."""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import Struct

from app import events
from app.domain.fingerprint import ref_of
from app.edges.producing import producing
from app.edges.topic_scan import ScanFailed, Scanner, scanner
from app.engine import artifacts
from app.engine.clock import wall_ms
from app.engine.program import Output
from app.events import Activate, Artifact
from app.settings import Settings

KIND = "policy"
_decode = msgspec.json.Decoder(Artifact).decode


class Version(Struct, frozen=True):
    """One version. `at`: when it was last published (ms). `whole`: all of it is there, and its bytes are those of its hash."""

    ref: str
    at: int
    data: bytes
    whole: bool


class Published(Struct, frozen=True):
    """What the artifacts topic holds. `versions`: the last one is, or is about to be, the active one."""

    versions: tuple[Version, ...]
    active: str | None
    since: int | None
    """When the active one became so (ms)."""

    @property
    def before(self) -> Version | None:
        """The version that a rollback goes back to: the one asked for before the last one.

        A rollback publishes the old bytes once more. So the topic's own order tells, and keeps telling when it has been compacted.
        """
        return self.versions[-2] if len(self.versions) > 1 else None

    @property
    def asked(self) -> str | None:
        """The version that was asked for last, while no worker has made it active yet."""
        newest = self.versions[-1].ref if self.versions else None
        return newest if newest != self.active else None

    def find(self, ref: str) -> list[Version]:
        """Versions that `name@hash`, or the beginning of it from the @ on, may mean."""
        name, _, version = ref.partition("@")
        exact = [one for one in self.versions if one.ref == ref]
        return exact or [one for one in self.versions if version and one.ref.startswith(f"{name}@{version}")]


async def published(settings: Settings) -> Published:
    """Every version of every pack. Raises `ScanFailed`."""
    async with scanner(settings) as scan:
        return await of_kind(scan, KIND)


async def of_kind(scan: Scanner, kind: str) -> Published:
    """Artifacts of a kind, from the topic's beginning. Raises `ScanFailed`."""
    chunks: dict[str, dict[int, bytes]] = {}
    counts: dict[str, int] = {}
    last: dict[str, int] = {}
    active, since = None, None
    async for record in scan.read("artifacts"):
        try:
            one = _decode(record.value or b"")
            piece = base64.b64decode(one.data, validate=True)
        except (msgspec.MsgspecError, binascii.Error):
            continue  # a tombstone, or nothing of ours; the doctor names what a worker stumbles over
        if one.kind != kind:
            continue
        if (record.key or b"").startswith(b"active/"):
            active, since = one.ref, record.timestamp
            continue
        chunks.setdefault(one.ref, {})[one.chunk] = piece
        counts[one.ref] = one.chunks
        last.pop(one.ref, None)  # to the end: what was published again is the newest
        last[one.ref] = record.timestamp
    return Published(tuple(_version(ref, at, chunks[ref], counts[ref]) for ref, at in last.items()), active, since)


def _version(ref: str, at: int, pieces: dict[int, bytes], count: int) -> Version:
    data = b"".join(pieces.get(n, b"") for n in range(count))
    return Version(ref, at, data, len(pieces) >= count and ref_of(ref.partition("@")[0], data) == ref)


async def activate(settings: Settings, ref: str, data: bytes) -> None:
    """Puts a version on the topic, anew if it is there, and asks the clock to make it active. Raises `KafkaError`, OSError."""
    async with producing(settings) as producer:
        await artifacts.publish(producer, KIND, ref, data)
        ask = events.encode(Activate(wall_ms(), KIND, ref))
        await producer.publish([Output("control", None, ask, partition=0)])


__all__ = ["KIND", "Published", "ScanFailed", "Version", "activate", "of_kind", "published"]
