"""Both roles on real Kafka: what people do becomes a model that the lanes are given, and a command learns the same from the journal."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from app import events
from app.agents import refresh
from app.agents.insight import Insight
from app.agents.refresh import KEPT
from app.agents.roles import Roles
from app.domain.catalogue import Item, encode
from app.domain.fingerprint import fingerprint, ref_of
from app.domain.neighbours import COLLABORATIVE, Model
from app.domain.recommended import RECOMMENDATIONS
from app.edges import models
from app.edges.feed_sources import of_cluster
from app.edges.likings_file import from_journal
from app.edges.metrics import Metrics
from app.edges.topic_scan import scanner
from app.engine.clock import wall_ms
from app.engine.topics import create
from app.settings import Settings

pytestmark = pytest.mark.kafka
NAMES = ("shoe", "socks", "tent", "mat")


def view(number: int, who: str, product: str) -> tuple[bytes, bytes]:
    told = {"event_id": f"e{number}", "event_type": "product_view", "customer_id": who, "timestamp": events.iso(wall_ms())}
    return who.encode(), orjson.dumps({**told, "properties": {"product_id": product, "product_name": product.title()}})


async def until(question: Any, tries: int = 240) -> Any:
    for _ in range(tries):
        if (found := question()) is not None:
            return found
        await asyncio.sleep(0.25)
    raise AssertionError("it did not come about")


async def test_what_people_do_becomes_the_model_of_every_lane(cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # kept current from events
    monkeypatch.setattr(refresh, "LOOK_S", 0.2)
    await create(cluster)
    roles = Roles(cluster)
    producer = AIOKafkaProducer(bootstrap_servers=cluster.broker)
    await producer.start()
    try:
        await roles.start()
        core, insight = roles.workers
        assert isinstance(insight, Insight)
        sides = (("shoe", "socks"), ("tent", "mat"))
        day = [view(n * 2 + place, f"c{n}", product) for n in range(12) for place, product in enumerate(sides[n % 2])]
        for key, value in day:
            await producer.send_and_wait(cluster.topic("customer_events"), value, key)
        kept = insight.followers["tastes-changelog"]
        await until(lambda: True if sum(key[:1] == b"p" for key, _ in kept.items()) == 12 else None)
        assert RECOMMENDATIONS not in core.artifacts.active  # there is no catalogue yet
        for name in NAMES:
            await producer.send_and_wait(cluster.topic("products"), encode(Item(name, name.title())), name.encode())
        shelf = insight.followers["products"]
        await until(lambda: True if sum(1 for _ in shelf.items()) == len(NAMES) else None)
        insight.refresh.learned_at = 0
        ref = await until(lambda: core.artifacts.active.get(RECOMMENDATIONS))
        await core.artifacts.wait(ref)
        model = core.artifacts.packs(ref)
        assert isinstance(model, Model) and (model.people, model.products) == (12, 4)
        shoe = model.item(fingerprint("shoe"))
        assert shoe is not None and model.members(model.near(COLLABORATIVE, shoe)[0][0]) == ["socks"]

        # Whom a feed is of: who consented to be known, and what she did.
        for n in range(6):
            key = f"c{n}".encode()
            told = {"event_id": f"y{n}", "event_type": "consent_give", "customer_id": f"c{n}", "timestamp": events.iso(wall_ms())}
            await producer.send_and_wait(
                cluster.topic("customer_events"), orjson.dumps({**told, "properties": {"purposes": ["personalise"]}}), key
            )
        pack = core.artifacts.packs(core.artifacts.active["policy"])

        async def likers() -> dict[str | None, int]:
            async with scanner(cluster) as scan:
                return {one.customer_id: len(one.likings) async for one in of_cluster(scan, pack)}

        for _ in range(120):
            if len(found_likers := await likers()) == 6:
                break
            await asyncio.sleep(0.5)
        assert found_likers == {f"c{n}": 2 for n in range(6)}
        [usable] = [one for one in Metrics(roles.workers).collect() if one.name == "kairos_recommendations_usable"]
        assert usable.samples[0].value == 1.0

        # The journal says the same to the command; and what is published anew takes the oldest off.
        found = await from_journal(cluster)
        assert len(found.log) == len(day)
        published = [(ref_of(RECOMMENDATIONS, bytes([n])), bytes([n])) for n in range(KEPT + 2)]
        for ref, data in published:
            await models.make_active(cluster, ref, data)
        await until(lambda: True if len(core.artifacts.of(RECOMMENDATIONS)) <= KEPT + 1 else None)
        newest = published[-1][0]
        await until(lambda: True if core.artifacts.active.get(RECOMMENDATIONS) == newest else None)
        assert newest in core.artifacts.of(RECOMMENDATIONS)
        # They are none: every lane goes on without.
        await asyncio.sleep(1.0)
        assert all(worker.is_ready() for worker in roles.workers)
    finally:
        await roles.stop()
        await producer.stop()
