"""`kairos demo` as a process on the embedded broker, and the commands that look into a running Kairos."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from app.edges.dossier import Dossier, of_topics
from app.edges.embedded import EmbeddedBroker, Unavailable
from app.edges.events_file import encode_lines
from app.edges.shop_day import shop_day
from app.edges.spectator import decode_decision
from app.edges.topic_scan import scanner
from app.settings import load

pytestmark = pytest.mark.embedded
pytest.importorskip("noida_db", reason="the embedded broker is not installed: pip install 'kairos[embedded]'")

ROOT = Path(__file__).parent.parent
READY_S, STOP_S = 120, 20
PEOPLE = 40
BROKEN = [b"{broken", b'{"event_type": "product_view", "customer_id": "c1", "properties": {"price": {}}}']


class Shown(NamedTuple):
    """A demo that stays up: its folder, its broker's address, what it printed."""

    folder: Path
    broker: str
    said: str
    process: subprocess.Popen[str]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAIROS_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "events.jsonl").write_bytes(encode_lines(shop_day(3, date(2026, 3, 2), PEOPLE)) + b"\n".join(BROKEN))
    command = [sys.executable, "-m", "app", "demo", "--events", "events.jsonl", "--duration", "4", "--policy", "merged", "--stay"]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True)
    said = ""
    try:
        assert process.stdout is not None
        with _deadline(process):
            while "it stays up" not in said:
                line = process.stdout.readline()
                assert line, f"the demo ended: {said}\n{(folder / 'stderr').read_text()}"
                said += line
        broker = re.search(r"^broker (\S+)$", said, re.MULTILINE)
        assert broker, said
        yield Shown(folder, broker[1], said, process)
    finally:
        process.kill()
        process.wait()


class _deadline:
    """Kills the process if it takes too long, so that reading its output ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, lambda *_: self._process.kill())
        signal.alarm(READY_S)

    def __exit__(self, *_: object) -> None:
        signal.alarm(0)


def kairos(shown: Shown, *arguments: str) -> subprocess.CompletedProcess[str]:
    settings = environment(KAIROS_BROKER=shown.broker, KAIROS_PARTITIONS="2")
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, cwd=shown.folder, env=settings, capture_output=True, text=True, timeout=60)


def mails(shown: Shown) -> set[tuple[str, int, str]]:
    """(trigger, step, start of the send_id) of every .eml."""
    found = set()
    for file in (shown.folder / ".kairos/demo/mails").glob("*.eml"):
        name = re.fullmatch(r"[0-9T]+-(\w+)-(\d)-(\w+)\.eml", file.name)
        assert name, file.name
        found.add((name[1], int(name[2]), name[3]))
    return found


def test_a_day_and_the_week_after_it_are_played_and_summed_up(shown: Shown) -> None:
    sends = int(re.search(r"^sends +([\d,]+)$", shown.said, re.MULTILINE)[1].replace(",", ""))  # type: ignore[index]
    assert sends > 20
    assert len(mails(shown)) == sends
    assert re.search(r"^refused +2$", shown.said, re.MULTILINE)
    assert re.search(r"latency +p50 \d+ ms, p99 \d+ ms", shown.said)
    report = (shown.folder / ".kairos/demo/report.html").read_text("utf-8")
    assert "welcome" in report and "no_consent" in report.replace(" ", "_")
    assert (shown.folder / "stderr").read_text() == "" or "the day" not in (shown.folder / "stderr").read_text()


def test_the_demo_sends_what_simulate_says(shown: Shown) -> None:
    """What no later event can cancel is the same message by message: same windows, same steps, same ids.

    The demo's clock ticks minutes apart, so a message that waits for a cap goes out minutes later than simulated, and what waits for that
    one a night later: only what nothing holds is compared here. Decision for decision the demo is compared with its journal below.
    """
    outputs = ["--sends", "simulated", "--until", "2026-03-11"]
    ran = kairos(shown, "simulate", "events.jsonl", "--policy", "merged", *outputs)
    assert ran.returncode == 0, ran.stderr
    simulated = [orjson.loads(line) for line in (shown.folder / "simulated").read_bytes().splitlines()]
    due = {(one["trigger"], one["step"], one["send_id"][:12]) for one in simulated}
    first = {one for one in due if one[:2] == ("welcome", 0)}
    assert len(first) > 5 and first == {one for one in mails(shown) if one[:2] == ("welcome", 0)}


def test_explain_tells_a_persons_story_from_the_topics(shown: Shown) -> None:
    lines = [orjson.loads(line) for line in (shown.folder / "simulated").read_bytes().splitlines()]
    send = next(one for one in lines if one["trigger"] == "welcome" and one["step"] == 0)
    story = kairos(shown, "explain", "--person", send["customer_id"])
    assert story.returncode == 0, story.stderr
    assert f"known as {send['customer_id']}" in story.stdout
    assert f"(send {send['send_id']})" in story.stdout and "conclusion" in story.stdout and "identify" in story.stdout
    by_id = kairos(shown, "explain", "--person", send["person_id"])
    # The second line says as of when: the demo's clock goes on.
    assert by_id.stdout.splitlines()[2:] == story.stdout.splitlines()[2:]
    why = kairos(shown, "explain", "--send", send["send_id"])
    assert why.returncode == 0, why.stderr
    assert why.stdout.startswith("welcome: first message sent") and "consent give" in why.stdout
    nobody = kairos(shown, "explain", "--person", "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert kairos(shown, "explain", "--send", "0" * 32).returncode == 1


def test_what_each_person_of_a_real_worker_got_is_derived_from_her_journal_again(shown: Shown) -> None:
    """Decision for decision: the same outcomes, reasons and times; `notes` would name a difference."""

    async def dossiers() -> list[Dossier | None]:
        async with scanner(settings) as scan:
            people = {decode_decision(record.value).person_id async for record in scan.read("decisions")}
            return [await of_topics(scan, settings, one, [one]) for one in sorted(people)]

    settings = load(broker=shown.broker, partitions=2)
    found = asyncio.run(dossiers())
    assert len(found) > 20
    assert [one and one.notes for one in found] == [[]] * len(found)
    assert sum(len(one.story.derived()) for one in found if one) > 100


def test_explain_counts_a_trigger_over_everybody(shown: Shown) -> None:
    counted = kairos(shown, "explain", "--trigger", "welcome", "--since", "30d", "--json")
    assert counted.returncode == 0, counted.stderr
    census = orjson.loads(counted.stdout)
    opened = sum(one["count"] for one in census["counts"] if one["outcome"] == "opened")
    assert opened == census["people"] > 5
    assert {one["person_id"] for one in census["examples"]}
    nothing = kairos(shown, "explain", "--trigger", "welcom", "--since", "2d")
    assert (nothing.returncode, nothing.stdout) == (1, "") and "did you mean welcome?" in nothing.stderr


def test_preview_asks_the_running_cluster_and_publishes_nothing(shown: Shown) -> None:
    lines = [orjson.loads(line) for line in (shown.folder / "simulated").read_bytes().splitlines()]
    send = next(one for one in lines if one["trigger"] == "welcome" and one["step"] == 0)  # nothing holds it
    before = _ends(shown)
    asked = ("--person", send["customer_id"], "--trigger", send["trigger"], "--at", send["opened_at"], "--json")
    ran = kairos(shown, "preview", *asked)
    assert ran.returncode == 0, ran.stdout[:2_000] + ran.stderr
    told = orjson.loads(ran.stdout)
    assert (told["message"]["message"], told["message"]["to"]) == (send["message"], send["to"])
    assert told["policy"].startswith("merged@") and told["notes"] == [], told["notes"]
    assert _ends(shown) == before


def _ends(shown: Shown) -> dict[str, int]:
    """Records of the topics that carry messages and decisions."""

    async def count(topic: str) -> int:
        async with scanner(settings) as scan:
            return len([record async for record in scan.read(topic)])

    settings = load(broker=shown.broker, partitions=2)
    return {topic: asyncio.run(count(topic)) for topic in ("customer_events", "message_plans", "message_sends", "decisions")}


def test_dead_letters_go_back_once(shown: Shown) -> None:
    dry = kairos(shown, "replay", "dead_letters", "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "2 would go back to customer_events (contract)\n"), dry.stderr
    assert kairos(shown, "replay", "dead_letters", "--reason", "defect").stdout == "no dead letters to feed of reason defect\n"
    assert kairos(shown, "replay", "dead_letters").stdout == "2 went back to customer_events (contract)\n"
    settings = load(broker=shown.broker)

    async def letters() -> list[tuple[str, int]]:
        async with scanner(settings) as scan:
            return [(one["reason"], one["offset"]) async for record in scan.read("dead_letters") if (one := orjson.loads(record.value))]

    for _ in range(100):
        found = asyncio.run(letters())
        if len(found) == 6:
            break
    assert sorted(reason for reason, _ in found) == ["contract"] * 4 + ["replayed"] * 2


def test_a_published_pack_becomes_the_active_one(shown: Shown) -> None:
    published = kairos(shown, "policy", "publish", "s1")
    assert published.returncode == 0, published.stderr
    ref = published.stdout.split(" ")[0]
    settings = load(broker=shown.broker)

    async def active() -> str:
        async with scanner(settings) as scan:
            pointers = [orjson.loads(record.value) async for record in scan.read("artifacts") if record.key == b"active/policy"]
            return str(pointers[-1]["ref"])

    for _ in range(100):
        if (found := asyncio.run(active())) == ref:
            break
    assert found == ref and ref.startswith("s1@")


def test_ctrl_c_stops_it_cleanly_and_nothing_stays_behind(shown: Shown) -> None:
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.wait(STOP_S) == 0
    assert shown.process.stdout is not None
    assert shown.process.stdout.read().endswith("stopped\n")
    host, _, port = shown.broker.partition(":")
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0


def test_a_file_that_is_none_and_a_port_in_use_are_told_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", "utf-8")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        for code, arguments in ((2, ["demo", "--events", str(empty)]), (3, ["dev", "--port", port])):
            command = [sys.executable, "-m", "app", *arguments]
            ran = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)
            assert ran.returncode == code, ran.stderr
            assert ran.stderr.startswith("kairos: ") and ran.stderr.count("\n") == 1


def test_the_embedded_broker_keeps_its_data_over_a_clean_stop_or_throws_it_away(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "kept") as broker:
        assert broker.address.startswith("127.0.0.1:")
        with pytest.raises(Unavailable, match="in use"):
            EmbeddedBroker(tmp_path / "other", broker.port).start()
    assert (tmp_path / "kept").is_dir()
    with EmbeddedBroker(tmp_path / "thrown", keep=False):
        assert (tmp_path / "thrown").is_dir()
    assert not (tmp_path / "thrown").exists()
