"""Rival: stock Faust doing the stage's work, its table in RocksDB with a changelog.

`python -m app.commands.bench.stock_faust BROKER PREFIX PARTITIONS FOLDER`
"""

from __future__ import annotations

import sys
from typing import Any

import faust

from app.commands.bench.profile_dict import update


def app(broker: str, prefix: str, partitions: int, folder: str) -> Any:
    """The whole application, as Faust's own guide would write it."""
    faust_app = faust.App(
        f"{prefix}stock-faust",
        broker=f"kafka://{broker}",
        store="rocksdb://?driver=rocksdict",
        datadir=folder,
        topic_partitions=partitions,
        topic_replication_factor=1,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="json",
        consumer_auto_offset_reset="earliest",
    )
    source = faust_app.topic(f"{prefix}customer_events", partitions=partitions, key_type=str, value_serializer="json", key_serializer="raw")
    target = faust_app.topic(f"{prefix}message_sends", partitions=partitions, key_type=str, value_serializer="json", key_serializer="raw")
    profiles = faust_app.Table("profiles", partitions=partitions)

    async def profile(stream: Any) -> None:
        async for key, event in stream.items():
            who = key.decode() if isinstance(key, bytes) else key
            after, seen = update(profiles.get(who), event)
            profiles[who] = after
            await target.send(key=who, value=seen)

    faust_app.agent(source)(profile)
    return faust_app


if __name__ == "__main__":
    broker, prefix, partitions, folder = sys.argv[1:]
    faust.Worker(app(broker, prefix, int(partitions), folder), loglevel="warn", quiet=True, daemon=True).execute_from_commandline()
