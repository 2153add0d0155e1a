"""Profiles go out as they change, at most once per person per 10 s, and whether they do decides nothing (interface.md 4)."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise
from typing import Any

import orjson
import pytest

from app import events
from app.agents.intake_program import IntakeProgram
from app.agents.person_program import PersonProgram
from app.agents.postmaster_program import PostmasterProgram
from app.agents.renderer_program import RendererProgram
from app.domain.publishing import EVERY_MS
from app.edges.events_file import milliseconds
from app.edges.shop_day import shop_day
from app.engine.program import Incoming, Moment, Output
from app.engine.simulation import Simulation
from app.policy.pack import compile_artifact
from tests.shop import DAY, MINUTE, MONDAY, SECOND, artifact


class Shop:
    """A simulation in which profiles go out, and when each did."""

    def __init__(self, publishes: bool = True, bot_after: int = 5000, assume: frozenset[str] = frozenset()) -> None:
        ref, data = artifact("merged")
        packs = {ref: compile_artifact(ref, data)}.__getitem__
        self.outputs: list[tuple[str, bytes]] = []
        self.profiles: dict[str, list[tuple[int, dict[str, Any] | None]]] = defaultdict(list)
        self.simulation = Simulation(
            IntakeProgram("secret", bot_after, partition_of_key=lambda key: 0),
            PersonProgram(packs, assume, publishes=publishes),
            PostmasterProgram(),
            RendererProgram(packs, "secret", "https://shop.example"),
            self._collect,
            self._see,
        )
        self.simulation.activate(MONDAY, ref)
        self._count = self.at = 0

    def _collect(self, topic: str, output: Output) -> None:
        if topic == "profiles":
            assert output.key is not None
            self.profiles[output.key.decode()].append((self.at, orjson.loads(output.value) if output.value else None))
        else:
            self.outputs.append((topic, output.value))

    def _see(self, line: Incoming) -> None:
        self.at = line.timestamp

    def view(self, t: int, customer: str | None = "ann", device: str | None = None) -> None:
        self._count += 1
        line: dict[str, Any] = {"event_id": f"e{self._count}", "event_type": "product_view", "timestamp": events.iso(MONDAY + t)}
        line |= {"customer_id": customer, "anonymous_id": device, "properties": {"product_id": f"p{self._count}"}}
        self.simulation.feed(MONDAY + t, (customer or device or "").encode(), orjson.dumps(line))

    def until(self, t: int) -> None:
        self.simulation.run_until(MONDAY + t)

    @property
    def told(self) -> list[int]:
        """When the only person's profile went out, in ms after Monday midnight."""
        (only,) = self.profiles.values()
        return [at - MONDAY for at, _ in only]


def test_a_burst_is_told_as_it_begins_and_ten_seconds_later_with_all_that_came() -> None:
    shop = Shop()
    for second in range(8):
        shop.view(MINUTE + second * SECOND)
    assert shop.told == [MINUTE]
    shop.until(2 * MINUTE)
    assert shop.told == [MINUTE, MINUTE + EVERY_MS]
    (told,) = shop.profiles.values()
    assert [one["last_seen"] for _, one in told if one] == [events.iso(MONDAY + MINUTE + after * SECOND) for after in (0, 7)]
    assert [one["propensity"]["category"] for _, one in told if one] == [None, None], "no category was told, so none is of interest"


def test_what_comes_seldom_is_told_with_the_event_and_wakes_nobody() -> None:
    shop = Shop()
    for n in range(3):
        shop.view(n * MINUTE)
        assert shop.told[-1] == n * MINUTE
    shop.until(3 * MINUTE)
    assert shop.told == [0, MINUTE, 2 * MINUTE]


def test_a_long_stream_is_told_every_ten_seconds() -> None:
    shop = Shop()
    for second in range(60):
        shop.view(second * SECOND)
    shop.until(2 * MINUTE)
    assert len(shop.told) == 7, "with the first view, and every ten seconds up to the last"
    assert min(later - earlier for earlier, later in pairwise(shop.told)) >= EVERY_MS


def test_who_catches_up_tells_each_person_once_and_once_more_when_it_has() -> None:
    told: list[int] = []
    program = PersonProgram({}.__getitem__, publishes=True)
    group = program.load(b"p", [None, None, None])
    late = Moment(MONDAY, MONDAY - SECOND, 500, {}, 0, 0)
    for n in range(100):
        late = Moment(MONDAY + n * MINUTE, MONDAY - SECOND, 500, {}, 0, n)  # the mark stands still
        view = events.Event(late.now, f"e{n}", "product_view", late.now, "p", "ann", properties={"product_id": f"p{n}"})
        group, outputs = program.step(group, view, late)
        assert group is not None
        told += [n for one in outputs if one.topic == "profiles"]
    assert told == [0]
    assert program.due(group) == MONDAY + EVERY_MS
    group, outputs = program.wake(group, Moment(late.now, late.now, 500, {}, 0, 100))
    assert [one.topic for one in outputs] == ["profiles"]
    assert program.due(group) == -1


def test_who_has_become_somebody_else_leaves_a_tombstone() -> None:
    shop = Shop()
    shop.view(0, customer=None, device="phone")
    shop.view(MINUTE, customer="ann", device="phone")
    shop.until(2 * MINUTE)
    last = [told[-1][1] for told in shop.profiles.values()]
    assert [one for one in last if one is None] == [None], "the phone's own profile is taken back"
    (ann,) = [one for one in last if one is not None]
    assert (ann["customer_id"], ann["anonymous_ids"]) == ("ann", ["phone"])


def test_of_a_bot_it_is_told_that_it_is_one_and_then_nothing() -> None:
    shop = Shop(bot_after=5)
    for second in range(60):
        shop.view(second * SECOND)
    shop.until(5 * MINUTE)
    (only,) = shop.profiles.values()
    assert [one["bot"] for _, one in only if one] == [False, True], "whom the first view made, then that it is a bot"


@pytest.mark.parametrize("seed", [1, 2])
def test_whether_profiles_go_out_decides_nothing_and_none_goes_out_too_often(seed: int) -> None:
    lines = shop_day(seed, date(2026, 3, 2))
    shops = [Shop(publishes, assume=frozenset({"consent", "address"})) for publishes in (True, False)]
    for shop in shops:
        for line in lines:
            at = milliseconds(line.get("received_at") or line["timestamp"]) or 0
            shop.simulation.feed(at, str(line.get("customer_id") or line.get("anonymous_id")).encode(), orjson.dumps(line))
        shop.simulation.run_until(MONDAY + 3 * DAY)
    assert shops[0].outputs == shops[1].outputs
    assert not shops[1].profiles
    assert len(shops[0].profiles) > 50
    for told in shops[0].profiles.values():
        assert all(later[0] - earlier[0] >= EVERY_MS for earlier, later in pairwise(told) if later[1] is not None)
    for shop in shops:
        assert not any(group.told.behind for group in shop.simulation.groups()), "time has run on: all is told"
