"""Products of a file onto `catalog_changes`: batch by batch, each acked before the next is read; what is refused goes into a file.

A file that is imported again changes nothing: the product watcher writes only what is new. With `full` the file is the whole catalogue:
what is not in it gets a stock of 0. It is not taken off: a shop's feed leaves out what is sold out, and of a product that the catalogue
does not know a message would go out as if there were some left. When it is in the file again, it is back in stock.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from app.domain.catalog_change import TOPIC, CatalogChange, encode
from app.domain.catalog_row import Columns
from app.domain.catalogue import decode, id_of, in_stock, key_of
from app.domain.fingerprint import fingerprint
from app.edges.catalog_file import TABLE, form, header, rows
from app.edges.rejects import Refused, Rejects, counted
from app.engine.patience import patient
from app.engine.program import Output
from app.engine.topics import client_options, partitions_of
from app.settings import Settings

BATCH = 5_000
"""Records published before their acks are awaited."""
MOST_TAKEN_OFF = 0.5
"""Of the catalogue: a feed that lacks more of it has most likely broken off at its source."""

Publish = Callable[[list[Output]], Awaitable[None]]


class Imported(Struct):
    """What became of a file so far."""

    rows: int = 0
    products: int = 0
    """Rows whose record was acked."""
    rejected: int = 0
    taken_off: int = 0
    reasons: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    """What is to be said of rows that were taken all the same."""


class TooMany(Exception):
    """More of the catalogue is missing in the file than anybody can have meant."""

    def __init__(self, missing: int, known: int) -> None:
        super().__init__(f"{missing:,} of {known:,} products are not in the file")


class Ids:
    """Which product ids the file has, in 8 bytes each."""

    def __init__(self) -> None:
        self._marks = array("Q")
        self._sorted = True

    def add(self, product_id: str) -> None:
        self._marks.append(fingerprint(product_id))
        self._sorted = False

    def __contains__(self, product_id: str) -> bool:
        if not self._sorted:
            self._marks, self._sorted = array("Q", sorted(self._marks)), True
        mark = fingerprint(product_id)
        at = bisect_left(self._marks, mark)
        return at < len(self._marks) and self._marks[at] == mark


async def import_catalogue(
    path: Path,
    columns: Columns,
    rejects: Path,
    now: int,
    publish: Publish,
    on_progress: Callable[[int, Imported], None],
    ids: Ids | None = None,
) -> Imported:
    """Reads the whole file. `on_progress(bytes read, so far)`; `ids` gets the id of every row that tells one. Raises `Unreadable`, OSError.

    What was acked when something raises stays published, and is counted in what was last told to `on_progress`. A file that breaks off
    counts as far as it could be read.
    """
    done = Imported(reasons=Counter(), notes=Counter())
    batch: list[Output] = []
    read = 0
    with Rejects(rejects, header(path) if form(path) == TABLE else None) as refused:

        async def flush() -> None:
            nonlocal batch
            await publish(batch)
            done.products, batch = done.products + len(batch), []

        try:
            for row in rows(path, columns, now):
                done.rows, read = done.rows + 1, row.read
                if isinstance(row, Refused):
                    done.rejected += 1
                    counted(done.reasons, (row.counted_as,) if row.counted_as else row.reasons)
                    refused.add(row)
                    if ids is not None and (told := _id_of(row, columns)):
                        ids.add(told)
                    continue
                if row.notes:
                    done.notes.update(dict.fromkeys(row.notes, 1))
                if row.again:
                    continue
                batch.append(Output(TOPIC, key_of(row.product_id), row.value))
                if ids is not None:
                    ids.add(row.product_id)
                if len(batch) >= BATCH:
                    await flush()
                    on_progress(row.read, done)
        finally:
            if batch:
                await flush()
            on_progress(read, done)
    return done


async def take_off(
    settings: Settings, ids: Ids, publish: Publish, on_progress: Callable[[int, Imported], None], done: Imported, anyway: bool
) -> None:
    """What is in the catalogue and in stock, and not in the file, gets a stock of 0; counted in `done`. Raises `TooMany` before anything
    is, unless `anyway`.
    """
    missing, known = [], 0
    async for product_id, there in known_products(settings):
        known += 1
        if there and product_id not in ids:
            missing.append(product_id)
    if len(missing) > MOST_TAKEN_OFF * known and not anyway:
        raise TooMany(len(missing), known)
    for at in range(0, len(missing), BATCH):
        some = missing[at : at + BATCH]
        await publish([Output(TOPIC, key_of(one), encode(CatalogChange(one, stock=0))) for one in some])
        done.taken_off += len(some)
        on_progress(0, done)


async def known_products(settings: Settings) -> AsyncIterator[tuple[str, bool]]:
    """The catalogue as it stands on `products`: (product id, whether it is in stock) of each."""
    topic = settings.topic("products")
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, auto_offset_reset="none")
    patient(consumer._client)
    await consumer.start()
    try:
        for number in range(partitions_of(settings, "products")):
            place = TopicPartition(topic, number)
            consumer.assign([place])
            first, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
            consumer.seek(place, first)
            newest: dict[bytes, bool] = {}
            while await consumer.position(place) < end:
                for record in (await consumer.getmany(place, timeout_ms=500)).get(place, []):
                    if record.key is not None and record.value is None:
                        newest.pop(record.key, None)
                    elif record.key is not None:
                        newest[record.key] = in_stock(decode(record.value))
            for key, there in newest.items():
                yield id_of(key), there
    finally:
        await asyncio.shield(consumer.stop())


def _id_of(row: Refused, columns: Columns) -> str:
    """The id of a row that cannot be taken: it is in the file all the same."""
    original: Any = row.original
    if not isinstance(original, dict):
        return ""
    names = [name for name, field in columns.fields(original).items() if field == "product_id"]
    return str(original.get(names[0]) or "").strip() if names else ""
