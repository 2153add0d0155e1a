"""Artifacts: packs with their messages, figures of everybody; followed whole from the compacted topic by every worker, checked and compiled
by ref.

A lane that reaches an activation waits here until exactly that hash is loaded (design.md 1.4).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app import events
from app.domain.fingerprint import ref_of
from app.engine.patience import patient
from app.engine.producer import Producer
from app.engine.program import Output
from app.events import Artifact

log = logging.getLogger("kairos.artifacts")

CHUNK_BYTES = 512 * 1024
"""Base64 of a chunk stays below the topic's max.message.bytes."""
MAX_ARTIFACTS = 10_000
"""Versions a worker follows; a cluster that has published more must delete old keys first."""
POLL_S = 0.1
WAIT_S = 60.0
"""A lane that waits longer for an activated artifact exits: without it nothing may be decided."""

POLICY, POPULATION = "policy", "population"
"""The kinds that lanes decide by; any other only says what goes into a message."""
MODEL_WAIT_S = 5.0
"""How long a lane waits for one of the others: it may have been taken off the topic since, and decides nothing."""
COMPILED = 4
"""Figures of everybody that are kept compiled: lanes rank by the newest. Of packs every one, since windows may be open under any."""
Compilers = Mapping[str, Callable[[str, bytes], Any]]
"""Kind → (ref, data) → what lanes decide by. Raises ValueError if this version of Kairos cannot read it."""

_decode = msgspec.json.Decoder(Artifact).decode


def chunks(kind: str, ref: str, data: bytes, chunk_bytes: int = CHUNK_BYTES) -> list[Output]:
    """The records that put an artifact on the topic. Making it active is another record, on `control`."""
    pieces = [data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)] or [b""]
    told = [Artifact(kind, ref, n, len(pieces), base64.b64encode(piece).decode()) for n, piece in enumerate(pieces)]
    return [Output("artifacts", chunk_key(ref, one.chunk), events.encode_json(one), partition=0) for one in told]


def chunk_key(ref: str, number: int) -> bytes:
    return f"{ref}/{number}".encode()


def taken_off(ref: str, chunks: int) -> list[Output]:
    """The records that take an artifact off the topic."""
    return [Output("artifacts", chunk_key(ref, number), b"", partition=0) for number in range(chunks)]


async def publish(producer: Producer, kind: str, ref: str, data: bytes) -> None:
    """Puts an artifact on the topic, in chunks; returns when all are acked."""
    for chunk in chunks(kind, ref, data):
        await producer.publish([chunk])


class Artifacts:
    """Of the kinds that there are `compilers` for; what a later version of Kairos activates beside them decides nothing here."""

    def __init__(self, topic: str, client_options: dict[str, Any], compilers: Compilers) -> None:
        self._place = TopicPartition(topic, 0)
        self._options, self._compilers = client_options, compilers
        self._optional = frozenset(compilers) - {POLICY, POPULATION}
        self._chunks: dict[str, dict[int, bytes]] = {}
        self._data: dict[str, bytes] = {}
        self._kinds: dict[str, str] = {}
        self.damaged: set[str] = set()
        """Refs whose bytes on the topic are not those of their hash: as good as not there, until the right ones come."""
        self._compiled: dict[str, Any] = {}
        self._newest: dict[str, Any] = {}
        self._given_up: set[str] = set()
        """Refs that lanes go on without: restored marks name them at each turn."""
        self.active: dict[str, str] = {}
        """Kind → ref of the pointer; what a lane decides by is the activation in its journal, not this."""
        self.caught_up = False
        self._changed = asyncio.Event()

    def packs(self, ref: str) -> Any:
        """The compiled artifact of a ref that was activated before. Raises KeyError if it was never published."""
        if ref not in self._compiled:
            self._keep(ref, self._compilers[self._kinds[ref]](ref, self._data[ref]))
        return self._compiled[ref]

    def newest(self, kind: str) -> Any | None:
        """The active artifact of a kind, compiled; while it is being compiled the one that was active before. None: there was none yet."""
        ref = self.active.get(kind)
        if ref is not None and ref in self._compiled:
            self._newest[kind] = self._compiled[ref]
        return self._newest.get(kind)

    def at_hand(self, ref: str) -> Any | None:
        """The compiled artifact, if it is compiled already."""
        return self._compiled.get(ref)

    def of(self, kind: str) -> list[str]:
        """Refs of the artifacts of a kind that are there whole, in the order in which they were published."""
        return [ref for ref, one in self._kinds.items() if one == kind and ref in self._data]

    def data(self, ref: str) -> bytes | None:
        """Its bytes, as far as they are there."""
        return self._data.get(ref)

    def chunks(self, ref: str) -> int:
        """In how many records it stands on the topic."""
        return len(chunks(self._kinds[ref], ref, self._data[ref]))

    def _keep(self, ref: str, compiled: Any) -> None:
        self._compiled[ref] = compiled
        kind = self._kinds[ref]
        if kind != POLICY:
            for old in [one for one in self._compiled if self._kinds.get(one) == kind][:-COMPILED]:
                del self._compiled[old]

    async def loaded(self, wait_s: float) -> None:
        """Returns once everything that was on the topic at the start is there. Raises TimeoutError."""
        async with asyncio.timeout(wait_s):
            while not self.caught_up:
                self._changed.clear()
                await self._changed.wait()

    async def activated(self, kind: str, fence: Callable[[], None]) -> None:
        """Returns once some artifact of a kind is active and compiled: its activation then stands in every journal partition. `fence` may
        raise; RuntimeError as `wait` does.
        """
        while kind not in self.active:
            fence()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_S)
        await self.wait(self.active[kind])

    async def known(self, ref: str, wait_s: float) -> bool:
        """Whether the whole artifact is there, waiting for it a while."""
        until = asyncio.get_running_loop().time() + wait_s
        while ref not in self._data:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return ref in self._data
        return True

    async def wait(self, ref: str) -> None:
        """Returns once `ref` is loaded, checked and compiled. Raises RuntimeError after WAIT_S or if it is damaged.

        One of a kind that lanes do not decide by is given up after MODEL_WAIT_S, at once if it is damaged: messages go out without it.
        """
        if ref in self._compiled:
            return
        damaged = ref in self.damaged and ref not in self._data
        if ref.partition("@")[0] in self._optional and ref not in self._data:
            if damaged or ref in self._given_up:
                return
            if not await self.known(ref, MODEL_WAIT_S):
                self._given_up.add(ref)
                log.warning("%s was activated but is not on %s: messages go out without it", ref, self._place.topic)
                return
        elif damaged:
            raise RuntimeError(f"artifact {ref}: the bytes on {self._place.topic} are not those of this hash; publish it again")
        elif not await self.known(ref, WAIT_S):
            raise RuntimeError(f"artifact {ref} was activated but is not on {self._place.topic} after {WAIT_S:.0f} s")
        compiler = self._compilers.get(self._kinds[ref])
        if compiler is None:
            return
        try:
            self._keep(ref, await asyncio.to_thread(compiler, ref, self._data[ref]))
        except ValueError as error:
            raise RuntimeError(f"artifact {ref}: {error}") from error

    async def follow(self) -> None:
        """Reads the topic from its beginning and on; ends only by cancellation."""
        consumer = AIOKafkaConsumer(**self._options, enable_auto_commit=False, auto_offset_reset="none")
        patient(consumer._client)
        await consumer.start()
        try:
            consumer.assign([self._place])
            consumer.seek(self._place, (await consumer.beginning_offsets([self._place]))[self._place])
            end = (await consumer.end_offsets([self._place]))[self._place]
            while True:
                if not self.caught_up and await consumer.position(self._place) >= end:
                    self.caught_up = True
                    self._changed.set()
                try:
                    found = await consumer.getmany(self._place, timeout_ms=200)
                except KafkaError as error:
                    log.warning("artifacts: %s", error)
                    await asyncio.sleep(1.0)
                    continue
                for record in found.get(self._place, []):
                    self.take(record.key, record.value)
        finally:
            await consumer.stop()

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A record of the topic."""
        if key is None:
            return
        if value is None:
            self._drop(key.decode("utf-8", "replace").rpartition("/")[0])
            return
        try:
            one = _decode(value)
            piece = base64.b64decode(one.data, validate=True)
        except (msgspec.MsgspecError, binascii.Error) as error:
            log.error("artifacts: a record that is none: %s", error)
            return
        if key.startswith(b"active/"):
            self.active[one.kind] = one.ref
        elif one.ref not in self._data:
            self._gather(one, piece)
        self._changed.set()

    def _gather(self, one: Artifact, piece: bytes) -> None:
        """A piece of an artifact; the last one makes it whole. Each piece has a key of its own, so that a second one is its newer self."""
        chunks = self._chunks.setdefault(one.ref, {})
        chunks[one.chunk] = piece
        if any(number not in chunks for number in range(one.chunks)):
            return
        if len(self._data) >= MAX_ARTIFACTS:
            log.critical("more than %d artifacts: %s is not loaded", MAX_ARTIFACTS, one.ref)
            return
        data = b"".join([chunks[number] for number in range(one.chunks)])
        # Of a kind that only a later version knows nobody here can say how it is named.
        if one.kind in self._compilers and ref_of(one.ref.partition("@")[0], data) != one.ref:
            if one.ref not in self.damaged:
                log.error("artifacts: the bytes of %s are not those of its hash: it is not used", one.ref)
            self.damaged.add(one.ref)
            return
        self._kinds[one.ref], self._data[one.ref] = one.kind, data
        del self._chunks[one.ref]

    def _drop(self, ref: str) -> None:
        """It was taken off the topic: too old for any journal record to name it."""
        self._chunks.pop(ref, None)
        self._data.pop(ref, None)
        self._compiled.pop(ref, None)
        self._kinds.pop(ref, None)
