"""The doctor: says what is wrong and what to do, with and without a broker, and never a secret."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.__main__ import main
from app.edges import checkup, cluster_checkup
from app.edges.checkup import Finding
from app.engine.artifacts import publish
from app.engine.broker import Broker
from app.engine.failpoints import Failpoints
from app.engine.membership import folder_of
from app.engine.producer import Producer
from app.engine.program import Output
from app.engine.topics import create, wanted
from app.engine.worker import EMBEDDED_CLUSTER
from app.events import Artifact, encode_json
from app.policy.pack import build
from app.settings import DEMO_SECRET, MASK, Settings, load, shown
from tests.kafka.cluster import Cluster

Call = Callable[..., tuple[object, str, str]]
FAR = Settings(broker="kafka.example:9092", secret="0123456789abcdef0123", public_url="https://mail.example", replication=3)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KAIROS_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["doctor", *arguments])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def named(findings: list[Finding], what: str) -> Finding:
    return next(one for one in findings if one.what == what)


# --- without a broker ----------------------------------------------------------------------------------------------------------------


def test_without_a_broker_that_is_what_is_bad_and_everything_else_is_told(call: Call) -> None:
    code, out, err = call("--broker", "127.0.0.1:1")
    assert code == 1
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("bad")] == [line for line in lines if " broker: 127.0.0.1:1" in line]
    for what in ("python", "faust", "cores", "memory", "open files", "pack merged", "pack s1", "disk", "datadir", "state"):
        assert any(line[6:].startswith(f"{what}: ") for line in lines), what
    assert err.startswith("kairos: 1 bad") and err.count("\n") == 1


def test_json_for_scripts(call: Call) -> None:
    code, out, _ = call("--broker", "127.0.0.1:1", "--json")
    told = json.loads(out)
    assert code == 1 and told["bad"] == 1
    assert {"level", "what", "found", "advice"} == set(told["findings"][0])
    assert told["ok"] + told["warn"] + told["bad"] == len(told["findings"])


def test_settings_are_listed_with_their_origin_and_secrets_masked(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kairos.toml").write_text(
        'tick_ms = 250\nsasl_password = "hunter2"\npublic_url = "https://me:hunter3@shop.example"\n', "utf-8"
    )
    monkeypatch.setenv("KAIROS_SECRET", "hunter1")
    monkeypatch.setenv("KAIROS_TICK_MS", "300")
    code, out, _ = call("--settings")
    assert code == 0
    assert "hunter" not in out
    told = {line.split()[0]: line for line in out.splitlines()}
    assert told["KAIROS_TICK_MS"].split(maxsplit=1)[1] == "300  (environment, default 500)", "the environment wins over the file"
    assert "(kairos.toml" in told["KAIROS_SASL_PASSWORD"] and MASK in told["KAIROS_SASL_PASSWORD"]
    assert f"https://{MASK}@shop.example" in told["KAIROS_PUBLIC_URL"]
    assert told["KAIROS_PARTITIONS"].endswith("8  (default)")
    assert len(told) == len(msgspec.structs.fields(Settings))
    listed = json.loads(call("--settings", "--json")[1])
    assert {"name": "KAIROS_TICK_MS", "value": "300", "default": "500", "origin": "environment"} in listed


def test_whatever_sounds_like_a_secret_is_marked_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in msgspec.structs.fields(Settings):
        if any(word in field.name for word in ("secret", "password", "token", "keys")):
            monkeypatch.setenv(f"KAIROS_{field.name.upper()}", "hunter")
    assert "hunter" not in str(shown())


def test_no_line_of_the_doctor_holds_a_secret(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_SECRET", "hunter1")
    monkeypatch.setenv("KAIROS_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("KAIROS_SASL_USERNAME", "kairos")
    monkeypatch.setenv("KAIROS_SASL_PASSWORD", "hunter2")
    code, out, err = call("--broker", "127.0.0.1:1")
    assert code == 1 and "hunter" not in out + err


def test_a_settings_file_that_cannot_be_understood_is_wrong_use(call: Call, tmp_path: Path) -> None:
    (tmp_path / "kairos.toml").write_text("colour = 1\n", "utf-8")
    code, out, err = call()
    assert (code, out) == (2, "") and "colour" in err


# --- risks of settings ---------------------------------------------------------------------------------------------------------------


def test_a_laptop_may_use_the_demo_secret_a_cluster_may_not() -> None:
    assert named(checkup.risks(Settings()), "KAIROS_SECRET").level == "warn"
    assert named(checkup.risks(msgspec.structs.replace(FAR, secret=Settings().secret)), "KAIROS_SECRET").level == "bad"
    assert "KAIROS_SECRET" not in {one.what for one in checkup.risks(FAR)}


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_secret_counts_as_none(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, empty: str) -> None:
    # It was taken as it was: a cluster's ids and links were signed with a key of no characters, and no worker refused.
    monkeypatch.setenv("KAIROS_SECRET", empty)
    assert load().secret == DEMO_SECRET, "which no worker takes beyond loopback"
    assert next(one for one in shown() if one.name == "KAIROS_SECRET").origin == "default"
    (tmp_path / "kairos.toml").write_text('secret = "hunter1"\n', "utf-8")
    assert load().secret == "hunter1", "as the file says where the environment says nothing"
    (tmp_path / "kairos.toml").write_text('secret = ""\n', "utf-8")
    assert load().secret == DEMO_SECRET


@pytest.mark.parametrize(
    ("change", "what", "level"),
    [
        ({"secret": "short"}, "KAIROS_SECRET", "warn"),
        ({"public_url": "http://mail.example"}, "KAIROS_PUBLIC_URL", "warn"),
        ({}, "KAIROS_SECURITY_PROTOCOL", "warn"),
        (
            {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "a", "sasl_password": "b"},
            "KAIROS_SECURITY_PROTOCOL",
            "bad",
        ),
        ({"security_protocol": "SASL_SSL"}, "KAIROS_SASL_USERNAME", "bad"),
        ({"tls_ca": "missing.pem"}, "KAIROS_TLS_CA", "bad"),
        ({"replication": 1}, "KAIROS_REPLICATION", "warn"),
        ({"failpoint": "stepped:1"}, "KAIROS_FAILPOINT", "bad"),
    ],
)
def test_what_settings_risk_on_a_cluster(change: dict[str, object], what: str, level: str) -> None:
    assert named(checkup.risks(msgspec.structs.replace(FAR, **change)), what).level == level


def test_a_cluster_set_up_well_has_no_risk() -> None:
    safe = msgspec.structs.replace(FAR, security_protocol="SASL_SSL", sasl_username="a", sasl_password="b")
    assert [one.level for one in checkup.risks(safe)] == ["ok"]


# --- packs and datadir ---------------------------------------------------------------------------------------------------------------


def test_a_pack_of_the_settings_that_is_not_there_or_broken_is_bad(tmp_path: Path) -> None:
    missing = list(checkup.packs(Settings(policy="missing.toml")))
    assert named(missing, "KAIROS_POLICY").level == "bad"
    assert {one.level for one in missing if one.what.startswith("pack ")} == {"ok"}
    broken = tmp_path / "broken.toml"
    broken.write_text('name = "broken"\ncolour = "blue"\n', "utf-8")
    assert f"{broken}:2: " in named(list(checkup.packs(Settings(policy=str(broken)))), "KAIROS_POLICY").found


def state(settings: Settings, cluster: str, opened: bool) -> Path:
    """What a worker leaves: the lock, and a partition."""
    folder = folder_of(settings, "core")
    store = folder / "state" / "partition-0"
    store.mkdir(parents=True)
    (folder / "LOCK").touch()
    (store / "CLUSTER").write_text(cluster, "utf-8")
    (store / "000001.sst").write_bytes(b"x" * 3_000_000)
    if opened:
        (store / "OPENED").write_text("boot", "ascii")
    return folder


def test_state_in_use_by_a_worker(tmp_path: Path) -> None:
    settings = Settings(datadir=str(tmp_path))
    folder = state(settings, "c1 8", opened=True)
    with (folder / "LOCK").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        findings = list(checkup.datadir(settings, "c1"))
    told = [one.found for one in findings if one.what == "state"]
    assert len(told) == 1 and "1 partition, 3 MB" in told[0] and told[0].endswith("in use by a running worker")


def test_state_left_by_a_killed_worker_and_state_of_another_cluster(tmp_path: Path) -> None:
    settings = Settings(datadir=str(tmp_path))
    state(settings, "c1 8", opened=True)
    assert "killed" in str([one.found for one in checkup.datadir(settings, "c1")])
    assert not [one for one in checkup.datadir(settings, "c1") if one.what == "state" and one.level != "ok"]
    other = [one for one in checkup.datadir(settings, "c2") if one.level == "warn" and one.what == "state"]
    assert len(other) == 1 and "another cluster" in other[0].found
    assert not [one for one in checkup.datadir(settings, None) if one.what == "state" and one.level != "ok"], (
        "without a broker nobody knows"
    )


def test_the_doctor_leaves_no_trace(call: Call, tmp_path: Path) -> None:
    call("--broker", "127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


async def test_the_embedded_broker_is_for_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_differences(settings: Settings) -> list[str]:
        return ["topic control is missing (…)", "topic artifacts is missing (…)"]

    monkeypatch.setattr(cluster_checkup, "differences", no_differences)
    embedded = Broker(EMBEDDED_CLUSTER, 1, "4.1", True)
    near = [one async for one in cluster_checkup.cluster(Settings(), embedded)]
    far = [one async for one in cluster_checkup.cluster(FAR, embedded)]
    assert (near[0].level, far[0].level) == ("warn", "bad")
    assert "auto.create.topics.enable" in near[1].advice
    assert [one.level for one in far if one.what == "KAIROS_REPLICATION"] == ["bad"], "three copies do not fit on one node"


# --- with a broker -------------------------------------------------------------------------------------------------------------------


async def found(settings: Settings) -> list[Finding]:
    broker, reached = await cluster_checkup.reach(settings)
    assert broker is not None and broker.cluster in reached.found
    return [reached, *[one async for one in cluster_checkup.cluster(settings, broker)]]


@pytest.mark.kafka
async def test_a_cluster_from_nothing_to_a_pack_that_cannot_be_read(cluster: Settings) -> None:
    first = await found(cluster)
    assert first[0].level == "ok" and "Apache Kafka" in first[0].found
    every = len(wanted(cluster))
    assert f"{every} of {every} are missing" in named(first, "topics").found and named(first, "topics").level == "bad"
    await create(cluster)
    second = await found(cluster)
    assert {one.level for one in second} == {"ok"}, second
    assert "none yet" in named(second, "active pack").found
    assert named(await found(msgspec.structs.replace(cluster, partitions=3)), "topics").level == "bad"
    producer = Producer(cluster, Failpoints(""))
    await producer.start()
    try:
        ref, data = build("s1")
        await publish(producer, "policy", ref, data)
        await producer.publish([Output("artifacts", b"active/policy", encode_json(Artifact("policy", ref)), partition=0)])
        assert named(await found(cluster), "active pack").found.startswith(ref)
        await publish(producer, "policy", "s1@0000000000000000", data)
        pointer = encode_json(Artifact("policy", "s1@0000000000000000"))
        await producer.publish([Output("artifacts", b"active/policy", pointer, partition=0)])
        assert "not those of this hash" in named(await found(cluster), "active pack").found
        pointer = encode_json(Artifact("policy", "s1@1111111111111111"))
        await producer.publish([Output("artifacts", b"active/policy", pointer, partition=0)])
        assert "not whole" in named(await found(cluster), "active pack").found
    finally:
        await producer.stop()


@pytest.mark.kafka
async def test_the_clock_is_compared_where_a_worker_runs(kafka_broker: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka_broker, f"{tmp_path.name}-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)
    worker = cluster.worker("w1")
    settings = Settings(broker=kafka_broker, topic_prefix=cluster.prefix, partitions=2, datadir=str(worker.datadir))
    try:
        worker.start()
        for _ in range(60):
            clock = named(await found(settings), "clock")
            if "the broker's" in clock.found and "cannot" not in clock.found:
                break
        assert clock.level == "ok" and clock.found.startswith("0."), clock
        done = await asyncio.to_thread(cluster.command, "doctor", "--datadir", str(worker.datadir))
        assert done.returncode == 0, done.stdout
        assert "in use by a running worker" in done.stdout and "quick@" in done.stdout
    finally:
        cluster.stop()
        await cluster.delete_topics()
