"""`kairos policy …`: what each command says, its exit codes, and versions on a broker from publishing to going back (A-192, A-194)."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import orjson
import pytest

from app.__main__ import main
from app.domain.fingerprint import ref_of
from app.edges.producing import producing
from app.edges.published import Published, Version, published
from app.engine.artifacts import publish
from app.engine.program import Output
from app.events import Artifact, encode_json, iso
from app.policy.pack import build
from app.settings import Settings, load
from tests.test_demo import environment
from tests.test_packs import GOOD

Call = Callable[..., tuple[object, str, str]]
ACTIVE_S = 120
MINE, LATER = "mine/pack.toml", "later/pack.toml"


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    for folder, text in (("mine", GOOD), ("later", GOOD.replace('wait = "2h"', 'wait = "3h"'))):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pack.toml").write_text(text)

    def run(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["policy", *arguments])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


# --- without a broker -------------------------------------------------------------------------------------------------------------


def test_check_prints_warnings_and_says_yes(call: Call, tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(GOOD.replace("profile.orders >= 5", "profile.orders >= 0"))
    code, out, err = call("check", "odd.toml")
    assert (code, err) == (0, "")
    warning, summary = out.splitlines()
    assert warning == "odd.toml:32: warning: always true, it may as well be left out: profile.orders >= 0"
    assert re.fullmatch(r"mine@[0-9a-f]{16}: 2 triggers, 4 messages, [\d,]+ bytes", summary)


def test_an_experiment_that_is_not_enabled_is_told_by_check_and_diff(call: Call) -> None:
    code, out, _ = call("check", "merged")
    assert code == 0 and out.splitlines()[-1] == "not enabled, so it runs nothing: experiment cart_timing, experiment engagement_threshold"
    code, out, _ = call("diff", "s1", "merged")
    assert "note: experiment engagement_threshold of merged@" in out and out.endswith(" is not enabled: it runs nothing\n")
    code, out, _ = call("diff", "s1", "merged", "--json")
    assert orjson.loads(out)["not_enabled"] == ["cart_timing", "engagement_threshold"]
    assert "not enabled" not in call("check", "cart-timing")[1]


def test_check_prints_errors_and_says_no(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(GOOD.replace("profile.orders >= 5", "1 > 2"))
    code, out, err = call("check", "bad.toml")
    assert (code, out) == (1, "bad.toml:32: always false, so this message is never sent: 1 > 2\n")
    assert err == "kairos: bad.toml: 1 problem\n"
    (tmp_path / "bad.toml").write_text(GOOD.replace('wait = "2h"', 'wait = "-2h"').replace('wait = "3d"', 'wait = "3 d"'))
    code, out, err = call("check", "bad.toml")
    assert (code, len(out.splitlines()), err) == (1, 2, "kairos: bad.toml: 2 problems\n")


def test_what_is_proved_wrong_is_not_published(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")  # it is refused before anybody asks the broker
    (tmp_path / "bad.toml").write_text(GOOD.replace("profile.orders >= 5", "1 > 2"))
    assert call("publish", "bad.toml")[0] == 1


def test_diff_says_in_sentences_what_changes(call: Call) -> None:
    code, out, _ = call("diff", MINE, LATER)
    assert code == 0
    head, *sentences = out.splitlines()
    assert re.fullmatch(r"mine@[0-9a-f]{16} → mine@[0-9a-f]{16}", head)
    assert sentences == ["- first now waits 3h instead of 2h"]
    told = orjson.loads(call("diff", MINE, LATER, "--json")[1])
    (change,) = told["changes"]
    assert change == {"path": "triggers.first.steps.0.wait", "old": "2h", "new": "3h", "text": "first now waits 3h instead of 2h"}
    assert call("diff", "s1", "s1")[1].splitlines()[1:] == ["nothing: they are the same"]


def test_diff_of_comments_alone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "talk.toml").write_text(GOOD + "# a word\n")
    (line,) = call("diff", MINE, "talk.toml")[1].splitlines()[1:]
    assert line == "nothing that decides or writes anything: comments, order or layout alone"


#
def test_graph_is_printed_or_written(call: Call, tmp_path: Path) -> None:
    assert call("graph", "s1")[1].splitlines()[1] == "flowchart LR"
    assert call("graph", "s1", "--trigger", "cart_abandonment")[1].splitlines()[1] == "flowchart TD"
    code, out, _ = call("graph", "s1", "--trigger", "cart_abandonment", "--format", "svg", "-o", "cart.svg")
    assert code == 0 and out.startswith("cart.svg: ")
    assert ElementTree.parse(tmp_path / "cart.svg").getroot().tag.endswith("svg")
    code, _, err = call("graph", "s1", "--trigger", "cart")
    assert code == 2 and err.startswith("kairos: s1 has no trigger cart: product_page_abandonment, ") and err.count("\n") == 1
    assert call("graph", "s1", "-o", "no/such/folder.svg")[0] == 2
    assert call("graph", "s1", "--format", "png")[0] == 2
    assert "first_time_customer" in call("graph", "s1", "--stages", "s1")[1]
    assert "platinum" in call("graph", "s1", "--tiers", "s0", "--format", "svg")[1]
    assert "recent_buyers" in call("graph", "s1", "--segments")[1]
    code, _, err = call("graph", "s1", "--stages", "s2")
    assert code == 2 and "s1 has no stage scheme s2: s0, s1, merged" in err
    assert call("graph", "s1", "--stages", "s1", "--segments")[0] == 2


def test_show_is_a_pack_again(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("show", MINE)
    assert code == 0 and tomllib.loads(out) == tomllib.loads(GOOD)
    assert "\n#   referral: " in out
    told = orjson.loads(call("show", MINE, "--json")[1])
    assert told["pack"] == GOOD and set(told["messages"]["referral"]) == {"name", "subject", "preheader", "html", "text"}


NOBODY = [("show", "nobody"), ("diff", "s1", "nobody"), ("graph", "nobody"), ("check", "nobody@1"), ("publish", "nobody")]


@pytest.mark.parametrize("arguments", NOBODY)
def test_a_pack_that_does_not_exist_is_one_line(call: Call, arguments: tuple[str, ...]) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "") and err.count("\n") == 1 and "no such pack" in err


@pytest.mark.parametrize("arguments", [("list",), ("rollback",), ("show", "s1@1"), ("diff", "active", "s1"), ("graph", "active")])
def test_no_broker_is_exit_3(call: Call, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    code, _, err = call(*arguments)
    assert code == 3 and err.startswith("kairos: broker 127.0.0.1:1") and err.count("\n") == 1


def test_which_version_is_meant() -> None:
    one, two, other = (Version(ref, 0, b"", True) for ref in ("a@12ab", "a@12cd", "b@12ab"))
    there = Published((one, two, other), "a@12cd", 5)
    assert there.find("a@12ab") == [one]
    assert there.find("a@12a") == [one]
    assert there.find("a@12") == [one, two]
    assert there.find("a@") == there.find("a") == there.find("c@12ab") == []
    assert there.before == two and there.asked == "b@12ab"
    assert Published((one,), "a@12ab", 5).before is None and Published((one,), "a@12ab", 5).asked is None
    assert Published((), None, None).asked is None


# --- on a broker, without a worker --------------------------------------------------------------------------------------------------


def make_active(settings: Settings, ref: str) -> None:
    """What the clock of a running worker does once it has fanned an activation out."""
    put(settings, b"active/policy", encode_json(Artifact("policy", ref)))


def put(settings: Settings, key: bytes, value: bytes) -> None:
    async def send() -> None:
        async with producing(settings) as producer:
            await producer.publish([Output("artifacts", key, value, partition=0)])

    asyncio.run(send())


def pointed(out: str) -> list[str]:
    return [line.strip() for line in out.splitlines() if re.search(r"@[0-9a-f]{16}", line)]


@pytest.mark.embedded
def test_versions_from_publishing_to_going_back(call: Call, embedded_cluster: Settings) -> None:
    mine, later = build(MINE)[0], build(LATER)[0]
    assert "nothing was published" in call("list")[1]
    assert call("rollback")[0] == 1
    assert call("diff", "active", "s1")[0] == 1
    assert call("publish", MINE)[1] == f"{mine} is published; the workers make it active\n"
    assert call("rollback")[2] == f"kairos: {mine} is the only version that was published\n"
    (line,) = pointed(call("list")[1])
    assert line.startswith(f"{mine}  published ") and line.endswith("waits for a worker to make it active")
    make_active(embedded_cluster, mine)
    assert call("publish", LATER)[0] == 0
    make_active(embedded_cluster, later)
    there = asyncio.run(published(embedded_cluster))
    listed = pointed(call("list")[1])
    assert [line.split("  ")[0] for line in listed] == [mine, f"* {later}"]
    assert there.since is not None and listed[1].endswith(f"active since {iso(there.since)}")

    # Any published version, and the active one, can be looked at and compared.
    assert tomllib.loads(call("show", mine)[1]) == tomllib.loads(GOOD)
    assert call("show", mine[:9])[0] == 0
    assert call("diff", mine, "active")[1].splitlines()[1:] == ["- first now waits 3h instead of 2h"]
    assert call("graph", "active", "--trigger", "first")[0] == 0
    code, _, err = call("show", "mine@x")
    assert code == 2 and err == f"kairos: mine@x was never published: {mine}, {later}\n"

    # Back, and back again: a rollback is a publishing of the old bytes, so the one before it is the one we came from.
    code, out, _ = call("rollback")
    assert code == 0
    told = [f"{later} → {mine}", "- first now waits 2h instead of 3h", f"{mine} is published again; the workers make it active"]
    assert out.splitlines() == told
    make_active(embedded_cluster, mine)
    assert [line.split("  ")[0] for line in pointed(call("list")[1])] == [later, f"* {mine}"]
    assert call("rollback", mine)[2] == f"kairos: {mine} is the present version already\n"
    assert call("rollback")[1].splitlines()[0] == f"{mine} → {later}"

    # By name, further back than one.
    assert call("publish", "s1")[0] == 0
    assert call("rollback", mine)[0] == 0
    assert asyncio.run(published(embedded_cluster)).versions[-1].ref == mine
    every = orjson.loads(call("list", "--json")[1])
    assert [one["active"] for one in every["published"]] == [False, False, True]
    assert {one["name"] for one in every["shipped"]} >= {"s1", "merged"}


@pytest.mark.embedded
def test_what_does_not_belong_on_the_topic_is_passed_over_and_damage_is_told(call: Call, embedded_cluster: Settings) -> None:
    ref, data = build("s1")
    put(embedded_cluster, b"x", b"no artifact at all")
    put(embedded_cluster, b"x", b'{"kind":"policy","ref":"a@1","data":"%%%"}')
    put(embedded_cluster, b"model/0", encode_json(Artifact("model", "m@1", data="")))
    put(embedded_cluster, b"half/0", encode_json(Artifact("policy", "half@1", 0, 2, "aGFsZg==")))
    put(embedded_cluster, b"s1/0", encode_json(Artifact("policy", ref, 0, 1, "YWx0ZXJlZA==")))
    out = call("list")[1]
    assert [line.split("  ")[0] for line in pointed(out)] == [ref]
    assert out.count("DAMAGED") == 2 and "m@1" not in out and "a@1" not in out
    assert call("show", "half@1")[2] == "kairos: half@1 is damaged on the artifacts topic: publish the pack anew\n"
    assert call("rollback", ref)[0] == 1
    assert call("publish", "s1")[0] == 0  # mends it
    assert call("show", ref)[0] == 0
    assert len(data) > 1_000


@pytest.mark.embedded
def test_a_version_that_this_kairos_cannot_run_is_shown_as_no_and_not_gone_back_to(call: Call, embedded_cluster: Settings) -> None:
    data = orjson.dumps({"pack": 'name = "old"\nfuture = 1\n', "messages": {}})
    ref = ref_of("old", data)

    async def put_old() -> None:
        async with producing(embedded_cluster) as producer:
            await publish(producer, "policy", ref, data)

    asyncio.run(put_old())
    assert call("publish", "s1")[0] == 0
    code, _, err = call("rollback")
    assert code == 1 and "published by another version of Kairos" in err and err.count("\n") == 1


# --- with a worker ------------------------------------------------------------------------------------------------------------------


@pytest.mark.embedded
def test_a_running_kairos_follows_publishing_and_going_back(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("noida_db", reason="the embedded broker is not installed: pip install 'kairos[embedded]'")
    command = [sys.executable, "-m", "app", "dev", "--port", "0", "--policy", "s1"]
    with (tmp_path / "stderr").open("w") as errors:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        broker = process.stdout.readline().removeprefix("broker ").strip()
        assert broker, (tmp_path / "stderr").read_text()
        monkeypatch.setenv("KAIROS_BROKER", broker)
        monkeypatch.setenv("KAIROS_PARTITIONS", "2")
        settings = load(replication=1)
        first = build("s1")[0]
        assert becomes_active(settings, first)
        assert call("publish", MINE)[0] == 0
        assert becomes_active(settings, build(MINE)[0])
        code, out, _ = call("rollback")
        assert code == 0 and "- adds trigger product_page_abandonment" in out and "- removes trigger first: one" in out
        assert becomes_active(settings, first)
    finally:
        process.terminate()
        process.wait(20)


def becomes_active(settings: Settings, ref: str) -> bool:
    deadline = time.monotonic() + ACTIVE_S
    while time.monotonic() < deadline:
        if asyncio.run(published(settings)).active == ref:
            return True
        time.sleep(0.2)
    return False
