"""A real Kafka for the tests that need one: KAIROS_TEST_BROKER, else started once from Maven, else they are skipped with the reason."""

from __future__ import annotations

import asyncio
import os
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.__main__ import main
from app.edges.embedded import EmbeddedBroker
from app.edges.local_kafka import LocalKafka, Unavailable
from app.engine.topics import admin, create
from app.settings import Settings, load
from tests.kafka.cluster import free_port

ROOT = Path(__file__).resolve().parents[1]
settings.register_profile("kairos", deadline=None)  # how long an example takes is the machine's affair
settings.load_profile("kairos")
zoneinfo.reset_tzpath(())  # what tests compare with knows the zones by the rules that Kairos has, not by the machine's


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """`kairos` with these arguments, in a folder of the test's own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        return int(str(ended.value.code)), captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of an Apache Kafka 4."""
    if given := os.environ.get("KAIROS_TEST_BROKER"):
        yield given
        return
    home = tmp_path_factory.mktemp("kafka")
    fetched = ROOT / ".kairos" / "kafka"
    fetched.mkdir(parents=True, exist_ok=True)
    broker = LocalKafka(home, free_port(), fetched)
    try:
        broker.up()
    except Unavailable as error:
        print(f"skipped: {error}")
        pytest.skip(str(error))
    try:
        yield broker.address
    finally:
        broker.down()


@pytest.fixture
def cluster(kafka_broker: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a cluster of the test's own: a topic prefix nobody else has (its topics go with the test), a datadir under tmp_path."""
    settings = Settings(
        broker=kafka_broker,
        topic_prefix=f"t{uuid.uuid4().hex[:8]}.",
        datadir=str(tmp_path / "data"),
        partitions=2,
        tick_ms=200,
        session_ms=6_000,
        broker_wait_s=5,
    )
    yield settings
    asyncio.run(_delete_topics(settings))


async def _delete_topics(settings: Settings) -> None:
    async with admin(settings) as client:
        mine = [one["topic"] for one in await client.describe_topics(None) if one["topic"].startswith(settings.topic_prefix)]
        await client.delete_topics(mine)


@pytest.fixture
def embedded_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of an embedded broker of its own with every topic on it; commands run in the test find it, too."""
    pytest.importorskip("noida_db", reason="the embedded broker is not installed: pip install 'kairos[embedded]'")
    with EmbeddedBroker(tmp_path / "broker", keep=False) as broker:
        monkeypatch.setenv("KAIROS_BROKER", broker.address)
        monkeypatch.setenv("KAIROS_PARTITIONS", "2")
        settings = load(replication=1)
        asyncio.run(create(settings))
        yield settings
