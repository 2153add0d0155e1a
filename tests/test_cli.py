"""The command line: names, exit codes, one line on stderr for wrong use and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import COMMANDS, kairos
from app.domain.event_types import EVENT_TYPES

QUICK = str(Path(__file__).parent / "packs" / "quick.toml")


def wrong_use(said: tuple[object, str, str], *words: str) -> None:
    code, out, err = said
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith("kairos: ")
    assert all(word in err for word in words), err


def test_help_names_every_command_without_importing_any(call) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call()
    assert code == 0
    assert all(name in out for name in COMMANDS)
    script = "import sys, app.__main__ as m; m.kairos.main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"aiokafka", "faust", "rocksdict", "cel_expr_python"} & set(ran.stdout.replace("'", "").replace("[", "").split(", "))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name: str, call) -> None:  # type: ignore[no-untyped-def]
    code, out, err = call(name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: kairos ")
    command = kairos.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and command.help


def test_wrong_use_is_one_line_and_exit_2(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    events, folder = tmp_path / "events.jsonl", tmp_path / "folder"
    events.write_text("", "utf-8")
    folder.mkdir()
    wrong_use(call("nonsense"), "nonsense")
    wrong_use(call("simulate"), "EVENTS.jsonl")
    wrong_use(call("people", "unlink", "x" * 300), "256")
    wrong_use(call("simulate", "missing.jsonl"), "missing.jsonl")
    wrong_use(call("simulate", str(folder)), "folder")
    wrong_use(call("simulate", str(events)), "no events")
    wrong_use(call("simulate", str(events), "--until", "tomorrow"), "tomorrow")
    wrong_use(call("simulate", str(events), "--policy", "missing"), "missing")
    wrong_use(call("simulate", str(events), "--sends", str(folder / "no" / "sends")), "No such file")
    wrong_use(call("explain"), "one of")
    wrong_use(call("explain", "product_view", "--person", "c1"), "one of")
    wrong_use(call("policy", "check", "missing.toml"), "missing.toml")
    wrong_use(call("replay", "everything"), "everything")
    wrong_use(call("demo", "--speed", "fast"), "fast")


def test_a_bad_setting_is_named(call, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("KAIROS_PARTITIONS", "many")
    wrong_use(call("explain", "product_view"), "partitions")


def test_no_broker_is_exit_3_and_one_line(call, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    for arguments in (("explain", "--person", "c1"), ("replay", "dead_letters"), ("policy", "publish", "s1")):
        code, _, err = call(*arguments)
        assert code == 3, arguments
        assert err.startswith("kairos: ") and err.count("\n") == 1


def test_explain_walks_an_event_through_the_map(call) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("explain", "product_view")
    assert code == 0
    places = [out.index(f"{hop}: ") for hop in ("intake", "journal", "profile_updater", "trigger_scheduler", "renderer")]
    assert places == sorted(places)
    assert "dwell_seconds" in out and "opens   product_page_abandonment" in out


def test_explain_knows_what_becomes_true_of_her(call, tmp_path) -> None:  # type: ignore[no-untyped-def]
    #
    _, out, _ = call("explain", "segment_entered")
    assert "a conclusion" in out and "event.segment" in out and "opens   win_back on fallen_away" in out
    _, out, _ = call("explain", "price_drop")
    assert "news of a product" in out and "event.drop" in out and "opens   price_drop" in out
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'name = "mine"\nwhy = "x"\nextends = "merged"\n'
        '[[trigger]]\nname = "winback"\nwhy = "gone"\nwait = "0s"\nsend = "still-interested"\n'
        "open = { on = 'stage', when = \"event.stage == 'churned'\" }\n"
    )
    for kind in ("stage", "page_view"):
        assert "opens   winback on s1.churned: gone" in call("explain", kind, "--policy", str(mine))[1]
    code, out, _ = call("explain", "page_view", "--policy", QUICK)
    assert code == 0 and "In pack quick:" in out and "By where she then stands" not in out, "no trigger of it asks where she stands"


def test_explain_says_what_cancels(call) -> None:  # type: ignore[no-untyped-def]
    assert "cancels product_page_abandonment" in call("explain", "purchase")[1]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_of_the_contract_can_be_explained(event_type: str, call) -> None:  # type: ignore[no-untyped-def]
    assert call("explain", event_type)[0] == 0


def test_an_event_type_that_the_contract_lacks_is_a_no_with_a_hint(call) -> None:  # type: ignore[no-untyped-def]
    code, out, err = call("explain", "product_veiw")
    assert (code, out) == (1, "")
    assert "did you mean product_view?" in err


def test_policy_check_names_file_and_line(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("policy", "check", "merged")
    assert code == 0 and out.startswith("merged@")
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "bad"\nwhy = "x"\ncolour = "blue"\n', "utf-8")
    code, out, err = call("policy", "check", str(bad))
    assert code == 1
    assert f"{bad}:3: " in out and "colour" in out
    assert err.count("\n") == 1
