"""The engine on real Kafka with toy programs: killed at its steps, stopped for longer than its session, robbed of its state."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from app.engine.membership import folder_of, leave, member_id
from app.engine.partition import partition_of
from app.engine.rows import MARKS, pack_value, read_header
from app.engine.topics import admin, create, differences, wanted
from app.engine.worker import Refusal, Worker
from app.settings import Settings
from tests import engine_toy, toy
from tests.engine_run import Run, finish

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toy, "WAIT", engine_toy.WAIT_MS)
    monkeypatch.setattr(toy, "TOGETHER", 1)


@pytest.fixture
async def run(cluster: Settings, tmp_path: Path) -> AsyncIterator[Run]:
    await create(cluster)
    run = Run(cluster, tmp_path)
    yield run
    run.end()


async def ready(run: Run, name: str = "w", limit_s: float = 30.0) -> None:
    """Waits for the next `ready` line of a worker's log."""
    log = run.folder / f"{name}.log"
    before = run.ready_seen.get(name, 0)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if log.exists() and (now := log.read_text().count("\nready") + log.read_text().startswith("ready")) > before:
            run.ready_seen[name] = now
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} not ready after {limit_s} s:\n{log.read_text()[-2000:]}")


async def ended(process: object, limit_s: float = 60.0) -> int:
    return int(await asyncio.to_thread(process.wait, limit_s))  # type: ignore[attr-defined]


async def test_killed_at_one_step_after_the_other_nothing_is_lost_doubled_or_different(run: Run) -> None:
    over = asyncio.Event()
    feeding = asyncio.create_task(run.feed_until(over, 80, 1))
    for point in ("stepped:8", "outputs_acked:6", "changelog_enqueued:7", "changelog_acked:5", "slice_written:1", "acked:4"):
        assert await ended(run.worker("w", point)) == -signal.SIGKILL, point
    last = run.worker("w")
    over.set()
    await feeding
    await run.settled()
    before = time.monotonic()
    assert await asyncio.to_thread(finish, last) == 0
    assert time.monotonic() - before < 5
    counts = await run.judge()
    assert counts["skipped"] > 0, "nothing was repeated: the kills hit nothing"
    await run.same_store("w")


async def test_workers_that_come_go_and_freeze_for_longer_than_their_session(run: Run) -> None:
    run.settings = msgspec.structs.replace(run.settings, session_ms=3000)
    workers = {name: run.worker(name) for name in ("a", "b")}
    await ready(run, "a")
    await ready(run, "b")
    over = asyncio.Event()
    feeding = asyncio.create_task(run.feed_until(over, 80, 2))
    await asyncio.sleep(2)
    os.kill(workers["a"].pid, signal.SIGSTOP)
    await asyncio.sleep(5)
    os.kill(workers["a"].pid, signal.SIGCONT)
    await asyncio.sleep(1.5)
    workers["b"].kill()
    await ended(workers["b"])
    workers["b"] = run.worker("b")
    await ready(run, "b")
    over.set()
    await feeding
    if workers["a"].poll() is not None:  # a frozen worker may also choose to exit and recover
        workers["a"] = run.worker("a")
    await run.settled()
    for worker in workers.values():
        assert await asyncio.to_thread(finish, worker) == 0
    await run.judge()


async def test_a_damaged_store_is_rebuilt_and_a_late_zombie_write_repaired(run: Run) -> None:
    worker = run.worker("w")
    await run.feed(400, 20, 3, 2.0)
    await run.settled()
    who = b"p3"
    home = partition_of(who, run.settings.partitions)
    zombie = AIOKafkaProducer(bootstrap_servers=run.settings.broker)
    await zombie.start()
    stale = pack_value(0, -1, b"an older state")
    await zombie.send_and_wait(run.settings.topic("people-changelog"), stale, key=b"p" + who, partition=home)
    await zombie.stop()
    await asyncio.sleep(1.5)
    newest = [one for one in await run.read("people-changelog") if one.key == b"p" + who][-1]
    assert read_header(newest.value)[0] > 0, "the zombie's record was left as the newest of its key"
    assert await asyncio.to_thread(finish, worker) == 0
    state = run.folder / "w" / f"{run.settings.topic_prefix}core" / "state"
    for file in state.glob("partition-0/*.sst"):
        file.write_bytes(b"\0" * 100)
    worker = run.worker("w")
    await run.feed(100, 20, 4, 1.0)
    await run.settled()
    assert await asyncio.to_thread(finish, worker) == 0
    await run.judge()
    await run.same_store("w")


async def test_a_zombies_write_into_a_quiet_partition_is_noticed_without_a_record_to_read(run: Run) -> None:
    """Intake has no ticks: on a partition where nobody does anything the cleaner would one day leave the zombie's record alone."""
    worker = run.worker("w")
    await run.feed(60, 20, 3, 0.5)
    await run.settled()
    kept = {one.key: one for one in await run.read("identifiers-changelog") if one.key != MARKS}
    newest = max(kept.values(), key=lambda one: read_header(one.value)[0])
    zombie = AIOKafkaProducer(bootstrap_servers=run.settings.broker)
    await zombie.start()
    stale = pack_value(0, -1, b"an older state")
    for who in ("running", "restarted"):
        await zombie.send_and_wait(run.settings.topic("identifiers-changelog"), stale, key=newest.key, partition=newest.partition)
        if who == "restarted":
            worker = run.worker("w")
            await ready(run)
        for _ in range(60):
            last = [one for one in await run.read("identifiers-changelog") if one.key == newest.key][-1]
            if last.value == newest.value:
                break
            await asyncio.sleep(0.2)
        assert last.value == newest.value, f"{who}: the zombie's record was left as the newest of its key"
        if who == "running":
            assert await asyncio.to_thread(finish, worker) == 0
    await zombie.stop()
    assert await asyncio.to_thread(finish, worker) == 0
    await run.judge()
    await run.same_store("w")


async def test_a_full_disk_ends_the_worker_and_costs_nothing(run: Run) -> None:
    worker = run.worker("w")
    await run.feed(600, 20, 6, 2.0)
    await run.settled()
    log = run.folder / "w.log"
    # No file may grow beyond this: soon the store's write-ahead log would, and its write fails as on a full disk. The worker's log fits.
    limit = max(log.stat().st_size + 16_384, *(file.stat().st_size for file in (run.folder / "w").rglob("*.log")))
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (limit, limit))
    for seed in range(100, 200):
        await run.feed(60, 20, seed, 0.1)
        if worker.poll() is not None:
            break
    assert await asyncio.to_thread(worker.wait, 30) == 3
    assert "exiting, the next start recovers" in log.read_text("utf-8")
    worker = run.worker("w")
    await run.feed(60, 20, 8, 0.5)
    await run.settled()
    assert await asyncio.to_thread(finish, worker) == 0
    await run.judge()
    await run.same_store("w")


async def test_state_lost_with_its_changelog_stops_the_worker(run: Run) -> None:
    worker = run.worker("w")
    await run.feed(60, 10, 5, 0.5)
    await run.settled()
    assert await asyncio.to_thread(finish, worker) == 0
    async with admin(run.settings) as client:
        await client.delete_topics([run.settings.topic("people-changelog")])
        await asyncio.sleep(1.0)
    await create(run.settings)
    assert await ended(run.worker("w")) == 3
    assert "lost state" in (run.folder / "w.log").read_text()


async def test_a_partition_behind_retention_stops_and_the_others_go_on(run: Run) -> None:
    worker = run.worker("w")
    await run.feed(40, 10, 6, 0.2)
    await run.settled()
    assert await asyncio.to_thread(finish, worker) == 0
    await run.feed(40, 10, 7, 0.2)
    place = TopicPartition(run.settings.topic("customer_events"), 0)
    async with admin(run.settings) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=-1)})
    worker = run.worker("w")
    late = {name: who for name, (who, _) in run.sent.items() if name.startswith("7-")}
    there = {name for name, who in late.items() if partition_of(who.encode(), 2) == 1}
    until = time.monotonic() + 30
    decided: set[str] = set()
    while time.monotonic() < until and not there <= decided:
        decided = {json.loads(one.value)[0] for one in await run.read("decisions")}
        await asyncio.sleep(0.5)
    assert decided & set(late) == there
    assert "the partition is stopped" in (run.folder / "w.log").read_text()
    assert await asyncio.to_thread(finish, worker) == 0


async def test_a_worker_taken_out_of_the_group_frees_its_partitions_at_once(run: Run) -> None:
    run.settings = msgspec.structs.replace(run.settings, session_ms=20_000)
    workers = {name: run.worker(name) for name in ("a", "b")}
    await ready(run, "a")
    await ready(run, "b")
    await asyncio.sleep(2)
    workers["b"].kill()
    await ended(workers["b"])
    theirs = msgspec.structs.replace(run.settings, datadir=str(run.folder / "b"))
    begun = time.monotonic()
    assert await leave(run.settings, f"{run.settings.topic_prefix}kairos-core", member_id(theirs, folder_of(theirs, "core")))
    await run.feed(40, 10, 8, 0.2)
    await run.settled(15)
    assert time.monotonic() - begun < 15, "its partitions waited for the session"
    assert await asyncio.to_thread(finish, workers["a"]) == 0


async def refused(settings: Settings) -> Refusal:
    worker = Worker(settings, engine_toy.wiring(), fatal=_fail)
    try:
        with pytest.raises(Refusal) as refusal:
            await worker.start()
    finally:
        await worker.stop()
    return refusal.value


async def test_a_worker_refuses_to_start_on_what_is_not_as_the_map_says(cluster: Settings, tmp_path: Path) -> None:
    nothing = await refused(cluster)
    assert nothing.code == 2 and "customer_events is missing" in str(nothing)
    await create(cluster)
    assert await differences(cluster) == []
    other = await refused(msgspec.structs.replace(cluster, partitions=3))
    assert other.code == 2 and "has 2 partitions, 3 are wanted" in str(other)
    async with admin(cluster) as client:
        name = cluster.topic("journal")
        config = next(dict(one.config) for one in wanted(cluster) if one.name == name)
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {**config, "retention.ms": "1000"})])
    for _ in range(100):
        if await differences(cluster):
            break  # the broker shows what its controller accepted a moment later
        await asyncio.sleep(0.1)
    wrong = await refused(cluster)
    assert wrong.code == 2 and "retention.ms is 1000, 3024000000 is wanted" in str(wrong)
    away = await refused(msgspec.structs.replace(cluster, broker="127.0.0.1:1", broker_wait_s=1))
    assert away.code == 3 and "no broker at 127.0.0.1:1" in str(away)
    secret = await refused(msgspec.structs.replace(cluster, broker="kafka.example:9092"))
    assert secret.code == 2 and "KAIROS_SECRET" in str(secret)


async def test_a_datadir_has_one_worker_and_nothing_listens(run: Run) -> None:
    worker = run.worker("w")
    await ready(run)
    second = run.worker("w", KAIROS_WORKER_ID="another")
    assert await ended(second) == 2
    assert "in use by another worker" in (run.folder / "w.log").read_text()
    sockets, listening = await asyncio.to_thread(_sockets, worker.pid)
    assert not sockets & listening
    assert await asyncio.to_thread(finish, worker) == 0


async def test_marks_are_the_last_record_of_every_changelog_write(run: Run) -> None:
    worker = run.worker("w")
    await run.feed(30, 5, 9, 0.2)
    await run.settled()
    assert await asyncio.to_thread(finish, worker) == 0
    for topic in ("identifiers-changelog", "people-changelog", "renders-changelog"):
        last = {one.partition: one.key for one in await run.read(topic)}
        assert set(last.values()) == {MARKS}


def _sockets(pid: int) -> tuple[set[str], set[str]]:
    """Sockets the process holds, and all that listen on this machine."""
    held = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.add(str(file.readlink()))
    tables = "".join(Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return held, {f"socket:[{line.split()[9]}]" for line in tables.splitlines() if len(line.split()) > 9 and line.split()[3] == "0A"}


def _fail(message: str, error: BaseException | None) -> None:
    """In this process a worker may not end with os._exit."""
    raise AssertionError(message)
