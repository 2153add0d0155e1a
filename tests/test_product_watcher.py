"""The product watcher: changes become products, and what the pack asks for a broadcast to every partition; a purchase counts once."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import events, flow
from app.agents.product_watcher_program import ProductWatcherProgram
from app.domain import shelf
from app.domain.catalog_change import CatalogChange, Happened, encode, notice
from app.domain.catalogue import Item, decode, view
from app.domain.shelf import MAX_SEEN, TELL_MS
from app.domain.trigger import Pack
from app.edges.topic_scan import scanner
from app.engine.counts import Counts
from app.engine.memory import MemoryStore
from app.engine.origin import pack_origin
from app.engine.program import Output
from app.engine.simulation import Logged
from app.engine.turn import Turn
from app.events import Broadcast, DeadLetter
from app.flow import DAY_MS, Stage
from app.policy.pack import BadPack, build, compile_artifact
from app.settings import Settings
from tests.her import Her
from tests.kafka import logs
from tests.kafka.cluster import Cluster, free_port
from tests.shop import DAY, HOUR, MONDAY, Shop, artifact
from tests.test_insight import Asked, event, produce, until

WATCHING = str(Path(__file__).parent / "packs" / "watching.toml")
NOON = 20_000 * DAY_MS + DAY_MS // 2
PARTITIONS = 3


def pack(name: str = WATCHING) -> Pack:
    return compile_artifact(*artifact(name))


class Lane:
    """The watcher's program over turns in memory; a turn of which nothing was kept is done again."""

    def __init__(self, asks: Pack | None = None, home: Any = None) -> None:
        self.pack, self.counts, self.store = asks or pack(), Counts(), MemoryStore()
        self.program = ProductWatcherProgram(lambda: self.pack, PARTITIONS, home=home, counts=self.counts)
        self.turn = Turn(self.program, 1, self.store)
        self.lines: list[Logged] = []
        self.done = 0

    def change(self, product_id: str = "p", at: int = NOON, **told: Any) -> None:
        self.put(product_id.encode(), orjson.dumps({"product_id": product_id, **told}), at)

    def notice(self, kind: Any, cause: str, at: int = NOON, rating: float | None = None, product_id: str = "p") -> None:
        self.put(product_id.encode(), notice(product_id, Happened(kind, cause, rating), at), at)

    def put(self, key: bytes | None, value: bytes | None, at: int = NOON, headers: Any = ()) -> None:
        self.lines.append(Logged(len(self.lines), at, key, value, headers))

    def run(self, *, crash: bool = False) -> list[Output]:
        """What comes out of the lines that are not done yet. `crash`: right before the first local write."""
        outputs: list[Output] = []
        for segment in self.turn.segments(self.lines[self.done :]):
            assert not segment.defects
            outputs += segment.outputs
            if crash:
                return outputs
            self.store.keep(segment.rows, segment.marks, 0)
        self.done = len(self.lines)
        return outputs

    def item(self, product_id: str = "p") -> Item:
        found = self.program.load(product_id.encode(), self.store.bodies(product_id.encode(), self.program.row_kinds)).item
        assert found is not None
        return found


def products(outputs: list[Output]) -> list[Item | None]:
    return [decode(one.value) if one.value else None for one in outputs if one.topic == "products"]


def broadcasts(outputs: list[Output]) -> list[tuple[int | None, Broadcast]]:
    return [(one.partition, events.journal.decode(one.value)) for one in outputs if one.topic == "journal"]


def told(outputs: list[Output]) -> list[tuple[str, dict[str, Any]]]:
    """(change, values) of each broadcast; every one went to every partition, in one piece each."""
    found = broadcasts(outputs)
    assert Counter(partition for partition, _ in found) == Counter(list(range(PARTITIONS)) * (len(found) // PARTITIONS))
    return [(one.change, one.values) for partition, one in found if partition == 0]


# --- products -----------------------------------------------------------------------------------------------------------------------


def test_a_change_becomes_the_product_as_it_stands() -> None:
    #
    lane = Lane()
    lane.change(name="Mug", price="12.50", currency="EUR", stock=9, attributes={"colour": "red"})
    lane.change(stock=8)
    lane.change(stock=8)
    found = products(lane.run())
    assert found == [
        Item("p", name="Mug", price=125_000, currency="EUR", stock=stock, attributes={"colour": "red"}, changed_at=NOON) for stock in (9, 8)
    ]
    assert lane.item() == found[-1]


def test_what_changes_nothing_writes_nothing() -> None:
    lane = Lane()
    lane.change(name="Mug", price=5)
    lane.run()
    for _ in range(3):
        lane.change(name="Mug", price="5.00")
    segments = list(lane.turn.segments(lane.lines[lane.done :]))
    assert not [one for segment in segments for one in (*segment.rows, *segment.outputs)]


def test_a_product_that_is_taken_off_is_a_tombstone_and_may_come_again() -> None:
    for off in (b"", orjson.dumps({"product_id": "p", "removed": True})):
        lane = Lane()
        lane.change(name="Mug", price=10, stock=0)
        lane.put(b"p", off or None)
        lane.put(b"p", off or None)
        lane.change(name="Mug", price=5, stock=1)
        outputs = lane.run()
        assert [one and one.price for one in products(outputs)] == [100_000, None, 50_000]
        assert told(outputs) == [], "what is new has not changed"


# --- what the pack asks for ----------------------------------------------------------------------------------------------------------


def test_a_lower_price_is_told_to_every_partition() -> None:
    #
    lane = Lane()
    lane.change(
        name="Mug", item_group_id="m", category="mugs", price="10", currency="EUR", url="https://s.example/m", image="https://s.example/i"
    )
    lane.run()
    lane.change(sale_price="8.50", at=NOON + 5)
    outputs = lane.run()
    values = {
        "product_id": "p",
        "item_group_id": "m",
        "product_name": "Mug",
        "category": "mugs",
        "price": "8.50",
        "old_price": "10.00",
        "drop": 0.15,
        "currency": "EUR",
        "image": "https://s.example/i",
        "url": "https://s.example/m",
    }
    assert broadcasts(outputs) == [(number, Broadcast(NOON + 5, "p", "price_drop", values)) for number in range(PARTITIONS)]
    assert lane.counts.broadcasts == Counter(price_drop=1)


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"price": 10}, {"price": 9.01}, []),
        ({"price": 10}, {"price": 9}, ["price_drop"]),
        ({"price": 10}, {"price": 11}, []),
        ({"price": 10}, {"price": 0}, []),
        ({"price": 10}, {"price": None}, []),
        ({}, {"price": 5}, []),
        ({"price": 10, "sale_price": 5}, {"sale_price": None}, []),
        ({"price": 10, "currency": "EUR"}, {"price": 5, "currency": "USD"}, []),
        ({"price": 10, "stock": 0}, {"price": 5}, []),
        ({"price": 10, "stock": 0}, {"price": 5, "stock": 9}, ["price_drop", "back_in_stock"]),
        ({"stock": 0}, {"stock": 2}, ["back_in_stock"]),
        ({"stock": 0}, {"stock": None}, ["back_in_stock"]),
        ({"stock": 0}, {"available": True}, ["back_in_stock"]),
        ({"stock": 9}, {"stock": 0}, []),
        ({"stock": 4}, {"stock": 3}, ["low_stock"]),
        ({"stock": 3}, {"stock": 2}, []),
        ({"stock": None}, {"stock": 2}, ["low_stock"]),
    ],
)
def test_which_change_is_one(before: dict[str, Any], after: dict[str, Any], wanted: list[str]) -> None:
    #
    lane = Lane()
    lane.change(**before)
    lane.change(**after)
    assert [change for change, _ in told(lane.run())] == wanted


def test_no_broadcast_is_made_that_no_trigger_of_the_active_pack_opens_on() -> None:
    lane = Lane(pack("s1"))
    lane.change(price=10, stock=9)
    lane.change(price=5, stock=2)
    lane.change(stock=0)
    lane.change(stock=2)
    assert told(lane.run()) == []
    lane.pack = pack()
    lane.change(price=1)
    assert [change for change, _ in told(lane.run())] == ["price_drop"]


def test_a_pack_says_from_when_on_a_change_is_one(tmp_path: Path) -> None:
    text = Path(WATCHING).read_text()
    assert (pack().catalogue.price_drop, pack().catalogue.low_stock) == (0.1, 3)
    assert (pack("merged").catalogue.price_drop, pack("merged").catalogue.low_stock) == (0.05, 5)
    for wrong, why in (
        ("price_drop = 2", "price_drop: a number"),
        ("low_stock = 0", "low_stock: a whole"),
        ("price_dip = 1", "unknown field"),
    ):
        bad = tmp_path / "bad.toml"
        bad.write_text(
            re.sub(f"{wrong.split()[0]} += .*" if wrong.split()[0] in text else "price_drop += .*", wrong, text, count=1), "utf-8"
        )
        with pytest.raises(BadPack, match=rf"bad\.toml:\d+: {why}"):
            build(str(bad))


# --- bad records ----------------------------------------------------------------------------------------------------------------------


def test_a_bad_record_is_buried_with_every_reason_and_the_next_is_taken() -> None:
    lane = Lane(home=lambda key: 0 if key == b"elsewhere" else 1)
    lane.put(b"p", b'{"product_id":"p","price":-1,"stok":2}')
    lane.put(b"q", b'{"product_id":"p","price":1}')
    lane.put(None, None)
    lane.put(b"p", b"\xff")
    lane.put(b"elsewhere", b'{"product_id":"elsewhere"}')
    lane.change(price=3)
    outputs = lane.run()
    letters = [msgspec.json.decode(one.value, type=DeadLetter) for one in outputs if one.topic == "dead_letters"]
    assert [one.reason for one in letters] == ["contract", "no_key", "no_key", "contract", "no_key"]
    assert {one["path"] for one in letters[0].violations} == {"", "/price"} and letters[0].stage == "product_watcher"
    assert [one and one.price for one in products(outputs)] == [30_000]
    assert sum(lane.counts.letters.values()) == 5


# --- social proof ---------------------------------------------------------------------------------------------------------------------


def test_ratings_and_what_was_bought_today_are_counted() -> None:
    #
    lane = Lane()
    lane.change(name="Mug")
    for n, rating in enumerate((5, 4, 4)):
        lane.notice("reviewed", f"r{n}", NOON + n * 2 * TELL_MS, rating)
    for n in range(3):
        lane.notice("bought", f"b{n}", NOON + n * 2 * TELL_MS)
    lane.run()
    mug = lane.item()
    assert (mug.rating, mug.ratings, mug.bought_today) == (4.33, 3, 3)
    assert view(mug, NOON)["bought_today"] == 3 and "bought_today" not in view(mug, NOON + DAY_MS)
    lane.notice("bought", "late", NOON)
    lane.notice("bought", "tomorrow", NOON + DAY_MS)
    lane.notice("bought", "of the day before", NOON)
    lane.run()
    assert (lane.item().bought_today, lane.item().bought_day) == (1, NOON // DAY_MS + 1)


def test_the_shops_own_rating_takes_the_place_of_what_was_counted() -> None:
    lane = Lane()
    lane.change(name="Mug")
    lane.notice("reviewed", "r0", rating=1)
    lane.change(rating=4.5, ratings=9)
    lane.notice("reviewed", "r1", rating=2)
    lane.change(stock=4)
    lane.notice("reviewed", "r2", rating=2)
    lane.run()
    assert (lane.item().rating, lane.item().ratings) == (round((4.5 * 9 + 4) / 11, 2), 11)


def test_what_a_lane_tells_again_after_its_crash_counts_once() -> None:
    lane = Lane()
    lane.change(name="Mug")
    turn = [("bought", f"b{n}", None) for n in range(MAX_SEEN - 1)] + [("reviewed", "r", 5.0)]
    for _ in range(2):
        for kind, cause, rating in turn:
            lane.notice(kind, cause, NOON, rating)
    lane.run(crash=True)
    lane.run()
    assert (lane.item().bought_today, lane.item().ratings) == (MAX_SEEN - 1, 1)
    row = lane.program.dump(lane.program.load(b"p", lane.store.bodies(b"p", (b"p",))), None)[0][1]
    assert len(row) < 8_000, "bounded, however much is bought"


def test_a_forged_origin_silences_nobody() -> None:
    lane = Lane()
    lane.change(name="Mug")
    for n in range(3):
        forged = pack_origin(Stage.LANE, n, 2**60, 0)
        lane.put(b"p", notice("p", Happened("bought", f"b{n}"), NOON), NOON, forged)
        lane.notice("bought", f"c{n}")
    lane.run()
    assert lane.item().bought_today == 6


def test_of_what_the_catalogue_does_not_have_nothing_is_kept() -> None:
    lane = Lane()
    for n in range(50):
        lane.notice("bought", "b", product_id=f"made up {n}")
    assert lane.run() == [] and lane.store.bodies(b"made up 1", (b"p",)) == [None]


def test_a_bestseller_is_published_once_a_minute() -> None:
    lane = Lane()
    lane.change(name="Mug")
    for second in range(600):
        for n in range(3):
            lane.notice("bought", f"{second}/{n}", NOON + second * 1_000)
    found = products(lane.run())
    assert len(found) == 11 and lane.item().bought_today == 1_800
    counts = [one.bought_today for one in found if one is not None]
    assert counts == sorted(counts) and counts[-1] > 1_600


@given(st.lists(st.tuples(st.sampled_from(["bought", "reviewed"]), st.integers(0, 9), st.integers(0, 3)), max_size=40))
def test_ids_count_once_in_whatever_order_they_come(found: list[tuple[Any, int, int]]) -> None:
    kept = shelf.changed(shelf.EMPTY, CatalogChange("p", name="Mug"), NOON)
    for kind, cause, minute in found:
        kept = shelf.happened(kept, Happened(kind, f"{kind}{cause}", 4.0), NOON + minute * 60_000)
    assert kept.item is not None
    ids = {(kind, cause) for kind, cause, _ in found}
    assert (kept.item.bought_today, kept.item.ratings) == (
        len([one for one in ids if one[0] == "bought"]),
        len([one for one in ids if one[0] == "reviewed"]),
    )


def test_the_lane_notices_each_line_of_an_order_once_and_each_review() -> None:
    #
    from app.agents.person_program import PersonProgram
    from app.domain import person

    her = Her()
    program = PersonProgram(her.packs.__getitem__)

    def noticed(
        event_type: str, t: int, event_id: str, ts: int | None = None, bot: bool = False, **properties: Any
    ) -> list[dict[str, Any]]:
        at = MONDAY + t
        one = events.Event(at, event_id, event_type, at if ts is None else ts, "p" * 32, "ann", properties=properties, bot=bot)
        see = program._see(her.group, _moment(at))
        her.group, effects = person.step(her.group, one, see)
        return [orjson.loads(made.value) for made in program._outputs(her.group, effects, see) if made.topic == "catalog_changes"]

    lines = [{"product_id": "a", "price": 1}, {"product_id": "b", "price": 1}, {"product_id": "a", "price": 2}, {"product_name": "no id"}]
    first = noticed("purchase", HOUR, "e1", order_id="o1", products=lines)
    assert [(one["product_id"], one["happened"]["kind"]) for one in first] == [("a", "bought"), ("b", "bought")]
    assert noticed("purchase", HOUR, "e2", order_id="o1", products=lines) == []
    assert "o1" not in str(first) and "ann" not in str(first), "nobody is named"
    assert len(noticed("purchase", HOUR, "e3", order_id="o1", product_id="c", price=1)) == 1
    assert noticed("purchase", 2 * DAY, "e4", ts=MONDAY, order_id="o2", product_id="a", price=1) == [], (
        "an order of the day before yesterday"
    )
    assert noticed("purchase", 2 * DAY, "e5", bot=True, order_id="o3", product_id="a", price=1) == []
    [review] = noticed("review_write", 2 * DAY, "e6", product_id="a", rating=4)
    assert review["happened"] == {"kind": "reviewed", "id": review["happened"]["id"], "rating": 4.0}
    for rating in (None, True, 0, 17, "5"):
        assert noticed("review_write", 2 * DAY, "e7", product_id="a", rating=rating) == []


def _moment(at: int) -> Any:
    from app.engine.program import Moment

    return Moment(at, at, 1_000, {"policy": pack("s1").ref}, 0, 0)


# --- in a simulation ------------------------------------------------------------------------------------------------------------------


def test_a_simulation_keeps_a_catalogue_and_its_journal_hears_of_it() -> None:
    lines: list[Any] = []
    shop = Shop(WATCHING)
    shop.simulation._on_line = lines.append

    def change(t: int, **facts: Any) -> None:
        shop.simulation.change(MONDAY + t, [(b"p1", encode(CatalogChange("p1", **facts)))])

    change(0, name="Mug", price="10", currency="EUR", stock=9)
    shop.event("purchase", HOUR, order_id="o1", product_id="p1", price=10)
    shop.event("review_write", 2 * HOUR, product_id="p1", rating=5)
    change(3 * HOUR, price="7")
    found = [decode(value) for topic, value in shop.outputs if topic == "products"]
    assert [(one.price, one.bought_today, one.ratings) for one in found] == [
        (100_000, 0, 0),
        (100_000, 1, 0),
        (100_000, 1, 1),
        (70_000, 1, 1),
    ]
    heard = [events.journal.decode(line.value) for line in lines]
    [drop] = [one for one in heard if isinstance(one, Broadcast)]
    assert (drop.at, drop.change, drop.values["drop"]) == (MONDAY + 3 * HOUR, "price_drop", 0.3)


# --- the map --------------------------------------------------------------------------------------------------------------------------


def test_the_walk_of_what_tells_of_products_goes_by_the_watcher() -> None:
    assert any(line.startswith("product_watcher: ") for line in flow.walk("purchase"))
    assert not any(line.startswith("product_watcher: ") for line in flow.walk("product_view"))


# --- on Kafka -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.kafka
async def test_a_lower_price_reaches_every_partition_once_over_a_kill(kafka_broker: str, tmp_path: Path) -> None:
    #
    cluster = Cluster(kafka_broker, f"catalogue-{int(time.time())}-", tmp_path, partitions=3, pack=WATCHING)
    await asyncio.to_thread(cluster.create_topics)
    settings = msgspec.structs.replace(Settings(), broker=kafka_broker, topic_prefix=cluster.prefix, partitions=3)
    dear, cheap = tmp_path / "dear.csv", tmp_path / "cheap.csv"
    dear.write_text("id,title,price,quantity\n" + "".join(f"p{n},Mug {n},10 EUR,9\n" for n in range(40)))
    cheap.write_text("id,title,price,quantity\n" + "".join(f"p{n},Mug {n},{5 if n < 20 else 10} EUR,9\n" for n in range(30)))

    async def read(topic: str) -> list[Any]:
        async with scanner(settings) as scan:
            return [one async for one in scan.read(topic)]

    async def standing() -> dict[str, Item | None]:
        newest = {one.key.decode(): one.value for one in await read("products")}
        return {key: decode(value) if value else None for key, value in newest.items()}

    async def import_(*arguments: str) -> str:
        done = await asyncio.to_thread(cluster.command, "catalog", "import", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    worker = cluster.worker("w1")
    worker.http = free_port()
    async with aiohttp.ClientSession() as session:
        ask = Asked(worker, session)
        try:
            worker.start()
            await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
            await import_(str(dear))
            await until(standing, lambda found: len(found) == 40)
            # It dies between the broker's ack of what it told and its own write, and tells it again.
            worker.kill()
            worker.start("outputs_acked:3")
            await import_(str(cheap))
            await until(lambda: asyncio.sleep(0, worker.alive), lambda alive: not alive)
            worker.start()
            await until(lambda: ask("/readyz"), lambda answer: answer[0] == 200)
            await until(standing, lambda found: sum(one.price == 50_000 for one in found.values() if one) == 20)
            await produce(
                cluster, "customer_events", [event(n, "purchase", "ann", order_id=f"o{n}", product_id="p1", price=5) for n in range(2)]
            )
            await until(standing, lambda found: (one := found["p1"]) is not None and one.bought_today >= 1)

            journal = (await logs.read(cluster.broker, cluster.prefix, ("journal",)))["journal"]
            repeats = 0
            for number in range(3):
                origins: set[bytes] = set()
                heard: Counter[str] = Counter()
                for message in journal[number]:
                    if message.key is None and isinstance(record := events.journal.decode(message.value), Broadcast):
                        [origin] = [value for name, value in message.headers if name == "o"]
                        heard[record.product_id] += origin not in origins
                        repeats += origin in origins
                        origins.add(origin)
                        assert record.change == "price_drop" and record.values["drop"] == 0.5
                assert heard == Counter({f"p{n}": 1 for n in range(20)}), f"partition {number}"

            assert repeats, "the crash repeated nothing: it proved nothing"

            assert "10 products that are not in it have a stock of 0 now" in await import_(str(cheap), "--full")
            await until(standing, lambda found: sum(one.stock == 0 for one in found.values() if one) == 10)
            few = tmp_path / "few.csv"
            few.write_text("id\np1\n")
            done = await asyncio.to_thread(cluster.command, "catalog", "import", str(few), "--full")
            assert done.returncode == 1 and "more than half" in done.stderr
            _, metrics = await ask("/metrics")
            assert 'kairos_records_total{topic="catalog_changes"}' in metrics
            assert (await asyncio.to_thread(cluster.command, "topics", "check")).returncode == 0
        finally:
            cluster.stop()
            await cluster.delete_topics()
