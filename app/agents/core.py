"""Role `core` wired up: its agents, their programs, the packs. Whoever wants a running core, a process or a demo, makes one of these."""

from __future__ import annotations

from typing import Any

from app.agents import (
    churn_watcher,
    clock,
    intake,
    intent_scorer,
    postmaster,
    product_watcher,
    profile_updater,
    renderer,
    segmenter,
    trigger_scheduler,
)
from app.agents.intake_program import IntakeProgram, place_on_broker
from app.agents.kinds import compilers
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.product_watcher_program import ProductWatcherProgram
from app.agents.renderer_program import RendererProgram
from app.domain.catalogue import Item, decode, family_of, key_of
from app.engine.artifacts import POLICY
from app.engine.clock import RealTime, TimeMap
from app.engine.counts import Counts
from app.engine.partition import partition_of
from app.engine.program import Program
from app.engine.worker import AtHand, Wiring, Worker
from app.policy.pack import build
from app.settings import Settings

LANE = (profile_updater, intent_scorer, churn_watcher, segmenter, trigger_scheduler)
AGENTS = (intake, *LANE, postmaster, renderer, clock, product_watcher)


TAGS = {"products": family_of}


def wiring(settings: Settings, time_map: TimeMap | None = None) -> Wiring:
    """What the engine runs as role `core`."""
    at = time_map or RealTime(settings.tick_ms)
    counts = Counts()

    def programs(known: AtHand) -> dict[str, Program]:
        packs = known.packs

        def item(product_id: str) -> Item | None:
            value = known.followed("products", key_of(product_id))
            return None if value is None else decode(value)

        def family(group_id: str) -> list[Item]:
            return [decode(value) for value in known.alike("products", key_of(group_id))]

        def pack() -> Any:
            return known.newest(POLICY)

        def home(key: bytes) -> int:
            return partition_of(key, settings.partitions)

        return {
            "customer_events": IntakeProgram(settings.secret, settings.bot_events_per_hour, place_on_broker, at, home, counts, item),
            "journal": PersonProgram(packs, counts=counts, publishes=True),
            "addressed_plans": PostmasterProgram(counts),
            "message_plans": RendererProgram(packs, settings.secret, settings.public_url, item, counts, family),
            "catalog_changes": ProductWatcherProgram(pack, settings.partitions, at, home, counts),
        }

    return Wiring(programs, [one.attach for one in AGENTS], compilers(settings.model_mb), lambda: build(settings.policy), counts, TAGS)


class Core(Worker):
    """`start()` returns once state is restored and events flow (raises `Refusal`); `stop()` is clean. `time_map`: the demo's clock."""

    def __init__(self, settings: Settings, time_map: TimeMap | None = None) -> None:
        super().__init__(settings, wiring(settings, time_map), time_map=time_map)
