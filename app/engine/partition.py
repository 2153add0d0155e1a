"""Which partition a key belongs to: murmur2, as Kafka's default partitioner and every producer of customer_events does it."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key; cached, since murmur2 in Python costs several µs."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
