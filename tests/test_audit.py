"""`kairos audit`: decay and oddities of what is known of people, by person_id alone (A-244–A-249)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.__main__ import main
from app.domain.audit import CHECKS, MAX_NAMED, Audit, Audited
from app.edges.profiles_file import from_topic
from app.events import iso
from tests.shop import DAY, MONDAY

Call = Callable[..., tuple[object, str, str]]
NOW = MONDAY


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["audit", *arguments])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def person(who: str = "p1", days: float = 1, **more: Any) -> dict[str, Any]:
    """Somebody nothing is wrong with, last seen so many days ago."""
    return {
        "person_id": who,
        "customer_id": f"c-{who}",
        "traits": {"email": f"{who}@example.com", "first_name": "Ada"},
        "consent": {"email": True},
        "first_seen": iso(NOW - round(400 * DAY)),
        "last_seen": iso(NOW - round(days * DAY)),
        "orders": 1,
        "spent": {"amount": "89.00", "currency": "EUR"},
        "last_purchase_at": iso(NOW - round(400 * DAY)),
        "complete": True,
        "missing": [],
        "unseen_orders": 0,
        "intent": {"level": "low", "score": 0},
        "engagement": {"score": 0.2, "website": 0.0},
        "email": {"sent": 3, "unsubscribed": False, "suppressed": None},
        "bot": False,
    } | more


def audited(*records: dict[str, Any]) -> Audited:
    audit = Audit(NOW)
    for record in records:
        audit.add(record)
    return audit.result()


def found(*records: dict[str, Any]) -> dict[str, int]:
    return {one.name: one.count for one in audited(*records).findings if one.count}


def test_of_somebody_whole_nothing_is_found() -> None:
    assert found(person()) == {}


ODD: tuple[tuple[dict[str, Any], dict[str, int]], ...] = (
    #
    ({"complete": False, "missing": ["first_name"]}, {"incomplete": 1}),
    #
    ({"traits": {"email": "ada at example.com"}}, {"bad_address": 1, "consent_without_address": 1}),
    ({"rejected": {"age": 2}}, {"rejected_traits": 1}),
    ({"rejected": {}}, {}),
    ({"traits": {}}, {"consent_without_address": 1}),
    ({"traits": {}, "consent": {}, "email": {"sent": 0}}, {"never_reachable": 1}),
    ({"consent": {"email": False}, "email": {"sent": 0}}, {"never_reachable": 1}),
    ({"email": {"sent": 2, "unsubscribed": True}}, {"suppressed": 1}),
    ({"email": {"sent": 2, "suppressed": "hard_bounce"}}, {"suppressed": 1}),
    #
    ({"last_seen": iso(NOW - 30 * DAY)}, {"unseen_30d": 1}),
    ({"last_seen": iso(NOW - 30 * DAY + 1)}, {}),
    ({"last_seen": iso(NOW - 90 * DAY)}, {"unseen_30d": 1, "unseen_90d": 1}),
    ({"last_seen": iso(NOW - 180 * DAY)}, {"unseen_30d": 1, "unseen_90d": 1, "unseen_180d": 1}),
    ({"last_seen": iso(NOW - 365 * DAY)}, {"unseen_30d": 1, "unseen_90d": 1, "unseen_180d": 1, "unseen_365d": 1}),
    ({"last_seen": None, "first_seen": None}, {"never_seen": 1}),
    ({"bot": True}, {"bot": 1}),
    #
    ({"unseen_orders": 2}, {"unseen_orders": 1}),
    ({"spent": {"amount": "-0.01", "currency": "EUR"}}, {"refunds_above_orders": 1}),
    ({"traits": {"email": "a@example.com", "age": 230}}, {"impossible": 1}),
    ({"last_seen": iso(NOW + 2 * DAY)}, {"impossible": 1}),
    ({"first_seen": iso(NOW - DAY // 2)}, {"impossible": 1}),
    ({"orders": -1}, {"impossible": 1}),
    ({"orders": 0}, {"impossible": 1}),
    ({"spent": {"amount": "1e17", "currency": "EUR"}}, {"impossible": 1}),
    #
    ({"last_seen": iso(NOW - 32 * DAY), "intent": {"level": "high"}}, {"unseen_30d": 1, "stale": 1}),
    ({"last_seen": iso(NOW - 32 * DAY), "engagement": {"website": 0.4}}, {"unseen_30d": 1, "stale": 1}),
)


@pytest.mark.parametrize("case", ODD, ids=lambda case: ", ".join(case[0]))
def test_what_is_odd_is_found(case: tuple[dict[str, Any], dict[str, int]]) -> None:
    more, wanted = case
    assert found(person() | more) == wanted


#
def test_one_address_on_several_people_is_one_person_in_pieces() -> None:
    traits = {"email": "Ada@Example.com ", "phone": "+49 30 1"}
    three = [person("b", traits={"email": "ada@example.com"}), person("a", traits=traits), person("c", traits=traits)]
    result = audited(*three, person("d"))
    shared = {one.name: one for one in result.findings}
    assert (shared["shared_email"].count, shared["shared_email"].people) == (3, ("a", "b", "c"))
    assert shared["shared_email"].share == 3 / 4
    assert (shared["shared_phone"].count, shared["shared_phone"].people) == (2, ("a", "c"))


def test_order_does_not_matter_and_few_are_named() -> None:
    people = [person(f"p{n:03d}", bot=True) for n in range(100)]
    there, back = audited(*people), audited(*reversed(people))
    assert there == back
    (bots,) = [one for one in there.findings if one.name == "bot"]
    assert (bots.count, len(bots.people), bots.people[0]) == (100, MAX_NAMED, "p000")


def test_an_anonymous_visitor_is_no_incomplete_customer() -> None:
    assert found(person(customer_id=None, traits={}, consent={}, missing=["email"], complete=False)) == {}


@pytest.mark.parametrize("more", [{"traits": None}, {"spent": "much"}, {"last_seen": 7}, {"orders": None}, {"email": []}, {"intent": None}])
def test_a_record_of_another_shape_is_no_crash(more: dict[str, Any]) -> None:
    audited(person() | more, {"person_id": "p2"})


# --- the command ------------------------------------------------------------------------------------------------------------------


SECRET = "ada.lovelace@example.com"


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    path = tmp_path / "profiles.jsonl"
    odd = person("<b>p2</b>", bot=True, missing=["first_name"], complete=False, traits={"email": SECRET})
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in (person(days=0), odd, person("p3", traits={"email": SECRET}))))
    return path


def test_a_table_and_json_and_a_page_without_personal_data(call: Call, profiles: Path, tmp_path: Path) -> None:
    code, out, err = call("--profiles", "profiles.jsonl", "--html", "audit.html")
    assert (code, err) == (0, "") and out.startswith("3 people, 3 customers, 3 buyers, as of 2026-03-02T00:00:00.000Z\n")
    assert "lack first_name" in out and all(one.name in out for one in CHECKS)
    told = orjson.loads(call("--profiles", "profiles.jsonl", "--json")[1])
    assert told["missing"] == {"first_name": 1}
    (shared,) = [one for one in told["findings"] if one["name"] == "shared_email"]
    assert (shared["count"], shared["share"], shared["people"]) == (2, 0.666667, ["<b>p2</b>", "p3"])
    page = (tmp_path / "audit.html").read_text()
    assert "&lt;b&gt;p2" in page and "<b>p2" not in page
    for text in (out, page, orjson.dumps(told).decode()):
        assert SECRET not in text and "c-p3" not in text


def test_more_than_the_limit_is_a_no(call: Call, profiles: Path) -> None:
    assert call("--profiles", "profiles.jsonl", "--fail-over", "bot=0.34")[0] == 0
    code, _, err = call("--profiles", "profiles.jsonl", "--fail-over", "bot=0.3", "--fail-over", "shared_email=0")
    assert code == 1 and "bot is 0.3333, more than 0.3; shared_email" in err


WRONG = (
    ("--fail-over", "bots=0.1"),
    ("--fail-over", "bot=2"),
    ("--fail-over", "bot"),
    ("--profiles", "none.jsonl"),
    ("--html", "no/where"),
)


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_wrong_use_is_one_line(call: Call, profiles: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = call("--profiles", "profiles.jsonl", *arguments)
    assert code == 2 and err.count("\n") == 1


def test_a_file_that_holds_no_profiles(call: Call, tmp_path: Path) -> None:
    for text in ("nonsense\n", '{"event_type": "purchase"}\n'):
        (tmp_path / "profiles.jsonl").write_text(text)
        code, _, err = call("--profiles", "profiles.jsonl")
        assert code == 2 and "profiles.jsonl:1: " in err
    (tmp_path / "profiles.jsonl").write_text("")
    assert call("--profiles", "profiles.jsonl")[0] == 0


def test_no_broker_is_exit_3(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_BROKER", "127.0.0.1:1")
    code, _, err = call()
    assert code == 3 and err.count("\n") == 1


def test_it_reads_what_a_simulation_writes(call: Call, tmp_path: Path) -> None:
    events = [
        {"event_type": "purchase", "customer_id": "c1", "timestamp": "2026-03-02T12:00:00Z", "order_id": "o1", "total": 10},
        {"event_type": "refund", "customer_id": "c1", "timestamp": "2026-03-02T13:00:00Z", "order_id": "o1", "amount": 10},
        {
            "event_type": "identify",
            "customer_id": "c2",
            "timestamp": "2026-03-02T13:00:00Z",
            "traits": {"email": "x@example.com"},
        },
    ]
    (tmp_path / "events.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in events))
    with pytest.raises(SystemExit):
        main(["simulate", "events.jsonl", "--profiles", "profiles.jsonl"])
    code, out, _ = call("--profiles", "profiles.jsonl", "--json", "--at", "2026-05-01T00:00:00Z")
    counts = {one["name"]: one["count"] for one in orjson.loads(out[out.index("{") :])["findings"]}
    assert code == 0 and (counts["refunds_above_orders"], counts["unseen_30d"], counts["unseen_90d"]) == (0, 2, 0)


# --- the topic --------------------------------------------------------------------------------------------------------------------


class Record:
    def __init__(self, offset: int, key: bytes, value: bytes | None) -> None:
        self.offset, self.key, self.value = offset, key, value


class Topic:
    """A scanner over one partition, read as often as it is asked."""

    def __init__(self, *records: Record) -> None:
        self.records = records

    async def read(self, topic: str, on_progress: object = None) -> Any:
        assert topic == "profiles"
        for record in self.records:
            yield record


def test_of_a_topic_the_newest_record_of_everybody_counts() -> None:
    old, new = (orjson.dumps(person("a", bot=bot)) for bot in (True, False))
    gone = Record(3, b"b", orjson.dumps(person("b"))), Record(4, b"b", None)
    topic = Topic(Record(1, b"a", old), Record(2, b"a", new), *gone, Record(5, b"x", b"nonsense"), Record(6, b"y", b"[]"))

    async def read() -> list[dict[str, Any]]:
        return [record async for record in from_topic(topic)]  # type: ignore[arg-type]

    (record,) = asyncio.run(read())
    assert (record["person_id"], record["bot"]) == ("a", False)
