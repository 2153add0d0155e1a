"""The reader: every decision and message is one row by day, a person's and a week's are found, what is too old goes in one piece."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from faust.types import TP
from hypothesis import given, settings
from hypothesis import strategies as st

from app import events
from app.agents.reader_program import ReaderProgram, day_number, decision_program, send_program
from app.domain.identity import person_id
from app.domain.sought import Sought
from app.edges import reader as reading
from app.edges.reader import Reader
from app.edges.reader_http import ReaderHttp
from app.engine.origin import pack_origin
from app.engine.partition import partition_of
from app.engine.program import Output
from app.engine.recovery import starts_at
from app.engine.simulation import Logged
from app.engine.store import PartitionStore
from app.engine.topics import FORGETS_AFTER_DAYS, changelog_config
from app.engine.turn import MAX_VALUE, Turn
from app.events import Decision, PolicyName, Send
from app.flow import DAY_MS, DECISIONS_DAYS, SENDS_DAYS, TABLES, TOPICS, Stage, Table
from app.settings import Settings

NOON = 1_772_452_800_000
"""2026-03-02T12:00:00Z."""
PARTITIONS = 2
HEX = "0123456789abcdef"


def decision(number: int, person: str = "ann", at: int = NOON, **more: Any) -> Decision:
    told = {
        "trigger": "welcome",
        "step": 0,
        "outcome": "not_sent",
        "reason": "no_consent",
        "due_at": None,
        "cause": ["e1"],
        "values": {},
        "send_id": None,
        "window_id": f"w{number}",
        "customer_id": f"c-{person}",
        **more,
    }
    return Decision(decision_id=f"d{number}", person_id=person, at=events.iso(at), policy=PolicyName("merged", "1"), **told)


def send(number: int, person: str = "ann", at: int = NOON, html: str = "<p>") -> Send:
    stamp = events.iso(at)
    return Send(
        send_id=f"s{number}",
        window_id=f"w{number}",
        person_id=person,
        customer_id=person,
        channel="email",
        trigger="welcome",
        step=0,
        message="welcome",
        policy=PolicyName("merged", "1"),
        opened_at=stamp,
        due_at=stamp,
        decided_at=stamp,
        expires_at=stamp,
        to={"email": "a@example.invalid", "name": None},
        from_="shop",
        reply_to=None,
        subject="Hello",
        preheader="",
        html=html,
        text="",
        headers={},
        arms=[],
        offer=None,
        recommendations=[],
        cause=["e1"],
        versions={},
    )


class Lane:
    """One of the reader's lanes over a RocksDB of its own."""

    def __init__(self, path: Path, program: ReaderProgram, table: Table) -> None:
        self.owner = PartitionStore.open(path, "cluster")
        self.store = self.owner.table(table.name, table.prefix, table.kept_days)
        self.turn = Turn(program, 0, self.store)
        self.lines: list[Logged] = []
        self.done = 0
        self.written: list[bytes] = []
        """Row keys, in the order of their writes."""

    def feed(self, record: Decision | Send | bytes, origin: int | None = None) -> None:
        value = record if isinstance(record, bytes) else events.encode_json(record)
        headers = [] if origin is None else pack_origin(Stage.LANE, 0, origin, 0)
        self.lines.append(Logged(len(self.lines), 0, b"x", value, headers))

    def run(self, *, crash: bool = False) -> list[Output]:
        outputs: list[Output] = []
        for segment in self.turn.segments(self.lines[self.done :]):
            outputs += segment.outputs
            if crash:
                return outputs
            self.store.keep(segment.rows, segment.marks, 0)
            self.written += [row.key for row in segment.rows]
        self.done = len(self.lines)
        return outputs


@pytest.fixture
def decided(tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(tmp_path / "partition-0", decision_program(), TABLES["decided"])
    yield lane
    lane.owner.close()


def a_worker(lane: Lane, partitions: int = 1, held: tuple[int, ...] = (0,), **more: Any) -> Any:
    """What the reader needs of a worker, over one store for all its partitions."""
    profiles = SimpleNamespace(get=more.pop("profiles", {}).get, caught_up=True)
    stores = SimpleNamespace(
        held=lambda name: list(held),
        table=lambda table, partition: lane.owner.table(table.name, table.prefix, table.kept_days),
    )
    return SimpleNamespace(
        role="insight",
        is_ready=lambda: more.get("ready", True),
        stores=stores,
        followers={"profiles": profiles},
        lags={},
        settings=Settings(partitions=partitions, read_keys=more.get("keys", ""), reader=more.get("reader", "")),
    )


def ids(rows: list[bytes]) -> list[str]:
    return [orjson.loads(row)["decision_id"] for row in rows]


# --- rows ---------------------------------------------------------------------------------------------------------------------


def test_a_person_has_her_decisions_in_the_order_of_their_topic_in_the_bytes_they_were_written(decided: Lane) -> None:
    told = [decision(3), decision(1, "ben"), decision(2, at=NOON - DAY_MS), decision(9, "an"), decision(0, "anna")]
    for one in told:
        decided.feed(one)
    assert decided.run() == []
    reader = Reader(a_worker(decided))
    assert reader.decisions("ann") == [events.encode_json(told[0]), events.encode_json(told[2])]
    assert ids(reader.decisions("ann", Sought(since=events.iso(NOON)))) == ["d3"]
    assert reader.decisions("nobody") == []


def test_a_decision_costs_one_row_however_many_she_has(decided: Lane) -> None:
    for number in range(300):
        decided.feed(decision(number, values={"seen": "x" * 2_000}))
    decided.run()
    assert len(decided.written) == len(set(decided.written)) == 300, "no row is written again"
    assert len(Reader(a_worker(decided)).decisions("ann")) == 300
    assert MAX_VALUE < 300 * 2_000, "they would not have fitted in one row"


def test_a_decision_repeated_after_a_crash_is_kept_once(decided: Lane) -> None:
    decided.feed(decision(1), origin=5)
    decided.run(crash=True)
    decided.run()
    decided.feed(decision(1), origin=5)  # its lane wrote it again
    decided.feed(decision(1), origin=6)  # as nobody should; the key is the same
    decided.run()
    assert ids(Reader(a_worker(decided)).decisions("ann")) == ["d1"] and len(decided.written) == 1


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"decision_id":"d","person_id":"p","at":"yesterday"}', b'{"decision_id":1}'])
def test_what_is_no_decision_is_buried_and_the_rest_goes_on(decided: Lane, value: bytes) -> None:
    decided.feed(value)
    decided.feed(decision(1))
    (letter,) = decided.run()
    told = orjson.loads(letter.value)
    assert (letter.topic, told["reason"], told["stage"], told["topic"]) == ("dead_letters", "undecodable", "decision_reader", "decisions")
    assert ids(Reader(a_worker(decided)).decisions("ann")) == ["d1"]


def test_a_decision_too_large_for_a_row_is_buried(decided: Lane) -> None:
    decided.feed(decision(1, values={"seen": "x" * 300_000}))
    decided.feed(decision(2))
    (letter,) = decided.run()
    assert orjson.loads(letter.value)["reason"] == "too_large"
    assert ids(Reader(a_worker(decided)).decisions("ann")) == ["d2"]


def test_what_is_older_than_ninety_days_goes_and_nothing_else(decided: Lane) -> None:
    for day in range(0, DECISIONS_DAYS + 20, 5):
        decided.feed(decision(day, at=NOON + day * DAY_MS))
        decided.run()
    last = DECISIONS_DAYS + 15
    kept = [day for day in range(0, DECISIONS_DAYS + 20, 5) if day >= last - DECISIONS_DAYS]
    assert ids(Reader(a_worker(decided)).decisions("ann")) == [f"d{day}" for day in kept]
    assert sum(key[:1] == b"p" for key, _ in decided.store.rows()) == len(kept), "not only hidden: gone"


def test_one_late_row_of_an_old_day_takes_nothing_away(decided: Lane) -> None:
    decided.feed(decision(1, at=NOON))
    decided.run()
    decided.feed(decision(2, at=NOON - 40 * DAY_MS))
    decided.run()
    assert ids(Reader(a_worker(decided)).decisions("ann")) == ["d1", "d2"]


def test_messages_are_found_by_their_id_and_by_whose_they_are(tmp_path: Path) -> None:
    lane = Lane(tmp_path / "partition-0", decision_program(), TABLES["decided"])
    messages = Lane(tmp_path / "other", send_program(), TABLES["sent"])
    try:
        sent = [send(1, html="<p>" * 200_000), send(2, "ben"), send(3, at=NOON + DAY_MS)]
        for one in sent:
            messages.feed(one)
            lane.feed(decision(int(one.send_id[1:]), one.person_id, NOON + DAY_MS, outcome="sent", reason=None, send_id=one.send_id))
        lane.run()
        assert messages.run() == [], "half a MB of HTML is no large row once it is packed"
        worker = a_worker(lane)
        owners = {"decided": lane, "sent": messages}
        worker.stores.table = lambda table, partition: owners[table.name].store
        reader = Reader(worker)
        assert reader.send("s1") == events.encode_json(sent[0]) and reader.send("s9") is None
        assert reader.sends("ann") == [events.encode_json(sent[0]), events.encode_json(sent[2])]
        messages.feed(send(4, at=NOON + (SENDS_DAYS + 1) * DAY_MS))
        messages.run()
        assert reader.send("s1") is None and reader.send("s3") is not None, "they go when message_sends no longer has them"
    finally:
        lane.owner.close()
        messages.owner.close()


def test_the_store_forgets_no_sooner_than_the_topic_and_the_changelog_no_sooner_than_the_store() -> None:
    for name, topic in (("decided", "decisions"), ("sent", "message_sends")):
        kept = TABLES[name].kept_days * DAY_MS
        assert kept == int(TOPICS[topic].config["retention.ms"])
        config = changelog_config(TABLES[name])
        assert config["cleanup.policy"] == "compact,delete" and int(config["retention.ms"]) == kept + FORGETS_AFTER_DAYS * DAY_MS
    assert changelog_config(TABLES["people"])["cleanup.policy"] == "compact"


def test_who_finds_nothing_of_itself_reads_what_its_topic_still_has() -> None:
    place = TP("decisions", 0)
    assert starts_at(place, None, 7, -1, forgets=True) == 7
    assert starts_at(place, 900, 7, -1, forgets=True) == 7, "its changelog has gone by age: no state is lost that the topic has not lost"
    assert starts_at(place, 900, 7, 899, forgets=True) == 900
    assert starts_at(place, 900, 7, 880, forgets=True) == 881
    assert starts_at(place, 10, 40, 12, forgets=True) == 40, "away for longer than the topic keeps: what is gone is gone for everybody"
    with pytest.raises(RuntimeError):
        starts_at(place, 900, 7, 880)


# --- everybody's, page by page ------------------------------------------------------------------------------------------------


@settings(deadline=None)  # each opens a RocksDB
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["ann", "ben", "b"]), st.integers(0, 9), st.sampled_from(["welcome", "cart"])),
        max_size=40,
        unique_by=lambda one: one[0],
    ),
    st.integers(1, 7),
    st.integers(0, 9),
    st.integers(0, 9),
    st.sampled_from([None, "cart"]),
)
def test_pages_together_are_what_was_asked_for(told: list[Any], page: int, since: int, until: int, trigger: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PAGE", page)
        lane = Lane(Path(folder) / "partition-0", decision_program(), TABLES["decided"])
        try:
            for number, person, day, name in told:
                lane.feed(decision(number, person, NOON + day * DAY_MS, trigger=name))
            lane.run()
            reader = Reader(a_worker(lane))
            sought = Sought(trigger=trigger, since=events.iso(NOON + since * DAY_MS), until=events.iso(NOON + until * DAY_MS))
            found: list[str] = []
            after = b""
            while True:
                part = reader.page(0, sought, after)
                found += ids(part.rows)
                if part.after is None:
                    break
                after = part.after
            wanted = [n for n, _, day, name in told if since <= day < until and trigger in (None, name)]
            assert sorted(found) == sorted(f"d{n}" for n in wanted)
        finally:
            lane.owner.close()


# --- over HTTP ----------------------------------------------------------------------------------------------------------------


class Asking:
    """A client of the reader's HTTP."""

    def __init__(self, worker: Any, host: str = "127.0.0.1") -> None:
        app = web.Application()
        app.add_routes(ReaderHttp(worker, host).routes())
        self._client: Any = TestClient(TestServer(app))

    async def __aenter__(self) -> Asking:
        await self._client.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._client.server.port}"

    async def __call__(self, path: str, key: str | None = None, **headers: str) -> tuple[int, Any]:
        told = {**headers, **({} if key is None else {"Authorization": key})}
        async with self._client.get(path, headers=told) as answer:
            return answer.status, await answer.json()


SECRET = Settings().secret
ANN, BEN = (person_id(SECRET, f"c:{name}") for name in ("ann", "ben"))


async def test_she_is_found_by_each_of_her_names_with_profile_and_decisions(decided: Lane) -> None:
    decided.feed(decision(1, ANN))
    decided.feed(decision(2, ANN, reason="frequency_cap", outcome="held"))
    decided.run()
    profile = {"person_id": ANN, "orders": 3}
    async with Asking(a_worker(decided, profiles={ANN.encode(): orjson.dumps(profile)})) as ask:
        for name in ("ann", ANN):
            assert await ask(f"/reader/people/{name}") == (200, {"person_id": ANN, "profile": profile, "decisions": 2})
        status, told = await ask("/reader/people/ann/decisions?reason=frequency_cap")
        assert status == 200 and [one["decision_id"] for one in told["decisions"]] == ["d2"]
        for query in ("trigger=other", "outcome=sent", "since=2026-03-03", "until=2026-03-01"):
            assert (await ask(f"/reader/people/ann/decisions?{query}"))[1]["decisions"] == []
        assert (await ask("/reader/people/nobody"))[0] == 404
        assert (await ask("/reader/people/ann/decisions?since=soon"))[0] == 400
        assert (await ask("/reader/sends/none"))[0] == 404
        assert (await ask("/reader/decisions?partition=x"))[0] == 400
        assert (await ask("/reader/decisions?partition=7"))[0] == 400
        assert (await ask("/reader/decisions?partition=0&after=%21"))[0] in (200, 400)
        status, told = await ask("/reader/decisions?partition=0&outcome=held")
        assert status == 200 and [one["decision_id"] for one in told["decisions"]] == ["d2"] and told["after"] is None


async def test_what_no_decision_can_be_and_filters_that_are_none_are_refused(decided: Lane) -> None:
    decided.feed(decision(1, ANN))
    decided.run()
    async with Asking(a_worker(decided)) as ask:
        hers, all_of_them = "/reader/people/ann/decisions?", "/reader/decisions?partition=0&"
        for path in (hers, all_of_them):
            for query, word in (
                ("foo=1", "foo"),
                ("outcome=zzz", "not_sent"),
                ("reason=zzz", "frequency_cap"),
                ("trigger=Zzz!", "snake_case"),
                ("since=2026-03-03&until=2026-03-03", "nothing lies between"),
            ):
                status, told = await ask(path + query)
                assert (status, told["code"]) == (400, "bad_query") and word in told["message"]
            assert (await ask(f"{path}outcome=&reason="))[0] == 200, "an empty filter is none"
        for path in ("/reader/people/ann?after=x", "/reader/people/ann/sends?outcome=sent", "/reader/sends/s1?exact=1"):
            assert (await ask(path))[0] == 400


async def test_a_page_has_what_one_instant_brought_in_the_order_of_its_topic(decided: Lane) -> None:
    told = [decision(number, ANN) for number in (7, 3, 9, 1)]
    for one in told:
        decided.feed(one)
    decided.run()
    async with Asking(a_worker(decided)) as ask:
        _, page = await ask("/reader/decisions?partition=0")
    assert [one["decision_id"] for one in page["decisions"]] == ["d7", "d3", "d9", "d1"]


@pytest.mark.parametrize("hashed", [False, True])
async def test_with_read_keys_each_question_needs_one(decided: Lane, hashed: bool) -> None:
    key = "k1"
    stored = "sha256:" + hashlib.sha256(key.encode()).hexdigest() if hashed else key
    keys = f"other, {stored}"
    async with Asking(a_worker(decided, keys=keys), "0.0.0.0") as ask:
        assert (await ask("/reader/people/ann"))[0] == 401
        for wrong in (key, f"Basic {key}", "Bearer", "Bearer k2", f"Bearer {stored}x"):
            assert (await ask("/reader/people/ann", wrong))[0] == 401, wrong
        assert (await ask(f"/reader/people/ann?key={key}"))[0] == 401, "other places do not count"
        assert (await ask("/reader/people/ann", f"Bearer {key}"))[0] == 404
        assert (await ask("/reader"))[0] == 200, "it names nobody"


async def test_without_read_keys_only_loopback_is_answered_and_no_web_page(decided: Lane) -> None:
    async with Asking(a_worker(decided), "0.0.0.0") as ask:
        assert (await ask("/reader/people/ann"))[1]["code"] == "no_read_keys"
    async with Asking(a_worker(decided)) as ask:
        assert (await ask("/reader/people/ann"))[0] == 404
        status, told = await ask("/reader/people/ann", Host="evil.example")
        assert (status, told["code"]) == (403, "foreign_host")


async def test_who_belongs_to_another_worker_is_sent_there(tmp_path: Path) -> None:
    lanes = [Lane(tmp_path / f"partition-{number}", decision_program(), TABLES["decided"]) for number in range(PARTITIONS)]
    try:
        for who in (ANN, BEN):
            mine = lanes[partition_of(who.encode(), PARTITIONS)]
            mine.feed(decision(1, who))
            mine.run()
        here, there = partition_of(ANN.encode(), PARTITIONS), 1 - partition_of(ANN.encode(), PARTITIONS)
        async with Asking(a_worker(lanes[there], PARTITIONS, (there,))) as other:
            worker = a_worker(lanes[here], PARTITIONS, (here,), reader=f"127.0.0.1:1, {other.address}")
            async with Asking(worker) as ask:
                assert (await ask(f"/reader/people/{ANN}/decisions"))[0] == 200
                status, told = await ask(f"/reader/decisions?partition={there}")
                assert (status, told["code"], told["address"]) == (421, "elsewhere", other.address)
                assert (await ask("/reader/sends/unknown"))[0] == 421
            alone = a_worker(lanes[here], PARTITIONS, (here,))
            async with Asking(alone) as ask:
                status, told = await ask(f"/reader/decisions?partition={there}")
                assert status == 421 and "address" not in told, "who it is, is not known"
    finally:
        for lane in lanes:
            lane.owner.close()


async def test_a_worker_that_restores_says_so(decided: Lane) -> None:
    async with Asking(a_worker(decided, ready=False)) as ask:
        for path in ("/reader/people/ann", "/reader/sends/s1", "/reader/decisions?partition=0"):
            assert (await ask(path))[0] == 503
        assert (await ask("/reader"))[1] == {"ready": False, "partitions": [], "of": 1, "lag": 0, "profiles": True, "readers": []}


def test_days_are_numbered_from_1970() -> None:
    assert day_number("1970-01-02") == 1 and day_number(events.iso(NOON)[:10]) == NOON // DAY_MS
    with pytest.raises(ValueError, match="yesterday"):
        day_number("yesterday")
