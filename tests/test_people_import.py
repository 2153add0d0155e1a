"""`kairos people import`: what a file says of people arrives, once; what cannot be taken is named, whole (A-027, A-040)."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.__main__ import main
from app.domain.profile_view import view
from app.edges.events_file import milliseconds
from app.edges.people_file import PLAIN, Columns
from app.edges.people_import import Imported, cause_of, checked, import_people
from app.edges.topic_scan import scanner
from app.engine.partition import partition_of
from app.engine.program import Output
from app.settings import Settings
from tests.shop import DAY, MONDAY, Shop

Call = Callable[..., tuple[object, str, str]]
NOW = MONDAY + DAY
CSV = """customer_id,email,first_name,region,age,newsletter,consent_email,consent_sms,timestamp
c1,ada@example.com,Ada,DE-BE,34,true,true,false,2026-03-01T00:00:00Z
c2,bob@example.com,"Bob ""B."" Byron",,,,yes,,
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")  # a test that needs a broker says so

    def run(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["people", "import", *arguments])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def take(path: Path, columns: Columns = PLAIN, as_of: int | None = None) -> tuple[Imported, list[Output]]:
    sent: list[Output] = []

    async def publish(outputs: list[Output]) -> None:
        sent.extend(outputs)

    cause, rejects = cause_of(path, columns, as_of), path.with_name("rejects")
    return asyncio.run(import_people(path, columns, cause, rejects, as_of or MONDAY, NOW, publish, lambda read, done: None)), sent


def told(outputs: list[Output]) -> list[tuple[bytes | None, str, Any]]:
    values = [(output.key, orjson.loads(output.value)) for output in outputs]
    return [(key, value["event_type"], value["properties"]) for key, value in values]


def written(tmp_path: Path, text: str | bytes, name: str = "people.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- what is taken ----------------------------------------------------------------------------------------------------------------


ADA = {"email": "ada@example.com", "first_name": "Ada", "region": "DE-BE", "age": 34, "newsletter": True}
BOB = {"email": "bob@example.com", "first_name": 'Bob "B." Byron'}


def test_a_row_is_traits_and_consent(tmp_path: Path) -> None:
    done, sent = take(written(tmp_path, CSV), Columns(numbers=frozenset({"age"}), flags=frozenset({"newsletter"})))
    assert (done.rows, done.people, done.events, done.rejected) == (2, 2, 5, 0)
    assert told(sent) == [
        (b"c1", "profile_update", {"traits": ADA}),
        (b"c1", "consent_give", {"purposes": ["email"]}),
        (b"c1", "consent_withdraw", {"purposes": ["sms"]}),
        (b"c2", "profile_update", {"traits": BOB}),
        (b"c2", "consent_give", {"purposes": ["email"]}),
    ]
    values = [orjson.loads(one.value) for one in sent]
    assert [value["timestamp"][:10] for value in values] == ["2026-03-01"] * 3 + ["2026-03-02"] * 2
    assert not (tmp_path / "rejects").exists()


def test_csv_semicolons_json_lines_and_gz_say_the_same(tmp_path: Path) -> None:
    lines = [{"customer_id": "c1", **ADA, "consent_email": True}, {"customer_id": "c2", "traits": BOB, "consent": {"email": True}}]
    text = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    table = "\ufeffcustomer_id;email;first_name;region;age;newsletter;consent_email\r\n"
    table += 'c1;ada@example.com;Ada;DE-BE;34;true;true\r\nc2;bob@example.com;"Bob ""B."" Byron";;;;true\r\n'
    columns = Columns(numbers=frozenset({"age"}), flags=frozenset({"newsletter"}))
    wanted = told(take(written(tmp_path, table), columns)[1])
    assert len(wanted) == 4
    for name, content, how in (
        ("people.jsonl", text, Columns()),
        ("people.jsonl.gz", gzip.compress(text), Columns()),
        ("people.csv.gz", gzip.compress(table.encode()), columns),
        ("people", table, columns),
        ("people.txt", text, Columns()),
    ):
        assert told(take(written(tmp_path, content, name), how)[1]) == wanted, name


def test_another_column_may_hold_the_id(tmp_path: Path) -> None:
    _, sent = take(written(tmp_path, "mail,kunde\na@example.com,7\n"), Columns(id="kunde"))
    assert told(sent) == [(b"7", "profile_update", {"traits": {"mail": "a@example.com"}})]


def test_null_takes_a_trait_away_and_an_empty_cell_says_nothing(tmp_path: Path) -> None:
    _, sent = take(written(tmp_path, '{"customer_id": "c1", "region": null}\n', "people.jsonl"))
    assert told(sent) == [(b"c1", "profile_update", {"traits": {"region": None}})]


# --- what it does -----------------------------------------------------------------------------------------------------------------


def profile(shop: Shop) -> dict[str, Any]:
    shop.until(2 * DAY)
    (group,) = shop.simulation.groups()
    return {name: told for name, told in view(group.person, MONDAY + 2 * DAY).items() if name != "person_id"}


def feed(shop: Shop, outputs: list[Output]) -> None:
    for output in outputs:
        shop.simulation.feed(NOW, output.key, output.value)


def test_imported_twice_is_imported_once_and_nobody_was_seen(tmp_path: Path) -> None:
    path = written(tmp_path, CSV.rpartition("c2")[0])
    once, twice = Shop(), Shop()
    feed(once, take(path)[1])
    path.touch()  # copied about: the file is the same
    for _ in range(2):
        feed(twice, take(path)[1])
    assert profile(once) == profile(twice)
    assert twice.simulation.now == once.simulation.now
    seen = profile(once)
    assert seen["consent"] == {"email": True, "sms": False} and seen["traits"]["first_name"] == "Ada"
    assert (seen["first_seen"], seen["last_seen"]) == (None, None)  # a batch of the shop's is no sign of life


def test_what_was_read_wrongly_is_news_when_it_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, CSV)
    first, again = take(path)[1], take(path, Columns(numbers=frozenset({"age"})))[1]
    ids = [{orjson.loads(one.value)["event_id"] for one in sent} for sent in (first, again)]
    assert not ids[0] & ids[1]


def test_a_file_does_not_undo_what_she_said_after_it(tmp_path: Path) -> None:
    shop = Shop()
    shop.event("consent_withdraw", DAY // 2, "c1", purposes=["email"])
    feed(shop, take(written(tmp_path, "customer_id,consent_email,consent_sms\nc1,true,true\n"), as_of=MONDAY)[1])
    assert profile(shop)["consent"] == {"email": False, "sms": True}


def test_a_simulation_takes_the_same_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people, events, profiles = written(tmp_path, CSV), tmp_path / "events.jsonl", tmp_path / "profiles.jsonl"
    events.write_text('{"event_type":"page_view","customer_id":"c1","timestamp":"2026-03-02T12:00:00Z"}\n')
    with pytest.raises(SystemExit) as ended:
        main(["simulate", str(events), "--people", str(people), "--profiles", str(profiles)])
    assert ended.value.code == 0, capsys.readouterr().err
    known = {one["customer_id"]: one for one in map(orjson.loads, profiles.read_bytes().splitlines())}
    assert known["c1"]["consent"] == {"email": True, "sms": False} and known["c2"]["traits"] == BOB
    assert known["c2"]["last_seen"] is None


# --- what is refused --------------------------------------------------------------------------------------------------------------


BAD = {
    "c1,a@example.com,34,,": None,
    "c2,nobody at example.com,many,perhaps,soon": [
        "age is no number",
        "consent_email is neither true nor false",
        "timestamp is no ISO 8601 time",
        "email is no address that can be written to",
    ],
    ",a@example.com,34,,": ["needs customer_id or anonymous_id, a text"],
    "c4,a@example.com": ["2 cells where the header has 5"],
    "c5,,,,": ["tells nothing: neither traits nor consent"],
    "c6,a@example.com,1,,2031-01-01T00:00:00Z": ["its timestamp lies in the future"],
    f"{'x' * 300},a@example.com,1,,": ["/customer_id: "],
    f"c8,a@example.com,{10**30},,": ["age is too large"],
    'c9,"a"b,1,,': ["no CSV: "],
}


def test_every_reason_of_every_row_is_in_the_reject_file(tmp_path: Path, call: Call) -> None:
    text = "customer_id,email,age,consent_email,timestamp\n" + "\n".join(BAD) + "\n"
    written(tmp_path, text)
    code, out, _ = call("people.csv", "--dry-run", "--number", "age", "--json")
    summary = orjson.loads(out)
    assert code == 0 and (summary["rows"], summary["people"], summary["rejected"]) == (9, 1, 8)
    assert summary["rejects_file"] == "people.csv.rejects.csv"
    assert ((tmp_path / "people.csv.rejects.csv").stat().st_mode & 0o777) == 0o600  # it holds what the rows held
    with (tmp_path / "people.csv.rejects.csv").open(newline="") as file:
        refused = {int(one["line"]): one for one in csv.DictReader(file)}
    for line, reasons in enumerate(BAD.values(), 2):
        if reasons is None:
            assert line not in refused
        else:
            assert all(reason in refused[line]["reasons"] for reason in reasons), (line, refused[line])
    assert refused[3]["email"] == "nobody at example.com"


def test_a_mended_reject_file_is_imported_as_it_is(tmp_path: Path) -> None:
    wanted = [(b"c1", "profile_update", {"traits": {"email": "oops@example.com", "region": "DE"}})]
    for name, text in (
        ("people.csv", "customer_id,email,region\nc1,oops,DE\nc2,b@example.com,\n"),
        ("people.jsonl", '{"customer_id":"c1","email":"oops","region":"DE"}\n{"customer_id":"c2","email":"b@example.com"}\n'),
    ):
        done, _ = take(written(tmp_path, text, name))
        assert (done.people, done.rejected) == (1, 1)
        mended = (tmp_path / "rejects").read_text().replace("oops", "oops@example.com")
        assert told(take(written(tmp_path, mended, f"mended-{name}"))[1]) == wanted
        again = take(written(tmp_path, (tmp_path / "rejects").read_text(), f"left-{name}"))[0]
        assert (again.people, again.rejected) == (0, 1)
        header = (tmp_path / "rejects").read_text().partition("\n")[0]
        assert header.count("reasons") == 1


LINES: dict[bytes, str] = {
    b"nonsense": "not JSON",
    b"[1]": "not a JSON object",
    b'{"customer_id": 7, "region": "x"}': "needs customer_id",
    b'{"customer_id": "c", "traits": 1}': "traits must be an object",
    b'{"customer_id": "c", "consent_email": "yes"}': "consent is true or false",
    b'{"customer_id": "c", "first_name": 5}': "/properties/traits/first_name",
    orjson.dumps({"customer_id": "c", **{f"t{n}": n for n in range(51)}}): "51 traits, more than 50",
    orjson.dumps({"customer_id": "c", "x" * 65: 1}): "65 characters",
    orjson.dumps({"customer_id": "c", "note": "x" * 501}): "note has 501 characters, more than 500",
    orjson.dumps({"customer_id": "c", "note": ["x" * 2_000]}): "note is too large",
    orjson.dumps({"customer_id": "c", "consent": {"": True}}): "a purpose has 0 characters",
    orjson.dumps({"customer_id": "c", "note": "x" * 300_000}): "more than 262144",
    b'{"customer_id": "c", "note": "\\ud800"}': "not JSON",
    b'{"customer_id": "c", "phone": "+49 1"}': "phone is no telephone number",
    b'{"customer_id": "c", "age": 230}': "age cannot be true",
    b'{"customer_id": "c", "email": "ada@example"}': "email is no address",
}


@pytest.mark.parametrize("line", LINES, ids=lambda line: LINES[line])
def test_a_line_of_json_is_refused_with_its_reason(tmp_path: Path, line: bytes) -> None:
    done, sent = take(written(tmp_path, line + b"\n" + b'{"customer_id": "c", "region": "DE"}\n', "people.jsonl"))
    assert (done.rows, done.people, len(sent)) == (2, 1, 1)
    (refused,) = map(orjson.loads, (tmp_path / "rejects").read_bytes().splitlines())
    assert refused["line"] == 1 and any(LINES[line] in reason for reason in refused["reasons"])


def test_a_quotation_mark_that_is_never_closed_does_not_hide_the_rest(tmp_path: Path) -> None:
    text = 'customer_id,region\nc1,"DE\n' + "".join(f"c{n},DE\n" for n in range(2, 50_000))
    done, _ = take(written(tmp_path, text))
    assert done.rejected >= 1 and done.people > 20_000
    first = next(csv.DictReader(io.StringIO((tmp_path / "rejects").read_text())))
    assert first["line"] == "2" and "read to line" in first["reasons"]


UNREADABLE: dict[str, tuple[str, bytes]] = {
    "people.csv:3: not UTF-8 (byte 0xfc)": ("people.csv", "customer_id,name\nc1,Ada\nc2,Jürgen\n".encode("latin-1")),
    "UTF-16": ("people.csv", "customer_id,name\nc1,Ada\n".encode("utf-16")),
    "a JSON array": ("people.json", b'[{"customer_id": "c1"}]'),
    "no column customer_id: it has id, name": ("people.csv", b"id,name\n1,x\n"),
    "two columns of the name name": ("people.csv", b"customer_id,name,name\n1,x,y\n"),
    "a column without a name": ("people.csv", b"customer_id,,name\n1,x,y\n"),
    "empty": ("people.csv", b""),
    "no header": ("people.csv", b'"customer_id\n'),
    "201 columns": ("people.csv", ("customer_id," + ",".join(f"t{n}" for n in range(200)) + "\n").encode()),
    "Not a gzipped file": ("people.csv.gz", b"customer_id\n1\n"),
}


@pytest.mark.parametrize("message", UNREADABLE)
def test_an_unreadable_file_is_one_line_and_exit_2_before_anything_is_sent(tmp_path: Path, call: Call, message: str) -> None:
    name, content = UNREADABLE[message]
    written(tmp_path, content, name)
    code, out, err = call(name)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err


def test_exit_codes(tmp_path: Path, call: Call) -> None:
    written(tmp_path, "customer_id,email\nc1,oops\n")
    code, _, err = call("people.csv", "--dry-run")
    assert code == 1 and "not one of its 1 row" in err
    written(tmp_path, CSV)
    assert call("people.csv", "--dry-run")[:2] == (0, "2 rows: 2 people would be imported, 5 events would be published\n")
    assert call("people.csv", "--dry-run", "--number", "size")[0] == 2
    assert call("people.csv", "--dry-run", "--as-of", "2999-01-01T00:00:00Z")[0] == 2
    written(tmp_path, "customer_id,email\nc1,oops\n")
    assert call("people.csv", "--dry-run", "--rejects", "no/such/folder.csv")[0] == 2
    code, _, err = call("people.csv")
    assert code == 3 and err.count("\n") == 1


def test_a_file_of_people_is_never_overwritten_by_what_was_refused_of_it(tmp_path: Path, call: Call) -> None:
    path = written(tmp_path, CSV, "people.csv")
    (tmp_path / "link").symlink_to(path)
    others = written(tmp_path, CSV, "others.csv")
    for rejects in ("people.csv", "link", "others.csv"):
        ended, out, err = call("people.csv", "--dry-run", "--rejects", rejects)
        assert (ended, out) == (2, "") and err.count("\n") == 1
    assert path.read_text() == others.read_text() == CSV


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = written(tmp_path, "customer_id,email\n" + "".join(f"c{n},c{n}@example.com\n" for n in range(count)))
        tracemalloc.start()
        for _ in checked(path, Columns(), ("x",), MONDAY, NOW):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    few = peak(6_000)  # enough to fill the caches, which have an end
    assert peak(15_000) < 1.1 * few


# --- on a broker ------------------------------------------------------------------------------------------------------------------


@pytest.mark.embedded
def test_rows_arrive_under_their_keys(tmp_path: Path, call: Call, embedded_cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_BROKER", embedded_cluster.broker)
    written(tmp_path, "customer_id,email\n" + "".join(f"c{n},c{n}@example.com\n" for n in range(2_500)) + "c,oops\n")
    code, out, err = call("people.csv", "--json")
    assert code == 0, err
    assert {name: orjson.loads(out)[name] for name in ("people", "events", "rejected")} == {"people": 2500, "events": 2500, "rejected": 1}

    async def read() -> list[tuple[bytes, str]]:
        async with scanner(embedded_cluster) as scan:
            return [(one.key, orjson.loads(one.value)["customer_id"]) async for one in scan.read("customer_events")]

    found = asyncio.run(read())
    assert len(found) == 2500 and all(key.decode() == who for key, who in found)
    assert milliseconds(orjson.loads(out)["as_of"])


@pytest.mark.embedded
@pytest.mark.parametrize("told", ["8", "1"])
def test_keys_go_by_the_partitions_that_the_cluster_has(
    tmp_path: Path, call: Call, embedded_cluster: Settings, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """`kairos dev` has two, and whoever imports into it has set nothing: with another count in mind half the rows would lie elsewhere."""
    monkeypatch.setenv("KAIROS_PARTITIONS", told)
    written(tmp_path, "customer_id,email\n" + "".join(f"c{n},c{n}@example.com\n" for n in range(50)))
    code, _, err = call("people.csv")
    assert code == 0, err

    async def read() -> list[tuple[int, int]]:
        async with scanner(embedded_cluster) as scan:
            return [(n, partition_of(one.key, 2)) for n in range(2) async for one in scan.read("customer_events", [n])]

    found = asyncio.run(read())
    assert len(found) == 50 and all(lies == belongs for lies, belongs in found)
