"""The reader of real workers on real Kafka: killed, started again, one of two; what it answers is what the topics say."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from app.domain.identity import person_id
from app.engine import follower as followers
from app.engine.clock import wall_ms
from app.engine.follower import Follower
from app.engine.partition import partition_of
from app.engine.topics import client_options
from app.events import iso
from app.settings import Settings
from tests.kafka import logs, stories
from tests.kafka.cluster import SECRET, Cluster, free_port
from tests.test_insight import Asked, event, produce, until

pytestmark = pytest.mark.kafka
CLOCK = re.compile("as of 20|told up to 20")
"""What says when it was asked: the second question comes later than the first."""
PEOPLE = [f"c{number}" for number in range(12)]


class Reading(Cluster):
    """A cluster whose workers know where the others' readers answer."""

    def env(self, worker: str = "", datadir: Path | None = None) -> dict[str, str]:
        known = [f"127.0.0.1:{one.http}" for one in self.workers.values() if one.http is not None]
        # Its commands are to ask a reader only where they are told to.
        return super().env(worker, datadir) | ({"KAIROS_READER": ",".join(known)} if worker else {})


async def written(cluster: Cluster) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Topic → person → her records, each once, in order."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for topic, partitions in (await logs.read(cluster.broker, cluster.prefix, ("decisions", "message_sends"))).items():
        hers = found.setdefault(topic, {})
        for message in (one for partition in partitions.values() for one in partition):
            told = orjson.loads(message.value or b"")
            mine = hers.setdefault(told["person_id"], [])
            if told not in mine:
                mine.append(told)
    return found


async def agree(cluster: Cluster, asks: list[Asked], people: list[str]) -> None:
    """Every reader that has a person answers with what stands on the topics, and somebody has her."""

    async def differences() -> list[str]:
        truth = await written(cluster)
        wrong = []
        for person in people:
            for what, topic in (("decisions", "decisions"), ("sends", "message_sends")):
                answers = [await ask(f"/reader/people/{person}/{what}") for ask in asks]
                told = [answer[what] for status, answer in answers if status == 200]
                wanted = truth[topic].get(person, [])
                if told != [wanted]:
                    said = [(status, len((answer or {}).get(what, ()))) for status, answer in answers]
                    wrong.append(f"{what} of {person}: {len(wanted)} on the topic, {said}")
        return wrong

    await until(differences, lambda wrong: not wrong)


def same(cluster: Cluster, arguments: list[str], address: str) -> str:
    """What a command says, asked of the topics and of the reader: the same."""
    done = [cluster.command(*arguments, *more) for more in ([], ["--reader", address])]
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    topics, reader = ([line for line in one.stdout.splitlines() if not CLOCK.search(line)] for one in done)
    assert reader == topics
    assert "the topics are read instead" not in done[1].stderr
    return done[0].stdout


async def test_the_reader_says_what_the_topics_say_through_kills_and_two_workers(kafka_broker: str, tmp_path: Path) -> None:
    cluster = Reading(kafka_broker, f"reader-{int(time.time())}-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)
    people = [person_id(SECRET, f"c:{name}") for name in PEOPLE]
    assert {partition_of(one.encode(), 2) for one in people} == {0, 1}
    first, second = cluster.worker("w1"), cluster.worker("w2")
    for worker in (first, second):
        worker.http = free_port()
    async with aiohttp.ClientSession() as session:
        ask, other = Asked(first, session), Asked(second, session)
        try:
            first.start()
            await ready(ask)
            day = [event(n, "identify", who, traits={"email": f"{who}@example.invalid"}) for n, who in enumerate(PEOPLE)]
            day += [event(100 + n, "consent_give", who, purposes=["email", "personalise"]) for n, who in enumerate(PEOPLE[:-2])]
            day += [view(200 + n, who) for n, who in enumerate(PEOPLE)]
            await produce(cluster, "customer_events", day)
            truth = await until(lambda: written(cluster), lambda told: len(told.get("message_sends", {})) == len(PEOPLE) - 2)
            await agree(cluster, [ask], people)
            send_id = next(iter(truth["message_sends"].values()))[0]["send_id"]
            assert (await ask(f"/reader/sends/{send_id}"))[1]["send"]["send_id"] == send_id
            status, told = await until(lambda: ask(f"/reader/people/{PEOPLE[0]}"), lambda answer: (answer[1] or {}).get("profile"))
            assert status == 200 and told["profile"]["customer_id"] == PEOPLE[0]

            # Killed, in the middle of what goes on; and once more, with its disk gone: the changelog has it all.
            await produce(cluster, "customer_events", [view(300 + n, who, "p2") for n, who in enumerate(PEOPLE)])
            first.kill()
            first.start()
            await ready(ask)
            await agree(cluster, [ask], people)
            first.kill()
            shutil.rmtree(first.datadir)
            first.start()
            await ready(ask)
            await agree(cluster, [ask], people)
            assert (await ask("/reader"))[1]["profiles"]
            assert (await ask(f"/reader/people/{PEOPLE[0]}"))[1]["profile"]["customer_id"] == PEOPLE[0]

            # A second worker takes half of the people; who asks the wrong one is told where to go.
            second.start()
            await until(lambda: parts(ask, other), lambda told: sorted(map(len, told)) == [1, 1])
            await agree(cluster, [ask, other], people)
            mine = (await ask("/reader"))[1]["partitions"]
            foreign = next(one for one in people if partition_of(one.encode(), 2) not in mine)
            status, told = await ask(f"/reader/people/{foreign}/decisions")
            assert (status, told["address"]) == (421, f"127.0.0.1:{second.http}")

            # One address is enough, whosever she is; and what `kairos` says does not depend on whom it asks.
            await produce(cluster, "customer_events", [view(400 + n, who, "p3") for n, who in enumerate(PEOPLE)])
            await quiet(cluster)
            await agree(cluster, [ask, other], people)
            address = f"127.0.0.1:{first.http}"
            for who in (people[0], foreign):
                found = orjson.loads(await asyncio.to_thread(same, cluster, ["decisions", "--person", who, "--json"], address))
                hers = sorted((await written(cluster))["decisions"][who], key=lambda one: one["at"])
                assert [one["decision_id"] for one in found["decisions"]] == [one["decision_id"] for one in hers]
            story = await asyncio.to_thread(same, cluster, ["explain", "--person", PEOPLE[0], "--since", "2020-01-01", "--json"], address)
            assert any(one["kind"] == "send" for one in orjson.loads(story)["entries"])
            await asyncio.to_thread(same, cluster, ["explain", "--send", send_id], address)
            assert "no_consent" in await asyncio.to_thread(same, cluster, ["decisions", "--reason", "no_consent"], address)
            digest = orjson.loads(await asyncio.to_thread(same, cluster, ["digest", "--week", iso(wall_ms())[:10], "--json"], address))
            assert digest["this_week"]["sent"] >= len(PEOPLE) - 2 and digest["this_week"]["held_back"]["no_consent"]["steps"] > 0

            # Nobody there to ask: the topics are asked, and it is said.
            first.signal(signal.SIGTERM)
            assert await asyncio.to_thread(first.wait, 30) == 0
            done = await asyncio.to_thread(cluster.command, "decisions", "--person", people[0], "--reader", address)
            assert done.returncode == 0 and "the topics are read instead" in done.stderr
        finally:
            cluster.stop()
            await cluster.delete_topics()


def view(number: int, who: str, product: str = "p1") -> tuple[bytes, bytes]:
    return event(number, "product_view", who, product_id=product, product_name=product.upper(), price=9.5, currency="EUR", dwell_seconds=42)


async def ready(ask: Asked) -> None:
    await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)


async def parts(*asks: Asked) -> list[list[int]]:
    return [((await ask("/reader"))[1] or {}).get("partitions", []) for ask in asks]


async def quiet(cluster: Cluster) -> None:
    """Until every step of every window has ended: nothing more is decided."""

    async def left() -> list[str]:
        return stories.windows(await logs.read(cluster.broker, cluster.prefix, ("decisions",)))

    await until(left, lambda open_steps: not open_steps)


@asynccontextmanager
async def followed(
    cluster: Cluster, topic: str, identity: str, tag: Callable[[bytes], bytes | None] | None = None
) -> AsyncIterator[Follower]:
    place, options = cluster.home / "followed" / topic, client_options(Settings(broker=cluster.broker))
    follower = Follower(f"{cluster.prefix}{topic}", 2, place, identity, options, tag)
    await follower.start()
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.wait([task])
        await follower.stop()


async def test_values_of_a_followed_topic_are_found_by_a_tag(kafka_broker: str, tmp_path: Path) -> None:
    cluster = Cluster(kafka_broker, f"tagged-{int(time.time())}-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)

    def following(by_tag: bool) -> AbstractAsyncContextManager[Follower]:
        return followed(cluster, "products", "cluster", (lambda value: value[:1].strip() or None) if by_tag else None)

    async def found(follower: Follower, **wanted: list[bytes]) -> None:
        async def told() -> dict[str, list[bytes]]:
            return {tag: sorted(follower.alike(tag.encode())) for tag in wanted}

        await until(told, lambda answer: answer == wanted and follower.caught_up)

    await produce(cluster, "products", [(b"s", b"a small"), (b"l", b"a large"), (b"lamp", b"b lamp"), (b"alone", b" alone")])
    async with following(False) as follower:
        await until(lambda: asyncio.sleep(0, follower.get(b"lamp")), lambda value: value is not None)
    async with following(True) as follower:  # kept without tags so far
        await found(follower, a=[b"a large", b"a small"], b=[b"b lamp"], c=[])
        await produce(cluster, "products", [(b"s", None), (b"l", b"c large"), (b"lamp", b"b lamp, dimmed")])
        await found(follower, a=[], b=[b"b lamp, dimmed"], c=[b"c large"])
    assert follower.alike(b"b") == [], "nothing is open any more"


async def test_a_followed_topic_is_its_newest_values_through_stops_and_a_long_absence(
    kafka_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(kafka_broker, f"followed-{int(time.time())}-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)

    def following(identity: str = "cluster") -> AbstractAsyncContextManager[Follower]:
        return followed(cluster, "profiles", identity)

    async def has(follower: Follower, **wanted: bytes | None) -> None:
        async def found() -> dict[str, bytes | None]:
            return {name: follower.get(name.encode()) for name in wanted}

        await until(found, lambda told: told == wanted and follower.caught_up)

    try:
        await produce(cluster, "profiles", [(b"ann", b"1"), (b"ben", b"1"), (b"ann", b"2")])
        async with following() as follower:
            await has(follower, ann=b"2", ben=b"1", eve=None)
            await produce(cluster, "profiles", [(b"ann", None), (b"eve", b"1")])
            await has(follower, ann=None, ben=b"1", eve=b"1")
        assert follower.get(b"ben") is None, "nothing is open any more"
        await produce(cluster, "profiles", [(b"ben", b"2")])
        async with following() as follower:
            assert follower.get(b"eve") == b"1", "what was kept is there before anything is read"
            await has(follower, ann=None, ben=b"2", eve=b"1")
        monkeypatch.setattr(followers, "LEFT_MS", -1)
        async with following() as follower:
            await has(follower, ann=None, ben=b"2", eve=b"1")
        monkeypatch.undo()
        async with following("another cluster") as follower:
            await has(follower, ann=None, ben=b"2", eve=b"1")
    finally:
        await cluster.delete_topics()
