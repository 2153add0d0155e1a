"""The demo's clock moves frame by frame, and only over time whose events the broker has."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.edges.demo_clock import INTERVAL_MS, DemoClock
from app.edges.events_file import Arrival
from app.edges.player import STRIDE_MS, Player, with_assumptions
from app.engine.clock import wall_ms

NOON = 1_772_452_800_000
MINUTE, HOUR = 60_000, 3_600_000


class Shop:
    """What the player does to the outside: when which events went out, and where the clock then stood."""

    def __init__(self, due: int | None = None) -> None:
        self.clock = DemoClock(NOON)
        self.out: list[tuple[int, int]] = []
        self.due = due
        self.player = Player(self.clock, self.produce, self.keep_up, lambda: self.due, INTERVAL_MS)

    async def produce(self, frame: list[Arrival]) -> None:
        self.out += [(self.clock.reached, arrival.at) for arrival in frame]

    async def keep_up(self) -> None:
        if self.due is not None and self.clock.reached >= self.due:
            self.due = None

    async def play(self, *offsets: int) -> list[int]:
        arrivals = [Arrival(NOON + offset, b"c", b"{}") for offset in offsets]
        return [at - NOON async for at in self.player.play(arrivals, speed=1e9)]


def test_a_broker_time_maps_to_one_journal_time_for_ever() -> None:
    clock = DemoClock(NOON)
    before = clock(1_000)
    clock.move(NOON + MINUTE)
    clock.move(NOON)
    assert clock(1_000) == before == NOON
    assert NOON + MINUTE <= clock.reached < NOON + MINUTE + 1_000


@given(st.lists(st.integers(-MINUTE, HOUR), max_size=30))
def test_the_clock_never_goes_back(moves: list[int]) -> None:
    clock = DemoClock(NOON)
    start = wall_ms()
    for move in moves:
        clock.move(clock.reached + move)
    told = [clock(start + ms) for ms in range(-5, len(moves) + 20)]
    assert told == sorted(told)


async def test_no_event_goes_out_after_the_clock_has_passed_it_or_a_frame_before() -> None:
    shop = Shop()
    await shop.play(0, 10_000, MINUTE, MINUTE + 1, 3 * MINUTE, 5 * HOUR, 5 * HOUR + 1)
    assert len(shop.out) == 7
    assert all(clock <= at <= clock + INTERVAL_MS for clock, at in shop.out)
    assert shop.clock.reached >= NOON + 5 * HOUR + 1


async def test_an_idle_stretch_is_jumped() -> None:
    assert len(await Shop().play(0, 240 * HOUR)) == 2


async def test_a_jump_stops_where_somebody_waits_for_a_message() -> None:
    moves = await Shop(due=NOON + 100 * HOUR + 1).play(0, 240 * HOUR)
    assert moves[0] == 100 * HOUR + MINUTE
    assert len(moves) == 3


async def test_while_a_message_is_overdue_time_passes_in_strides() -> None:
    shop = Shop(due=NOON + HOUR)
    assert [at - NOON async for at in shop.player.pass_time(NOON + 30 * HOUR, 0)] == [HOUR, 30 * HOUR]
    moves = []
    shop = Shop(due=NOON)
    async for at in shop.player.pass_time(NOON + 2 * HOUR, 0):
        shop.due = NOON  # nobody answers
        moves.append(at - NOON)
    assert moves == [STRIDE_MS, 2 * STRIDE_MS, 3 * STRIDE_MS, 4 * STRIDE_MS]


def test_assumed_people_sign_in_before_their_first_event_once() -> None:
    line = orjson.dumps({"event_type": "product_view", "customer_id": "007", "anonymous_id": None})
    arrivals = [Arrival(NOON, None, b"{broken"), Arrival(NOON, b"007", line), Arrival(NOON + 1, b"007", line)]
    told = [orjson.loads(one.value) if one.value != b"{broken" else None for one in with_assumptions(arrivals, consent=True, address=True)]
    assert [one and one["event_type"] for one in told] == [None, "identify", "consent_give", "product_view", "product_view"]
    assert told[1]["properties"]["traits"]["email"].endswith("@example.invalid")
    assert told[2]["customer_id"] == "007"
    assert list(with_assumptions(arrivals, consent=False, address=False)) == arrivals
