"""Artifacts: packs with their messages, followed whole from the compacted topic by every worker, checked and compiled by ref.

A lane that reaches an activation waits here until exactly that hash is loaded (design.md 1.4).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from app import events
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

_decode = msgspec.json.Decoder(Artifact).decode


async def publish(producer: Producer, kind: str, ref: str, data: bytes) -> None:
    """Puts an artifact on the topic, in chunks; returns when all are acked. Making it active is another record, on `control`."""
    pieces = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] or [b""]
    for n, piece in enumerate(pieces):
        chunk = Artifact(kind, ref, n, len(pieces), base64.b64encode(piece).decode())
        await producer.publish([Output("artifacts", f"{ref}/{n}".encode(), events.encode_json(chunk), partition=0)])


class Artifacts:
    """`compile_artifact(ref, data)` checks the hash and compiles; raises ValueError if the bytes are not what the ref says."""

    def __init__(self, topic: str, client_options: dict[str, Any], compile_artifact: Callable[[str, bytes], Any]) -> None:
        self._place = TopicPartition(topic, 0)
        self._options, self._compile = client_options, compile_artifact
        self._chunks: dict[str, dict[int, bytes]] = {}
        self._data: dict[str, bytes] = {}
        self._compiled: dict[str, Any] = {}
        self.active: dict[str, str] = {}
        """Kind → ref of the pointer; what a lane decides by is the activation in its journal, not this."""
        self.caught_up = False
        self._changed = asyncio.Event()

    def packs(self, ref: str) -> Any:
        """The compiled artifact of a ref that was activated before. Raises KeyError if it was never published."""
        if ref not in self._compiled:
            self._compiled[ref] = self._compile(ref, self._data[ref])
        return self._compiled[ref]

    async def loaded(self, wait_s: float) -> None:
        """Returns once everything that was on the topic at the start is there. Raises TimeoutError."""
        async with asyncio.timeout(wait_s):
            while not self.caught_up:
                self._changed.clear()
                await self._changed.wait()

    async def activated(self, kind: str, fence: Callable[[], None]) -> None:
        """Returns once some artifact of a kind is active: its activation then stands in every journal partition. `fence` may raise."""
        while kind not in self.active:
            fence()
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_S)

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
        """Returns once `ref` is loaded, checked and compiled. Raises RuntimeError after WAIT_S or if it is damaged."""
        if ref in self._compiled:
            return
        if not await self.known(ref, WAIT_S):
            raise RuntimeError(f"artifact {ref} was activated but is not on {self._place.topic} after {WAIT_S:.0f} s")
        try:
            self._compiled[ref] = await asyncio.to_thread(self._compile, ref, self._data[ref])
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
        if key is None or value is None:
            return
        try:
            one = _decode(value)
        except msgspec.MsgspecError as error:
            log.error("artifacts: a record that is none: %s", error)
            return
        if key.startswith(b"active/"):
            self.active[one.kind] = one.ref
        elif one.ref not in self._data:
            chunks = self._chunks.setdefault(one.ref, {})
            chunks[one.chunk] = base64.b64decode(one.data)
            if len(chunks) == one.chunks:
                if len(self._data) >= MAX_ARTIFACTS:
                    log.critical("more than %d artifacts: %s is not loaded", MAX_ARTIFACTS, one.ref)
                    return
                self._data[one.ref] = b"".join(chunks[n] for n in range(one.chunks))
                del self._chunks[one.ref]
        self._changed.set()
