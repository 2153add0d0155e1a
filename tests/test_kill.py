"""Kill proofs on real Kafka with real worker processes: no message lost, none doubled, nobody reminded of what she has bought.

A run per plan, a few at a time, since they mostly wait. Plans that differ only in when somebody dies are left to `python -m
tests.prove_kills`, which does as many runs of all as asked and records them; `KAIROS_KILL_PLANS=all` plays all here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from app import events
from tests.kafka import faults, run
from tests.kafka.cluster import Cluster
from tests.kafka.logs import Logs, Message
from tests.kafka.run import PLANS, Evidence, Plan, Report

pytestmark = pytest.mark.kafka

LEFT_OUT = () if os.environ.get("KAIROS_KILL_PLANS") == "all" else ("random", "terminated", "rebalances", "both", "no_broker")
PLAYED = [plan for plan in PLANS if plan.name not in LEFT_OUT]
AT_ONCE = 3
SEED = 1


@pytest.fixture(scope="module")
def reports(kafka_broker: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """The runs of all plans that were selected, by name."""
    selected = {item.callspec.params["plan"] for item in request.session.items if item.name.startswith("test_kill[")}  # type: ignore[attr-defined]

    async def all_of_them() -> list[Report]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(plan: Plan) -> Report:
            async with places:
                return await run.run(plan, SEED, kafka_broker, tmp_path_factory.mktemp(plan.name))

        return await asyncio.gather(*(one(plan) for plan in PLAYED if plan in selected))

    return {report.name: report for report in asyncio.run(all_of_them())}


@pytest.mark.parametrize("plan", PLAYED, ids=[plan.name for plan in PLAYED])
def test_kill(plan: Plan, reports: dict[str, Report]) -> None:
    report = reports[plan.name]
    print(report.line)
    assert not report.wrong, "\n".join([*report.log, *report.wrong[:30]])
    assert report.figures["sends"] > 500
    assert report.figures["journal_repeats"] or plan.name not in ("turn_1", "turn_2"), "the crash repeated nothing: it proved nothing"


def test_the_runs_met_what_they_are_to_prove(reports: dict[str, Report]) -> None:
    """Over all of them: on a slow machine whatever waits for one person may fall due at once, and then no cap is asked."""
    for what in ("held_frequency_cap", "held_lost_to_trigger", "refused", "barred", "news"):
        met = [report.figures[what] for report in reports.values()]
        assert not met or sum(met) > 0, f"{what}: never happened, so nothing was proved of it"


@pytest.fixture(scope="module")
def calm(kafka_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """A small run without faults."""

    async def no_fault(scene: faults.Scene) -> None:
        return None

    cluster = Cluster(kafka_broker, f"calm-{tmp_path_factory.getbasetemp().name}-", tmp_path_factory.mktemp("calm"), partitions=2)
    scene = faults.Scene(cluster, None, run.random.Random(5), 4.0, [], [])

    async def gathered() -> Evidence:
        try:
            return await run.gather(Plan("calm", no_fault, noise=200), 5, scene, 80)
        finally:
            cluster.stop()
            await cluster.delete_topics()

    return asyncio.run(gathered())


def test_without_faults_all_is_exact_and_punctual(calm: Evidence) -> None:
    # consumer → profile → trigger → send, over a real Kafka; what the guide keeps in Redis lies in RocksDB and a changelog
    assert calm.wrong + run.judge(calm) == []
    assert calm.figures["send_repeats"] == calm.figures["journal_repeats"] == 0
    assert calm.figures["late_ms_p50"] < 2_000


def changed(calm: Evidence, topic: str, change: Callable[[list[Message]], list[Message]]) -> Evidence:
    """The same evidence with one partition of a topic tampered with: the fullest one."""
    logs: Logs = {name: dict(partitions) for name, partitions in calm.logs.items()}
    partition = max(logs[topic], key=lambda one: len(logs[topic][one]))
    logs[topic][partition] = change(logs[topic][partition])
    return calm._replace(logs=logs, figures={})


def nth(messages: list[Message], wanted: Callable[[Message], Any], n: int = 3) -> int:
    return [place for place, message in enumerate(messages) if wanted(message)][n]


def without(wanted: Callable[[Message], Any], n: int = 3) -> Callable[[list[Message]], list[Message]]:
    return lambda messages: [one for place, one in enumerate(messages) if place != nth(messages, wanted, n)]


def _told(message: Message) -> str | None:
    """The id of an event; links and what breaks the contract have none."""
    value = message.value or b""
    return orjson.loads(value)["event_id"] if message.load != "bad" and value[:1] == b"{" else None


def never_sent(messages: list[Message]) -> list[Message]:
    """As if an event that was applied had never been on the input."""
    one = orjson.loads(messages[nth(messages, lambda one: one.load == "good")].value or b"")["event_id"]
    return [message for message in messages if _told(message) != one]


def is_row(message: Message) -> bool:
    return message.key is not None and message.key[:1] == b"p"


def record(message: Message) -> Any:
    return events.journal.decode(message.value)


def is_event(message: Message) -> bool:
    return isinstance(record(message), events.Event)


def outcome(kind: str) -> Callable[[Message], bool]:
    return lambda message: bool(orjson.loads(message.value or b"")["outcome"] == kind)


def doubled(messages: list[Message]) -> list[Message]:
    """An event applied twice: at the end again, as if it came from a new place."""
    again = messages[nth(messages, is_event)]
    last = messages[-1].offset
    stage, partition, _, _ = again.origin or (0, 0, 0, 0)
    header = ("o", bytes([stage]) + partition.to_bytes(2, "big") + (2**40).to_bytes(8, "big") + bytes(4))
    return [*messages, again._replace(offset=last + 1, headers=(header,))]


def other_bytes(messages: list[Message]) -> list[Message]:
    """A message published twice under one id with two contents."""
    send = orjson.loads(messages[0].value or b"")
    return [*messages, messages[0]._replace(value=orjson.dumps({**send, "subject": "another"}))]


def torn_row(messages: list[Message]) -> list[Message]:
    place = nth(messages, is_row, -1)
    value = messages[place].value or b""
    return [*messages[:place], messages[place]._replace(value=value[:-1] + bytes([value[-1] ^ 1])), *messages[place + 1 :]]


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        ("message_sends", without(bool)),
        ("message_sends", other_bytes),
        ("message_plans", without(bool)),
        ("addressed_plans", without(bool)),
        ("decisions", without(outcome("opened"))),
        ("decisions", without(outcome("cancelled"))),
        ("decisions", without(outcome("sent"))),
        ("dead_letters", without(bool, 0)),
        ("customer_events", never_sent),
        ("journal", without(is_event)),
        ("journal", without(lambda one: isinstance(record(one), events.Conclusion))),
        ("journal", without(lambda one: isinstance(record(one), events.Rendered))),
        ("journal", doubled),
        ("people-changelog", torn_row),
        ("people-changelog", lambda messages: messages[:-1]),
        ("mailboxes-changelog", torn_row),
        ("identifiers-changelog", without(is_row, -1)),
        ("decided-changelog", without(is_row)),
        ("decided-changelog", torn_row),
        ("sent-changelog", without(is_row, 0)),
    ],
    ids=lambda one: one if isinstance(one, str) else getattr(one, "__name__", ""),
)
def test_the_judges_notice(calm: Evidence, topic: str, change: Callable[[list[Message]], list[Message]]) -> None:
    assert run.judge(changed(calm, topic, change))


def test_the_judges_notice_a_commit_that_ran_ahead(calm: Evidence) -> None:
    place = next(place for place in calm.committed if place[0] == "customer_events")
    assert run.judge(calm._replace(committed={**calm.committed, place: calm.committed[place] + 1}, figures={}))


def test_the_judges_notice_a_store_that_lost_a_row(calm: Evidence) -> None:
    lost = [one._replace(rows=dict(list(one.rows.items())[1:])) if one.table == "people" else one for one in calm.stores]
    assert run.judge(calm._replace(stores=lost, figures={}))
