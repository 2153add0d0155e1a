"""Small parts of the engine that need no broker: where reading starts, the low-water mark, the watchdog, quiet logs, failpoints, fences."""

from __future__ import annotations

import ast
import logging
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from app.engine import watchdog as watching
from app.engine.commit import Abandon
from app.engine.failpoints import Failpoints
from app.engine.fence import Fence
from app.engine.membership import member_id, on_loopback
from app.engine.pace import ENTRY, INNER, Way, pace
from app.engine.quiet import BURST, Sparing
from app.engine.recovery import starts_at
from app.engine.rounds import Rounds
from app.settings import Settings

PLACE = TP("journal", 0)


@pytest.mark.parametrize(
    ("committed", "first", "applied", "start"),
    [
        (None, 0, -1, 0),  # a new cluster
        (None, 7, -1, 7),  # joined late, nothing kept yet
        (40, 0, 59, 60),  # state is ahead of the last commit: nothing is read twice
        (None, 0, 59, 60),  # the group's offsets expired, the state did not
        (40, 0, None, 40),  # control keeps no state
        (None, 3, None, 3),
    ],
)
def test_reading_starts_after_what_the_state_contains(committed: int | None, first: int, applied: int | None, start: int) -> None:
    # A.25 fault 3
    assert starts_at(PLACE, committed, first, applied) == start


def test_no_consumer_of_the_engine_starts_where_the_client_pleases() -> None:
    """A.25 fault 3: the guide's consumer has neither group nor offset, so it begins at the end and loses what came while it was down.

    The worker's has its group; each other is told its partitions. None has a place to fall back on: without a committed or named offset
    a client stops, and where reading starts is said by `starts_at` (above).
    """
    found: dict[str, dict[str, str]] = {}
    for file in sorted(Path("app/engine").glob("*.py")):
        source = file.read_text("utf-8")
        for call in ast.walk(ast.parse(source)):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("AIOKafkaConsumer"):
                found[file.stem] = {one.arg: ast.unparse(one.value) for one in call.keywords if one.arg is not None}
                asks_only = ".end_offsets(" in source and not re.search(r"\.(getmany|getone|seek|assign)\(", source)
                assert found[file.stem]["enable_auto_commit"] == "False", file
                assert found[file.stem].get("auto_offset_reset") == "'none'" or asks_only, file
    assert len(found) >= 5 and found["transport"]["group_id"] == "conf.id"
    assert [name for name, told in found.items() if "group_id" in told] == ["transport"]


def test_state_behind_the_commit_is_lost_state() -> None:
    assert starts_at(PLACE, 60, 0, 59) == 60
    with pytest.raises(RuntimeError, match="lost state"):
        starts_at(PLACE, 61, 0, 59)


def test_the_mark_waits_for_the_slowest_partition_and_one_round_more() -> None:
    rounds = Rounds()
    rounds.note(1000, {0: 5, 1: 0})
    rounds.report({0: 4}, 1010)
    rounds.note(2000, {0: 5, 1: 9})
    assert rounds.low_water == 0
    rounds.report({0: 5}, 2010)
    assert rounds.low_water == 0, "a re-keyed record of the first round may still be on its way"
    rounds.note(3000, {0: 5, 1: 9})
    rounds.report({1: 8}, 3010)
    assert rounds.low_water == 0
    rounds.report({1: 9}, 3020)
    assert rounds.low_water == 1000
    assert rounds.behind() == {}


def test_an_operator_may_leave_a_partition_out() -> None:
    rounds = Rounds()
    for at in range(1000, 6000, 1000):
        rounds.note(at, {0: 1, 1: 1})
        rounds.report({0: 1}, at + 10)
    assert rounds.low_water == 0
    rounds.leave_out(1, 20_000)
    for at in range(6000, 10_000, 1000):
        rounds.note(at, {0: 1, 1: 1})
        rounds.report({0: 1}, at + 10)
    assert rounds.low_water >= 7000
    rounds.leave_out(1, 0)
    before = rounds.low_water
    for at in range(10_000, 14_000, 1000):
        rounds.note(at, {0: 1, 1: 1})
        rounds.report({0: 1}, at + 10)
    assert rounds.low_water <= before + 3000


class Engine:
    """What the watchdog looks at."""

    def __init__(self) -> None:
        self.lanes = SimpleNamespace(turns=0, waiting=lambda: True, check_missing=lambda: None)
        self.fatal_messages: list[str] = []
        self.ready = True

    def fatal(self, message: str, error: Any) -> None:
        self.fatal_messages.append(message)

    def is_ready(self) -> bool:
        return self.ready

    def restoring(self) -> bool:
        return False


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_S", 0.01)
    monkeypatch.setattr(watching, "STUCK_S", 5)


def watched(engine: Engine, step: Any) -> list[str]:
    dog = watching.Watchdog(engine)
    dog.start()
    until = time.monotonic() + 0.4
    while time.monotonic() < until and not engine.fatal_messages:
        step(dog)
        time.sleep(0.005)
    dog.stop()
    return engine.fatal_messages


def test_the_watchdog_ends_a_worker_whose_event_loop_hangs(fast: None) -> None:
    assert "event loop" in watched(Engine(), lambda dog: None)[0]


def test_the_watchdog_ends_a_worker_that_finishes_nothing_while_the_broker_answers(fast: None) -> None:
    def beating(dog: watching.Watchdog) -> None:
        dog.beats += 1
        dog.broker_answered_at, dog.lag = time.monotonic(), 3

    assert "no finished turn" in watched(Engine(), beating)[0]


def test_the_watchdog_leaves_progress_and_outages_alone(fast: None) -> None:
    engine = Engine()

    def working(dog: watching.Watchdog) -> None:
        dog.beats += 1
        dog.broker_answered_at, dog.lag = time.monotonic(), 3
        engine.lanes.turns += 1

    def cut_off(dog: watching.Watchdog) -> None:
        dog.beats += 1
        dog.broker_answered_at = time.monotonic() - 60

    assert watched(engine, working) == []
    assert watched(Engine(), cut_off) == []


def test_an_outage_fills_no_log() -> None:
    sparing = Sparing()
    records = [logging.LogRecord("aiokafka", logging.ERROR, "", 0, "Unable to connect to %s", ("b",), None) for _ in range(1000)]
    assert sum(sparing.filter(one) for one in records) == BURST
    other = logging.LogRecord("aiokafka", logging.ERROR, "", 0, "another", (), None)
    assert sparing.filter(other)


def test_a_failpoint_kills_at_its_nth_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kills: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, sign: kills.append(sign))
    points = Failpoints("acked:3")
    for _ in range(2):
        points.reach("acked")
    points.reach("stepped")
    assert kills == []
    points.reach("acked")
    assert kills == [9]


def test_a_fence_is_closed_by_a_revoke_a_new_generation_or_a_stale_lease() -> None:
    fence = Fence(6.0)
    fence.app = SimpleNamespace(rebalancing=False, consumer_generation_id=4)
    with pytest.raises(Abandon):
        fence.check(4)
    fence.open()
    fence.check(4)
    fence.app.consumer_generation_id = 5
    with pytest.raises(Abandon):
        fence.check(4)
    fence.check(5)
    fence.sent_at -= 4.1  # two thirds of a session of 6 s
    with pytest.raises(Abandon):
        fence.check(5)
    fence.open()
    fence.app.rebalancing = True
    with pytest.raises(Abandon):
        fence.check(5)
    fence.app.rebalancing = False
    fence.close()
    with pytest.raises(Abandon):
        fence.check(5)


def test_who_a_worker_is(tmp_path: Any) -> None:
    assert on_loopback(Settings(broker="127.0.0.1:9092, localhost:9093"))
    assert not on_loopback(Settings(broker="127.0.0.1:9092,kafka.example:9092"))
    assert member_id(Settings(worker_id="shop/1"), tmp_path) == "shop-1"
    assert member_id(Settings(), tmp_path / "a") != member_id(Settings(), tmp_path / "b")
    assert member_id(Settings(), tmp_path / "a") == member_id(Settings(), tmp_path / "a")


async def test_what_outsiders_write_is_asked_for_apart_and_positions_under_the_brokers_own_id() -> None:
    placed = {"customer_events", "journal"}
    state = SimpleNamespace(state_value=lambda place: SimpleNamespace(has_valid_position=place.topic in placed))
    asked: list[tuple[int, int]] = []

    async def send(broker: int, request: Any, group: int = 0) -> None:
        asked.append((broker, group))

    fetcher = SimpleNamespace(
        _select_read_replica=lambda place: 3,
        _client=SimpleNamespace(send=send, cluster="theirs"),
        _subscriptions=SimpleNamespace(subscription=SimpleNamespace(assignment=state)),
    )
    pace(fetcher, {"customer_events"})
    ways = [fetcher._select_read_replica(TP(topic, 0)) for topic in ("customer_events", "journal", "message_plans")]
    assert ways == [Way(3, ENTRY), Way(3, INNER), 3]
    begun = time.monotonic()
    for way in (*ways, ways[1]):
        await fetcher._client.send(way, None)
    assert asked == [(3, ENTRY), (3, INNER), (3, 0), (3, INNER)] and fetcher._client.cluster == "theirs"
    assert time.monotonic() - begun >= 0.005  # the second over one way has waited
