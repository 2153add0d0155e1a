"""Faust's tables over our stores: declaration and read API stay Faust's, changelogs leave its consumer group, writes go through lanes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faust
from faust import stores as faust_stores
from faust.stores.base import SerializedStore
from faust.tables.manager import TableManager

from app.engine.recovery import Recovery
from app.engine.rows import HEADER_SIZE, row_key
from app.engine.store import PartitionStore, TableStore
from app.engine.topics import changelog_partitions
from app.flow import TABLES, Table, tables_of
from app.settings import Settings

log = logging.getLogger("kairos.tables")

faust_stores.STORES.aliases["kairos"] = "app.engine.tables:ReadOnlyStore"


class Stores:
    """The partition stores that a role holds open here."""

    def __init__(self, folder: Path, cluster: str, role: str) -> None:
        self._folder, self._cluster, self._tables = folder, cluster, tables_of(role)
        self._open: dict[int, PartitionStore] = {}
        self._held: set[tuple[str, int]] = set()
        """Tables and partitions of this assignment: a store may still have rows of a table whose partition is somebody else's now."""
        self._job: asyncio.Task[set[tuple[str, int]]] | None = None

    @property
    def partitions(self) -> list[int]:
        return sorted(self._open)

    def held(self, table: str) -> list[int]:
        """Partitions of a table that are this worker's."""
        return sorted(partition for name, partition in self._held if name == table)

    def table(self, table: Table, partition: int) -> TableStore:
        return self._open[partition].table(table.name, table.prefix, table.kept_days, table.index.encode())

    async def hold(self, owned: dict[str, set[int]]) -> set[tuple[str, int]]:
        """Opens the stores of these tables' partitions and closes all others, in threads; returns the places that were not held before.

        A cancelled call still runs to its end.
        """
        if self._job is not None and not self._job.done():
            await asyncio.shield(self._job)
        self._job = asyncio.get_running_loop().create_task(self._hold(owned))
        return await asyncio.shield(self._job)

    async def _hold(self, owned: dict[str, set[int]]) -> set[tuple[str, int]]:
        places = {(name, partition) for name, partitions in owned.items() for partition in partitions}
        new, self._held = places - self._held, places
        partitions = {partition for _, partition in places}
        closing = [self._open.pop(one) for one in list(self._open) if one not in partitions]
        await asyncio.gather(*(asyncio.to_thread(store.close) for store in closing))

        async def open_one(partition: int) -> None:
            path = self._folder / f"partition-{partition}"
            self._open[partition] = await asyncio.to_thread(PartitionStore.open, path, self._cluster)

        await asyncio.gather(*(open_one(one) for one in partitions if one not in self._open))
        return new

    async def reset(self, partition: int) -> None:
        """Throws a partition's state away; it is restored from the changelogs."""
        log.warning("partition %d: the local state cannot be trusted; it is restored from the changelogs", partition)
        self._open[partition] = await asyncio.to_thread(self._open.pop(partition).reset)

    async def close(self) -> None:
        await self.hold({})

    def next_due(self) -> int | None:
        """The earliest wake-up anybody in the open partitions waits for, or None."""
        times = [
            self.table(table, partition).next_due()
            for table in self._tables
            for partition in self.held(table.name)
            if partition in self._open
        ]
        return min((at for at in times if at is not None), default=None)

    def memtables(self) -> int:
        """Bytes of what is written and not flushed yet; with the cache of the whole process (store.py) all that RocksDB holds in memory."""
        return sum(store.memtable_bytes() for store in self._open.values())


class Tables(TableManager):
    """Faust's table manager with our recovery; the group never subscribes to changelogs."""

    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        # Stock sleeps a second here to let channels register; ours are registered already.
        await self._update_channels()
        await self.recovery.start()

    async def _update_channels(self) -> None:
        self._tables_finalized.set()
        for table in self.values():
            await table.maybe_start()
        self._tables_registered.set()


def declare(app: faust.App, settings: Settings, role: str) -> dict[str, Any]:
    """A role's tables as Faust tables: name → table."""

    def declared(table: Table) -> Any:
        count = changelog_partitions(settings, table)
        changelog = app.topic(settings.topic(table.changelog), partitions=count, key_serializer="raw", value_serializer="raw")
        return app.Table(table.name, partitions=count, changelog_topic=changelog, store="kairos://", key_type=bytes, value_type=bytes)

    return {table.name: declared(table) for table in tables_of(role)}


class ReadOnlyStore(SerializedStore[Any, Any]):
    """What `table[key]` reads: main rows' bodies by group key, over the partitions this worker holds."""

    def _stores(self) -> Iterator[TableStore]:
        table, stores = TABLES[self.table_name], self.app.kairos.stores
        return (stores.table(table, partition) for partition in stores.held(table.name))

    def _get(self, key: bytes) -> bytes | None:
        for store in self._stores():
            if (value := store.get_many([row_key(b"p", key)])[0]) is not None:
                return value[HEADER_SIZE:]
        return None

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        for store in self._stores():
            for key, value in store.rows():
                if key[:1] == b"p":
                    yield key[1:], value[HEADER_SIZE:]

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes]:
        return (value for _, value in self._iteritems())

    def _size(self) -> int:
        return sum(1 for _ in self._iteritems())

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _set(self, key: bytes, value: bytes | None) -> None:
        raise TypeError("state is written by lanes alone")

    def _del(self, key: bytes) -> None:
        raise TypeError("state is written by lanes alone")

    def _clear(self) -> None:
        raise TypeError("state is written by lanes alone")
