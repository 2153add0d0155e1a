"""T0: what Kairos relies on in the broker, shown on the very Kafka that the kill proofs run on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.edges.local_kafka import missing
from tests.kafka import logs
from tests.kafka.cluster import Broker

pytestmark = pytest.mark.kafka

PARTITIONS = 3


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if reason := missing():
        print(f"skipped: {reason}")
        pytest.skip(reason)
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.up()
    yield broker
    broker.down()


async def topic(broker: Broker, name: str, partitions: int = PARTITIONS, **config: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        settings = {setting.replace("_", "."): value for setting, value in config.items()}
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()


def producer(broker: Broker) -> AIOKafkaProducer:
    return AIOKafkaProducer(bootstrap_servers=broker.address, acks="all", enable_idempotence=True, request_timeout_ms=5_000)


async def test_what_was_acked_survives_kill_9_of_the_broker_once_and_in_order(broker: Broker) -> None:
    await topic(broker, "survives")
    sender = producer(broker)
    await sender.start()
    acked: dict[int, list[tuple[int, int]]] = {n: [] for n in range(PARTITIONS)}
    under_way = asyncio.Event()
    try:

        async def send(partition: int) -> None:
            for number in range(400):
                sent = await sender.send_and_wait("survives", str(number).encode(), partition=partition)
                acked[partition].append((sent.offset, number))
                if number == 50:
                    under_way.set()

        sending = [asyncio.create_task(send(n)) for n in range(PARTITIONS)]
        await asyncio.wait_for(under_way.wait(), 30)
        broker.kill()
        await asyncio.to_thread(broker.up)
        await asyncio.wait_for(asyncio.gather(*sending), 90)
    finally:
        await sender.stop()
    read = await logs.read(broker.address, "", ("survives",))
    for partition, records in read["survives"].items():
        # The idempotent producer's repeats leave neither holes nor doubles.
        assert [int(record.value or b"") for record in records] == list(range(400))
        assert [(record.offset, int(record.value or b"")) for record in records] == acked[partition]


async def test_compaction_keeps_the_last_record_of_every_key(broker: Broker) -> None:
    await topic(
        broker,
        "compacted",
        1,
        cleanup_policy="compact",
        segment_ms="500",
        min_cleanable_dirty_ratio="0.01",
        min_compaction_lag_ms="0",
        max_compaction_lag_ms="1000",
    )
    sender = producer(broker)
    await sender.start()
    try:
        for number in range(600):
            await sender.send("compacted", str(number).encode(), key=f"k{number % 10}".encode())
        await sender.flush()
        for _ in range(60):
            await sender.send_and_wait("compacted", b"600", key=b"new")  # a new record rolls the segment; only closed ones are compacted
            read = (await logs.read(broker.address, "", ("compacted",)))["compacted"][0]
            if len(read) < 300:
                break
            await asyncio.sleep(1.0)
    finally:
        await sender.stop()
    assert len(read) < 300, "the cleaner never ran"
    last = {record.key: int(record.value or b"") for record in read}
    assert last == {f"k{n}".encode(): 590 + n for n in range(10)} | {b"new": 600}
    offsets = [record.offset for record in read]
    assert offsets == sorted(set(offsets))


async def test_log_append_time_is_the_brokers_and_never_steps_back(broker: Broker) -> None:
    await topic(broker, "stamped", 1, message_timestamp_type="LogAppendTime")
    senders = [producer(broker) for _ in range(3)]
    before = time.time() * 1000
    try:
        for sender in senders:
            await sender.start()

        async def send(sender: AIOKafkaProducer, skew: int) -> None:
            for _ in range(200):
                await sender.send_and_wait("stamped", b"x", timestamp_ms=int(time.time() * 1000) + skew)

        await asyncio.gather(*(send(sender, skew) for sender, skew in zip(senders, (0, 3_600_000, -3_600_000), strict=True)))
    finally:
        for sender in senders:
            await sender.stop()
    stamps = [record.timestamp for record in (await logs.read(broker.address, "", ("stamped",)))["stamped"][0]]
    assert len(stamps) == 600
    assert stamps == sorted(stamps)
    assert before - 1000 <= stamps[0] and stamps[-1] <= time.time() * 1000 + 1000


async def test_a_group_moves_partitions_and_goes_on_where_it_committed(broker: Broker) -> None:
    await topic(broker, "shared")

    def member() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            "shared",
            bootstrap_servers=broker.address,
            group_id="members",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6_000,
            heartbeat_interval_ms=500,
            metadata_max_age_ms=1_000,
        )

    sender, first, second = producer(broker), member(), member()
    seen: list[int] = []

    async def take(consumer: AIOKafkaConsumer, upto: int) -> None:
        deadline = time.monotonic() + 30
        while len(set(seen)) < upto and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                seen.extend(int(record.value) for record in records)
        await consumer.commit()

    await sender.start()
    try:
        await first.start()
        for number in range(300):
            await sender.send("shared", str(number).encode(), partition=number % PARTITIONS)
        await sender.flush()
        await take(first, 300)
        await second.start()
        deadline = time.monotonic() + 30
        while not second.assignment() or len(first.assignment()) + len(second.assignment()) != PARTITIONS:
            assert time.monotonic() < deadline, "the group never settled"
            await asyncio.gather(first.getmany(timeout_ms=100), second.getmany(timeout_ms=100))
        await first.stop()
        for number in range(300, 600):
            await sender.send("shared", str(number).encode(), partition=number % PARTITIONS)
        await sender.flush()
        await take(second, 600)
        assert second.assignment() == {TopicPartition("shared", n) for n in range(PARTITIONS)}
    finally:
        for part in (sender, first, second):
            await part.stop()
    assert set(seen) == set(range(600))
    # What lay behind the commit never came again; what was read and not committed may.
    assert sorted(number for number in seen if number < 300) == list(range(300))
