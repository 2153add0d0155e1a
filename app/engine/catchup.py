"""Bringing a table partition's store to the end of its changelog: at every assignment, and when another writer's records turn up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.engine.restore import Restore
from app.engine.store import TableStore, fingerprint

FETCH_BYTES = 8 * 1024 * 1024
FETCH_WAIT_MS = 50


def changelog_reader(client_options: dict[str, Any]) -> AIOKafkaConsumer:
    """A plain consumer, of no group; start and stop it."""
    return AIOKafkaConsumer(
        **client_options,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )


async def catch_up(
    reader: AIOKafkaConsumer, place: TopicPartition, store: TableStore, first: int, end: int, fence: Callable[[], None]
) -> list[bytes]:
    """Reads on from where the store stands (not before `first`) to `end`, writing as it goes; `fence` raises where it may not write.

    Returns the keys whose last record is a zombie's, to be appended again.
    """
    start = max(store.changelog_next, first)
    restore = Restore(store.get_many, store.marks().copy(), start)
    if start < end:
        reader.seek(place, start)
        while await reader.position(place) < end:
            records = [one for one in (await reader.getmany(place, timeout_ms=1000)).get(place, []) if one.offset < end]
            for record in records:
                restore.feed(record.key, record.value, record.offset)
            done = restore.result(min(await reader.position(place), end))
            whole = bool(records) and done.changelog_next == records[-1].offset + 1
            fence()
            store.keep(done.rows, done.marks, done.changelog_next, fingerprint(records[-1].key, records[-1].value) if whole else b"")
    return restore.stale()


async def record_at(reader: AIOKafkaConsumer, place: TopicPartition, offset: int) -> Any:
    """The changelog record at this offset, or None if compaction has taken it."""
    reader.seek(place, offset)
    while not (found := (await reader.getmany(place, timeout_ms=1000, max_records=1)).get(place)):
        if await reader.position(place) > offset:
            return None
    return found[0] if found[0].offset == offset else None
