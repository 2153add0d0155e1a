"""What operators see: counts by trigger and reason, health that means progress, and a page without anybody's name on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import events
from app.agents.core import Core
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain.trigger import Pack
from app.edges.health import Health
from app.edges.metrics import Metrics
from app.engine.counts import LATE_S, MAX_TRIGGERS, OTHER, Counts, Spread
from app.engine.program import Output
from app.engine.rows import NEVER, Row
from app.engine.simulation import Simulation
from app.events import Decision, PolicyName
from app.policy.pack import compile_artifact
from app.settings import Settings
from tests.kafka import load
from tests.kafka.cluster import Broker, Cluster, free_port
from tests.shop import HOUR, MONDAY, artifact

HERS = ("ann", "ann@example.com")


class Shop:
    """The three programs of a worker over virtual time, counting into one object."""

    def __init__(self) -> None:
        ref, data = artifact("s1")
        packs: dict[str, Pack] = {ref: compile_artifact(ref, data)}
        self.counts = Counts()
        intake = IntakeProgram("secret", 5000, partition_of_key=lambda key: 0, counts=self.counts)
        lane = PersonProgram(packs.__getitem__, counts=self.counts)
        renderer = RendererProgram(packs.__getitem__, "secret", "https://shop.example", counts=self.counts)
        self.outputs: list[Output] = []
        postmaster = PostmasterProgram(self.counts)
        self._simulation = Simulation(intake, lane, postmaster, renderer, lambda topic, output: self.outputs.append(output))
        self._simulation.activate(MONDAY, ref)
        self._count = 0

    def does(self, event_type: str, at: int, **properties: Any) -> None:
        self._count += 1
        event = {"event_id": f"e{self._count}", "event_type": event_type, "customer_id": "ann"}
        stamp = events.iso(MONDAY + at)
        value = events.encode_json({**event, "timestamp": stamp, "properties": properties})  # type: ignore[arg-type]
        self._simulation.feed(MONDAY + at, b"ann", value)

    def introduces_herself(self) -> None:
        self.does("identify", 0, traits={"email": "ann@example.com", "first_name": "Ann"})
        self.does("consent_give", 0, purposes=["email", "personalise"])

    def views(self, at: int) -> None:
        self.does("product_view", at, product_id="p1", product_name="Shoe", price=89.0, category="shoes", dwell_seconds=42)

    def later(self, hours: float) -> None:
        self._simulation.run_until(MONDAY + int(hours * HOUR))


def test_a_view_a_message_and_a_follow_up_that_she_bought_her_way_out_of() -> None:
    shop = Shop()
    shop.introduces_herself()
    shop.views(1000)
    shop.later(3)
    shop.does("purchase", 4 * HOUR, order_id="o1", total=89.0, products=[{"product_id": "p1", "price": 89.0, "quantity": 1}])
    shop.later(5)
    seen = {key: count for key, count in shop.counts.decisions.items() if key[1] == "product_page_abandonment"}
    assert seen[("opened", "product_page_abandonment", "")] == 1
    assert seen[("sent", "product_page_abandonment", "")] == 1
    assert seen[("cancelled", "product_page_abandonment", "cancelled_by_event")] == 1
    decisions = [one for one in shop.outputs if one.topic == "decisions"]
    assert sum(shop.counts.decisions.values()) == len(decisions), "counted is what was published, no more and no less"
    assert shop.counts.intake["accepted"] == 4


def test_who_gave_no_consent_is_a_non_send_with_its_reason() -> None:
    shop = Shop()
    shop.views(1000)
    shop.later(3)
    assert shop.counts.decisions["not_sent", "product_page_abandonment", "no_consent"] == 2, "the message and its follow-up"
    assert not any(outcome == "sent" for outcome, _, _ in shop.counts.decisions)


def test_a_record_that_breaks_its_contract_is_a_dead_letter_by_stage_and_reason() -> None:
    shop = Shop()
    shop.does("product_view", 0, product_id="p1", price="cheap")
    assert shop.counts.letters == {("intake", "contract"): 1}


def decision(trigger: str) -> Decision:
    return Decision("d", "w", "ann", "ann@example.com", trigger, 0, "opened", None, "", None, [], {}, PolicyName("s1", "1"), None)


def test_packs_may_name_as_many_triggers_as_they_like_labels_stay_few() -> None:
    counts = Counts()
    for n in range(MAX_TRIGGERS + 50):
        counts.decided(decision(f"t{n}"))
        counts.decided(decision("t0"))
    assert len(counts.decisions) == MAX_TRIGGERS + 1
    assert counts.decisions["opened", OTHER, ""] == 50
    assert counts.decisions["opened", "t0", ""] == MAX_TRIGGERS + 51


def test_a_timer_is_as_late_as_its_row_says() -> None:
    # the delay between what is due and what goes out is measured all the time, not now and then
    counts = Counts()
    counts.woke([Row(b"pann", b"", 9_000, 1_000), Row(b"hann", b"", NEVER, NEVER), Row(b"pbob", b"", NEVER, 2_400)], 2_500)
    assert sum(counts.lateness.counts) == 2, "the second row of a person waits for nothing"
    assert counts.lateness.sum == pytest.approx(1.6)
    assert counts.lateness.counts[LATE_S.index(0.25)] == counts.lateness.counts[LATE_S.index(1.5)] == 1


def test_a_spread_counts_its_bounds_inclusively() -> None:
    spread = Spread((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        spread.observe(seconds)
    assert (spread.counts, spread.sum) == ([2, 1, 1], 12.0)


async def test_a_turn_is_timed_when_it_ends_and_not_when_it_is_given_up() -> None:
    counts = Counts()

    async def work(records: list[Any], last: int) -> None:
        if not records:
            raise RuntimeError("the lease ran out")

    start, timed = counts.timing(lambda topic, partition, generation: (7, work))("x.journal", 0, 1)
    await timed([1, 2, 3], 9)
    with pytest.raises(RuntimeError):
        await timed([], 9)
    assert start == 7
    assert counts.records == {"x.journal": 3}
    assert sum(counts.turns["x.journal"].counts) == 1


# --- the page ------------------------------------------------------------------------------------------------------------------------


async def samples(core: Core) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric → values of its labels, in the order of the labels' names → value."""
    page, content_type = await Metrics([core]).exposition("")
    assert content_type.startswith("text/plain")
    return parsed(page.decode())


def parsed(page: str) -> dict[str, dict[tuple[str, ...], float]]:
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels[name] for name in sorted(sample.labels))] = sample.value
    return found


def worker(tmp_path: Path) -> Core:
    return Core(Settings(datadir=str(tmp_path), topic_prefix="t."))


async def test_the_page_of_a_worker_that_has_worked(tmp_path: Path) -> None:
    core, shop = worker(tmp_path), Shop()
    shop.introduces_herself()
    shop.views(1000)
    shop.does("product_view", 2000, price="cheap")
    shop.later(40)
    core.counts.__dict__.update(shop.counts.__dict__)
    core.counts.records["t.journal"] = 5
    core.counts.turns["t.journal"] = Spread((0.1,))
    core.counts.turns["t.journal"].observe(0.05)
    found = await samples(core)
    assert found["kairos_windows_opened_total"]["product_page_abandonment",] == 1
    assert found["kairos_sends_total"]["product_page_abandonment",] == 2
    assert found["kairos_dead_letters_total"]["contract", "intake"] == 1
    assert found["kairos_records_total"]["journal",] == 5, "topics are called as on the map, whatever their prefix"
    assert found["kairos_turn_seconds_bucket"]["+Inf", "journal"] == 1
    assert found["kairos_ready"][()] == 0
    assert found["process_resident_memory_bytes"][()] > 1_000_000
    page = (await Metrics([core]).exposition(""))[0].decode()
    assert not [name for name in HERS if name in page], "nobody is named on a page that anybody on the network may read"


async def test_two_workers_in_one_process_share_no_count(tmp_path: Path) -> None:
    one, other = worker(tmp_path / "1"), worker(tmp_path / "2")
    one.counts.decided(decision("welcome"))
    assert (await samples(one))["kairos_windows_opened_total"]["welcome",] == 1
    assert "kairos_windows_opened_total" not in await samples(other)


def test_a_counter_that_may_count_twice_says_so(tmp_path: Path) -> None:
    told = {metric.name: metric.documentation for metric in Metrics([worker(tmp_path)]).collect()}
    for name in ("kairos_sends", "kairos_non_sends", "kairos_windows_opened", "kairos_dead_letters", "kairos_defects"):
        assert "may count again" in told[name], name


# --- health --------------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(core: Core) -> Any:
    """(path) → (status, JSON or text) of a worker's HTTP."""
    port = free_port()
    health = Health([core], "127.0.0.1", port)
    await health.start()
    async with aiohttp.ClientSession() as session:

        async def get(path: str) -> tuple[int, Any]:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await (answer.text() if path == "/metrics" else answer.json())

        try:
            yield get
        finally:
            await health.stop()


async def test_a_worker_that_waits_for_its_broker_is_alive_not_ready_and_says_why(tmp_path: Path) -> None:
    async with served(worker(tmp_path)) as get:
        assert (await get("/healthz"))[0] == 200, "a restart would only make it begin again"
        status, told = await get("/readyz")
        assert (status, told["ready"], told["reason"]) == (503, False, "waiting for a broker")
        status, page = await get("/metrics")
        assert status == 200 and parsed(page)["kairos_ready"][()] == 0


@pytest.fixture(scope="module")
def own_broker(kafka_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One to kill; `kafka_broker` skips where there can be none."""
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.up()
    yield broker
    broker.down()


async def until(question: Any, wanted: Any, tries: int = 160) -> Any:
    """Asks four times a second until the answer is as wanted; returns it. Counts tries, not time: a starved machine answers seldom."""
    answer = None
    for _ in range(tries):
        answer = await question()
        if wanted(answer):
            return answer
        await asyncio.sleep(0.25)
    raise AssertionError(f"still {answer} after {tries} tries")


@pytest.mark.kafka
async def test_a_real_worker_over_a_broker_that_dies_and_comes_back(own_broker: Broker, tmp_path: Path) -> None:
    cluster = Cluster(own_broker.address, "metrics-", tmp_path, partitions=2)
    await asyncio.to_thread(cluster.create_topics)
    one = cluster.worker("w1")
    one.http = free_port()
    async with aiohttp.ClientSession() as session:

        async def ask(path: str) -> tuple[int, Any]:
            try:
                async with session.get(f"http://127.0.0.1:{one.http}{path}") as answer:
                    return answer.status, await (answer.text() if path == "/metrics" else answer.json())
            except aiohttp.ClientError:
                return 0, None

        try:
            one.start()
            await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
            await play(cluster)

            def counted(answer: tuple[int, Any]) -> bool:
                told = parsed(answer[1])
                # Lateness is told once a turn is written down; what it planned may have been rendered by then.
                late = told.get("kairos_timer_lateness_seconds_count", {}).get((), 0)
                return sum(told.get("kairos_sends_total", {}).values()) >= 3 and late >= 3

            _, page = await until(lambda: ask("/metrics"), counted)
            found = parsed(page)
            assert sum(found["kairos_windows_opened_total"].values()) >= 3
            assert found["kairos_events_total"]["accepted",] >= 20
            assert found["kairos_dead_letters_total"]["contract", "intake"] >= 1
            assert found["kairos_timer_lateness_seconds_sum"][()] / found["kairos_timer_lateness_seconds_count"][()] < 10
            assert set(found["kairos_turn_seconds_count"]) >= {("customer_events",), ("journal",), ("message_plans",), ("control",)}
            assert {place for place in found["kairos_lag_records"] if place[1] == "journal"} == {("0", "journal"), ("1", "journal")}
            assert max(found["kairos_low_water_age_seconds"].values()) < 10
            assert found["kairos_ticks_total"][()] > 0 and found["kairos_restores_total"][()] >= 1
            assert found["kairos_rocksdb_disk_bytes"][()] > 0 and found["kairos_rocksdb_memory_bytes"][()] > 0
            own_broker.kill()
            _, told = await until(lambda: ask("/readyz"), lambda answer: answer[0] == 503)
            assert "no answer from the broker" in told["reason"]
            assert (await ask("/healthz"))[0] == 200
            await asyncio.to_thread(own_broker.up)
            await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
        finally:
            cluster.stop()


async def play(cluster: Cluster) -> None:
    """A few people shop for a few seconds."""
    await load.Player(cluster.broker, cluster.prefix + "customer_events").run(load.play(1, 10, 3.0, 20))
